//! `/openapi.json`: what callers may send and what they get, in the words of `OpenAPI` 3.1
//! (<https://spec.openapis.org/oas/v3.1.0>). Paths, methods and keys are those of the table of routes, and the bodies
//! are described by the types that become them; `said` adds what neither knows. Pages are for people, and left out.

mod parts;
mod said;
mod shapes;
pub(super) mod words;

use std::sync::LazyLock;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use said::{Answer, Said};
use utoipa::openapi::path::{Operation, OperationBuilder};
use utoipa::openapi::schema::{Schema, Type};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, HttpMethod, InfoBuilder, LicenseBuilder, ObjectBuilder,
    OpenApi, OpenApiBuilder, Paths, Ref, RefOr, ResponseBuilder,
};

use super::answer::no_store;
use super::ping::{Forgotten, Pinged};
use super::problem::ProblemBody;
use super::routes::{self, Access, Route};
use super::{Api, alerts, health, services};
use crate::config::KeyKind;

/// Written once, without keys and with them: whoever does not read it holds no copy of its own.
static WRITTEN: LazyLock<[Bytes; 2]> = LazyLock::new(|| {
    [false, true].map(|has_keys| {
        let text = document(has_keys).to_json().expect("what was built of texts can be written");
        Bytes::from(text)
    })
});

/// `GET /openapi.json`
pub(super) async fn openapi(State(api): State<Api>) -> Response {
    let text = WRITTEN[usize::from(api.0.door.has_keys())].clone();
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    no_store((kind, text).into_response())
}

/// The description of every route; `has_keys` says whether keys are asked for.
fn document(has_keys: bool) -> OpenApi {
    let mut paths = Paths::new();
    for route in routes::table().into_iter().map(|entry| entry.route) {
        let Some(said) = said::of(route.path).filter(|_| !route.is_for_browsers()) else {
            continue;
        };
        for method in &route.methods {
            let Some(known) = known(method) else { continue };
            let operation = operation(&route, method, &said, has_keys);
            paths.add_path_operation(route.path, vec![known], operation);
        }
    }
    let license = LicenseBuilder::new().name("MIT OR Apache-2.0");
    let info = InfoBuilder::new()
        .title("overdue")
        .description(Some(
            "Notices when something that should happen does not. Durations are a whole number and one of W, D, h, m, s; times are RFC 3339 in UTC; lists go on behind next_cursor.",
        ))
        .version(env!("CARGO_PKG_VERSION"))
        .license(Some(license.build()));
    OpenApiBuilder::new()
        .info(info.build())
        .paths(paths)
        .components(Some(components().build()))
        .build()
}

fn known(method: &Method) -> Option<HttpMethod> {
    Some(match method.as_str() {
        "GET" => HttpMethod::Get,
        "HEAD" => HttpMethod::Head,
        "POST" => HttpMethod::Post,
        "PUT" => HttpMethod::Put,
        "PATCH" => HttpMethod::Patch,
        "DELETE" => HttpMethod::Delete,
        "OPTIONS" => HttpMethod::Options,
        _ => return None,
    })
}

fn components() -> ComponentsBuilder {
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(
        "A key: one for pings pings, one for reading reads, an admin's does all.",
    ));
    let in_query =
        ApiKeyValue::with_description("key", "The same, where a caller can do no better.");
    let components = ComponentsBuilder::new().schemas_from_iter(shapes::all());
    components
        .schema_from::<services::Shown<'_>>()
        .schema_from::<services::ShownList<'_>>()
        .schema_from::<services::ShownSignal<'_>>()
        .schema_from::<services::ShownHistory<'_>>()
        .schema_from::<services::Written>()
        .schema_from::<alerts::ShownAlert>()
        .schema_from::<alerts::ShownSpan>()
        .schema_from::<alerts::ShownDelivery>()
        .schema_from::<alerts::ShownAttempt>()
        .schema_from::<alerts::ShownAlerts>()
        .schema_from::<alerts::ShownOutage>()
        .schema_from::<alerts::ShownOutages>()
        .schema_from::<health::Readiness>()
        .schema_from::<Pinged<'_>>()
        .schema_from::<Forgotten<'_>>()
        .schema_from::<ProblemBody<'_>>()
        .security_scheme("bearer", SecurityScheme::Http(bearer.build()))
        .security_scheme("key", SecurityScheme::ApiKey(ApiKey::Query(in_query)))
}

fn operation(route: &Route, method: &Method, said: &Said, has_keys: bool) -> Operation {
    let is_first = route.methods.first() == Some(method);
    let says = said.of_method(method);
    let id = if is_first && !route.path.ends_with('/') {
        says.id.to_owned()
    } else {
        let slash = if route.path.ends_with('/') { "WithSlash" } else { "" };
        format!("{}By{}{slash}", says.id, method.as_str())
    };
    let mut operation = OperationBuilder::new()
        .operation_id(Some(id))
        .tag(says.tag)
        .summary(Some(says.summary))
        .parameters(Some(parts::of_path(route.path).into_iter().chain((says.query)())))
        .request_body(says.body.map(parts::body).filter(|_| takes_a_body(method)));
    for answer in says.answers {
        operation = operation.response(answer.status.to_string(), response(answer));
    }
    let is_dialect = route.access == Access::DIALECT;
    for status in problems(route.access, route.path, says.conflicts) {
        let title = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
        let problem = Ref::from_schema_name("Problem");
        let content = ContentBuilder::new().schema(Some(problem)).build();
        let response = ResponseBuilder::new()
            .description(title.unwrap_or_default())
            .content("application/problem+json", content);
        // Other programs' clients are told in the words that they know.
        let response = match (is_dialect && [400, 404].contains(&status), says.refusals) {
            (true, Some(media_type)) => response.content(media_type, loose(media_type)),
            _ => response,
        };
        operation = operation.response(status.to_string(), response.build());
    }
    for requirement in securities(route.access, has_keys) {
        operation = operation.security(requirement);
    }
    operation.build()
}

fn takes_a_body(method: &Method) -> bool {
    [Method::POST, Method::PUT, Method::PATCH].contains(method)
}

fn response(answer: &Answer) -> RefOr<utoipa::openapi::Response> {
    let response = ResponseBuilder::new().description(answer.what);
    let response = match answer.schema {
        Some(schema) => {
            let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(schema))).build();
            response.content("application/json", content)
        }
        None => answer.media_types.iter().fold(response, |response, media_type| {
            response.content(*media_type, loose(media_type))
        }),
    };
    response.build().into()
}

/// Text, or an object of which no more is said.
fn loose(media_type: &str) -> utoipa::openapi::Content {
    let is_json = media_type == "application/json";
    let kind = if is_json { Type::Object } else { Type::String };
    let schema = Schema::Object(ObjectBuilder::new().schema_type(kind).build());
    ContentBuilder::new().schema(Some(schema)).build()
}

/// The statuses with which a route may refuse.
fn problems(access: Access, path: &str, conflicts: bool) -> Vec<u16> {
    // A log is taken for services that are known alone.
    let is_of_one = path.contains('{') || path.starts_with("/ping");
    if access == Access::NONE && !is_of_one {
        return Vec::new();
    }
    let mut statuses = vec![400, 401, 403, 429, 503];
    if is_of_one {
        statuses.push(404);
    }
    if conflicts {
        statuses.push(409);
    }
    if access.writes {
        statuses.extend([408, 413]);
    }
    statuses.sort_unstable();
    statuses
}

fn securities(access: Access, has_keys: bool) -> Vec<SecurityRequirement> {
    let (bearer, key) = (
        || SecurityRequirement::new("bearer", Vec::<String>::new()),
        || SecurityRequirement::new("key", Vec::<String>::new()),
    );
    match access.key {
        _ if !has_keys => Vec::new(),
        Some(KeyKind::Ping) => vec![bearer(), key()],
        Some(KeyKind::Read | KeyKind::Admin) => vec![bearer()],
        // Its path may be a key.
        None if access == Access::DIALECT => vec![bearer(), key(), SecurityRequirement::default()],
        None => Vec::new(),
    }
}

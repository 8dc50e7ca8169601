//! Parameters and bodies.

use serde_json::json;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::schema::Type;
use utoipa::openapi::{ContentBuilder, ObjectBuilder, Ref, Required};

use super::words::{self, text};
use crate::core::limits::{
    CRON_BYTES_MAX, DURATION_SECONDS_MAX, LIST_ROWS_DEFAULT, LIST_ROWS_MAX, RUN_BYTES_MAX,
    ZONE_BYTES_MAX,
};

/// What a request may carry.
#[derive(Clone, Copy)]
pub(super) enum Body {
    /// The log of a ping: anything.
    Log,
    /// What an owner writes of a service.
    Written,
}

pub(super) fn body(body: Body) -> RequestBody {
    let request = RequestBodyBuilder::new();
    match body {
        Body::Log => {
            let content = ContentBuilder::new().schema(Some(text().build())).build();
            let request = request.description(Some("What the job printed; its end is kept."));
            request.content("text/plain", content).build()
        }
        Body::Written => {
            let content = ContentBuilder::new()
                .schema(Some(Ref::from_schema_name("ServiceWritten")))
                .example(Some(json!({ "frequency": "1D", "grace": "1h" })));
            let request = request.content("application/json", content.build());
            request.required(Some(Required::True)).build()
        }
    }
}

/// The parameters in a path.
pub(super) fn of_path(path: &str) -> Vec<Parameter> {
    let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let may_be_signal = path.trim_end_matches('/') == "/hc/{key}/{name}";
    let parameter = |name: &str| {
        let (schema, what) = match name {
            "name" if path == "/badge/{name}" => {
                (text().pattern(Some(r"\.svg$")), "The name of a service, and .svg.")
            }
            // Digits are an exit status there, however many.
            "name" if may_be_signal => {
                (text().min_length(Some(1)), "The slug, or what the ping says.")
            }
            "name" => (words::name(), "The name of a service, or an alias; / is %2F."),
            "key" => (words::name(), "The key for pings, or the name where a signal follows."),
            "signal" => (
                text().pattern(Some("^(success|start|fail|log|[0-9]{1,3})$")),
                "What the ping says, or the exit status.",
            ),
            "id" => (text().min_length(Some(1)).max_length(Some(64)), "The id of an alert."),
            _ => (text().min_length(Some(1)), "A part of the path."),
        };
        ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .description(Some(what))
            .schema(Some(schema.build()))
            .build()
    };
    names.map(parameter).collect()
}

fn query(name: &str, what: &str, schema: ObjectBuilder) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(what))
        .schema(Some(schema.build()))
        .build()
}

fn needed(parameter: Parameter) -> Parameter {
    ParameterBuilder::from(parameter).required(Required::True).build()
}

pub(super) fn none() -> Vec<Parameter> {
    Vec::new()
}

pub(super) fn of_named_ping() -> Vec<Parameter> {
    let mut parameters = vec![needed(query("name", "Who ran.", words::name()))];
    parameters.extend(of_ping());
    parameters
}

pub(super) fn of_removal() -> Vec<Parameter> {
    vec![needed(query("name", "Whom to forget.", words::name()))]
}

pub(super) fn of_ping() -> Vec<Parameter> {
    let mut parameters = of_signalled_ping();
    let signal = text().pattern(Some("^(success|start|fail|log|[0-9]{1,3})$"));
    parameters.push(query("signal", "What the ping says, or the exit status.", signal));
    parameters
}

pub(super) fn of_signalled_ping() -> Vec<Parameter> {
    let number = || ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0));
    let cron = text().min_length(Some(9)).max_length(Some(CRON_BYTES_MAX)).examples(["0 2 * * *"]);
    let zone = text().min_length(Some(1)).max_length(Some(ZONE_BYTES_MAX));
    let run = text().min_length(Some(1)).max_length(Some(RUN_BYTES_MAX));
    vec![
        query("frequency", "How often to expect a ping; not beside cron.", words::duration()),
        query("cron", "When to expect pings: five fields; not beside frequency.", cron),
        query("tz", "The zone of the cron expression, as in Europe/Berlin.", zone),
        query("grace", "How much longer to wait before silence counts.", words::duration()),
        query("max_runtime", "How long a run may take after its start.", words::duration()),
        query(
            "timestamp",
            "The Unix second at which the job ran, if not now.",
            number().maximum(Some(999_999_999_999_i64)),
        ),
        query(
            "duration_ms",
            "How long the run took.",
            number().maximum(Some(DURATION_SECONDS_MAX * 1000)),
        ),
        query("run", "Ties a start to its end where runs overlap.", run),
    ]
}

fn of_pages() -> [Parameter; 2] {
    let limit = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(1))
        .maximum(Some(u32::try_from(LIST_ROWS_MAX).unwrap_or(u32::MAX)))
        .default(Some(json!(LIST_ROWS_DEFAULT)));
    [
        query("limit", "How many rows, at most.", limit),
        query("cursor", "The next_cursor of the page before.", text()),
    ]
}

pub(super) fn of_list() -> Vec<Parameter> {
    of_pages().into()
}

pub(super) fn of_services() -> Vec<Parameter> {
    let [limit, cursor] = of_pages();
    let search = query(
        "search",
        "What stands in the name; the case of ASCII letters does not count.",
        text(),
    );
    vec![search, query("status", "Only those of this status.", words::status()), limit, cursor]
}

pub(super) fn of_alerts() -> Vec<Parameter> {
    let [limit, cursor] = of_pages();
    vec![
        query("service", "Only those of this service, deleted or not.", words::name()),
        query("kind", "Only those of this kind.", words::kind()),
        query("state", "Only those with a delivery in this state.", words::delivery_state()),
        limit,
        cursor,
    ]
}

pub(super) fn of_retry() -> Vec<Parameter> {
    vec![query("destination", "Only to this destination.", text())]
}

pub(super) fn of_healthchecks() -> Vec<Parameter> {
    let uuid = text().pattern(Some(
        "^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$",
    ));
    vec![
        query("rid", "Ties a start to its end.", uuid),
        query("create", "1 makes what is not there.", text()),
    ]
}

pub(super) fn of_push() -> Vec<Parameter> {
    let status = text().enum_values(Some(["up", "down", ""]));
    vec![
        query("status", "Whether it is well.", status),
        query("msg", "What it says.", text()),
        query("ping", "How long it took, in milliseconds.", text()),
    ]
}

pub(super) fn of_why() -> Vec<Parameter> {
    vec![query("at", "When: now, if it is not given.", text())]
}

pub(super) fn of_report() -> Vec<Parameter> {
    let [limit, cursor] = of_pages();
    let month = text().pattern(Some("^[0-9]{4}-[0-9]{2}$")).examples(["2026-10"]);
    vec![query("month", "Which month: this one, if it is not given.", month), limit, cursor]
}

pub(super) fn of_badge() -> Vec<Parameter> {
    vec![query("sig", "A signature of the name, where there are keys.", text())]
}

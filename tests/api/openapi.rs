//! The description of the API, held against the routes that are served and the answers that they give.

use std::collections::BTreeSet;

use axum::body::Body;
use overdue::config::AlertFormat;
use overdue::http::{Entrance, routes};
use overdue::store::Rules;
use serde_json::{Value, json};

use crate::house::{Answer, House, TEN, config_of, destination, rules};
use crate::support::{Receiver, Reply};

async fn description(house: &House) -> Value {
    let answer = house.get("/openapi.json").await;
    assert_eq!(answer.status, 200);
    answer.json
}

/// What does not fit about `value`, by a `$ref`, `type`, `enum`, `required`, `properties`, `additionalProperties`,
/// `items` and `oneOf` of its schema. A property that is not described is one that does not fit.
fn misfits(document: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = document.pointer(reference.trim_start_matches('#'));
        let target = target.unwrap_or_else(|| panic!("{reference} leads nowhere"));
        return misfits(document, target, value, at);
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        let fits = |choice: &Value| misfits(document, choice, value, at).is_empty();
        let fitting = choices.iter().filter(|choice| fits(choice)).count();
        return if fitting == 1 {
            Vec::new()
        } else {
            vec![format!("{at}: {fitting} choices fit")]
        };
    }
    let mut found = Vec::new();
    let is_of = |kind: &str| match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{at}: type {other}"),
    };
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().map(|kind| kind.as_str().unwrap()).collect(),
        other => panic!("{at} has no type but {other}"),
    };
    if !kinds.into_iter().any(is_of) {
        found.push(format!("{at}: {value} is not {}", schema["type"]));
    }
    if schema["enum"].as_array().is_some_and(|words| !words.contains(value)) {
        found.push(format!("{at}: {value} is not one of {}", schema["enum"]));
    }
    if let Some(object) = value.as_object().filter(|_| schema["properties"].is_object()) {
        for field in schema["required"].as_array().into_iter().flatten() {
            if !object.contains_key(field.as_str().unwrap()) {
                found.push(format!("{at}: {field} is missing"));
            }
        }
        for (field, value) in object {
            match schema["properties"].get(field) {
                Some(schema) => {
                    found.extend(misfits(document, schema, value, &format!("{at}.{field}")));
                }
                None => found.push(format!("{at}: {field} is not described")),
            }
        }
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        found.extend(misfits(document, &schema["items"], item, &format!("{at}[{index}]")));
    }
    found
}

/// What is described of an answer to `method path`.
fn described<'a>(document: &'a Value, method: &str, path: &str, answer: &Answer) -> &'a Value {
    let operation = &document["paths"][path][method.to_lowercase()];
    let response = &operation["responses"][answer.status.to_string()];
    assert!(response.is_object(), "{method} {path} is not to answer {}", answer.status);
    let media_type = answer.headers["content-type"].to_str().unwrap();
    &response["content"][media_type]["schema"]
}

#[tokio::test]
async fn every_route_is_described_with_its_methods_and_nothing_else_is() {
    let house = House::new().await;
    let document = description(&house).await;
    assert_eq!(document["openapi"], "3.1.0");
    let served: BTreeSet<String> = routes()
        .iter()
        .filter(|route| !route.is_for_browsers())
        .flat_map(|route| route.methods.iter().map(|method| format!("{method} {}", route.path)))
        .collect();
    let mut known = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            known.insert(format!("{} {path}", method.to_uppercase()));
            assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{operation}");
            assert!(operation["summary"].as_str().is_some_and(|summary| summary.ends_with('.')));
            let parameters = operation["parameters"].as_array().unwrap();
            let in_path: Vec<&str> = parameters
                .iter()
                .filter(|parameter| parameter["in"] == "path")
                .map(|parameter| parameter["name"].as_str().unwrap())
                .collect();
            let wanted: Vec<&str> = path
                .split('/')
                .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
                .collect();
            assert_eq!(in_path, wanted, "{method} {path}");
        }
    }
    assert_eq!(known, served);
}

#[tokio::test]
async fn every_schema_that_is_named_is_there_and_none_is_idle() {
    let house = House::new().await;
    let document = description(&house).await;
    let text = document.to_string();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for name in schemas.keys() {
        assert!(text.contains(&format!("\"#/components/schemas/{name}\"")), "{name} is idle");
    }
    for rest in text.split("\"#/components/schemas/").skip(1) {
        let name = rest.split('"').next().unwrap();
        assert!(schemas.contains_key(name), "{name} is not there");
    }
}

#[tokio::test]
async fn what_the_api_answers_is_as_it_is_described() {
    let receiver = Receiver::start().await;
    let destination = destination(&receiver.uri(), AlertFormat::Json);
    let house = House::with(Rules { routes: vec![destination.route.clone()], ..rules() }).await;
    let document = description(&house).await;
    let declared = json!({ "cron": "0 2 * * *", "tz": "Europe/Berlin", "aliases": ["b"] });
    let put = house.send_json("PUT", "/api/v1/services/a", &declared).await;
    let again = house.send_json("PUT", "/api/v1/services/a", &declared).await;
    let pinged = house.get("/ping?name=c&frequency=10m&grace=1m").await;
    let request = House::request("POST", "/ping/a/3?run=r&duration_ms=7");
    let failed = house.answer(request.body("it broke".into()).unwrap()).await;
    receiver.then([Reply::Status(500)]);
    house.sweep_at(TEN + 661).await;
    let mut courier = house.courier(&destination);
    courier.step(TEN + 661).await.unwrap();
    courier.settle().await;
    house.edit("UPDATE deliveries SET state = 'given_up' WHERE service = 'a'").await;
    house.edit("UPDATE alerts SET uncertain_from = 5, uncertain_to = 9 WHERE service = 'c'").await;
    let alerts = house.get("/api/v1/alerts").await;
    let id = alerts.json["alerts"][1]["id"].as_str().unwrap().to_owned();
    let mut checked = BTreeSet::new();
    let mut check = |method: &str, path: &str, answer: &Answer| {
        let schema = described(&document, method, path, answer);
        let said = format!("{method} {path} {}", answer.status);
        assert_eq!(misfits(&document, schema, &answer.json, &said), Vec::<String>::new());
        checked.insert(said);
    };
    check("PUT", "/api/v1/services/{name}", &put);
    check("PUT", "/api/v1/services/{name}", &again);
    check("GET", "/ping", &pinged);
    check("POST", "/ping/{name}/{signal}", &failed);
    check("GET", "/api/v1/alerts", &alerts);
    for (method, path) in [
        ("GET", "/api/v1/services"),
        ("GET", "/api/v1/services/{name}"),
        ("GET", "/api/v1/services/{name}/pings"),
        ("GET", "/api/v1/services/{name}/outages"),
        ("GET", "/api/v1/services/{name}/why"),
        ("GET", "/api/v1/report"),
        ("POST", "/api/v1/services/{name}/pause"),
        ("POST", "/api/v1/services/{name}/resume"),
        ("GET", "/api/v1/alerts/{id}"),
        ("POST", "/api/v1/alerts/{id}/retry"),
        ("POST", "/api/v1/alerts/{id}/retry"),
        ("GET", "/readyz"),
        ("DELETE", "/ping/{name}"),
        ("GET", "/api/v1/services/{name}"),
    ] {
        let target = path.replace("{name}", "a").replace("{id}", &id);
        check(method, path, &house.send(method, &target).await);
    }
    let bad = house.send_json("PATCH", "/api/v1/services/c", &json!({ "grace": "x" })).await;
    check("PATCH", "/api/v1/services/{name}", &bad);
    let statuses: BTreeSet<&str> =
        checked.iter().filter_map(|said| said.rsplit(' ').next()).collect();
    assert_eq!(statuses, ["200", "201", "400", "404", "409"].into());
}

#[tokio::test]
async fn keys_are_asked_for_in_the_description_where_there_are_some() {
    let house = House::new().await;
    let open = description(&house).await;
    assert_eq!(open["paths"]["/ping"]["get"]["security"], Value::Null);
    let keys = config_of("read_key = \"r1\"\nadmin_key = \"a1\"").unwrap().keys;
    let house = House::with_entrance(Entrance { keys, ..Entrance::default() }).await;
    let closed = description(&house).await;
    let asked = |path: &str| &closed["paths"][path]["get"]["security"];
    assert_eq!(*asked("/ping"), json!([{ "bearer": [] }, { "key": [] }]));
    assert_eq!(*asked("/api/v1/alerts"), json!([{ "bearer": [] }]));
    assert_eq!(*asked("/hc/{name}"), json!([{ "bearer": [] }, { "key": [] }, {}]));
    assert_eq!(*asked("/healthz"), Value::Null);
    // A page elsewhere that shows it comes without a key.
    let request = House::request("GET", "/openapi.json").header("x-forwarded-for", "203.0.113.7");
    assert_eq!(house.answer(request.body(Body::empty()).unwrap()).await.status, 200);
}

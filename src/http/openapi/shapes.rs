//! Schemas of answers that are put together by hand; a test holds them against such answers.

use utoipa::openapi::schema::{AdditionalProperties, ArrayBuilder, Schema, Type};
use utoipa::openapi::{ObjectBuilder, OneOfBuilder, Ref, RefOr};

use super::words::{self, boolean, integer, nullable, optional_text, optional_time, text, time};

type Field = (&'static str, RefOr<Schema>);

/// An object of just these fields, each of which is there.
fn object(fields: Vec<Field>) -> Schema {
    let mut object = ObjectBuilder::new().schema_type(Type::Object);
    for (name, schema) in fields {
        object = object.property(name, schema).required(name);
    }
    object.additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(false))).into()
}

fn list(items: impl Into<RefOr<Schema>>) -> RefOr<Schema> {
    Schema::from(ArrayBuilder::new().items(items.into()).build()).into()
}

fn named(schema: &'static str) -> RefOr<Schema> {
    Ref::from_schema_name(schema).into()
}

/// What `schema` describes, or null.
fn optional(schema: &'static str) -> RefOr<Schema> {
    let null = ObjectBuilder::new().schema_type(Type::Null);
    Schema::from(OneOfBuilder::new().item(Schema::from(null)).item(named(schema)).build()).into()
}

fn field(name: &'static str, schema: ObjectBuilder) -> Field {
    (name, Schema::from(schema).into())
}

/// Every such schema, by its name.
pub(super) fn all() -> Vec<(&'static str, Schema)> {
    let mut all = of_why();
    all.extend(of_report());
    all
}

fn of_why() -> Vec<(&'static str, Schema)> {
    let status = words::status_or_null();
    let state = text().enum_values(Some(["there", "not_yet", "deleted", "unknown"]));
    let why = object(vec![
        field("name", words::name()),
        field("at", time()),
        ("sentences", list(Schema::from(text()))),
        field("state", state),
        field("status", status),
        field("last_ping", optional_time()),
        field("running_since", optional_time()),
        field("expected", optional_time()),
        field("deadline", optional_time()),
        ("watch", optional("Watch")),
        ("alerts", list(named("Told"))),
        ("later_alerts", list(named("Told"))),
        ("changes", list(named("Change"))),
        ("gaps", list(named("Gap"))),
    ]);
    let watch = object(vec![
        field("frequency", words::optional_duration()),
        field("cron", optional_text()),
        field("tz", optional_text()),
        field("grace", words::duration()),
        field("max_runtime", words::optional_duration()),
    ]);
    let change = object(vec![
        field("at", time()),
        field("what", text()),
        field("by_ping", boolean()),
        field("key", optional_text()),
        ("was", optional("Watch")),
        ("is", optional("Watch")),
    ]);
    let gap = object(vec![field("from", time()), field("to", time()), field("hold_until", time())]);
    let told = object(vec![
        field("id", text()),
        field("kind", words::kind()),
        field("created_at", time()),
        field("about", time()),
        ("deliveries", list(named("Sent"))),
    ]);
    let sent = object(vec![
        field("destination", text()),
        field("state", words::delivery_state()),
        field("next_attempt", optional_time()),
        field("error", optional_text()),
        ("attempts", list(named("Attempt"))),
    ]);
    vec![
        ("Why", why),
        ("Watch", watch),
        ("Change", change),
        ("Gap", gap),
        ("Told", told),
        ("Sent", sent),
    ]
}

fn of_report() -> Vec<(&'static str, Schema)> {
    let report = object(vec![
        field("month", text().pattern(Some("^[0-9]{4}-[0-9]{2}$"))),
        field("from", time()),
        field("to", time()),
        ("services", list(named("ReportLine"))),
        ("total", named("ReportLine")),
        ("away", list(named("Away"))),
        field("next_cursor", optional_text()),
    ]);
    let percent = ObjectBuilder::new().schema_type(nullable(Type::String));
    let line = object(vec![
        field("name", text()),
        field("outages", integer()),
        field("outages_are_more", boolean()),
        field("downtime_seconds", integer()),
        field("longest_seconds", integer()),
        field("uptime_percent", percent),
        field("watched_seconds", integer()),
        field("away_seconds", integer()),
        field("paused_seconds", integer()),
    ]);
    vec![("Report", report), ("ReportLine", line)]
}

//! Schemas of single values, by the rules that read and write them.

use utoipa::openapi::ObjectBuilder;
use utoipa::openapi::schema::{KnownFormat, SchemaFormat, SchemaType, Type};

use crate::core::alert::{Kind, Reason};
use crate::core::limits::NAME_BYTES_MAX;
use crate::core::service::Status;
use crate::store::DeliveryState;

/// A time, in UTC.
pub(in crate::http) fn time() -> ObjectBuilder {
    text().format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
}

/// A time, or null.
pub(in crate::http) fn optional_time() -> ObjectBuilder {
    time().schema_type(nullable(Type::String))
}

/// A duration.
pub(in crate::http) fn duration() -> ObjectBuilder {
    text().pattern(Some("^[0-9]+[WDhms]$")).examples(["10m"])
}

/// A duration, or null.
pub(in crate::http) fn optional_duration() -> ObjectBuilder {
    duration().schema_type(nullable(Type::String))
}

/// The name of a service.
pub(in crate::http) fn name() -> ObjectBuilder {
    text()
        .min_length(Some(1))
        .max_length(Some(NAME_BYTES_MAX))
        .pattern(Some(r"^[^\x00-\x1f\x7f-\x9f]+$"))
}

/// The status of a service.
pub(in crate::http) fn status() -> ObjectBuilder {
    text().enum_values(Some(Status::ALL.map(Status::as_str)))
}

/// The kind of an alert.
pub(in crate::http) fn kind() -> ObjectBuilder {
    text().enum_values(Some(Kind::ALL.map(Kind::as_str)))
}

/// The type of an alert.
pub(in crate::http) fn event_type() -> ObjectBuilder {
    text().enum_values(Some(Kind::ALL.map(Kind::event_type)))
}

/// Why an outage ended, or null where a ping ended it, or nothing yet.
pub(in crate::http) fn reason() -> ObjectBuilder {
    let words = [Reason::Deleted, Reason::Paused].map(|reason| Some(reason.as_str()));
    let words = words.into_iter().chain([None]);
    ObjectBuilder::new().schema_type(nullable(Type::String)).enum_values(Some(words))
}

/// The state of a delivery.
pub(in crate::http) fn delivery_state() -> ObjectBuilder {
    text().enum_values(Some(DeliveryState::ALL.map(DeliveryState::as_str)))
}

/// How an attempt ended.
pub(in crate::http) fn outcome() -> ObjectBuilder {
    text().enum_values(Some(["accepted", "failed"]))
}

/// What a signal says.
pub(in crate::http) fn signal() -> ObjectBuilder {
    text().enum_values(Some(["success", "start", "fail", "log"]))
}

/// The status of a service, or null where there is none.
pub(super) fn status_or_null() -> ObjectBuilder {
    let words = Status::ALL.map(|status| Some(status.as_str()));
    let words = words.into_iter().chain([None]);
    ObjectBuilder::new().schema_type(nullable(Type::String)).enum_values(Some(words))
}

/// Any text.
pub(super) fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

/// Any text, or null.
pub(super) fn optional_text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(nullable(Type::String))
}

pub(super) fn integer() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Integer)
}

pub(super) fn boolean() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Boolean)
}

pub(super) fn nullable(kind: Type) -> SchemaType {
    SchemaType::from_iter([kind, Type::Null])
}

//! `json`: one object an alert, with everything that is known.

use serde::Serialize;

use super::{Presentation, Subject};
use crate::core::alert::Reason;
use crate::core::text;
use crate::store::DueDelivery;

#[derive(Serialize)]
struct Body<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    event_type: &'static str,
    name: &'a str,
    status: &'static str,
    frequency: Option<String>,
    cron: Option<&'a str>,
    tz: Option<&'a str>,
    grace: String,
    last_ping: Option<String>,
    deadline: Option<String>,
    overdue_seconds: i64,
    running_since: Option<String>,
    last_duration_ms: Option<i64>,
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_status: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outage_seconds: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uncertain: Option<Uncertain>,
    url: Option<String>,
    attempt: i64,
    created_at: String,
    sent_at: String,
    text: String,
}

/// The time in which the monitor itself was away.
#[derive(Serialize)]
struct Uncertain {
    from: String,
    to: String,
}

/// What is said of the monitor itself.
#[derive(Serialize)]
struct MonitorBody<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    event_type: &'static str,
    since: String,
    sent_at: String,
    text: String,
}

/// The object for one alert, or for the monitor itself; many alerts have one each.
pub(super) fn body(subject: Subject<'_>, presentation: &Presentation, now: i64) -> Option<String> {
    match subject {
        Subject::One(delivery) => Some(one(delivery, presentation, now)),
        Subject::Many(_) => None,
        Subject::Monitor(alert) => Some(written(&MonitorBody {
            id: &alert.id,
            event_type: alert.event_type(),
            since: text::rfc3339(alert.since),
            sent_at: text::rfc3339(now),
            text: text::of_monitor(alert, now, &presentation.zone),
        })),
    }
}

fn written(body: &impl Serialize) -> String {
    serde_json::to_string(body).expect("texts and numbers can always be written as JSON")
}

fn one(delivery: &DueDelivery, presentation: &Presentation, now: i64) -> String {
    let alert = &delivery.alert;
    written(&Body {
        id: &delivery.id,
        event_type: alert.kind.event_type(),
        name: alert.service.as_str(),
        status: alert.status().as_str(),
        frequency: alert.schedule.frequency().map(|frequency| frequency.to_string()),
        cron: alert.schedule.cron().map(|cron| cron.pattern.as_str()),
        tz: alert.schedule.cron().map(|cron| cron.zone.as_str()),
        grace: alert.grace.to_string(),
        last_ping: alert.last_ping.map(text::rfc3339),
        deadline: alert.deadline.map(text::rfc3339),
        overdue_seconds: alert.overdue_seconds(),
        running_since: alert.running_since.map(text::rfc3339),
        last_duration_ms: alert.last_duration_ms,
        description: alert.description.as_deref(),
        exit_status: alert.exit_status,
        log: alert.log.as_deref(),
        outage_seconds: alert.outage_seconds(),
        reason: alert.reason.map(Reason::as_str),
        uncertain: alert
            .uncertain
            .map(|away| Uncertain { from: text::rfc3339(away.from), to: text::rfc3339(away.to) }),
        url: presentation.link(alert).map(String::from),
        attempt: delivery.attempts + 1,
        created_at: text::rfc3339(alert.created_at),
        sent_at: text::rfc3339(now),
        text: text::of(alert, now, &presentation.zone),
    })
}

//! `alertmanager`: Prometheus Alertmanager's API v2, <https://prometheus.io/docs/alerting/latest/alerts_api/>.
//!
//! An alert lasts until its `endsAt`, and Alertmanager keeps it in memory only. So an outage is posted with an end some
//! minutes ahead, and again every minute while it lasts (see `upkeep`); its recovery, under the same labels, has the true
//! end. Where nobody watches any more it ends by itself.

use serde_json::{Value, json};
use url::Url;

use super::{Message, Presentation, Subject};
use crate::core::alert::{Alert, Kind, MonitorAlert};
use crate::core::limits::{MONITOR_FAILING_EVERY_SECONDS, UPKEEP_HOLDS_SECONDS};
use crate::core::text;

/// Where alerts are posted, below the address of Alertmanager itself.
const PATH: [&str; 3] = ["api", "v2", "alerts"];

/// The monitor's own trouble is told again every hour while it lasts, and nobody tells its end where the process ends.
const MONITOR_SECONDS_MAX: i64 = 2 * MONITOR_FAILING_EVERY_SECONDS;

pub(super) fn message(
    uri: Url,
    subject: Subject<'_>,
    presentation: &Presentation,
    now: i64,
) -> Message {
    let of = |alert: &Alert| of_service(alert, presentation, now);
    posted(
        uri,
        match subject {
            Subject::One(delivery) => vec![of(&delivery.alert)],
            Subject::Many(deliveries) => deliveries.iter().map(|each| of(&each.alert)).collect(),
            Subject::Monitor(alert) => vec![of_monitor(alert, presentation, now)],
        },
    )
}

/// That the outages of `alerts` last.
pub(super) fn upkeep<'a>(
    uri: Url,
    alerts: impl Iterator<Item = &'a Alert>,
    presentation: &Presentation,
    now: i64,
) -> Message {
    // As if it had been raised now, or its words would begin with how late they are.
    let fresh = alerts.map(|alert| Alert { created_at: now, ..alert.clone() });
    posted(uri, fresh.map(|alert| of_service(&alert, presentation, now)).collect())
}

fn posted(mut uri: Url, alerts: Vec<Value>) -> Message {
    if !uri.path().ends_with("/api/v2/alerts")
        && let Ok(mut parts) = uri.path_segments_mut()
    {
        parts.pop_if_empty().extend(PATH);
    }
    Message::json(uri, Value::Array(alerts).to_string())
}

fn of_service(alert: &Alert, presentation: &Presentation, now: i64) -> Value {
    let ends_at = if alert.kind == Kind::Recovered {
        // The last ping may be ahead of the clock, and an end before the beginning would be refused.
        alert.about.min(now).max(alert.outage_since)
    } else {
        now + UPKEEP_HOLDS_SECONDS
    };
    let last_ping = alert.last_ping.map_or_else(|| "never".to_owned(), text::rfc3339);
    let description =
        alert.description.as_ref().map_or_else(String::new, |words| format!("{words}\n"));
    let log = alert.log.as_ref().map_or_else(String::new, |log| format!("\n{log}"));
    let mut body = json!({
        "labels": {
            "alertname": "OverdueService",
            "service": alert.service.as_str(),
            "severity": "critical",
        },
        "annotations": {
            "summary": text::of(alert, now, &presentation.zone),
            // Shown for as long as the outage lasts, so nothing in it grows old.
            "description": format!(
                "{description}Expected {} (grace {}). Last ping: {last_ping}.{log}",
                alert.schedule, alert.grace
            ),
        },
        "startsAt": text::rfc3339(alert.outage_since),
        "endsAt": text::rfc3339(ends_at),
    });
    if let Some(link) = presentation.link(alert) {
        body["generatorURL"] = link.as_str().into();
    }
    body
}

fn of_monitor(alert: &MonitorAlert, presentation: &Presentation, now: i64) -> Value {
    let ends_at = if alert.is_over { alert.until.min(now) } else { now + MONITOR_SECONDS_MAX };
    let mut body = json!({
        "labels": { "alertname": "OverdueMonitor", "severity": "critical" },
        "annotations": { "summary": text::of_monitor(alert, now, &presentation.zone) },
        "startsAt": text::rfc3339(alert.since),
        "endsAt": text::rfc3339(ends_at.max(alert.since)),
    });
    if let Some(link) = &presentation.base_url {
        body["generatorURL"] = link.as_str().into();
    }
    body
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    #[test]
    fn the_monitors_own_trouble_ends_by_itself_where_nobody_tells_of_it_again() {
        let presentation = Presentation { zone: TimeZone::UTC, base_url: None };
        let uri = Url::parse("http://localhost:9093").unwrap();
        let told = |is_over: bool, now: i64| {
            let alert = MonitorAlert::new(is_over, 1000, now);
            message(uri.clone(), Subject::Monitor(&alert), &presentation, now)
        };
        assert_eq!(told(false, 1030).uri.path(), "/api/v2/alerts");
        let bodies = [(false, 1030), (false, 4630), (true, 5000)]
            .map(|(is_over, now)| told(is_over, now).body.unwrap());
        insta::assert_snapshot!(bodies.join("\n"), @r#"
[{"annotations":{"summary":"MONITOR FAILING: 30 s. Nothing can be stored since 00:16 UTC; silence goes unnoticed until that ends."},"endsAt":"1970-01-01T02:17:10Z","labels":{"alertname":"OverdueMonitor","severity":"critical"},"startsAt":"1970-01-01T00:16:40Z"}]
[{"annotations":{"summary":"MONITOR FAILING: 1 h. Nothing can be stored since 00:16 UTC; silence goes unnoticed until that ends."},"endsAt":"1970-01-01T03:17:10Z","labels":{"alertname":"OverdueMonitor","severity":"critical"},"startsAt":"1970-01-01T00:16:40Z"}]
[{"annotations":{"summary":"MONITOR RECOVERED: after 1 h 6 min. It stores pings again; from 00:16 UTC on it could not."},"endsAt":"1970-01-01T01:23:20Z","labels":{"alertname":"OverdueMonitor","severity":"critical"},"startsAt":"1970-01-01T00:16:40Z"}]
"#);
    }
}

//! What is said of each route, by its path.

use axum::http::Method;
use utoipa::openapi::path::Parameter;

use super::parts::{self, Body};

/// An answer that is not a refusal.
#[derive(Clone, Copy)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) what: &'static str,
    /// The name of its schema; `None`: it is text, or of a shape of its own.
    pub(super) schema: Option<&'static str>,
    pub(super) media_types: &'static [&'static str],
}

/// What is said of a route's method.
#[derive(Clone, Copy)]
pub(super) struct Says {
    pub(super) id: &'static str,
    pub(super) tag: &'static str,
    pub(super) summary: &'static str,
    pub(super) query: fn() -> Vec<Parameter>,
    pub(super) body: Option<Body>,
    pub(super) answers: &'static [Answer],
    /// Whether it may be refused with 409.
    pub(super) conflicts: bool,
    /// The media type in which it refuses, beside problems.
    pub(super) refusals: Option<&'static str>,
}

/// What is said of a route: of all its methods, and of some other than that.
pub(super) struct Said {
    says: Says,
    others: Vec<(Method, Says)>,
}

impl Said {
    pub(super) fn of_method(&self, method: &Method) -> Says {
        let other = self.others.iter().find(|(other, _)| other == method);
        other.map_or(self.says, |(_, says)| *says)
    }

    fn but(mut self, method: Method, says: Says) -> Self {
        self.others.push((method, says));
        self
    }
}

impl From<Says> for Said {
    fn from(says: Says) -> Self {
        Self { says, others: Vec::new() }
    }
}

const fn json(status: u16, what: &'static str, schema: &'static str) -> Answer {
    Answer { status, what, schema: Some(schema), media_types: &[] }
}

const fn loose(status: u16, what: &'static str, media_types: &'static [&'static str]) -> Answer {
    Answer { status, what, schema: None, media_types }
}

const PINGED: &[Answer] = &[json(200, "It is on disk.", "Pinged")];
const FORGOTTEN: &[Answer] = &[json(200, "It is forgotten.", "Forgotten")];
const SERVICE: &[Answer] = &[json(200, "The service.", "Service")];
const DECLARED: &[Answer] =
    &[json(200, "The service as it is now.", "Service"), json(201, "The new service.", "Service")];
const SERVICES: &[Answer] = &[json(200, "A page of services, by their names.", "Services")];
const HISTORY: &[Answer] = &[json(200, "A page of signals, the newest first.", "Pings")];
const OUTAGES: &[Answer] = &[json(200, "A page of outages, the newest first.", "Outages")];
const ALERTS: &[Answer] = &[json(200, "A page of alerts, the newest first.", "Alerts")];
const ALERT: &[Answer] = &[json(200, "The alert.", "Alert")];
const SAID: &[Answer] = &[json(200, "It can.", "Readiness"), json(503, "It cannot.", "Readiness")];
const HEALTHY: &[Answer] = &[loose(200, "It is alive.", &["text/plain"])];
const HEARD: &[Answer] = &[
    loose(200, "It is on disk.", &["text/plain"]),
    loose(201, "So it is, and the service is new.", &["text/plain"]),
];
const PUSHED: &[Answer] = &[loose(200, "It is on disk.", &["application/json"])];
const DESCRIPTION: &[Answer] = &[loose(200, "This.", &["application/json"])];
const WHY: &[Answer] = &[json(200, "Sentences, and the facts behind them.", "Why")];
const REPORT: &[Answer] = &[json(200, "A page of services, by their names.", "Report")];
const METRICS: &[Answer] = &[loose(
    200,
    "The metrics.",
    &[
        "text/plain; version=0.0.4; charset=utf-8",
        "application/openmetrics-text; version=1.0.0; charset=utf-8",
    ],
)];
const BADGE: &[Answer] = &[loose(200, "The badge.", &["image/svg+xml; charset=utf-8"])];

const fn says(
    id: &'static str,
    tag: &'static str,
    summary: &'static str,
    query: fn() -> Vec<Parameter>,
    answers: &'static [Answer],
) -> Says {
    Says { id, tag, summary, query, body: None, answers, conflicts: false, refusals: None }
}

const fn ping(id: &'static str, summary: &'static str, query: fn() -> Vec<Parameter>) -> Says {
    let says = says(id, "pings", summary, query, PINGED);
    Says { body: Some(Body::Log), conflicts: true, ..says }
}

const fn written(says: Says) -> Says {
    Says { body: Some(Body::Written), ..says }
}

/// What is said of the route at `path`; `None` where nothing is.
pub(super) fn of(path: &str) -> Option<Said> {
    Some(match path {
        "/ping" => {
            ping("ping", "Says that a job ran, and when it runs again.", parts::of_named_ping)
                .into()
        }
        "/ping/remove" => {
            let remove = "Forgets a service, for callers that cannot send DELETE.";
            let says = says("removeService", "pings", remove, parts::of_removal, FORGOTTEN);
            // To DELETE it is a name like any other.
            Said::from(says)
                .but(Method::DELETE, Says { query: parts::none, id: "forgetRemove", ..says })
        }
        "/ping/{name}" => {
            let forget = "Forgets a service, its history and its undelivered alerts.";
            Said::from(ping("pingByPath", "Says that a known job ran.", parts::of_ping))
                .but(Method::DELETE, says("forgetService", "pings", forget, parts::none, FORGOTTEN))
        }
        "/ping/{name}/{signal}" => {
            ping("signalByPath", "Says how a known job goes.", parts::of_signalled_ping).into()
        }
        _ if path.starts_with("/hc/") || path.starts_with("/api/push/") => dialect(path)?.into(),
        _ if path.starts_with("/api/v1/services") => service(path)?,
        _ => other(path)?.into(),
    })
}

fn service(path: &str) -> Option<Said> {
    let of = |id, summary, query, answers| says(id, "services", summary, query, answers);
    Some(match path {
        "/api/v1/services" => {
            of("listServices", "Lists services by their names.", parts::of_services, SERVICES)
                .into()
        }
        "/api/v1/services/{name}" => {
            let whole = "Declares the whole of a service, whether it is known or not.";
            let change = "Changes what is given of a service; it counts at once.";
            let delete = "Forgets a service, its history and its undelivered alerts.";
            let patched = of("changeService", change, parts::none, SERVICE);
            Said::from(of("showService", "Shows a service.", parts::none, SERVICE))
                .but(Method::PUT, written(of("declareService", whole, parts::none, DECLARED)))
                .but(Method::PATCH, Says { conflicts: false, ..written(patched) })
                .but(Method::DELETE, of("deleteService", delete, parts::none, FORGOTTEN))
        }
        "/api/v1/services/{name}/pause" => {
            let pause = "Expects nothing of a service until it is resumed or succeeds.";
            of("pauseService", pause, parts::none, SERVICE).into()
        }
        "/api/v1/services/{name}/resume" => {
            let resume = "Expects the next ping as if one had just come.";
            of("resumeService", resume, parts::none, SERVICE).into()
        }
        "/api/v1/services/{name}/pings" => {
            of("listPings", "The history of a service.", parts::of_list, HISTORY).into()
        }
        "/api/v1/services/{name}/outages" => {
            of("listOutages", "The outages of a service.", parts::of_list, OUTAGES).into()
        }
        "/api/v1/services/{name}/why" => {
            let why = "Why an alert came, or did not.";
            of("explainService", why, parts::of_why, WHY).into()
        }
        _ => return None,
    })
}

fn dialect(path: &str) -> Option<Says> {
    let (id, summary, query, answers, refusals) = match path.trim_end_matches('/') {
        "/hc/{name}" => (
            "healthchecksPing",
            "A ping as Healthchecks takes it.",
            parts::of_healthchecks as fn() -> _,
            HEARD,
            "text/plain",
        ),
        "/hc/{key}/{name}" => (
            "healthchecksPingOfTwo",
            "The same, by key and slug, or by name and signal.",
            parts::of_healthchecks as fn() -> _,
            HEARD,
            "text/plain",
        ),
        "/hc/{key}/{name}/{signal}" => (
            "healthchecksSignal",
            "The same, by key, slug and signal.",
            parts::of_healthchecks as fn() -> _,
            HEARD,
            "text/plain",
        ),
        "/api/push/{name}" => (
            "uptimeKumaPush",
            "A push as Uptime Kuma takes it.",
            parts::of_push as fn() -> _,
            PUSHED,
            "application/json",
        ),
        _ => return None,
    };
    let says = says(id, "dialects", summary, query, answers);
    Some(Says { body: Some(Body::Log), refusals: Some(refusals), ..says })
}

fn other(path: &str) -> Option<Says> {
    let (none, monitor) = (parts::none as fn() -> _, "monitor");
    Some(match path {
        "/api/v1/alerts" => says(
            "listAlerts",
            "alerts",
            "Lists alerts with what became of them.",
            parts::of_alerts,
            ALERTS,
        ),
        "/api/v1/alerts/{id}" => says("showAlert", "alerts", "Shows an alert.", none, ALERT),
        "/api/v1/alerts/{id}/retry" => {
            let retry = "Sends again what was given up.";
            Says { conflicts: true, ..says("retryAlert", "alerts", retry, parts::of_retry, ALERT) }
        }
        "/healthz" => says("isAlive", monitor, "Whether the program is alive.", none, HEALTHY),
        "/readyz" => says("isReady", monitor, "Whether it can do its part.", none, SAID),
        "/metrics" => says("metrics", monitor, "Metrics for Prometheus.", none, METRICS),
        "/api/v1/report" => {
            let report = "How well services did in a month.";
            says("report", "services", report, parts::of_report, REPORT)
        }
        "/badge/{name}" => {
            let badge = "The status of a service as a picture.";
            says("badge", monitor, badge, parts::of_badge, BADGE)
        }
        "/openapi.json" => says("describe", monitor, "This description.", none, DESCRIPTION),
        _ => return None,
    })
}

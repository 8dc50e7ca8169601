//! The bounds of pages, sessions, badges and metrics.

use super::NAME_BYTES_MAX;

/// Runs that the chart of a service's page shows.
pub const CHART_RUNS_MAX: usize = 100;

/// Signals that a service's page looks at for its chart and its timeline: starts and ends of the runs above.
pub const CHART_SIGNALS_MAX: usize = 200;

/// Outages that a service's timeline shows, and gaps of the monitor.
pub const TIMELINE_SPANS_MAX: usize = 100;

/// Pings that a service's page lists at a time, with their logs.
pub const PAGE_PINGS_MAX: usize = 20;

/// Alerts that a page lists at a time, with their deliveries; and outages.
pub const PAGE_ALERTS_MAX: usize = 20;

/// Alerts that a service's page shows; the others are on the page of alerts.
pub const SERVICE_ALERTS_SHOWN: usize = 5;

/// Occurrences of a cron expression that a service's page foretells.
pub const NEXT_OCCURRENCES_SHOWN: usize = 3;

/// How often all of a service's page that is watched live is looked at, as times go on where nothing else does.
pub const LIVE_SECTIONS_EVERY_SECONDS: u64 = 30;

/// How long a session lasts after a login: 30 days.
pub const SESSION_SECONDS_MAX: i64 = 30 * 86_400;

/// The longest value of a session's cookie that is looked at.
pub const SESSION_BYTES_MAX: usize = 512;

/// Cookies of one request that are looked at for a session.
pub const SESSION_COOKIES_MAX: usize = 8;

/// The largest body of a page's form.
pub const FORM_BYTES_MAX: usize = 8 * 1024;

/// The longest path that a login or a form leads back to.
pub const BACK_BYTES_MAX: usize = 2048;

/// Services on one page.
pub const PAGE_ROWS: usize = 50;

/// Services of which all are looked at for their order, their numbers and the folds of their names; of more, indexes tell.
pub const OUTLINE_SERVICES_MAX: usize = 10_000;

/// Services that a search finds; of more, the first found are shown.
pub const SEARCH_FOUND_MAX: usize = 1000;

/// The longest text that is searched for: a name's length.
pub const SEARCH_BYTES_MAX: usize = NAME_BYTES_MAX;

/// Services that share the beginning of their names before they are folded into one row.
pub const FOLD_SERVICES_MIN: usize = 8;

/// Services above which names are folded: fewer can be seen at a glance.
pub const FOLDED_ABOVE_SERVICES: usize = 20;

/// Signals of a service that are looked at for its last runs and its usual duration.
pub const RUN_SIGNALS_LOOKED_AT_MAX: i64 = 100;

/// Runs of a service that a row shows.
pub const RUNS_SHOWN_MAX: usize = 30;

/// The newest deliveries among which the last attempt is looked for.
pub const DELIVERIES_LOOKED_AT_MAX: i64 = 100;

/// Pages of a kind (of all services, of one) that are watched live at a time.
pub const LIVE_PAGES_MAX: usize = 256;

/// How often the database is asked whether it has changed, while somebody watches.
pub const LIVE_POLL_MS: u64 = 100;

/// The time between two updates of a page that is watched. With the poll above and a read a ping shows within a second.
pub const LIVE_UPDATE_MS: u64 = 750;

/// How long a page that is watched goes without being looked at afresh: time alone changes some things.
pub const LIVE_REFRESH_SECONDS_MAX: i64 = 5;

/// Updates that wait for a browser that reads slowly.
pub const LIVE_EVENTS_WAITING_MAX: usize = 4;

/// After how long a browser tries again to watch.
pub const LIVE_RETRY_MS: u64 = 1000;

/// Without a sweep for longer than this a page says so.
pub const PAGE_SWEEP_SECONDS_MAX: i64 = 3;

/// Characters of a name that a badge shows.
pub const BADGE_NAME_CHARS_MAX: usize = 40;

/// Services that have series of their own in the metrics; those beyond are counted.
pub const METRICS_SERVICES_MAX: usize = 5000;

/// Services of which each is looked at to be counted for the metrics; of more, indexes tell.
pub const CENSUS_ROWS_MAX: i64 = 20_000;

//! What to type to ping a service: lines that work as they stand, whatever its name.

use axum::http::{HeaderMap, header};

use super::super::{encoded, service_path};
use crate::core::name::Name;
use crate::core::schedule::Schedule;
use crate::core::service::Service;
use crate::http::{Api, badge_target};

/// What stands for this server where nothing is known of its address.
const SOMEWHERE: &str = "http://127.0.0.1:4000";

/// How a ping is sent by hand: it fails aloud, gives up in time, and is tried again.
const CURL: &str = "curl -fsS -m 10 --retry 5 -o /dev/null";

/// The lines.
#[derive(Debug)]
pub(super) struct Commands {
    /// That the job ran.
    pub(super) ping: String,
    /// A line of a crontab.
    pub(super) crontab: String,
    /// The job run by the command line.
    pub(super) run: String,
    /// Where its badge is on this server.
    pub(super) badge: String,
    /// The badge for a README, as a link to this page.
    pub(super) markdown: String,
    /// Whether a key has to be put in place of `$PING_KEY`.
    pub(super) needs_key: bool,
}

impl Commands {
    /// The lines for `service`, as its page is seen by the one who sent `headers`.
    pub(super) fn new(api: &Api, service: &Service, headers: &HeaderMap) -> Self {
        let (base, needs_key) = (base(api, headers), api.0.door.has_keys());
        let curl = curl(needs_key);
        let (when, schedule) = match &service.schedule {
            Schedule::Every(frequency) => ("0 3 * * *", format!("--frequency {frequency}")),
            Schedule::Cron(cron) => {
                let (pattern, zone) = (cron.pattern.as_str(), cron.zone.as_str());
                (pattern, format!("--cron {} --tz {zone}", quoted(pattern)))
            }
        };
        let url = url(&base, service);
        let ended =
            if url.contains('?') { format!("{url}&signal=$?") } else { format!("{url}/$?") };
        // A percent sign ends the command in a crontab.
        let crontab = format!("{when} /path/to/job; {curl} \"{ended}\"").replace('%', "\\%");
        let key = if needs_key { "OVERDUE_KEY=$PING_KEY " } else { "" };
        let name = quoted(service.name.as_str());
        let grace = service.grace;
        let badge = badge_target(api, &service.name);
        Self {
            ping: format!("{curl} \"{url}\""),
            crontab,
            run: format!(
                "{key}OVERDUE_URL={base} overdue run {name} {schedule} --grace {grace} -- /path/to/job"
            ),
            markdown: format!(
                "[![status]({base}{badge})]({base}{})",
                service_path(service.name.as_str())
            ),
            badge,
            needs_key,
        }
    }
}

/// The line that makes a service `name`.
pub(super) fn first_ping(api: &Api, name: &Name, headers: &HeaderMap) -> String {
    let (base, curl) = (base(api, headers), curl(api.0.door.has_keys()));
    format!("{curl} \"{base}/ping?name={}&frequency=1D&grace=1h\"", encoded(name.as_str()))
}

fn curl(needs_key: bool) -> String {
    let key = if needs_key { " -H \"Authorization: Bearer $PING_KEY\"" } else { "" };
    format!("{CURL}{key}")
}

/// The address that pings the service: by path, where its name is one that paths carry.
fn url(base: &str, service: &Service) -> String {
    let name = service.name.as_str();
    if !matches!(name, "remove" | "." | "..") {
        return format!("{base}/ping/{}", encoded(name));
    }
    let schedule = match &service.schedule {
        Schedule::Every(frequency) => format!("frequency={frequency}"),
        Schedule::Cron(cron) => {
            let (pattern, zone) = (encoded(cron.pattern.as_str()), encoded(cron.zone.as_str()));
            format!("cron={pattern}&tz={zone}")
        }
    };
    format!("{base}/ping?name={}&{schedule}", encoded(name))
}

/// Where this server is reached: as it was told, or as the page was asked for.
fn base(api: &Api, headers: &HeaderMap) -> String {
    let outlook = &api.0.pages.outlook;
    if let Some(url) = &outlook.base_url {
        return url.as_str().trim_end_matches('/').to_owned();
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    // Whatever else a Host holds, it is no address to put into a shell.
    let is_plain = |host: &&str| {
        !host.is_empty()
            && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte))
    };
    let Some(host) = host.filter(is_plain) else { return SOMEWHERE.to_owned() };
    let is_https = super::super::session::is_https(None, headers);
    format!("{}://{host}", if is_https { "https" } else { "http" })
}

/// A word as a shell takes it.
fn quoted(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@".contains(&byte);
    if !text.starts_with('-') && text.bytes().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::frequency::{Frequency, Grace};
    use crate::core::schedule::{Cron, CronPattern, Zone};

    fn service(name: &str) -> Service {
        let schedule = Schedule::Every(Frequency::parse("1D").unwrap());
        Service::new(Name::parse(name).unwrap(), schedule, Grace::parse("1h").unwrap())
    }

    #[test]
    fn a_name_is_written_so_that_paths_queries_and_shells_take_it() {
        let base = "https://o.example";
        assert_eq!(url(base, &service("daily_digest")), "https://o.example/ping/daily_digest");
        assert_eq!(url(base, &service("a/b c$(x)")), "https://o.example/ping/a%2Fb%20c%24%28x%29");
        assert_eq!(
            url(base, &service("remove")),
            "https://o.example/ping?name=remove&frequency=1D",
            "its path is another command"
        );
        let cron = Cron { pattern: CronPattern::parse("0 2 * * 1-5").unwrap(), zone: Zone::utc() };
        let dots = Service { schedule: Schedule::Cron(cron), ..service("..") };
        assert_eq!(
            url(base, &dots),
            "https://o.example/ping?name=..&cron=0%202%20%2A%20%2A%201-5&tz=UTC"
        );
        assert_eq!([quoted("a-b"), quoted("-b"), quoted("it's")], ["a-b", "'-b'", "'it'\\''s'"]);
    }
}

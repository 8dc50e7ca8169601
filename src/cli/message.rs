//! A ping as it is sent and kept: which service, what is told of it, and when that was.

use clap::Args;
use jiff::tz::TimeZone;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use url::form_urlencoded::Serializer;

use crate::core::frequency::{Frequency, Grace};
use crate::core::name::Name;
use crate::core::schedule::{CronPattern, Zone};

/// The shortest grace that is taken where none is given: a minute.
const GRACE_SECONDS_MIN: i64 = 60;

/// The longest one: an hour.
const GRACE_SECONDS_MAX: i64 = 3600;

/// When the next run is expected, as it is written.
#[derive(Clone, Debug, Args)]
pub(super) struct ScheduleArgs {
    /// How often the job runs: a whole number and one of W, D, h, m, s, as in 10m
    #[arg(long, value_name = "DURATION")]
    frequency: Option<String>,
    /// When it runs: five fields, as in "0 2 * * *"
    #[arg(long, value_name = "EXPRESSION")]
    cron: Option<String>,
    /// The time zone of the cron expression, as in Europe/Berlin [default: this machine's]
    #[arg(long, value_name = "ZONE")]
    tz: Option<String>,
    /// How much longer to wait before silence counts
    #[arg(long, value_name = "DURATION")]
    grace: Option<String>,
    /// How long a run may take before it counts as silence
    #[arg(long, value_name = "DURATION")]
    max_runtime: Option<String>,
}

impl ScheduleArgs {
    /// Whether it is said when to expect the next run.
    pub(super) fn is_given(&self) -> bool {
        self.frequency.is_some() || self.cron.is_some()
    }

    /// The parameters of a ping that say it. With `with_grace` a frequency never goes without a grace.
    ///
    /// # Errors
    /// A sentence about the first that is wrong.
    pub(super) fn resolve(&self, with_grace: bool) -> Result<Vec<(&'static str, String)>, String> {
        if self.frequency.is_some() && self.cron.is_some() {
            return Err(
                "--frequency and --cron are both given: say how often or when, not both".to_owned()
            );
        }
        if self.tz.is_some() && self.cron.is_none() {
            return Err(
                "--tz is given without --cron: a frequency is the same in every zone".to_owned()
            );
        }
        let frequency = read("--frequency", self.frequency.as_deref(), Frequency::parse)?;
        let grace = read("--grace", self.grace.as_deref(), Grace::parse)?;
        let max_runtime = read("--max-runtime", self.max_runtime.as_deref(), Frequency::parse)?;
        let cron = read("--cron", self.cron.as_deref(), CronPattern::parse)?;
        let zone = read("--tz", self.tz.as_deref(), Zone::parse)?;
        let usual = frequency.filter(|_| with_grace).and_then(usual_grace);
        let zone = match (&cron, zone) {
            (Some(_), None) => Some(machines_zone()),
            (_, zone) => zone.map(|zone| zone.as_str().to_owned()),
        };
        let parameters = [
            ("frequency", frequency.map(|frequency| frequency.to_string())),
            ("cron", cron.map(|cron| cron.as_str().to_owned())),
            ("tz", zone),
            ("grace", grace.or(usual).map(|grace| grace.to_string())),
            ("max_runtime", max_runtime.map(|frequency| frequency.to_string())),
        ];
        let given = parameters.into_iter().filter_map(|(name, value)| Some((name, value?)));
        Ok(given.collect())
    }
}

/// A tenth of the frequency, but neither too short for a slow night nor too long to be told of.
fn usual_grace(frequency: Frequency) -> Option<Grace> {
    let seconds = frequency.seconds() / 10;
    Grace::from_seconds(seconds.clamp(GRACE_SECONDS_MIN, GRACE_SECONDS_MAX))
}

/// The zone that this machine's clock shows, which is the one of its cron. A machine that names none keeps UTC.
fn machines_zone() -> String {
    let zone = TimeZone::try_system().ok();
    let name = zone.as_ref().and_then(TimeZone::iana_name);
    name.filter(|name| Zone::parse(name).is_ok()).unwrap_or("UTC").to_owned()
}

/// Reads a value that was given; an error names the flag and the value.
pub(super) fn read<T, E: std::fmt::Display>(
    flag: &str,
    text: Option<&str>,
    read: impl Fn(&str) -> Result<T, E>,
) -> Result<Option<T>, String> {
    text.map(|text| read(text).map_err(|error| format!("{flag} {text:?} {error}"))).transpose()
}

/// The name that is meant: `{host}` is this machine's own.
///
/// # Errors
/// A sentence about what is wrong with it.
pub(super) fn name(text: &str) -> Result<Name, String> {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let name = text.replace("{host}", &host);
    Name::parse(name.as_str()).map_err(|error| format!("the name {name:?} {error}"))
}

/// A ping on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    /// Whom it tells of.
    pub(super) name: Name,
    /// Path and query below the monitor's address, without the timestamp.
    pub(super) target: String,
    /// The Unix second that it tells of.
    pub(super) timestamp: i64,
    /// Whether that is when it was made, by this machine's clock.
    pub(super) is_now: bool,
    /// The end of the job's output.
    pub(super) log: Option<Vec<u8>>,
}

impl Message {
    /// A ping of `name` at `timestamp` with these parameters, a schedule among them.
    pub(super) fn by_query(
        name: Name,
        parameters: &[(&'static str, String)],
        timestamp: i64,
    ) -> Self {
        let mut query = Serializer::new(String::new());
        query.append_pair("name", name.as_str()).extend_pairs(parameters);
        let target = format!("ping?{}", query.finish());
        Self { name, target, timestamp, is_now: true, log: None }
    }

    /// A ping of `name`, which is known, at `timestamp` with these parameters.
    ///
    /// # Errors
    /// That no path leads to the name.
    pub(super) fn by_path(
        name: Name,
        parameters: &[(&'static str, String)],
        timestamp: i64,
    ) -> Result<Self, String> {
        // What means something else in a path.
        if matches!(name.as_str(), "remove" | "." | "..") {
            return Err(format!(
                "a service called {:?} is pinged with its schedule: add --frequency or --cron",
                name.as_str()
            ));
        }
        let query = Serializer::new(String::new()).extend_pairs(parameters).finish();
        let target = format!("{}?{query}", path(&name));
        Ok(Self { name, target, timestamp, is_now: true, log: None })
    }

    /// Path and query with the time that is told of.
    pub(super) fn with_timestamp(&self) -> String {
        let join = if self.target.ends_with('?') { "" } else { "&" };
        format!("{}{join}timestamp={}", self.target, self.timestamp)
    }
}

fn path(name: &Name) -> String {
    format!("ping/{}", utf8_percent_encode(name.as_str(), NON_ALPHANUMERIC))
}

/// How a service is deleted: by DELETE where a path leads to it, else by POST.
pub(super) fn deletion(name: &Name) -> (reqwest::Method, String) {
    // What a path does not keep: addresses are written without such segments.
    if matches!(name.as_str(), "." | "..") {
        (reqwest::Method::POST, format!("ping/remove?name={name}"))
    } else {
        (reqwest::Method::DELETE, path(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    #[test]
    fn a_grace_that_is_not_given_is_a_tenth_between_a_minute_and_an_hour() {
        for (frequency, grace) in [
            ("1s", "1m"),
            ("10m", "1m"),
            ("20m", "2m"),
            ("10h", "1h"),
            ("1D", "1h"),
            ("520W", "1h"),
        ] {
            let frequency = Frequency::parse(frequency).unwrap();
            assert_eq!(usual_grace(frequency).unwrap().to_string(), grace, "{frequency}");
        }
    }

    #[test]
    fn a_ping_with_a_schedule_goes_by_the_query_and_one_without_by_the_path() {
        let every = [("frequency", "1D".to_owned()), ("signal", "start".to_owned())];
        let message = Message::by_query(name("a/b c+&é"), &every, 7);
        insta::assert_snapshot!(message.with_timestamp(), @"ping?name=a%2Fb+c%2B%26%C3%A9&frequency=1D&signal=start&timestamp=7");
        let message = Message::by_path(name("a/b c?"), &[], 7).unwrap();
        insta::assert_snapshot!(message.with_timestamp(), @"ping/a%2Fb%20c%3F?timestamp=7");
    }

    #[test]
    fn a_name_that_means_something_else_in_a_path_is_never_put_there() {
        for text in ["remove", ".", ".."] {
            let said = Message::by_path(name(text), &[], 7).unwrap_err();
            assert!(said.contains("add --frequency or --cron"), "{said}");
        }
        assert_eq!(
            deletion(&name("..")),
            (reqwest::Method::POST, "ping/remove?name=..".to_owned())
        );
        assert_eq!(deletion(&name("remove")), (reqwest::Method::DELETE, "ping/remove".to_owned()));
    }
}

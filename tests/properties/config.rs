//! Settings.

use std::cell::RefCell;
use std::path::PathBuf;

use overdue::config::{Config, ConfigError, Environment, Settings};
use overdue::core::frequency::{Frequency, Grace};
use overdue::core::limits::{
    DELIVERY_SECONDS_MAX, DESTINATION_NAME_CHARS_MAX, DESTINATIONS_MAX, DURATION_SECONDS_MAX,
    HISTORY_ROWS_MAX, KEYS_MAX,
};
use tempfile::TempDir;

use super::head_and_body;

/// Stands in secrets, and is not to be seen anywhere.
const SECRET: &str = "hunter2";

/// Flags that hold secrets, or addresses, in which some stand.
const SECRET_FLAGS: [&str; 6] =
    ["ping-key", "read-key", "admin-key", "alert-secret", "alert-uri", "heartbeat-uri"];

/// Flags whose files could be any of this machine's.
const FILE_FLAGS: [&str; 1] = ["config"];
const FILE_VARIABLES: [&str; 1] = ["SSL_CERT_FILE"];

/// Settings that are taken are within their bounds and are those that were given, flags before the file; all that is
/// wrong is said in sentences, and no secret is shown. The input is lines of `flag=value` and `VARIABLE=value`, an empty
/// line, and `overdue.toml`.
pub fn config(input: &[u8]) {
    let (head, file) = head_and_body(input);
    let (Ok(head), Ok(file)) = (std::str::from_utf8(head), std::str::from_utf8(file)) else {
        return;
    };
    let given: Vec<(&str, &str)> = head.lines().filter_map(|line| line.split_once('=')).collect();
    let is_variable = |name: &str| name.starts_with(|c: char| c.is_ascii_uppercase());
    let (variables, flags): (Vec<_>, Vec<_>) =
        given.into_iter().partition(|(name, _)| is_variable(name));
    let is_file = |name: &str| FILE_FLAGS.contains(&name) || FILE_VARIABLES.contains(&name);
    if variables.iter().chain(&flags).any(|(name, value)| is_file(name) || value.contains('\0')) {
        return;
    }
    let Some(resolved) = resolved(&flags, &variables, file) else { return };
    match resolved {
        Ok(config) => {
            check(&config);
            check_flags(&config, &flags);
            check_secrets(&flags, file, &format!("{:?} {:?}", config.keys, shown(&config)));
        }
        Err(error) => {
            assert!(!error.0.is_empty());
            // A parser's explanation may have several lines.
            assert!(error.0.iter().all(|sentence| !sentence.is_empty() && sentence.len() < 20_000));
            check_secrets(&flags, file, &error.to_string());
        }
    }
}

thread_local! {
    static FOLDER: RefCell<Option<TempDir>> = const { RefCell::new(None) };
}

/// What these flags, variables and this file come to; `None` where the command line itself is wrong.
pub(super) fn resolved(
    flags: &[(&str, &str)],
    variables: &[(&str, &str)],
    file: &str,
) -> Option<Result<Config, ConfigError>> {
    let folder = folder();
    std::fs::write(folder.join("overdue.toml"), file).unwrap();
    let command = <Settings as clap::Args>::augment_args(clap::Command::new("overdue"));
    // The environment of this process says nothing here.
    let command = command.mut_args(|argument| argument.env(None::<&str>));
    let flags = flags.iter().map(|(name, value)| format!("--{name}={value}"));
    let matches = command.try_get_matches_from(std::iter::once("overdue".to_owned()).chain(flags));
    let matches = matches.ok()?;
    let settings = <Settings as clap::FromArgMatches>::from_arg_matches(&matches).ok()?;
    let variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into()));
    let environment = Environment { variables: variables.collect(), folder };
    Some(settings.resolve(&matches, &environment))
}

fn folder() -> PathBuf {
    FOLDER.with_borrow_mut(|folder| {
        folder.get_or_insert_with(|| TempDir::new().unwrap()).path().to_owned()
    })
}

/// What may be shown of destinations.
fn shown(config: &Config) -> Vec<String> {
    config.destinations.iter().map(overdue::config::Destination::shown).collect()
}

fn check(config: &Config) {
    let durations = [Some(config.alert_history_seconds), config.remind_every_seconds];
    for seconds in durations.into_iter().flatten() {
        assert!((1..=DURATION_SECONDS_MAX).contains(&seconds));
    }
    assert!((0..=DURATION_SECONDS_MAX).contains(&config.hold_seconds));
    assert!((0..=HISTORY_ROWS_MAX).contains(&config.history));
    assert!(config.services_max >= 1 && config.log_bytes_max >= 0);
    assert!(config.keys.iter().count() <= KEYS_MAX);
    let is_local = config.listen.ip().to_canonical().is_loopback();
    assert!(is_local || config.open || !config.keys.is_empty(), "open to all on {}", config.listen);
    assert!(config.destinations.len() <= DESTINATIONS_MAX + 1);
    for (index, destination) in config.destinations.iter().enumerate() {
        let before = &config.destinations[..index];
        assert!(before.iter().all(|other| other.name != destination.name), "{}", destination.name);
        assert!((1..=DESTINATION_NAME_CHARS_MAX).contains(&destination.name.chars().count()));
        assert!((1..=DELIVERY_SECONDS_MAX).contains(&destination.timeout_seconds));
        assert_eq!(destination.name, destination.route.destination);
        let is_mail = destination.uri.scheme().starts_with("smtp");
        assert!(is_mail || matches!(destination.uri.scheme(), "http" | "https"));
        assert_eq!(is_mail, destination.format == overdue::config::AlertFormat::Email);
        assert!(!is_mail || destination.mailing().is_ok_and(|mail| !mail.to.is_empty()));
        assert!(!destination.shown().contains(['@', '?']), "{}", destination.shown());
    }
}

fn check_flags(config: &Config, flags: &[(&str, &str)]) {
    for (name, value) in flags {
        match *name {
            "grace" => assert_eq!(Grace::parse(value), Ok(config.grace)),
            "outage-hold" => {
                assert_eq!(Grace::parse(value).map(Grace::seconds), Ok(config.hold_seconds));
            }
            "remind-every" => {
                let seconds = Frequency::parse(value).map(Frequency::seconds);
                assert_eq!(seconds.ok(), config.remind_every_seconds);
            }
            "alert-history" => {
                let seconds = Frequency::parse(value).map(Frequency::seconds);
                assert_eq!(seconds, Ok(config.alert_history_seconds));
            }
            "open" => assert_eq!(*value, config.open.to_string()),
            "max-services" => assert_eq!(value.parse(), Ok(config.services_max)),
            "history" => assert_eq!(value.parse(), Ok(config.history)),
            _ => {}
        }
    }
}

/// A secret that stands nowhere but where secrets belong is not in `said`.
fn check_secrets(flags: &[(&str, &str)], file: &str, said: &str) {
    let is_elsewhere = |(name, value): &&(&str, &str)| {
        name.contains(SECRET) || value.contains(SECRET) && !SECRET_FLAGS[..4].contains(name)
    };
    let is_in_file =
        |line: &str| line.contains(SECRET) && !line.trim_start().starts_with("secret = \"");
    if flags.iter().any(|flag| is_elsewhere(&flag)) || file.lines().any(is_in_file) {
        return;
    }
    assert!(!said.contains(SECRET), "a secret is shown: {said}");
}

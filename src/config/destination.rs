//! Destinations: the default one from the environment, and any number from `overdue.toml`.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use globset::{Glob, GlobSet, GlobSetBuilder};
use serde::Deserialize;
use toml::Spanned;
use url::Url;

use super::ConfigError;
use super::mail::Mailing;
use super::value::Given;
use crate::core::alert::{Kind, Route};
use crate::core::limits::{
    BUNDLE_ALERTS_MIN, DELIVERY_SECONDS_MAX, DESTINATION_NAME_CHARS_MAX, DESTINATIONS_MAX,
    PAGER_BUNDLE_ALERTS_MIN,
};

/// Where alerts go.
#[derive(Clone, Debug)]
pub struct Destination {
    /// Its name in the column `destination`; `default` is the one from the environment.
    pub name: String,
    /// Whom to call.
    pub uri: Url,
    /// What to send.
    pub format: AlertFormat,
    /// What signs it; the first is the newest, and receivers accept any.
    pub secrets: Vec<Secret>,
    /// Headers that are sent along.
    pub headers: Vec<(String, String)>,
    /// How long it may take to answer, in seconds.
    pub timeout_seconds: u64,
    /// Which alerts it is told of.
    pub route: Route,
}

/// A key that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// The key's bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What an alert looks like on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertFormat {
    /// `POST`, one JSON object.
    Json,
    /// `GET URI?name=…&last_ping=UNIX_SECONDS`.
    Query,
    /// A Slack incoming webhook.
    Slack,
    /// A Discord webhook.
    Discord,
    /// A topic of ntfy.
    Ntfy,
    /// PagerDuty's Events API v2.
    Pagerduty,
    /// Prometheus Alertmanager's API v2.
    Alertmanager,
    /// A mail.
    Email,
}

impl AlertFormat {
    /// The words of the setting.
    const WORDS: [(&'static str, Self); 8] = [
        ("json", Self::Json),
        ("query", Self::Query),
        ("slack", Self::Slack),
        ("discord", Self::Discord),
        ("ntfy", Self::Ntfy),
        ("pagerduty", Self::Pagerduty),
        ("alertmanager", Self::Alertmanager),
        ("email", Self::Email),
    ];

    /// The one that a URI asks for by whom it calls.
    fn of(uri: &Url) -> Self {
        if is_mail(uri.as_str()) {
            return Self::Email;
        }
        match uri.host_str().unwrap_or_default() {
            "hooks.slack.com" => Self::Slack,
            "discord.com" | "discordapp.com" => Self::Discord,
            "ntfy.sh" => Self::Ntfy,
            "events.pagerduty.com" | "events.eu.pagerduty.com" => Self::Pagerduty,
            _ => Self::Json,
        }
    }

    /// How many alerts have to wait to go out as one message; `None`: each is one.
    pub fn bundle_min(self) -> Option<usize> {
        match self {
            Self::Json | Self::Query | Self::Alertmanager => None,
            Self::Slack | Self::Discord | Self::Ntfy | Self::Email => Some(BUNDLE_ALERTS_MIN),
            Self::Pagerduty => Some(PAGER_BUNDLE_ALERTS_MIN),
        }
    }

    /// Whether what was delivered has to be posted again for as long as it lasts.
    pub fn forgets(self) -> bool {
        self == Self::Alertmanager
    }

    /// Whether alerts of this kind may go out together. What resolves an incident has to name it.
    pub fn bundles(self, kind: Kind) -> bool {
        self != Self::Pagerduty || kind != Kind::Recovered
    }

    /// What it can tell of.
    fn kinds(self) -> &'static [Kind] {
        match self {
            Self::Query => &[Kind::Overdue, Kind::Reminder],
            _ => &Kind::ALL,
        }
    }
}

impl Destination {
    /// One that is told of everything its format can tell.
    pub fn new(name: &str, uri: Url, format: AlertFormat) -> Self {
        Self {
            name: name.to_owned(),
            uri,
            format,
            secrets: Vec::new(),
            headers: Vec::new(),
            timeout_seconds: DELIVERY_SECONDS_MAX,
            route: Route {
                destination: name.to_owned(),
                kinds: format.kinds().to_vec(),
                services: None,
                patterns: Vec::new(),
            },
        }
    }

    /// Where mail goes, if its format is `email`.
    ///
    /// # Errors
    /// What is wrong with the URI; nothing, where it was read from the settings.
    pub fn mailing(&self) -> Result<Mailing, String> {
        Mailing::of(&self.uri)
    }

    /// The URI as it may be shown: without credentials, path and query, where secrets stand.
    pub fn shown(&self) -> String {
        let port = self.uri.port().map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}://{}{port}", self.uri.scheme(), self.uri.host_str().unwrap_or_default())
    }
}

/// A `[[destination]]` as it is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    name: Spanned<String>,
    uri: Spanned<String>,
    format: Option<Spanned<String>>,
    secret: Option<Spanned<String>>,
    #[serde(default)]
    headers: BTreeMap<String, Spanned<String>>,
    timeout: Option<Spanned<String>>,
    services: Option<Vec<Spanned<String>>>,
    alerts: Option<Vec<Spanned<String>>>,
}

/// The default destination, if it has a URI.
pub(super) fn default(
    uri: Option<&Given>,
    format: Option<&Given>,
    secret: Option<&Given>,
) -> Result<Option<Destination>, ConfigError> {
    let format = format.map(|given| given.one_of(&AlertFormat::WORDS)).transpose()?;
    let secrets = secret.map(secrets).transpose()?.unwrap_or_default();
    let Some(given) = uri else { return Ok(None) };
    let uri = target(given)?;
    let format = format.unwrap_or_else(|| AlertFormat::of(&uri));
    check_target(&uri, format, given)?;
    let destination = Destination { secrets, ..Destination::new("default", uri, format) };
    check_extras(&destination, given)?;
    Ok(Some(destination))
}

/// The destinations of a file; every error that is in it, each with its line.
pub(super) fn from_tables(
    tables: &[Table],
    file: &str,
    text: &str,
) -> Result<Vec<Destination>, ConfigError> {
    let place = |span: std::ops::Range<usize>, what: &str| {
        let line = text.get(..span.start).unwrap_or(text).matches('\n').count() + 1;
        format!("{file} line {line}: {what}")
    };
    let (mut destinations, mut errors): (Vec<Destination>, Vec<String>) = (Vec::new(), Vec::new());
    for table in tables {
        let given = |value: &Spanned<String>, what: &str| Given {
            text: value.get_ref().clone(),
            from: place(value.span(), what),
        };
        match from_table(table, &given) {
            Ok(destination)
                if destinations.iter().any(|before| before.name == destination.name) =>
            {
                errors.push(
                    given(&table.name, "name").wrong("is given to two destinations").to_string(),
                );
            }
            Ok(destination) => destinations.push(destination),
            Err(error) => errors.extend(error.0),
        }
    }
    if tables.len() > DESTINATIONS_MAX {
        errors.push(format!(
            "{file} has {} destinations: {DESTINATIONS_MAX} is the most",
            tables.len()
        ));
    }
    if errors.is_empty() { Ok(destinations) } else { Err(ConfigError(errors)) }
}

fn from_table(
    table: &Table,
    given: &impl Fn(&Spanned<String>, &str) -> Given,
) -> Result<Destination, ConfigError> {
    let name = given(&table.name, "name");
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.text.is_empty()
        || name.text.chars().count() > DESTINATION_NAME_CHARS_MAX
        || !name.text.chars().all(is_word)
    {
        return Err(name.wrong("is not a name: use letters, digits, -, _ and ., at most 64"));
    }
    if name.text == "default" {
        return Err(name.wrong("is the name of the one that PING_ALERT_URI sets: choose another"));
    }
    let uri = target(&given(&table.uri, "uri"))?;
    let format =
        table.format.as_ref().map(|format| given(format, "format").one_of(&AlertFormat::WORDS));
    let format = format.transpose()?.unwrap_or_else(|| AlertFormat::of(&uri));
    check_target(&uri, format, &given(&table.uri, "uri"))?;
    let mut destination = Destination::new(&name.text, uri, format);
    if let Some(secret) = &table.secret {
        destination.secrets = secrets(&given(secret, "secret"))?;
    }
    for (header, value) in &table.headers {
        destination
            .headers
            .push(checked_header(header, &given(value, &format!("header {header}")))?);
    }
    check_extras(&destination, &given(&table.uri, "uri"))?;
    if let Some(timeout) = &table.timeout {
        let timeout = given(timeout, "timeout");
        let seconds = u64::try_from(timeout.frequency()?.seconds()).unwrap_or(u64::MAX);
        if seconds > DELIVERY_SECONDS_MAX {
            return Err(timeout.wrong(format!("is too long: use {DELIVERY_SECONDS_MAX}s or less")));
        }
        destination.timeout_seconds = seconds;
    }
    if let Some(kinds) = &table.alerts {
        destination.route.kinds = wanted_kinds(kinds, format.kinds(), given)?;
    }
    if let Some(globs) = &table.services {
        destination.route.services = Some(glob_set(globs, given)?);
        destination.route.patterns = globs.iter().map(|glob| glob.get_ref().clone()).collect();
    }
    Ok(destination)
}

fn wanted_kinds(
    words: &[Spanned<String>],
    possible: &[Kind],
    given: &impl Fn(&Spanned<String>, &str) -> Given,
) -> Result<Vec<Kind>, ConfigError> {
    let choices: Vec<(&str, Kind)> = possible.iter().map(|kind| (kind.as_str(), *kind)).collect();
    words.iter().map(|word| given(word, "alerts").one_of(&choices)).collect()
}

fn glob_set(
    globs: &[Spanned<String>],
    given: &impl Fn(&Spanned<String>, &str) -> Given,
) -> Result<GlobSet, ConfigError> {
    let mut set = GlobSetBuilder::new();
    for glob in globs {
        let parsed = Glob::new(glob.get_ref());
        set.add(parsed.map_err(|error| {
            given(glob, "services").wrong(format!("is not a glob: {}", error.kind()))
        })?);
    }
    set.build()
        .map_err(|error| ConfigError::one(format!("the globs of services are too large: {error}")))
}

/// A web address; without a scheme https is meant.
pub(super) fn address(given: &Given) -> Result<Url, ConfigError> {
    let wrong = || given.wrong("is not a web address: use one like https://example.com/alerts");
    let text = if given.text.contains("://") {
        given.text.clone()
    } else {
        format!("https://{}", given.text)
    };
    let uri = Url::parse(&text).map_err(|_| wrong())?;
    let is_web = matches!(uri.scheme(), "http" | "https")
        && uri.host_str().is_some_and(|host| !host.is_empty());
    if is_web { Ok(uri) } else { Err(wrong()) }
}

fn is_mail(uri: &str) -> bool {
    uri.starts_with("smtp://") || uri.starts_with("smtps://")
}

/// Whom to call: a web address, or a mail server's, which is not shown as it may hold a password.
fn target(given: &Given) -> Result<Url, ConfigError> {
    if !is_mail(&given.text) {
        return address(given);
    }
    Url::parse(&given.text)
        .map_err(|error| ConfigError::one(format!("{} cannot be read: {error}", given.from)))
}

/// Whether the URI has what its format needs of it. It is not shown, as secrets may stand in it.
fn check_target(uri: &Url, format: AlertFormat, given: &Given) -> Result<(), ConfigError> {
    let has_key = || uri.query_pairs().any(|(name, _)| name == "routing_key");
    let has_topic =
        || uri.path_segments().is_some_and(|mut parts| parts.any(|part| !part.is_empty()));
    let what = match format {
        // PagerDuty takes its key in the body; here it is given with the address.
        AlertFormat::Pagerduty if !has_key() => {
            "has no routing key: use https://events.pagerduty.com/v2/enqueue?routing_key=KEY"
                .to_owned()
        }
        AlertFormat::Ntfy if !has_topic() => "has no topic: use https://ntfy.sh/TOPIC".to_owned(),
        AlertFormat::Email => match Mailing::of(uri) {
            Ok(_) => return Ok(()),
            Err(what) => what,
        },
        _ if is_mail(uri.as_str()) => "is a mail server: use the format email".to_owned(),
        _ => return Ok(()),
    };
    Err(ConfigError::one(format!("{} {what}", given.from)))
}

/// What belongs to web requests does not go with mail, and is not left out without a word.
fn check_extras(destination: &Destination, given: &Given) -> Result<(), ConfigError> {
    let has_extras = !destination.secrets.is_empty() || !destination.headers.is_empty();
    if destination.format == AlertFormat::Email && has_extras {
        return Err(ConfigError::one(format!(
            "{} is a mail server: secrets and headers go with web addresses only",
            given.from
        )));
    }
    Ok(())
}

/// Keys as Standard Webhooks writes them: `whsec_` and base64, several separated by spaces. The value is never shown.
fn secrets(given: &Given) -> Result<Vec<Secret>, ConfigError> {
    let wrong = || {
        ConfigError::one(format!(
            "{} is not a secret: use whsec_ and 24 to 64 bytes in base64",
            given.from
        ))
    };
    let read = |word: &str| {
        let bytes = STANDARD.decode(word.strip_prefix("whsec_")?).ok()?;
        (24..=64).contains(&bytes.len()).then_some(Secret(bytes))
    };
    let secrets: Option<Vec<Secret>> = given.text.split_whitespace().map(read).collect();
    secrets.filter(|secrets| !secrets.is_empty()).ok_or_else(wrong)
}

/// A header that may be sent along. Values may be keys, so they are not shown.
fn checked_header(name: &str, given: &Given) -> Result<(String, String), ConfigError> {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let is_ours = [
        "content-type",
        "content-length",
        "host",
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
    ]
    .iter()
    .any(|ours| name.eq_ignore_ascii_case(ours));
    if name.is_empty() || !name.chars().all(is_token) || is_ours {
        return Err(ConfigError::one(format!(
            "{} cannot be set: it is no header's name, or one that is set anyway",
            given.from
        )));
    }
    if !given.text.chars().all(|c| (' '..='~').contains(&c)) {
        return Err(ConfigError::one(format!(
            "{} is not printable ASCII, as a header's value must be",
            given.from
        )));
    }
    Ok((name.to_owned(), given.text.clone()))
}

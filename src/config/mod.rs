//! Every setting: flag before environment before `overdue.toml` before default.

mod authorities;
mod destination;
mod environment;
mod keys;
mod mail;
mod value;

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;

pub use authorities::read as authorities;
use clap::ArgMatches;
use clap::parser::ValueSource;
pub use destination::{AlertFormat, Destination, Secret};
pub use environment::Environment;
use environment::{client_ip_header, listen, on_fly, refuse_unknown_variables, variable};
use jiff::tz::TimeZone;
pub use keys::{Key, KeyKind, Keys};
pub use mail::Mailing;
use rustls::pki_types::CertificateDer;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use url::Url;
use value::Given;

use crate::core::alert::Route;
use crate::core::frequency::{Frequency, Grace};

/// Where it listens unless told otherwise.
const LOCAL: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 4000));

/// How long delivered alerts are kept unless told otherwise: 400 days.
const ALERT_HISTORY_SECONDS: i64 = 400 * 86_400;

/// For how long silence is held against nobody after a gap, unless told otherwise.
const HOLD_SECONDS: i64 = 60;

/// How many signals are kept of each service unless told otherwise.
const HISTORY_ROWS: i64 = 100;

/// How much space all logs together may take unless told otherwise: 256 MB.
const LOG_BYTES: i64 = 256_000_000;

/// How many services there may be unless told otherwise.
const SERVICES_MAX: i64 = 1_000_000;

#[allow(clippy::doc_markdown, reason = "these are the words of --help, where backticks would show")]
/// The settings as they are written, each a text or absent.
#[derive(Clone, Debug, Default, clap::Args, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where alerts go; without a scheme https:// is meant [default: none, alerts are only logged and stored]
    #[arg(long, env = "PING_ALERT_URI", value_name = "URI", hide_env_values = true)]
    #[serde(deserialize_with = "scalar")]
    alert_uri: Option<String>,

    /// What alerts look like: json, query (GET URI?name=…&last_ping=…), slack, discord, ntfy, pagerduty, alertmanager
    /// or email [default: by the address, else json]
    #[arg(long, env = "OVERDUE_ALERT_FORMAT", value_name = "FORMAT")]
    #[serde(deserialize_with = "scalar")]
    alert_format: Option<String>,

    /// Signs alerts as Standard Webhooks says: whsec_…, several separated by spaces for rotation [default: none]
    #[arg(long, env = "OVERDUE_ALERT_SECRET", value_name = "SECRET", hide_env_values = true)]
    #[serde(deserialize_with = "scalar")]
    alert_secret: Option<String>,

    /// How long delivered alerts are kept [default: 400D]
    #[arg(long, env = "OVERDUE_ALERT_HISTORY", value_name = "DURATION")]
    #[serde(deserialize_with = "scalar")]
    alert_history: Option<String>,

    /// The database: sqlite:FILE, or sqlite::memory: to keep nothing on disk [default: sqlite:overdue.db]
    #[arg(long, env = "DATABASE_URL", value_name = "URL")]
    #[serde(deserialize_with = "scalar")]
    database_url: Option<String>,

    /// full: acknowledged means fsynced; relaxed: a power cut may lose the last moments [default: full]
    #[arg(long, env = "OVERDUE_DURABILITY", value_name = "MODE")]
    #[serde(deserialize_with = "scalar")]
    durability: Option<String>,

    /// The address to serve; port 0 picks one [default: 127.0.0.1:4000, or 0.0.0.0:PORT where only PORT is set]
    #[arg(long, env = "OVERDUE_LISTEN", value_name = "ADDRESS")]
    #[serde(deserialize_with = "scalar")]
    listen: Option<String>,

    /// Serve anyone: allows addresses other than loopback, and requests that a proxy passed on [default: false]
    #[arg(long, env = "OVERDUE_OPEN", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[serde(deserialize_with = "scalar")]
    open: Option<String>,

    /// Who may ping, and so make services: a secret, or label:secret,label2:secret2 [default: none]
    #[arg(long, env = "OVERDUE_PING_KEY", value_name = "KEYS", hide_env_values = true)]
    #[serde(deserialize_with = "scalar")]
    ping_key: Option<String>,

    /// Who may read, written the same way [default: none]
    #[arg(long, env = "OVERDUE_READ_KEY", value_name = "KEYS", hide_env_values = true)]
    #[serde(deserialize_with = "scalar")]
    read_key: Option<String>,

    /// Who may do everything, written the same way [default: none]
    #[arg(long, env = "OVERDUE_ADMIN_KEY", value_name = "KEYS", hide_env_values = true)]
    #[serde(deserialize_with = "scalar")]
    admin_key: Option<String>,

    /// The header in which a proxy passes on the caller's address; of several addresses the last [default: on Fly
    /// Fly-Client-IP, else none]
    #[arg(long, env = "OVERDUE_CLIENT_IP_HEADER", value_name = "HEADER")]
    #[serde(deserialize_with = "scalar")]
    client_ip_header: Option<String>,

    /// LiteFS's API, as in http://127.0.0.1:20202: this machine is one of several [default: none]
    #[arg(long, env = "OVERDUE_LITEFS", value_name = "URL")]
    #[serde(deserialize_with = "scalar")]
    litefs: Option<String>,

    /// The grace of new services that give a frequency and no grace [default: 0s]
    #[arg(long, env = "OVERDUE_GRACE", value_name = "DURATION")]
    #[serde(deserialize_with = "scalar")]
    grace: Option<String>,

    /// For how long silence is held against nobody after the monitor itself was away [default: 60s]
    #[arg(long, env = "OVERDUE_OUTAGE_HOLD", value_name = "DURATION")]
    #[serde(deserialize_with = "scalar")]
    outage_hold: Option<String>,

    /// How often an outage that lasts is told of again [default: never]
    #[arg(long, env = "OVERDUE_REMIND_EVERY", value_name = "DURATION")]
    #[serde(deserialize_with = "scalar")]
    remind_every: Option<String>,

    /// Where this server is reached, for the links in alerts [default: on Fly its address, else none]
    #[arg(long, env = "OVERDUE_BASE_URL", value_name = "URL")]
    #[serde(deserialize_with = "scalar")]
    base_url: Option<String>,

    /// Called every minute while sweeps, commits and deliveries succeed, so that someone watches the watcher
    /// [default: none]
    #[arg(long, env = "OVERDUE_HEARTBEAT_URI", value_name = "URI", hide_env_values = true)]
    #[serde(deserialize_with = "scalar")]
    heartbeat_uri: Option<String>,

    /// The time zone of times in alert texts [default: UTC]
    #[arg(long, env = "OVERDUE_TZ", value_name = "ZONE")]
    #[serde(deserialize_with = "scalar")]
    tz: Option<String>,

    /// How many services there may be; a new name past it is answered 503 [default: 1000000]
    #[arg(long, env = "OVERDUE_MAX_SERVICES", value_name = "COUNT")]
    #[serde(deserialize_with = "scalar")]
    max_services: Option<String>,

    /// How many signals are kept of each service, 0 to 10000 [default: 100]
    #[arg(long, env = "OVERDUE_HISTORY", value_name = "COUNT")]
    #[serde(deserialize_with = "scalar")]
    history: Option<String>,

    /// How much space all logs of jobs together may take; the oldest of successes go first [default: 256MB]
    #[arg(long, env = "OVERDUE_LOG_SPACE", value_name = "SIZE")]
    #[serde(deserialize_with = "scalar")]
    log_space: Option<String>,

    /// What is logged, as in info or overdue=debug,warn [default: info]
    #[arg(long, env = "RUST_LOG", value_name = "FILTER")]
    #[serde(deserialize_with = "scalar")]
    log: Option<String>,

    /// How logs look: text for people, json for machines [default: text]
    #[arg(long, env = "OVERDUE_LOG_FORMAT", value_name = "FORMAT")]
    #[serde(deserialize_with = "scalar")]
    log_format: Option<String>,

    /// The file of settings; each has the name of its flag, with _ for - [default: overdue.toml, if it is there]
    #[arg(long, env = "OVERDUE_CONFIG", value_name = "FILE")]
    #[serde(skip)]
    config: Option<String>,

    #[arg(skip)]
    destination: Vec<destination::Table>,
}

/// A setting among those that are written.
type Field = fn(&Settings) -> &Option<String>;

/// The settings as they hold.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where alerts go.
    pub destinations: Vec<Destination>,
    /// Certificate authorities that are trusted beside those that are compiled in.
    pub authorities: Vec<CertificateDer<'static>>,
    /// How long delivered alerts are kept, in seconds.
    pub alert_history_seconds: i64,
    /// Where the state is.
    pub database: Database,
    /// What an acknowledged ping survives.
    pub durability: Durability,
    /// The address to serve.
    pub listen: SocketAddr,
    /// Whether strangers may call without a key.
    pub open: bool,
    /// The keys that callers show.
    pub keys: Keys,
    /// The header in which a proxy passes on the caller's address, in lower case.
    pub client_ip_header: Option<String>,
    /// Where LiteFS is asked for its role; `None`: this machine is alone.
    pub litefs: Option<Url>,
    /// The grace of new services that give none.
    pub grace: Grace,
    /// For how long after a gap silence is held against nobody, in seconds.
    pub hold_seconds: i64,
    /// How often an outage that lasts is told of again, in seconds; `None`: never.
    pub remind_every_seconds: Option<i64>,
    /// Where this server is reached.
    pub base_url: Option<Url>,
    /// What is called every minute while all is well.
    pub heartbeat_uri: Option<Url>,
    /// The zone of times in alert texts.
    pub zone: TimeZone,
    /// How many services there may be.
    pub services_max: i64,
    /// How many signals are kept of each service.
    pub history: i64,
    /// How much space all logs together may take, in bytes.
    pub log_bytes_max: i64,
    /// What is logged, in the syntax of tracing-subscriber's `EnvFilter`.
    pub log: String,
    /// How logs look.
    pub log_format: LogFormat,
}

impl Config {
    /// Which alerts go to which destination.
    pub fn routes(&self) -> Vec<Route> {
        self.destinations.iter().map(|destination| destination.route.clone()).collect()
    }
}

/// Where the state is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Database {
    /// Nowhere: it ends with the process.
    Memory,
    /// In a file.
    File(PathBuf),
}

/// What an acknowledged ping survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// A power cut.
    Full,
    /// A crash of the program; a power cut may lose the last moments.
    Relaxed,
}

/// How logs look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// What is wrong with the settings: sentences, each of which names the setting, its value, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(pub Vec<String>);

impl ConfigError {
    fn one(sentence: String) -> Self {
        Self(vec![sentence])
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for ConfigError {}

impl Settings {
    /// Resolves what `matches` (flags and environment), the file and the defaults say.
    ///
    /// # Errors
    /// [`ConfigError`] about the first setting that is wrong or unknown.
    pub fn resolve(
        &self,
        matches: &ArgMatches,
        environment: &Environment,
    ) -> Result<Config, ConfigError> {
        refuse_unknown_variables(environment)?;
        let file = self.file(environment)?;
        let pick = self.pick(file.as_ref(), matches);
        let mut errors = Vec::new();
        let config = Config {
            destinations: noted(&mut errors, Self::destinations(&pick, file.as_ref()))
                .unwrap_or_default(),
            authorities: noted(&mut errors, authorities::read(environment)).unwrap_or_default(),
            alert_history_seconds: read(
                &mut errors,
                pick("alert_history", |s| &s.alert_history),
                Given::frequency,
            )
            .map_or(ALERT_HISTORY_SECONDS, Frequency::seconds),
            database: read(&mut errors, pick("database_url", |s| &s.database_url), Given::database)
                .unwrap_or_else(|| Database::File("overdue.db".into())),
            durability: read(&mut errors, pick("durability", |s| &s.durability), Given::durability)
                .unwrap_or(Durability::Full),
            listen: noted(&mut errors, listen(pick("listen", |s| &s.listen), environment))
                .unwrap_or(LOCAL),
            open: read(&mut errors, pick("open", |s| &s.open), Given::boolean).unwrap_or(false),
            keys: noted(&mut errors, Self::keys(&pick)).unwrap_or_default(),
            client_ip_header: noted(
                &mut errors,
                client_ip_header(pick("client_ip_header", |s| &s.client_ip_header), environment),
            )
            .flatten(),
            litefs: read(&mut errors, pick("litefs", |s| &s.litefs), environment::litefs),
            grace: read(&mut errors, pick("grace", |s| &s.grace), Given::grace)
                .unwrap_or(Grace::ZERO),
            hold_seconds: read(&mut errors, pick("outage_hold", |s| &s.outage_hold), Given::grace)
                .map_or(HOLD_SECONDS, Grace::seconds),
            remind_every_seconds: read(
                &mut errors,
                pick("remind_every", |s| &s.remind_every),
                Given::frequency,
            )
            .map(Frequency::seconds),
            base_url: read(&mut errors, pick("base_url", |s| &s.base_url), destination::address)
                .or_else(|| on_fly(environment)),
            heartbeat_uri: read(
                &mut errors,
                pick("heartbeat_uri", |s| &s.heartbeat_uri),
                destination::address,
            ),
            zone: read(&mut errors, pick("tz", |s| &s.tz), Given::zone).unwrap_or(TimeZone::UTC),
            services_max: read(
                &mut errors,
                pick("max_services", |s| &s.max_services),
                Given::count,
            )
            .unwrap_or(SERVICES_MAX),
            history: read(&mut errors, pick("history", |s| &s.history), Given::history)
                .unwrap_or(HISTORY_ROWS),
            log_bytes_max: read(&mut errors, pick("log_space", |s| &s.log_space), Given::size)
                .unwrap_or(LOG_BYTES),
            log: read(&mut errors, pick("log", |s| &s.log), Given::log_filter)
                .unwrap_or_else(|| "info".to_owned()),
            log_format: read(&mut errors, pick("log_format", |s| &s.log_format), Given::log_format)
                .unwrap_or(LogFormat::Text),
        };
        if errors.is_empty() {
            noted(&mut errors, environment::refuse_together(&config, environment));
        }
        if errors.is_empty() { Ok(config) } else { Err(ConfigError(errors)) }
    }

    /// What reads a setting where it is written first: flag, environment, file.
    fn pick<'a>(
        &'a self,
        file: Option<&'a File>,
        matches: &'a ArgMatches,
    ) -> impl Fn(&str, Field) -> Option<Given> + 'a {
        move |id, given| {
            let flag = format!("--{}", id.replace('_', "-"));
            match (given(self), matches.value_source(id)) {
                (Some(text), Some(ValueSource::CommandLine)) => {
                    Some(Given { text: text.clone(), from: flag })
                }
                // Set but empty means not set, as compose files and units write it.
                (Some(text), Some(_)) if !text.is_empty() => {
                    Some(Given { text: text.clone(), from: variable(id).unwrap_or(flag) })
                }
                _ => file.and_then(|file| {
                    let text = given(&file.settings).clone()?;
                    Some(Given { text, from: format!("{id} in {}", file.name) })
                }),
            }
        }
    }

    fn keys(pick: &impl Fn(&str, Field) -> Option<Given>) -> Result<Keys, ConfigError> {
        Keys::read(&[
            (KeyKind::Ping, pick("ping_key", |s| &s.ping_key)),
            (KeyKind::Read, pick("read_key", |s| &s.read_key)),
            (KeyKind::Admin, pick("admin_key", |s| &s.admin_key)),
        ])
    }

    /// The default destination, and those of the file.
    fn destinations(
        pick: &impl Fn(&str, Field) -> Option<Given>,
        file: Option<&File>,
    ) -> Result<Vec<Destination>, ConfigError> {
        let uri = pick("alert_uri", |s| &s.alert_uri);
        let format = pick("alert_format", |s| &s.alert_format);
        let secret = pick("alert_secret", |s| &s.alert_secret);
        let default = destination::default(uri.as_ref(), format.as_ref(), secret.as_ref());
        let others = file.map_or(Ok(Vec::new()), |file| {
            destination::from_tables(&file.settings.destination, &file.name, &file.text)
        });
        match (default, others) {
            (Ok(default), Ok(others)) => Ok(default.into_iter().chain(others).collect()),
            (Err(ConfigError(mut errors)), Err(ConfigError(more))) => {
                errors.extend(more);
                Err(ConfigError(errors))
            }
            (Err(error), Ok(_)) | (Ok(_), Err(error)) => Err(error),
        }
    }

    /// The settings in the file, if there is one. One that was asked for must be there.
    fn file(&self, environment: &Environment) -> Result<Option<File>, ConfigError> {
        let asked = self.config.clone().filter(|path| !path.is_empty());
        let name = asked.clone().unwrap_or_else(|| "overdue.toml".to_owned());
        let text = match std::fs::read_to_string(environment.folder.join(&name)) {
            Ok(text) => text,
            Err(error) if asked.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(None);
            }
            Err(error) => {
                return Err(ConfigError::one(format!(
                    "cannot read the settings in {name}: {error}"
                )));
            }
        };
        match toml::from_str(&text) {
            Ok(settings) => Ok(Some(File { name, text, settings })),
            Err(error) => {
                // The place and the reason, and not the line itself: a secret may stand there.
                let line =
                    error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
                Err(ConfigError::one(format!(
                    "{name} line {line} is not right: {}",
                    error.message()
                )))
            }
        }
    }
}

/// A file of settings.
struct File {
    name: String,
    text: String,
    settings: Settings,
}

/// Reads a setting that was given; an error is noted, and the default stands in until all are told.
fn read<T>(
    errors: &mut Vec<String>,
    given: Option<Given>,
    read: impl Fn(&Given) -> Result<T, ConfigError>,
) -> Option<T> {
    given.and_then(|given| noted(errors, read(&given)))
}

fn noted<T>(errors: &mut Vec<String>, result: Result<T, ConfigError>) -> Option<T> {
    result.map_err(|error| errors.extend(error.0)).ok()
}

/// A value in the file may be a text, a number or a boolean; all are read from their text.
fn scalar<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    match toml::Value::deserialize(deserializer)? {
        toml::Value::String(text) => Ok(Some(text)),
        toml::Value::Integer(number) => Ok(Some(number.to_string())),
        toml::Value::Boolean(value) => Ok(Some(value.to_string())),
        other => {
            Err(D::Error::custom(format!("a {} stands where a text belongs", other.type_str())))
        }
    }
}

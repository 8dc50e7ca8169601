//! Every setting: flag before environment before `overdue.toml` before default.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use clap::ArgMatches;
use clap::parser::ValueSource;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use url::Url;

use crate::core::alert::{Kind, Route};
use crate::core::frequency::{Frequency, Grace};

#[allow(clippy::doc_markdown, reason = "these are the words of --help, where backticks would show")]
/// The settings as they are written, each a text or absent.
#[derive(Clone, Debug, Default, clap::Args, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where alerts go; without a scheme https:// is meant [default: none, alerts are only logged and stored]
    #[arg(long, env = "PING_ALERT_URI", value_name = "URI", hide_env_values = true)]
    #[serde(deserialize_with = "scalar")]
    alert_uri: Option<String>,

    /// What alerts look like: json, or query (GET URI?name=…&last_ping=…) [default: json]
    #[arg(long, env = "OVERDUE_ALERT_FORMAT", value_name = "FORMAT")]
    #[serde(deserialize_with = "scalar")]
    alert_format: Option<String>,

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

    /// The grace of new services that give a frequency and no grace [default: 0s]
    #[arg(long, env = "OVERDUE_GRACE", value_name = "DURATION")]
    #[serde(deserialize_with = "scalar")]
    grace: Option<String>,

    /// How many services there may be; a new name past it is answered 503 [default: 1000000]
    #[arg(long, env = "OVERDUE_MAX_SERVICES", value_name = "COUNT")]
    #[serde(deserialize_with = "scalar")]
    max_services: Option<String>,

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
    config: Option<PathBuf>,
}

/// The settings as they hold.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where alerts go.
    pub destinations: Vec<Destination>,
    /// How long delivered alerts are kept, in seconds.
    pub alert_history_seconds: i64,
    /// Where the state is.
    pub database: Database,
    /// What an acknowledged ping survives.
    pub durability: Durability,
    /// The address to serve.
    pub listen: SocketAddr,
    /// Whether strangers may call.
    pub open: bool,
    /// The grace of new services that give none.
    pub grace: Grace,
    /// How many services there may be.
    pub services_max: i64,
    /// What is logged, in the syntax of tracing-subscriber's `EnvFilter`.
    pub log: String,
    /// How logs look.
    pub log_format: LogFormat,
}

impl Config {
    /// Which alerts go to which destination.
    pub fn routes(&self) -> Vec<Route> {
        self.destinations.iter().map(Destination::route).collect()
    }
}

/// Where alerts go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Its name in the column `destination`; `default` is the one from the environment.
    pub name: String,
    /// Whom to call.
    pub uri: Url,
    /// What to send.
    pub format: AlertFormat,
}

impl Destination {
    /// Which alerts it is told of.
    pub fn route(&self) -> Route {
        let kinds = match self.format {
            AlertFormat::Json => Kind::ALL.to_vec(),
            AlertFormat::Query => vec![Kind::Overdue],
        };
        Route { destination: self.name.clone(), kinds }
    }

    /// The URI as it may be shown: without credentials, path and query, where secrets stand.
    pub fn shown(&self) -> String {
        let port = self.uri.port().map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}://{}{port}", self.uri.scheme(), self.uri.host_str().unwrap_or_default())
    }
}

/// What an alert looks like on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertFormat {
    /// `POST`, one JSON object.
    Json,
    /// `GET URI?name=…&last_ping=UNIX_SECONDS`.
    Query,
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

/// What is wrong with the settings: a sentence that names the setting, its value, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

/// Where a setting's value came from, for errors.
struct Given {
    text: String,
    from: String,
}

impl Given {
    fn wrong(&self, what: &str) -> ConfigError {
        ConfigError(format!("{} {:?} {what}", self.from, self.text))
    }
}

/// The environment that the settings are read in.
pub struct Environment {
    /// Its variables.
    pub variables: Vec<(OsString, OsString)>,
    /// Where `overdue.toml` is looked for.
    pub folder: PathBuf,
}

impl Environment {
    fn get(&self, name: &str) -> Option<String> {
        let (_, value) = self.variables.iter().find(|(key, _)| key == name)?;
        Some(value.to_string_lossy().into_owned()).filter(|value| !value.is_empty())
    }
}

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
        let pick = |id: &str, given: fn(&Self) -> &Option<String>| -> Option<Given> {
            let flag = format!("--{}", id.replace('_', "-"));
            match (given(self), matches.value_source(id)) {
                (Some(text), Some(ValueSource::CommandLine)) => {
                    Some(Given { text: text.clone(), from: flag })
                }
                // Set but empty means not set, as compose files and units write it.
                (Some(text), Some(_)) if !text.is_empty() => {
                    Some(Given { text: text.clone(), from: variable(id).unwrap_or(flag) })
                }
                _ => file.as_ref().and_then(|(path, file)| {
                    let text = given(file).clone()?;
                    Some(Given { text, from: format!("{id} in {}", path.display()) })
                }),
            }
        };
        let listen = pick("listen", |s| &s.listen);
        let open = pick("open", |s| &s.open).map_or(Ok(false), |given| boolean(&given))?;
        let listen = address(listen, environment)?;
        refuse_exposure(listen, open, environment)?;
        Ok(Config {
            destinations: default_destination(
                pick("alert_uri", |s| &s.alert_uri),
                pick("alert_format", |s| &s.alert_format),
            )?,
            alert_history_seconds: pick("alert_history", |s| &s.alert_history)
                .map_or(
                    Frequency::parse("400D").map_err(|error| ConfigError(error.to_string())),
                    |given| {
                        Frequency::parse(&given.text)
                            .map_err(|error| given.wrong(&error.to_string()))
                    },
                )?
                .seconds(),
            database: pick("database_url", |s| &s.database_url)
                .map_or(Ok(Database::File("overdue.db".into())), |given| database(&given))?,
            durability: pick("durability", |s| &s.durability).map_or(
                Ok(Durability::Full),
                |given| {
                    one_of(&given, &[("full", Durability::Full), ("relaxed", Durability::Relaxed)])
                },
            )?,
            listen,
            open,
            grace: pick("grace", |s| &s.grace).map_or(Ok(Grace::ZERO), |given| {
                Grace::parse(&given.text).map_err(|error| given.wrong(&error.to_string()))
            })?,
            services_max: pick("max_services", |s| &s.max_services)
                .map_or(Ok(1_000_000), |given| count(&given))?,
            log: pick("log", |s| &s.log)
                .map_or(Ok("info".to_owned()), |given| log_filter(&given))?,
            log_format: pick("log_format", |s| &s.log_format)
                .map_or(Ok(LogFormat::Text), |given| {
                    one_of(&given, &[("text", LogFormat::Text), ("json", LogFormat::Json)])
                })?,
        })
    }

    /// The settings in the file, if there is one. One that was asked for must be there.
    fn file(&self, environment: &Environment) -> Result<Option<(PathBuf, Self)>, ConfigError> {
        let asked = self.config.clone().filter(|path| !path.as_os_str().is_empty());
        let path = asked.clone().unwrap_or_else(|| "overdue.toml".into());
        let text = match std::fs::read_to_string(environment.folder.join(&path)) {
            Ok(text) => text,
            Err(error) if asked.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(None);
            }
            Err(error) => {
                return Err(ConfigError(format!(
                    "cannot read the settings in {}: {error}",
                    path.display()
                )));
            }
        };
        toml::from_str(&text)
            .map(|settings| Some((path.clone(), settings)))
            .map_err(|error| ConfigError(format!("{} is not right: {error}", path.display())))
    }
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

/// The names of the environment variables by the settings' own, which clap knows.
fn variables() -> BTreeMap<String, String> {
    let command = <Settings as clap::Args>::augment_args(clap::Command::new("overdue"));
    command
        .get_arguments()
        .filter_map(|argument| {
            Some((
                argument.get_id().to_string(),
                argument.get_env()?.to_string_lossy().into_owned(),
            ))
        })
        .collect()
}

fn variable(id: &str) -> Option<String> {
    variables().remove(id)
}

/// A misspelt `OVERDUE_…` would silently mean its default.
fn refuse_unknown_variables(environment: &Environment) -> Result<(), ConfigError> {
    let known = variables();
    for (name, _) in &environment.variables {
        let name = name.to_string_lossy();
        // Kubernetes announces a service called `overdue` to every pod as OVERDUE_SERVICE_… and OVERDUE_PORT….
        let is_announced = name.starts_with("OVERDUE_SERVICE_") || name.starts_with("OVERDUE_PORT");
        if name.starts_with("OVERDUE_")
            && !is_announced
            && !known.values().any(|known| *known == name)
        {
            let known: Vec<&str> = known
                .values()
                .map(String::as_str)
                .filter(|name| name.starts_with("OVERDUE_"))
                .collect();
            return Err(ConfigError(format!(
                "{name} is not a setting: those that begin so are {}",
                known.join(", ")
            )));
        }
    }
    Ok(())
}

/// The default destination; its format may be chosen only where it is.
fn default_destination(
    uri: Option<Given>,
    format: Option<Given>,
) -> Result<Vec<Destination>, ConfigError> {
    let format = format.map_or(Ok(AlertFormat::Json), |given| {
        one_of(&given, &[("json", AlertFormat::Json), ("query", AlertFormat::Query)])
    })?;
    let Some(given) = uri else { return Ok(Vec::new()) };
    let wrong = "is not a web address: use one like https://example.com/alerts";
    let text = if given.text.contains("://") {
        given.text.clone()
    } else {
        format!("https://{}", given.text)
    };
    let uri = Url::parse(&text).map_err(|_| given.wrong(wrong))?;
    if !matches!(uri.scheme(), "http" | "https") || uri.host_str().is_none_or(str::is_empty) {
        return Err(given.wrong(wrong));
    }
    Ok(vec![Destination { name: "default".to_owned(), uri, format }])
}

fn database(given: &Given) -> Result<Database, ConfigError> {
    let wrong =
        "is not a SQLite database: use sqlite:FILE, as in sqlite:overdue.db, or sqlite::memory:";
    let rest = given.text.strip_prefix("sqlite:").ok_or_else(|| given.wrong(wrong))?;
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    if rest == ":memory:" {
        return Ok(Database::Memory);
    }
    // Other programs ask for a file to be made with ?mode=rwc; here it always is.
    let path = rest.strip_suffix("?mode=rwc").unwrap_or(rest);
    if path.is_empty() || path.contains('?') {
        return Err(given.wrong(wrong));
    }
    let path =
        percent_encoding::percent_decode_str(path).decode_utf8().map_err(|_| given.wrong(wrong))?;
    Ok(Database::File(Path::new(path.as_ref()).to_owned()))
}

fn address(given: Option<Given>, environment: &Environment) -> Result<SocketAddr, ConfigError> {
    if let Some(given) = given {
        let wrong = "is not an address: use an IP address and a port, as in 127.0.0.1:4000";
        let text = given.text.replacen("localhost:", "127.0.0.1:", 1);
        return text.parse().map_err(|_| given.wrong(wrong));
    }
    let Some(port) = environment.get("PORT") else {
        return Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, 4000)));
    };
    let given = Given { text: port, from: "PORT".to_owned() };
    let port: u16 = given
        .text
        .parse()
        .map_err(|_| given.wrong("is not a port: use a number from 0 to 65535"))?;
    Ok(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)))
}

/// Without a key anyone who reaches the address may ping and delete, so that must be meant.
fn refuse_exposure(
    listen: SocketAddr,
    open: bool,
    environment: &Environment,
) -> Result<(), ConfigError> {
    let on_fly = environment.get("FLY_APP_NAME").is_some();
    if open || (is_loopback(listen.ip()) && !on_fly) {
        return Ok(());
    }
    Err(ConfigError(if on_fly {
        "serving on Fly would let anyone ping and delete: set OVERDUE_OPEN=true if that is meant"
            .to_owned()
    } else {
        format!(
            "serving on {listen} would let anyone ping and delete: listen on 127.0.0.1, or set OVERDUE_OPEN=true if that is meant"
        )
    }))
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

fn boolean(given: &Given) -> Result<bool, ConfigError> {
    one_of(given, &[("true", true), ("false", false)])
}

fn count(given: &Given) -> Result<i64, ConfigError> {
    let wrong = || given.wrong("is not a count: use a whole number of 1 or more");
    given.text.parse().ok().filter(|count| *count >= 1).ok_or_else(wrong)
}

fn log_filter(given: &Given) -> Result<String, ConfigError> {
    let wrong = |error: tracing_subscriber::filter::ParseError| {
        given.wrong(&format!("is not a log filter, as in info or overdue=debug,warn: {error}"))
    };
    let checked = tracing_subscriber::EnvFilter::builder().parse(&given.text);
    checked.map(|_| given.text.clone()).map_err(wrong)
}

fn one_of<T: Copy>(given: &Given, choices: &[(&str, T)]) -> Result<T, ConfigError> {
    let found = choices.iter().find(|(word, _)| *word == given.text);
    let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
    found
        .map(|(_, value)| *value)
        .ok_or_else(|| given.wrong(&format!("is not known: use {}", words.join(" or "))))
}

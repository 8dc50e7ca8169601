//! What surrounds the settings: variables that others set, where to listen on which platform, and what must be meant.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use url::Url;

use super::value::Given;
use super::{Config, ConfigError, Database, LOCAL, Settings};

/// The environment that the settings are read in.
pub struct Environment {
    /// Its variables.
    pub variables: Vec<(OsString, OsString)>,
    /// Where `overdue.toml` is looked for.
    pub folder: PathBuf,
}

impl Environment {
    pub(super) fn get(&self, name: &str) -> Option<String> {
        let (_, value) = self.variables.iter().find(|(key, _)| key == name)?;
        Some(value.to_string_lossy().into_owned()).filter(|value| !value.is_empty())
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

pub(super) fn variable(id: &str) -> Option<String> {
    variables().remove(id)
}

/// What `overdue run` and its like read, and the server may find beside its own.
const VARIABLES_OF_CALLERS: [&str; 2] = ["OVERDUE_URL", "OVERDUE_KEY"];

/// A misspelt `OVERDUE_…` would silently mean its default.
pub(super) fn refuse_unknown_variables(environment: &Environment) -> Result<(), ConfigError> {
    let known = variables();
    for (name, _) in &environment.variables {
        let name = name.to_string_lossy();
        // Kubernetes announces a service called `overdue` to every pod as OVERDUE_SERVICE_… and OVERDUE_PORT….
        let is_announced = name.starts_with("OVERDUE_SERVICE_") || name.starts_with("OVERDUE_PORT");
        if name.starts_with("OVERDUE_")
            && !is_announced
            && !VARIABLES_OF_CALLERS.contains(&name.as_ref())
            && !known.values().any(|known| *known == name)
        {
            let known: Vec<&str> = known
                .values()
                .map(String::as_str)
                .filter(|name| name.starts_with("OVERDUE_"))
                .collect();
            return Err(ConfigError::one(format!(
                "{name} is not a setting: those that begin so are {}",
                known.join(", ")
            )));
        }
    }
    Ok(())
}

/// Where to listen; `PORT` alone is how platforms say it.
pub(super) fn listen(
    given: Option<Given>,
    environment: &Environment,
) -> Result<SocketAddr, ConfigError> {
    if let Some(given) = given {
        return given.address();
    }
    let Some(text) = environment.get("PORT") else { return Ok(LOCAL) };
    let given = Given { text, from: "PORT".to_owned() };
    let port: u16 = given
        .text
        .parse()
        .map_err(|_| given.wrong("is not a port: use a number from 0 to 65535"))?;
    Ok(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)))
}

pub(super) fn on_fly(environment: &Environment) -> Option<Url> {
    Url::parse(&format!("https://{}.fly.dev", environment.get("FLY_APP_NAME")?)).ok()
}

/// The header in which the caller's address stands: on Fly its proxy's.
pub(super) fn client_ip_header(
    given: Option<Given>,
    environment: &Environment,
) -> Result<Option<String>, ConfigError> {
    let Some(given) = given else {
        return Ok(environment.get("FLY_APP_NAME").map(|_| "fly-client-ip".to_owned()));
    };
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if !given.text.bytes().all(is_word) {
        return Err(given.wrong("is not a header's name: use one as in X-Forwarded-For"));
    }
    Ok(Some(given.text.to_ascii_lowercase()))
}

/// Where LiteFS is asked for its role.
pub(super) fn litefs(given: &Given) -> Result<Url, ConfigError> {
    let url = Url::parse(&given.text).ok();
    let url =
        url.filter(|url| url.scheme() == "http" && url.path() == "/" && url.query().is_none());
    url.ok_or_else(|| {
        given.wrong("is not LiteFS's API: use its address, as in http://127.0.0.1:20202")
    })
}

/// Refuses settings that do not go together.
pub(super) fn refuse_together(
    config: &Config,
    environment: &Environment,
) -> Result<(), ConfigError> {
    if config.litefs.is_some() && config.database == Database::Memory {
        return Err(ConfigError::one(
            "OVERDUE_LITEFS is set and the database is in memory, where LiteFS sees nothing: use a file in its mount"
                .to_owned(),
        ));
    }
    // Without a key anyone who reaches the address may ping and delete, so that must be meant.
    let on_fly = environment.get("FLY_APP_NAME").is_some();
    let listen = config.listen;
    if config.open || !config.keys.is_empty() || (is_loopback(listen.ip()) && !on_fly) {
        return Ok(());
    }
    Err(ConfigError::one(if on_fly {
        "serving on Fly would let anyone ping and delete: set OVERDUE_PING_KEY, OVERDUE_READ_KEY and OVERDUE_ADMIN_KEY, or OVERDUE_OPEN=true if that is meant"
            .to_owned()
    } else {
        format!(
            "serving on {listen} would let anyone ping and delete: listen on 127.0.0.1, set OVERDUE_PING_KEY, OVERDUE_READ_KEY and OVERDUE_ADMIN_KEY, or OVERDUE_OPEN=true if that is meant"
        )
    }))
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

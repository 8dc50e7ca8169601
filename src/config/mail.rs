//! How mail is addressed: `smtp://USER:PASSWORD@HOST:PORT?from=a@example.com&to=b@example.com,c@example.com`.

use std::net::IpAddr;

use lettre::Address;
use percent_encoding::percent_decode_str;
use url::{Host, Url};

/// The ports of mail submission, with STARTTLS and with TLS on connect, <https://www.rfc-editor.org/rfc/rfc8314>.
const PORT_SMTP: u16 = 587;
const PORT_SMTPS: u16 = 465;

/// Where mail goes, from whom and to whom. It holds a password, so it cannot be printed.
pub struct Mailing {
    /// The server's name or address.
    pub host: String,
    /// The server's port.
    pub port: u16,
    /// Whether the connection begins with TLS.
    pub tls_on_connect: bool,
    /// Whether it is changed to TLS before anything is said. A server that cannot gets no mail.
    pub starttls: bool,
    /// Name and password, where the server wants them.
    pub login: Option<(String, String)>,
    /// Who sends it.
    pub from: Address,
    /// Who gets it; never empty.
    pub to: Vec<Address>,
}

impl Mailing {
    /// Reads it.
    ///
    /// # Errors
    /// What is wrong with it, to stand behind the name of the setting; no password is shown.
    pub(super) fn of(uri: &Url) -> Result<Self, String> {
        let (host, is_here) = host(uri)?;
        let (mut from, mut to, mut tls) = (None, Vec::new(), None);
        for pair in uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            // Not as a form is read: the + of ops+night@example.com stands for itself.
            let value = decoded(value);
            match name {
                "from" => from = Some(address(&value)?),
                "to" => {
                    for each in value.split(',') {
                        to.push(address(each)?);
                    }
                }
                "tls" => tls = Some(value),
                _ => return Err(format!("has the parameter {name:?}: use from, to and tls only")),
            }
        }
        let from = from.ok_or("has no sender: add ?from=alerts@example.com")?;
        if to.is_empty() {
            return Err("has no recipient: add &to=you@example.com".to_owned());
        }
        let (tls_on_connect, starttls) = match (uri.scheme(), tls.as_deref()) {
            ("smtps", None) => (true, false),
            ("smtp", None) => (false, !is_here),
            ("smtp", Some("none")) => (false, false),
            ("smtp", Some("starttls")) => (false, true),
            _ => {
                return Err("has a wrong tls: use smtp:// with tls=none or tls=starttls, or smtps:// without it".to_owned());
            }
        };
        let port = uri.port().unwrap_or(if tls_on_connect { PORT_SMTPS } else { PORT_SMTP });
        let login = (!uri.username().is_empty())
            .then(|| (decoded(uri.username()), decoded(uri.password().unwrap_or_default())));
        Ok(Self { host, port, tls_on_connect, starttls, login, from, to })
    }
}

/// The server, and whether it is this machine.
fn host(uri: &Url) -> Result<(String, bool), String> {
    let host = match uri.host() {
        Some(Host::Domain(name)) => name.to_owned(),
        Some(Host::Ipv4(address)) => address.to_string(),
        Some(Host::Ipv6(address)) => address.to_string(),
        None => String::new(),
    };
    if host.is_empty() || !matches!(uri.scheme(), "smtp" | "smtps") {
        return Err("is no mail server: use one like smtp://mail.example.com?from=alerts@example.com&to=you@example.com".to_owned());
    }
    let is_here =
        host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    Ok((host, is_here))
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn address(text: &str) -> Result<Address, String> {
    // Others need an extension of SMTP that not every server has.
    let read = text.trim().parse().ok().filter(|_| text.is_ascii());
    read.ok_or_else(|| format!("names {text:?}: that is no mail address, as in you@example.com"))
}

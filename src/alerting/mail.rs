//! Mail: brings what the format `email` says to an SMTP server, <https://www.rfc-editor.org/rfc/rfc5321>.
//!
//! Each mail has a connection of its own. What goes wrong before the mail is offered (no connection, no TLS, a refused
//! login) is the server's trouble as a whole; what is refused of the mail itself counts against that delivery alone.

use std::time::Duration;

use lettre::Address;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use rustls::pki_types::CertificateDer;
use tracing::warn;

use super::client::{Answer, explained};
use super::format::{Presentation, Subject, mail};
use crate::config::Destination;
use crate::core::limits::{DELIVERY_CONNECT_SECONDS_MAX, DELIVERY_ERROR_CHARS_MAX};

/// How long the server may take to say goodbye to a mail that it has accepted.
const GOODBYE_MS_MAX: u64 = 500;

/// Tells `destination` of `subject` at `now`, by mail.
pub(super) async fn tell(
    destination: &Destination,
    authorities: &[CertificateDer<'static>],
    presentation: &Presentation,
    subject: Subject<'_>,
    now: i64,
) -> Answer {
    let seconds = destination.timeout_seconds;
    let sent = send(destination, authorities, presentation, subject, now);
    match tokio::time::timeout(Duration::from_secs(seconds), sent).await {
        Ok(Ok((mut connection, answer))) => {
            let goodbye = Duration::from_millis(GOODBYE_MS_MAX);
            // It is accepted, whatever comes of this.
            let _ = tokio::time::timeout(goodbye, connection.quit()).await;
            Answer::Accepted { answer }
        }
        Ok(Err(answer)) => answer,
        Err(_) => Answer::Unable {
            error: format!("no answer within {seconds} s"),
            retry_after_seconds: None,
        },
    }
}

/// Sends it, and returns the connection and what the server said once the mail is accepted.
async fn send(
    destination: &Destination,
    authorities: &[CertificateDer<'static>],
    presentation: &Presentation,
    subject: Subject<'_>,
    now: i64,
) -> Result<(AsyncSmtpConnection, String), Answer> {
    let mailing = destination.mailing().map_err(|error| Answer::Refused { error })?;
    let mail = mail(&mailing.from, &mailing.to, subject, presentation, now)
        .map_err(|error| Answer::Refused { error: error.to_string() })?
        .formatted();
    let hello = ClientId::Domain(mailing.from.domain().to_owned());
    let tls = || trusting(&mailing.host, authorities).map_err(unable);
    let on_connect = mailing.tls_on_connect.then(tls).transpose()?;
    let (server, wait) =
        ((mailing.host.as_str(), mailing.port), Duration::from_secs(DELIVERY_CONNECT_SECONDS_MAX));
    let connected =
        AsyncSmtpConnection::connect_tokio1(server, Some(wait), &hello, on_connect, None);
    let mut connection = connected.await.map_err(unable)?;
    if mailing.starttls {
        connection.starttls(tls()?, &hello).await.map_err(unable)?;
    }
    if let Some((user, password)) = mailing.login {
        let login = Credentials::new(user, password);
        connection.auth(DEFAULT_MECHANISMS, &login).await.map_err(unable)?;
    }
    let offered = offer(&mut connection, &mailing.from, &mailing.to, &mail);
    let (mut answer, refused) = offered.await.map_err(|error| {
        if error.is_permanent() { Answer::Refused { error: why(&error) } } else { unable(error) }
    })?;
    if let Some(error) = refused {
        let reason = why(&error);
        warn!(destination = ?destination.name, reason, "a recipient is refused; the others have the mail");
        answer = format!("{answer}, but refused a recipient: {reason}");
    }
    Ok((connection, answer.chars().take(DELIVERY_ERROR_CHARS_MAX).collect()))
}

/// TLS with the server `host`, which has to show that it is that one.
fn trusting(host: &str, authorities: &[CertificateDer<'static>]) -> Result<TlsParameters, Error> {
    let mut tls = TlsParameters::builder(host.to_owned());
    for authority in authorities {
        tls = tls.add_root_certificate(Certificate::from_der(authority.to_vec())?);
    }
    tls.build()
}

/// Offers the mail to every recipient, and returns what the server said of it. One that is refused for good, which is
/// returned too, keeps it from no other.
async fn offer(
    connection: &mut AsyncSmtpConnection,
    from: &Address,
    to: &[Address],
    mail: &[u8],
) -> Result<(String, Option<Error>), Error> {
    connection.command(Mail::new(Some(from.clone()), Vec::new())).await?;
    let (mut accepted, mut refused) = (0, None);
    for recipient in to {
        match connection.command(Rcpt::new(recipient.clone(), Vec::new())).await {
            Ok(_) => accepted += 1,
            Err(error) if error.is_permanent() => refused = Some(error),
            Err(error) => return Err(error),
        }
    }
    if accepted == 0
        && let Some(error) = refused
    {
        return Err(error);
    }
    connection.command(Data).await?;
    let response = connection.message(mail).await?;
    Ok((format!("it answered {}", response.code()), refused))
}

#[allow(clippy::needless_pass_by_value, reason = "it is what map_err gives")]
fn unable(error: Error) -> Answer {
    Answer::Unable { error: why(&error), retry_after_seconds: None }
}

/// What the server said, or else the innermost reason.
fn why(error: &Error) -> String {
    let mut reason: &dyn std::error::Error = error;
    while let Some(inner) = reason.source() {
        reason = inner;
    }
    let what = match error.status() {
        Some(code) => format!("it answered {code}: {reason}"),
        None => format!("no answer: {}", explained(reason)),
    };
    let shown = what.chars().map(|c| if c.is_control() { ' ' } else { c });
    shown.take(DELIVERY_ERROR_CHARS_MAX).collect()
}

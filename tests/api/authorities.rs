//! Trust: who is spoken to in TLS, and that nobody else hears anything.

use std::sync::Arc;

use overdue::alerting::{Client, Courier, Pulse, Step};
use overdue::config::{AlertFormat, Destination};
use overdue::store::Rules;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::house::{House, TEN, destination, destinations_of, presentation, rules, settings_of};
use crate::post_office::{PostOffice, Tls};
use crate::support::overdue;

/// An authority of a company's own.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    /// What a server of this name needs to speak TLS.
    fn vouches_for(&self, name: &str) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }

    /// As the settings read it.
    fn trusted(&self) -> Vec<CertificateDer<'static>> {
        settings_of("", &[("SSL_CERT_FILE", "ca.pem")], &[("ca.pem", &self.pem())])
            .unwrap()
            .authorities
    }
}

/// Lets one service fall silent and the destination be told of it; what was noted.
async fn deliver(destination: &Destination, trusted: &[CertificateDer<'static>]) -> String {
    let house = House::with(Rules { routes: vec![destination.route.clone()], ..rules() }).await;
    house.ping(&format!("name=a&frequency=10m&timestamp={}", TEN - 1200)).await;
    house.sweep_at(TEN + 1).await;
    let mut courier = Courier::new(
        destination.clone(),
        house.store.clone(),
        Client::trusting(trusted).unwrap(),
        presentation(),
        Pulse::default(),
        house.clock.clone(),
    );
    while courier.step(TEN + 1).await.unwrap() != Step::Idle {
        courier.settle().await;
    }
    let noted = "SELECT state || ' ' || destination_failed || ': ' || coalesce(last_error, '') FROM deliveries";
    house.texts(noted).await.remove(0)
}

/// A mailbox behind a login, by STARTTLS or by TLS on connect.
fn mail_to(office: &PostOffice, scheme: &str) -> Destination {
    let tls = if scheme == "smtp" { "&tls=starttls" } else { "" };
    let uri = format!(
        "{scheme}://me:s3cret@localhost:{}?from=a@example.com&to=b@example.com{tls}",
        office.port
    );
    let file = format!("[[destination]]\nname = \"mail\"\nuri = \"{uri}\"\n");
    destinations_of(&file).unwrap().remove(0)
}

const UNKNOWN: &str = "invalid peer certificate: UnknownIssuer: to trust an authority of your own, name its file in SSL_CERT_FILE";

#[tokio::test]
async fn mail_is_delivered_by_starttls_where_the_authority_is_trusted() {
    let authority = Authority::new("ours");
    let tls = Tls::OnRequest(authority.vouches_for("localhost"));
    let mut office = PostOffice::open_with(tls).await;
    assert_eq!(deliver(&mail_to(&office, "smtp"), &authority.trusted()).await, "delivered 0: ");
    let letter = office.letter().await;
    insta::assert_snapshot!(letter.commands.join("\n"), @r"
EHLO example.com
STARTTLS
(TLS)
EHLO example.com
AUTH PLAIN AG1lAHMzY3JldA==
MAIL FROM:<a@example.com>
RCPT TO:<b@example.com>
DATA
QUIT
");
    assert!(letter.text.contains("OVERDUE a: 10 min late."), "{}", letter.text);
}

#[tokio::test]
async fn mail_is_delivered_by_tls_on_connect_where_the_authority_is_trusted() {
    let authority = Authority::new("ours");
    let tls = Tls::OnConnect(authority.vouches_for("localhost"));
    let mut office = PostOffice::open_with(tls).await;
    assert_eq!(deliver(&mail_to(&office, "smtps"), &authority.trusted()).await, "delivered 0: ");
    let letter = office.letter().await;
    insta::assert_snapshot!(letter.commands.join("\n"), @r"
(TLS)
EHLO example.com
AUTH PLAIN AG1lAHMzY3JldA==
MAIL FROM:<a@example.com>
RCPT TO:<b@example.com>
DATA
QUIT
");
    assert!(letter.text.contains("OVERDUE a: 10 min late."), "{}", letter.text);
}

#[tokio::test]
async fn a_mail_server_that_nobody_vouches_for_gets_neither_mail_nor_password() {
    let (stranger, trusted) = (Authority::new("stranger"), Authority::new("ours").trusted());
    for (scheme, before) in [("smtp", vec!["EHLO example.com", "STARTTLS"]), ("smtps", vec![])] {
        let acceptor = stranger.vouches_for("localhost");
        let tls =
            if scheme == "smtp" { Tls::OnRequest(acceptor) } else { Tls::OnConnect(acceptor) };
        let mut office = PostOffice::open_with(tls).await;
        let noted = deliver(&mail_to(&office, scheme), &trusted).await;
        assert_eq!(noted, format!("pending 1: no answer: {UNKNOWN}"), "{scheme}");
        let letter = office.letter().await;
        assert_eq!(
            (letter.commands, letter.text.as_str()),
            (before.into_iter().map(str::to_owned).collect(), "")
        );
    }
}

#[tokio::test]
async fn a_mail_server_with_the_name_of_another_gets_neither_mail_nor_password() {
    let authority = Authority::new("ours");
    let tls = Tls::OnConnect(authority.vouches_for("mail.example.com"));
    let mut office = PostOffice::open_with(tls).await;
    let noted = deliver(&mail_to(&office, "smtps"), &authority.trusted()).await;
    assert!(noted.starts_with("pending 1: no answer: invalid peer certificate: "), "{noted}");
    assert_eq!(office.letter().await.commands, Vec::<String>::new());
}

#[tokio::test]
async fn a_mail_server_that_offers_tls_and_then_refuses_it_gets_neither_mail_nor_password() {
    let authority = Authority::new("ours");
    let tls = Tls::OnRequest(authority.vouches_for("localhost"));
    let mut office = PostOffice::open_with(tls).await;
    office.answers("STARTTLS", "454 not now");
    let noted = deliver(&mail_to(&office, "smtp"), &authority.trusted()).await;
    assert_eq!(noted, "pending 1: it answered 454: not now");
    let commands = office.letter().await.commands;
    assert!(
        commands.iter().all(|line| !line.starts_with("AUTH") && !line.starts_with("MAIL")),
        "{commands:?}"
    );
}

/// A web server that speaks TLS and accepts whatever it is told.
async fn web_server(acceptor: TlsAcceptor) -> Destination {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = vec![0; 4096];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").await;
            let _ = stream.shutdown().await;
        }
    });
    destination(&format!("https://localhost:{port}/alerts"), AlertFormat::Json)
}

#[tokio::test]
async fn an_https_receiver_is_trusted_by_the_authority_that_is_named_and_by_no_other() {
    let authority = Authority::new("ours");
    let destination = web_server(authority.vouches_for("localhost")).await;
    assert_eq!(deliver(&destination, &[]).await, format!("pending 1: no connection: {UNKNOWN}"));
    assert_eq!(deliver(&destination, &authority.trusted()).await, "delivered 0: ");
}

#[tokio::test]
async fn the_program_trusts_the_authority_that_its_environment_names() {
    let authority = Authority::new("ours");
    let destination = web_server(authority.vouches_for("localhost")).await;
    let folder = tempfile::TempDir::new().unwrap();
    std::fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
    for (file, said) in [(None, UNKNOWN), (Some("ca.pem"), ": accepted\n")] {
        let mut command = overdue(folder.path());
        command.arg("test-alert").env("PING_ALERT_URI", destination.uri.as_str());
        if let Some(file) = file {
            command.env("SSL_CERT_FILE", file);
        }
        let output = tokio::process::Command::from(command).output().await.unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        assert!(printed.contains(said), "{printed}");
        assert_eq!(output.status.success(), file.is_some());
    }
}

#[test]
fn a_file_of_authorities_that_cannot_be_used_stops_the_start() {
    let said = |files: &[(&str, &str)]| {
        settings_of("", &[("SSL_CERT_FILE", "ca.pem")], files).map(drop).unwrap_err().to_string()
    };
    insta::assert_snapshot!(said(&[]), @r#"SSL_CERT_FILE "ca.pem" cannot be read: No such file or directory (os error 2)"#);
    insta::assert_snapshot!(said(&[("ca.pem", "nothing of the kind")]), @r#"SSL_CERT_FILE "ca.pem" holds no certificate: use a file in PEM, with -----BEGIN CERTIFICATE-----"#);
    insta::assert_snapshot!(said(&[("ca.pem", "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n")]), @r#"SSL_CERT_FILE "ca.pem" holds no certificate: use a file in PEM, with -----BEGIN CERTIFICATE-----"#);
    insta::assert_snapshot!(said(&[("ca.pem", "-----BEGIN CERTIFICATE-----\naGVsbG8=\n")]), @r#"SSL_CERT_FILE "ca.pem" is no right PEM: each -----BEGIN CERTIFICATE----- needs base64 and its -----END CERTIFICATE-----"#);
    let (first, second) = (Authority::new("first"), Authority::new("second"));
    let both = format!("{}\n{}", first.pem(), second.pem());
    let read = settings_of("", &[("SSL_CERT_FILE", "ca.pem")], &[("ca.pem", &both)]).unwrap();
    assert_eq!(read.authorities.len(), 2);
    assert!(settings_of("", &[("SSL_CERT_FILE", "")], &[]).unwrap().authorities.is_empty());
}

//! The command line and the settings, through the real binary.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "support/mod.rs"]
mod support;

use std::path::Path;
use std::process::Stdio;

use support::{Server, overdue, patiently};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr};

/// Starts it with these arguments and variables, which must stop the start; returns what it says.
fn refused(arguments: &[&str], variables: &[(&str, &str)], file: &str) -> String {
    let folder = TempDir::new().unwrap();
    if !file.is_empty() {
        std::fs::write(folder.path().join("overdue.toml"), file).unwrap();
    }
    let mut command = overdue(folder.path());
    command.args(arguments).envs(variables.iter().copied());
    let output = command.output().unwrap();
    assert_ne!(output.status.code(), Some(0), "{arguments:?} {variables:?}");
    let left: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| name == "overdue.toml"), "nothing is made: {left:?}");
    String::from_utf8(output.stderr).unwrap().trim_end().to_owned()
}

#[test]
fn help_shows_every_setting_with_its_variable_and_default() {
    let folder = TempDir::new().unwrap();
    for arguments in [&["--help"][..], &["serve", "--help"]] {
        let output = overdue(folder.path()).args(arguments).output().unwrap();
        let help = String::from_utf8(output.stdout).unwrap();
        // Lines are broken where the terminal ends.
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        for words in [
            "PING_ALERT_URI",
            "OVERDUE_ALERT_FORMAT",
            "OVERDUE_ALERT_HISTORY",
            "DATABASE_URL",
            "OVERDUE_DURABILITY",
            "OVERDUE_LISTEN",
            "OVERDUE_OPEN",
            "OVERDUE_PING_KEY",
            "OVERDUE_READ_KEY",
            "OVERDUE_ADMIN_KEY",
            "OVERDUE_CLIENT_IP_HEADER",
            "OVERDUE_LITEFS",
            "OVERDUE_GRACE",
            "OVERDUE_MAX_SERVICES",
            "RUST_LOG",
            "OVERDUE_LOG_FORMAT",
            "OVERDUE_ALERT_SECRET",
            "OVERDUE_OUTAGE_HOLD",
            "OVERDUE_REMIND_EVERY",
            "OVERDUE_BASE_URL",
            "OVERDUE_TZ",
            "OVERDUE_HEARTBEAT_URI",
            "OVERDUE_CONFIG",
            "[default: 127.0.0.1:4000",
            "[default: sqlite:overdue.db]",
            "[default: 0s]",
            "[default: full]",
            "[default: info]",
        ] {
            assert!(help.contains(words), "{words} is not in {help}");
        }
    }
}

#[test]
fn a_wrong_setting_stops_the_start_with_a_sentence() {
    let with = |name: &str, value: &str| refused(&[], &[(name, value)], "");
    insta::assert_snapshot!(with("OVERDUE_GRACE", "5x"), @r#"overdue: OVERDUE_GRACE "5x" is not a duration: use a whole number and one of W, D, h, m, s, as in 10m"#);
    insta::assert_snapshot!(with("OVERDUE_LISTEN", "here"), @r#"overdue: OVERDUE_LISTEN "here" is not an address: use an IP address and a port, as in 127.0.0.1:4000"#);
    insta::assert_snapshot!(with("PORT", "http"), @r#"overdue: PORT "http" is not a port: use a number from 0 to 65535"#);
    insta::assert_snapshot!(with("DATABASE_URL", "postgres://x"), @r#"overdue: DATABASE_URL "postgres://x" is not a SQLite database: use sqlite:FILE, as in sqlite:overdue.db, or sqlite::memory:"#);
    insta::assert_snapshot!(with("OVERDUE_DURABILITY", "none"), @r#"overdue: OVERDUE_DURABILITY "none" is not known: use full or relaxed"#);
    insta::assert_snapshot!(with("OVERDUE_OPEN", "yes"), @r#"overdue: OVERDUE_OPEN "yes" is not known: use true or false"#);
    insta::assert_snapshot!(with("OVERDUE_PING_KEY", "two words"), @"overdue: OVERDUE_PING_KEY has a key that is none: use 1 to 256 printable ASCII characters without spaces and commas, as `openssl rand -hex 24` prints them");
    insta::assert_snapshot!(with("OVERDUE_CLIENT_IP_HEADER", "X Real IP"), @r#"overdue: OVERDUE_CLIENT_IP_HEADER "X Real IP" is not a header's name: use one as in X-Forwarded-For"#);
    insta::assert_snapshot!(with("OVERDUE_LITEFS", "127.0.0.1:20202"), @r#"overdue: OVERDUE_LITEFS "127.0.0.1:20202" is not LiteFS's API: use its address, as in http://127.0.0.1:20202"#);
    insta::assert_snapshot!(with("OVERDUE_MAX_SERVICES", "0"), @r#"overdue: OVERDUE_MAX_SERVICES "0" is not a count: use a whole number of 1 or more"#);
    insta::assert_snapshot!(with("OVERDUE_ALERT_HISTORY", "0s"), @r#"overdue: OVERDUE_ALERT_HISTORY "0s" is zero: use 1s or more"#);
    insta::assert_snapshot!(with("OVERDUE_ALERT_FORMAT", "xml"), @r#"overdue: OVERDUE_ALERT_FORMAT "xml" is not known: use json, query, slack, discord, ntfy, pagerduty, alertmanager or email"#);
    insta::assert_snapshot!(with("OVERDUE_LOG_FORMAT", "xml"), @r#"overdue: OVERDUE_LOG_FORMAT "xml" is not known: use text or json"#);
    insta::assert_snapshot!(with("PING_ALERT_URI", "ftp://example.com"), @r#"overdue: PING_ALERT_URI "ftp://example.com" is not a web address: use one like https://example.com/alerts"#);
    insta::assert_snapshot!(with("PING_ALERT_URI", "https://"), @r#"overdue: PING_ALERT_URI "https://" is not a web address: use one like https://example.com/alerts"#);
    insta::assert_snapshot!(refused(&["--grace", "5x"], &[], ""), @r#"overdue: --grace "5x" is not a duration: use a whole number and one of W, D, h, m, s, as in 10m"#);
    insta::assert_snapshot!(refused(&[], &[], "grace = \"5x\""), @r#"overdue: grace in overdue.toml "5x" is not a duration: use a whole number and one of W, D, h, m, s, as in 10m"#);
    assert!(
        with("RUST_LOG", "overdue=loud").contains("RUST_LOG \"overdue=loud\" is not a log filter")
    );
}

#[test]
fn an_unknown_setting_stops_the_start_too() {
    let said = refused(&[], &[("OVERDUE_GRASE", "5m")], "");
    assert!(
        said.starts_with(
            "overdue: OVERDUE_GRASE is not a setting: those that begin so are OVERDUE_"
        ),
        "{said}"
    );
    let said = refused(&[], &[], "alert_secret = \"hunter2\nopen = true");
    assert!(
        said.contains("overdue.toml line 1 is not right") && !said.contains("hunter2"),
        "{said}"
    );
    let said = refused(&[], &[], "grase = \"5m\"");
    assert!(said.contains("overdue.toml line 1 is not right") && said.contains("grase"), "{said}");
    let said = refused(&[], &[("OVERDUE_CONFIG", "missing.toml")], "");
    assert!(said.starts_with("overdue: cannot read the settings in missing.toml"), "{said}");
    assert!(refused(&["--grase", "5m"], &[], "").contains("--grase"));
}

#[test]
fn strangers_are_not_served_unless_that_is_meant() {
    insta::assert_snapshot!(refused(&["--listen", "0.0.0.0:0"], &[], ""), @"overdue: serving on 0.0.0.0:0 would let anyone ping and delete: listen on 127.0.0.1, set OVERDUE_PING_KEY, OVERDUE_READ_KEY and OVERDUE_ADMIN_KEY, or OVERDUE_OPEN=true if that is meant");
    insta::assert_snapshot!(refused(&[], &[("PORT", "0")], ""), @"overdue: serving on 0.0.0.0:0 would let anyone ping and delete: listen on 127.0.0.1, set OVERDUE_PING_KEY, OVERDUE_READ_KEY and OVERDUE_ADMIN_KEY, or OVERDUE_OPEN=true if that is meant");
    insta::assert_snapshot!(refused(&[], &[("FLY_APP_NAME", "x"), ("OVERDUE_LISTEN", "127.0.0.1:0")], ""), @"overdue: serving on Fly would let anyone ping and delete: set OVERDUE_PING_KEY, OVERDUE_READ_KEY and OVERDUE_ADMIN_KEY, or OVERDUE_OPEN=true if that is meant");
}

#[tokio::test]
async fn a_flag_wins_over_the_environment_over_the_file_over_the_default() {
    let folder = TempDir::new().unwrap();
    let start = async |flag: bool, variable: bool| {
        let mut command = overdue(folder.path());
        command.args(["--listen", "127.0.0.1:0", "--database-url", "sqlite::memory:"]);
        // Set but empty is not set.
        command.env("OVERDUE_GRACE", if variable { "2m" } else { "" });
        if flag {
            command.args(["--grace", "3m"]);
        }
        let server = Server::spawn(command).await;
        let grace = server.get("/ping?name=a&frequency=1h").await.json()["grace"].clone();
        server.stop().await;
        grace
    };
    assert_eq!(start(false, false).await, "0s");
    std::fs::write(
        folder.path().join("overdue.toml"),
        "grace = \"1m\"\nmax_services = 5\nopen = false\n",
    )
    .unwrap();
    assert_eq!(start(false, false).await, "1m");
    assert_eq!(start(false, true).await, "2m");
    assert_eq!(start(true, true).await, "3m");
    assert!(!folder.path().join("overdue.db").exists());
}

#[tokio::test]
async fn the_greeting_says_where_it_serves_what_it_holds_and_where_alerts_go() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().canonicalize().unwrap().join("overdue.db");
    let server = Server::start(folder.path(), None).await;
    let address = server.address;
    assert_eq!(
        server.greeting,
        format!(
            "overdue {} serves http://{address}\n  database  {} (new, empty)\n  alerts    PING_ALERT_URI is not set: they are only logged and stored\n  try       curl 'http://{address}/ping?name=hello&frequency=10s'\n",
            env!("CARGO_PKG_VERSION"),
            path.display()
        )
    );
    server.get("/ping?name=a&frequency=1s&timestamp=7").await;
    server.stop().await;
    // A secret in the path or query of the address is not printed.
    let server = Server::start(folder.path(), Some("127.0.0.1:9/secret?key=secret")).await;
    assert!(
        server.greeting.contains("(1 service, 1 overdue, last heard 1970-01-01 00:00:07 UTC)"),
        "{}",
        server.greeting
    );
    assert!(
        server.greeting.contains("alerts    go to https://127.0.0.1:9\n"),
        "{}",
        server.greeting
    );
    server.stop().await;
}

/// Serves the database in a folder, and gives the lines of its log, in JSON.
fn serve_with_json_log(folder: &Path) -> (Child, Lines<BufReader<ChildStderr>>) {
    let mut command = overdue(folder);
    command
        .args(["--listen", "127.0.0.1:0"])
        .env("OVERDUE_LOG_FORMAT", "json")
        .stderr(Stdio::piped());
    let mut child = tokio::process::Command::from(command).kill_on_drop(true).spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    (child, lines)
}

#[tokio::test]
async fn in_json_logs_the_start_is_a_line_and_names_cannot_forge_others() {
    let folder = TempDir::new().unwrap();
    let (mut child, mut lines) = serve_with_json_log(folder.path());
    let mut next = async || -> serde_json::Value {
        let line = patiently("a log line", lines.next_line()).await.unwrap().unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    };
    let serving = next().await;
    assert_eq!((&serving["message"], &serving["services"]), (&"serving".into(), &0.into()));
    let address = serving["address"].as_str().unwrap().parse().unwrap();
    let name = "%22%7D%E2%80%A8forged%1B";
    assert_eq!(
        support::send(address, "GET", &format!("/ping?name={name}&frequency=1h"))
            .await
            .unwrap()
            .status,
        400
    );
    let name = "%22%7D%E2%80%A8forged";
    let target = format!("/ping?name={name}&frequency=1s&timestamp=7");
    assert_eq!(support::send(address, "GET", &target).await.unwrap().status, 200);
    let overdue = next().await;
    assert_eq!((&overdue["message"], &overdue["level"]), (&"overdue".into(), &"WARN".into()));
    assert!(overdue["service"].as_str().unwrap().contains("forged"));
    child.kill().await.unwrap();
}

#[tokio::test]
async fn the_sink_prints_the_alerts_it_gets() {
    let folder = TempDir::new().unwrap();
    let mut command = overdue(folder.path());
    command.args(["sink", "--listen", "127.0.0.1:0"]).stdout(Stdio::piped());
    let mut sink = tokio::process::Command::from(command).kill_on_drop(true).spawn().unwrap();
    let mut lines = BufReader::new(sink.stdout.take().unwrap()).lines();
    let greeting = patiently("the greeting", lines.next_line()).await.unwrap().unwrap();
    let address = greeting.split("http://").nth(1).unwrap().split(' ').next().unwrap();
    let server = Server::start(folder.path(), Some(&format!("http://{address}/"))).await;
    server.get("/ping?name=daily_digest&frequency=1s&timestamp=7").await;
    let line = patiently("the alert", lines.next_line()).await.unwrap().unwrap();
    assert!(line.contains(" alr_") && line.contains(" OVERDUE daily_digest: "), "{line}");
    server.stop().await;
}

#[test]
fn files_that_are_not_ours_stop_the_start_and_stay_as_they_are() {
    let folder = TempDir::new().unwrap();
    let start = |name: &str| {
        let output = overdue(folder.path())
            .args(["--listen", "127.0.0.1:0", "--database-url", &format!("sqlite:{name}")])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    };
    std::fs::write(
        folder.path().join("text.db"),
        "This is a text and no database, whatever its name says.",
    )
    .unwrap();
    let said = start("text.db");
    assert!(said.contains("text.db") && said.contains("file is not a database"), "{said}");
    assert!(
        start("missing/overdue.db")
            .contains("cannot open missing/overdue.db: No such file or directory")
    );
    std::fs::create_dir(folder.path().join("folder.db")).unwrap();
    assert!(start("folder.db").contains("cannot open folder.db: is a directory"));
    // A database of another program that uses the same migrations, one of ours from the future, and links to nothing.
    let table = "CREATE TABLE _sqlx_migrations (version INTEGER, description TEXT, success INTEGER, checksum BLOB)";
    for (name, rows, said) in [
        ("sqlx.db", "CREATE TABLE users (x)", "is a database of another program"),
        (
            "future.db",
            "INSERT INTO _sqlx_migrations VALUES (1, 'services and alerts', 1, x''), (999, 'more', 1, x'')",
            "was made by a newer overdue",
        ),
    ] {
        let path = folder.path().join(name);
        if support::sqlite3(&path, &format!("{table}; CREATE TABLE other (x); {rows}")).is_some() {
            let before = std::fs::read(&path).unwrap();
            let sentence = start(name);
            assert!(sentence.contains(said), "{sentence}");
            assert_eq!(std::fs::read(&path).unwrap(), before);
        }
    }
    if support::sqlite3(&folder.path().join("other.db"), "CREATE TABLE notes (text)").is_some() {
        let before = std::fs::read(folder.path().join("other.db")).unwrap();
        let said = start("other.db");
        assert!(said.contains("other.db is a database of another program"), "{said}");
        assert_eq!(std::fs::read(folder.path().join("other.db")).unwrap(), before);
    }
}

const TWO_DESTINATIONS: &str = r#"
remind_every = "1h"

[[destination]]
name = "ops"
uri = "https://example.com/hook/secret"
secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
services = ["backup-*", "db/*"]
alerts = ["overdue", "recovered"]

[[destination]]
name = "legacy"
uri = "example.com/old"
format = "query"
"#;

#[test]
fn check_config_says_what_the_settings_come_to() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("overdue.toml"), TWO_DESTINATIONS).unwrap();
    let output = overdue(folder.path()).arg("check-config").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    insta::assert_snapshot!(String::from_utf8(output.stdout).unwrap(), @"the settings are right; it would listen on 127.0.0.1:4000
  ops: overdue, recovered of some services to https://example.com, signed
  legacy: overdue, reminder of all services to https://example.com");
}

#[test]
fn check_config_says_everything_that_is_wrong_by_line() {
    let file = r#"grace = "5x"

[[destination]]
name = "a b"
uri = "https://example.com"

[[destination]]
name = "ops"
uri = "gopher://example.com"

[[destination]]
name = "paging"
uri = "https://example.com"
format = "telegram"

[[destination]]
name = "globs"
uri = "https://example.com"
services = ["backup-[*"]

[[destination]]
name = "kinds"
uri = "https://example.com"
alerts = ["overdo"]

[[destination]]
name = "signed"
uri = "https://example.com"
secret = "hunter2"
timeout = "10m"
"#;
    let said = refused(&["check-config"], &[], file);
    assert!(!said.contains("hunter2"), "secrets are not shown: {said}");
    let lines: Vec<&str> = said.lines().collect();
    for (line, start) in [
        (0, "overdue: overdue.toml line 4: name \"a b\" is not a name"),
        (1, "overdue.toml line 9: uri \"gopher://example.com\" is not a web address"),
        (2, "overdue.toml line 14: format \"telegram\" is not known: use json"),
        (3, "overdue.toml line 19: services \"backup-[*\" is not a glob"),
        (4, "overdue.toml line 24: alerts \"overdo\" is not known: use overdue"),
        (5, "overdue.toml line 29: secret is not a secret: use whsec_"),
        (6, "grace in overdue.toml \"5x\" is not a duration"),
    ] {
        assert!(
            lines.get(line).is_some_and(|said| said.starts_with(start)),
            "{start} is not line {line} of {said}"
        );
    }
    let said = refused(&["check-config"], &[], "[[destination]]\nname = \"x\"\nurl = \"y\"\n");
    assert!(said.contains("line 3") && said.contains("url"), "{said}");
}

#[tokio::test]
async fn test_alert_sends_one_and_prints_the_answer() {
    let mut receiver = support::Receiver::start().await;
    let folder = TempDir::new().unwrap();
    let file = format!("[[destination]]\nname = \"ops\"\nuri = \"{}\"\n", receiver.uri());
    std::fs::write(folder.path().join("overdue.toml"), file).unwrap();
    let run = async |arguments: &[&str]| {
        let mut command = overdue(folder.path());
        command.arg("test-alert").args(arguments);
        let output =
            patiently("test-alert", tokio::process::Command::from(command).output()).await.unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.code(), said)
    };
    let address = receiver.address;
    assert_eq!(run(&["ops"]).await, (Some(0), format!("ops (http://{address}): accepted\n")));
    let alert = receiver.next().await.body;
    assert_eq!(
        (&alert["type"], &alert["name"]),
        (&"service.overdue".into(), &"this is a test".into())
    );
    receiver.usually(support::Reply::Status(403));
    let (code, said) = run(&[]).await;
    assert_eq!(code, Some(1));
    assert!(
        said.starts_with(&format!(
            "ops (http://{address}): not accepted: it answered 403 Forbidden\n"
        )),
        "{said}"
    );
    let (code, said) = run(&["opps"]).await;
    assert_eq!(
        (code, said.as_str()),
        (Some(1), "overdue: there is no destination \"opps\": there are ops\n")
    );
    assert!(!folder.path().join("overdue.db").exists());
}

#[tokio::test]
async fn a_service_that_no_destination_is_told_of_is_named_at_the_start_and_when_it_is_new() {
    let folder = TempDir::new().unwrap();
    std::fs::write(
        folder.path().join("overdue.toml"),
        TWO_DESTINATIONS.replace("format = \"query\"", "services = [\"x\"]"),
    )
    .unwrap();
    for expected in
        ["no destination is told of this new service", "no destination is told of these services"]
    {
        let (mut child, mut lines) = serve_with_json_log(folder.path());
        let mut next = async || -> serde_json::Value {
            let line = patiently("a log line", lines.next_line()).await.unwrap().unwrap();
            serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
        };
        let mut said = next().await;
        if said["message"] == "serving" {
            let address = said["address"].as_str().unwrap().parse().unwrap();
            for name in ["backup-db", "db/eu", "digest"] {
                let target = format!("/ping?name={}&frequency=1h", name.replace('/', "%2F"));
                assert_eq!(support::send(address, "GET", &target).await.unwrap().status, 200);
            }
            said = next().await;
        }
        assert_eq!(said["message"], expected, "{said}");
        assert!(
            format!("{said}").contains("digest") && !format!("{said}").contains("backup-db"),
            "{said}"
        );
        child.kill().await.unwrap();
    }
}

#[tokio::test]
async fn health_is_0_while_the_server_answers_and_1_with_a_sentence_otherwise() {
    let folder = TempDir::new().unwrap();
    let health = async |listen: String| {
        let mut command = overdue(folder.path());
        command.arg("health").env("OVERDUE_LISTEN", listen).env("OVERDUE_PING_KEY", "k");
        let output = tokio::process::Command::from(command).output().await.unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap().trim_end().to_owned())
    };
    let server = Server::start(folder.path(), None).await;
    let port = server.address.port();
    assert_eq!(health(format!("127.0.0.1:{port}")).await, (Some(0), String::new()));
    assert_eq!(health(format!("0.0.0.0:{port}")).await.0, Some(0));
    server.stop().await;
    let (status, said) = health(format!("127.0.0.1:{port}")).await;
    assert_eq!(status, Some(1));
    assert!(
        said.starts_with(&format!("overdue: nothing answers at http://127.0.0.1:{port}/healthz: ")),
        "{said}"
    );
    let (status, said) = health("127.0.0.1:0".to_owned()).await;
    assert_eq!(status, Some(1));
    insta::assert_snapshot!(said, @"overdue: it listens on a port of the system's choice, which only its greeting tells: set OVERDUE_LISTEN");
}

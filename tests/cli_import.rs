//! `overdue import`, as a process against a real server.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "support/mod.rs"]
mod support;

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use support::{Server, overdue};
use tempfile::TempDir;

const KEY: &str = "admin-key";
const UUID: &str = "31365bce-8da9-4729-8ff3-aaa71d56b712";
const OTHER: &str = "803f680d-e89b-492b-82ef-2be7b774a92d";

/// What an account might hold, with every field that the API shows to a read-write key.
fn checks() -> String {
    let check = |fields: Value| {
        let mut check = json!({
            "name": "", "slug": "", "tags": "", "desc": "", "grace": 3600, "n_pings": 1, "status": "up",
            "started": false, "last_ping": "2026-03-24T14:02:03+00:00", "next_ping": null, "manual_resume": false,
            "methods": "", "subject": "", "subject_fail": "", "start_kw": "", "success_kw": "", "failure_kw": "",
            "filter_subject": false, "filter_body": false, "filter_http_body": false, "filter_default_fail": false,
            "badge_url": null, "update_url": "", "pause_url": "", "resume_url": "", "channels": ""
        });
        for (name, value) in fields.as_object().unwrap() {
            check[name] = value.clone();
        }
        check
    };
    let ping_url = |uuid: &str| format!("https://hc-ping.com/{uuid}");
    let checks = [
        check(
            json!({ "name": "Filesystem Backup/ä", "slug": "filesystem-backup", "tags": "backup fs",
            "desc": "Runs every hour\non web1", "grace": 600, "timeout": 3600, "uuid": UUID, "ping_url": ping_url(UUID) }),
        ),
        check(
            json!({ "name": "Database Backup", "slug": "database-backup", "status": "paused", "grace": 1200,
            "schedule": "15 5 * * *", "tz": "Europe/Riga", "ping_url": ping_url(OTHER), "channels": "1bdea468" }),
        ),
        check(
            json!({ "name": "Last day", "schedule": "*-*~1 12:00", "tz": "UTC", "status": "new" }),
        ),
    ];
    json!({ "checks": checks }).to_string()
}

async fn server(folder: &Path) -> Server {
    let mut command = overdue(folder);
    command.args(["serve", "--listen", "127.0.0.1:0"]).env("OVERDUE_ADMIN_KEY", KEY);
    Server::spawn(command).await
}

fn import(server: &Server, folder: &Path) -> Command {
    let mut command = overdue(folder);
    command.args(["import", "healthchecks", "--url", &format!("http://{}", server.address)]);
    command.env("OVERDUE_KEY", KEY);
    command
}

/// Imports `file` from standard input.
fn piped(mut command: Command, file: &str) -> Output {
    command.arg("-").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(file.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap().trim_end()
}

async fn rows(folder: &Path, statement: &'static str) -> Vec<String> {
    use sqlx::Connection as _;
    let path = folder.join("overdue.db");
    let mut database = sqlx::SqliteConnection::connect(path.to_str().unwrap()).await.unwrap();
    sqlx::query_scalar(statement).fetch_all(&mut database).await.unwrap()
}

const SERVICES: &str = "SELECT name || '|' || coalesce(frequency, cron || ' ' || tz) || '|' || grace || '|'
    || coalesce(description, '') || '|' || paused || '|'
    || coalesce((SELECT group_concat(alias, ' ') FROM aliases WHERE service = name), '') FROM services ORDER BY id";

#[tokio::test]
async fn checks_become_services_that_their_clients_find_and_once_more_changes_nothing() {
    let folder = TempDir::new().unwrap();
    let server = server(folder.path()).await;
    let file = folder.path().join("checks.json");
    std::fs::write(&file, checks()).unwrap();
    for output in [
        import(&server, folder.path()).arg(&file).output().unwrap(),
        piped(import(&server, folder.path()), &checks()),
    ] {
        assert_eq!(text(&output.stderr), "");
        assert_eq!(output.status.code(), Some(1), "one was left out");
        insta::allow_duplicates! {
            insta::assert_snapshot!(text(&output.stdout), @r#"
            "Filesystem Backup/ä": its tags "backup fs" have no place here
            "Filesystem Backup/ä": its description is one line here, of up to 1000 characters
            "Database Backup": its integrations are destinations in overdue.toml here
            "Last day" is left out: its schedule "*-*~1 12:00" is not a cron expression: use five fields (minute, hour, day of month, month, day of week), as in 0 2 * * 1-5
            2 of 3 checks are services now; one that was never pinged here waits, and nothing is told of it, until it is
            "#);
        }
        let services = rows(folder.path(), SERVICES).await;
        assert_eq!(
            services,
            [
                format!(
                    "Filesystem Backup/ä|3600|600|Runs every hour on web1|0|{UUID} filesystem-backup"
                ),
                format!("Database Backup|15 5 * * * Europe/Riga|1200||1|{OTHER} database-backup"),
            ]
        );
    }
    // As its clients ping it, by UUID and by key and slug.
    assert_eq!(server.get(&format!("/hc/{UUID}/start")).await.status, 200);
    assert_eq!(server.get(&format!("/hc/{KEY}/database-backup")).await.status, 200);
    assert_eq!(
        rows(folder.path(), "SELECT name || ' ' || status FROM status ORDER BY name").await,
        ["Database Backup up", "Filesystem Backup/ä up"]
    );
    server.stop().await;
}

#[tokio::test]
async fn a_slug_that_is_a_service_already_is_left_to_it() {
    let folder = TempDir::new().unwrap();
    let server = server(folder.path()).await;
    assert_eq!(server.get(&format!("/hc/{KEY}/a-slug?create=1")).await.status, 201);
    let checks =
        json!([{ "name": "A", "slug": "a-slug", "timeout": 60, "grace": 60, "uuid": UUID }]);
    let output = piped(import(&server, folder.path()), &checks.to_string());
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
    insta::assert_snapshot!(text(&output.stdout), @r#"
    "A": its slug "a-slug" is another service's: ping it by its UUID or name
    1 of 1 checks are services now; one that was never pinged here waits, and nothing is told of it, until it is
    "#);
    assert_eq!(
        rows(folder.path(), "SELECT alias || ' ' || service FROM aliases").await,
        [format!("{UUID} A")]
    );
    server.stop().await;
}

#[tokio::test]
async fn what_cannot_be_done_is_said_and_shows_in_the_exit_status() {
    let folder = TempDir::new().unwrap();
    let server = server(folder.path()).await;
    let output = piped(import(&server, folder.path()), "{}");
    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!(text(&output.stderr), @r#"overdue: standard input: this is not what Healthchecks' GET /api/v3/checks/ returns: it holds no array "checks""#);
    let output = import(&server, folder.path()).arg("missing.json").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("missing.json cannot be read: "), "{output:?}");
    let mut without_key = import(&server, folder.path());
    without_key.env_remove("OVERDUE_KEY");
    let output = piped(without_key, &checks());
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr).replace(&server.address.to_string(), "ADDRESS");
    insta::assert_snapshot!(said, @"overdue: http://ADDRESS: a key is missing: send Authorization: Bearer KEY (the key for it goes into OVERDUE_KEY); what comes behind it in the file was not tried");
    assert!(text(&output.stdout).contains("0 of 3 checks are services now"), "{output:?}");
    let away = import(&server, folder.path());
    server.stop().await;
    let output = piped(away, &checks());
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("; what comes behind it"), "{output:?}");
}

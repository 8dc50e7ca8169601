//! `overdue list`, `pause` and `resume` as processes, against a real server.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "support/mod.rs"]
mod support;

use std::process::Output;

use serde_json::Value;
use support::{Server, overdue};
use tempfile::TempDir;

struct Desk {
    folder: TempDir,
    server: Server,
}

impl Desk {
    async fn open() -> Self {
        let folder = TempDir::new().unwrap();
        let server = Server::start(folder.path(), None).await;
        for name in ["backup%20one", "backup%20two", "digest"] {
            let target = format!("/ping?name={name}&frequency=1D&grace=1h");
            assert_eq!(server.get(&target).await.status, 200);
        }
        Self { folder, server }
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = overdue(self.folder.path());
        command.args(arguments).env("OVERDUE_URL", format!("http://{}", self.server.address));
        tokio::process::Command::from(command).output().await.unwrap()
    }
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[tokio::test]
async fn a_list_is_a_table_for_people_and_json_for_programs() {
    let desk = Desk::open().await;
    let table = said(&desk.run(&["list"]).await);
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 4, "{table}");
    assert!(lines[0].starts_with("STATUS  NAME "), "{table}");
    assert!(lines[1].starts_with("up      backup one  in 1 d "), "{table}");
    assert_eq!(said(&desk.run(&["list", "backup", "--status", "up"]).await).lines().count(), 3);
    assert_eq!(said(&desk.run(&["list", "--status", "overdue"]).await), "no services\n");
    let json: Value = serde_json::from_str(&said(&desk.run(&["list", "--json"]).await)).unwrap();
    assert_eq!(json[2]["name"], "digest");
    let wrong = desk.run(&["list", "--status", "broken"]).await;
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("use one of overdue, failed, late"));
    desk.server.stop().await;
}

#[tokio::test]
async fn a_service_is_paused_and_resumed_by_its_name() {
    let desk = Desk::open().await;
    assert_eq!(said(&desk.run(&["pause", "backup one"]).await), "\"backup one\" is paused\n");
    let table = said(&desk.run(&["list", "--status", "paused"]).await);
    assert!(table.contains("backup one"), "{table}");
    said(&desk.run(&["resume", "backup one"]).await);
    assert_eq!(said(&desk.run(&["list", "--status", "paused"]).await), "no services\n");
    let unknown = desk.run(&["pause", "nobody"]).await;
    assert_eq!(unknown.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&unknown.stderr).contains("there is no service \"nobody\""),
        "{unknown:?}"
    );
    desk.server.stop().await;
}

#[tokio::test]
async fn a_monitor_that_is_away_is_said_to_be() {
    let desk = Desk::open().await;
    let mut command = overdue(desk.folder.path());
    command.args(["list", "--url", "http://127.0.0.1:9"]);
    let output = tokio::process::Command::from(command).output().await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("http://127.0.0.1:9 could not be asked: no connection"), "{said}");
    desk.server.stop().await;
}

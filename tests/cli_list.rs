//! `overdue list`, `pause`, `resume`, `why` and `report` as processes, against a real server.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "support/mod.rs"]
mod support;

use std::process::Output;

use serde_json::Value;
use support::{Server, overdue, patiently};
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
    // Addresses lose such a segment, unless it is written so that they do not.
    said(&desk.run(&["ping", "..", "--frequency", "1D"]).await);
    assert_eq!(said(&desk.run(&["pause", ".."]).await), "\"..\" is paused\n");
    let why = said(&desk.run(&["why", ".."]).await);
    assert!(why.contains("\"..\" is paused"), "{why}");
    let unknown = desk.run(&["pause", "nobody"]).await;
    assert_eq!(unknown.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&unknown.stderr).contains("there is no service \"nobody\""),
        "{unknown:?}"
    );
    desk.server.stop().await;
}

#[tokio::test]
async fn why_answers_in_sentences_of_those_that_were_deleted_too() {
    let desk = Desk::open().await;
    let up = said(&desk.run(&["why", "backup one"]).await);
    assert!(up.starts_with("Now, 20") && up.contains("\"backup one\" is up.\nDeadline "), "{up}");
    let before = said(&desk.run(&["why", "backup one", "--at", "1h"]).await);
    assert!(before.contains("there was no service \"backup one\" yet.\nMade "), "{before}");
    said(&desk.run(&["delete", "digest"]).await);
    let deleted: Value =
        serde_json::from_str(&said(&desk.run(&["why", "digest", "--json"]).await)).unwrap();
    assert_eq!(deleted["state"], "deleted");
    for (arguments, sentence) in [
        (["why", "nobody", "--at", "2h"], "could not say why: there is no service \"nobody\""),
        (["why", "digest", "--at", "noon"], "could not say why: at \"noon\" is not a time"),
    ] {
        let output = desk.run(&arguments).await;
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&output.stderr).contains(sentence), "{output:?}");
    }
    desk.server.stop().await;
}

#[tokio::test]
async fn a_report_is_a_table_for_people_and_csv_for_spreadsheets() {
    let desk = Desk::open().await;
    assert_eq!(desk.server.get("/ping?name=%3DSUM(A1)&frequency=1D").await.status, 200);
    patiently("a second to have passed", async {
        while !said(&desk.run(&["report"]).await).contains("100.00 %") {}
    })
    .await;
    let table = said(&desk.run(&["report"]).await);
    assert_eq!(table.lines().count(), 7, "{table}");
    assert!(table.lines().last().unwrap().starts_with("total "), "{table}");
    let csv = said(&desk.run(&["report", "--csv"]).await);
    let lines: Vec<&str> = csv.split_terminator("\r\n").collect();
    assert_eq!(lines.len(), 6, "{csv}");
    assert!(lines[0].starts_with("service,outages,downtime_seconds,"), "{csv}");
    assert!(lines[1].starts_with("'=SUM(A1),0,0,0,100.00,"), "{csv}");
    let wrong = desk.run(&["report", "--month", "October"]).await;
    assert_eq!(wrong.status.code(), Some(1));
    let said = String::from_utf8_lossy(&wrong.stderr);
    assert!(said.contains("month \"October\" is not one: use one like 2026-10"), "{said}");
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

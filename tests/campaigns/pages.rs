//! Accessibility, and pictures for the documents. For each a variable says with what; without it the test fails.

use std::io::Write as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use tempfile::TempDir;

use crate::driver::Browser;
use crate::lively;
use crate::support::{Receiver, Server, overdue};

/// The text of axe-core is in the file that this names.
const AXE: &str = "OVERDUE_TEST_AXE";

/// Pictures go into the folder that this names.
const PICTURES: &str = "OVERDUE_TEST_PICTURES";

/// The value of a variable, without which there is nothing to do.
fn value_of(variable: &str) -> String {
    std::env::var(variable)
        .unwrap_or_else(|_| panic!("{variable} is not set, as .ci/campaign does"))
}

/// A server with a past, whose alerts arrive.
async fn lively_server(folder: &Path, receiver: &Receiver) -> Server {
    let mut command = overdue(folder);
    command.args(["serve", "--listen", "127.0.0.1:0", "--base-url", "https://overdue.example.com"]);
    command.env("PING_ALERT_URI", receiver.uri());
    let server = Server::spawn(command).await;
    lively::seed(&server, 200).await;
    server
}

#[tokio::test]
async fn axe_finds_no_serious_fault_on_any_page() {
    let axe = std::fs::read_to_string(value_of(AXE)).unwrap();
    let Some(browser) = Browser::start().await else { return };
    let (folder, receiver) = (TempDir::new().unwrap(), Receiver::start().await);
    let server = lively_server(folder.path(), &receiver).await;
    let (mut faults, mut looked_at) = (Vec::new(), 0);
    for (scheme, width) in [("light", 1280), ("dark", 1280), ("light", 390), ("dark", 390)] {
        browser.look_as(width, 900, &[("prefers-color-scheme", scheme)]).await;
        for page in [
            "/",
            "/?show=trouble",
            "/services/daily_digest",
            "/services/nightly-backup",
            "/services/sync-crm",
            "/services/nobody",
            "/alerts",
            "/reports",
            "/login",
        ] {
            browser.open(&server, page).await;
            browser.client.execute(&axe, Vec::new()).await.unwrap();
            let run = "const done = arguments[0]; axe.run().then(result => done(result.violations), error => done(String(error)));";
            let found = browser.client.execute_async(run, Vec::new()).await.unwrap();
            looked_at += 1;
            for fault in found.as_array().unwrap_or_else(|| panic!("{page}: {found}")) {
                let (id, impact) = (&fault["id"], fault["impact"].as_str().unwrap_or_default());
                let nodes: Vec<_> = fault["nodes"].as_array().unwrap().iter().take(3).collect();
                let _ = writeln!(std::io::stderr(), "{page} ({scheme}, {width}): {impact} {id}");
                if matches!(impact, "serious" | "critical") {
                    let nodes: Vec<_> = nodes
                        .iter()
                        .map(|node| format!("{} {}", node["html"], node["failureSummary"]))
                        .collect();
                    faults
                        .push(format!("{page} in {scheme} at {width}: {id}: {}", nodes.join("\n")));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
    assert_eq!(looked_at, 36);
    browser.client.close().await.unwrap();
}

#[tokio::test]
async fn pages_are_pictured_for_the_documents() {
    let folder = value_of(PICTURES);
    let Some(browser) = Browser::start().await else { return };
    let (data, mut receiver) = (TempDir::new().unwrap(), Receiver::start().await);
    let server = lively_server(data.path(), &receiver).await;
    receiver.next().await;
    browser.devtools("Emulation.setScrollbarsHidden", json!({"hidden": true})).await;
    for (picture, path, width, height, scheme) in [
        ("dashboard-light.png", "/", 1280, 1010, "light"),
        ("dashboard-dark.png", "/", 1280, 1010, "dark"),
        ("dashboard-phone.png", "/", 390, 844, "light"),
        ("service-light.png", "/services/daily_digest", 1280, 1200, "light"),
    ] {
        browser.look_as(width, height, &[("prefers-color-scheme", scheme)]).await;
        browser.open(&server, path).await;
        if path == "/" {
            browser.until("/commit.*\\bok\\b/.test(document.getElementById('vitals').innerText.replace(/\\s+/g, ' '))").await;
            browser.until("document.querySelectorAll('#rows > li').length > 8").await;
        }
        let shot = browser.devtools("Page.captureScreenshot", json!({"format": "png"})).await;
        let bytes = STANDARD.decode(shot["data"].as_str().unwrap()).unwrap();
        assert!(bytes.len() < 200_000, "{picture} has {} bytes", bytes.len());
        std::fs::write(Path::new(&folder).join(picture), bytes).unwrap();
    }
    browser.leave(&server).await;
}

//! The page of one service, and what its buttons do.

use serde_json::json;
use tempfile::TempDir;

use crate::driver::{Browser, row};
use crate::support::{Server, raw};

#[tokio::test]
async fn a_service_is_paused_and_resumed_by_a_button() {
    let Some(browser) = Browser::start().await else { return };
    let folder = TempDir::new().unwrap();
    let server = Server::start(folder.path(), None).await;
    assert_eq!(server.get("/ping?name=a/b&frequency=1h").await.status, 200);
    browser.open(&server, "/services/a%2Fb").await;
    assert_eq!(browser.text("document.querySelector('h1').innerText").await, "a/b");
    for (action, status) in [("pause", "paused"), ("resume", "up")] {
        browser.click(&format!("form[action$='/{action}'] button")).await;
        browser.until(&format!("!document.querySelector(\"form[action$='/{action}']\")")).await;
        let answer = server.get("/api/v1/services/a%2Fb").await.json();
        assert_eq!(answer["status"], status, "{answer}");
    }
    browser.leave(&server).await;
}

#[tokio::test]
async fn a_service_is_deleted_only_once_that_was_asked_back() {
    let Some(browser) = Browser::start().await else { return };
    let folder = TempDir::new().unwrap();
    let server = Server::start(folder.path(), None).await;
    for name in ["doomed", "spared"] {
        assert_eq!(server.get(&format!("/ping?name={name}&frequency=1h")).await.status, 200);
    }
    browser.open(&server, "/services/doomed").await;
    let button = "form[action$='/delete'] button";
    let is_shown = format!("document.querySelector(\"{button}\").checkVisibility()");
    assert_eq!(browser.value(&is_shown).await, json!(false), "one click deletes nothing");
    browser.click("details.confirm summary").await;
    browser.until(&is_shown).await;
    assert_eq!(server.get("/api/v1/services/doomed").await.status, 200);
    browser.click(button).await;
    browser.until(&format!("location.pathname === '/' && {}", row("spared"))).await;
    assert_eq!(browser.value(&format!("Boolean({})", row("doomed"))).await, json!(false));
    assert_eq!(server.get("/api/v1/services/doomed").await.status, 404);
    browser.leave(&server).await;
}

#[tokio::test]
async fn a_page_of_a_service_shows_a_ping_and_its_log_as_it_comes() {
    let Some(browser) = Browser::start().await else { return };
    let folder = TempDir::new().unwrap();
    let server = Server::start(folder.path(), None).await;
    assert_eq!(server.get("/ping?name=job&frequency=1h").await.status, 200);
    browser.open(&server, "/services/job").await;
    browser.value("window.stays = true").await;
    let ping = b"POST /ping/job/7 HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: 9\r\n\r\ndisk full";
    assert_eq!(raw(server.address, ping).await.unwrap().status, 200);
    browser.until("document.title === '▲ job'").await;
    browser.until("document.querySelector('#pings pre')?.textContent === 'disk full'").await;
    assert_eq!(browser.value("window.stays").await, json!(true));
    browser.leave(&server).await;
}

#[tokio::test]
async fn a_name_that_is_markup_is_shown_and_never_run() {
    let Some(browser) = Browser::start().await else { return };
    let folder = TempDir::new().unwrap();
    let server = Server::start(folder.path(), None).await;
    let name = "<script>alert(1)</script>";
    let path = "%3Cscript%3Ealert(1)%3C%2Fscript%3E";
    browser.open(&server, "/").await;
    let query = format!("/ping?name={path}&frequency=1h&signal=fail");
    assert_eq!(server.get(&query).await.status, 200);
    // Once as the page goes on, once as it is loaded, and on the pages of its own.
    browser.until_row(name, "failed").await;
    let link = format!("{}.querySelector('.name a')", row(name));
    assert_eq!(browser.text(&format!("{link}.innerText")).await, name);
    browser.open(&server, "/").await;
    browser.until_row(name, "failed").await;
    browser.client.execute(&format!("{link}.click();"), Vec::new()).await.unwrap();
    browser.until("location.pathname.startsWith('/services/')").await;
    browser.until(&format!("document.querySelector('h1')?.innerText === {}", json!(name))).await;
    for page in ["/alerts", "/reports"] {
        browser.open(&server, page).await;
        let scripts =
            "Array.from(document.scripts).every(script => script.src && script.text === '')";
        assert_eq!(browser.value(scripts).await, json!(true), "{page}");
    }
    assert!(browser.client.get_alert_text().await.is_err(), "nothing asks for attention");
    browser.leave(&server).await;
}

#[tokio::test]
async fn a_page_of_a_service_says_that_nothing_comes_any_more_and_goes_on_once_it_does() {
    let Some(browser) = Browser::start().await else { return };
    let folder = TempDir::new().unwrap();
    let server = Server::start(folder.path(), None).await;
    assert_eq!(server.get("/ping?name=job&frequency=1h").await.status, 200);
    browser.open(&server, "/services/job").await;
    let lost = "document.querySelector('.lost')";
    browser.until(&format!("{lost}?.hidden")).await;
    // Its connections stay open, and say nothing.
    server.signal("STOP");
    browser.until(&format!("{lost}.checkVisibility()")).await;
    server.signal("CONT");
    browser.until(&format!("{lost}.hidden")).await;
    assert_eq!(server.get("/ping/job/fail").await.status, 200);
    browser.until("document.title === '▲ job'").await;
    browser.leave(&server).await;
}

//! Logging in with a key, and what it opens.

use serde_json::json;
use tempfile::TempDir;

use crate::driver::Browser;
use crate::support::{Server, overdue};

async fn server(folder: &TempDir) -> Server {
    let mut command = overdue(folder.path());
    command.args(["serve", "--listen", "127.0.0.1:0"]);
    command.env("OVERDUE_PING_KEY", "p1").env("OVERDUE_READ_KEY", "r1");
    command.env("OVERDUE_ADMIN_KEY", "a1");
    let server = Server::spawn(command).await;
    assert_eq!(server.get("/ping?name=a&frequency=1h&key=p1").await.status, 200);
    server
}

#[tokio::test]
async fn a_wrong_key_opens_nothing_a_reading_key_shows_and_an_admin_key_changes() {
    let Some(browser) = Browser::start().await else { return };
    let folder = TempDir::new().unwrap();
    let server = server(&folder).await;
    browser.open(&server, "/services/a").await;
    browser.until("location.pathname === '/login'").await;
    browser.type_into("#key", "guess").await;
    browser.click("#login button").await;
    browser.until("document.getElementById('complaint')").await;
    let complaint = browser.text("document.getElementById('complaint').innerText").await;
    assert!(complaint.starts_with("this key is not known"), "{complaint}");
    browser.type_into("#key", "r1").await;
    browser.click("#login button").await;
    browser.until("location.pathname === '/services/a'").await;
    let may_change = "Boolean(document.querySelector(\"form[action$='/pause']\"))";
    assert_eq!(browser.value(may_change).await, json!(false), "it is for reading");
    assert_eq!(browser.text("document.cookie").await, "", "no script sees the session");
    browser.open(&server, "/").await;
    browser.until("document.getElementById('vitals').innerText.includes('swept')").await;
    browser.click("form.logout button").await;
    browser.until("location.pathname === '/login'").await;
    browser.type_into("#key", "a1").await;
    browser.click("#login button").await;
    browser.until("location.pathname === '/'").await;
    browser.open(&server, "/services/a").await;
    assert_eq!(browser.value(may_change).await, json!(true));
    browser.click("form[action$='/pause'] button").await;
    browser.until("document.querySelector(\"form[action$='/resume']\")").await;
    // The answer to a wrong key is 401, of which the console tells.
    browser.leave_after(&server, &["401"]).await;
}

//! The list of services, looked at by somebody who touches nothing but keys.

use fantoccini::key::Key;
use serde_json::json;
use tempfile::TempDir;

use crate::driver::{Browser, row};
use crate::support::{Server, overdue};

/// Names of the rows, from above.
const NAMES: &str = "Array.from(document.querySelectorAll('#rows > li'), row => row.dataset.name)";

async fn ping(server: &Server, query: &str) {
    let answer = server.get(&format!("/ping?{query}")).await;
    assert_eq!(answer.status, 200, "{query}: {}", answer.body);
}

#[tokio::test]
async fn a_newcomer_is_shown_what_to_type_and_sees_the_first_ping_without_loading_the_page_again() {
    let Some(browser) = Browser::start().await else { return };
    let folder = TempDir::new().unwrap();
    let server = Server::start(folder.path(), None).await;
    browser.open(&server, "/").await;
    let shown = browser.text("document.getElementById('empty').innerText").await;
    let line = format!("curl 'http://{}/ping?name=hello&frequency=1m&grace=10s'", server.address);
    assert!(shown.contains(&line), "{shown}");
    browser.value("window.stays = true").await;
    ping(&server, "name=hello&frequency=1m&grace=10s").await;
    browser.until_row("hello", "up").await;
    browser.until("document.getElementById('empty').hidden && window.stays").await;
    browser
        .until("/\\b1 up\\. Next: hello/.test(document.getElementById('headline').innerText)")
        .await;
    browser.leave(&server).await;
}

#[tokio::test]
async fn a_service_goes_overdue_before_ones_eyes_and_comes_back_with_a_ping() {
    let Some(browser) = Browser::start().await else { return };
    let folder = TempDir::new().unwrap();
    let server = Server::start(folder.path(), None).await;
    ping(&server, "name=steady&frequency=1h").await;
    browser.open(&server, "/").await;
    browser.value("window.stays = true").await;
    ping(&server, "name=brief&frequency=1s").await;
    browser.until_row("brief", "overdue").await;
    browser.until("document.title.includes('1 overdue')").await;
    browser.until("document.getElementById('headline').innerText.startsWith('1 overdue')").await;
    assert_eq!(browser.value(NAMES).await, json!(["brief", "steady"]), "trouble comes first");
    let late = format!("{}.querySelector('.when').innerText", row("brief"));
    browser.until(&format!("/^[2-9] s late$/.test({late})")).await;
    ping(&server, "name=brief&frequency=1h").await;
    browser.until_row("brief", "up").await;
    browser.until("!document.title.includes('overdue,') && window.stays").await;
    browser.leave(&server).await;
}

#[tokio::test]
async fn search_and_filters_find_services_and_stand_in_the_address() {
    let Some(browser) = Browser::start().await else { return };
    let folder = TempDir::new().unwrap();
    let server = Server::start(folder.path(), None).await;
    for name in ["alpha", "beta", "gamma"] {
        ping(&server, &format!("name={name}&frequency=1h")).await;
    }
    ping(&server, "name=delta&frequency=1h&signal=fail").await;
    browser.open(&server, "/").await;
    browser.press("/").await;
    browser.until("document.activeElement.id === 'search'").await;
    browser.press("ALPH").await;
    browser.until(&format!("{NAMES}.join() === 'alpha'")).await;
    assert_eq!(browser.text("location.search").await, "?search=ALPH");
    browser.press(&String::from(char::from(Key::Escape))).await;
    browser.until(&format!("{NAMES}.length === 4 && location.search === ''")).await;
    browser.click("#chips a[href*='trouble']").await;
    browser
        .until(&format!("location.search.includes('trouble') && {NAMES}.join() === 'delta'"))
        .await;
    assert_eq!(browser.value("document.querySelectorAll('#chips [aria-current]').length").await, 1);
    browser.leave(&server).await;
}

#[tokio::test]
async fn keys_walk_the_rows_and_open_one() {
    let Some(browser) = Browser::start().await else { return };
    let folder = TempDir::new().unwrap();
    let server = Server::start(folder.path(), None).await;
    for (name, hours) in [("first", 1), ("second", 2), ("third", 3)] {
        ping(&server, &format!("name={name}&frequency={hours}h")).await;
    }
    browser.open(&server, "/").await;
    for (key, name) in
        [("j", "first"), ("j", "second"), ("j", "third"), ("j", "third"), ("k", "second")]
    {
        browser.press(key).await;
        browser.until(&format!("document.activeElement.innerText === '{name}'")).await;
    }
    browser.press("?").await;
    browser.until("document.getElementById('help').open").await;
    browser.press(&String::from(char::from(Key::Escape))).await;
    browser.until("!document.getElementById('help').open").await;
    browser.value(&format!("{}.querySelector('.name a').focus()", row("second"))).await;
    browser.press(&String::from(char::from(Key::Enter))).await;
    browser.until("location.pathname === '/services/second'").await;
    browser.leave(&server).await;
}

#[tokio::test]
async fn nothing_moves_under_the_pointer_until_it_leaves() {
    let Some(browser) = Browser::start().await else { return };
    let folder = TempDir::new().unwrap();
    let server = Server::start(folder.path(), None).await;
    ping(&server, "name=first&frequency=1h").await;
    ping(&server, "name=second&frequency=2h").await;
    browser.open(&server, "/").await;
    let middle = browser
        .value(&format!(
            "(box => [box.x + 20, box.y + 10])({}.getBoundingClientRect())",
            row("first")
        ))
        .await;
    let point = async |x: &serde_json::Value, y: &serde_json::Value| {
        let moved = json!({"type": "mouseMoved", "x": x, "y": y, "pointerType": "mouse"});
        browser.devtools("Input.dispatchMouseEvent", moved).await;
    };
    point(&middle[0], &middle[1]).await;
    browser.until("document.querySelector('#rows:hover')").await;
    ping(&server, "name=second&frequency=1h&signal=fail").await;
    browser.until_row("second", "failed").await;
    browser.until("!document.getElementById('waiting').hidden").await;
    assert_eq!(browser.value(NAMES).await, json!(["first", "second"]), "it has not moved");
    assert_eq!(browser.text("document.getElementById('waiting').innerText").await, "1 change ↑");
    point(&json!(1), &json!(1)).await;
    browser.until(&format!("{NAMES}.join() === 'second,first'")).await;
    browser.leave(&server).await;
}

#[tokio::test]
async fn a_lost_connection_is_shown_and_mended() {
    let Some(browser) = Browser::start().await else { return };
    let folder = TempDir::new().unwrap();
    let server = Server::start(folder.path(), None).await;
    ping(&server, "name=a&frequency=1h").await;
    browser.open(&server, "/").await;
    browser.until("document.getElementById('vitals').innerText.includes('commit')").await;
    let address = server.address;
    server.stop().await;
    browser.until("!document.getElementById('lost').hidden").await;
    let mut command = overdue(folder.path());
    command.args(["serve", "--listen", &address.to_string()]);
    let server = Server::spawn(command).await;
    browser.until("document.getElementById('lost').hidden").await;
    ping(&server, "name=b&frequency=1h").await;
    browser.until_row("b", "up").await;
    browser.leave_after(&server, &["/events"]).await;
}

//! How pages look to whom: on a phone, in the dark, and to those whom movement disturbs.

use serde_json::json;
use tempfile::TempDir;

use crate::driver::Browser;
use crate::lively;
use crate::support::Server;

const PAGES: [&str; 5] = ["/", "/services/daily_digest", "/alerts", "/reports", "/login"];

#[tokio::test]
async fn no_page_is_wider_than_a_phone() {
    let Some(browser) = Browser::start().await else { return };
    let folder = TempDir::new().unwrap();
    let server = Server::start(folder.path(), None).await;
    lively::seed(&server, 0).await;
    browser.look_as(390, 844, &[]).await;
    for page in PAGES {
        browser.open(&server, page).await;
        let width = browser.value("document.documentElement.scrollWidth").await;
        assert!(width.as_i64().unwrap() <= 390, "{page} is {width} wide");
    }
    browser.leave(&server).await;
}

#[tokio::test]
async fn pages_are_dark_for_those_who_prefer_it() {
    let Some(browser) = Browser::start().await else { return };
    let folder = TempDir::new().unwrap();
    let server = Server::start(folder.path(), None).await;
    lively::seed(&server, 0).await;
    // The brightness of what text stands on, and of the text.
    let brightness = |what: &str| {
        format!(
            "(() => {{ const canvas = document.createElement('canvas').getContext('2d'); \
             canvas.fillStyle = getComputedStyle(document.body).{what}; canvas.fillRect(0, 0, 1, 1); \
             return canvas.getImageData(0, 0, 1, 1).data.slice(0, 3).reduce((a, b) => a + b); }})()"
        )
    };
    for page in PAGES {
        for (scheme, is_dark) in [("light", false), ("dark", true)] {
            browser.look_as(1280, 900, &[("prefers-color-scheme", scheme)]).await;
            browser.open(&server, page).await;
            let below = browser.value(&brightness("backgroundColor")).await.as_i64().unwrap();
            let above = browser.value(&brightness("color")).await.as_i64().unwrap();
            assert_eq!(below < above, is_dark, "{page} in {scheme}: {above} on {below}");
        }
    }
    browser.leave(&server).await;
}

#[tokio::test]
async fn nothing_moves_for_those_whom_that_disturbs() {
    let Some(browser) = Browser::start().await else { return };
    let folder = TempDir::new().unwrap();
    let server = Server::start(folder.path(), None).await;
    assert_eq!(server.get("/ping?name=a&frequency=1h").await.status, 200);
    for (preference, moves) in [("no-preference", true), ("reduce", false)] {
        browser.look_as(1280, 900, &[("prefers-reduced-motion", preference)]).await;
        browser.open(&server, "/").await;
        browser.until("document.querySelector('#rows > li')").await;
        browser.value("document.querySelector('#rows > li').classList.add('fresh')").await;
        let moving = "document.getAnimations().length > 0";
        assert_eq!(browser.value(moving).await, json!(moves), "{preference}");
    }
    browser.leave(&server).await;
}

#[tokio::test]
async fn times_are_those_of_the_browsers_zone_and_in_utc_where_the_pointer_rests() {
    let Some(browser) = Browser::start().await else { return };
    let folder = TempDir::new().unwrap();
    let server = Server::start(folder.path(), None).await;
    assert_eq!(server.get("/ping?name=a&frequency=1h").await.status, 200);
    browser.devtools("Emulation.setTimezoneOverride", json!({"timezoneId": "Asia/Kolkata"})).await;
    browser.open(&server, "/services/a").await;
    // Five and a half hours ahead of UTC, all year.
    let clock = "(at => new Date(Date.parse(at) + 19800000).toISOString().slice(11, 19))";
    for time in ["#pings time", ".timeline figcaption time"] {
        let time = format!("document.querySelector('{time}')");
        browser.until(&format!("{time}.innerText === {clock}({time}.dateTime)")).await;
        let utc = format!("{time}.dateTime.replace('T', ' ').replace('Z', ' UTC')");
        assert_eq!(browser.value(&format!("{time}.title === {utc}")).await, json!(true));
    }
    let drawn = "document.querySelector('.timeline .tick title').textContent";
    let both = format!(
        "{drawn}.startsWith({clock}(document.querySelector('#pings time').dateTime) + ', ') && {drawn}.includes('UTC: success')"
    );
    assert_eq!(browser.value(&both).await, json!(true), "{}", browser.text(drawn).await);
    browser.leave(&server).await;
}

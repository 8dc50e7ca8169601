//! What the foot of the pages says of the monitor itself.

use tempfile::TempDir;

use crate::driver::Browser;
use crate::support::{Receiver, Server};

#[tokio::test]
async fn the_foot_tells_when_it_swept_what_a_commit_took_and_what_became_of_the_last_delivery() {
    let Some(browser) = Browser::start().await else { return };
    let (folder, mut receiver) = (TempDir::new().unwrap(), Receiver::start().await);
    let server = Server::start(folder.path(), Some(&receiver.uri())).await;
    browser.open(&server, "/").await;
    assert_eq!(server.get("/ping?name=a&frequency=1h&signal=fail").await.status, 200);
    receiver.next().await;
    let foot = "document.getElementById('vitals').innerText.replace(/\\s+/g, ' ')";
    let said =
        "/swept [0-9.]+ s ago.*commit [0-9.]+ m?s.*last delivery .*[0-9]{2}:[0-9]{2} ok.*primary/";
    browser.until(&format!("{said}.test({foot})")).await;
    browser.until("document.getElementById('banner').hidden").await;
    browser.leave(&server).await;
}

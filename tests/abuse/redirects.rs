//! Destinations, and monitors, that send their callers elsewhere: inward, to another scheme, to another host.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::House;
use crate::support::overdue;

/// Answers everything with a redirect to `location`.
async fn redirecting(status: u16, location: String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 4096];
            let _ = stream.read(&mut head).await;
            let answer = format!(
                "HTTP/1.1 {status} Elsewhere\r\nLocation: {location}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    address
}

#[tokio::test]
async fn no_alert_follows_a_redirect_inward_or_anywhere() {
    let inward = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let trap = inward.local_addr().unwrap();
    let mut settings = Vec::new();
    for status in [300, 301, 302, 303, 307, 308] {
        for location in [
            format!("http://{trap}/"),
            format!("//{trap}/"),
            format!("http://localhost:{}/", trap.port()),
            "file:///etc/passwd".to_owned(),
        ] {
            let (address, number) = (redirecting(status, location).await, settings.len());
            settings.push(format!(
                "[[destination]]\nname = \"d{number}\"\nuri = \"http://{address}/\"\n"
            ));
        }
    }
    let folder = tempfile::TempDir::new().unwrap();
    std::fs::write(folder.path().join("overdue.toml"), settings.concat()).unwrap();
    let output = tokio::task::spawn_blocking({
        let mut command = overdue(folder.path());
        command.arg("test-alert");
        move || command.output().unwrap()
    });
    let output = output.await.unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(said.matches("it answered 3").count(), settings.len(), "{said}");
    let nobody = tokio::time::timeout(std::time::Duration::ZERO, inward.accept()).await;
    assert!(nobody.is_err(), "somebody followed");
}

#[tokio::test]
async fn no_command_takes_its_key_to_where_a_monitor_redirects() {
    let inward = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let trap = inward.local_addr().unwrap();
    let monitor = redirecting(307, format!("http://{trap}/")).await;
    let folder = tempfile::TempDir::new().unwrap();
    for arguments in [&["list"][..], &["ping", "a", "--frequency", "1h"], &["delete", "a"]] {
        let mut command = overdue(folder.path());
        command.args(arguments).env("OVERDUE_URL", format!("http://{monitor}"));
        command.env("OVERDUE_KEY", "secret").env("XDG_STATE_HOME", folder.path());
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("307"), "{arguments:?}: {said}");
    }
    let nobody = tokio::time::timeout(std::time::Duration::ZERO, inward.accept()).await;
    assert!(nobody.is_err(), "somebody followed");
}

#[tokio::test]
async fn what_callers_send_names_no_address_that_the_server_calls() {
    let inward = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let trap = inward.local_addr().unwrap();
    let house = House::open(&[]).await;
    let name = crate::encoded(&format!("http://{trap}/"));
    for target in [
        format!("/ping?name={name}&frequency=1h&signal=fail&uri=http://{trap}/&url=http://{trap}/"),
        format!("/ping/{name}/fail?callback=http://{trap}/"),
    ] {
        assert_eq!(house.server.get(&target).await.status, 200);
    }
    assert_eq!(house.server.get(&format!("/services/{name}")).await.status, 200);
    house.server.stop().await;
    let nobody = tokio::time::timeout(std::time::Duration::ZERO, inward.accept()).await;
    assert!(nobody.is_err(), "a caller had the server call somebody");
}

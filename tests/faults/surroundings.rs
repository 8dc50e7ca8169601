//! What else a program stands on: descriptors, somewhere to write its log, names that lead somewhere.

use std::fs::OpenOptions;
use std::os::unix::process::CommandExt as _;
use std::process::Stdio;

use rustix::io::Errno;
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::disk::{Call, DATABASE};
use crate::support::{Server, overdue, patiently, raw};
use crate::{Ward, until};

fn limit_files(server: &Server, files: u64) -> Rlimit {
    let pid = Pid::from_raw(server.pid().try_into().unwrap());
    let now = rustix::process::getrlimit(Resource::Nofile);
    let limit = Rlimit { current: Some(files), maximum: now.maximum };
    prlimit(pid, Resource::Nofile, limit).unwrap()
}

#[tokio::test]
async fn without_descriptors_those_who_are_connected_are_served_and_others_wait_until_there_are_some()
 {
    let Some(mut ward) = Ward::open().await else { return };
    let mut stream = TcpStream::connect(ward.server.address).await.unwrap();
    let mut ping = async |name: &str, frequency: &str| {
        let request = format!(
            "GET /ping?name={name}&frequency={frequency} HTTP/1.1\r\nHost: localhost\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut bytes = [0; 4096];
        let read = patiently("an answer", stream.read(&mut bytes)).await.unwrap();
        String::from_utf8_lossy(&bytes[..read]).into_owned()
    };
    assert!(ping("before", "1D").await.starts_with("HTTP/1.1 200"));
    // As many as it has: one more is one too many.
    let before = limit_files(&ward.server, 3);
    // Its alert cannot leave before there is a descriptor for it.
    assert!(ping("during", "1s").await.starts_with("HTTP/1.1 200"));
    let address = ward.server.address;
    let waiting = tokio::spawn(async move {
        let request = b"GET /ping?name=waited&frequency=1D HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        raw(address, request).await.unwrap().status
    });
    until("the alert to be raised", async || ward.raised().await > 0).await;
    assert!(!waiting.is_finished());
    assert!(ward.receiver.rest().is_empty());
    assert!(ping("during", "1D").await.starts_with("HTTP/1.1 200"));
    limit_files(&ward.server, before.current.unwrap());
    assert_eq!(patiently("an answer", waiting).await.unwrap(), 200);
    ward.hears("service.overdue").await;
    ward.hears("service.recovered").await;
    ward.server.stop().await;
}

/// Starts it with its log going to `log`, has it say much, and stops it.
async fn serves_without_a_log(log: Stdio, flags: &[&str]) {
    let folder = TempDir::new().unwrap();
    let mut command = overdue(folder.path());
    command.args(["serve", "--listen", "127.0.0.1:0", "--log", "debug"]).args(flags).stderr(log);
    let server = Server::spawn_with_log(command).await;
    for job in 0..50 {
        // Each is told of in the log.
        let target = format!("/ping?name=job-{job}&frequency=1s&timestamp=7");
        assert_eq!(server.get(&target).await.status, 200);
    }
    server.stop().await;
    let server = Server::start(folder.path(), None).await;
    assert!(server.greeting.contains("(50 services"), "{}", server.greeting);
    server.stop().await;
}

#[tokio::test]
async fn a_log_that_cannot_be_written_costs_lines_and_nothing_else() {
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    serves_without_a_log(full.into(), &[]).await;
    // A pipe of which nobody holds the other end.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    serves_without_a_log(writer.into(), &[]).await;
}

#[tokio::test]
async fn a_start_that_can_be_told_to_nobody_is_a_start() {
    let folder = TempDir::new().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let full = || Stdio::from(OpenOptions::new().write(true).open("/dev/full").unwrap());
    let mut command = overdue(folder.path());
    command.args(["serve", "--listen", &address.to_string()]).stdout(full()).stderr(full());
    command.process_group(0);
    let mut child = tokio::process::Command::from(command).kill_on_drop(true).spawn().unwrap();
    until("an answer", async || {
        raw(address, b"GET /ping?name=a&frequency=1D HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .await
            .is_ok_and(|answer| answer.status == 200)
    })
    .await;
    let pid = Pid::from_raw(child.id().unwrap().try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(patiently("the end", child.wait()).await.unwrap().code(), Some(0));
}

#[tokio::test]
async fn a_receiver_whose_name_leads_nowhere_is_tried_again_until_it_leads_somewhere() {
    let folder = TempDir::new().unwrap();
    let Some(disk) = crate::disk::Disk::of(folder.path()) else { return };
    let mut receiver = crate::support::Receiver::start().await;
    disk.fail(Call::Lookup, Errno::IO, None, DATABASE);
    let mut command = disk.serve();
    let uri = format!("http://receiver.invalid:{}/alerts", receiver.address.port());
    command.env("PING_ALERT_URI", uri);
    let server = Server::spawn(command).await;
    assert_eq!(server.get("/ping?name=a&frequency=1s&timestamp=7").await.status, 200);
    until("a look-up", async || disk.failed(Call::Lookup) > 0).await;
    assert_eq!(server.get("/ping?name=b&frequency=1D").await.status, 200, "it holds up no ping");
    disk.mend(Call::Lookup);
    disk.put_clock(60);
    let alert = receiver.next().await.body;
    assert_eq!((&alert["name"], alert["attempt"].as_u64() > Some(1)), (&"a".into(), true));
    server.stop().await;
}

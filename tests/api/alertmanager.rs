//! A real Alertmanager, as Debian has it: skipped, aloud, where it is not installed.
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use overdue::alerting::{Courier, Step};
use overdue::config::{AlertFormat, Destination};
use overdue::core::text::rfc3339;
use overdue::store::Rules;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::house::{House, rules};
use crate::support::{now, patiently, raw};

const PROGRAM: &str = "prometheus-alertmanager";

/// Where this is set, a test that cannot run fails.
const REQUIRED: &str = "ALERTMANAGER_REQUIRED";

/// One that remembers nothing of an earlier one.
struct Alertmanager {
    address: std::net::SocketAddr,
    process: Child,
}

impl Alertmanager {
    /// `None` where it is not installed.
    async fn start(address: std::net::SocketAddr, folder: &Path) -> Option<Self> {
        std::fs::create_dir_all(folder).unwrap();
        let settings = folder.join("alertmanager.yml");
        std::fs::write(&settings, "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
            .unwrap();
        let started = Command::new(PROGRAM)
            .arg(format!("--config.file={}", settings.display()))
            .arg(format!("--storage.path={}", folder.join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--cluster.listen-address=")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn();
        let process = match started {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                assert!(
                    std::env::var_os(REQUIRED).is_none(),
                    "{PROGRAM} is not installed, and {REQUIRED} is set"
                );
                eprintln!("SKIPPED: {PROGRAM} is not installed");
                return None;
            }
            started => started.unwrap(),
        };
        let alertmanager = Self { address, process };
        let ready = async {
            while alertmanager.get("/-/ready").await.is_none() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        patiently("Alertmanager", ready).await;
        Some(alertmanager)
    }

    async fn get(&self, target: &str) -> Option<String> {
        // HTTP/1.0, so that the answer comes in one piece.
        let request = format!("GET {target} HTTP/1.0\r\nHost: {}\r\n\r\n", self.address);
        let answer = raw(self.address, request.as_bytes()).await.ok()?;
        (answer.status == 200).then_some(answer.body)
    }

    /// The services that it holds to be down, each with the end that it was told.
    async fn active(&self) -> Vec<(String, i64)> {
        let alerts = self.get("/api/v2/alerts").await.unwrap();
        let alerts: Vec<Value> = serde_json::from_str(&alerts).unwrap();
        let word =
            |alert: &Value, at: &str| alert.pointer(at).unwrap().as_str().unwrap().to_owned();
        let ends_at = |alert: &Value| word(alert, "/endsAt").parse::<jiff::Timestamp>().unwrap();
        let active =
            alerts.iter().filter(|alert| word(alert, "/labels/alertname") == "OverdueService");
        let mut active: Vec<_> = active
            .map(|alert| (word(alert, "/labels/service"), ends_at(alert).as_second()))
            .collect();
        active.sort();
        active
    }

    async fn wait_until_active(&self, services: &[&str]) {
        let settled = async {
            loop {
                let active = self.active().await;
                if active.iter().map(|(name, _)| name.as_str()).eq(services.iter().copied()) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        patiently(&format!("{services:?} to be active"), settled).await;
    }

    async fn stop(mut self) {
        self.process.kill().await.unwrap();
    }
}

/// A port that was free a moment ago.
fn free_address() -> std::net::SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

async fn deliver(house: &House, courier: &mut Courier) {
    while courier.step(house.clock.now()).await.unwrap() != Step::Idle {
        courier.settle().await;
    }
}

async fn silence(house: &House, name: &str) {
    let long_ago = house.clock.now() - 1000;
    house.ping(&format!("name={name}&frequency=10m&timestamp={long_ago}")).await;
}

#[tokio::test]
async fn alertmanager_holds_an_outage_for_as_long_as_it_lasts_and_after_its_restart() {
    let (address, folder) = (free_address(), TempDir::new().unwrap());
    let Some(alertmanager) = Alertmanager::start(address, &folder.path().join("first")).await
    else {
        return;
    };
    let uri = format!("http://{address}").parse().unwrap();
    let destination = Destination::new("default", uri, AlertFormat::Alertmanager);
    let house = House::with(Rules { routes: vec![destination.route.clone()], ..rules() }).await;
    let mut courier = house.courier(&destination);
    // Told when what is told holds for three seconds more only.
    let present = now();
    let earlier = present - 597;
    house.clock.set(earlier);
    for name in ["kept", "over", "forgotten"] {
        silence(&house, name).await;
    }
    house.sweep_after_gap(earlier).await;
    deliver(&house, &mut courier).await;
    alertmanager.wait_until_active(&["forgotten", "kept", "over"]).await;
    assert!(alertmanager.active().await.iter().all(|(_, ends)| *ends == earlier + 600));

    // Of one of them nobody tells any more, as where the monitor has died for good.
    house.edit("DELETE FROM services WHERE name = 'forgotten'").await;
    house.clock.set(present);
    deliver(&house, &mut courier).await;
    alertmanager.wait_until_active(&["kept", "over"]).await;
    for (name, ends) in alertmanager.active().await {
        assert_eq!(rfc3339(ends), rfc3339(present + 600), "{name}");
    }

    house.ping("name=over&frequency=1D").await;
    deliver(&house, &mut courier).await;
    alertmanager.wait_until_active(&["kept"]).await;

    alertmanager.stop().await;
    let alertmanager = Alertmanager::start(address, &folder.path().join("second")).await.unwrap();
    assert_eq!(alertmanager.active().await, []);
    house.clock.set(present + 60);
    deliver(&house, &mut courier).await;
    alertmanager.wait_until_active(&["kept"]).await;

    // Alertmanager has a clock of its own.
    house.clock.set(now());
    house.ping("name=kept&frequency=1D").await;
    deliver(&house, &mut courier).await;
    alertmanager.wait_until_active(&[]).await;
    alertmanager.stop().await;
}

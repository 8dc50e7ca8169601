//! The clock jumps, and the process stands still.

use crate::{Ward, until};

/// The time that an answer or an alert gives, as a second.
fn second(value: &serde_json::Value) -> i64 {
    value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_second()
}

#[tokio::test]
async fn a_clock_that_jumps_an_hour_ahead_alarms_nobody_who_pings_again() {
    let Some(mut ward) = Ward::open().await else { return };
    assert_eq!(ward.ping("name=lives&frequency=20m").await.status, 200);
    assert_eq!(ward.ping("name=silent&frequency=5s").await.status, 200);
    ward.put_clock(3600);
    // Held for as long as its frequency, and told as uncertain; the other has a minute.
    let alert = ward.hears("service.overdue").await;
    assert_eq!(alert["name"], "silent");
    assert!(alert["uncertain"].is_object(), "{alert}");
    let answer = ward.server.get("/ping/lives").await;
    assert_eq!(answer.status, 200);
    assert!((second(&answer.json()["last_ping"]) - ward.now()).abs() <= 2, "{answer:?}");
    // An alert of the other, had there been one, would stand before this one.
    ward.pass(61).await;
    assert_eq!(ward.ping("name=later&frequency=1s&timestamp=7").await.status, 200);
    assert_eq!(ward.hears("service.overdue").await["name"], "later");
    ward.server.stop().await;
}

#[tokio::test]
async fn a_clock_that_jumps_an_hour_back_costs_no_ping_and_silence_is_told_once_it_has_come_again()
{
    let Some(mut ward) = Ward::open().await else { return };
    ward.put_clock(3600);
    assert_eq!(ward.ping("name=a&frequency=1D").await.status, 200);
    assert_eq!(ward.ping("name=silent&frequency=3s").await.status, 200);
    assert_eq!(ward.hears("service.overdue").await["name"], "silent");
    assert_eq!(ward.ping("name=waits&frequency=1h").await.status, 200);
    let waits = ward.server.get("/api/v1/services/waits").await.json()["deadline"].clone();
    ward.put_clock(0);
    // The stored last ping lies an hour ahead of the clock, and gives way to it.
    let answer = ward.server.get("/ping/a").await;
    assert_eq!(answer.status, 200);
    assert!((second(&answer.json()["last_ping"]) - ward.now()).abs() <= 2, "{answer:?}");
    let stored = ward.server.get("/api/v1/services/waits").await.json()["deadline"].clone();
    assert_eq!(stored, waits, "no stored deadline is changed");
    // New silence is told by the clock as it is now, and the monitor itself is well.
    assert_eq!(ward.ping("name=new&frequency=1s").await.status, 200);
    assert_eq!(ward.hears("service.overdue").await["name"], "new");
    assert_eq!(ward.server.get("/readyz").await.status, 200);
    assert_eq!(ward.server.get("/ping/silent?frequency=1D").await.status, 200);
    let recovered = ward.hears("service.recovered").await;
    assert_eq!(recovered["name"], "silent");
    assert!(recovered["outage_seconds"].as_i64() >= Some(0), "{recovered}");
    ward.server.stop().await;
}

#[tokio::test]
async fn a_process_that_was_stopped_for_a_minute_blames_nobody_for_it() {
    let Some(mut ward) = Ward::open().await else { return };
    assert_eq!(ward.ping("name=lives&frequency=30s").await.status, 200);
    assert_eq!(ward.ping("name=silent&frequency=2s&grace=2s").await.status, 200);
    ward.server.signal("STOP");
    let address = ward.server.address;
    let waiting = tokio::spawn(async move {
        crate::support::send(address, "GET", "/ping/lives").await.unwrap().status
    });
    if std::env::var_os("FAULTS_REAL_SECONDS").is_some() {
        waiting.abort();
    }
    ward.pass(60).await;
    ward.server.signal("CONT");
    if std::env::var_os("FAULTS_REAL_SECONDS").is_none() {
        assert_eq!(waiting.await.unwrap(), 200, "who waited is served");
    }
    until("a ping", async || ward.server.get("/ping/lives").await.status == 200).await;
    let alert = ward.hears("service.overdue").await;
    assert_eq!(alert["name"], "silent", "and neither the other nor the monitor itself");
    let away = &alert["uncertain"];
    assert!(second(&away["to"]) - second(&away["from"]) >= 55, "{alert}");
    ward.server.stop().await;
    assert!(ward.receiver.rest().is_empty());
}

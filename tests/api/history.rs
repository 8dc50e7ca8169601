//! The history: what is kept of each signal, and for how long.

use overdue::store::Rules;
use serde_json::json;

use crate::house::{House, TEN, rules};

#[tokio::test]
async fn each_service_keeps_its_last_signals_and_no_more_than_a_little() {
    let house = House::with(Rules { history: 10, ..rules() }).await;
    for second in 0..400 {
        house.clock.set(TEN + second);
        house.ping(&format!("name=job-{}&frequency=1h", second % 2)).await;
    }
    house.ping("name=rare&frequency=1W").await;
    let rows = house.count("SELECT count(*) FROM pings").await;
    assert!((21..150).contains(&rows), "{rows} rows are kept of what 20 would be");
    for second in 400..600 {
        house.clock.set(TEN + second);
        house.ping("name=job-0&frequency=1h").await;
    }
    assert_eq!(house.count("SELECT count(*) FROM pings WHERE service = 'rare'").await, 1);
    assert_eq!(
        house.count("SELECT count(*) FROM pings WHERE service = 'job-0' AND number > (SELECT signals - 10 FROM services WHERE name = 'job-0')").await,
        10
    );
}

#[tokio::test]
async fn a_bound_that_is_lowered_and_rows_that_are_nobodys_are_cleared_in_passing() {
    let house = House::new().await;
    for second in 0..300 {
        house.clock.set(TEN + second);
        house.ping("name=a&frequency=1h").await;
    }
    house.edit("DELETE FROM services").await;
    for second in 300..900 {
        house.clock.set(TEN + second);
        house.ping("name=b&frequency=1h").await;
        house.get("/ping?name=a&frequency=1h").await;
    }
    assert_eq!(house.count("SELECT count(*) FROM pings WHERE number > 600").await, 0);
    let house = house.restart_with(Rules { history: 0, ..rules() }).await;
    for second in 900..1800 {
        house.clock.set(TEN + second);
        house.ping("name=c&frequency=1h").await;
    }
    assert_eq!(house.count("SELECT count(*) FROM pings").await, 0);
}

#[tokio::test]
async fn however_often_it_starts_again_no_more_is_kept_than_a_little() {
    let mut house = House::with(Rules { history: 5, ..rules() }).await;
    // More of the quiet than one look goes through.
    house.ping_all((0..150).map(|quiet| format!("name=quiet-{quiet}&frequency=1W"))).await;
    for _ in 0..20 {
        house = house.restart().await;
        for _ in 0..30 {
            house.ping("name=a&frequency=1h").await;
        }
    }
    let rows = house.count("SELECT count(*) FROM pings WHERE service = 'a'").await;
    assert!((5..200).contains(&rows), "{rows} rows are kept of what 5 would be");
    assert_eq!(house.count("SELECT count(*) FROM pings WHERE service != 'a'").await, 150);
}

#[tokio::test]
async fn under_a_steady_load_no_more_is_kept_than_about_twice_the_bound() {
    let house = House::with(Rules { history: 5, ..rules() }).await;
    for round in 0..400 {
        house.clock.set(TEN + round);
        for service in 0..5 {
            house.ping(&format!("name=job-{service}&frequency=1h")).await;
        }
    }
    let rows = house.count("SELECT count(*) FROM pings").await;
    assert!((25..200).contains(&rows), "{rows} rows are kept of what 25 would be");
}

#[tokio::test]
async fn services_that_come_and_go_keep_nobody_from_what_is_too_much_of_others() {
    let house = House::with(Rules { history: 10, ..rules() }).await;
    for step in 0..300 {
        house.clock.set(TEN + step);
        let stay = (0..5).map(|service| format!("name=stays-{service}&frequency=1h"));
        let come = (0..15).map(|number| format!("name=comes-{step}-{number}&frequency=1h"));
        house.ping_all(stay.chain(come)).await;
        for number in (0..15).filter(|_| step >= 5) {
            let gone = format!("/ping/comes-{}-{number}", step - 5);
            assert_eq!(house.send("DELETE", &gone).await.status, 200);
        }
    }
    let rows = house.count("SELECT count(*) FROM pings").await;
    assert!((125..500).contains(&rows), "{rows} rows are kept of what 125 would be");
}

#[tokio::test]
async fn what_was_too_much_of_a_deleted_service_goes_with_the_pings_of_others() {
    let house = House::with(Rules { history: 10, ..rules() }).await;
    // Some more often than others, so that of some what is younger goes first.
    for round in 0..200 {
        house.clock.set(TEN + round);
        let busy = (0..30).filter(|service| round % (service + 1) == 0);
        house.ping_all(busy.map(|service| format!("name=busy-{service}&frequency=1h"))).await;
    }
    for service in 0..30 {
        assert_eq!(house.send("DELETE", &format!("/ping/busy-{service}")).await.status, 200);
    }
    assert!(house.count("SELECT count(*) FROM pings").await > 0, "nothing is left to be found");
    for round in 0..8 {
        house.ping_all((0..100).map(|number| format!("name=quiet-{number}&frequency=1h"))).await;
        house.clock.set(TEN + 100 + round);
    }
    assert_eq!(house.count("SELECT count(*) FROM pings WHERE service LIKE 'busy%'").await, 0);
    assert_eq!(house.count("SELECT count(*) FROM pings").await, 800);
}

#[tokio::test]
async fn a_history_that_hands_have_torn_goes_with_its_service() {
    let house = House::new().await;
    for _ in 0..5 {
        house.ping("name=torn&frequency=1h").await;
    }
    house.edit("DELETE FROM pings WHERE service = 'torn' AND number = 3").await;
    let others = |round: i64| (0..100).map(move |n| format!("name=job-{round}-{n}&frequency=1h"));
    for round in 0..5 {
        house.ping_all(others(round)).await;
    }
    assert_eq!(house.send("DELETE", "/ping/torn").await.status, 200);
    for round in 5..15 {
        house.ping_all(others(round)).await;
    }
    assert_eq!(house.count("SELECT count(*) FROM pings WHERE service = 'torn'").await, 0);
    assert_eq!(house.count("SELECT count(*) FROM pings").await, 1500);
}

#[tokio::test]
async fn a_row_that_hands_append_is_in_nobodys_way() {
    let house = House::new().await;
    house.ping("name=a&frequency=1h").await;
    house
        .edit(
            "INSERT INTO pings (id, service, number, previous, at, received_at, signal)
             SELECT max(id) + 1, 'by hand', 1, 0, 1, 1, 'log' FROM pings",
        )
        .await;
    house.ping("name=b&frequency=1h").await;
    house.ping("name=c&frequency=1h").await;
    assert_eq!(
        house.texts("SELECT service FROM pings ORDER BY id").await,
        ["a", "by hand", "b", "c"]
    );
}

#[tokio::test]
async fn a_history_of_nothing_keeps_nothing() {
    let house = House::with(Rules { history: 0, ..rules() }).await;
    house.ping("name=a&frequency=1h&signal=start").await;
    house.clock.set(TEN + 5);
    house.ping("name=a&frequency=1h").await;
    assert_eq!(house.count("SELECT count(*) FROM pings").await, 0);
    assert_eq!(house.count("SELECT last_duration_ms FROM services").await, 5000);
}

#[tokio::test]
async fn the_same_signal_sent_again_is_recorded_once() {
    let house = House::new().await;
    house.ping("name=a&frequency=1h&timestamp=1795600000&signal=start&run=x").await;
    for _ in 0..3 {
        house.ping("name=a&frequency=1h&timestamp=1795600100&signal=3&run=x").await;
    }
    house.ping("name=a&frequency=1h&timestamp=1795600100&signal=3&run=y").await;
    assert_eq!(
        house.texts("SELECT signal || ' ' || run FROM pings ORDER BY id").await,
        ["start x", "fail x", "fail y"]
    );
    assert_eq!(house.count("SELECT count(*) FROM alerts").await, 1);
    house.ping("name=a&frequency=1h").await;
    house.ping("name=a&frequency=1h").await;
    assert_eq!(
        house.count("SELECT count(*) FROM pings").await,
        5,
        "without a timestamp each is new"
    );
}

#[tokio::test]
async fn the_end_of_a_log_is_kept_and_the_oldest_successes_make_room() {
    let house = House::with(Rules { log_bytes_max: 40_000, ..rules() }).await;
    let post = async |target: &str, body: Vec<u8>| {
        let request = House::request("POST", target).body(body.into()).unwrap();
        assert_eq!(house.answer(request).await.status, 200);
    };
    let mut long = vec![b'x'; 20_000];
    long.extend("über 💾".as_bytes());
    post("/ping?name=a&frequency=1h&signal=fail", long).await;
    assert_eq!(house.count("SELECT bytes FROM logs").await, 10_064);
    assert_eq!(house.count("SELECT length(CAST(log AS BLOB)) FROM logs").await, 10_000);
    assert!(house.texts("SELECT log FROM logs").await[0].ends_with("über 💾"));
    for _ in 0..5 {
        post("/ping/a", vec![b'y'; 9000]).await;
    }
    post("/ping/a/log", vec![0xff; 9000]).await;
    assert!(house.count("SELECT sum(bytes) FROM logs").await <= 40_000);
    assert_eq!(house.count("SELECT count(*) FROM logs WHERE is_success = 0").await, 2);
}

#[tokio::test]
async fn a_deleted_service_leaves_no_history_and_one_made_afresh_has_its_own() {
    let house = House::new().await;
    for _ in 0..3 {
        house.ping("name=a&frequency=1h").await;
        house.ping("name=b&frequency=1h").await;
    }
    house.send("DELETE", "/ping/a").await;
    assert_eq!(house.count("SELECT count(*) FROM pings").await, 3);
    house.ping("name=a&frequency=1h").await;
    assert_eq!(
        house.texts("SELECT number || ' ' || previous FROM pings WHERE service = 'a'").await,
        ["1 0"]
    );
}

#[tokio::test]
async fn of_a_deleted_service_nothing_is_left_whether_it_has_sent_one_signal_or_many() {
    let house = House::new().await;
    let post = async |target: &str| {
        let request = House::request("POST", target).body("printed".into()).unwrap();
        assert_eq!(house.answer(request).await.status, 200);
    };
    house.send_json("PUT", "/api/v1/services/none", &json!({"frequency": "1h"})).await;
    post("/ping?name=one&frequency=1h").await;
    for _ in 0..3 {
        post("/ping?name=many&frequency=1h").await;
        post("/ping?name=stays&frequency=1h").await;
    }
    for (name, left) in [("none", 7), ("one", 6), ("many", 3)] {
        assert_eq!(house.send("DELETE", &format!("/ping/{name}")).await.status, 200);
        assert_eq!(house.count("SELECT count(*) FROM pings").await, left, "{name}");
        assert_eq!(house.count("SELECT count(*) FROM logs").await, left, "{name}");
    }
    assert_eq!(house.texts("SELECT name FROM services").await, ["stays"]);
    assert_eq!(house.texts("SELECT DISTINCT service FROM pings").await, ["stays"]);
    let changes =
        "SELECT service || ' ' || what || ' ' || number FROM changes ORDER BY seq DESC LIMIT 3";
    assert_eq!(house.texts(changes).await, ["many deleted 2", "one deleted 2", "none deleted 2"]);
}

/// What `house` has of its signals, but for their places.
async fn rows(house: &House) -> Vec<String> {
    let rows = "SELECT concat_ws(' ', service, number, previous, at, received_at, signal, quote(exit_status),
            quote(duration_ms), quote(run), quote(address), quote(key))
        FROM pings ORDER BY service";
    house.texts(rows).await
}

#[tokio::test]
async fn signals_that_share_a_batch_are_kept_as_they_are_whether_or_not_they_say_more_than_that_it_ran()
 {
    let house = House::new().await;
    let ask = |name: &'static str| house.get(name);
    tokio::join!(
        ask("/ping?name=a&frequency=1h"),
        ask("/ping?name=b&frequency=1h&duration_ms=5"),
        ask("/ping?name=c&frequency=1h"),
    );
    let plain = [
        "a 1 0 1795600800 1795600800 success NULL NULL NULL NULL NULL",
        "b 1 0 1795600800 1795600800 success NULL 5 NULL NULL NULL",
        "c 1 0 1795600800 1795600800 success NULL NULL NULL NULL NULL",
    ];
    assert_eq!(rows(&house).await, plain);
    tokio::join!(
        ask("/ping?name=d&frequency=1h"),
        ask("/ping/e/0?frequency=1h"),
        ask("/ping/f/3?frequency=1h"),
        ask("/ping/g?frequency=1h&run=r1"),
        ask("/ping/h/log?frequency=1h"),
    );
    let more = [
        "d 1 0 1795600800 1795600800 success NULL NULL NULL NULL NULL",
        "e 1 0 1795600800 1795600800 success 0 NULL NULL NULL NULL",
        "f 1 0 1795600800 1795600800 fail 3 NULL NULL NULL NULL",
        "g 1 0 1795600800 1795600800 success NULL NULL 'r1' NULL NULL",
    ];
    assert_eq!(rows(&house).await[3..], more);
}

#[tokio::test]
async fn a_signal_is_kept_with_the_key_and_the_address_that_it_came_from() {
    let entrance = crate::keys::entrance("ping_key = \"night:n1,day:d1\"");
    let house = House::with_entrance(entrance).await;
    let request = House::request("GET", "/ping?name=a&frequency=1h")
        .header("authorization", "Bearer d1")
        .header("x-forwarded-for", "10.9.9.9, 203.0.113.7");
    assert_eq!(house.answer(request.body(axum::body::Body::empty()).unwrap()).await.status, 200);
    assert_eq!(house.texts("SELECT key || ' ' || address FROM pings").await, ["day 203.0.113.7"]);
}

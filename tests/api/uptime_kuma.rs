//! Uptime Kuma's push.

use axum::body::Body;
use serde_json::json;

use crate::house::House;
use crate::keys::entrance;

const UUID: &str = "31365bce-8da9-4729-8ff3-aaa71d56b712";

/// A house with a service that may be pushed by its name and by two aliases.
async fn house(settings: &str) -> House {
    let house = House::with_entrance(entrance(settings)).await;
    let body = json!({ "frequency": "1h", "grace": "5m", "aliases": [UUID, "hK3vLqPzT9"] });
    let request = House::request("PUT", "/api/v1/services/backup")
        .header("content-type", "application/json")
        .header("authorization", "Bearer a1");
    let answer = house.answer(request.body(body.to_string().into()).unwrap()).await;
    assert_eq!(answer.status, 201, "{:?}", answer.json);
    house
}

#[tokio::test]
async fn pushes_are_signals_whatever_the_method() {
    let house = house("").await;
    for (query, signal) in [
        ("", "success - -"),
        ("?status=up&msg=OK&ping=", "success - -"),
        ("?status=up&msg=&ping=123.7", "success 123 -"),
        ("?status=&msg=all%20well&ping=fast", "success - all well"),
        ("?status=down&msg=disk+full&ping=-1", "fail - disk full"),
    ] {
        house.edit("DELETE FROM pings").await;
        for method in ["GET", "POST", "PUT", "OPTIONS"] {
            for token in ["hK3vLqPzT9", UUID, "backup", "backup/"] {
                let request = House::request(method, &format!("/api/push/{token}{query}"));
                let answer = house.answer(request.body(Body::from("ignored")).unwrap()).await;
                assert_eq!((answer.status, answer.json), (200, json!({ "ok": true })));
            }
        }
        let recorded = "SELECT DISTINCT signal || ' ' || coalesce(duration_ms, '-') || ' ' || coalesce(log, '-')
            FROM pings LEFT JOIN logs ON ping = id";
        assert_eq!(house.texts(recorded).await, [signal], "{query}");
    }
    let listed = house.send("GET", "/api/v1/services").await.json;
    assert_eq!(listed["services"].as_array().unwrap().len(), 1);
    assert_eq!(listed["services"][0]["status"], "failed");
}

#[tokio::test]
async fn what_is_not_known_or_not_right_is_said_as_its_clients_expect_and_changes_nothing() {
    let house = house("").await;
    for (target, status, msg) in [
        ("/api/push/stranger", 404, "there is no service of this name or alias"),
        ("/api/push/%zz", 404, "there is no service of this name or alias"),
        ("/api/push/backup?status=ok", 400, "status \"ok\" is not a status: use up or down"),
        ("/api/push/backup?status=up&status=down", 400, "status cannot be read: give it once"),
        ("/api/push/backup?msg=%FF", 400, "msg cannot be read: give it once"),
    ] {
        let answer = house.get(target).await;
        assert_eq!((answer.status, &answer.json["ok"]), (status, &json!(false)), "{target}");
        assert!(answer.json["msg"].as_str().unwrap().starts_with(msg), "{:?}", answer.json);
    }
    assert_eq!(house.count("SELECT count(*) FROM pings").await, 0);
    assert_eq!(house.count("SELECT count(*) FROM services").await, 1);
}

#[tokio::test]
async fn with_keys_a_uuid_is_its_own_and_every_other_token_needs_one() {
    let house = house("ping_key = \"p1\"\nread_key = \"r1\"\nadmin_key = \"a1\"").await;
    for (target, status) in [
        (format!("/api/push/{UUID}"), 200),
        ("/api/push/backup".to_owned(), 404),
        ("/api/push/hK3vLqPzT9".to_owned(), 404),
        ("/api/push/hK3vLqPzT9?key=p1".to_owned(), 200),
        ("/api/push/backup?key=a1&status=down".to_owned(), 200),
        ("/api/push/backup?key=r1".to_owned(), 404),
        ("/api/push/backup?key=wrong".to_owned(), 404),
    ] {
        assert_eq!(house.get(&target).await.status, status, "{target}");
    }
    assert_eq!(
        house.texts("SELECT coalesce(key, 'none') FROM pings ORDER BY id").await,
        ["none", "ping", "admin"]
    );
}

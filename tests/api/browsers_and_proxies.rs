use axum::body::Body;

use crate::house::House;

async fn status_with(house: &House, method: &str, headers: &[(&str, &str)]) -> u16 {
    let mut request =
        axum::http::Request::builder().method(method).uri("/ping?name=a&frequency=1h");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    house.answer(request.body(Body::empty()).unwrap()).await.status
}

#[tokio::test]
async fn what_a_proxy_passed_on_is_refused_unless_the_server_is_open() {
    let closed = House::new().await;
    let open = House::open_to_all().await;
    for headers in [
        &[("host", "overdue.example.com")][..],
        &[("host", "127.0.0.1:4000"), ("x-forwarded-for", "203.0.113.7")],
        &[("host", "127.0.0.1:4000"), ("forwarded", "for=203.0.113.7")],
        &[("host", "127.0.0.1:4000"), ("fly-client-ip", "203.0.113.7")],
        &[("host", "127.0.0.1:4000"), ("via", "1.1 proxy.example")],
        &[("host", "127.0.0.1:4000"), ("x-real-ip", "203.0.113.7")],
        &[("host", "127.0.0.1:4000"), ("x-forwarded-host", "overdue.example.com")],
        &[("host", "127.0.0.1:4000"), ("x-forwarded-proto", "https")],
    ] {
        assert_eq!(status_with(&closed, "GET", headers).await, 403, "{headers:?}");
        assert_eq!(status_with(&open, "GET", headers).await, 200, "{headers:?}");
    }
    assert_eq!(closed.count("SELECT count(*) FROM services").await, 0);
    let request =
        House::request("GET", "/ping?name=a&frequency=1h").header("x-forwarded-for", "203.0.113.7");
    let answer = closed.answer(request.body(Body::empty()).unwrap()).await;
    insta::assert_snapshot!(answer.detail(), @"this server answers its own machine only, and the request has the header x-forwarded-for: set a key (OVERDUE_PING_KEY, OVERDUE_READ_KEY, OVERDUE_ADMIN_KEY) or OVERDUE_OPEN=true to serve others");
    for host in ["localhost", "127.0.0.1:4000", "[::1]:4000", "LOCALHOST:80"] {
        assert_eq!(status_with(&closed, "GET", &[("host", host)]).await, 200, "{host}");
    }
    assert_eq!(status_with(&closed, "GET", &[]).await, 200, "HTTP/1.0 knows no Host");
}

#[tokio::test]
async fn a_strangers_web_page_can_neither_ping_nor_delete() {
    let house = House::open_to_all().await;
    for method in ["GET", "POST"] {
        for header in [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("origin", "http://overdue.example:81"),
        ] {
            let headers = [("host", "overdue.example"), header];
            assert_eq!(status_with(&house, method, &headers).await, 403, "{method} {header:?}");
        }
    }
    assert_eq!(house.count("SELECT count(*) FROM services").await, 0);
    let own = [
        ("host", "overdue.example"),
        ("origin", "https://overdue.example"),
        ("sec-fetch-site", "same-origin"),
    ];
    assert_eq!(status_with(&house, "POST", &own).await, 200);
    let request = House::request("DELETE", "/ping/a").header("origin", "https://evil.example");
    let answer = house.answer(request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, 403);
    insta::assert_snapshot!(answer.detail(), @r#"a page of another site may not do this (Origin: "https://evil.example")"#);
}

//! `OVERDUE_TZ` where times are shown without a script, and in the sentences of the API.

use jiff::tz::TimeZone;
use overdue::http::{Api, Entrance, router};

use crate::house::{House, TEN};

#[tokio::test]
async fn times_are_those_of_the_zone_that_is_set_wherever_no_script_says_them_anew() {
    let mut house = House::new().await;
    let api = Api::new(house.store.clone(), house.clock.clone(), Entrance::default());
    house.router = router(api.in_zone(TimeZone::get("Europe/Berlin").unwrap()));
    house.ping(&format!("name=a&frequency=1h&timestamp={}", TEN - 7200)).await;
    house.sweep_at(TEN + 2).await;
    let alerts = house.get("/api/v1/alerts").await.json;
    assert_eq!(
        alerts["alerts"][0]["text"],
        "OVERDUE a: 1 h late. Expected by 10:00 CET. Last success 09:00."
    );
    assert_eq!(alerts["alerts"][0]["deadline"], "2026-11-25T09:00:00Z", "for programs UTC");
    let (_, page) = house.text(House::request("GET", "/services/a")).await;
    assert!(page.contains("<time datetime=\"2026-11-25T08:00:00Z\""), "{page}");
    for time in [">09:00:00 CET</time>", "Since 09:00:00 CET: 1 success, 1 outage."] {
        assert!(page.contains(time), "{time} in {page}");
    }
}

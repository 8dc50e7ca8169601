//! A flood of names that nobody has heard of.

use tokio::task::JoinSet;

use crate::support::send;
use crate::{House, crowd};

#[tokio::test]
async fn a_flood_of_new_names_ends_at_the_bound_and_those_known_go_on() {
    let most = crowd("ABUSE_NAMES", 300);
    let house = House::open(&[("OVERDUE_MAX_SERVICES", &most.to_string())]).await;
    let before = house.memory();
    assert_eq!(house.server.get("/ping?name=honest&frequency=1h").await.status, 200);
    let address = house.address();
    let (mut refused, mut made, mut names) = (0, 0, 0..most + 200);
    let mut flood = JoinSet::new();
    while !names.is_empty() || !flood.is_empty() {
        while flood.len() < 50
            && let Some(number) = names.next()
        {
            let target = format!("/ping?name=flood-{number}&frequency=1h");
            flood.spawn(async move { send(address, "GET", &target).await.unwrap() });
        }
        let answer = flood.join_next().await.unwrap().unwrap();
        match answer.status {
            200 => made += 1,
            503 => refused += 1,
            _ => panic!("{answer:?}"),
        }
    }
    assert_eq!((made, refused), (most - 1, 201));
    let answer = house.server.get("/ping?name=one%20more&frequency=1h").await;
    assert_eq!(answer.status, 503);
    let said = answer.json()["detail"].as_str().unwrap().replace(&most.to_string(), "MOST");
    insta::assert_snapshot!(said, @r#""one more" is new and there are MOST services already: delete some, or raise OVERDUE_MAX_SERVICES"#);
    assert_eq!(house.server.get("/ping/honest").await.status, 200, "those known go on");
    let what = format!("{most} names");
    before.grew_by_at_most(64 * 1024 + most as u64, &what, &house);
    house.server.stop().await;
}

//! A database of many services, written straight into its table: to ping a million into being takes minutes.

use std::path::Path;

use overdue::clock::Clock;
use sqlx::{Connection as _, SqliteConnection};

use super::server::Server;

async fn connect(database: &Path) -> SqliteConnection {
    let path = database.to_str().expect("the path is text");
    SqliteConnection::connect(path).await.expect("the database opens")
}

/// Has `program` make its database in `folder`, and fills it with `services` called `svc-0` and so on, all last heard
/// now and expected in an hour.
pub async fn make(program: &Path, folder: &Path, services: usize) {
    Server::start_other(program, folder, &[]).stop();
    fill(&folder.join("overdue.db"), services, Clock::system().now()).await;
}

/// Fills a database that is there, at the second `now`.
pub async fn fill(database: &Path, services: usize, now: i64) {
    let mut connection = connect(database).await;
    sqlx::query(
        "WITH RECURSIVE numbers (n) AS (VALUES (0) UNION ALL SELECT n + 1 FROM numbers WHERE n < ?1 - 1)
        INSERT INTO services (name, frequency, last_ping, last_success, expected, deadline)
        SELECT 'svc-' || n, 3600, ?2, ?2, ?2 + 3600, ?2 + 3600 FROM numbers",
    )
    .bind(i64::try_from(services).expect("it is a number of services"))
    .bind(now)
    .execute(&mut connection)
    .await
    .expect("the rows are taken");
    connection.close().await.expect("it closes");
}

/// Sets the deadline of the first `services` of them, as a hand would while the server runs.
pub async fn expect_by(database: &Path, services: usize, deadline: i64) {
    let mut connection = connect(database).await;
    sqlx::query("UPDATE services SET expected = ?1, deadline = ?1 WHERE id <= ?2")
        .bind(deadline)
        .bind(i64::try_from(services).expect("it is a number of services"))
        .execute(&mut connection)
        .await
        .expect("the rows are changed");
    connection.close().await.expect("it closes");
}

//! The disk fails while it serves.

use std::os::unix::fs::MetadataExt as _;

use rustix::io::Errno;
use sqlx::{Connection as _, SqliteConnection};

use crate::disk::{Call, DATABASE, SHM, WAL};
use crate::{Ward, is_refused, until};

/// While `begin` lasts, what cannot be stored is answered 503; after half a minute destinations are told of it; after
/// `end` it goes on by itself, and tells of who fell silent meanwhile.
async fn is_told_and_heals(ward: &mut Ward, begin: impl AsyncFn(&Ward), end: impl AsyncFn(&Ward)) {
    assert_eq!(ward.ping("name=before&frequency=1D").await.status, 200);
    assert_eq!(ward.ping("name=silent&frequency=3s").await.status, 200);
    begin(ward).await;
    let during = ward.ping("name=during&frequency=1D").await;
    assert!(is_refused(&during), "{during:?}");
    assert_eq!(ward.server.get("/healthz").await.status, 200);
    ward.pass(60).await;
    let told = ward.hears("monitor.failing").await;
    let text = told["text"].as_str().unwrap();
    assert!(text.starts_with("MONITOR FAILING: ") && text.contains("Nothing can be stored since"));
    assert_eq!(ward.server.get("/readyz").await.status, 503);
    assert!(is_refused(&ward.ping("name=during&frequency=1D").await), "still");
    end(ward).await;
    until("a ping to be stored", async || ward.ping("name=after&frequency=1D").await.status == 200)
        .await;
    // The two do not wait for each other.
    let mut both = [ward.receiver.next().await.body, ward.receiver.next().await.body];
    both.sort_by_key(|alert| alert["type"].as_str() == Some("service.overdue"));
    let [recovered, overdue] = both;
    assert_eq!(recovered["type"], "monitor.recovered", "{recovered}");
    // It was away for longer than the service's frequency, so the hold is as long as that.
    assert_eq!((&overdue["type"], &overdue["name"]), (&"service.overdue".into(), &"silent".into()));
    assert!(overdue["uncertain"].is_object(), "{overdue}");
    until("readiness", async || ward.server.get("/readyz").await.status == 200).await;
    assert_eq!(ward.ping("name=silent&frequency=1D").await.status, 200);
    ward.hears("service.recovered").await;
    let stored = ward.stored().await;
    for name in ["before", "silent", "after"] {
        assert!(stored.iter().any(|stored| stored == name), "{name} was answered 200 and is lost");
    }
}

async fn a_call_that_fails(call: Call, error: Errno, files: i32) {
    let Some(mut ward) = Ward::open().await else { return };
    let begin = async |ward: &Ward| ward.disk.fail(call, error, None, files);
    is_told_and_heals(&mut ward, begin, async |ward| ward.disk.mend(call)).await;
    assert!(ward.disk.failed(call) > 0);
    ward.server.stop().await;
}

#[tokio::test]
async fn a_full_disk_costs_503_is_told_and_heals_by_itself() {
    a_call_that_fails(Call::Write, Errno::NOSPC, DATABASE | WAL | SHM).await;
}

#[tokio::test]
async fn a_disk_that_cannot_be_written_costs_503_is_told_and_heals_by_itself() {
    a_call_that_fails(Call::Write, Errno::IO, DATABASE | WAL).await;
}

#[tokio::test]
async fn a_disk_that_the_system_has_made_read_only_costs_503_is_told_and_heals_by_itself() {
    a_call_that_fails(Call::Write, Errno::ROFS, DATABASE | WAL | SHM).await;
}

#[tokio::test]
async fn a_sync_that_fails_is_never_answered_200_is_told_and_heals_by_itself() {
    a_call_that_fails(Call::Sync, Errno::IO, DATABASE | WAL).await;
}

#[tokio::test]
async fn a_log_that_could_not_be_written_again_is_not_moved_into_the_database() {
    let Some(ward) = Ward::open().await else { return };
    assert_eq!(ward.ping("name=a&frequency=1D").await.status, 200);
    let mut path = ward.disk.database().into_os_string();
    path.push("-wal");
    // Open, so that its number is not given to another.
    let open = std::fs::File::open(&path).unwrap();
    let log = open.metadata().unwrap();
    // Of the writer's syncs, one fails with a commit, one as its connection ends, and the others as a start writes the log
    // again; for that nobody else may have the database open.
    ward.disk.pass_timers(3600);
    for failures in [3, 5] {
        ward.disk.fail(Call::Sync, Errno::IO, Some(failures), WAL);
        let is_stored = async || ward.ping("name=a&frequency=1D").await.status == 200;
        until("a ping to be stored", is_stored).await;
        let now = std::fs::metadata(&path).unwrap();
        assert_eq!((now.dev(), now.ino()), (log.dev(), log.ino()), "{failures} syncs that failed");
    }
    ward.server.stop().await;
}

#[tokio::test]
async fn another_process_that_keeps_the_lock_costs_503_is_told_and_ends_with_the_lock() {
    let Some(mut ward) = Ward::open().await else { return };
    let url = format!("sqlite:{}", ward.disk.database().display());
    let other = tokio::sync::Mutex::new(SqliteConnection::connect(&url).await.unwrap());
    let say = async |what: &'static str| {
        sqlx::raw_sql(what).execute(&mut *other.lock().await).await.unwrap();
    };
    is_told_and_heals(
        &mut ward,
        async |_| say("BEGIN EXCLUSIVE").await,
        async |_| say("ROLLBACK").await,
    )
    .await;
    other.into_inner().close().await.unwrap();
    ward.server.stop().await;
}

#[tokio::test]
async fn a_file_that_is_moved_away_costs_503_is_told_and_heals_when_it_is_back() {
    let Some(mut ward) = Ward::open().await else { return };
    let aside = |ward: &Ward| ward.disk.database().with_extension("aside");
    let begin = async |ward: &Ward| std::fs::rename(ward.disk.database(), aside(ward)).unwrap();
    // Another file in its place is not taken for it.
    let end = async |ward: &Ward| {
        std::fs::write(ward.disk.database(), "").unwrap();
        assert!(is_refused(&ward.ping("name=during&frequency=1D").await));
        assert_eq!(std::fs::read(ward.disk.database()).unwrap(), b"");
        std::fs::rename(aside(ward), ward.disk.database()).unwrap();
    };
    is_told_and_heals(&mut ward, begin, end).await;
    ward.server.stop().await;
}

#[tokio::test]
async fn a_file_that_is_deleted_costs_503_until_it_is_started_afresh() {
    let Some(mut ward) = Ward::open().await else { return };
    assert_eq!(ward.ping("name=before&frequency=1D").await.status, 200);
    for ending in ["", "-wal", "-shm"] {
        std::fs::remove_file(format!("{}{ending}", ward.disk.database().display())).unwrap();
    }
    assert!(is_refused(&ward.ping("name=before&frequency=1D").await));
    ward.pass(40).await;
    ward.hears("monitor.failing").await;
    ward.server.stop().await;
    let server = crate::support::Server::start(ward.folder.path(), None).await;
    assert!(server.greeting.contains("(new, empty)"), "{}", server.greeting);
    assert_eq!(server.get("/ping?name=after&frequency=1D").await.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn what_cannot_be_read_is_answered_503_and_never_as_if_nothing_were_there() {
    let Some(ward) = Ward::open().await else { return };
    for job in 0..50 {
        assert_eq!(ward.ping(&format!("name=job-{job}&frequency=1D")).await.status, 200);
    }
    ward.disk.fail(Call::Read, Errno::IO, None, DATABASE | WAL | SHM);
    let mut refused = 0;
    for job in 0..50 {
        // What is remembered of the file can be used still.
        let list = ward.server.get(&format!("/api/v1/services/job-{job}")).await;
        assert!(matches!(list.status, 200 | 503), "{list:?}");
        refused += usize::from(list.status == 503);
        is_refused(&ward.ping(&format!("name=new-{job}&frequency=1D")).await);
    }
    assert!(refused > 0 && ward.disk.failed(Call::Read) > 0, "nothing was read");
    ward.disk.mend(Call::Read);
    until("reads", async || ward.server.get("/api/v1/services/job-7").await.status == 200).await;
    until("writes", async || ward.ping("name=job-7&frequency=1D").await.status == 200).await;
    ward.server.stop().await;
}

#[tokio::test]
async fn errors_that_come_and_go_lose_no_ping_that_was_answered_and_no_count_of_the_history() {
    let Some(ward) = Ward::open().await else { return };
    // Nobody has read for an hour, so the writer's connection is the only one: what it leaves behind when it ends is
    // read again from the file.
    ward.disk.pass_timers(3600);
    let mut answered = 0;
    for round in 0..120 {
        let call = if round % 2 == 0 { Call::Write } else { Call::Sync };
        ward.disk.fail(call, Errno::IO, Some(fastrand::i32(0..3)), DATABASE | WAL);
        let answer = ward.ping("name=job&frequency=1D").await;
        answered += usize::from(!is_refused(&answer));
        ward.disk.mend(call);
    }
    until("a ping to be stored", async || ward.ping("name=job&frequency=1D").await.status == 200)
        .await;
    let pings = ward.server.get("/api/v1/services/job/pings?limit=1000").await.json();
    let kept = pings["pings"].as_array().unwrap().len();
    assert!(kept > answered.min(99), "{kept} of {answered}: {pings}");
    assert_eq!(ward.stored().await, ["job"]);
    ward.server.stop().await;
}

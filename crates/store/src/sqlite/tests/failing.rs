//! A storage that refuses: full, locked, overrun. Nothing is half-written, and it recovers by itself.

use std::time::Duration;

use countersign_core::command::{Answer, Command};
use countersign_core::ids::VerificationId;
use countersign_core::refusal::Refusal;
use countersign_core::store::{Store as _, Unavailable};
use rusqlite::Connection;

use super::{Place, SqliteStore, done, dump, requests};
use crate::sqlite::QUEUE;

const PHONE: &str = "+48600100217";

fn refused_by_storage<T: std::fmt::Debug>(result: &Result<T, Unavailable>) -> bool {
    matches!(result, Err(Unavailable::Storage(_)))
}

async fn set_most_pages(store: &SqliteStore, most: i64) {
    let set = move |connection: &Connection| {
        let now: i64 = connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        let most = if most == 0 { now } else { most };
        connection.query_row(&format!("PRAGMA max_page_count = {most}"), [], |_| Ok(())).unwrap();
    };
    store.meddle(set).await.unwrap();
}

#[tokio::test]
async fn a_full_disk_refuses_whole_commands_and_recovers() {
    let place = Place::new();
    let store = place.open();
    let mine = requests(&store);
    let begun = done(&store, mine.create(PHONE)).await.verification;
    set_most_pages(&store, 0).await;
    let mut acknowledged = Vec::new();
    let refused = loop {
        let before = dump(&place.path());
        let request = mine.create(&format!("person{}@example.com", acknowledged.len()));
        match store.submit(request).await {
            Ok(outcome) => acknowledged.push(outcome.answer.snapshot().unwrap().verification.clone()),
            Err(refused) => {
                assert_eq!(dump(&place.path()), before, "nothing is half-written");
                break refused;
            }
        }
        assert!(acknowledged.len() < 1_000, "the disk is never full");
    };
    assert_eq!(refused, Unavailable::Storage("database or disk is full".to_owned()));
    let shown = store.verification(mine.tenant, begun.id).await.unwrap();
    assert_eq!(shown.map(|shown| shown.verification), Some(begun), "reads go on");
    set_most_pages(&store, 1_000_000).await;
    store.ready().await.unwrap();
    done(&store, mine.create("after@example.com")).await;
    for row in acknowledged {
        let shown = store.verification(mine.tenant, row.id).await.unwrap();
        assert_eq!(shown.map(|shown| shown.verification), Some(row));
    }
}

#[tokio::test]
async fn a_check_that_could_not_be_counted_is_not_compared() {
    let place = Place::new();
    let store = place.open();
    let mine = requests(&store);
    let begun = done(&store, mine.create(PHONE)).await.verification;
    let code = mine.code_of(&begun);
    set_query_only(&store, true).await;
    assert!(refused_by_storage(&store.submit(mine.check(begun.id, &code)).await));
    assert!(refused_by_storage(&store.submit(mine.check(begun.id, &mine.wrong_code_of(&begun))).await));
    assert!(refused_by_storage(&store.ready().await));
    set_query_only(&store, false).await;
    let shown = store.verification(mine.tenant, begun.id).await.unwrap().unwrap();
    assert_eq!(shown.verification.checks_used, 0);
    let approved = store.submit(mine.check(begun.id, &code)).await.unwrap().answer;
    assert!(matches!(approved, Answer::Approved(..)), "{approved:?}");
}

/// Makes the writer's connection as read-only as a file system that was remounted.
async fn set_query_only(store: &SqliteStore, on: bool) {
    store.meddle(move |connection| connection.pragma_update(None, "query_only", on).unwrap()).await.unwrap();
}

#[tokio::test]
async fn a_locked_file_refuses_and_recovers() {
    let place = Place::new();
    let store = place.open();
    let mine = requests(&store);
    store.meddle(|connection| connection.busy_timeout(Duration::ZERO).unwrap()).await.unwrap();
    let other = place.aside();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = store.submit(mine.create(PHONE)).await;
    assert!(refused_by_storage(&refused), "{refused:?}");
    assert!(refused_by_storage(&store.ready().await));
    assert!(refused_by_storage(&store.claim(1).await));
    other.execute_batch("ROLLBACK").unwrap();
    store.ready().await.unwrap();
    done(&store, mine.create(PHONE)).await;
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_a_closed_store_for_good() {
    let place = Place::new();
    let store = place.open();
    let mine = requests(&store);
    let release = store.hold().await;
    let nobody = VerificationId::from_bytes([1; 16]);
    let queued: Vec<_> = (0..QUEUE).map(|_| store.submit(mine.of(Command::Cancel(nobody)))).collect();
    let one_more = store.submit(mine.of(Command::Cancel(nobody))).await;
    assert_eq!(one_more.err(), Some(Unavailable::Overloaded));
    assert_eq!(store.ready().await, Err(Unavailable::Overloaded));
    drop(release);
    for answer in queued {
        assert_eq!(answer.await.unwrap().answer, Answer::Refused(Refusal::NotFound, None));
    }
    store.ready().await.unwrap();
    store.close().await.unwrap();
    let closed = store.submit(mine.of(Command::Cancel(nobody))).await;
    assert_eq!(closed.err(), Some(Unavailable::Closed));
}

#[tokio::test]
async fn what_was_queued_before_the_close_is_finished() {
    let place = Place::new();
    let store = place.open();
    let mine = requests(&store);
    let release = store.hold().await;
    let queued: Vec<_> =
        (0..20).map(|n| store.submit(mine.create(&format!("person{n}@example.com")))).collect();
    release.send(()).unwrap();
    store.close().await.unwrap();
    for answer in queued {
        assert!(matches!(answer.await.unwrap().answer, Answer::Done(_)));
    }
    assert_eq!(dump(&place.path()).iter().filter(|row| row.starts_with("verification:")).count(), 20);
}

#[tokio::test]
async fn a_dropped_caller_does_not_cancel_its_command() {
    let place = Place::new();
    let store = place.open();
    let mine = requests(&store);
    let release = store.hold().await;
    drop(store.submit(mine.create(PHONE)));
    drop(release);
    store.ready().await.unwrap();
    assert_eq!(dump(&place.path()).iter().filter(|row| row.starts_with("verification:")).count(), 1);
}

#[tokio::test]
async fn a_poisonous_command_fails_alone() {
    let place = Place::new();
    let store = place.open();
    let mine = requests(&store);
    let spoiled = mine.create("poison@example.com");
    let poison = spoiled.clone();
    let victim = done(&store, poison).await.verification;
    let trigger = format!(
        "CREATE TEMP TRIGGER poison BEFORE UPDATE ON verification WHEN OLD.id = x'{}'
         BEGIN SELECT RAISE(ABORT, 'poison'); END",
        victim.id.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    );
    store.meddle(move |connection| connection.execute_batch(&trigger).unwrap()).await.unwrap();
    let release = store.hold().await;
    let queued: Vec<_> = (0..10)
        .map(|n| match n {
            4 => store.submit(mine.of(Command::Cancel(victim.id))),
            _ => store.submit(mine.create(&format!("person{n}@example.com"))),
        })
        .collect();
    drop(release);
    for (n, answer) in queued.into_iter().enumerate() {
        let answer = answer.await;
        if n == 4 {
            assert_eq!(answer.err(), Some(Unavailable::Storage("poison".to_owned())));
        } else {
            let id = answer.unwrap().answer.snapshot().unwrap().verification.id;
            assert!(store.verification(mine.tenant, id).await.unwrap().is_some());
        }
    }
    let spared = store.verification(mine.tenant, victim.id).await.unwrap().unwrap();
    assert_eq!(spared.verification, victim);
}

#[tokio::test]
async fn a_read_that_panics_gives_its_connection_back() {
    let place = Place::new();
    let store = place.open();
    for _ in 0..4 {
        let broken = store.readers.run::<()>(|_| panic!("a broken read")).await;
        assert_eq!(broken, Err(Unavailable::Internal));
    }
    assert!(store.projects().await.unwrap().is_empty());
}

#[tokio::test]
async fn checkpoints_keep_the_wal_small() {
    let place = Place::new();
    let store = place.open();
    let wal = place.directory.path().join("countersign.db-wal");
    // Without checkpoints each commit would leave a frame of at least 4,120 bytes for ever. They run beside the
    // writer, so it is not known which commit begins the file anew, only that one does.
    let mut commits = 0;
    loop {
        for _ in 0..500 {
            store.ready().await.unwrap();
        }
        commits += 500;
        let size = std::fs::metadata(&wal).unwrap().len();
        if size < commits * 4_120 / 2 {
            break;
        }
        assert!(commits < 20_000, "{size} bytes after {commits} commits");
    }
    store.close().await.unwrap();
    let left = std::fs::metadata(&wal).map_or(0, |wal| wal.len());
    assert_eq!(left, 0);
}

//! A copy that breaks off goes on where it stopped, and keeps servers off the database until then.

use std::sync::atomic::{AtomicUsize, Ordering};

use countersign_core::store::Store as _;
use countersign_sim::Requests;
use countersign_store::copy::{CopyFailure, Progress, copy_in_chunks};
use countersign_store::postgres::{Failure, Settings};
use tokio::sync::Notify;

use super::{File, PHONE, Story, database, done, dump, psql, requests, story};

/// Begins a copy and drops it after so many chunks.
async fn break_off(file: &File, to: &Settings, chunks: usize) {
    let (seen, enough) = (AtomicUsize::new(0), Notify::new());
    let path = file.path();
    let mut progress = |_: Progress| {
        if seen.fetch_add(1, Ordering::Relaxed) + 1 == chunks {
            enough.notify_one();
        }
    };
    tokio::select! {
        biased;
        () = enough.notified() => (),
        ended = copy_in_chunks(&path, to, 2, &mut progress) => panic!("it did not break off: {ended:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_off_at_any_place_it_goes_on_and_comes_to_the_same() {
    let Story { file, .. } = story().await;
    let (whole, pieces) = (database().await, database().await);
    let total = file.copy(&whole).await.unwrap().written;
    let mut last = 0;
    for chunks in [1, 2, 3, 5, 8, 13, 21] {
        break_off(&file, &pieces, chunks).await;
        let refused = file.served_by(&pieces).await.map(drop).unwrap_err();
        assert!(matches!(refused, Failure::HalfCopied), "{refused:?}");
    }
    let mut rows = Vec::new();
    let mut progress = |progress: Progress| rows.push(progress);
    let report = copy_in_chunks(&file.path(), &pieces, 3, &mut progress).await.unwrap();
    assert!(report.written < total && !report.was_complete, "{report:?}");
    for progress in &rows {
        assert!(progress.rows > last && progress.total == total);
        last = progress.rows;
    }
    assert_eq!(last, total);
    assert_eq!(sorted(&dump(&pieces).await), sorted(&dump(&whole).await));
    file.served_by(&pieces).await.unwrap();
}

/// Where runs begin depends on the chunks; nothing else does.
fn sorted(dump: &str) -> Vec<String> {
    dump.lines()
        .map(str::to_owned)
        .filter(|line| line.split('|').count() != 4 || line.contains("\\x"))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_rows_as_a_chunk_has_and_one_less_and_one_more() {
    let file = File::with(6, 10).await;
    for rows in [5, 6, 7] {
        let to = database().await;
        let report = copy_in_chunks(&file.path(), &to, rows, &mut |_| ()).await.unwrap();
        assert!(report.tables.iter().any(|table| (table.table, table.target) == ("verification", 6)));
        assert_eq!(psql(&to, "SELECT sum(length), max(first + length) FROM journal_run").await, "6|7");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_used_in_between_is_refused() {
    let Story { file, pending, .. } = story().await;
    let to = database().await;
    break_off(&file, &to, 14).await;
    let store = file.open();
    let mine = requests(&store.keys());
    done(&store, mine.check(pending.id, &mine.code_of(&pending))).await;
    store.close().await.unwrap();
    let stored = dump(&to).await;
    let refused = file.copy(&to).await.unwrap_err();
    assert!(matches!(refused, CopyFailure::SourceChanged), "{refused:?}");
    assert_eq!(dump(&to).await, stored);
    assert!(matches!(file.served_by(&to).await.map(drop), Err(Failure::HalfCopied)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_used_after_its_copy_is_told_from_it() {
    let Story { file, .. } = story().await;
    let to = database().await;
    file.copy(&to).await.unwrap();
    let store = file.open();
    done(&store, requests(&store.keys()).create("zoe@example.com")).await;
    store.close().await.unwrap();
    let stored = dump(&to).await;
    let refused = file.copy(&to).await.unwrap_err();
    assert!(matches!(refused, CopyFailure::SourceChanged), "{refused:?}");
    assert_eq!(dump(&to).await, stored);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_served_meanwhile_is_refused_in_the_end() {
    let file = File::with(4, 22).await;
    let to = database().await;
    let server = rusqlite::Connection::open(file.path()).unwrap();
    let mut progress = move |_: Progress| {
        server.execute("INSERT OR REPLACE INTO meta VALUES ('probe', x'01')", []).unwrap();
    };
    let refused = copy_in_chunks(&file.path(), &to, 2, &mut progress).await.unwrap_err();
    assert!(matches!(refused, CopyFailure::SourceChanged), "{refused:?}");
    assert!(matches!(file.served_by(&to).await.map(drop), Err(Failure::HalfCopied)));
    assert!(!file.copy(&to).await.unwrap().was_complete, "what was copied is as it was");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_got_lost_are_counted_and_the_copy_is_not_done() {
    let file = File::with(4, 11).await;
    let to = database().await;
    break_off(&file, &to, 6).await;
    psql(&to, "DELETE FROM recipient WHERE id IN (SELECT id FROM recipient LIMIT 1)").await;
    let refused = file.copy(&to).await.unwrap_err();
    let CopyFailure::Differs(report) = &refused else { panic!("{refused:?}") };
    assert!(
        report.tables.iter().any(|table| (table.table, table.source, table.target) == ("recipient", 4, 3))
    );
    assert!(refused.to_string().ends_with("differ: recipient has 4 in the file and 3 in the database"));
    assert!(matches!(file.served_by(&to).await.map(drop), Err(Failure::HalfCopied)));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_copies_at_once_one_ends_and_the_other_is_whole() {
    let file = File::with(40, 12).await;
    let (to, alone) = (database().await, database().await);
    let run = || async { copy_in_chunks(&file.path(), &to, 2, &mut |_| ()).await };
    let (one, other) = tokio::join!(run(), run());
    for ended in [one, other] {
        assert!(matches!(ended, Ok(_) | Err(CopyFailure::Overtaken)), "{ended:?}");
    }
    file.copy(&to).await.unwrap();
    file.copy(&alone).await.unwrap();
    assert_eq!(sorted(&dump(&to).await), sorted(&dump(&alone).await));
    let store = file.served_by(&to).await.unwrap();
    done(&store, Requests::new(store.keys(), 2).create(PHONE)).await;
}

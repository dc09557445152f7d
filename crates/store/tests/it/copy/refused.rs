//! What a copy keeps its hands off, and what it says of a file that is no store.

use countersign_core::store::Store as _;
use countersign_store::copy::CopyFailure;
use countersign_store::postgres::{Failure, Settings};

use super::{File, PHONE, database, done, dump, psql, requests};

#[tokio::test(flavor = "multi_thread")]
async fn the_copy_of_another_store_is_left_alone() {
    let (file, other) = (File::with(2, 13).await, File::with(2, 14).await);
    let to = database().await;
    file.copy(&to).await.unwrap();
    let stored = dump(&to).await;
    let refused = other.copy(&to).await.unwrap_err();
    assert!(matches!(refused, CopyFailure::Foreign), "{refused:?}");
    assert_eq!(dump(&to).await, stored);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_servers_have_is_left_alone_while_they_run_and_after() {
    let file = File::with(2, 15).await;
    let to = database().await;
    let store = file.served_by(&to).await.unwrap();
    done(&store, requests(&store.keys()).create(PHONE)).await;
    let refused = file.copy(&to).await.unwrap_err();
    assert!(matches!(refused, CopyFailure::InUse(1)), "{refused:?}");
    store.close().await.unwrap();
    let stored = dump(&to).await;
    let refused = file.copy(&to).await.unwrap_err();
    assert!(matches!(refused, CopyFailure::Foreign), "{refused:?}");
    assert_eq!(dump(&to).await, stored);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_without_a_mark_are_left_alone_and_an_empty_schema_is_not() {
    let file = File::with(2, 16).await;
    let to = database().await;
    countersign_store::postgres::migrate(&to).await.unwrap();
    psql(&to, "INSERT INTO project VALUES ('\\x01', '\\x02')").await;
    let refused = file.copy(&to).await.unwrap_err();
    assert!(matches!(refused, CopyFailure::Foreign), "{refused:?}");
    assert_eq!(psql(&to, "SELECT count(*) FROM meta").await, "0");
    psql(&to, "DELETE FROM project").await;
    file.copy(&to).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn another_programs_table_in_the_way_is_told() {
    let file = File::with(1, 17).await;
    let to = database().await;
    psql(&to, "CREATE TABLE meta (name TEXT)").await;
    let refused = file.copy(&to).await.unwrap_err();
    assert!(
        matches!(&refused, CopyFailure::Target(Failure::Migration(why)) if why.contains("meta")),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_does_not_answer_is_told() {
    let file = File::with(1, 18).await;
    let to = Settings::new("postgres://anna@127.0.0.1:1/codes");
    let refused = file.copy(&to).await.unwrap_err();
    assert!(matches!(&refused, CopyFailure::Target(Failure::Unreachable(_))), "{refused:?}");
    assert!(refused.fix().contains("start the database"), "{}", refused.fix());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_store_is_told_before_the_database_is_asked() {
    let nowhere = Settings::new("postgres://anna@127.0.0.1:1/codes");
    let file = File::new(19);
    let told = |file: File, to: Settings| async move { file.copy(&to).await.unwrap_err().to_string() };
    assert!(told(file, nowhere.clone()).await.starts_with("there is no file"));
    for content in [
        "",
        "not a database, but longer than nothing at all: a hundred bytes and more of it, to be sure of that",
    ] {
        let file = File::new(20);
        std::fs::write(file.path(), content).unwrap();
        let told = told(file, nowhere.clone()).await;
        assert!(told.ends_with("is not a store of countersign"), "{told}");
    }
    let file = File::with(1, 21).await;
    let connection = rusqlite::Connection::open(file.path()).unwrap();
    let newer = "INSERT INTO refinery_schema_history SELECT 99, 'later', applied_on, checksum FROM refinery_schema_history LIMIT 1";
    connection.execute(newer, []).unwrap();
    let told = told(file, nowhere).await;
    assert!(told.contains("is newer than this program's: 99 instead of "), "{told}");
}

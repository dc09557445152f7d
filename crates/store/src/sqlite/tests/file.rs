//! The file: who may open it, what is in it, what it survives.

use std::os::unix::fs::PermissionsExt as _;

use countersign_core::command::Answer;
use countersign_core::keys::{Root, RootId, RootState};
use countersign_core::limits::CLOCK_TOLERANCE;
use countersign_core::refusal::Refusal;
use countersign_core::store::Store as _;
use countersign_core::tenancy::AdminChange;
use countersign_core::time::Clock as _;
use countersign_sim::{Requests, test_ring};

use super::{Place, done, dump, requests};

const PHONE: &str = "+48600100217";

#[tokio::test]
async fn closing_and_opening_again_loses_nothing() {
    let place = Place::new();
    let store = place.open();
    let mine = requests(&store);
    store.administer(mine.admin(AdminChange::CreateProject(mine.project()))).await.unwrap();
    let begun = done(&store, Requests::once(mine.create(PHONE), "k", "b")).await;
    let row = begun.verification.clone();
    store.submit(mine.check(row.id, &mine.wrong_code_of(&row))).await.unwrap();
    let before = store.history(mine.tenant, row.id).await.unwrap().unwrap();
    store.close().await.unwrap();
    let stored = dump(&place.path());
    let store = place.open();
    assert_eq!(dump(&place.path()), stored);
    let after = store.history(mine.tenant, row.id).await.unwrap().unwrap();
    assert_eq!(after.entries, before.entries);
    assert_eq!(after.shown.verification, before.shown.verification);
    assert_eq!(
        (after.shown.recipient, after.shown.deliveries),
        (before.shown.recipient, before.shown.deliveries)
    );
    let twin = store.submit(Requests::once(mine.create(PHONE), "k", "b")).await.unwrap();
    assert_eq!((twin.answer, twin.replayed), (Answer::Done(Box::new(begun)), true));
    let mine = requests(&store);
    assert_eq!(done(&store, mine.check(row.id, &mine.code_of(&row))).await.verification.checks_used, 2);
}

#[tokio::test]
async fn what_was_acknowledged_is_in_the_files_before_they_are_closed() {
    let place = Place::new();
    let store = place.open();
    let begun = done(&store, requests(&store).create(PHONE)).await;
    // A copy of the files as they are now is what a killed process leaves behind.
    let copy = Place::new();
    for end in ["", "-wal"] {
        let name = format!("countersign.db{end}");
        std::fs::copy(place.directory.path().join(&name), copy.directory.path().join(&name)).unwrap();
    }
    let survivor = copy.open();
    let shown = survivor.verification(begun.verification.tenant, begun.verification.id).await.unwrap();
    assert_eq!(shown.map(|shown| shown.verification), Some(begun.verification));
}

#[tokio::test]
async fn time_does_not_go_behind_the_last_commit_over_a_restart() {
    let place = Place::new();
    let store = place.open();
    let begun = done(&store, requests(&store).create(PHONE)).await.verification;
    place.clock.set(begun.expires_at);
    let last = done(&store, requests(&store).create("ann@example.com")).await.verification;
    store.close().await.unwrap();
    place.clock.step_back(CLOCK_TOLERANCE);
    let store = place.open();
    let mine = requests(&store);
    let late = store.submit(mine.check(begun.id, &mine.code_of(&begun))).await.unwrap().answer;
    assert!(matches!(late, Answer::Refused(Refusal::Expired, _)), "{late:?}");
    let next = done(&store, mine.create_with("bob@example.com", |_| ())).await.verification;
    assert_eq!(next.created_at, last.created_at);
    assert!(place.clock.now() < next.created_at);
}

#[tokio::test]
async fn another_ring_is_refused_and_changes_nothing() {
    let place = Place::new();
    place.open().close().await.unwrap();
    let stored = dump(&place.path());
    let mut roots = test_ring();
    roots[0].secret[0] ^= 1;
    let refused = place.open_with(&roots).err().map(|failure| failure.to_string());
    let text = "the key ring's root-1 is not the one this database was written with";
    assert_eq!(refused.as_deref(), Some(text));
    assert_eq!(dump(&place.path()), stored);
    let second = Root { id: RootId(2), state: RootState::Active, secret: zeroize::Zeroizing::new([7; 32]) };
    let rotated = [Root { state: RootState::Retiring, ..test_ring().remove(0) }, second];
    place.open_with(&rotated).unwrap().close().await.unwrap();
    place.open_with(&rotated).unwrap().close().await.unwrap();
}

#[tokio::test]
async fn a_rotated_root_still_finds_and_checks_what_the_old_one_wrote() {
    let place = Place::new();
    let store = place.open();
    let begun = done(&store, requests(&store).create(PHONE)).await.verification;
    store.close().await.unwrap();
    let second = Root { id: RootId(2), state: RootState::Active, secret: zeroize::Zeroizing::new([7; 32]) };
    let rotated = [Root { state: RootState::Retiring, ..test_ring().remove(0) }, second];
    let store = place.open_with(&rotated).unwrap();
    let mine = requests(&store);
    let next = done(&store, mine.create(PHONE)).await.verification;
    assert_eq!(next.recipient, begun.recipient, "one person stays one ledger");
    assert_eq!(next.root, RootId(2));
    let checked = store.submit(mine.check(begun.id, &mine.code_of(&begun))).await.unwrap().answer;
    assert!(matches!(checked, Answer::Approved(..)), "{checked:?}");
    let filter = countersign_core::store::Filter { to: Some(mine.index(PHONE)), ..Default::default() };
    let page = store.verifications(mine.tenant, filter, None, 10).await.unwrap();
    assert_eq!(page.verifications.len(), 2);
}

#[tokio::test]
async fn a_newer_schema_is_refused_with_what_to_do() {
    let place = Place::new();
    place.open().close().await.unwrap();
    let sql = "INSERT INTO refinery_schema_history (version, name, applied_on, checksum)
               VALUES (999, 'of_tomorrow', '2030-01-01T00:00:00Z', '1')";
    place.aside().execute(sql, []).unwrap();
    let refused = place.open_with(&test_ring()).err().map(|failure| failure.to_string()).unwrap();
    assert!(refused.contains("needs that newer version"), "{refused}");
    assert!(refused.contains("of_tomorrow"), "{refused}");
}

#[tokio::test]
async fn only_the_owner_can_read_the_files() {
    let place = Place::new();
    let store = place.open();
    done(&store, requests(&store).create(PHONE)).await;
    for end in ["", "-wal", "-shm"] {
        let name = place.directory.path().join(format!("countersign.db{end}"));
        let mode = std::fs::metadata(&name).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", name.display());
    }
}

#[tokio::test]
async fn no_file_holds_code_recipient_or_what_was_said_about_a_person() {
    let place = Place::new();
    let store = place.open();
    let mine = requests(&store);
    let request = mine.create_with("canary.mail+tag@example.com", |create| {
        create.private.subject = Some("canary-subject".to_owned());
        create.private.session = Some("canary-session".to_owned());
        create.private.metadata = vec![("canary-key".to_owned(), "canary-value".to_owned())];
        create.private.ip = Some("198.51.100.77".to_owned());
        create.private.user_agent = Some("canary-agent".to_owned());
    });
    let mail = done(&store, Requests::once(request, "canary-once", "canary-body")).await.verification;
    let phone = done(&store, mine.create(PHONE)).await.verification;
    store.submit(mine.check(phone.id, &mine.wrong_code_of(&phone))).await.unwrap();
    done(&store, mine.check(phone.id, &mine.code_of(&phone))).await;
    let (codes, wrong) = ([mine.code_of(&mail), mine.code_of(&phone)], mine.wrong_code_of(&phone));
    let mut canaries = vec!["canary", "600100217", "198.51.100.77", &wrong];
    canaries.extend(codes.iter().map(String::as_str));
    let scan = || {
        let mut bytes = Vec::new();
        for file in std::fs::read_dir(place.directory.path()).unwrap() {
            bytes.extend(std::fs::read(file.unwrap().path()).unwrap());
        }
        let found = |text: &&&str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        let found: Vec<_> = canaries.iter().filter(found).copied().map(str::to_owned).collect();
        let control = bytes.windows(5).any(|window| window == b"relay");
        (found, control)
    };
    assert_eq!(scan(), (Vec::new(), true), "the scan sees the provider's name, and nothing of the person");
    store.close().await.unwrap();
    assert_eq!(scan(), (Vec::new(), true));
}

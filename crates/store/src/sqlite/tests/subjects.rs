//! Subjects in the file: what survives, what stands in it and what does not.

use std::time::Duration;

use countersign_core::challenge::Method;
use countersign_core::command::{Answer, Request};
use countersign_core::factor::backup_code;
use countersign_core::ids::FactorId;
use countersign_core::keys::sha256;
use countersign_core::oath::Algorithm;
use countersign_core::refusal::Refusal;
use countersign_core::store::Store as _;
use countersign_core::subject::{Act, Aim, Authority, FactorPlan, SubjectSnapshot};
use countersign_core::time::Clock as _;
use countersign_sim::Requests;
use countersign_sim::subjects::{Device, backup_list, hotp_of, hotp_token, listed_code, totp, totp_at};
use data_encoding::{BASE32_NOPAD, BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER};

use super::super::SqliteStore;
use super::{Place, dump, requests};

async fn shown(store: &SqliteStore, request: Request) -> SubjectSnapshot {
    match store.submit(request).await.unwrap().answer {
        Answer::Subject(snapshot) | Answer::Granted(snapshot, _) => *snapshot,
        other => panic!("{other:?}"),
    }
}

async fn declined(store: &SqliteStore, request: Request) -> Refusal {
    match store.submit(request).await.unwrap().answer {
        Answer::Declined(refusal, _) => refusal,
        other => panic!("{other:?}"),
    }
}

/// What was used before a process was killed is used after it.
#[tokio::test]
async fn steps_counters_and_lists_survive_a_kill() {
    let place = Place::new();
    let store = place.open();
    let mine = requests(&store);
    for (external_id, plan, code) in [
        ("ann", totp(), totp_at(place.clock.now(), 0)),
        ("ben", hotp_token(), hotp_of(3)),
        ("eve", backup_list(), listed_code(2)),
    ] {
        shown(&store, mine.enrol(external_id, plan)).await;
        shown(&store, mine.try_code(external_id, &code)).await;
    }
    // A copy of the files as they are now is what a killed process leaves behind.
    let copy = Place::new();
    for end in ["", "-wal"] {
        let name = format!("countersign.db{end}");
        std::fs::copy(place.directory.path().join(&name), copy.directory.path().join(&name)).unwrap();
    }
    let survivor = copy.open();
    let mine = requests(&survivor);
    let now = copy.clock.now();
    let used = [
        ("ann", totp_at(now, 0)),
        ("ann", totp_at(now, -1)),
        ("ben", hotp_of(3)),
        ("ben", hotp_of(0)),
        ("eve", listed_code(2)),
    ];
    for (external_id, code) in used {
        assert_eq!(declined(&survivor, mine.try_code(external_id, &code)).await, Refusal::CodeIncorrect);
    }
    shown(&survivor, mine.try_code("ben", &hotp_of(4))).await;
    copy.clock.advance(Duration::from_secs(60));
    shown(&survivor, mine.try_code("ann", &totp_at(copy.clock.now(), 0))).await;
}

#[tokio::test]
async fn a_name_changes_hands_within_one_batch() {
    let place = Place::new();
    let store = place.open();
    let mine = requests(&store);
    let old = shown(&store, mine.enrol("ann", totp())).await.subject.id;
    let release = store.hold().await;
    let steps = [
        mine.subject(mine.named("ben"), Act::Put(None)),
        mine.subject(mine.named("ben"), Act::Remove(Authority::Key)),
        mine.enrol("ben", totp()),
        mine.subject(mine.named("ann"), Act::Remove(Authority::Key)),
        mine.enrol("ann", totp()),
    ];
    let steps: Vec<_> = steps.into_iter().map(|step| store.submit(step)).collect();
    drop(release);
    let mut last = None;
    for step in steps {
        last = step.await.unwrap().answer.subject().map(|shown| shown.subject.id);
    }
    assert!(last.is_some_and(|id| id != old));
    let rows = dump(&place.path());
    let count = |table: &str| rows.iter().filter(|row| row.starts_with(&format!("{table}: "))).count();
    assert_eq!(["subject", "subject_index", "factor"].map(count), [4, 2, 3]);
}

/// Every spelling in which a secret could stand in a file.
fn spellings(secret: &[u8]) -> Vec<Vec<u8>> {
    let texts =
        [HEXLOWER, BASE32_NOPAD, BASE64_NOPAD, BASE64URL_NOPAD].map(|spelling| spelling.encode(secret));
    let cases = texts.iter().flat_map(|text| [text.clone(), text.to_uppercase(), text.to_lowercase()]);
    cases.map(String::into_bytes).chain([secret.to_vec()]).collect()
}

/// Uses everything in every way: enrolments with repetitions, right and wrong codes, a device, a new list, removals.
async fn live(
    store: &SqliteStore,
    mine: &Requests,
    secret: &[u8; 20],
    lists: &[Vec<[u8; 16]>; 2],
) -> FactorId {
    let bytes = || countersign_core::factor::SecretBytes(zeroize::Zeroizing::new(secret.to_vec()));
    let plan = FactorPlan::Totp { algorithm: Algorithm::Sha1, digits: 6, period: 30, secret: bytes() };
    for _ in 0..2 {
        let request = Requests::once(mine.enrol("canary-person", plan.clone()), "canary-key", "b");
        shown(store, request).await;
    }
    let [first, second] = lists.clone();
    let mut list = None;
    for _ in 0..2 {
        let enrol = mine.enrol("canary-person", FactorPlan::BackupCodes(first.clone()));
        list = shown(store, Requests::once(enrol, "list", "b")).await.factor;
    }
    let list = list.unwrap();
    shown(store, mine.try_code("canary-person", &backup_code(&first[0]))).await;
    declined(store, mine.try_code("canary-person", &backup_code(&second[0]))).await;
    let regenerate =
        || Requests::once(mine.subject(Aim::Factor(list), Act::Regenerate(second.clone())), "again", "b");
    for _ in 0..2 {
        shown(store, regenerate()).await;
    }
    shown(store, mine.try_code("canary-person", &backup_code(&second[1]))).await;
    let note = vec![("canary-note".to_owned(), "canary-value".to_owned())];
    shown(store, mine.subject(mine.named("canary-person"), Act::Put(Some(note)))).await;
    let to = "canary@example.com".to_owned();
    let known = Act::AddRecipient { to, verification: None, only_known: false };
    shown(store, mine.subject(mine.named("canary-person"), known)).await;
    let waiting = shown(store, mine.enrol("canary-person", FactorPlan::Push)).await;
    let device = Device::of(waiting.factor.unwrap(), [0x77; 32]);
    shown(store, device.enrol(mine, &waiting.subject)).await;
    let pushed = shown(store, mine.ask("canary-person", &[Method::Push])).await.challenge.unwrap();
    shown(store, device.approve(mine, &pushed)).await;
    waiting.factor.unwrap()
}

#[tokio::test]
async fn no_file_holds_a_secret_or_a_backup_code_in_any_spelling() {
    let place = Place::new();
    let store = place.open();
    let mine = requests(&store);
    let random = |seed: u8| sha256(&[seed]).0;
    let secret: [u8; 20] = std::array::from_fn(|at| random(0)[at]);
    let list = |seed| (seed..seed + 10).map(|nth| std::array::from_fn(|at| random(nth)[at])).collect();
    let lists = [list(1), list(101)];
    let device = live(&store, &mine, &secret, &lists).await;
    let row = store.subject(mine.tenant, Aim::Factor(device)).await.unwrap().unwrap().subject;
    let token =
        row.factor(device).unwrap().enrolment_token(&mine.keys, row.data_key.root, &row.tenant).unwrap();
    let data_key = row.open_data_key(&mine.keys).unwrap();
    let mut canaries = vec![b"canary".to_vec(), token.into_bytes()];
    canaries.extend(spellings(&secret));
    canaries.extend(spellings(data_key.as_slice()));
    for code in lists.iter().flatten() {
        canaries.extend(spellings(code));
        let spoken = backup_code(code).to_string();
        canaries.extend([spoken.replace('-', ""), spoken.to_lowercase(), spoken].map(String::into_bytes));
    }
    let scan = || {
        let mut bytes = Vec::new();
        for file in std::fs::read_dir(place.directory.path()).unwrap() {
            bytes.extend(std::fs::read(file.unwrap().path()).unwrap());
        }
        let holds = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
        (canaries.iter().filter(|text| holds(text)).count(), holds(row.id.as_bytes()))
    };
    assert_eq!(scan(), (0, true), "the scan sees the subject's id, and nothing of its secrets");
    store.close().await.unwrap();
    assert_eq!(scan(), (0, true));
}

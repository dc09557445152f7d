//! After a copy every read answers as before, and what was begun goes on.

use std::time::Duration;

use countersign_core::command::{Answer, Command, Job};
use countersign_core::limits::LEASE;
use countersign_core::refusal::Refusal;
use countersign_core::setting::SettingKind;
use countersign_core::store::{Filter, Retention, Store};
use countersign_core::subject::{Act, Aim};
use countersign_core::time::Clock as _;
use countersign_core::verification::Status;
use countersign_sim::Requests;
use countersign_sim::subjects::{listed_code, totp_at};

use crate::bench::number_journal;

use super::{File, PHONE, Story, answer, database, done, dump, key, psql, requests, story, test_tenant};

/// What every read of the port answers.
async fn told(store: &dyn Store, mine: &Requests) -> Vec<String> {
    let mut told = Vec::new();
    let every = |filter| store.verifications(mine.tenant, filter, None, 100);
    let all = every(Filter::default()).await.unwrap();
    for shown in &all.verifications {
        let id = shown.verification.id;
        told.push(format!("{:?}", store.verification(mine.tenant, id).await.unwrap().unwrap()));
        told.push(format!("{:?}", store.history(mine.tenant, id).await.unwrap().unwrap()));
    }
    for to in ["ann@example.com", "dora@example.com", PHONE] {
        told.push(format!("{:?}", every(Filter { to: Some(mine.index(to)), ..Filter::default() }).await));
    }
    for status in ["pending", "approved", "canceled", "expired", "max_attempts", "failed"] {
        let filter = Filter { status: Some(status.to_owned()), ..Filter::default() };
        told.push(format!("{status} {:?}", every(filter).await.unwrap()));
    }
    let page = store.verifications(mine.tenant, Filter::default(), None, 2).await.unwrap();
    told.push(format!("{page:?}"));
    told.push(format!("{:?}", store.verifications(mine.tenant, Filter::default(), page.next, 100).await));
    for tenant in [mine.tenant, test_tenant(mine)] {
        told.push(format!("{:?}", store.outbox(tenant, None, None, 100).await.unwrap()));
    }
    told.extend(told_of_subjects(store, mine).await);
    told.push(format!("{:?}", store.key(key(mine).prefix).await.unwrap().unwrap()));
    told.push(format!("{:?}", store.projects().await.unwrap()));
    told.push(format!("{:?}", store.keys(mine.tenant.project).await.unwrap()));
    told.push(format!("{:?}", store.settings(mine.tenant, SettingKind::RateLimit).await.unwrap()));
    let about = countersign_core::receipt::About::Message("m1".to_owned());
    let found = store.addressee(countersign_sim::GATEWAY.to_owned(), about).await.unwrap();
    told.push(format!("{:?}", found.unwrap()));
    let spent = store.budgets(super::TODAY).await.unwrap();
    assert_eq!(spent.len(), 2);
    told.push(format!("{spent:?}"));
    told.push(format!("{:?}", store.journal(0, 1_000).await.unwrap()));
    told.push(format!("{:?}", store.journal(3, 2).await.unwrap()));
    told
}

async fn told_of_subjects(store: &dyn Store, mine: &Requests) -> Vec<String> {
    let mut told = Vec::new();
    for tenant in [mine.tenant, test_tenant(mine)] {
        let page = store.subjects(tenant, None, 100).await.unwrap();
        assert_eq!(page.subjects.len(), 1, "who was removed is not listed");
        for factor in page.subjects.iter().flat_map(|row| &row.factors) {
            assert_eq!(store.tenant_of_factor(factor.id).await.unwrap(), Some(tenant));
            told.push(format!("{:?}", store.subject(tenant, Aim::Factor(factor.id)).await.unwrap()));
        }
        let name = mine.of_tenant(tenant).named("ann");
        told.push(format!("{:?}", store.subject(tenant, name).await.unwrap().unwrap()));
        let challenges = store.challenges(tenant, None, None, 100).await.unwrap();
        for (challenge, subject) in &challenges.challenges {
            told.push(format!("{:?}", store.subject(tenant, Aim::Challenge(challenge.id)).await.unwrap()));
            told.push(format!("{:?}", store.challenges(tenant, Some(subject.id), None, 1).await.unwrap()));
        }
        told.push(format!("{page:?} {challenges:?}"));
    }
    assert!(store.subject(mine.tenant, mine.named("ben")).await.unwrap().is_none());
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn every_read_answers_the_same_on_both() {
    let Story { file, .. } = story().await;
    let to = database().await;
    let report = file.copy(&to).await.unwrap();
    assert!(!report.was_complete && report.tables.iter().all(|table| table.source == table.target));
    let rows = |name| report.tables.iter().find(|table| table.table == name).unwrap().target;
    assert_eq!(report.tables.iter().map(|table| table.target).sum::<u64>(), report.written);
    let of_people = ["subject", "subject_index", "factor", "challenge"].map(rows);
    assert_eq!(of_people, [3, 2, 4, 3], "{report:?}");
    assert!(
        rows("verification") == 8 && rows("delivery") == 7 && rows("once") == 2 && rows("sent_message") == 1,
        "{report:?}"
    );
    let (old, new) = (file.open(), file.served_by(&to).await.unwrap());
    let (before, after) =
        (told(&old, &requests(&old.keys())).await, told(&new, &requests(&new.keys())).await);
    assert!(before.iter().any(|told| told.contains("Approved")));
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(before, after);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_begun_before_goes_on_after() {
    let Story { file, pending, guessed, approved, waiting } = story().await;
    let to = database().await;
    file.copy(&to).await.unwrap();
    let store = file.served_by(&to).await.unwrap();
    let mine = requests(&store.keys());

    let twin = store.submit(Requests::once(mine.create(PHONE), "start", "b")).await.unwrap();
    assert!(twin.replayed, "an idempotency key tells its outcome again");
    assert_eq!(twin.answer.snapshot().unwrap().verification, pending);
    let check = || mine.check(approved.id, &mine.code_of(&approved));
    assert!(store.submit(Requests::once(check(), "approve", "b")).await.unwrap().replayed);
    assert!(matches!(answer(&store, check()).await, Answer::Refused(Refusal::AlreadyApproved, _)));

    let new = done(&store, mine.check(pending.id, &mine.code_of(&pending))).await;
    assert!(matches!(new.verification.status, Status::Approved), "{new:?}");
    let used = answer(&store, mine.try_code("ann", &totp_at(file.clock.now(), 0))).await;
    assert!(matches!(used, Answer::Declined(Refusal::CodeIncorrect, _)), "a used step stays used: {used:?}");
    let granted = answer(&store, mine.try_code("ann", &listed_code(1))).await;
    assert!(matches!(granted, Answer::Granted(..)), "{granted:?}");
    let put = answer(&store, mine.subject(mine.named("ben"), Act::Put(None))).await;
    let old = store.subjects(mine.tenant, None, 10).await.unwrap().subjects.len();
    assert!(matches!(put, Answer::Subject(_)) && old == 2, "a name that was given back is free: {put:?}");
    let wrong = answer(&store, mine.check(guessed.id, &mine.wrong_code_of(&guessed))).await;
    assert_eq!(wrong.snapshot().unwrap().verification.checks_used, 2, "{wrong:?}");

    file.clock.advance(LEASE);
    let due = |jobs: Vec<Job>| jobs.iter().map(|job| job.delivery.id).collect::<Vec<_>>();
    let claimed = store.claim(100).await.unwrap();
    assert!(claimed.iter().any(|job| job.verification.id == waiting.id));
    assert_eq!(due(claimed), due(file.open().claim(100).await.unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_pauses_and_sends_go_on_counting() {
    let file = File::new(6);
    let store = file.open();
    let mut mine = requests(&store.keys());
    mine.limits_apply = true;
    for _ in 0..4 {
        let row = done(&store, mine.create("ann@example.com")).await.verification;
        answer(&store, mine.check(row.id, &mine.wrong_code_of(&row))).await;
        file.clock.advance(Duration::from_secs(1));
    }
    store.close().await.unwrap();
    let to = database().await;
    file.copy(&to).await.unwrap();
    let store = file.served_by(&to).await.unwrap();
    let mut mine = requests(&store.keys());
    mine.limits_apply = true;
    let fifth = done(&store, mine.create("ann@example.com")).await.verification;
    answer(&store, mine.check(fifth.id, &mine.wrong_code_of(&fifth))).await;
    let paused = answer(&store, mine.check(fifth.id, &mine.code_of(&fifth))).await;
    assert!(matches!(paused, Answer::Refused(Refusal::RecipientPaused(_), _)), "{paused:?}");
    let sixth = answer(&store, mine.create("ann@example.com")).await;
    assert!(matches!(sixth, Answer::Refused(..)), "five sends in ten minutes: {sixth:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_and_its_clock_go_on_behind_the_last_entry() {
    let file = File::with(3, 7).await;
    let to = database().await;
    file.copy(&to).await.unwrap();
    file.clock.step_back(countersign_core::limits::CLOCK_TOLERANCE);
    let before = file.clock.now();
    let store = file.served_by(&to).await.unwrap();
    let mine = Requests::new(store.keys(), 2);
    let row = done(&store, mine.create(PHONE)).await.verification;
    assert!(row.created_at > before, "time never goes behind the last commit");
    done(&store, mine.of(Command::Cancel(row.id))).await;
    number_journal(&store).await;
    let journal = store.journal(0, 100).await.unwrap();
    assert_eq!(journal.iter().map(|entry| entry.number).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert!(journal.is_sorted_by_key(|entry| entry.entry.at));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_retention_has_cut_keeps_its_numbers_and_is_cut_on() {
    const DAY: Duration = Duration::from_secs(86_400);
    let file = File::with(3, 8).await;
    let store = file.open();
    let mine = Requests::new(store.keys(), 2);
    file.clock.advance(DAY * 2);
    for _ in 0..2 {
        done(&store, mine.create(PHONE)).await;
    }
    let keep = |days| Retention { verifications: DAY * 30, journal: DAY * days };
    store.retire(keep(1), 2).await.unwrap();
    file.clock.advance(DAY * 2);
    done(&store, mine.create(PHONE)).await;
    let numbered = store.journal(0, 100).await.unwrap();
    assert_eq!(numbered[0].number, 3);
    store.close().await.unwrap();
    let to = database().await;
    file.copy(&to).await.unwrap();
    assert_eq!(psql(&to, "SELECT first, n, length FROM journal_run ORDER BY 1").await, "3|3|1\n4|4|2\n6|6|3");
    let store = file.served_by(&to).await.unwrap();
    assert_eq!(store.journal(0, 100).await.unwrap(), numbered);
    store.retire(keep(1), 100).await.unwrap();
    let left = store.journal(0, 100).await.unwrap();
    assert_eq!(left.first().map(|entry| entry.number), Some(6));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_without_a_journal_begins_with_its_first_entry() {
    let file = File::with(0, 9).await;
    let to = database().await;
    assert_eq!(file.copy(&to).await.unwrap().written, 0);
    let store = file.served_by(&to).await.unwrap();
    let row = done(&store, requests(&store.keys()).create(PHONE)).await.verification;
    number_journal(&store).await;
    let journal = store.journal(0, 100).await.unwrap();
    assert_eq!((journal.len(), journal[0].number, journal[0].entry.verification), (1, 1, Some(row.id)));
}

#[tokio::test(flavor = "multi_thread")]
async fn copying_a_second_time_changes_nothing() {
    let Story { file, .. } = story().await;
    let to = database().await;
    let first = file.copy(&to).await.unwrap();
    let stored = dump(&to).await;
    let second = file.copy(&to).await.unwrap();
    assert!(second.was_complete && second.written == 0);
    assert_eq!(second.tables, first.tables);
    assert_eq!(dump(&to).await, stored);
}

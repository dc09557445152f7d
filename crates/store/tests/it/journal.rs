//! The memory engine shows its whole journal: one entry per state change, and none for what changed nothing.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::command::Command;
use countersign_core::delivery::DeliveryState;
use countersign_core::store::Store as _;
use countersign_core::tenancy::AdminChange;
use countersign_core::verification::{Purpose, Report};
use countersign_sim::{FakeClock, Requests, test_keys};
use countersign_store::memory::MemoryStore;

#[tokio::test]
async fn one_entry_per_state_change() {
    let clock = Arc::new(FakeClock::default());
    let store = MemoryStore::new(clock.clone(), test_keys(), Arc::new(|_| ()));
    let requests = Requests::new(test_keys(), 1);
    let start = |subject: &str| {
        requests.create_with("ann@example.com", |create| {
            create.private.subject = Some(subject.to_owned());
            create.purpose = Purpose::Recovery;
        })
    };
    store.administer(requests.admin(AdminChange::CreateProject(requests.project()))).await.unwrap();
    let first = store.submit(start("a")).await.unwrap().answer;
    let second = store.submit(start("a")).await.unwrap().answer;
    let second = second.snapshot().unwrap();
    let (row, delivery) = (&second.verification, second.delivery.clone().unwrap().id);
    let commands = [
        requests.sent(delivery, DeliveryState::Sent),
        requests.check(row.id, "12"),
        requests.check(first.snapshot().unwrap().verification.id, "123456"),
        requests.check(row.id, &requests.wrong_code_of(row)),
        requests.resend(row.id),
        requests.check(row.id, &requests.code_of(row)),
        requests.check(row.id, &requests.code_of(row)),
        requests.of(Command::Report(row.id, Report::Fraud)),
        requests.of(Command::Report(row.id, Report::Fraud)),
        requests.of(Command::Cancel(row.id)),
    ];
    for command in commands {
        clock.advance(Duration::from_secs(1));
        store.submit(command).await.unwrap();
    }
    store.claim(10).await.unwrap();
    let journal = store.journal();
    let told: Vec<_> = journal.iter().map(|entry| entry.event.name()).collect();
    let expected = [
        "project.created",
        "verification.created",
        "verification.canceled",
        "verification.created",
        "check.rejected",
        "verification.resent",
        "verification.approved",
        "verification.reported",
    ];
    assert_eq!(told, expected);
    let mut ids: Vec<_> = journal.iter().map(|entry| entry.id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), journal.len(), "every entry has an id of its own");
}

//! The journal: one entry per state change, and none for what changed nothing; numbered without gaps.

use std::time::Duration;

use countersign_core::command::Command;
use countersign_core::delivery::DeliveryState;
use countersign_core::store::Numbered;
use countersign_core::tenancy::AdminChange;
use countersign_core::verification::{Purpose, Report};

use crate::bench::Bench;

pub(crate) async fn one_entry_per_state_change(bench: &Bench) {
    let (store, requests) = (&bench.store, &bench.requests);
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
        bench.clock.advance(Duration::from_secs(1));
        store.submit(command).await.unwrap();
    }
    store.claim(10).await.unwrap();
    let journal = bench.journal().await;
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

pub(crate) async fn entries_are_numbered_from_one_without_gaps(bench: &Bench) {
    let starts =
        (0..40).map(|n| bench.store.submit(bench.requests.create(&format!("person{n}@example.com"))));
    for start in starts.collect::<Vec<_>>() {
        start.await.unwrap();
    }
    assert_eq!(bench.journal().await.len(), 40);
    let numbers = |entries: Vec<Numbered>| entries.iter().map(|entry| entry.number).collect::<Vec<_>>();
    assert_eq!(numbers(bench.store.journal(0, 100).await.unwrap()), Vec::from_iter(1..=40));
    assert_eq!(numbers(bench.store.journal(7, 3).await.unwrap()), [8, 9, 10]);
    assert_eq!(numbers(bench.store.journal(40, 3).await.unwrap()), [0; 0]);
    bench.begin("late@example.com").await;
    bench.journal().await;
    assert_eq!(numbers(bench.store.journal(39, 100).await.unwrap()), [40, 41]);
}

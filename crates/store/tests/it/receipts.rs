//! Receipts: they find their delivery, whoever sent it; those that come too early wait; none is carried out twice.

use std::time::Duration;

use countersign_core::command::{Answer, Command};
use countersign_core::delivery::DeliveryState;
use countersign_core::ids::DeliveryId;
use countersign_core::limits::{EARLY_RECEIPT_KEPT, MESSAGE_KEPT};
use countersign_core::receipt::{About, Fate, Told};
use countersign_core::refusal::Refusal;
use countersign_core::store::{EarlyReceipts, Retention, Store as _};
use countersign_core::verification::{Status, Verification};
use countersign_sim::GATEWAY;

use crate::bench::Bench;
use crate::nodes::{Cluster, requests};

const PHONE: &str = "+48600100217";
const MILLI: Duration = Duration::from_millis(1);

/// A verification whose message the gateway took under this name.
async fn sent(bench: &Bench, to: &str, message: &str) -> (Verification, DeliveryId) {
    let begun = bench.done(bench.requests.create(to)).await;
    let delivery = begun.delivery.unwrap().id;
    bench.done(bench.requests.taken(delivery, message)).await;
    (begun.verification, delivery)
}

async fn addressee(bench: &Bench, about: About) -> Option<DeliveryId> {
    let found = bench.store.addressee(GATEWAY.to_owned(), about).await.unwrap();
    assert!(found.is_none_or(|(tenant, _)| tenant == bench.requests.tenant));
    found.map(|(_, delivery)| delivery)
}

fn named(message: &str) -> About {
    About::Message(message.to_owned())
}

fn failed() -> Fate {
    Fate::Failed { class: "unavailable".to_owned(), detail: "switched off".to_owned() }
}

async fn state(bench: &Bench, verification: &Verification) -> DeliveryState {
    bench.shown(verification.id).await.deliveries[0].state
}

pub(crate) async fn a_receipt_finds_its_delivery_and_moves_it(bench: &Bench) {
    bench.found().await;
    let (verification, delivery) = sent(bench, PHONE, "m1").await;
    assert_eq!(addressee(bench, named("m1")).await, Some(delivery));
    assert_eq!(addressee(bench, About::Delivery(delivery)).await, Some(delivery));
    assert_eq!(addressee(bench, named("m2")).await, None);
    assert_eq!(addressee(bench, About::Delivery(DeliveryId::from_bytes([9; 16]))).await, None);
    let other = bench.store.addressee("other".to_owned(), named("m1")).await.unwrap();
    assert_eq!(other, None, "each provider has names of its own");
    bench.done(bench.requests.receipt("m1", Fate::Delivered, Some(delivery))).await;
    assert_eq!(state(bench, &verification).await, DeliveryState::Delivered);
    assert_eq!(bench.events(verification.id).await, ["verification.created", "delivery.delivered"]);
}

pub(crate) async fn a_provider_without_receipts_leaves_no_row(bench: &Bench) {
    let delivery = bench.done(bench.requests.create(PHONE)).await.delivery.unwrap().id;
    let mut request = bench.requests.taken(delivery, "m1");
    if let Command::Sent(sent) = &mut request.command {
        sent.receipts = false;
    }
    bench.done(request).await;
    assert_eq!(addressee(bench, named("m1")).await, None);
}

pub(crate) async fn repetitions_in_one_batch_count_once(bench: &Bench) {
    let (verification, delivery) = sent(bench, PHONE, "m1").await;
    let receipts = [Fate::Delivered, Fate::Delivered, failed(), Fate::Underway, Fate::Delivered];
    let queued: Vec<_> = receipts
        .into_iter()
        .map(|fate| bench.store.submit(bench.requests.receipt("m1", fate, Some(delivery))))
        .collect();
    for outcome in queued {
        assert!(matches!(outcome.await.unwrap().answer, Answer::Done(_)));
    }
    assert_eq!(state(bench, &verification).await, DeliveryState::Delivered);
    assert_eq!(bench.events(verification.id).await, ["verification.created", "delivery.delivered"]);
}

pub(crate) async fn an_early_receipt_waits_and_is_struck_out_once_it_was_of_use(bench: &Bench) {
    let begun = bench.done(bench.requests.create(PHONE)).await;
    let delivery = begun.delivery.unwrap().id;
    // Twice, and in one batch: it waits once.
    let early = || bench.store.submit(bench.requests.receipt("m1", Fate::Delivered, None));
    let twins = [early(), early()];
    for twin in twins {
        assert_eq!(twin.await.unwrap().answer, Answer::Refused(Refusal::NotFound, None));
    }
    let waits = EarlyReceipts { known: Vec::new(), waiting: 1 };
    assert_eq!(bench.store.early_receipts(10).await.unwrap(), waits);
    bench.done(bench.requests.taken(delivery, "m1")).await;
    let now = bench.store.early_receipts(10).await.unwrap();
    let [known] = now.known.as_slice() else { panic!("{now:?}") };
    assert_eq!((known.tenant, known.delivery), (bench.requests.tenant, delivery));
    assert_eq!(known.receipt.fate, Fate::Delivered);
    let told = || Told {
        provider: known.key.provider.clone(),
        receipt: known.receipt.clone(),
        of: Some(delivery),
        kept: true,
    };
    for _ in 0..2 {
        bench.done(bench.requests.of(Command::Receipt(Box::new(told())))).await;
    }
    assert_eq!(bench.store.early_receipts(10).await.unwrap(), EarlyReceipts::default());
    assert_eq!(bench.events(begun.verification.id).await, ["verification.created", "delivery.delivered"]);
}

pub(crate) async fn an_early_receipt_that_names_a_delivery_is_known_at_once(bench: &Bench) {
    let delivery = bench.done(bench.requests.create(PHONE)).await.delivery.unwrap().id;
    let mut request = bench.requests.receipt("", failed(), Some(delivery));
    if let Command::Receipt(told) = &mut request.command {
        told.receipt.about = About::Delivery(delivery);
    }
    bench.done(request).await;
    let early = bench.store.early_receipts(10).await.unwrap();
    let [known] = early.known.as_slice() else { panic!("{early:?}") };
    assert_eq!((known.tenant, known.delivery), (bench.requests.tenant, delivery));
    assert_eq!(known.receipt.about, About::Delivery(delivery));
    assert_eq!(bench.store.early_receipts(0).await.unwrap().known, [], "no more than asked");
}

pub(crate) async fn a_name_that_comes_again_leads_to_its_latest_message(bench: &Bench) {
    let (_, first) = sent(bench, PHONE, "m1").await;
    let (_, second) = sent(bench, "+48600100218", "m1").await;
    assert_ne!(first, second);
    assert_eq!(addressee(bench, named("m1")).await, Some(second));
}

pub(crate) async fn names_and_waiting_receipts_are_removed_in_time(bench: &Bench) {
    bench.found().await;
    let keep = Retention::default();
    let (_, delivery) = sent(bench, PHONE, "m1").await;
    bench.answer(bench.requests.receipt("m2", Fate::Delivered, None)).await;
    bench.clock.advance(EARLY_RECEIPT_KEPT);
    assert_eq!(bench.store.retire(keep, 100).await.unwrap(), 0);
    bench.clock.advance(MILLI);
    assert_eq!(bench.store.retire(keep, 100).await.unwrap(), 1);
    assert_eq!(bench.store.early_receipts(10).await.unwrap().waiting, 0);
    bench.clock.advance(MESSAGE_KEPT - EARLY_RECEIPT_KEPT - MILLI);
    assert_eq!(bench.store.retire(keep, 100).await.unwrap(), 0);
    assert_eq!(addressee(bench, named("m1")).await, Some(delivery));
    bench.clock.advance(MILLI);
    assert_eq!(bench.store.retire(keep, 100).await.unwrap(), 1);
    assert_eq!(addressee(bench, named("m1")).await, None);
}

pub(crate) async fn receipts_beside_checks_approve_nothing_and_are_told_once(bench: &Bench) {
    let (verification, delivery) = sent(bench, PHONE, "m1").await;
    let code = bench.requests.code_of(&verification);
    let mut queued = Vec::new();
    for n in 0..40 {
        let fate = if n % 2 == 0 { Fate::Delivered } else { failed() };
        queued.push(bench.store.submit(bench.requests.receipt("m1", fate, Some(delivery))));
        queued.push(bench.store.submit(bench.requests.check(verification.id, &code)));
    }
    let mut approvals = 0;
    for outcome in queued {
        approvals += usize::from(matches!(outcome.await.unwrap().answer, Answer::Approved(..)));
    }
    assert_eq!(approvals, 1);
    assert_eq!(bench.shown(verification.id).await.verification.status, Status::Approved);
    assert_eq!(state(bench, &verification).await, DeliveryState::Delivered);
    let told = bench.events(verification.id).await;
    let of = |name| told.iter().filter(|event| **event == name).count();
    assert_eq!(of("delivery.delivered"), 1);
    assert!(
        of("delivery.undelivered") <= 1,
        "what failed may have arrived after all, not the other way round"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn whichever_node_sent_a_message_any_node_finds_it() {
    let cluster = Cluster::new().await;
    let (a, b) = cluster.two_at_work().await;
    let (of_a, of_b) = (requests(&a, 1), requests(&b, 2));
    let done = |answer: Answer| match answer {
        Answer::Done(snapshot) => *snapshot,
        other => panic!("{other:?}"),
    };
    let begun = done(a.submit(of_a.create(PHONE)).await.unwrap().answer);
    let delivery = begun.delivery.unwrap().id;
    // The receipt is at the one node before the other has written down what became of the message.
    b.submit(of_b.receipt("m1", Fate::Delivered, None)).await.unwrap();
    a.submit(of_a.taken(delivery, "m1")).await.unwrap();
    for node in [&a, &b] {
        let found = node.addressee(GATEWAY.to_owned(), named("m1")).await.unwrap();
        assert_eq!(found, Some((of_a.tenant, delivery)));
        assert_eq!(node.early_receipts(10).await.unwrap().known.len(), 1);
    }
    // Both carry it out at the same time.
    let told = |mine: &countersign_sim::Requests| {
        let mut request = mine.receipt("m1", Fate::Delivered, Some(delivery));
        if let Command::Receipt(told) = &mut request.command {
            told.kept = true;
        }
        request
    };
    let (one, other) = tokio::join!(a.submit(told(&of_a)), b.submit(told(&of_b)));
    assert!(one.is_ok() && other.is_ok());
    assert_eq!(a.early_receipts(10).await.unwrap(), EarlyReceipts::default());
    let history = b.history(of_b.tenant, begun.verification.id).await.unwrap().unwrap();
    assert_eq!(history.shown.deliveries[0].state, DeliveryState::Delivered);
    assert_eq!(history.entries.len(), 2);
    assert_eq!(cluster.count("SELECT count(*) FROM sent_message").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_gives_no_receipts_writes_no_row_more_than_before() {
    let cluster = Cluster::new().await;
    let node = cluster.node(1).await;
    let mine = requests(&node, 1);
    for n in 0..20 {
        let begun = node.submit(mine.create(&format!("person{n}@example.com"))).await.unwrap().answer;
        let Answer::Done(begun) = begun else { panic!("{begun:?}") };
        node.submit(mine.sent(begun.delivery.unwrap().id, DeliveryState::Sent)).await.unwrap();
        let check = mine.check(begun.verification.id, &mine.code_of(&begun.verification));
        assert!(matches!(node.submit(check).await.unwrap().answer, Answer::Approved(..)));
    }
    for (table, rows) in [("sent_message", 0), ("early_receipt", 0), ("delivery", 20), ("journal", 40)] {
        assert_eq!(cluster.count(&format!("SELECT count(*) FROM {table}")).await, rows, "{table}");
    }
}

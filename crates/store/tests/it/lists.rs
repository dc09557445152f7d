//! Pages and filters.

use std::time::Duration;

use countersign_core::command::Command;
use countersign_core::ids::VerificationId;
use countersign_core::store::Filter;
use countersign_core::tenancy::AdminChange;
use countersign_core::tenant::{Mode, Tenant};
use countersign_core::time::Clock as _;
use countersign_core::verification::{Channel, Purpose};

use crate::bench::Bench;

const SECOND: Duration = Duration::from_secs(1);

async fn list(bench: &Bench, filter: Filter) -> Vec<VerificationId> {
    let page = bench.store.verifications(bench.requests.tenant, filter, None, 100).await.unwrap();
    assert_eq!(page.next, None);
    page.verifications.iter().map(|shown| shown.verification.id).collect()
}

pub(crate) async fn pages_follow_the_cursor_to_the_end(bench: &Bench) {
    let mut begun = Vec::new();
    for n in 0..7 {
        begun.push(bench.begin(&format!("person{n}@example.com")).await.id);
        bench.clock.advance(SECOND);
    }
    begun.reverse();
    let (mut told, mut before, mut sizes) = (Vec::new(), None, Vec::new());
    loop {
        let tenant = bench.requests.tenant;
        let page = bench.store.verifications(tenant, Filter::default(), before, 3).await.unwrap();
        sizes.push(page.verifications.len());
        told.extend(page.verifications.iter().map(|shown| shown.verification.id));
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(told, begun);
    assert_eq!(sizes, [3, 3, 1]);
    let tenant = bench.requests.tenant;
    let exactly = bench.store.verifications(tenant, Filter::default(), None, 7).await.unwrap();
    assert_eq!((exactly.verifications.len(), exactly.next), (7, None));
}

pub(crate) async fn every_filter_narrows_and_all_must_match(bench: &Bench) {
    let requests = &bench.requests;
    let polish = bench.begin("+48600100217").await;
    bench.clock.advance(SECOND);
    let spoken = requests.create_with("+48600100218", |create| create.channel = Some(Channel::Voice));
    let spoken = bench.done(spoken).await.verification;
    bench.clock.advance(SECOND);
    let recovery = requests.create_with("ann@example.com", |create| {
        create.purpose = Purpose::Recovery;
        create.private.subject = Some("customer-7".to_owned());
    });
    let recovery = bench.done(recovery).await.verification;
    bench.done(requests.of(Command::Cancel(spoken.id))).await;
    let none = Filter::default;
    let status = |status: &str| Filter { status: Some(status.to_owned()), ..none() };
    assert_eq!(list(bench, none()).await, [recovery.id, spoken.id, polish.id]);
    assert_eq!(list(bench, status("canceled")).await, [spoken.id]);
    assert_eq!(list(bench, status("pending")).await, [recovery.id, polish.id]);
    let voice = Filter { channel: Some(Channel::Voice), ..none() };
    assert_eq!(list(bench, voice).await, [spoken.id]);
    let purpose = Filter { purpose: Some(Purpose::Recovery), ..none() };
    assert_eq!(list(bench, purpose).await, [recovery.id]);
    let poland = Filter { country: Some(*b"PL"), ..none() };
    assert_eq!(list(bench, poland.clone()).await, [spoken.id, polish.id]);
    let both = Filter { status: Some("pending".to_owned()), ..poland };
    assert_eq!(list(bench, both).await, [polish.id]);
    let to = Filter { to: Some(requests.index("+48600100217")), ..none() };
    assert_eq!(list(bench, to).await, [polish.id]);
    let subject = recovery.binding.subject.map(|digest| vec![digest]);
    assert_eq!(list(bench, Filter { subject, ..none() }).await, [recovery.id]);
    let after = Filter { created_after: Some(spoken.created_at), ..none() };
    assert_eq!(list(bench, after).await, [recovery.id, spoken.id]);
    let before = Filter { created_before: Some(spoken.created_at), ..none() };
    assert_eq!(list(bench, before).await, [polish.id]);
    bench.clock.set(polish.expires_at);
    assert_eq!(list(bench, status("expired")).await, [polish.id]);
}

pub(crate) async fn spellings_of_a_mailbox_are_told_apart(bench: &Bench) {
    let plain = bench.begin("ann@example.com").await;
    bench.clock.advance(SECOND);
    let tagged = bench.begin("Ann+news@example.com").await;
    assert_eq!(plain.recipient, tagged.recipient, "they share one ledger");
    let to = |text| Filter { to: Some(bench.requests.index(text)), ..Filter::default() };
    assert_eq!(list(bench, to("ann@example.com")).await, [plain.id]);
    assert_eq!(list(bench, to("Ann+news@example.com")).await, [tagged.id]);
    assert!(list(bench, to("ann+other@example.com")).await.is_empty());
}

pub(crate) async fn a_test_tenant_is_listed_by_its_own_clock(bench: &Bench) {
    bench.found().await;
    let tenant = Tenant { mode: Mode::Test, ..bench.requests.tenant };
    let mut requests = bench.requests.of_tenant(tenant);
    let early = bench.done(requests.create("+48600100217")).await.verification;
    let day = Duration::from_secs(86_400);
    bench.administer(AdminChange::AdvanceTestClock(tenant.project, day.as_secs())).await;
    requests.clock_ahead = day;
    bench.clock.advance(SECOND);
    let late = bench.done(requests.create("+48600100218")).await.verification;
    assert_eq!(late.created_at, bench.clock.now().plus(day));
    let list = |filter| async move {
        let page = bench.store.verifications(tenant, filter, None, 10).await.unwrap();
        page.verifications.iter().map(|shown| shown.verification.id).collect::<Vec<_>>()
    };
    let status = |status: &str| Filter { status: Some(status.to_owned()), ..Filter::default() };
    assert_eq!(list(status("expired")).await, [early.id]);
    assert_eq!(list(status("pending")).await, [late.id]);
    let after = Filter { created_after: Some(late.created_at), ..Filter::default() };
    assert_eq!(list(after).await, [late.id]);
}

//! What is written is read back, by its owner only.

use std::time::Duration;

use countersign_core::command::{Answer, Command};
use countersign_core::delivery::DeliveryState;
use countersign_core::ids::ProjectId;
use countersign_core::journal::{Actor, Event};
use countersign_core::limits::CLOCK_TOLERANCE;
use countersign_core::refusal::Refusal;
use countersign_core::store::{Filter, Unavailable};
use countersign_core::tenant::{Mode, Tenant};
use countersign_core::time::{Clock as _, ClockWentBack};
use countersign_core::verification::{Block, Report, Status};

use crate::bench::Bench;

const PHONE: &str = "+48600100217";

pub(crate) async fn a_start_is_read_back_as_it_was_answered(bench: &Bench) {
    let answered = bench.done(bench.requests.create(PHONE)).await;
    let shown = bench.shown(answered.verification.id).await;
    assert_eq!(shown.verification, answered.verification);
    assert_eq!(shown.deliveries, Vec::from_iter(answered.delivery.clone()));
    assert_eq!(shown.recipient.open_data_key(&bench.requests.keys).map(|key| key.len()), Some(32));
    let policy = &bench.requests.policy;
    assert_eq!(shown.snapshot(policy, false, bench.clock.now()), answered);
}

pub(crate) async fn a_dry_run_leaves_nothing(bench: &Bench) {
    let request = bench.requests.create_with(PHONE, |create| create.dry_run = true);
    let id = bench.done(request).await.verification.id;
    assert!(bench.store.verification(bench.requests.tenant, id).await.unwrap().is_none());
    assert!(bench.handed_over().is_empty());
    let page = bench.store.verifications(bench.requests.tenant, Filter::default(), None, 10).await.unwrap();
    assert!(page.verifications.is_empty());
}

pub(crate) async fn a_blocked_start_is_kept_with_its_reason(bench: &Bench) {
    let test = Tenant { mode: Mode::Test, ..bench.requests.tenant };
    let answer = bench.answer(bench.requests.of_tenant(test).create("+15005550004")).await;
    let Answer::Refused(Refusal::Blocked(Block::List), Some(snapshot)) = answer else {
        panic!("{answer:?}");
    };
    let kept = bench.store.history(test, snapshot.verification.id).await.unwrap().unwrap();
    assert_eq!(kept.shown.verification.status, Status::Blocked(Block::List));
    assert_eq!(kept.entries.len(), 1);
    assert!(kept.shown.deliveries.is_empty());
}

pub(crate) async fn history_tells_every_change_in_order(bench: &Bench) {
    let begun = bench.begin(PHONE).await;
    let wrong = bench.requests.wrong_code_of(&begun);
    bench.answer(bench.requests.check(begun.id, &wrong)).await;
    bench.clock.advance(Duration::from_secs(31));
    bench.done(bench.requests.resend(begun.id)).await;
    bench.done(bench.requests.check(begun.id, &bench.requests.code_of(&begun))).await;
    bench.done(bench.requests.of(Command::Report(begun.id, Report::Legitimate))).await;
    let refused = bench.answer(bench.requests.of(Command::Cancel(begun.id))).await;
    assert!(matches!(refused, Answer::Refused(Refusal::AlreadyApproved, _)));
    let told = [
        "verification.created",
        "check.rejected",
        "verification.resent",
        "verification.approved",
        "verification.reported",
    ];
    assert_eq!(bench.events(begun.id).await, told);
    let history = bench.store.history(bench.requests.tenant, begun.id).await.unwrap().unwrap();
    assert!(history.entries.is_sorted_by_key(|entry| entry.at));
    let Event::CheckFailed { attempts_remaining: 4, binding: false, .. } = history.entries[1].event else {
        panic!("{:?}", history.entries[1]);
    };
    assert_eq!(history.shown.deliveries.len(), 2);
    assert!(history.shown.deliveries.is_sorted_by_key(|delivery| delivery.id));
}

pub(crate) async fn the_outbox_shows_the_latest_deliveries_first(bench: &Bench) {
    let tenant = bench.requests.tenant;
    let first = bench.begin(PHONE).await;
    let between = bench.clock.now();
    bench.clock.advance(Duration::from_secs(1));
    let second = bench.begin("ann@example.com").await;
    bench.clock.advance(Duration::from_secs(30));
    bench.done(bench.requests.resend(first.id)).await;
    let outbox = |after, to, limit| async move {
        let items = bench.store.outbox(tenant, after, to, limit).await.unwrap();
        items.iter().map(|item| item.shown.id).collect::<Vec<_>>()
    };
    assert_eq!(outbox(None, None, 10).await, [first.id, second.id, first.id]);
    assert_eq!(outbox(None, None, 2).await, [first.id, second.id]);
    assert_eq!(outbox(Some(between), None, 10).await, [first.id, second.id]);
    let ann = bench.requests.index("ann@example.com");
    assert_eq!(outbox(None, Some(ann), 10).await, [second.id]);
    let stranger = Tenant { mode: Mode::Test, ..tenant };
    assert!(bench.store.outbox(stranger, None, None, 10).await.unwrap().is_empty());
}

pub(crate) async fn a_foreign_tenant_sees_and_changes_nothing(bench: &Bench) {
    let mine = bench.done(bench.requests.create(PHONE)).await;
    let (id, delivery) = (mine.verification.id, mine.delivery.clone().unwrap().id);
    let code = bench.requests.code_of(&mine.verification);
    let project = ProjectId::from_bytes([0xc3; 16]);
    let test = Tenant { mode: Mode::Test, ..bench.requests.tenant };
    for tenant in [Tenant { project, ..bench.requests.tenant }, test] {
        let theirs = bench.requests.of_tenant(tenant);
        let attempts = [
            theirs.check(id, &code),
            theirs.check_by(PHONE, &code),
            theirs.resend(id),
            theirs.of(Command::Cancel(id)),
            theirs.of(Command::Expire(id)),
            theirs.of(Command::Report(id, Report::Fraud)),
            theirs.sent(delivery, DeliveryState::Failed),
        ];
        // In one batch with the owner's own command, so that the rows are loaded beside them.
        let own = bench.store.submit(bench.requests.sent(delivery, DeliveryState::Queued));
        let foreign: Vec<_> = attempts.into_iter().map(|request| bench.store.submit(request)).collect();
        assert!(matches!(own.await.unwrap().answer, Answer::Done(_)));
        for attempt in foreign {
            assert_eq!(attempt.await.unwrap().answer, Answer::Refused(Refusal::NotFound, None));
        }
        assert!(bench.store.verification(tenant, id).await.unwrap().is_none());
        assert!(bench.store.history(tenant, id).await.unwrap().is_none());
    }
    assert_eq!(bench.shown(id).await.verification, mine.verification);
    assert_eq!(bench.events(id).await, ["verification.created"]);
}

pub(crate) async fn time_never_goes_back(bench: &Bench) {
    let begun = bench.begin(PHONE).await;
    let code = bench.requests.code_of(&begun);
    bench.clock.set(begun.expires_at);
    let late = bench.answer(bench.requests.check(begun.id, &code)).await;
    assert!(matches!(late, Answer::Refused(Refusal::Expired, _)), "{late:?}");
    bench.clock.step_back(CLOCK_TOLERANCE);
    let later = bench.answer(bench.requests.check(begun.id, &code)).await;
    assert!(matches!(later, Answer::Refused(Refusal::Expired, _)), "{later:?}");
    let next = bench.begin(PHONE).await;
    assert_eq!(next.created_at, begun.expires_at);
    assert!(next.id > begun.id);
}

pub(crate) async fn a_clock_set_back_refuses_until_it_is_accepted(bench: &Bench) {
    const JUMP: Duration = Duration::from_secs(7_200);
    bench.found().await;
    let before = bench.begin(PHONE).await;
    bench.clock.advance(JUMP);
    let future = bench.begin("+48600100218").await;
    let check = || bench.requests.check(future.id, &bench.requests.code_of(&future));
    let accept = || bench.store.accept_clock(Actor::Operator, [1; 10]);
    bench.clock.step_back(CLOCK_TOLERANCE);
    assert_eq!(accept().await.unwrap(), None, "nothing to accept");
    bench.clock.set(before.created_at);
    let refused = bench.store.submit(check()).await.unwrap_err();
    assert_eq!(refused, Unavailable::ClockWentBack(ClockWentBack { by: JUMP }));
    assert!(bench.store.claim(1).await.is_err(), "a worker sends nothing either");
    assert!(bench.store.ready().await.is_err(), "no load balancer should send anything here");
    assert_eq!(accept().await.unwrap(), Some(JUMP));
    assert_eq!(bench.shown(future.id).await.verification.status, Status::Expired);
    assert_eq!(bench.events(future.id).await, ["verification.created", "verification.expired"]);
    bench.clock.set(future.created_at);
    let late = bench.answer(check()).await;
    assert!(
        matches!(late, Answer::Refused(Refusal::Expired, _)),
        "its time comes again, it does not: {late:?}"
    );
    let events = bench.journal().await.into_iter().map(|entry| entry.event);
    assert_eq!(events.filter(|event| *event == Event::ClockAccepted(7_200_000)).count(), 1);
}

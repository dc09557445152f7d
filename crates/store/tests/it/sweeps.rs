//! The periodic tasks: expiry and retention, in small steps.

use std::time::Duration;

use countersign_core::challenge::ChallengeStatus;
use countersign_core::command::{Answer, Command, Started};
use countersign_core::ids::VerificationId;
use countersign_core::limits::MAX_LIFETIME;
use countersign_core::refusal::Refusal;
use countersign_core::store::{Filter, Retention};
use countersign_core::tenant::Tenant;
use countersign_core::verification::Status;
use countersign_sim::Requests;
use countersign_sim::subjects::totp;

use crate::bench::Bench;

const MILLI: Duration = Duration::from_millis(1);

/// All that is overdue, in steps of two, and how many steps it took.
async fn sweep(bench: &Bench, mut after: VerificationId) -> (Vec<(Tenant, Started)>, VerificationId) {
    let mut found = Vec::new();
    for _ in 0..20 {
        let step = bench.store.overdue(after, 2).await.unwrap();
        found.extend(step.ids);
        match step.next {
            Some(next) if next > after => after = next,
            _ => return (found, after),
        }
    }
    panic!("the sweep does not come to an end");
}

pub(crate) async fn overdue_verifications_are_found_in_steps_and_expired_once(bench: &Bench) {
    bench.found().await;
    let mut begun = Vec::new();
    for n in 0..5 {
        begun.push(bench.begin(&format!("person{n}@example.com")).await.id);
        bench.clock.advance(Duration::from_secs(1));
    }
    let canceled = begun.remove(1);
    bench.done(bench.requests.of(Command::Cancel(canceled))).await;
    let nothing = VerificationId::from_bytes([0; 16]);
    assert!(sweep(bench, nothing).await.0.is_empty());
    bench.clock.advance(MAX_LIFETIME + MILLI);
    let (found, end) = sweep(bench, nothing).await;
    let mine = begun.iter().map(|id| (bench.requests.tenant, Started::Verification(*id)));
    assert_eq!(found, mine.collect::<Vec<_>>());
    for id in begun {
        let expired = bench.done(bench.requests.of(Command::Expire(id))).await;
        assert_eq!(expired.verification.status, Status::Expired);
        let again = bench.answer(bench.requests.of(Command::Expire(id))).await;
        assert!(matches!(again, Answer::Refused(Refusal::StateConflict, _)), "{again:?}");
        assert_eq!(bench.events(id).await, ["verification.created", "verification.expired"]);
    }
    assert!(sweep(bench, nothing).await.0.is_empty());
    assert!(sweep(bench, end).await.0.is_empty());
}

pub(crate) async fn overdue_challenges_are_found_in_steps_and_expired_once(bench: &Bench) {
    bench.found().await;
    let mine = &bench.requests;
    bench.answer(mine.enrol("ann", totp())).await;
    let mut begun = Vec::new();
    for _ in 0..5 {
        let asked = bench.answer(mine.ask("ann", &[])).await;
        begun.push(asked.subject().and_then(|told| told.challenge.as_ref()).unwrap().id);
        bench.clock.advance(Duration::from_secs(1));
    }
    let nothing = VerificationId::from_bytes([0; 16]);
    bench.clock.advance(MAX_LIFETIME + MILLI);
    let (found, _) = sweep(bench, nothing).await;
    assert_eq!(found, begun.iter().map(|id| (mine.tenant, Started::Challenge(*id))).collect::<Vec<_>>());
    for (_, started) in found {
        let expired = bench.answer(mine.of(started.expiry())).await;
        let status = expired.subject().and_then(|told| told.challenge.as_ref()).map(|row| row.status);
        assert_eq!(status, Some(ChallengeStatus::Expired), "{expired:?}");
        let again = bench.answer(mine.of(started.expiry())).await;
        assert!(matches!(again, Answer::Declined(Refusal::StateConflict, _)), "{again:?}");
    }
    assert!(sweep(bench, nothing).await.0.is_empty());
}

pub(crate) async fn retention_removes_in_steps_what_is_too_old(bench: &Bench) {
    bench.found().await;
    let keep = Retention::default();
    let mut old = Vec::new();
    for n in 0..5 {
        let create = bench.requests.create(&format!("person{n}@example.com"));
        old.push(bench.done(Requests::once(create, &format!("k{n}"), "b")).await.verification.id);
    }
    assert_eq!(bench.store.retire(keep, 100).await.unwrap(), 0);
    bench.clock.advance(keep.verifications);
    let young = bench.begin("young@example.com").await.id;
    assert_eq!(bench.store.retire(keep, 100).await.unwrap(), 5, "only the idempotency records are over");
    bench.clock.advance(MILLI);
    let mut steps = Vec::new();
    for _ in 0..4 {
        steps.push(bench.store.retire(keep, 2).await.unwrap());
    }
    assert_eq!(steps, [4, 4, 2, 0], "two verifications and two deliveries at a time");
    for id in old {
        assert!(bench.store.history(bench.requests.tenant, id).await.unwrap().is_none());
    }
    assert_eq!(bench.events(young).await, ["verification.created"]);
    bench.clock.advance(keep.journal);
    // What has no number yet is not removed.
    assert_eq!(bench.journal().await.len(), 7);
    // Seven entries (the project's too), the verification and its delivery.
    assert_eq!(bench.store.retire(keep, 100).await.unwrap(), 9);
}

pub(crate) async fn counters_outlive_their_verifications(bench: &Bench) {
    bench.found().await;
    let begun = bench.begin("ann@example.com").await;
    let wrong = bench.requests.wrong_code_of(&begun);
    for _ in 0..5 {
        bench.answer(bench.requests.check(begun.id, &wrong)).await;
    }
    bench.clock.advance(MILLI);
    let at_once = Retention { verifications: Duration::ZERO, journal: Duration::ZERO };
    assert!(bench.store.retire(at_once, 100).await.unwrap() > 0);
    let all = bench.store.verifications(bench.requests.tenant, Filter::default(), None, 10).await.unwrap();
    assert!(all.verifications.is_empty());
    let next = bench.begin("ann@example.com").await;
    let right = bench.requests.code_of(&next);
    let held = bench.answer(bench.requests.check(next.id, &right)).await;
    assert!(matches!(held, Answer::Refused(Refusal::RecipientPaused(_), _)), "{held:?}");
}

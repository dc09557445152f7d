//! Subjects with their factors and challenges: found by all that leads to them, listed, forgotten, and by their owner only.

use std::time::Duration;

use countersign_core::challenge::{Challenge, ChallengeStatus, Method};
use countersign_core::command::Answer;
use countersign_core::factor::FactorState;
use countersign_core::ids::{ChallengeId, FactorId, ProjectId, SubjectId};
use countersign_core::journal::Actor;
use countersign_core::limits::CLOCK_TOLERANCE;
use countersign_core::refusal::Refusal;
use countersign_core::store::{Retention, SubjectShown};
use countersign_core::subject::{Act, Aim, Authority, SubjectSnapshot};
use countersign_core::tenant::{Mode, Tenant};
use countersign_core::time::{Clock as _, Timestamp};
use countersign_sim::Requests;
use countersign_sim::subjects::{
    FACTOR_SECRET, backup_list, hotp_of, hotp_token, listed_code, totp, totp_at,
};

use crate::bench::Bench;

const SECOND: Duration = Duration::from_secs(1);
const MILLI: Duration = Duration::from_millis(1);

async fn seen(bench: &Bench, aim: Aim) -> Option<SubjectShown> {
    bench.store.subject(bench.requests.tenant, aim).await.unwrap()
}

/// Begins a challenge that any factor may answer.
pub(crate) async fn asked(bench: &Bench, external_id: &str) -> Challenge {
    bench.subject(bench.requests.ask(external_id, &[])).await.challenge.unwrap()
}

fn secret_of(bench: &Bench, shown: &SubjectSnapshot) -> Option<Vec<u8>> {
    let row = &shown.subject;
    let data_key = row.open_data_key(&bench.requests.keys)?;
    let factor = row.factor(shown.factor?)?;
    Some(factor.open(&row.tenant, &data_key, row.data_key.root)?.secret.0.to_vec())
}

pub(crate) async fn a_subject_is_found_by_its_name_its_factors_and_its_challenges(bench: &Bench) {
    let enrolled = bench.subject(bench.requests.enrol("ann", totp())).await;
    let (id, factor) = (enrolled.subject.id, enrolled.factor.unwrap());
    assert_eq!(secret_of(bench, &enrolled).as_deref(), Some(FACTOR_SECRET));
    let first = asked(bench, "ann").await;
    bench.clock.advance(SECOND);
    let second = asked(bench, "ann").await;
    let by_name = seen(bench, bench.requests.named("ann")).await.unwrap();
    assert_eq!((by_name.subject.id, by_name.subject.factors.len()), (id, 1));
    assert_eq!(by_name.challenges, [first.clone(), second.clone()], "those that may be open, oldest first");
    for aim in [Aim::Id(id), Aim::Factor(factor)] {
        let found = seen(bench, aim).await.unwrap();
        assert_eq!((&found.subject, &found.challenges), (&by_name.subject, &by_name.challenges));
    }
    let named = seen(bench, Aim::Challenge(first.id)).await.unwrap();
    assert_eq!((named.subject, named.challenges), (by_name.subject, vec![first.clone()]));
    assert_eq!(bench.store.tenant_of_factor(factor).await.unwrap(), Some(bench.requests.tenant));
    let code = totp_at(bench.clock.now(), 0);
    let granted = bench.answer(bench.requests.respond(first.id, &code)).await;
    assert!(matches!(granted, Answer::Granted(..)), "{granted:?}");
    let left = seen(bench, Aim::Id(id)).await.unwrap();
    assert_eq!(left.challenges, [second], "an answered one is not open");
    let ended = seen(bench, Aim::Challenge(first.id)).await.unwrap().challenges;
    assert_eq!(ended[0].status, ChallengeStatus::Approved, "but it can be seen");
    let nobody = [
        bench.requests.named("bob"),
        Aim::Id(SubjectId::from_bytes([1; 16])),
        Aim::Factor(FactorId::from_bytes([1; 16])),
        Aim::Challenge(ChallengeId::from_bytes([1; 16])),
    ];
    for aim in nobody {
        assert!(seen(bench, aim).await.is_none());
    }
    assert_eq!(bench.store.tenant_of_factor(FactorId::from_bytes([1; 16])).await.unwrap(), None);
}

pub(crate) async fn a_removed_subject_gives_its_name_back(bench: &Bench) {
    let requests = &bench.requests;
    let old = bench.subject(requests.enrol("ann", totp())).await;
    let challenge = asked(bench, "ann").await;
    bench.subject(requests.subject(requests.named("ann"), Act::Remove(Authority::Key))).await;
    assert!(seen(bench, requests.named("ann")).await.is_none());
    let tombstone = seen(bench, Aim::Id(old.subject.id)).await.unwrap().subject;
    assert!(tombstone.removed_at.is_some() && tombstone.sealed.is_empty());
    assert_eq!(tombstone.open_data_key(&requests.keys), None, "nothing opens what was sealed");
    let ended = seen(bench, Aim::Challenge(challenge.id)).await.unwrap().challenges;
    assert_eq!(ended[0].status, ChallengeStatus::CanceledByCustomer);
    let late = bench.declined(requests.respond(challenge.id, &totp_at(bench.clock.now(), 0))).await;
    assert_eq!(late, Refusal::NotFound);
    let new = bench.subject(requests.enrol("ann", totp())).await;
    assert_ne!(new.subject.id, old.subject.id);
    let page = bench.store.subjects(requests.tenant, None, 10).await.unwrap();
    assert_eq!(page.subjects, [new.subject]);
}

pub(crate) async fn lists_of_subjects_and_challenges_follow_the_cursor(bench: &Bench) {
    let (requests, tenant) = (&bench.requests, bench.requests.tenant);
    let mut made = Vec::new();
    for n in 0..5 {
        made.push(bench.subject(requests.enrol(&format!("person{n}"), totp())).await.subject.id);
        bench.clock.advance(SECOND);
    }
    bench.subject(requests.subject(Aim::Id(made.remove(2)), Act::Remove(Authority::Key))).await;
    made.reverse();
    let first = bench.store.subjects(tenant, None, 3).await.unwrap();
    let told = |page: &countersign_core::store::SubjectPage| {
        page.subjects.iter().map(|row| row.id).collect::<Vec<_>>()
    };
    assert_eq!((told(&first), first.next), (made[..3].to_vec(), Some(made[2])));
    let rest = bench.store.subjects(tenant, first.next, 3).await.unwrap();
    assert_eq!((told(&rest), rest.next), (made[3..].to_vec(), None));
    assert_eq!(bench.store.subjects(tenant, None, 4).await.unwrap().next, None, "exactly as many");

    let mut begun = Vec::new();
    for n in 0..6 {
        begun.push(asked(bench, if n % 3 == 0 { "person4" } else { "person0" }).await.id);
        bench.clock.advance(SECOND);
    }
    begun.reverse();
    let list = |of, before, limit| async move {
        let page = bench.store.challenges(tenant, of, before, limit).await.unwrap();
        assert!(page.challenges.iter().all(|(challenge, subject)| challenge.subject == subject.id));
        (page.challenges.into_iter().map(|(challenge, _)| challenge.id).collect::<Vec<_>>(), page.next)
    };
    assert_eq!(list(None, None, 4).await, (begun[..4].to_vec(), Some(begun[3])));
    assert_eq!(list(None, Some(begun[3]), 4).await, (begun[4..].to_vec(), None));
    let of_newest = list(Some(made[0]), None, 1).await;
    assert_eq!(of_newest, (vec![begun[2]], Some(begun[2])));
    assert_eq!(list(Some(made[0]), of_newest.1, 1).await, (vec![begun[5]], None));
}

pub(crate) async fn a_foreign_tenant_sees_and_changes_no_subject(bench: &Bench) {
    let mine = bench.subject(bench.requests.enrol("ann", totp())).await;
    let (id, factor) = (mine.subject.id, mine.factor.unwrap());
    let challenge = asked(bench, "ann").await.id;
    let code = totp_at(bench.clock.now(), 0);
    let project = ProjectId::from_bytes([0xc3; 16]);
    let test = Tenant { mode: Mode::Test, ..bench.requests.tenant };
    for tenant in [Tenant { project, ..bench.requests.tenant }, test] {
        let theirs = bench.requests.of_tenant(tenant);
        let attempts = [
            theirs.respond(challenge, &code),
            theirs.subject(Aim::Challenge(challenge), Act::Cancel),
            theirs.subject(Aim::Id(id), Act::Remove(Authority::Key)),
            theirs.subject(Aim::Factor(factor), Act::Unlock),
            theirs.subject(Aim::Factor(factor), Act::RemoveFactor(Authority::Key)),
            theirs.subject(theirs.named("ann"), Act::Remove(Authority::Key)),
        ];
        // In one batch with the owner's own commands, so that the rows are loaded beside them.
        let put = bench.store.submit(bench.requests.subject(Aim::Factor(factor), Act::Unlock));
        let foreign: Vec<_> = attempts.into_iter().map(|request| bench.store.submit(request)).collect();
        put.await.unwrap();
        for attempt in foreign {
            assert_eq!(attempt.await.unwrap().answer, Answer::Declined(Refusal::NotFound, None));
        }
        for aim in [Aim::Id(id), Aim::Factor(factor), Aim::Challenge(challenge), theirs.named("ann")] {
            assert!(bench.store.subject(tenant, aim).await.unwrap().is_none());
        }
        assert!(bench.store.subjects(tenant, None, 10).await.unwrap().subjects.is_empty());
        for of in [None, Some(id)] {
            assert!(bench.store.challenges(tenant, of, None, 10).await.unwrap().challenges.is_empty());
        }
        let own = bench.subject(theirs.enrol("ann", totp())).await;
        assert_ne!(own.subject.id, id, "the same name is another person there");
        bench.subject(theirs.subject(Aim::Id(own.subject.id), Act::Remove(Authority::Key))).await;
    }
    assert_eq!(seen(bench, Aim::Id(id)).await.unwrap().subject.factors, mine.subject.factors);
    let granted = bench.answer(bench.requests.respond(challenge, &code)).await;
    assert!(matches!(granted, Answer::Granted(..)), "{granted:?}");
}

pub(crate) async fn an_enrolment_is_told_again_with_its_secret_until_the_subject_is_removed(bench: &Bench) {
    let requests = &bench.requests;
    let enrol = || Requests::once(requests.enrol("ann", totp()), "k", "b");
    let first = bench.outcome(enrol()).await;
    bench.clock.advance(SECOND);
    let twin = bench.outcome(enrol()).await;
    assert!(!first.replayed && twin.replayed);
    assert_eq!(twin.answer, first.answer, "also what opens it");
    assert_eq!(secret_of(bench, twin.answer.subject().unwrap()).as_deref(), Some(FACTOR_SECRET));
    let list = || Requests::once(requests.enrol("ann", backup_list()), "list", "b");
    let shown = bench.outcome(list()).await.answer;
    assert_eq!(bench.outcome(list()).await.answer, shown, "codes are told again, too");
    assert!(!shown.subject().unwrap().codes.is_empty());
    let subject = first.answer.subject().unwrap().subject.id;
    bench.subject(requests.subject(Aim::Id(subject), Act::Remove(Authority::Key))).await;
    let late = bench.outcome(enrol()).await;
    assert!(late.replayed);
    assert_eq!(secret_of(bench, late.answer.subject().unwrap()), None, "an erasure reaches it");
}

pub(crate) async fn a_factor_is_removed_on_the_strength_of_another_once(bench: &Bench) {
    let requests = &bench.requests;
    let token = bench.subject(requests.enrol("ann", hotp_token())).await.factor.unwrap();
    let app = bench.subject(requests.enrol("ann", totp())).await.factor.unwrap();
    let list = bench.subject(requests.enrol("ann", backup_list())).await.factor.unwrap();
    let proof = bench.subject(requests.try_code("ann", &hotp_of(0))).await.challenge.unwrap();
    assert_eq!(proof.approved_by.unwrap().method, Method::Hotp);
    let remove =
        |factor| requests.subject(Aim::Factor(factor), Act::RemoveFactor(Authority::Challenge(proof.id)));
    assert_eq!(bench.declined(remove(token)).await, Refusal::RemovalUnproven, "not on its own strength");
    bench.subject(remove(app)).await;
    assert_eq!(bench.declined(remove(list)).await, Refusal::RemovalUnproven, "a proof serves once");
    let row = seen(bench, requests.named("ann")).await.unwrap().subject;
    assert_eq!(row.factor(app).unwrap().state, FactorState::Removed);
    let late = bench.declined(requests.try_code("ann", &totp_at(bench.clock.now(), 0))).await;
    assert_eq!(late, Refusal::CodeIncorrect, "it is no code of the token either");
    let granted = bench.answer(requests.try_code("ann", &listed_code(3))).await;
    assert!(matches!(granted, Answer::Granted(..)), "{granted:?}");
}

pub(crate) async fn retention_forgets_old_challenges_and_removed_subjects(bench: &Bench) {
    bench.found().await;
    let (requests, keep) = (&bench.requests, Retention::default());
    let kept = bench.subject(requests.enrol("ann", totp())).await;
    let gone = bench.subject(requests.enrol("ben", totp())).await;
    for _ in 0..3 {
        asked(bench, "ann").await;
    }
    bench.subject(requests.subject(Aim::Id(gone.subject.id), Act::Remove(Authority::Key))).await;
    bench.clock.advance(keep.verifications);
    assert_eq!(bench.store.retire(keep, 100).await.unwrap(), 0);
    bench.clock.advance(MILLI);
    let mut steps = Vec::new();
    for _ in 0..3 {
        steps.push(bench.store.retire(keep, 2).await.unwrap());
    }
    assert_eq!(steps, [2, 1, 0], "two challenges at a time");
    let tenant = requests.tenant;
    assert!(bench.store.challenges(tenant, None, None, 10).await.unwrap().challenges.is_empty());
    // A row names challenges that are gone; that harms nobody.
    let later = bench.subject(requests.ask("ann", &[])).await;
    assert_eq!(later.subject.open.len(), 1);
    assert!(seen(bench, Aim::Id(gone.subject.id)).await.is_some(), "the journal still tells of it");
    bench.clock.advance(keep.journal + MILLI);
    let journal = bench.journal().await.len() as u64;
    // The challenge of a moment ago is old, too, and so is the whole journal.
    assert_eq!(bench.store.retire(keep, 100).await.unwrap(), journal + 2);
    assert!(seen(bench, Aim::Id(gone.subject.id)).await.is_none());
    assert_eq!(bench.store.tenant_of_factor(gone.factor.unwrap()).await.unwrap(), None);
    let there = seen(bench, Aim::Factor(kept.factor.unwrap())).await.unwrap().subject;
    assert_eq!(there.id, kept.subject.id, "who is not removed stays");
}

pub(crate) async fn challenges_of_a_clock_that_was_set_back_are_over(bench: &Bench) {
    const JUMP: Duration = Duration::from_secs(7_200);
    bench.found().await;
    let requests = &bench.requests;
    bench.subject(requests.enrol("ann", totp())).await;
    let before: Timestamp = bench.clock.now();
    bench.clock.advance(JUMP);
    let future = asked(bench, "ann").await;
    bench.clock.set(before);
    assert_eq!(bench.store.accept_clock(Actor::Operator, [1; 10]).await.unwrap(), Some(JUMP));
    let shown = seen(bench, Aim::Challenge(future.id)).await.unwrap().challenges.remove(0);
    assert_eq!(shown.status, ChallengeStatus::Expired, "written down");
    let code = || totp_at(bench.clock.now(), 0);
    assert_eq!(bench.declined(requests.respond(future.id, &code())).await, Refusal::ChallengeExpired);
    bench.clock.set(future.created_at.plus(CLOCK_TOLERANCE));
    let again = bench.declined(requests.respond(future.id, &code())).await;
    assert_eq!(again, Refusal::ChallengeExpired, "its time comes again, it does not");
    let granted = bench.answer(requests.try_code("ann", &code())).await;
    assert!(matches!(granted, Answer::Granted(..)), "{granted:?}");
}

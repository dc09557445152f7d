use super::world::{World, declined, granted, hotp_from, hotp_of, seconds, subject, totp, totp_at};
use crate::challenge::ChallengePrivate;
use crate::command::Answer;
use crate::factor::{FactorState, Means};
use crate::ids::{ChallengeId, FactorId};
use crate::limits;
use crate::refusal::Refusal;
use crate::subject::{Act, Aim, Authority, Enrol, FactorChange, NewChallenge};

fn remove(world: &mut World, id: FactorId, authority: Authority) -> Answer {
    world.submit(Aim::Factor(id), Act::RemoveFactor(authority))
}

fn approved(world: &mut World, by: FactorId, code: &str) -> ChallengeId {
    let new = NewChallenge { factor: Some(by), ..world.new_challenge() };
    let id = world.begin("ann", new);
    assert!(granted(&world.check(id, code)));
    id
}

#[test]
fn a_removal_needs_another_factor_or_a_key_that_may() {
    let mut world = World::new();
    let (app, token) = (world.has_totp("ann"), world.has("ann", hotp_from(0)));
    assert_eq!(declined(&remove(&mut world, app, Authority::None)), Refusal::RemovalUnproven);
    let open = world.ask("ann");
    assert_eq!(declined(&remove(&mut world, app, Authority::Challenge(open))), Refusal::RemovalUnproven);
    let code = totp_at(world.now, 0);
    let by_itself = approved(&mut world, app, &code);
    let refused = remove(&mut world, app, Authority::Challenge(by_itself));
    assert_eq!(declined(&refused), Refusal::RemovalUnproven, "what is lost cannot vouch for itself");
    let by_token = approved(&mut world, token, &hotp_of(0));
    assert!(matches!(remove(&mut world, app, Authority::Challenge(by_token)), Answer::Subject(_)));
    assert_eq!(world.factor(app).state, FactorState::Removed);
    assert!(world.factor(app).sealed.is_empty(), "the secret is gone");
    let more = world.has_totp("ann");
    let spent = remove(&mut world, more, Authority::Challenge(by_token));
    assert_eq!(declined(&spent), Refusal::RemovalUnproven, "a proof serves for one");
    assert!(matches!(remove(&mut world, more, Authority::Key), Answer::Subject(_)));
}

#[test]
fn a_proof_of_long_ago_or_of_a_payment_removes_nothing() {
    let mut world = World::new();
    let (app, token) = (world.has_totp("ann"), world.has("ann", hotp_from(0)));
    let early = approved(&mut world, token, &hotp_of(0));
    world.pass(limits::REMOVAL_WITHIN);
    assert_eq!(declined(&remove(&mut world, app, Authority::Challenge(early))), Refusal::RemovalUnproven);
    let transaction = super::world::transfer(1, "NORD");
    let private = ChallengePrivate { transaction: Some(transaction.clone()), ..ChallengePrivate::default() };
    let new = NewChallenge { factor: Some(token), private, ..world.new_challenge() };
    let id = world.begin("ann", new);
    let check =
        crate::subject::CheckChallenge { transaction: Some(transaction), ..super::world::check(&hotp_of(1)) };
    assert!(granted(&world.submit(Aim::Challenge(id), Act::Check(check))));
    assert_eq!(declined(&remove(&mut world, app, Authority::Challenge(id))), Refusal::RemovalUnproven);
}

#[test]
fn a_removed_factor_answers_nothing_any_more_also_in_the_same_batch() {
    let mut world = World::new();
    let app = world.has_totp("ann");
    let id = world.ask("ann");
    let code = super::world::check(&totp_at(world.now, 0));
    let requests = [
        world.request(Aim::Factor(app), Act::RemoveFactor(Authority::Key)),
        world.request(Aim::Challenge(id), Act::Check(code)),
        world.request(Aim::Factor(app), Act::Unlock),
    ];
    let answers = world.batch(&requests);
    assert_eq!(declined(&answers[1]), Refusal::FactorRequired);
    assert_eq!(declined(&answers[2]), Refusal::NotFound);
}

#[test]
fn one_that_is_not_confirmed_is_removed_without_a_proof() {
    let mut world = World::new();
    let enrol =
        Enrol { plan: totp(), name: None, account: None, serial: None, metadata: None, proven: false };
    let answer = world.submit(world.named("ann"), Act::Enrol(Box::new(enrol)));
    let id = subject(&answer).factor.unwrap();
    assert!(matches!(remove(&mut world, id, Authority::None), Answer::Subject(_)));
}

#[test]
fn a_switched_off_factor_answers_nothing_until_it_is_switched_on() {
    let mut world = World::new();
    let id = world.has_totp("ann");
    let switch = |enabled| Act::Change(FactorChange { enabled: Some(enabled), name: None });
    world.submit(Aim::Factor(id), switch(false));
    let new = world.new_challenge();
    let refused = world.submit(world.named("ann"), Act::Challenge(Box::new(new)));
    assert_eq!(declined(&refused), Refusal::FactorRequired);
    let entries = world.rows.journal.len();
    world.submit(Aim::Factor(id), switch(false));
    assert_eq!(world.rows.journal.len(), entries, "nothing changed, nothing is told");
    world.submit(Aim::Factor(id), switch(true));
    assert!(granted(&world.try_code("ann", &totp_at(world.now, 0))));
}

#[test]
fn the_customers_notes_about_a_factor_outlive_its_renaming() {
    let mut world = World::new();
    let notes = Some(vec![("os".to_owned(), "ios".to_owned())]);
    let metadata = notes.clone();
    let enrol = Enrol { plan: totp(), name: None, account: None, serial: None, metadata, proven: true };
    let answer = world.submit(world.named("ann"), Act::Enrol(Box::new(enrol)));
    let id = subject(&answer).factor.unwrap();
    let change = FactorChange { name: Some(Some("phone".to_owned())), enabled: None };
    world.submit(Aim::Factor(id), Act::Change(change));
    let row = &world.rows.subjects[&world.rows.factors[&id]];
    let data_key = row.open_data_key(&world.keys).unwrap();
    let private = world.factor(id).open(&world.tenant, &data_key, row.data_key.root).unwrap();
    assert_eq!((private.metadata, private.name.as_deref()), (notes, Some("phone")));
}

#[test]
fn a_name_can_be_given_changed_and_taken_away() {
    let mut world = World::new();
    let id = world.has_totp("ann");
    for name in [Some("phone"), Some("old phone"), None] {
        let name = name.map(str::to_owned);
        let change = FactorChange { name: Some(name.clone()), enabled: None };
        world.submit(Aim::Factor(id), Act::Change(change));
        let row = &world.rows.subjects[&world.rows.factors[&id]];
        let data_key = row.open_data_key(&world.keys).unwrap();
        let private = world.factor(id).open(&world.tenant, &data_key, row.data_key.root).unwrap();
        assert_eq!((private.name, private.secret.0.as_slice()), (name, super::world::SECRET));
    }
}

#[test]
fn a_subject_has_sixteen_factors_and_not_more() {
    let mut world = World::new();
    let ids: Vec<_> = (0..limits::MAX_FACTORS).map(|_| world.has_totp("ann")).collect();
    let enrol = Enrol { plan: totp(), name: None, account: None, serial: None, metadata: None, proven: true };
    let enrol = Act::Enrol(Box::new(enrol));
    let answer = world.submit(world.named("ann"), enrol.clone());
    assert_eq!(declined(&answer), Refusal::LimitReached);
    remove(&mut world, ids[0], Authority::Key);
    assert!(matches!(world.submit(world.named("ann"), enrol), Answer::Subject(_)));
}

#[test]
fn names_of_removed_factors_are_kept_but_not_for_ever() {
    let mut world = World::new();
    let mut ids = Vec::new();
    for _ in 0..=limits::MAX_TOMBSTONES {
        let id = world.has_totp("ann");
        remove(&mut world, id, Authority::Key);
        ids.push(id);
    }
    world.has_totp("ann");
    let row = world.rows.subjects.values().next().unwrap();
    assert!(row.factor(ids[0]).is_none() && row.factor(ids[1]).is_some());
    assert_eq!(world.told().iter().filter(|name| **name == "factor.deleted").count(), ids.len());
}

#[test]
fn a_failed_activation_counts_and_locks() {
    let mut world = World::new();
    let enrol =
        Enrol { plan: hotp_from(0), name: None, account: None, serial: None, metadata: None, proven: false };
    let answer = world.submit(world.named("ann"), Act::Enrol(Box::new(enrol)));
    let id = subject(&answer).factor.unwrap();
    for _ in 0..5 {
        let activate = Act::Activate(super::world::entered("000000"));
        assert_eq!(declined(&world.submit(Aim::Factor(id), activate)), Refusal::CodeIncorrect);
    }
    let activate = Act::Activate(super::world::entered(&hotp_of(0)));
    let until = world.now.plus(seconds(60));
    assert_eq!(declined(&world.submit(Aim::Factor(id), activate)), Refusal::FactorLocked(Some(until)));
    assert!(matches!(world.factor(id).means, Means::Hotp { counter: 0, .. }));
}

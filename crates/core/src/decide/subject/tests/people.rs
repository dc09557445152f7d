use super::world::{World, declined, granted, hotp_from, subject, totp_at};
use crate::challenge::ChallengeStatus;
use crate::command::Answer;
use crate::ids::VerificationId;
use crate::keys::RootId;
use crate::limits;
use crate::refusal::Refusal;
use crate::subject::{Act, Aim, Authority, SubjectPrivate};
use crate::tenant::Mode;

fn private(world: &World) -> SubjectPrivate {
    let row = world.rows.subjects.values().next().unwrap();
    row.open_private(&row.open_data_key(&world.keys).unwrap()).unwrap()
}

fn add(to: &str, only_known: bool) -> Act {
    Act::AddRecipient { to: to.to_owned(), verification: None, only_known }
}

#[test]
fn a_subject_is_made_once_and_changed_in_place() {
    let mut world = World::new();
    let notes = vec![("tier".to_owned(), "gold".to_owned())];
    let first = world.submit(world.named("ann"), Act::Put(None));
    let second = world.submit(world.named("ann"), Act::Put(Some(notes.clone())));
    assert_eq!(subject(&first).subject.id, subject(&second).subject.id);
    assert_eq!((private(&world).external_id.as_str(), private(&world).metadata), ("ann", notes));
    world.submit(world.named("ann"), Act::Put(None));
    assert_eq!(world.told(), ["subject.created", "subject.updated"]);
}

#[test]
fn another_tenant_does_not_see_it() {
    let mut world = World::new();
    let factor = world.has_totp("ann");
    let id = world.rows.factors[&factor];
    let challenge = world.ask("ann");
    world.tenant.mode = Mode::Test;
    for (aim, act) in [
        (Aim::Id(id), Act::Put(None)),
        (Aim::Id(id), Act::Remove(Authority::Key)),
        (Aim::Factor(factor), Act::Unlock),
        (Aim::Challenge(challenge), Act::Cancel),
        (Aim::Challenge(challenge), Act::Check(super::world::check(&totp_at(world.now, 0)))),
    ] {
        assert_eq!(declined(&world.submit(aim, act)), Refusal::NotFound);
    }
    let other = world.submit(world.named("ann"), Act::Put(None));
    assert_ne!(subject(&other).subject.id, id, "the same name is another person there");
}

#[test]
fn recipients_are_noted_once_each_and_bounded() {
    let mut world = World::new();
    assert_eq!(declined(&world.submit(world.named("ann"), add("+48600100217", true))), Refusal::NotFound);
    assert!(world.rows.subjects.is_empty());
    let by = Some(VerificationId::from_bytes([3; 16]));
    world.submit(world.named("ann"), add("+48600100217", false));
    let proven = Act::AddRecipient { to: "+48600100217".to_owned(), verification: by, only_known: true };
    world.submit(world.named("ann"), proven);
    assert_eq!(private(&world).recipients.len(), 1);
    assert_eq!(private(&world).recipients[0].verification, by);
    for n in 1..limits::MAX_KNOWN_RECIPIENTS {
        assert!(matches!(
            world.submit(world.named("ann"), add(&format!("a{n}@b.c"), true)),
            Answer::Subject(_)
        ));
    }
    assert_eq!(declined(&world.submit(world.named("ann"), add("last@b.c", true))), Refusal::LimitReached);
    let gone = Act::RemoveRecipient("+48600100217".to_owned());
    world.submit(world.named("ann"), gone.clone());
    assert_eq!(declined(&world.submit(world.named("ann"), gone)), Refusal::NotFound);
    assert_eq!(private(&world).recipients.len(), limits::MAX_KNOWN_RECIPIENTS - 1);
}

#[test]
fn a_removed_subject_leaves_nothing_that_opens_and_its_name_is_free() {
    let mut world = World::new();
    let factor = world.has_totp("ann");
    let challenge = world.ask("ann");
    world.submit(world.named("ann"), Act::Remove(Authority::Key));
    assert_eq!(world.status(challenge), ChallengeStatus::CanceledByCustomer);
    let row = world.rows.subjects[&world.rows.factors[&factor]].clone();
    assert!(
        row.data_key.bytes.is_empty() && row.sealed.is_empty() && row.open_data_key(&world.keys).is_none()
    );
    assert!(row.factors.iter().all(|factor| factor.sealed.is_empty()));
    assert_eq!(declined(&world.submit(Aim::Factor(factor), Act::Unlock)), Refusal::NotFound);
    assert_eq!(declined(&world.check(challenge, &totp_at(world.now, 0))), Refusal::NotFound);
    let again = world.submit(world.named("ann"), Act::Put(None));
    assert_ne!(subject(&again).subject.id, row.id);
    assert!(subject(&again).subject.factors.is_empty());
}

#[test]
fn removed_and_made_anew_in_one_batch() {
    let mut world = World::new();
    world.has_totp("ann");
    let (remove, put) = (world.named("ann"), world.named("ann"));
    let requests = [world.request(remove, Act::Remove(Authority::Key)), world.request(put, Act::Put(None))];
    let answers = world.batch(&requests);
    assert_ne!(subject(&answers[0]).subject.id, subject(&answers[1]).subject.id);
    assert!(subject(&answers[1]).subject.factors.is_empty());
}

#[test]
fn a_name_is_found_while_roots_rotate() {
    let mut world = World::new();
    let factor = world.has("ann", hotp_from(0));
    world.keys = crate::decide::tests::world::ring(2, &[1, 2]);
    let answer = world.submit(world.named("ann"), Act::Put(None));
    assert_eq!(subject(&answer).subject.id, world.rows.factors[&factor]);
    assert!(granted(&world.try_code("ann", &super::world::hotp_of(0))));
    assert_eq!(world.rows.challenges.values().next().unwrap().root, RootId(2));
    world.keys = crate::decide::tests::world::ring(3, &[3]);
    let aim = Aim::Factor(factor);
    let renamed = crate::subject::FactorChange { name: Some(Some("x".to_owned())), enabled: None };
    assert_eq!(declined(&world.submit(aim, Act::Change(renamed))), Refusal::RootUnknown, "it costs nothing");
}

#[test]
fn a_subject_with_factors_goes_with_the_right_to_remove_them_only() {
    let mut world = World::new();
    world.submit(world.named("ben"), Act::Put(None));
    assert!(matches!(world.submit(world.named("ben"), Act::Remove(Authority::None)), Answer::Subject(_)));
    world.has_totp("ann");
    let refused = world.submit(world.named("ann"), Act::Remove(Authority::None));
    assert_eq!(declined(&refused), Refusal::RemovalUnproven);
    let challenge = world.ask("ann");
    let remove = Act::Remove(Authority::Challenge(challenge));
    let refused = world.submit(world.named("ann"), remove.clone());
    assert_eq!(declined(&refused), Refusal::RemovalUnproven, "it is not approved yet");
    assert!(granted(&world.check(challenge, &totp_at(world.now, 0))));
    assert!(matches!(world.submit(world.named("ann"), remove), Answer::Subject(_)));
}

#[test]
fn a_recipient_that_is_proven_stays_as_it_was_noted_first() {
    let mut world = World::new();
    world.submit(world.named("ann"), add("+48600100217", false));
    let proven = |nth| Act::AddRecipient {
        to: "+48600100217".to_owned(),
        verification: Some(VerificationId::from_bytes([nth; 16])),
        only_known: true,
    };
    world.submit(world.named("ann"), proven(1));
    let entries = world.told().len();
    for again in [proven(2), add("+48600100217", true)] {
        world.submit(world.named("ann"), again);
    }
    assert_eq!(private(&world).recipients[0].verification, Some(VerificationId::from_bytes([1; 16])));
    assert_eq!(world.told().len(), entries, "nothing changed, so nothing is told");
}

//! Which devices are woken, and who says so.

use zeroize::Zeroizing;

use super::devices::{bring, device, pair, pushed, waiting};
use super::world::{World, declined, subject};
use crate::factor::device::push_token_message;
use crate::factor::wake::{PushAddress, PushToken, wakes};
use crate::ids::{ChallengeId, FactorId};
use crate::policy::Profile;
use crate::refusal::Refusal;
use crate::subject::{Act, Aim, FactorChange, TellPush};
use crate::tenancy::Project;
use crate::tenant::Mode;
use crate::time::Timestamp;

fn address(token: &str, locale: Option<&str>) -> PushAddress {
    let token = PushToken::parse(Zeroizing::new(token.to_owned())).unwrap();
    PushAddress { token, locale: locale.map(str::to_owned) }
}

/// What a device says, signed over what it may or may not have said.
fn tells(world: &World, id: FactorId, told: Option<&PushAddress>, signed: Option<&PushAddress>) -> Act {
    let signature = pair().sign(&push_token_message(&id, world.now, signed)).as_ref().to_vec();
    Act::TellPush(TellPush { address: told.cloned(), at: world.now, signature })
}

/// Tokens and languages of the devices that a challenge wakes.
fn woken(world: &World, challenge: ChallengeId) -> Vec<(String, String)> {
    let challenge = &world.rows.challenges[&challenge];
    let project = Project {
        id: world.tenant.project,
        name: "shop".to_owned(),
        brand: "Acme".to_owned(),
        origin_host: None,
        profile: Profile::Standard,
        locale: "en".to_owned(),
        countries: Vec::new(),
        created_at: Timestamp::default(),
        test_clock_ahead: 0,
        outbox_cleared_at: None,
    };
    let wakes = wakes(&world.keys, &world.rows.subjects[&challenge.subject], challenge, &project);
    let each = wakes.into_iter().map(|wake| {
        assert_eq!((wake.challenge, wake.brand.as_str()), (challenge.id, "Acme"));
        assert_eq!(wake.expires_at, challenge.expires_at);
        (wake.token.reveal().to_owned(), wake.locale)
    });
    each.collect()
}

fn found(token: &str, locale: &str) -> (String, String) {
    (token.to_owned(), locale.to_owned())
}

#[test]
fn a_device_that_said_where_it_is_found_is_woken() {
    let mut world = World::new();
    let (id, token) = waiting(&mut world);
    let mut enrolment = bring(id, &token, &token);
    if let Act::EnrolDevice { push, .. } = &mut enrolment {
        *push = Some(address("first", None));
    }
    world.submit(Aim::Factor(id), enrolment);
    let challenge = pushed(&mut world, None);
    assert_eq!(woken(&world, challenge), [found("first", "en")]);

    let (second, silent) = (address("second", Some("pl")), device(&mut world));
    let told = tells(&world, id, Some(&second), Some(&second));
    let answer = world.submit(Aim::Factor(id), told.clone());
    assert_eq!(subject(&answer).factor, Some(id));
    assert_eq!(world.told().last(), Some(&"factor.updated"));
    let entries = world.told().len();
    world.submit(Aim::Factor(id), told);
    assert_eq!(world.told().len(), entries, "what is known already is no change");
    let challenge = pushed(&mut world, None);
    assert!(world.rows.challenges[&challenge].pushed_to.contains(&silent), "asked, though not woken");
    assert_eq!(woken(&world, challenge), [found("second", "pl")]);

    let gone = tells(&world, id, None, None);
    world.submit(Aim::Factor(id), gone);
    assert_eq!(woken(&world, challenge), []);
}

#[test]
fn only_the_device_itself_says_where_it_is_woken() {
    let mut world = World::new();
    let (id, mine, other) = (device(&mut world), address("mine", None), address("other", None));
    let forged = [tells(&world, id, Some(&mine), Some(&other)), tells(&world, id, None, Some(&other))];
    for forged in forged {
        assert_eq!(declined(&world.submit(Aim::Factor(id), forged)), Refusal::SignatureInvalid);
    }
    let (totp, (waits, _), off) = (world.has_totp("ann"), waiting(&mut world), device(&mut world));
    world.submit(Aim::Factor(off), Act::Change(FactorChange { enabled: Some(false), name: None }));
    for none in [totp, waits, off] {
        let told = tells(&world, none, Some(&other), Some(&other));
        assert_eq!(declined(&world.submit(Aim::Factor(none), told)), Refusal::NotFound);
    }
}

#[test]
fn nobody_is_woken_in_test_mode_or_for_what_is_over() {
    for mode in [Mode::Live, Mode::Test] {
        let mut world = World::new();
        world.tenant.mode = mode;
        let (id, place) = (device(&mut world), address("t", None));
        let told = tells(&world, id, Some(&place), Some(&place));
        world.submit(Aim::Factor(id), told);
        let challenge = pushed(&mut world, None);
        assert_eq!(world.rows.challenges[&challenge].pushed_to, [id]);
        assert_eq!(woken(&world, challenge).len(), usize::from(mode == Mode::Live));
        world.submit(Aim::Challenge(challenge), Act::Cancel);
        assert_eq!(woken(&world, challenge), []);
    }
}

#[test]
fn a_factor_that_is_removed_or_renamed_keeps_no_more_than_it_should() {
    let mut world = World::new();
    let (id, place) = (device(&mut world), address("t", None));
    let told = tells(&world, id, Some(&place), Some(&place));
    world.submit(Aim::Factor(id), told);
    let name = Some(Some("Work phone".to_owned()));
    world.submit(Aim::Factor(id), Act::Change(FactorChange { name, enabled: None }));
    let challenge = pushed(&mut world, None);
    assert_eq!(woken(&world, challenge), [found("t", "en")], "a new name leaves it where it is found");
    world.submit(Aim::Factor(id), Act::RemoveFactor(crate::subject::Authority::Key));
    assert_eq!(woken(&world, challenge), []);
    assert!(world.factor(id).sealed.is_empty(), "the token is wiped with the secret");
}

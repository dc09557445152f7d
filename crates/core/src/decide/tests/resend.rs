//! Resend: the spacing, the caps, the same code, and rotation.

use std::time::Duration;

use super::world::{PHONE, World, approved, refusal, seconds, shown};
use crate::command::{Answer, Command, Create};
use crate::ids::VerificationId;
use crate::policy::{Policy, Profile};
use crate::refusal::Refusal;
use crate::routing::Routes;
use crate::verification::{Channel, Status};

fn resend_by(world: &mut World, id: VerificationId, channel: Channel) -> Answer {
    world.submit(Command::Resend(id, Some(channel)))
}

#[test]
fn a_resend_waits_for_its_spacing() {
    let mut world = World::new();
    world.policy.sends = (9, 9);
    let id = world.begin();
    for spacing in [30, 60, 120, 300] {
        let at = world.now.plus(seconds(spacing));
        world.now = at.minus(Duration::from_millis(1));
        assert_eq!(refusal(&world.resend(id)), Refusal::ResendTooSoon(at));
        world.now = at;
        assert!(matches!(world.resend(id), Answer::Done(_)), "after {spacing} s");
    }
    assert_eq!(world.row(id).sends, 5);
}

#[test]
fn a_resend_carries_the_same_code_and_neither_resets_tries_nor_extends_life() {
    let mut world = World::new();
    let id = world.begin();
    world.check_wrong(id);
    let (code, expires_at) = (world.code(id), world.row(id).expires_at);
    world.pass(seconds(30));
    world.resend(id);
    assert_eq!(world.code(id), code);
    assert_eq!((world.row(id).expires_at, world.row(id).attempts_remaining()), (expires_at, 4));
    assert_eq!(world.last_delivery().expires_at, expires_at);
    world.now = expires_at;
    assert_eq!(refusal(&world.check_right(id)), Refusal::Expired);
}

#[test]
fn tries_cannot_be_won_back_by_resending() {
    let mut world = World::new();
    world.policy.failures_before_pause = 99;
    let id = world.begin();
    for _ in 0..3 {
        world.check_wrong(id);
    }
    world.pass(seconds(30));
    world.resend(id);
    world.check_wrong(id);
    assert_eq!(world.status(id), Status::Pending);
    world.check_wrong(id);
    assert_eq!(world.status(id), Status::MaxAttempts);
    assert_eq!(refusal(&world.resend(id)), Refusal::MaxAttempts);
}

#[test]
fn rotation_kills_the_old_code() {
    let mut world = World::new();
    world.policy = Policy::of(Profile::Nist);
    let id = world.begin();
    let old = world.code(id);
    world.pass(seconds(30));
    world.resend(id);
    assert_ne!(world.code(id), old);
    assert_eq!((world.row(id).generation, world.last_delivery().generation), (1, 1));
    assert_eq!(refusal(&world.check(id, &old)), Refusal::CodeIncorrect);
    assert!(approved(&world.check_right(id)));
}

#[test]
fn the_cap_of_the_recipient_holds_for_resends_too() {
    let mut world = World::new();
    let id = world.begin();
    for _ in 0..4 {
        world.begin();
    }
    let at = world.now.plus(seconds(600));
    world.pass(seconds(30));
    assert_eq!(refusal(&world.resend(id)), Refusal::RecipientRateLimited(at));
}

#[test]
fn without_limits_a_test_project_resends_at_once() {
    let mut world = World::test_mode();
    let id = world.begin();
    for _ in 0..12 {
        assert!(matches!(world.resend(id), Answer::Done(_)));
    }
    assert_eq!(world.row(id).sends, 13);
    assert_eq!(world.row(id).attempts_remaining(), 5);
}

#[test]
fn another_channel_carries_the_same_code() {
    let mut world = World::new();
    let id = world.begin();
    let code = world.code(id);
    world.pass(seconds(30));
    let answer = resend_by(&mut world, id, Channel::Voice);
    assert_eq!(shown(&answer).verification.channel, Channel::Voice);
    assert_eq!((world.last_delivery().channel, world.code(id)), (Channel::Voice, code));
}

#[test]
fn a_channel_that_cannot_reach_or_has_no_route_left_is_refused() {
    let mut world = World::new();
    let id = world.begin();
    world.pass(seconds(30));
    for channel in [Channel::Email, Channel::Whatsapp, Channel::Own] {
        assert_eq!(refusal(&resend_by(&mut world, id, channel)), Refusal::CannotReceive, "{channel:?}");
    }
    world.routes = Routes::default();
    assert_eq!(refusal(&world.resend(id)), Refusal::NoRoute);
    assert_eq!(world.row(id).sends, 1);
}

#[test]
fn a_code_the_customer_delivers_is_shown_again_and_nothing_is_sent() {
    let mut world = World::new();
    let id = world.create(Create { channel: Some(Channel::Own), ..world.start(PHONE) });
    let before = world.rows.clone();
    assert!(matches!(world.resend(id), Answer::Done(_)));
    assert_eq!(refusal(&resend_by(&mut world, id, Channel::Sms)), Refusal::CannotReceive);
    assert!(world.rows == before);
}

#[test]
fn what_ended_is_not_sent_again() {
    let mut world = World::new();
    let (done, gone, old) = (world.begin(), world.begin(), world.begin());
    world.check_right(done);
    world.submit(Command::Cancel(gone));
    assert_eq!(refusal(&world.resend(done)), Refusal::AlreadyApproved);
    assert_eq!(refusal(&world.resend(gone)), Refusal::Canceled);
    world.pass(seconds(600));
    assert_eq!(refusal(&world.resend(old)), Refusal::Expired);
    assert_eq!(refusal(&world.resend(VerificationId::from_bytes([9; 16]))), Refusal::NotFound);
}

#[test]
fn the_answer_names_no_next_send_after_the_end_of_the_code() {
    let mut world = World::new();
    let id = world.create(Create { lifetime: seconds(90), ..world.start(PHONE) });
    world.pass(seconds(30));
    let answer = world.resend(id);
    assert_eq!(shown(&answer).next_resend_at, None, "60 s later it is over");
}

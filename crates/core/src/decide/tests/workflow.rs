//! Workflows: what makes the next step due, what is sent then, and what never is.

use std::time::Duration;

use super::world::{PHONE, World, approved, by, refusal, seconds, shown, undelivered};
use crate::command::{Command, Create, Sent};
use crate::delivery::{Delivery, DeliveryState, Fault};
use crate::ids::VerificationId;
use crate::journal::Event;
use crate::limits;
use crate::policy::{Policy, Profile};
use crate::receipt::Fate;
use crate::refusal::Refusal;
use crate::routing::{Route, Routes, TEST_OUTBOX};
use crate::scenario::providers;
use crate::verification::{Channel, Status};
use crate::workflow::{SkipReason, Skipped, Step, StepReason};

const SMS: Channel = Channel::Sms;
const VOICE: Channel = Channel::Voice;
const LANDLINE: &str = "+48221234567";

/// No route serves calls any more.
fn without_voice(world: &mut World) {
    let left = world.routes.live.iter().filter(|route| route.channel != VOICE);
    world.routes = Routes::of(left.cloned().collect());
}

/// The message of the step a workflow is at.
fn current(world: &World, id: VerificationId) -> Delivery {
    let delivery = world.row(id).workflow.as_ref().unwrap().delivery.unwrap();
    world.rows.deliveries[&delivery].clone()
}

fn take(world: &mut World, id: VerificationId) {
    let delivery = current(world, id).id;
    world.taken(delivery, &delivery.to_string());
}

/// What a worker does with a delivery that is due.
fn step(world: &mut World, id: VerificationId) {
    let delivery = current(world, id);
    assert!(delivery.due.is_some_and(|due| due <= world.now), "not due: {delivery:?}");
    world.submit(Command::Step(delivery.id));
}

fn steps(world: &World) -> Vec<(StepReason, Channel)> {
    let stepped = world.rows.journal.iter().filter_map(|entry| match &entry.event {
        Event::Stepped { why, channel, .. } => Some((*why, *channel)),
        _ => None,
    });
    stepped.collect()
}

fn sms_then_voice(receipt_within: Option<u32>, wait: Option<u32>) -> (World, VerificationId) {
    let mut world = World::new();
    let id = world.begin_with(&[by(SMS, receipt_within, wait), by(VOICE, None, None)]);
    (world, id)
}

#[test]
fn without_a_check_in_time_the_next_channel_carries_the_same_code() {
    let (mut world, id) = sms_then_voice(None, Some(60));
    let code = world.code(id);
    take(&mut world, id);
    let at = world.now.plus(seconds(60));
    assert_eq!((current(&world, id).due, current(&world, id).step_at), (Some(at), Some(at)));
    assert_eq!(current(&world, id).expires_at, world.now, "whoever claims it, it is never sent again");
    world.now = at;
    step(&mut world, id);
    assert_eq!(steps(&world), [(StepReason::NotChecked, VOICE)]);
    let voice = current(&world, id);
    assert_eq!((voice.channel, voice.state, voice.generation), (VOICE, DeliveryState::Queued, 0));
    assert_eq!((world.row(id).sends, world.row(id).channel, world.code(id)), (2, VOICE, code));
    assert_eq!(world.ledger(id).sends.len(), 2, "it is a send like any other");
    take(&mut world, id);
    assert_eq!(current(&world, id).due, None, "nothing follows the last step");
    assert!(approved(&world.check_right(id)));
}

#[test]
fn a_step_is_taken_once_and_not_a_moment_too_early() {
    let (mut world, id) = sms_then_voice(None, Some(60));
    take(&mut world, id);
    let sms = current(&world, id);
    world.pass(seconds(60) - Duration::from_millis(1));
    world.submit(Command::Step(sms.id));
    assert_eq!((world.row(id).sends, current(&world, id).due), (1, sms.due), "put back");
    world.pass(Duration::from_millis(1));
    for _ in 0..3 {
        world.submit(Command::Step(sms.id));
    }
    assert_eq!((world.row(id).sends, steps(&world).len()), (2, 1));
}

#[test]
fn a_message_that_failed_leads_on_at_once() {
    let (mut world, id) = sms_then_voice(None, None);
    let sms = current(&world, id).id;
    world.failed(sms, Fault::Recipient);
    assert_eq!(world.status(id), Status::Pending, "another route is left");
    step(&mut world, id);
    assert_eq!(steps(&world), [(StepReason::Failed, VOICE)]);
    let voice = current(&world, id).id;
    world.failed(voice, Fault::Recipient);
    assert_eq!(world.status(id), Status::Undeliverable, "every route refused at once");
}

#[test]
fn a_message_no_provider_takes_is_given_up_when_its_step_has_no_patience_left() {
    for (wait, patience) in [(Some(20), seconds(20)), (None, limits::STEP_PATIENCE)] {
        let (mut world, id) = sms_then_voice(None, wait);
        let delivery = current(&world, id).id;
        let begun = world.now;
        let retry = |world: &mut World, at: Duration| {
            let attempts = vec![world.attempt(Some(Fault::Provider), None)];
            let retry_at = Some(begun.plus(at));
            let state = DeliveryState::Queued;
            world.submit(Command::Sent(Sent { delivery, attempts, state, retry_at, receipts: false }));
            world.rows.deliveries[&delivery].state
        };
        assert_eq!(retry(&mut world, patience - Duration::from_millis(1)), DeliveryState::Queued);
        assert_eq!(retry(&mut world, patience), DeliveryState::Failed);
        step(&mut world, id);
        assert_eq!(steps(&world), [(StepReason::Failed, VOICE)]);
    }
}

#[test]
fn without_a_receipt_in_time_the_next_channel_follows_but_only_where_receipts_come() {
    let (mut world, id) = sms_then_voice(Some(20), Some(60));
    take(&mut world, id);
    assert_eq!(current(&world, id).step_at, Some(world.now.plus(seconds(20))));
    world.pass(seconds(20));
    step(&mut world, id);
    assert_eq!(steps(&world), [(StepReason::NoReceipt, VOICE)]);

    let (mut world, id) = sms_then_voice(Some(20), Some(60));
    let delivery = current(&world, id).id;
    world.sent(delivery, DeliveryState::Sent);
    assert_eq!(current(&world, id).step_at, Some(world.now.plus(seconds(60))));
}

#[test]
fn a_receipt_in_time_leaves_the_wait_for_the_check_counted_from_the_send() {
    let (mut world, id) = sms_then_voice(Some(20), Some(60));
    take(&mut world, id);
    let sent = world.now;
    world.pass(seconds(5));
    world.receipt(&current(&world, id).id.to_string(), Fate::Delivered);
    assert_eq!(current(&world, id).step_at, Some(sent.plus(seconds(60))));
    world.now = sent.plus(seconds(60));
    step(&mut world, id);
    assert_eq!(steps(&world), [(StepReason::NotChecked, VOICE)]);
}

#[test]
fn a_failed_receipt_leads_on_at_once_within_its_budget() {
    let steps_of = vec![by(SMS, None, Some(90)); limits::MAX_STEPS];
    let mut world = World::new();
    world.policy.sends = (9, 9);
    let id = world.begin_with(&steps_of);
    for _ in 0..limits::MAX_RECEIPT_STEPS {
        take(&mut world, id);
        world.receipt(&current(&world, id).id.to_string(), undelivered());
        step(&mut world, id);
    }
    assert_eq!(steps(&world), [(StepReason::Undelivered, SMS); limits::MAX_RECEIPT_STEPS as usize]);
    take(&mut world, id);
    let sent = world.now;
    world.receipt(&current(&world, id).id.to_string(), undelivered());
    assert_eq!(
        current(&world, id).step_at,
        Some(sent.plus(seconds(90))),
        "the wait for a check still counts"
    );
}

#[test]
fn a_late_receipt_of_an_earlier_step_leads_to_nothing() {
    let (mut world, id) = sms_then_voice(Some(20), None);
    take(&mut world, id);
    let sms = current(&world, id).id;
    world.pass(seconds(20));
    step(&mut world, id);
    world.receipt(&sms.to_string(), undelivered());
    let row = &world.rows.deliveries[&sms];
    assert_eq!((row.state, row.due), (DeliveryState::Failed, None));
    assert_eq!(world.row(id).sends, 2);
}

#[test]
fn nothing_is_sent_once_it_ended_or_expired() {
    for end in [Command::Cancel as fn(VerificationId) -> Command, Command::Override] {
        let (mut world, id) = sms_then_voice(None, Some(60));
        take(&mut world, id);
        world.submit(end(id));
        world.pass(seconds(60));
        step(&mut world, id);
        assert_eq!((world.row(id).sends, current(&world, id).due), (1, None));
    }
    let mut world = World::new();
    let id = world.create(Create {
        workflow: vec![by(SMS, None, Some(60)), by(VOICE, None, None)],
        lifetime: seconds(60),
        ..world.start(PHONE)
    });
    take(&mut world, id);
    assert_eq!(current(&world, id).due, None, "the step would come when the code is over");
}

#[test]
fn the_caps_hold_for_steps_and_the_timeline_says_so() {
    let mut world = World::new();
    let id = world.begin_with(&[by(SMS, None, Some(60)), by(VOICE, None, None)]);
    take(&mut world, id);
    for _ in 0..4 {
        world.begin();
    }
    world.pass(seconds(60));
    step(&mut world, id);
    assert_eq!(world.row(id).sends, 1);
    let halted = Event::Halted { why: StepReason::NotChecked, because: SkipReason::RateLimited };
    assert_eq!(world.rows.journal.last().unwrap().event, halted);
    assert_eq!(current(&world, id).due, None);
    assert!(approved(&world.check_right(id)));
}

#[test]
fn the_spacing_of_resends_does_not_hold_up_a_step() {
    let (mut world, id) = sms_then_voice(None, Some(5));
    take(&mut world, id);
    world.pass(seconds(5));
    step(&mut world, id);
    assert_eq!(world.row(id).sends, 2);
    assert!(matches!(refusal(&world.resend(id)), Refusal::ResendTooSoon(_)), "it holds up a person's wish");
}

#[test]
fn a_wish_for_another_message_is_the_next_step_and_the_earlier_wait_is_over() {
    let mut world = World::new();
    let id = world.begin_with(&[by(SMS, None, Some(60)), by(VOICE, None, Some(60)), by(SMS, None, None)]);
    take(&mut world, id);
    let sms = current(&world, id).id;
    world.pass(seconds(30));
    let answer = world.resend(id);
    assert_eq!(shown(&answer).verification.channel, VOICE);
    take(&mut world, id);
    world.pass(seconds(30));
    world.submit(Command::Step(sms));
    assert_eq!(world.row(id).sends, 2, "the wait of the first message leads to nothing");
    world.pass(seconds(30));
    step(&mut world, id);
    assert_eq!((world.row(id).sends, world.row(id).channel), (3, SMS));
    world.pass(seconds(120));
    assert_eq!(shown(&world.resend(id)).verification.channel, SMS, "the last step is sent again");
}

#[test]
fn a_wish_for_a_channel_goes_to_its_step() {
    let mut world = World::new();
    let id = world.begin_with(&[by(SMS, None, Some(60)), by(VOICE, None, Some(60)), by(SMS, None, None)]);
    take(&mut world, id);
    world.pass(seconds(30));
    world.submit(Command::Resend(id, Some(SMS)));
    assert_eq!(world.row(id).workflow.as_ref().unwrap().at, 2);
}

#[test]
fn a_profile_that_rotates_keeps_the_code_in_steps() {
    let mut world = World::new();
    world.policy = Policy::of(Profile::Nist);
    let id = world.begin_with(&[by(SMS, None, Some(60)), by(VOICE, None, None)]);
    let code = world.code(id);
    take(&mut world, id);
    world.pass(seconds(60));
    step(&mut world, id);
    assert_eq!((world.code(id), current(&world, id).generation), (code, 0));
}

#[test]
fn steps_without_a_route_are_passed_over_then_and_later() {
    let mut world = World::new();
    let id = world.begin_with(&[
        by(SMS, None, Some(60)),
        by(Channel::Whatsapp, None, None),
        by(VOICE, None, None),
    ]);
    let workflow = world.row(id).workflow.clone().unwrap();
    assert_eq!(workflow.steps.iter().map(|step| step.channel).collect::<Vec<_>>(), [SMS, VOICE]);
    assert_eq!(workflow.skipped, [Skipped { channel: Channel::Whatsapp, why: SkipReason::NoRoute }]);
    take(&mut world, id);
    without_voice(&mut world);
    world.pass(seconds(60));
    step(&mut world, id);
    let halted = Event::Halted { why: StepReason::NotChecked, because: SkipReason::NoRoute };
    assert_eq!(world.rows.journal.last().unwrap().event, halted);
}

#[test]
fn a_landline_gets_no_text_message_but_a_call() {
    let mut world = World::new();
    let start = |world: &World, channel| Create { channel, ..world.start(LANDLINE) };
    assert_eq!(world.refused_start(start(&world, Some(SMS))), Refusal::CannotReceive);
    let id = world.create(start(&world, None));
    assert_eq!((world.row(id).channel, world.row(id).channels_available.clone()), (VOICE, vec![VOICE]));
    let id = world.create(Create {
        workflow: vec![by(SMS, None, Some(60)), by(VOICE, None, None)],
        ..start(&world, None)
    });
    let workflow = world.row(id).workflow.clone().unwrap();
    assert_eq!(world.row(id).channel, VOICE);
    assert_eq!(workflow.skipped, [Skipped { channel: SMS, why: SkipReason::CannotReceive }]);
    without_voice(&mut world);
    assert_eq!(world.refused_start(start(&world, None)), Refusal::CannotReceive);
}

#[test]
fn a_number_that_may_be_either_is_sent_a_text_message() {
    let mut world = World::new();
    let id = world.create(world.start("+12125550123"));
    assert_eq!(world.row(id).channel, SMS);
}

#[test]
fn a_workflow_that_can_never_be_is_refused_by_what_is_wrong_with_it() {
    let mut world = World::new();
    let refused = |world: &mut World, steps: &[Step]| {
        world.refused_start(Create { workflow: steps.to_vec(), ..world.start(PHONE) })
    };
    let sms = by(SMS, None, Some(60));
    assert_eq!(refused(&mut world, &[sms, by(Channel::Email, None, None)]), Refusal::CannotReceive);
    assert_eq!(refused(&mut world, &[sms, by(Channel::Own, None, None)]), Refusal::CannotReceive);
    assert_eq!(refused(&mut world, &[by(Channel::Whatsapp, None, None)]), Refusal::NoRoute);
    world.routes = Routes::of(vec![Route::plain(VOICE, &["v"])]);
    let id = world.begin_with(&[sms, by(VOICE, None, None)]);
    assert_eq!(world.row(id).channel, VOICE, "the first that can be taken");
}

#[test]
fn the_first_step_plays_the_scenario_and_the_others_help() {
    let mut world = World::test_mode();
    let steps_of = vec![by(SMS, Some(20), None), by(VOICE, None, None)];
    let id = world.create(Create { workflow: steps_of, ..world.start("+15005550010") });
    assert_eq!(current(&world, id).providers, [providers::LOSES]);
    take(&mut world, id);
    world.pass(seconds(20));
    step(&mut world, id);
    assert_eq!(current(&world, id).providers, [TEST_OUTBOX]);
}

#[test]
fn steps_go_by_the_test_clock_also_when_nobody_says_how_far_it_is_ahead() {
    let mut world = World::test_mode();
    world.clock_ahead = seconds(3_600);
    let id = world.create(Create {
        workflow: vec![by(SMS, None, Some(60)), by(VOICE, None, None)],
        ..world.start(PHONE)
    });
    let ahead = world.now.plus(seconds(3_600));
    world.clock_ahead = Duration::ZERO;
    take(&mut world, id);
    let sms = current(&world, id);
    assert_eq!((sms.step_at, sms.due), (Some(ahead.plus(seconds(60))), Some(world.now.plus(seconds(60)))));
    world.clock_ahead = seconds(3_660);
    world.submit(Command::Step(sms.id));
    assert_eq!(world.row(id).sends, 2, "the clock was moved over it");
}

#[test]
fn rows_without_a_workflow_are_stored_as_they_were_before_there_were_any() {
    let mut world = World::new();
    let id = world.begin();
    let delivery = world.last_delivery().id;
    world.sent(delivery, DeliveryState::Sent);
    let (row, sent) = (world.row(id).clone(), world.last_delivery().clone());
    let members = |bytes: &[u8]| minicbor::Decoder::new(bytes).array().unwrap().unwrap();
    assert_eq!(members(&minicbor::to_vec(&row).unwrap()), 23, "up to the channels a resend may use");
    assert_eq!(members(&minicbor::to_vec(&sent).unwrap()), 14, "up to the number of tries");
}

//! Create: what begins, what gives way, what is refused.

use super::world::{OTHER_PHONE, PHONE, World, refusal, ring, seconds, shown, transfer};
use crate::command::{Answer, Command, Create};
use crate::delivery::DeliveryState;
use crate::journal::Event;
use crate::keys::open;
use crate::policy::{Policy, Profile};
use crate::refusal::Refusal;
use crate::routing::Routes;
use crate::scenario::{Scenario, providers};
use crate::tenant::Mode;
use crate::verification::{Block, Channel, Lane, Private, Purpose, Status};

fn of_subject(world: &World, subject: Option<&str>) -> Create {
    let private = Private { subject: subject.map(str::to_owned), ..Private::default() };
    Create { private, ..world.start(PHONE) }
}

fn of_session(world: &World, session: &str) -> Create {
    let private = Private { session: Some(session.to_owned()), ..Private::default() };
    Create { private, ..world.start(PHONE) }
}

#[test]
fn a_start_makes_a_pending_verification_a_ledger_and_a_leased_delivery() {
    let mut world = World::new();
    let id = world.begin();
    assert_eq!(world.status(id), Status::Pending);
    assert_eq!(world.row(id).expires_at, world.now.plus(seconds(600)));
    assert_eq!(world.ledger(id).sends.len(), 1);
    let delivery = world.last_delivery();
    assert_eq!((delivery.verification, delivery.state), (id, DeliveryState::Queued));
    assert_eq!(delivery.due, Some(world.now.plus(seconds(30))), "born leased");
    assert_eq!(delivery.expires_at, world.row(id).expires_at);
    assert_eq!(delivery.providers, ["gateway"]);
}

#[test]
fn the_answer_says_what_is_left_and_when() {
    let mut world = World::new();
    let answer = world.submit(Command::Create(Box::new(world.start(PHONE))));
    let shown = shown(&answer);
    assert_eq!(shown.verification.attempts_remaining(), 5);
    assert_eq!(shown.sends_remaining, 4);
    assert_eq!(shown.next_resend_at, Some(world.now.plus(seconds(30))));
    assert_eq!(shown.verification.channels_available, [Channel::Sms, Channel::Voice]);
}

#[test]
fn the_recipient_is_sealed_under_the_ledgers_data_key() {
    let mut world = World::new();
    let id = world.begin();
    let (row, ledger) = (world.row(id), world.ledger(id));
    let data_key = ledger.open_data_key(&world.keys).unwrap();
    let plain = open(&data_key, &row.sealed_for(), ledger.data_key.root, &row.sealed).unwrap();
    let private: Private = minicbor::decode(&plain).unwrap();
    assert_eq!((private.to.as_str(), private.masked.as_str()), (PHONE, "+48••••••17"));
    let bytes = minicbor::to_vec(row).unwrap();
    assert!(!bytes.windows(9).any(|part| part == b"600100217"));
}

#[test]
fn spellings_of_one_mailbox_share_a_ledger_and_keep_their_own_address() {
    let mut world = World::new();
    let one = world.create(world.start("Ann+a@example.com"));
    let other = world.create(world.start("ann@EXAMPLE.com"));
    assert_eq!(world.row(one).recipient, world.row(other).recipient);
    assert_ne!(world.row(one).address, world.row(other).address);
}

#[test]
fn modes_and_projects_share_no_ledger() {
    let mut world = World::new();
    let live = world.begin();
    world.tenant.mode = Mode::Test;
    let test = world.begin();
    assert_ne!(world.row(live).recipient, world.row(test).recipient);
}

#[test]
fn a_later_start_with_an_equal_subject_supersedes() {
    let mut world = World::new();
    let old = world.create(of_subject(&world, Some("user-42")));
    let new = world.create(of_subject(&world, Some("user-42")));
    assert_eq!((world.status(old), world.status(new)), (Status::Superseded, Status::Pending));
    assert_eq!(refusal(&world.check_right(old)), Refusal::Canceled);
}

#[test]
fn a_later_start_with_an_equal_session_supersedes() {
    let mut world = World::new();
    let old = world.create(of_session(&world, "s-1"));
    world.create(of_session(&world, "s-2"));
    assert_eq!(world.status(old), Status::Pending);
    world.create(of_session(&world, "s-1"));
    assert_eq!(world.status(old), Status::Superseded);
}

#[test]
fn null_equals_nothing_so_strangers_do_not_supersede_each_other() {
    let mut world = World::new();
    let first = world.create(of_subject(&world, None));
    let second = world.create(of_subject(&world, None));
    let named = world.create(of_subject(&world, Some("user-42")));
    for id in [first, second, named] {
        assert_eq!(world.status(id), Status::Pending);
    }
    assert_ne!(world.code(first), world.code(second), "two strangers never share a code");
}

#[test]
fn another_purpose_does_not_supersede() {
    let mut world = World::new();
    let old = world.create(of_subject(&world, Some("user-42")));
    let recovery = Create { purpose: Purpose::Recovery, ..of_subject(&world, Some("user-42")) };
    world.create(recovery);
    assert_eq!(world.status(old), Status::Pending);
}

#[test]
fn a_new_root_does_not_keep_a_start_from_superseding() {
    let mut world = World::new();
    let old = world.create(of_subject(&world, Some("user-42")));
    world.keys = ring(2, &[1, 2]);
    let new = world.create(of_subject(&world, Some("user-42")));
    assert_eq!(world.row(old).recipient, world.row(new).recipient, "found under the old root");
    assert_eq!(world.status(old), Status::Superseded);
}

#[test]
fn a_start_writes_down_what_expired_before_it() {
    let mut world = World::new();
    let old = world.begin();
    world.pass(seconds(600));
    world.begin();
    assert_eq!(world.row(old).status, Status::Expired);
}

#[test]
fn a_ninth_open_one_pushes_the_oldest_out() {
    let mut world = World::test_mode();
    let ids: Vec<_> = (0..9).map(|_| world.begin()).collect();
    let open = ids.iter().filter(|id| world.status(**id) == Status::Pending).count();
    assert_eq!(open, 8);
    assert_eq!(world.status(ids[0]), Status::Superseded);
}

#[test]
fn the_sixth_send_in_ten_minutes_is_refused_and_nothing_is_kept() {
    let mut world = World::new();
    for _ in 0..5 {
        world.begin();
    }
    let before = world.rows.clone();
    let at = world.now.plus(seconds(600));
    assert_eq!(world.refused_start(world.start(PHONE)), Refusal::RecipientRateLimited(at));
    assert!(world.rows == before);
    world.create(world.start(OTHER_PHONE));
    world.pass(seconds(600));
    world.begin();
}

#[test]
fn the_address_of_the_client_may_be_held() {
    let mut world = World::new();
    world.ip_held_until = Some(world.now.plus(seconds(9)));
    assert_eq!(world.refused_start(world.start(PHONE)), Refusal::IpRateLimited(world.now.plus(seconds(9))));
}

#[test]
fn a_pause_that_outlasts_the_code_refuses_the_start() {
    let mut world = World::new();
    let id = world.begin();
    for _ in 0..5 {
        world.check_wrong(id);
    }
    let until = world.now.plus(seconds(60));
    let of_life = |world: &World, life| Create { lifetime: seconds(life), ..world.start(PHONE) };
    assert_eq!(world.refused_start(of_life(&world, 60)), Refusal::RecipientPaused(until));
    world.create(of_life(&world, 61));
    world.create(Create { lane: Lane::Known, ..of_life(&world, 30) });
}

#[test]
fn the_customer_may_deliver_the_code() {
    let mut world = World::new();
    let id = world.create(Create { channel: Some(Channel::Own), ..world.start(PHONE) });
    assert!(world.rows.deliveries.is_empty() && world.ledger(id).sends.is_empty());
    assert!(super::world::approved(&world.check_right(id)));
}

#[test]
fn what_cannot_be_sent_is_refused() {
    let mut world = World::new();
    let by = |world: &World, to, channel| Create { channel: Some(channel), ..world.start(to) };
    assert_eq!(world.refused_start(by(&world, PHONE, Channel::Email)), Refusal::CannotReceive);
    assert_eq!(world.refused_start(by(&world, "a@example.com", Channel::Sms)), Refusal::CannotReceive);
    assert_eq!(world.refused_start(by(&world, PHONE, Channel::Whatsapp)), Refusal::NoRoute);
    world.routes = Routes::default();
    assert_eq!(world.refused_start(world.start(PHONE)), Refusal::NoRoute);
    assert!(world.rows.journal.is_empty());
}

#[test]
fn nist_has_no_email_for_authentication() {
    let mut world = World::new();
    world.policy = Policy::of(Profile::Nist);
    assert_eq!(world.refused_start(world.start("a@example.com")), Refusal::ChannelNotAllowed);
    world.create(Create { purpose: Purpose::Recovery, ..world.start("a@example.com") });
}

#[test]
fn a_country_that_is_not_allowed_is_kept_as_blocked_and_never_sent() {
    let mut world = World::new();
    world.policy.countries = vec![*b"DE"];
    let answer = world.submit(Command::Create(Box::new(world.start(PHONE))));
    assert_eq!(refusal(&answer), Refusal::Blocked(Block::Country));
    let id = shown(&answer).verification.id;
    assert_eq!(world.status(id), Status::Blocked(Block::Country));
    assert!(world.rows.deliveries.is_empty() && world.ledger(id).sends.is_empty());
    assert_eq!(refusal(&world.check_right(id)), Refusal::Blocked(Block::Country));
    world.policy.countries = vec![*b"DE", *b"PL"];
    world.begin();
}

#[test]
fn a_dry_run_answers_and_changes_nothing() {
    let mut world = World::new();
    let dry = |world: &World| Create { dry_run: true, ..world.start(PHONE) };
    let answer = world.submit(Command::Create(Box::new(dry(&world))));
    assert!(matches!(answer, Answer::Done(_)));
    world.policy.countries = vec![*b"DE"];
    assert_eq!(world.refused_start(dry(&world)), Refusal::Blocked(Block::Country));
    assert!(world.rows == super::world::Rows::default());
}

#[test]
fn an_unknown_root_refuses_a_start_and_changes_nothing() {
    let mut world = World::new();
    world.begin();
    let start = world.start(PHONE);
    let before = world.rows.clone();
    world.keys = ring(2, &[2]);
    assert_eq!(world.refused_start(start), Refusal::RootUnknown);
    assert!(world.rows == before);
}

#[test]
fn a_changed_amount_changes_the_code_by_construction() {
    let mut world = World::new();
    let of = |world: &World, amount| Create {
        purpose: Purpose::Transaction,
        private: Private { transaction: Some(transfer(amount)), ..Private::default() },
        ..world.start(PHONE)
    };
    let id = world.create(of(&world, 125_000));
    let mut other = world.row(id).clone();
    let changed = world.create(of(&world, 125_001));
    other.binding = world.row(changed).binding;
    let digest = other.binding.digest();
    let code = world.keys.code(&other.code_inputs(&digest)).unwrap();
    assert_ne!(code.reveal(), world.code(id));
}

/// The providers a scenario number is handed to, or why it is refused.
fn scenario(number: &str) -> Result<(Status, Vec<String>), Refusal> {
    let mut world = World::test_mode();
    let answer = world.submit(Command::Create(Box::new(world.start(number))));
    match answer {
        Answer::Done(shown) => {
            let providers = world.rows.deliveries.values().next().map(|delivery| delivery.providers.clone());
            Ok((shown.verification.status, providers.unwrap_or_default()))
        }
        other => Err(refusal(&other)),
    }
}

#[test]
fn scenario_numbers_provoke_their_outcomes() {
    let sent = |names: &[&str]| Ok((Status::Pending, names.iter().map(|name| (*name).to_owned()).collect()));
    let outbox = crate::routing::TEST_OUTBOX;
    for (number, expected) in [
        ("+15005550001", Err(Refusal::RecipientInvalid)),
        ("+15005550002", Err(Refusal::NoRoute)),
        ("+15005550003", Err(Refusal::Blocked(Block::Country))),
        ("+15005550004", Err(Refusal::Blocked(Block::List))),
        ("+15005550006", sent(&[providers::DELIVERS])),
        ("+15005550009", Err(Refusal::CannotReceive)),
        ("+15005550010", sent(&[providers::LOSES])),
        ("+15005550011", sent(&[providers::LATE])),
        ("+15005550012", sent(&[providers::FAILS, outbox])),
        ("+15005550013", sent(&[outbox])),
        ("+15005550014", Ok((Status::MaxAttempts, Vec::new()))),
        ("+15005550015", Ok((Status::Expired, Vec::new()))),
        ("+15005550016", sent(&[providers::UNDELIVERED])),
    ] {
        assert_eq!(scenario(number), expected, "{number}");
    }
}

#[test]
fn the_number_without_text_messages_takes_calls_but_no_resend_by_text() {
    let mut world = World::test_mode();
    let id = world.create(Create { channel: Some(Channel::Voice), ..world.start("+15005550009") });
    assert_eq!(refusal(&world.submit(Command::Resend(id, Some(Channel::Sms)))), Refusal::CannotReceive);
    world.submit(Command::Resend(id, None));
    assert_eq!(world.row(id).sends, 2);
}

#[test]
fn no_scenario_exists_in_live_mode() {
    let mut world = World::new();
    for (number, _) in Scenario::ALL {
        let to = format!("+1500555{number:04}");
        assert_eq!(world.refused_start(world.start(&to)), Refusal::RecipientInvalid, "{to}");
    }
    assert!(world.rows.journal.is_empty());
}

#[test]
fn the_entry_of_a_start_says_why_this_way() {
    let mut world = World::new();
    world.begin();
    let [entry] = &world.rows.journal[..] else { panic!() };
    let created = Event::Created {
        purpose: Purpose::Authentication,
        channel: Channel::Sms,
        lane: Lane::Open,
        route: vec!["gateway".to_owned()],
    };
    assert_eq!((&entry.event, entry.at), (&created, world.now));
}

//! The vectors of `docs/formats.md` about subjects, factors and challenges, against what the code computes.

use zeroize::Zeroizing;

use crate::challenge::{Challenge, ChallengePrivate, ChallengeStatus, Method};
use crate::factor::device::{Verdict, enrolment_message, poll_message, response_message};
use crate::factor::{
    Factor, FactorFailures, FactorKind, FactorPrivate, FactorState, Means, SecretBytes, backup_code,
    backup_code_digest, codes_sealed_for,
};
use crate::formats_tests::{
    AT, ROOT, Vector, assert_entry, assert_numbers, binding, entry, given, keys, tenant, transaction,
};
use crate::ids::{ChallengeId, FactorId, SubjectId, VerificationId};
use crate::journal::{Actor, Event, SubjectPlace};
use crate::keys::{SealedFor, WrappedKey, open, seal};
use crate::oath::ocra::Suite;
use crate::subject::{KnownRecipient, SubjectEvent, SubjectPrivate, SubjectRow, data_key_place, index_of};
use crate::tenant::{Mode, Tenant};
use crate::verification::Purpose;
use crate::{challenge, factor, subject};

fn subject_id() -> SubjectId {
    SubjectId::from_bytes(given().array("subject"))
}

fn factor_id() -> FactorId {
    FactorId::from_bytes(given().array("factor"))
}

fn challenge_id() -> ChallengeId {
    ChallengeId::from_bytes(given().array("challenge"))
}

fn wrapped() -> WrappedKey {
    WrappedKey { root: ROOT, bytes: Vector::named("wrapped data key of a subject").bytes("sealed") }
}

fn data_key() -> Zeroizing<[u8; 32]> {
    keys().unwrap_subject(&wrapped(), &data_key_place(&tenant(), &subject_id())).unwrap()
}

fn row() -> SubjectRow {
    SubjectRow {
        id: subject_id(),
        tenant: tenant(),
        data_key: wrapped(),
        sealed: Vec::new(),
        factors: Vec::new(),
        open: Vec::new(),
        pushes: Vec::new(),
        created_at: AT,
        updated_at: AT,
        removed_at: None,
        epoch: *keys().epoch(),
    }
}

fn token(means: Means) -> Factor {
    Factor {
        id: factor_id(),
        state: FactorState::Pending,
        means,
        created_at: AT,
        activated_at: None,
        last_used_at: None,
        failures: FactorFailures::default(),
        sealed: Vec::new(),
        removed_at: None,
    }
}

fn ocra(suite: &str) -> Factor {
    token(Means::Ocra { suite: suite.to_owned(), counter: 0 })
}

fn asked() -> Challenge {
    Challenge {
        id: challenge_id(),
        tenant: tenant(),
        subject: subject_id(),
        status: ChallengeStatus::Pending,
        purpose: Purpose::Transaction,
        methods: vec![Method::Push],
        factor: None,
        binding: binding(Some(&transaction(Some("INV-77"))), None, Some("s-1")),
        root: ROOT,
        sealed: Vec::new(),
        checks_used: 0,
        checks_allowed: 5,
        wrong_numbers: 0,
        created_at: AT,
        expires_at: AT,
        ended_at: None,
        approved_by: None,
        pushed_to: Vec::new(),
        verification: None,
        spent: false,
        epoch: *keys().epoch(),
        redeemed_at: None,
        origin: None,
    }
}

#[test]
fn blind_index_of_a_subject() {
    let vector = Vector::named("subject index");
    for (mode, name) in [(Mode::Live, "live"), (Mode::Test, "test")] {
        let index = index_of(&keys(), &Tenant { mode, ..tenant() }, "user-42");
        assert_eq!(index, [vector.digest(&format!("user-42 {name}"))]);
    }
}

#[test]
fn wrapped_data_key_of_a_subject() {
    let vector = Vector::named("wrapped data key of a subject");
    let key = vector.array("data_key");
    let made = keys().wrap_subject(&key, vector.array("nonce"), &data_key_place(&tenant(), &subject_id()));
    assert_eq!(made.unwrap(), wrapped());
    assert_eq!(*data_key(), key);
}

fn assert_sealed(name: &str, place: &SealedFor<'_>, plain: &[u8]) {
    let (vector, nonce) =
        (Vector::named(name), Vector::named("wrapped data key of a subject").array("nonce"));
    assert_eq!(plain, vector.bytes("plain"), "{name}");
    assert_eq!(seal(&data_key(), nonce, place, ROOT, plain).unwrap(), vector.bytes("sealed"), "{name}");
    assert_eq!(open(&data_key(), place, ROOT, &vector.bytes("sealed")).unwrap(), plain, "{name}");
}

#[test]
fn what_is_sealed_under_a_subjects_key() {
    let (tenant, id, asked) = (tenant(), factor_id(), challenge_id());
    let pair = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    let person = SubjectPrivate {
        external_id: "user-42".to_owned(),
        recipients: vec![KnownRecipient {
            to: "+48600100217".to_owned(),
            verification: None,
            verified_at: AT,
        }],
        metadata: pair("plan", "gold"),
    };
    let ann = subject_id();
    let place = subject::sealed_for(&tenant, &ann);
    assert_sealed("sealed subject", &place, &minicbor::to_vec(person).unwrap());
    let held = FactorPrivate {
        secret: SecretBytes(Zeroizing::new(b"12345678901234567890".to_vec())),
        name: Some("Phone".to_owned()),
        serial: Some("GT-1".to_owned()),
        ..FactorPrivate::default()
    };
    let place = factor::sealed_for(&tenant, &id);
    assert_sealed("sealed factor", &place, &minicbor::to_vec(held).unwrap());
    let codes: Vec<u8> = (0..32).collect();
    assert_sealed("sealed backup codes", &codes_sealed_for(&tenant, &id), &codes);
    let wish = ChallengePrivate {
        transaction: Some(transaction(Some("INV-77"))),
        session: Some("s-1".to_owned()),
        metadata: Vec::new(),
        message: Some("Pay?".to_owned()),
        details: pair("Browser", "Firefox"),
    };
    let place = challenge::sealed_for(&tenant, &asked);
    assert_sealed("sealed challenge", &place, &minicbor::to_vec(wish).unwrap());
}

#[test]
fn a_backup_code_and_its_digest() {
    let vector = Vector::named("backup code");
    let code = backup_code(&vector.array("random"));
    assert_eq!(*code, vector.text("text"));
    let digest = backup_code_digest(&keys(), ROOT, &tenant(), &factor_id(), &code.replace('-', ""));
    assert_eq!(digest.unwrap(), vector.digest("digest"));
}

#[test]
fn what_is_good_for_a_moment() {
    let (vector, keys) = (Vector::named("moments"), keys());
    let suite = |form: &str| format!("OCRA-1:HOTP-SHA256-8:{form}");
    let device =
        token(Means::Push { algorithm: factor::device::SignatureAlgorithm::Ed25519, public_key: vec![] });
    assert_eq!(device.enrolment_token(&keys, ROOT, &tenant()).unwrap(), vector.text("enrolment token"));
    for form in ["QN08", "QA10", "QH40"] {
        let activation = Suite::parse(&suite(form)).unwrap().question_from(&vector.digest("activation").0);
        assert_eq!(ocra(&suite(form)).activation_question(&keys, &row()).unwrap(), activation);
        let question = ocra(&suite(form)).question(&keys, &asked()).unwrap();
        assert_eq!(question, vector.text(&format!("question {form}")));
    }
    assert_eq!(asked().question(&keys).unwrap(), vector.digest("question"));
    assert_eq!(asked().number(&keys).unwrap(), vector.text("number"));
}

#[test]
fn what_a_device_signs() {
    let vector = Vector::named("device messages");
    let (factor, challenge) = (factor_id(), challenge_id());
    let key: Vec<u8> = (0..32).collect();
    assert_eq!(enrolment_message(&factor, "token", &key), vector.bytes("enrolment"));
    assert_eq!(poll_message(&factor, AT), vector.bytes("poll"));
    let response = |shown| response_message(&factor, &challenge, Verdict::Approve, "42", shown);
    assert_eq!(response(None), vector.bytes("response"));
    assert_eq!(response(Some(&transaction(Some("INV-77")))), vector.bytes("response with a transaction"));
}

#[test]
fn journal_entries_of_subjects() {
    let place = SubjectPlace { subject: subject_id(), factor: Some(factor_id()), challenge: None };
    let mut enrolled = entry(Event::Subject(SubjectEvent::FactorEnrolled(FactorKind::Totp)));
    (enrolled.recipient, enrolled.verification, enrolled.place) = (None, None, Some(place));
    assert_entry("journal factor enrolled", &enrolled);
    let ended = SubjectEvent::ChallengeEnded(ChallengeStatus::Denied);
    let mut denied = entry(Event::Subject(ended));
    (denied.recipient, denied.verification, denied.request) = (None, None, None);
    denied.actor = Actor::Device(factor_id());
    denied.place = Some(SubjectPlace { challenge: Some(challenge_id()), ..place });
    assert_entry("journal challenge denied", &denied);
}

#[test]
fn numbers_of_names() {
    assert_numbers(FactorKind::ALL, |kind| kind.as_str());
    assert_numbers(FactorState::ALL, |state| state.as_str());
    assert_numbers(Method::ALL, |method| method.as_str());
    assert_numbers(ChallengeStatus::ALL, |status| status.as_str());
}

#[test]
fn numbers_of_what_happens_to_a_subject() {
    let id = VerificationId::from_bytes([0x33; 16]);
    let with_id = |number: u8| [&[0x82, number, 0x50][..], &[0x33; 16]].concat();
    let rejected = SubjectEvent::ChallengeRejected {
        attempts_remaining: 4,
        binding: false,
        replayed: true,
        status: ChallengeStatus::Pending,
    };
    let created = SubjectEvent::ChallengeCreated {
        purpose: Purpose::Recovery,
        methods: vec![Method::Totp, Method::Sms],
    };
    for (event, stored) in [
        (SubjectEvent::Created, vec![0x81, 0]),
        (SubjectEvent::Updated, vec![0x81, 1]),
        (SubjectEvent::Removed, vec![0x81, 2]),
        (SubjectEvent::RecipientAdded(Some(id)), with_id(3)),
        (SubjectEvent::RecipientRemoved, vec![0x81, 4]),
        (SubjectEvent::FactorActivated, vec![0x81, 6]),
        (SubjectEvent::FactorChanged(FactorState::Disabled), vec![0x82, 7, 2]),
        (SubjectEvent::FactorUnlocked, vec![0x81, 9]),
        (SubjectEvent::FactorRemoved(FactorKind::Push), vec![0x82, 10, 4]),
        (SubjectEvent::FactorResynced, vec![0x81, 11]),
        (SubjectEvent::FactorRejected, vec![0x81, 12]),
        (SubjectEvent::BackupCodesRegenerated, vec![0x81, 13]),
        (SubjectEvent::BackupCodesLow(3), vec![0x82, 14, 3]),
        (created, vec![0x83, 15, 2, 0x82, 0, 5]),
        (rejected, vec![0x85, 16, 4, 0xf4, 0xf5, 0]),
        (SubjectEvent::ChallengeApproved(Method::Ocra), vec![0x82, 17, 2]),
        (SubjectEvent::ChallengeFellBack(id), with_id(19)),
        (SubjectEvent::ChallengeRedeemed, vec![0x81, 20]),
    ] {
        assert_eq!(minicbor::to_vec(&event).unwrap(), stored, "{event:?}");
    }
}

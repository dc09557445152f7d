//! Requests about subjects, their factors and their challenges; the codes an app would show; a device that signs.

use std::time::Duration;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use countersign_core::challenge::{Challenge, ChallengePrivate, Method};
use countersign_core::command::{Command, Entered, Request};
use countersign_core::factor::device::{SignatureAlgorithm, Verdict, enrolment_message, response_message};
use countersign_core::factor::{SecretBytes, backup_code};
use countersign_core::ids::{ChallengeId, FactorId};
use countersign_core::oath::{Algorithm, hotp, time_step};
use countersign_core::subject::{
    Act, Aim, CheckChallenge, Enrol, FactorPlan, NewChallenge, Reply, SubjectCommand, SubjectName,
    SubjectRow, index_of,
};
use countersign_core::time::Timestamp;
use countersign_core::verification::Purpose;
use zeroize::Zeroizing;

use crate::Requests;

/// The secret of every app and token of the tests: that of the RFCs' own vectors.
pub const FACTOR_SECRET: &[u8] = b"12345678901234567890";

/// An app with six digits of 30 seconds each.
#[must_use]
pub fn totp() -> FactorPlan {
    FactorPlan::Totp { algorithm: Algorithm::Sha1, digits: 6, period: 30, secret: secret() }
}

/// A token that counts, from its first code on.
#[must_use]
pub fn hotp_token() -> FactorPlan {
    FactorPlan::Hotp { algorithm: Algorithm::Sha1, digits: 6, counter: 0, secret: secret() }
}

/// A list of ten codes; [`listed_code`] tells them.
#[must_use]
pub fn backup_list() -> FactorPlan {
    FactorPlan::BackupCodes((0..10).map(|nth| [nth + 1; 16]).collect())
}

fn secret() -> SecretBytes {
    SecretBytes(Zeroizing::new(FACTOR_SECRET.to_vec()))
}

/// What the app shows `steps` away from `at`.
#[must_use]
pub fn totp_at(at: Timestamp, steps: i64) -> String {
    totp_of(time_step(at, Duration::from_secs(30)).saturating_add_signed(steps))
}

/// What the app shows in a time step.
#[must_use]
pub fn totp_of(step: u64) -> String {
    hotp_of(step)
}

/// What the token shows at `counter`.
#[must_use]
pub fn hotp_of(counter: u64) -> String {
    hotp(Algorithm::Sha1, FACTOR_SECRET, counter, 6).reveal().to_owned()
}

/// The `nth` code of the list, from zero on.
#[must_use]
pub fn listed_code(nth: u8) -> String {
    backup_code(&[nth + 1; 16]).to_string()
}

/// What a person typed.
#[must_use]
pub fn entered(code: &str) -> Entered {
    Entered(Zeroizing::new(code.to_owned()))
}

impl Requests {
    /// A request about a subject.
    #[must_use]
    pub fn subject(&self, aim: Aim, act: Act) -> Request {
        self.of(Command::Subject(Box::new(SubjectCommand { aim, act })))
    }

    /// The subject with this name.
    #[must_use]
    pub fn named(&self, external_id: &str) -> Aim {
        let index = index_of(&self.keys, &self.tenant, external_id);
        Aim::Name(SubjectName { external_id: external_id.to_owned(), index })
    }

    /// An enrolment that was proven elsewhere: the factor is usable at once, unless it is a device.
    #[must_use]
    pub fn enrol(&self, external_id: &str, plan: FactorPlan) -> Request {
        let enrol = Enrol { plan, name: None, account: None, serial: None, metadata: None, proven: true };
        self.subject(self.named(external_id), Act::Enrol(Box::new(enrol)))
    }

    /// A challenge of five minutes, by any factor or the named methods.
    #[must_use]
    pub fn ask(&self, external_id: &str, methods: &[Method]) -> Request {
        self.subject(self.named(external_id), Act::Challenge(Box::new(wish(methods, None))))
    }

    /// A challenge that comes with its answer.
    #[must_use]
    pub fn try_code(&self, external_id: &str, code: &str) -> Request {
        self.subject(self.named(external_id), Act::Challenge(Box::new(wish(&[], Some(entered(code))))))
    }

    /// An answer to a challenge.
    #[must_use]
    pub fn respond(&self, id: ChallengeId, code: &str) -> Request {
        let check = CheckChallenge {
            code: entered(code),
            method: None,
            session: None,
            transaction: None,
            origin: None,
        };
        self.subject(Aim::Challenge(id), Act::Check(check))
    }
}

fn wish(methods: &[Method], code: Option<Entered>) -> NewChallenge {
    NewChallenge {
        methods: methods.to_vec(),
        factor: None,
        purpose: Purpose::Authentication,
        lifetime: Duration::from_secs(300),
        private: ChallengePrivate::default(),
        code,
        origin: None,
    }
}

/// A device of a person, with an Ed25519 key.
pub struct Device {
    factor: FactorId,
    pair: Ed25519KeyPair,
}

impl Device {
    /// A device for a factor that waits for one.
    #[must_use]
    pub fn of(factor: FactorId, seed: [u8; 32]) -> Self {
        Self { factor, pair: Ed25519KeyPair::from_seed_unchecked(&seed).expect("32 bytes are a seed") }
    }

    /// Its enrolment, with the token it was given.
    #[must_use]
    pub fn enrol(&self, requests: &Requests, row: &SubjectRow) -> Request {
        let factor = row.factor(self.factor).expect("the factor is the subject's");
        let token = factor.enrolment_token(&requests.keys, row.data_key.root, &row.tenant);
        let token = token.expect("the root is known");
        let public_key = self.pair.public_key().as_ref().to_vec();
        let signature = self.pair.sign(&enrolment_message(&self.factor, &token, &public_key));
        let act = Act::EnrolDevice {
            token: Zeroizing::new(token),
            algorithm: SignatureAlgorithm::Ed25519,
            signature: signature.as_ref().to_vec(),
            public_key,
            name: None,
        };
        requests.subject(Aim::Factor(self.factor), act)
    }

    /// Its yes to a challenge without a transaction, with the number of the first screen.
    #[must_use]
    pub fn approve(&self, requests: &Requests, challenge: &Challenge) -> Request {
        let number = challenge.number(&requests.keys).expect("the root is known");
        let message = response_message(&self.factor, &challenge.id, Verdict::Approve, &number, None);
        let signature = self.pair.sign(&message).as_ref().to_vec();
        let reply = Reply { challenge: challenge.id, verdict: Verdict::Approve, number, signature };
        requests.subject(Aim::Factor(self.factor), Act::Reply(reply))
    }
}

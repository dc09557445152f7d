use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use countersign_core::challenge::ChallengeStatus;
use countersign_core::ids::{RecipientId, SubjectId};
use countersign_core::keys::{Alphabet, CodeFormat, Digest, WrappedKey, seal};
use countersign_core::recipient::Recipient;
use countersign_core::subject::{SubjectPrivate, SubjectRow};
use countersign_core::tenant::Mode;
use countersign_core::verification::{Binding, Lane, Purpose, Status, Verification};
use serde_json::Value;
use zeroize::Zeroizing;

use super::*;
use crate::formats_tests::{AT, PAGE, Vector, keys, tenant, verification};

fn snapshot(mode: Mode) -> Snapshot {
    let at = AT;
    Snapshot {
        verification: Verification {
            id: verification(),
            tenant: tenant(mode),
            recipient: RecipientId::from_bytes([3; 16]),
            status: Status::Approved,
            purpose: Purpose::Authentication,
            lane: Lane::Open,
            channel: Channel::Sms,
            address: Digest([4; 32]),
            root: RootId(7),
            generation: 0,
            format: CodeFormat { length: 6, alphabet: Alphabet::Digits },
            binding: Binding::default(),
            checks_used: 1,
            checks_allowed: 5,
            sends: 1,
            last_send_at: Some(at),
            created_at: at,
            expires_at: at,
            ended_at: Some(at),
            country: Some(*b"PL"),
            sealed: Vec::new(),
            report: None,
            channels_available: Vec::new(),
            origin: None,
            supplied_code: None,
            workflow: None,
            risk: None,
        },
        delivery: None,
        sends_remaining: 0,
        next_resend_at: None,
        at,
        data_key: None,
    }
}

fn private() -> Private {
    Private {
        to: "+48600100217".into(),
        masked: "+48••••••17".into(),
        subject: Some("user-42".into()),
        ..Private::default()
    }
}

fn grant() -> ProofGrant {
    ProofGrant { id: ProofId::new(AT, [0x77; 10]), issued_at: AT }
}

fn signed(signers: &Signers, mode: Mode) -> String {
    signers.proof(&snapshot(mode), &private(), grant()).unwrap()
}

/// The claims of a token, when a key of the set verifies it.
fn verify(token: &str, jwks: &[u8]) -> Option<Value> {
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    let decode = |text: &str| BASE64URL_NOPAD.decode(text.as_bytes()).ok();
    let header: Value = serde_json::from_slice(&decode(header)?).ok()?;
    let set: Value = serde_json::from_slice(jwks).ok()?;
    let key = set["keys"].as_array()?.iter().find(|key| key["kid"] == header["kid"])?;
    let key = UnparsedPublicKey::new(&ED25519, decode(key["x"].as_str()?)?);
    key.verify(signed.as_bytes(), &decode(signature)?).ok()?;
    serde_json::from_slice(&decode(claims)?).ok()
}

#[test]
fn a_proof_verifies_with_the_key_set_of_its_mode_only() {
    let signers = Signers::new(&keys(), "https://otp.example/");
    for (mode, other) in [(Mode::Live, Mode::Test), (Mode::Test, Mode::Live)] {
        let token = signed(&signers, mode);
        let claims = verify(&token, signers.jwks(mode.is_live())).unwrap();
        assert_eq!(claims["livemode"], mode.is_live());
        assert!(verify(&token, signers.jwks(other.is_live())).is_none());
        let longer = token.replace('.', ".A");
        assert!(verify(&longer, signers.jwks(mode.is_live())).is_none());
    }
}

#[test]
fn the_claims_say_who_how_when_and_for_what() {
    let signers = Signers::new(&keys(), "https://otp.example/");
    let claims = verify(&signed(&signers, Mode::Test), signers.jwks(false)).unwrap();
    assert_eq!(claims["iss"], "https://otp.example/test");
    assert_eq!(claims["sub"], "user-42");
    assert_eq!(claims["iat"], 1_700_000_000);
    assert_eq!(claims["exp"], 1_700_000_060);
    assert_eq!(claims["amr"], json!(["otp", "sms"]));
    assert_eq!(claims["restricted"], true);
    assert_eq!(claims["recipient"], "+48••••••17");
    assert_eq!(claims["txn"], Value::Null);
    assert!(!claims.to_string().contains("600100217"), "the number itself stands nowhere");
}

#[test]
fn the_recipient_digest_is_over_jti_and_canonical_recipient() {
    let signers = Signers::new(&keys(), "https://otp.example");
    let claims = verify(&signed(&signers, Mode::Live), signers.jwks(true)).unwrap();
    let jti = claims["jti"].as_str().unwrap();
    let mut input = vec![0, 0, 0, 30];
    input.extend_from_slice(jti.as_bytes());
    input.extend_from_slice(&[0, 0, 0, 12]);
    input.extend_from_slice(b"+48600100217");
    assert_eq!(claims["recipient_digest"], BASE64URL_NOPAD.encode(&sha256(&input).0));
}

#[test]
fn the_keys_are_those_of_the_frozen_format() {
    let vector = Vector::named("proof keys");
    let signers = Signers::new(&keys(), "https://otp.example");
    for (mode, livemode) in [("live", true), ("test", false)] {
        let set: Value = serde_json::from_slice(signers.jwks(livemode)).unwrap();
        let expected = json!({
            "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA",
            "x": vector.text(&format!("{mode} x")), "kid": vector.text(&format!("{mode} kid")),
        });
        assert_eq!(set, json!({ "keys": [expected] }), "{mode}");
    }
}

/// The token, and first its parts, so that a difference shows where it is.
fn assert_token(name: &str, token: &str) {
    let vector = Vector::named(name);
    let parts: Vec<_> =
        token.split('.').map(|part| BASE64URL_NOPAD.decode(part.as_bytes()).unwrap()).collect();
    assert_eq!(std::str::from_utf8(&parts[0]), Ok(vector.text("header")), "{name}");
    assert_eq!(std::str::from_utf8(&parts[1]), Ok(vector.text("claims")), "{name}");
    assert_eq!(token, vector.text("token"), "{name}");
}

#[test]
fn a_live_proof_has_the_bytes_of_the_frozen_format() {
    let mut snapshot = snapshot(Mode::Live);
    snapshot.verification.purpose = Purpose::Transaction;
    let transaction =
        countersign_core::verification::Transaction::new(125_000, "EUR", "NORD PARTS LTD", Some("INV-77"));
    let private =
        Private { session: Some("s-1".into()), transaction: Some(transaction.unwrap()), ..private() };
    let signers = Signers::new(&keys(), "https://otp.example/");
    assert_token("proof live", &signers.proof(&snapshot, &private, grant()).unwrap());
}

#[test]
fn a_test_proof_has_the_bytes_of_the_frozen_format() {
    let mut snapshot = snapshot(Mode::Test);
    snapshot.verification.channel = Channel::Email;
    let to = Recipient::parse("Ann+news@example.com").unwrap();
    let private = Private { to: to.canonical().to_owned(), masked: to.masked(), ..Private::default() };
    let signers = Signers::new(&keys(), "https://otp.example/");
    assert_token("proof test", &signers.proof(&snapshot, &private, grant()).unwrap());
}

#[test]
fn each_channel_is_labelled_as_the_page_says() {
    for channel in Channel::ALL {
        let (amr, acr, restricted) = how(*channel);
        let row = format!("| `{}` | `{}` | `{acr}` | {restricted} |\n", channel.as_str(), amr.join("`, `"));
        assert!(PAGE.contains(&row), "{row}");
    }
}

fn subject(mode: Mode) -> SubjectRow {
    SubjectRow {
        id: SubjectId::from_bytes([3; 16]),
        tenant: tenant(mode),
        data_key: WrappedKey { root: RootId(7), bytes: Vec::new() },
        sealed: Vec::new(),
        factors: Vec::new(),
        open: Vec::new(),
        pushes: Vec::new(),
        created_at: AT,
        updated_at: AT,
        removed_at: None,
        epoch: [0; 16],
    }
}

fn challenge(mode: Mode, purpose: Purpose, sealed: Vec<u8>) -> Challenge {
    Challenge {
        id: crate::formats_tests::challenge(),
        tenant: tenant(mode),
        subject: SubjectId::from_bytes([3; 16]),
        status: ChallengeStatus::Approved,
        purpose,
        methods: Vec::new(),
        factor: None,
        binding: Binding::default(),
        root: RootId(7),
        sealed,
        checks_used: 1,
        checks_allowed: 5,
        wrong_numbers: 0,
        created_at: AT,
        expires_at: AT,
        ended_at: Some(AT),
        approved_by: None,
        pushed_to: Vec::new(),
        verification: None,
        spent: false,
        epoch: [0; 16],
        redeemed_at: None,
        origin: None,
    }
}

/// The proof of a challenge of `user-42` that was approved by this method.
fn challenge_proof(mode: Mode, method: Method, purpose: Purpose, private: &ChallengePrivate) -> String {
    let (row, key) = (subject(mode), [9; 32]);
    let id = crate::formats_tests::challenge();
    let place = countersign_core::challenge::sealed_for(&row.tenant, &id);
    let plain = minicbor::to_vec(private).unwrap();
    let sealed = seal(&key, [1; 12], &place, RootId(7), &plain).unwrap();
    let approved_by = Some(ApprovedBy { method, factor: None, verification: None });
    let challenge = Challenge { approved_by, ..challenge(mode, purpose, sealed) };
    let known = SubjectPrivate { external_id: "user-42".into(), ..SubjectPrivate::default() };
    let person = Person { row: &row, data_key: Some(Zeroizing::new(key)), private: known };
    let signers = Signers::new(&keys(), "https://otp.example/");
    signers.challenge_proof(&person, &challenge, grant()).unwrap()
}

#[test]
fn proofs_of_challenges_have_the_bytes_of_the_frozen_format() {
    let transaction =
        countersign_core::verification::Transaction::new(125_000, "EUR", "NORD PARTS LTD", Some("INV-77"));
    let bound = ChallengePrivate {
        transaction: Some(transaction.unwrap()),
        session: Some("s-1".into()),
        ..ChallengePrivate::default()
    };
    let live = challenge_proof(Mode::Live, Method::Totp, Purpose::Transaction, &bound);
    assert_token("challenge proof live", &live);
    let bare = ChallengePrivate::default();
    let test = challenge_proof(Mode::Test, Method::Push, Purpose::Authentication, &bare);
    assert_token("challenge proof test", &test);
}

#[test]
fn a_challenge_that_nothing_approved_has_no_proof() {
    let row = subject(Mode::Live);
    let person = Person { row: &row, data_key: None, private: SubjectPrivate::default() };
    let signers = Signers::new(&keys(), "https://otp.example");
    let challenge = challenge(Mode::Live, Purpose::Authentication, Vec::new());
    assert!(signers.challenge_proof(&person, &challenge, grant()).is_err());
}

#[test]
fn each_method_is_labelled_as_the_page_says() {
    for method in Method::ALL {
        let (amr, acr, restricted) = how_by_method(*method);
        let row = format!("| `{}` | `{}` | `{acr}` | {restricted} |\n", method.as_str(), amr.join("`, `"));
        assert!(PAGE.contains(&row), "{row}");
    }
}

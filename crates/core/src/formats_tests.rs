//! The vectors of `docs/formats.md`, read from that page, against what the code computes.

use std::collections::BTreeMap;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::command::RecipientIndex;
use crate::delivery::Fault;
use crate::ids::{EntryId, KeyId, ProjectId, RecipientId, RequestId, VerificationId};
use crate::journal::{Actor, Entry, Event, leaf};
use crate::keys::{
    Alphabet, CodeFormat, CodeInputs, Digest, Keys, Root, RootId, RootState, WrappedKey, length_prefixed_all,
    open, seal, sha256, subkey,
};
use crate::ledger::data_key_place;
use crate::recipient::Recipient;
use crate::setting::SettingKind;
use crate::tenancy::{KeyKind, KeySecret};
use crate::tenant::{Mode, Tenant};
use crate::time::Timestamp;
use crate::verification::{
    Binding, Block, Channel, Lane, Private, Purpose, Report, Status, Transaction, code_sealed_for, sealed_for,
};

const PAGE: &str = include_str!("../../../docs/formats.md");
pub(crate) const ROOT: RootId = RootId(7);
pub(crate) const AT: Timestamp = Timestamp::from_millis(1_700_000_000_123);

/// The lines `key = value` of one vector block of the page.
pub(crate) struct Vector(BTreeMap<&'static str, &'static str>);

impl Vector {
    pub(crate) fn named(name: &str) -> Self {
        let head = format!("```vector {name}\n");
        let (_, rest) = PAGE.split_once(&head).unwrap_or_else(|| panic!("no vector {name:?} in formats.md"));
        let (body, _) = rest.split_once("```").unwrap();
        Self(body.lines().map(|line| line.split_once(" = ").unwrap()).collect())
    }

    pub(crate) fn text(&self, key: &str) -> &'static str {
        self.0.get(key).unwrap_or_else(|| panic!("no line {key:?}"))
    }

    pub(crate) fn bytes(&self, key: &str) -> Vec<u8> {
        data_encoding::HEXLOWER.decode(self.text(key).as_bytes()).unwrap()
    }

    pub(crate) fn array<const N: usize>(&self, key: &str) -> [u8; N] {
        self.bytes(key).try_into().unwrap()
    }

    pub(crate) fn digest(&self, key: &str) -> Digest {
        Digest(self.array(key))
    }
}

pub(crate) fn given() -> Vector {
    Vector::named("given")
}

fn root() -> Root {
    Root { id: ROOT, state: RootState::Active, secret: Zeroizing::new(given().array("root")) }
}

pub(crate) fn keys() -> Keys {
    Keys::derive(&[root()], given().array("epoch")).unwrap()
}

pub(crate) fn tenant() -> Tenant {
    Tenant { project: ProjectId::from_bytes(given().array("project")), mode: Mode::Live }
}

fn verification() -> VerificationId {
    VerificationId::from_bytes(given().array("verification"))
}

fn recipient() -> RecipientId {
    RecipientId::from_bytes(given().array("recipient"))
}

pub(crate) fn transaction(reference: Option<&str>) -> Transaction {
    Transaction::new(125_000, "eur", " NORD  PARTS LTD ", reference).unwrap()
}

/// The binding of the page with all, or some, of its parts.
pub(crate) fn binding(
    transaction: Option<&Transaction>,
    subject: Option<&str>,
    session: Option<&str>,
) -> Binding {
    Binding::of(&keys(), ROOT, &tenant(), transaction, subject, session).unwrap()
}

#[test]
fn every_vector_of_the_page_is_filled() {
    let blocks = PAGE.split("```vector ").skip(1);
    assert!(blocks.clone().count() >= 17);
    for block in blocks {
        let body = block.split_once("```").unwrap().0;
        assert!(body.lines().count() > 1, "{body}");
    }
}

#[test]
fn the_given_root_has_the_number_of_the_tests() {
    assert_eq!(given().text("root_id"), ROOT.0.to_string());
}

#[test]
fn length_prefixed_form() {
    let vector = Vector::named("length-prefixed");
    let fields: Vec<&[u8]> = vector.text("fields").split(',').map(str::as_bytes).collect();
    assert_eq!(length_prefixed_all(&fields), vector.bytes("bytes"));
}

#[test]
fn subkeys() {
    let vector = Vector::named("subkeys");
    for label in ["code", "index", "fingerprint", "wrap", "wrap-subject", "proof/test", "proof/live"] {
        assert_eq!(*subkey(&root().secret, label), vector.array(label), "{label}");
    }
    assert_eq!(root().check_value(), vector.text("check-value"));
    let keys = keys();
    assert_eq!(**keys.proof_seed(ROOT, false).unwrap(), vector.array("proof/test"));
    assert_eq!(**keys.proof_seed(ROOT, true).unwrap(), vector.array("proof/live"));
}

#[test]
fn blind_indexes() {
    let vector = Vector::named("index");
    let index = |mode, text| {
        let tenant = Tenant { mode, ..tenant() };
        RecipientIndex::of(&keys(), &tenant, &Recipient::parse(text).unwrap())
    };
    let (live, test) = (index(Mode::Live, "+48 600 100 217"), index(Mode::Test, "+48 600 100 217"));
    assert_eq!(live.exact, [vector.digest("phone +48600100217 live")]);
    assert_eq!(test.exact, [vector.digest("phone +48600100217 test")]);
    assert_eq!((live.folded, test.folded), (live.exact, test.exact), "both are the same for a phone number");
    let email = index(Mode::Live, "Ann+news@Example.COM");
    assert_eq!(email.exact, [vector.digest("email Ann+news@example.com exact")]);
    assert_eq!(email.folded, [vector.digest("email Ann+news@example.com folded")]);
}

#[test]
fn fingerprints() {
    let vector = Vector::named("fingerprint");
    let fields: Vec<&[u8]> = vector.text("fields").split(',').map(str::as_bytes).collect();
    assert_eq!(keys().fingerprint(ROOT, &fields), Some(vector.digest("digest")));
    let with_reference = transaction(Some("INV-77"));
    let all = binding(Some(&with_reference), Some("user-42"), Some("s-1"));
    assert_eq!(all.subject, Some(vector.digest("subject user-42")));
    assert_eq!(all.session, Some(vector.digest("session s-1")));
    assert_eq!(all.transaction, Some(vector.digest("transaction 125000 EUR NORD PARTS LTD INV-77")));
    let bare = binding(Some(&transaction(None)), None, None);
    assert_eq!(bare.transaction, Some(vector.digest("transaction 125000 EUR NORD PARTS LTD")));
    let written = Transaction::written("€39.99", "Acme").unwrap();
    let written = binding(Some(&written), None, None);
    assert_eq!(written.transaction, Some(vector.digest("written €39.99 Acme")));
}

#[test]
fn binding_digests() {
    let vector = Vector::named("binding");
    let with_reference = transaction(Some("INV-77"));
    let all = binding(Some(&with_reference), Some("user-42"), Some("s-1"));
    assert_eq!(all.digest(), vector.digest("all"));
    assert_eq!(binding(None, Some("user-42"), None).digest(), vector.digest("subject only"));
    assert_eq!(Binding::default().digest(), vector.digest("none"));
}

#[test]
fn codes() {
    let vector = Vector::named("code");
    assert_eq!(vector.0.len(), 5);
    let address = Vector::named("index").digest("phone +48600100217 live");
    let bindings = Vector::named("binding");
    for (name, code) in &vector.0 {
        let words: Vec<&str> = name.split(' ').collect();
        let [alphabet, length, purpose, binding, "generation", generation] = words[..] else {
            panic!("{name}")
        };
        let inputs = CodeInputs {
            root: ROOT,
            tenant: &tenant(),
            verification: &verification(),
            generation: generation.parse().unwrap(),
            purpose: Purpose::named(purpose).unwrap(),
            address: &address,
            binding: &bindings.digest(binding),
            format: CodeFormat {
                length: length.parse().unwrap(),
                alphabet: Alphabet::named(alphabet).unwrap(),
            },
        };
        assert_eq!(keys().code(&inputs).unwrap().reveal(), *code, "{name}");
    }
}

#[test]
fn wrapped_data_key() {
    let vector = Vector::named("wrapped data key");
    let (tenant, id) = (tenant(), recipient());
    let place = data_key_place(&tenant, &id);
    let wrapped = keys().wrap(&vector.array("data_key"), vector.array("nonce"), &place).unwrap();
    assert_eq!(wrapped, WrappedKey { root: ROOT, bytes: vector.bytes("sealed") });
    assert_eq!(*keys().unwrap(&wrapped, &place).unwrap(), vector.array("data_key"));
}

#[test]
fn sealed_part_of_a_verification() {
    let vector = Vector::named("sealed verification");
    let data_key = Vector::named("wrapped data key").array("data_key");
    let nonce = Vector::named("wrapped data key").array("nonce");
    let private = Private {
        to: "+48600100217".to_owned(),
        subject: Some("user-42".to_owned()),
        metadata: vec![("order".to_owned(), "42".to_owned())],
        locale: Some("pl".to_owned()),
        masked: "+48••••••17".to_owned(),
        ..Private::default()
    };
    let plain = minicbor::to_vec(&private).unwrap();
    assert_eq!(plain, vector.bytes("plain"));
    let (tenant, id) = (tenant(), verification());
    let place = sealed_for(&tenant, &id);
    assert_eq!(seal(&data_key, nonce, &place, ROOT, &plain), Some(vector.bytes("sealed")));
    let opened = open(&data_key, &place, ROOT, &vector.bytes("sealed")).unwrap();
    assert_eq!(minicbor::decode::<Private>(&opened).unwrap(), private);
}

#[test]
fn sealed_code_of_a_verification() {
    let vector = Vector::named("sealed code");
    let given = Vector::named("wrapped data key");
    let (tenant, id) = (tenant(), verification());
    let place = code_sealed_for(&tenant, &id);
    let sealed = seal(&given.array("data_key"), given.array("nonce"), &place, ROOT, &vector.bytes("plain"));
    assert_eq!(sealed, Some(vector.bytes("sealed")));
}

#[test]
fn pair_for_a_dialect() {
    let vector = Vector::named("pair");
    let id = KeyId::from_bytes(vector.array("id"));
    let (secret, prefix) = KeySecret::new(KeyKind::Restricted, Mode::Live, &vector.array("random"), Some(id));
    assert_eq!((secret.0.as_str(), prefix.as_str()), (vector.text("text"), vector.text("prefix")));
    assert_eq!(sha256(secret.0.as_bytes()), vector.digest("hash"));
}

/// An entry of the page about its verification, by a key, with a request id.
pub(crate) fn entry(event: Event) -> Entry {
    Entry {
        id: EntryId::new(AT, [0; 10]),
        tenant: tenant(),
        at: AT,
        actor: Actor::Key(KeyId::new(AT, [0x33; 10])),
        request: Some(RequestId::new(AT, [0x55; 10])),
        recipient: Some(recipient()),
        verification: Some(verification()),
        delivery: None,
        event,
        place: None,
    }
}

pub(crate) fn assert_entry(name: &str, entry: &Entry) {
    let vector = Vector::named(name);
    let stored = entry.to_bytes();
    assert_eq!(data_encoding::HEXLOWER.encode(&stored), vector.text("bytes"), "{name}");
    assert_eq!(leaf(&stored), vector.digest("leaf"), "{name}");
    assert_eq!(&minicbor::decode::<Entry>(&stored).unwrap(), entry, "{name}");
}

#[test]
fn journal_entries_and_their_leaves() {
    let created = Event::Created {
        purpose: Purpose::Authentication,
        channel: Channel::Sms,
        lane: Lane::Open,
        route: vec!["gateway".to_owned(), "backup".to_owned()],
    };
    assert_entry("journal created", &entry(created));
    let failed = Event::CheckFailed {
        attempts_remaining: 0,
        binding: false,
        status: Status::MaxAttempts,
        paused_until: Some(AT.plus(Duration::from_secs(60))),
    };
    assert_entry("journal check failed", &entry(failed));
    assert_entry("journal approved", &entry(Event::Approved));
    let by_us = Entry { actor: Actor::System, request: None, ..entry(Event::Ended(Status::Expired)) };
    assert_entry("journal expired", &by_us);
    let of_a_project = Entry {
        actor: Actor::Operator,
        request: None,
        recipient: None,
        verification: None,
        ..entry(Event::ProjectCreated)
    };
    assert_entry("journal project created", &of_a_project);
    let event = Event::SettingWritten(SettingKind::Service, *tenant().project.as_bytes());
    assert_entry("journal setting written", &Entry { event, ..of_a_project });
}

/// Each of these stands on the page as `name` and number, and is stored as that number.
pub(crate) fn assert_numbers<T: Copy + minicbor::Encode<()>>(all: &[T], name: fn(T) -> &'static str) {
    let page = PAGE.split_whitespace().collect::<Vec<_>>().join(" ");
    for (number, value) in all.iter().enumerate() {
        assert!(page.contains(&format!("`{}` {number}", name(*value))), "{}", name(*value));
        assert_eq!(minicbor::to_vec(value).unwrap(), [u8::try_from(number).unwrap()], "{}", name(*value));
    }
}

#[test]
fn numbers_of_names() {
    assert_numbers(Purpose::ALL, Purpose::as_str);
    assert_numbers(Channel::ALL, Channel::as_str);
    assert_numbers(Lane::ALL, Lane::as_str);
    assert_numbers(Block::ALL, Block::as_str);
    assert_numbers(Report::ALL, Report::as_str);
    assert_numbers(Fault::ALL, Fault::as_str);
}

#[test]
fn numbers_of_statuses() {
    use Status::{
        Approved, BindingChanged, Blocked, CanceledByCustomer, Expired, MaxAttempts, Pending, Superseded,
        Undeliverable,
    };
    let in_order = [
        Pending,
        Approved,
        MaxAttempts,
        Undeliverable,
        Expired,
        CanceledByCustomer,
        Superseded,
        BindingChanged,
    ];
    for (number, status) in (0..).zip(in_order) {
        assert_eq!(minicbor::to_vec(status).unwrap(), [0x81, number], "{status:?}");
    }
    assert_eq!(minicbor::to_vec(Blocked(Block::List)).unwrap(), [0x82, 8, 1]);
}

#[test]
fn numbers_of_events() {
    let (key, id) = (KeyId::from_bytes([0x33; 16]), [0x33; 16]);
    let with_key = |number: u8| [&[0x82, number, 0x50][..], &id].concat();
    for (event, stored) in [
        (Event::Blocked(Block::List), vec![0x82, 1, 1]),
        (
            Event::Resent { channel: Channel::Voice, rotated: true, route: vec!["a".to_owned()] },
            vec![0x84, 2, 1, 0xf5, 0x81, 0x61, b'a'],
        ),
        (Event::Reported(Report::Legitimate), vec![0x82, 6, 1]),
        (Event::DeliveryFailed(Fault::Us), vec![0x82, 7, 2]),
        (Event::ProjectCreated, vec![0x81, 8]),
        (Event::KeyCreated(key), with_key(9)),
        (Event::KeyRevoked(key), with_key(10)),
        (Event::TestClockAdvanced(900), vec![0x82, 11, 0x19, 0x03, 0x84]),
        (Event::OutboxCleared, vec![0x81, 12]),
        (Event::RecipientRevealed, vec![0x81, 13]),
    ] {
        assert_eq!(minicbor::to_vec(&event).unwrap(), stored, "{event:?}");
    }
}

#[test]
fn leaves_are_those_of_rfc_6962() {
    let vector = Vector::named("leaf");
    assert_eq!(leaf(b""), vector.digest("empty"));
    assert_eq!(leaf(&[0]), vector.digest("00"));
    let of_nothing = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d";
    assert_eq!(leaf(b"").hex(), of_nothing, "the root of a tree with one empty leaf");
}

#[test]
fn text_of_an_id() {
    let vector = Vector::named("id");
    let id = VerificationId::new(AT, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    assert_eq!(id.as_bytes(), &vector.array("bytes"));
    assert_eq!(id.to_string(), vector.text("text"));
    assert_eq!(vector.text("text").parse(), Ok(id));
}

#[test]
fn text_of_an_api_key() {
    let vector = Vector::named("api key");
    let key = KeySecret::from_random(KeyKind::Secret, Mode::Live, &vector.array("random"));
    assert_eq!(*key.0, vector.text("text"));
    assert_eq!(KeySecret::prefix(&key.0), Some(vector.text("prefix")));
    assert_eq!(sha256(key.0.as_bytes()), vector.digest("hash"));
}

//! The key ring, seals and codes as claims. The bytes themselves are held by `formats_tests.rs`.

use zeroize::Zeroizing;

use super::{
    Alphabet, CodeFormat, CodeInputs, Digest, Keys, RingError, Root, RootId, RootState, SealedFor,
    length_prefixed_all, open, seal, sha256,
};
use crate::ids::{ProjectId, VerificationId};
use crate::tenant::{Mode, Tenant};
use crate::verification::{Purpose, Transaction};

const TENANT: Tenant = Tenant { project: ProjectId::from_bytes([1; 16]), mode: Mode::Live };
const ROW: [u8; 16] = [4; 16];
const SIX: CodeFormat = CodeFormat { length: 6, alphabet: Alphabet::Digits };

fn root(id: u16, state: RootState) -> Root {
    Root { id: RootId(id), state, secret: Zeroizing::new([u8::try_from(id).unwrap(); 32]) }
}

fn keys(roots: &[Root]) -> Result<Keys, RingError> {
    Keys::derive(roots, [9; 16])
}

fn place() -> SealedFor<'static> {
    SealedFor { tenant: &TENANT, table: "recipient", row: &ROW, column: "data_key" }
}

#[test]
fn exactly_one_root_is_active_and_numbers_are_unique() {
    use RootState::{Active, Present, Retiring};
    let ring = |states: &[(u16, RootState)]| {
        let roots: Vec<_> = states.iter().map(|(id, state)| root(*id, *state)).collect();
        keys(&roots).map(|keys| keys.root_ids().map(|id| id.0).collect::<Vec<_>>())
    };
    assert_eq!(ring(&[]), Err(RingError::NotOneActive));
    assert_eq!(ring(&[(1, Present), (2, Retiring)]), Err(RingError::NotOneActive));
    assert_eq!(ring(&[(1, Active), (2, Active)]), Err(RingError::NotOneActive));
    assert_eq!(ring(&[(1, Active), (1, Retiring)]), Err(RingError::SameNumber(RootId(1))));
    assert_eq!(ring(&[(1, Retiring), (2, Active), (3, Present)]), Ok(vec![2, 1, 3]), "the active one first");
}

#[test]
fn a_root_this_node_lacks_gives_nothing() {
    let keys = keys(&[root(1, RootState::Active)]).unwrap();
    let unknown = RootId(2);
    assert!(keys.index(unknown, &[b"a"]).is_none() && keys.fingerprint(unknown, &[b"a"]).is_none());
    assert!(keys.proof_seed(unknown, true).is_none() && keys.root(unknown).is_none());
    let mut wrapped = keys.wrap(&[5; 32], [6; 12], &place()).unwrap();
    assert!(keys.unwrap(&wrapped, &place()).is_some());
    wrapped.root = unknown;
    assert!(keys.unwrap(&wrapped, &place()).is_none());
}

#[test]
fn a_retiring_root_still_opens_what_it_wrapped() {
    let before = keys(&[root(1, RootState::Active)]).unwrap();
    let wrapped = before.wrap(&[5; 32], [6; 12], &place()).unwrap();
    let after = keys(&[root(1, RootState::Retiring), root(2, RootState::Active)]).unwrap();
    assert_eq!(after.unwrap(&wrapped, &place()).as_deref(), Some(&[5; 32]));
    assert_eq!(after.wrap(&[5; 32], [6; 12], &place()).unwrap().root, RootId(2));
}

#[test]
fn live_and_test_proofs_have_different_seeds() {
    let keys = keys(&[root(1, RootState::Active)]).unwrap();
    assert_ne!(keys.proof_seed(RootId(1), true), keys.proof_seed(RootId(1), false));
}

#[test]
fn check_values_tell_roots_apart() {
    let (one, two) = (root(1, RootState::Active), root(2, RootState::Active));
    assert_ne!(one.check_value(), two.check_value());
    assert_eq!(one.check_value().len(), 16);
}

#[test]
fn a_sealed_value_opens_in_its_place_only() {
    let sealed = seal(&[1; 32], [2; 12], &place(), RootId(1), b"plain").unwrap();
    let open = |key: u8, place: &SealedFor<'_>, root| open(&[key; 32], place, RootId(root), &sealed);
    assert_eq!(open(1, &place(), 1).as_deref(), Some(b"plain".as_slice()));
    let test = Tenant { mode: Mode::Test, ..TENANT };
    let foreign = Tenant { project: ProjectId::from_bytes([2; 16]), ..TENANT };
    for moved in [
        SealedFor { tenant: &test, ..place() },
        SealedFor { tenant: &foreign, ..place() },
        SealedFor { table: "verification", ..place() },
        SealedFor { row: &[5; 16], ..place() },
        SealedFor { column: "sealed", ..place() },
    ] {
        assert_eq!(open(1, &moved, 1), None, "{moved:?}");
    }
    assert_eq!(open(2, &place(), 1), None, "another key");
    assert_eq!(open(1, &place(), 2), None, "another root");
}

#[test]
fn a_sealed_value_does_not_open_with_any_bit_changed_or_byte_missing() {
    let sealed = seal(&[1; 32], [2; 12], &place(), RootId(1), b"plain").unwrap();
    for at in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        assert_eq!(open(&[1; 32], &place(), RootId(1), &changed), None, "byte {at}");
        assert_eq!(open(&[1; 32], &place(), RootId(1), &sealed[..at]), None, "first {at} bytes");
    }
}

#[test]
fn a_repeated_nonce_shows_equal_values_only() {
    let seal = |plain: &[u8]| seal(&[1; 32], [2; 12], &place(), RootId(1), plain).unwrap();
    let (one, other) = (seal(b"plain one"), seal(b"plain two"));
    let differ = one.iter().zip(&other).skip(12).filter(|(one, other)| one != other).count();
    assert!(differ > 15, "equal beginnings do not show: that is what SIV is for");
}

#[test]
fn no_two_lists_of_fields_have_the_same_form() {
    let lists: [&[&[u8]]; 6] = [&[], &[b""], &[b"", b""], &[b"ab"], &[b"a", b"b"], &[b"ab", b""]];
    for (n, one) in lists.iter().enumerate() {
        for other in &lists[n + 1..] {
            assert_ne!(length_prefixed_all(one), length_prefixed_all(other));
        }
    }
}

/// The code of fixed inputs after a change to them.
fn code_with<'a>(change: impl FnOnce(&mut CodeInputs<'a>)) -> String {
    let keys = keys(&[root(1, RootState::Active), root(2, RootState::Present)]).unwrap();
    static ADDRESS: Digest = Digest([3; 32]);
    static BINDING: Digest = Digest([4; 32]);
    static ID: VerificationId = VerificationId::from_bytes([5; 16]);
    let mut inputs = CodeInputs {
        root: RootId(1),
        tenant: &TENANT,
        verification: &ID,
        generation: 0,
        purpose: Purpose::Authentication,
        address: &ADDRESS,
        binding: &BINDING,
        format: CodeFormat { length: 10, alphabet: Alphabet::Crockford },
    };
    change(&mut inputs);
    keys.code(&inputs).unwrap().reveal().to_owned()
}

#[test]
fn every_input_changes_the_code() {
    let test = Tenant { mode: Mode::Test, ..TENANT };
    let foreign = Tenant { project: ProjectId::from_bytes([2; 16]), ..TENANT };
    let (id, digest) = (VerificationId::from_bytes([6; 16]), Digest([7; 32]));
    let codes = [
        code_with(|_| {}),
        code_with(|inputs| inputs.root = RootId(2)),
        code_with(|inputs| inputs.tenant = &test),
        code_with(|inputs| inputs.tenant = &foreign),
        code_with(|inputs| inputs.verification = &id),
        code_with(|inputs| inputs.generation = 1),
        code_with(|inputs| inputs.purpose = Purpose::Recovery),
        code_with(|inputs| inputs.address = &digest),
        code_with(|inputs| inputs.binding = &digest),
        code_with(|inputs| inputs.format.length = 9),
        code_with(|inputs| inputs.format.alphabet = Alphabet::Digits),
    ];
    let different: std::collections::BTreeSet<_> = codes.iter().collect();
    assert_eq!(different.len(), codes.len());
    assert!(!codes[0].starts_with(&codes[9]), "a shorter code is no beginning of a longer one");
}

#[test]
fn codes_of_many_verifications_spread_over_all_digits() {
    let mut counts = [[0_u32; 10]; 6];
    for n in 0..2_000_u32 {
        let code = code_with(|inputs| {
            inputs.format = SIX;
            inputs.generation = n;
        });
        assert_eq!(code.len(), 6, "leading zeros are kept");
        for (place, digit) in code.bytes().enumerate() {
            counts[place][usize::from(digit - b'0')] += 1;
        }
    }
    // Expected 200 in each cell, standard deviation 13.4; the inputs are fixed, so this never flickers.
    assert!(counts.iter().flatten().all(|count| (140..=260).contains(count)), "{counts:?}");
}

#[test]
fn secrets_do_not_print() {
    let keys = keys(&[root(1, RootState::Active)]).unwrap();
    let wrapped = keys.wrap(&[5; 32], [6; 12], &place()).unwrap();
    assert_eq!(format!("{:?}", root(1, RootState::Active)), "Root(root-1, Active, ***)");
    assert_eq!(format!("{keys:?}"), "Keys(1 roots, active root-1, ***)");
    assert_eq!(format!("{wrapped:?}"), "WrappedKey(root-1, ***)");
    assert_eq!(format!("{:?}", sha256(b"")), "e3b0c442…", "a digest shows its beginning only");
}

#[test]
fn a_transaction_has_one_canonical_form() {
    let spelled = Transaction::new(5, "eur", "  NORD \t PARTS  ", Some(" INV 7 "));
    assert_eq!(spelled, Transaction::new(5, "EUR", "NORD PARTS", Some("INV 7")));
    for (amount, currency, payee, reference, field) in [
        (1_000_000_000_000_000, "EUR", "A", None, "transaction.amount"),
        (5, "EURO", "A", None, "transaction.currency"),
        (5, "E1R", "A", None, "transaction.currency"),
        (5, "EUR", " \t ", None, "transaction.payee"),
        (5, "EUR", "A\u{7}B", None, "transaction.payee"),
        (5, "EUR", "A", Some(""), "transaction.reference"),
    ] {
        assert_eq!(Transaction::new(amount, currency, payee, reference), Err(field));
    }
    assert!(Transaction::new(999_999_999_999_999, "EUR", &"x".repeat(140), None).is_ok());
    assert!(Transaction::new(0, "EUR", &"x".repeat(141), None).is_err());
}

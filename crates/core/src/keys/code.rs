//! Codes: derived, never stored; normalised once before anything is compared.

use std::fmt;

use aws_lc_rs::hmac;
use minicbor::{Decode, Encode};
use zeroize::Zeroizing;

use super::{Digest, RootId, length_prefixed};
use crate::crockford::CAPITALS;
use crate::ids::VerificationId;
use crate::limits;
use crate::tenant::Tenant;
use crate::verification::Purpose;

/// The symbols a code is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum Alphabet {
    /// `0` to `9`.
    #[n(0)]
    Digits,
    /// Crockford base32: digits and capitals without I, L, O, U.
    #[n(1)]
    Crockford,
    /// ASCII letters and digits, case kept: only for codes that a customer supplies.
    #[n(2)]
    Alphanumeric,
}

impl Alphabet {
    /// Its name in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Digits => "digits",
            Self::Crockford => "crockford",
            Self::Alphanumeric => "alphanumeric",
        }
    }

    /// The alphabet with this name, of those a code may be derived in.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Digits, Self::Crockford].into_iter().find(|known| known.as_str() == name)
    }

    /// The symbol a random byte stands for; `None` for the bytes that would make some symbols likelier.
    const fn symbol(self, byte: u8) -> Option<u8> {
        match self {
            Self::Digits if byte >= 250 => None,
            Self::Digits => Some(b'0' + byte % 10),
            Self::Crockford | Self::Alphanumeric => Some(CAPITALS[(byte & 31) as usize]),
        }
    }

    fn read(self, entered: char) -> Option<u8> {
        match self {
            Self::Digits => decimal_digit(entered),
            Self::Alphanumeric if entered.is_ascii_alphanumeric() => u8::try_from(entered).ok(),
            Self::Alphanumeric => decimal_digit(entered),
            Self::Crockford => match entered.to_ascii_uppercase() {
                'O' => Some(b'0'),
                'I' | 'L' => Some(b'1'),
                letter if letter.is_ascii() && CAPITALS.contains(&(letter as u8)) => Some(letter as u8),
                other => decimal_digit(other),
            },
        }
    }
}

/// First characters of the Unicode runs of decimal digits (general category Nd) that keyboards produce.
const ZEROES: [char; 20] = [
    '0', '\u{660}', '\u{6f0}', '\u{7c0}', '\u{966}', '\u{9e6}', '\u{a66}', '\u{ae6}', '\u{b66}', '\u{be6}',
    '\u{c66}', '\u{ce6}', '\u{d66}', '\u{e50}', '\u{ed0}', '\u{f20}', '\u{1040}', '\u{17e0}', '\u{1810}',
    '\u{ff10}',
];

fn decimal_digit(entered: char) -> Option<u8> {
    ZEROES.iter().find_map(|zero| {
        let distance = (entered as u32).checked_sub(*zero as u32)?;
        u8::try_from(distance).ok().filter(|digit| *digit < 10).map(|digit| b'0' + digit)
    })
}

/// How a code looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct CodeFormat {
    /// How many symbols.
    #[n(0)]
    pub length: u8,
    /// Which symbols.
    #[n(1)]
    pub alphabet: Alphabet,
}

/// A code in the clear. Prints as `***` and is wiped when dropped.
pub struct Code(Zeroizing<Vec<u8>>);

impl Code {
    /// A code that was supplied and sealed, opened again.
    pub(crate) fn supplied(symbols: Vec<u8>) -> Self {
        Self(Zeroizing::new(symbols))
    }

    /// The symbols, for the one who renders the message or the answer.
    #[must_use]
    pub fn reveal(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Whether both are the same, in a time that does not depend on where they differ.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        use subtle::ConstantTimeEq as _;
        self.0.as_slice().ct_eq(other.0.as_slice()).into()
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(***)")
    }
}

/// All that a code depends on beside the key and the store's epoch.
#[derive(Debug, Clone, Copy)]
pub struct CodeInputs<'a> {
    /// The root the verification was created under.
    pub root: RootId,
    /// Whose verification it is.
    pub tenant: &'a Tenant,
    /// Which one.
    pub verification: &'a VerificationId,
    /// How often the code was rotated.
    pub generation: u32,
    /// What a success may be used for.
    pub purpose: Purpose,
    /// The blind index of the exact recipient, as frozen at creation.
    pub address: &'a Digest,
    /// The digest of everything the code is bound to beyond the recipient.
    pub binding: &'a Digest,
    /// How the code looks.
    pub format: CodeFormat,
}

/// HMAC-SHA-256 in counter mode, symbols drawn by rejection so that none is likelier than another.
pub(super) fn derive(key: &hmac::Key, epoch: &[u8; 16], inputs: &CodeInputs<'_>) -> Code {
    let wanted = usize::from(inputs.format.length);
    let mut symbols = Zeroizing::new(Vec::with_capacity(wanted));
    let mut message = Vec::with_capacity(256);
    for field in [
        b"code/v1".as_slice(),
        epoch,
        inputs.tenant.project.as_bytes(),
        &[inputs.tenant.mode.tag()],
        inputs.verification.as_bytes(),
        &inputs.generation.to_be_bytes(),
        inputs.purpose.as_str().as_bytes(),
        &inputs.address.0,
        &inputs.binding.0,
        inputs.format.alphabet.as_str().as_bytes(),
        &[inputs.format.length],
    ] {
        length_prefixed(&mut message, field);
    }
    let prefix = message.len();
    let mut block = 0_u32;
    while symbols.len() < wanted {
        message.truncate(prefix);
        length_prefixed(&mut message, &block.to_be_bytes());
        let tag = hmac::sign(key, &message);
        let drawn = tag.as_ref().iter().filter_map(|byte| inputs.format.alphabet.symbol(*byte));
        let missing = wanted - symbols.len();
        symbols.extend(drawn.take(missing));
        block += 1;
    }
    Code(symbols)
}

/// An entered text that cannot be a code of the wanted form. It costs no try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// Reads what a person entered: spaces, dashes and invisible characters dropped, Unicode digits mapped.
///
/// # Errors
/// [`Malformed`] when what remains has another length or other symbols than `format` says.
pub fn normalise(entered: &str, format: CodeFormat) -> Result<Code, Malformed> {
    if entered.len() > limits::MAX_ENTERED_CODE {
        return Err(Malformed);
    }
    let mut symbols = Zeroizing::new(Vec::with_capacity(usize::from(format.length)));
    for character in entered.chars().filter(|character| !is_separator(*character)) {
        symbols.push(format.alphabet.read(character).ok_or(Malformed)?);
    }
    if symbols.len() == usize::from(format.length) { Ok(Code(symbols)) } else { Err(Malformed) }
}

fn is_separator(character: char) -> bool {
    character.is_whitespace()
        || matches!(
            character,
            '-' | '\u{ad}' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe63}' | '\u{ff0d}'
        )
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}')
        || character == '\u{feff}'
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIX: CodeFormat = CodeFormat { length: 6, alphabet: Alphabet::Digits };

    fn read(entered: &str, format: CodeFormat) -> Result<String, Malformed> {
        normalise(entered, format).map(|code| code.reveal().to_owned())
    }

    #[test]
    fn people_may_spell_a_code_as_they_like() {
        for spelling in [
            "012345",
            " 012 345\n",
            "012-345",
            "٠١٢٣٤٥",
            "０１２３４５",
            "0\u{200b}12345\u{feff}",
            "012\u{2013}345",
        ] {
            assert_eq!(read(spelling, SIX).as_deref(), Ok("012345"), "{spelling:?}");
        }
        let crockford = CodeFormat { length: 6, alphabet: Alphabet::Crockford };
        assert_eq!(read("oil-9Zz", crockford).as_deref(), Ok("0119ZZ"));
    }

    #[test]
    fn what_cannot_be_the_code_is_malformed() {
        for wrong in ["", "12345", "1234567", "12345a", "12345\u{0}", "½23456", "1e3456", "-------"] {
            assert_eq!(read(wrong, SIX), Err(Malformed), "{wrong:?}");
        }
        assert_eq!(read(&" ".repeat(limits::MAX_ENTERED_CODE - 5), SIX), Err(Malformed));
        assert!(read(&format!("123456{}", " ".repeat(limits::MAX_ENTERED_CODE - 7)), SIX).is_ok());
        assert!(read(&format!("123456{}", " ".repeat(limits::MAX_ENTERED_CODE - 6)), SIX).is_ok());
        assert!(read(&format!("123456{}", " ".repeat(limits::MAX_ENTERED_CODE - 5)), SIX).is_err());
    }

    #[test]
    fn no_digit_is_likelier_than_another() {
        let mut counts = [0_u32; 10];
        for byte in 0..=255_u8 {
            if let Some(symbol) = Alphabet::Digits.symbol(byte) {
                counts[usize::from(symbol - b'0')] += 1;
            }
        }
        assert_eq!(counts, [25; 10]);
    }

    #[test]
    fn secrets_do_not_print() {
        assert_eq!(format!("{:?}", normalise("123456", SIX)), "Ok(Code(***))");
    }
}

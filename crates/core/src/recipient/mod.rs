//! Recipients: the phone number or email address a code is sent to.
//!
//! There is one canonicaliser, and it runs once, at the edge. Behind it a recipient exists only in its canonical
//! form, so that delivery, the blind index, bindings and counters cannot disagree about who is meant. Two spellings
//! of one address are equal after [`Recipient::parse`]; counters additionally share the [folded](Recipient::folded)
//! form of an email address.
//!
//! Recipients are personal data: `Debug` prints the masked form, there is no `Display`, and no error repeats the input.

mod country;
mod email;
mod phone;
#[cfg(test)]
mod tests;

use std::fmt;

pub use country::{Country, InvalidCountry};
pub use email::{EMAIL_MAX_BYTES, Email, LOCAL_PART_MAX_BYTES};
pub use phone::{LineType, PHONE_INPUT_MAX_BYTES, Phone};

/// Stands for each character that a masked recipient hides.
const MASK_DOT: char = '•';

/// A canonical address that a code can be sent to.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Recipient {
    /// A telephone number.
    Phone(Phone),
    /// An email address.
    Email(Email),
}

/// What sort of address a [`Recipient`] is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum RecipientKind {
    /// A telephone number.
    Phone,
    /// An email address.
    Email,
}

impl RecipientKind {
    /// The word used in the API and in configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Phone => "phone",
            Self::Email => "email",
        }
    }

    /// The byte that stands for this kind in keyed digests. Frozen: changing it orphans every stored recipient.
    #[must_use]
    pub const fn tag(self) -> u8 {
        match self {
            Self::Phone => 1,
            Self::Email => 2,
        }
    }
}

/// What routes, prices and budgets look at. A row has it as well as a recipient, and nothing is asked of the numbering
/// plans again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecipientRef<'a> {
    /// Phone or email.
    pub kind: RecipientKind,
    /// The canonical recipient.
    pub canonical: &'a str,
    /// The country of a phone number.
    pub country: Option<Country>,
}

impl<'a> RecipientRef<'a> {
    /// That of a recipient as it stands in a row, with the country beside it.
    #[must_use]
    pub fn of_row(canonical: &'a str, country: Option<Country>) -> Self {
        let kind = if canonical.starts_with('+') { RecipientKind::Phone } else { RecipientKind::Email };
        Self { kind, canonical, country }
    }

    /// The number, for those that match its beginning; empty for mail.
    #[must_use]
    pub const fn number(&self) -> &'a str {
        match self.kind {
            RecipientKind::Phone => self.canonical,
            RecipientKind::Email => "",
        }
    }
}

impl fmt::Display for RecipientKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a text is not a recipient. No variant carries any of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecipientError {
    /// Nothing but white space.
    Empty,
    /// Over [`PHONE_INPUT_MAX_BYTES`] or [`EMAIL_MAX_BYTES`].
    TooLong,
    /// A line break or another control character, wherever it stands.
    ControlCharacter,
    /// Neither a phone number nor an email address.
    NotAnAddress,
    /// A phone number without the leading `+`.
    PhoneNotInternational,
    /// A letter, an extension or another character that has no place in a phone number.
    PhoneCharacter,
    /// Digits that no numbering plan assigns.
    PhoneInvalid,
    /// A local part that is not an ASCII dot-atom, or is too long.
    EmailLocalPart,
    /// A local part that needs SMTPUTF8.
    EmailLocalPartNotAscii,
    /// A domain that cannot receive mail.
    EmailDomain,
}

impl fmt::Display for RecipientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the recipient is empty",
            Self::TooLong => {
                "the recipient is too long: a phone number has at most 64 bytes as typed, an email address 254"
            }
            Self::ControlCharacter => "the recipient contains a line break or another control character",
            Self::NotAnAddress => {
                "the recipient is neither a phone number in international form nor an email address"
            }
            Self::PhoneNotInternational => {
                "the phone number is not in international form: it must start with `+` and the country calling code; \
                 `00` and national forms are not accepted"
            }
            Self::PhoneCharacter => {
                "the phone number contains something other than digits and separators: letters and extensions are \
                 not accepted"
            }
            Self::PhoneInvalid => "the phone number does not exist in any numbering plan",
            Self::EmailLocalPart => {
                "the part of the email address before the `@` is not valid: 1 to 64 ASCII letters, digits and \
                 !#$%&'*+-/=?^_`{|}~, with single dots between them; quoted forms and comments are not accepted"
            }
            Self::EmailLocalPartNotAscii => {
                "the part of the email address before the `@` contains a character outside ASCII, which many mail \
                 servers cannot deliver to; it is not accepted"
            }
            Self::EmailDomain => {
                "the part of the email address after the `@` is not a domain name: at least two labels of letters, \
                 digits and inner hyphens, and no IP address"
            }
        })
    }
}

impl std::error::Error for RecipientError {}

impl Recipient {
    /// Reads what a person or program typed: an email address when it has an `@`, a phone number otherwise.
    ///
    /// Spaces around the address are ignored. Lengths are checked before anything else looks at the text.
    ///
    /// # Errors
    ///
    /// The first reason found that `input` is not a recipient.
    pub fn parse(input: &str) -> Result<Self, RecipientError> {
        if input.len() > EMAIL_MAX_BYTES {
            return Err(RecipientError::TooLong);
        }
        if input.chars().any(is_control_or_line_break) {
            return Err(RecipientError::ControlCharacter);
        }
        if input.trim().is_empty() {
            return Err(RecipientError::Empty);
        }
        if input.contains('@') {
            Email::parse(input).map(Self::Email)
        } else {
            Phone::parse(input).map(Self::Phone)
        }
    }

    /// Whether this is a phone number or an email address.
    #[must_use]
    pub fn kind(&self) -> RecipientKind {
        match self {
            Self::Phone(_) => RecipientKind::Phone,
            Self::Email(_) => RecipientKind::Email,
        }
    }

    /// What delivery, bindings and digests use: E.164, or the exact address with an ASCII domain.
    ///
    /// Parsing it again gives the same recipient.
    #[must_use]
    pub fn canonical(&self) -> &str {
        match self {
            Self::Phone(phone) => phone.as_e164(),
            Self::Email(email) => email.as_exact(),
        }
    }

    /// What counters key on, so that spellings of one mailbox share their limits: E.164, or the address with its
    /// local part in lower case and without `+tag`.
    #[must_use]
    pub fn folded(&self) -> &str {
        match self {
            Self::Phone(phone) => phone.as_e164(),
            Self::Email(email) => email.as_folded(),
        }
    }

    /// What may be shown and logged: `+48••••••17`, `a•••@example.com`.
    #[must_use]
    pub fn masked(&self) -> String {
        match self {
            Self::Phone(phone) => phone.masked(),
            Self::Email(email) => email.masked(),
        }
    }

    /// What routes, prices and budgets look at.
    #[must_use]
    pub fn by_ref(&self) -> RecipientRef<'_> {
        RecipientRef { kind: self.kind(), canonical: self.canonical(), country: self.country() }
    }

    /// The country of a phone number; `None` for email and for numbers of no country, such as satellite phones.
    #[must_use]
    pub fn country(&self) -> Option<Country> {
        match self {
            Self::Phone(phone) => phone.country(),
            Self::Email(_) => None,
        }
    }

    /// The sort of line behind a phone number; `None` for email.
    #[must_use]
    pub fn line_type(&self) -> Option<LineType> {
        match self {
            Self::Phone(phone) => Some(phone.line_type()),
            Self::Email(_) => None,
        }
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Phone(phone) => phone.fmt(f),
            Self::Email(email) => email.fmt(f),
        }
    }
}

/// Refused even at the ends, where trimming would hide them: a trailing line break is the classic first step of
/// header injection, and no keyboard puts one there.
fn is_control_or_line_break(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

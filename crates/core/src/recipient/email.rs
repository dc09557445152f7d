//! Email addresses: a deliberately small part of what RFC 5321 and 5322 allow.
//!
//! Accepted is `local@domain` where the local part is an RFC 5321 dot-string of ASCII atoms and the domain is a name
//! that can stand in the DNS. Quoted local parts, comments, display names, address literals and SMTPUTF8 local parts are
//! refused: hardly anyone has such an address, and every one of them is a way to smuggle something into a header or to
//! spell one mailbox in many ways.

use std::borrow::Cow;
use std::fmt;

use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};

use super::{MASK_DOT, RecipientError};

/// The most octets of an address, as typed and in canonical form (RFC 5321 section 4.5.3.1.3, less the angle brackets).
pub const EMAIL_MAX_BYTES: usize = 254;

/// The most octets of a local part (RFC 5321 section 4.5.3.1.1).
pub const LOCAL_PART_MAX_BYTES: usize = 64;

/// Shown in a masked address whatever its length, so that the mask does not tell the length.
const MASK_DOTS: usize = 3;

/// How labels may use hyphens. Domains with hyphens in the third and fourth position exist, so those pass.
const HYPHENS: Hyphens = Hyphens::CheckFirstLast;

/// An email address in its exact and its folded form.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Email {
    exact: String,
    folded: String,
}

impl Email {
    /// Reads an address. [`super::Recipient::parse`] is the only caller: it has refused control characters and texts
    /// over [`EMAIL_MAX_BYTES`] already.
    ///
    /// The domain is mapped to lower-case ASCII (UTS #46 with STD3 rules). The local part keeps its case, because the
    /// receiving server alone knows whether case matters.
    ///
    /// # Errors
    ///
    /// [`RecipientError::TooLong`], [`RecipientError::NotAnAddress`], [`RecipientError::EmailLocalPart`],
    /// [`RecipientError::EmailLocalPartNotAscii`] or [`RecipientError::EmailDomain`].
    pub(super) fn parse(input: &str) -> Result<Self, RecipientError> {
        // The last `@`: an earlier one belongs to a quoted local part, and is refused as such.
        let (local_part, domain) = input.trim().rsplit_once('@').ok_or(RecipientError::NotAnAddress)?;
        check_local_part(local_part)?;
        let domain = domain_to_ascii(domain).ok_or(RecipientError::EmailDomain)?;
        let exact = format!("{local_part}@{domain}");
        if exact.len() > EMAIL_MAX_BYTES {
            return Err(RecipientError::TooLong);
        }
        Ok(Self { exact, folded: format!("{}@{domain}", fold_local_part(local_part)) })
    }

    /// The address as mail is sent to it: local part as typed, domain in ASCII.
    #[must_use]
    pub fn as_exact(&self) -> &str {
        &self.exact
    }

    /// The address as counters see it: local part in lower case and without `+tag`. Dots stay, because only some
    /// providers ignore them.
    #[must_use]
    pub fn as_folded(&self) -> &str {
        &self.folded
    }

    /// The first character, three dots and the domain in the form people read: `a•••@example.com`.
    #[must_use]
    pub fn masked(&self) -> String {
        let (local_part, domain) = self.exact.rsplit_once('@').unwrap_or_default();
        let first: String = local_part.chars().take(1).collect();
        let dots = MASK_DOT.to_string().repeat(MASK_DOTS);
        format!("{first}{dots}@{}", domain_for_display(domain))
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Email({})", self.masked())
    }
}

/// Accepts an RFC 5321 dot-string: atoms with single dots between them.
fn check_local_part(local_part: &str) -> Result<(), RecipientError> {
    if !local_part.is_ascii() {
        return Err(RecipientError::EmailLocalPartNotAscii);
    }
    let is_atom = |atom: &str| !atom.is_empty() && atom.bytes().all(is_atom_character);
    if local_part.len() > LOCAL_PART_MAX_BYTES || !local_part.split('.').all(is_atom) {
        return Err(RecipientError::EmailLocalPart);
    }
    Ok(())
}

/// RFC 5322 section 3.2.3, `atext`.
fn is_atom_character(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte)
}

/// The domain as the DNS writes it, or `None` when mail cannot be sent to it.
fn domain_to_ascii(domain: &str) -> Option<Cow<'_, str>> {
    let ascii =
        Uts46::new().to_ascii(domain.as_bytes(), AsciiDenyList::STD3, HYPHENS, DnsLength::Verify).ok()?;
    let (_, top_level) = ascii.rsplit_once('.')?;
    // Every top-level domain starts with a letter; what does not is an IPv4 address in one of its spellings.
    top_level.starts_with(|c: char| c.is_ascii_alphabetic()).then_some(ascii)
}

/// The Unicode form of an ASCII domain when both stand for each other, the ASCII form otherwise.
fn domain_for_display(ascii: &str) -> Cow<'_, str> {
    let (unicode, outcome) = Uts46::new().to_unicode(ascii.as_bytes(), AsciiDenyList::STD3, HYPHENS);
    if outcome.is_ok() && domain_to_ascii(&unicode).as_deref() == Some(ascii) {
        unicode
    } else {
        Cow::Borrowed(ascii)
    }
}

fn fold_local_part(local_part: &str) -> String {
    let untagged = match local_part.find('+') {
        // `a.+b` would leave the dot behind, and `a.` is no local part.
        Some(at) if at > 0 => local_part[..at].trim_end_matches('.'),
        _ => local_part,
    };
    untagged.to_ascii_lowercase()
}

//! Phone numbers: from what people type to E.164.

use std::fmt;

use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumber, PhoneNumberFormat, PhoneNumberType};

use super::{Country, MASK_DOT, RecipientError};

/// The most bytes a phone number may have as typed: room for fifteen full-width digits with separators.
pub const PHONE_INPUT_MAX_BYTES: usize = 64;

/// E.164 section 6.1: a number has at most fifteen digits, the country calling code included. Some numbering plans
/// list longer ones, which cannot be reached from abroad.
const E164_MAX_DIGITS: usize = 15;

/// Shown in a masked number whatever its length, so that the mask does not tell the length.
const MASK_DOTS: usize = 6;

/// How many digits at the end of a masked number are shown.
const SHOWN_DIGITS: usize = 2;

/// The test scenarios are the hundred numbers that start like this.
const SCENARIO_PREFIX: &str = "+150055500";
const SCENARIO_LENGTH: usize = SCENARIO_PREFIX.len() + 2;

/// A phone number that its numbering plan assigns, in E.164.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Phone {
    e164: String,
    calling_code_digits: usize,
    country: Option<Country>,
    line_type: LineType,
}

/// The sort of line a number belongs to, as far as the number tells.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum LineType {
    /// A mobile phone.
    Mobile,
    /// A fixed line.
    FixedLine,
    /// A fixed line or a mobile phone: the plan does not tell them apart (United States, Mexico).
    FixedLineOrMobile,
    /// A line over the internet.
    Voip,
    /// Free for the caller.
    TollFree,
    /// Paid by the caller to the owner of the number: the favourite target of artificially inflated traffic.
    PremiumRate,
    /// Paid by both sides.
    SharedCost,
    /// A pager.
    Pager,
    /// Personal numbers, company-wide numbers and voicemail.
    Other,
}

impl Phone {
    /// Reads a number in international form. [`super::Recipient::parse`] is the only caller: it has refused control
    /// characters already.
    ///
    /// Spaces, dashes, dots, parentheses, slashes and invisible characters are dropped, digits of every script are
    /// read, and a trunk zero after the calling code is removed where the numbering plan has one.
    ///
    /// # Errors
    ///
    /// [`RecipientError::TooLong`], [`RecipientError::NotAnAddress`], [`RecipientError::PhoneNotInternational`],
    /// [`RecipientError::PhoneCharacter`] or [`RecipientError::PhoneInvalid`].
    pub(super) fn parse(input: &str) -> Result<Self, RecipientError> {
        if input.len() > PHONE_INPUT_MAX_BYTES {
            return Err(RecipientError::TooLong);
        }
        let dialled = plus_and_digits(input)?;
        let number = Self::from_digits(&dialled)?;
        // Numbering plans rewrite some numbers (trunk zeros, Argentina's 15). A rewritten number that would be
        // rewritten again has no canonical form, and its spellings would not share a counter.
        if number.e164 != dialled && Self::from_digits(&number.e164)? != number {
            return Err(RecipientError::PhoneInvalid);
        }
        Ok(number)
    }

    fn from_digits(dialled: &str) -> Result<Self, RecipientError> {
        if is_scenario(dialled) {
            return Ok(Self::scenario(dialled));
        }
        let number = PhoneNumber::parse(dialled, None).map_err(|_| RecipientError::PhoneInvalid)?;
        // The library's `is_valid` finds the type, too, and asks only whether there is one.
        let number_type = number.get_type();
        if number_type == PhoneNumberType::Unknown {
            return Err(RecipientError::PhoneInvalid);
        }
        let e164 = number.format_as(PhoneNumberFormat::E164).into_owned();
        if e164.len() > 1 + E164_MAX_DIGITS {
            return Err(RecipientError::PhoneInvalid);
        }
        Ok(Self {
            e164,
            calling_code_digits: number.country_code.to_string().len(),
            country: number.get_region_code().and_then(|region| region.as_region_str().parse().ok()),
            line_type: LineType::from(number_type),
        })
    }

    /// Scenario numbers do not depend on what the metadata of the day says about the 500 range.
    fn scenario(e164: &str) -> Self {
        Self {
            e164: e164.to_owned(),
            calling_code_digits: 1,
            country: "US".parse().ok(),
            line_type: LineType::Mobile,
        }
    }

    /// The number in E.164, such as `+48600100217`.
    #[must_use]
    pub fn as_e164(&self) -> &str {
        &self.e164
    }

    /// The calling code, six dots and the last two digits: `+48••••••17`.
    #[must_use]
    pub fn masked(&self) -> String {
        let calling_code = &self.e164[..=self.calling_code_digits];
        let end = &self.e164[self.e164.len() - SHOWN_DIGITS..];
        let dots = MASK_DOT.to_string().repeat(MASK_DOTS);
        format!("{calling_code}{dots}{end}")
    }

    /// The country, or `None` when the number belongs to none (satellite phones, international free numbers).
    #[must_use]
    pub fn country(&self) -> Option<Country> {
        self.country
    }

    /// The sort of line.
    #[must_use]
    pub fn line_type(&self) -> LineType {
        self.line_type
    }

    /// Whether this is one of the numbers that stand for a test scenario (`+15005550000` to `+15005550099`). They
    /// parse everywhere; whether they may be used depends on the mode and is decided by the rules.
    #[must_use]
    pub fn is_scenario(&self) -> bool {
        is_scenario(&self.e164)
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Phone({})", self.masked())
    }
}

impl From<PhoneNumberType> for LineType {
    fn from(number_type: PhoneNumberType) -> Self {
        match number_type {
            PhoneNumberType::Mobile => Self::Mobile,
            PhoneNumberType::FixedLine => Self::FixedLine,
            PhoneNumberType::FixedLineOrMobile => Self::FixedLineOrMobile,
            PhoneNumberType::VoIP => Self::Voip,
            PhoneNumberType::TollFree => Self::TollFree,
            PhoneNumberType::PremiumRate => Self::PremiumRate,
            PhoneNumberType::SharedCost => Self::SharedCost,
            PhoneNumberType::Pager => Self::Pager,
            PhoneNumberType::PersonalNumber
            | PhoneNumberType::UAN
            | PhoneNumberType::VoiceMail
            | PhoneNumberType::Unknown => Self::Other,
        }
    }
}

fn is_scenario(e164: &str) -> bool {
    e164.len() == SCENARIO_LENGTH && e164.starts_with(SCENARIO_PREFIX)
}

/// Reduces `input` to a plus and ASCII digits. The library would do that too, but it also reads letters as keypad
/// digits, cuts extensions off and skips text around the number: leniency that gives one person many spellings.
fn plus_and_digits(input: &str) -> Result<String, RecipientError> {
    let mut dialled = String::with_capacity(input.len());
    for c in input.chars() {
        if is_separator(c) {
            continue;
        }
        match (c, decimal_digit(c)) {
            ('+' | '\u{FF0B}', _) if dialled.is_empty() => dialled.push('+'),
            (_, Some(_)) if dialled.is_empty() => return Err(RecipientError::PhoneNotInternational),
            (_, Some(digit)) => dialled.push(digit),
            _ if dialled.is_empty() => return Err(RecipientError::NotAnAddress),
            _ => return Err(RecipientError::PhoneCharacter),
        }
    }
    if dialled.is_empty() {
        return Err(RecipientError::NotAnAddress);
    }
    Ok(dialled)
}

/// Characters people and address books put between digits, and invisible ones that come along when a number is copied.
fn is_separator(c: char) -> bool {
    c.is_whitespace()
        || matches!(c,
            '-' | '.' | '(' | ')' | '[' | ']' | '/'
            // hyphens, dashes and the minus sign; small and full-width forms
            | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{FE58}' | '\u{FE63}' | '\u{FF0D}'
            // middle dots and the full-width dot, parentheses, brackets and slash
            | '\u{00B7}' | '\u{2024}' | '\u{30FB}' | '\u{FF0E}' | '\u{FF08}' | '\u{FF09}' | '\u{FF3B}' | '\u{FF3D}' | '\u{FF0F}'
            // soft hyphen, zero-width characters, byte order mark
            | '\u{00AD}' | '\u{180E}' | '\u{200B}'..='\u{200D}' | '\u{2060}'..='\u{2064}' | '\u{FEFF}'
            // marks, embeddings and isolates that set the writing direction
            | '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// The value of a decimal digit of any script as an ASCII digit.
fn decimal_digit(c: char) -> Option<char> {
    if c.is_ascii() {
        return c.is_ascii_digit().then_some(c);
    }
    // Superscripts, fractions and the like are numeric but not decimal digits; the library's table tells.
    PHONE_NUMBER_UTIL.normalize_digits_only(c.encode_utf8(&mut [0; 4])).chars().next()
}

//! OCRA (RFC 6287): the response to a question, and the signature of a transaction whose digest is the question.

use std::fmt;
use std::time::Duration;

use super::{Algorithm, truncate};
use crate::keys::Code;

/// How a question is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuestionForm {
    /// Decimal digits.
    Numeric,
    /// ASCII letters and digits.
    Alphanumeric,
    /// Hexadecimal digits.
    Hexadecimal,
}

/// A suite: what goes into the response and how it looks (RFC 6287, 6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suite {
    text: String,
    /// The hash.
    pub algorithm: Algorithm,
    /// Digits of a response, 4 to 10.
    pub digits: u8,
    /// Whether a counter goes in.
    pub counter: bool,
    /// How a question is written.
    pub question: QuestionForm,
    /// The longest question, 4 to 64 characters.
    pub question_length: u8,
    /// The hash of a PIN that goes in, if one does.
    pub pin: Option<Algorithm>,
    /// The length of a time step, if the time goes in.
    pub period: Option<Duration>,
}

/// Why a text is no suite we can serve. Its message names the part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownSuite(pub String);

impl fmt::Display for UnknownSuite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; a suite looks like OCRA-1:HOTP-SHA256-8:QN08 (RFC 6287, section 6)", self.0)
    }
}

impl std::error::Error for UnknownSuite {}

/// What a response stands for, beside the key.
#[derive(Debug, Clone, Copy, Default)]
pub struct Input<'a> {
    /// The counter, where the suite has one.
    pub counter: u64,
    /// The question, of the suite's form.
    pub question: &'a str,
    /// The hashed PIN, where the suite has one.
    pub pin: &'a [u8],
    /// The time step, where the suite has one.
    pub step: u64,
}

/// Bytes of the question in the data (RFC 6287, 5.1).
const QUESTION_BYTES: usize = 128;

impl Suite {
    /// Reads a suite.
    ///
    /// # Errors
    /// [`UnknownSuite`], naming the part that is wrong or not served: responses of no fixed length (0 digits) and session
    /// data (`S`), which nobody could type.
    pub fn parse(text: &str) -> Result<Self, UnknownSuite> {
        let wrong =
            |what: &str| UnknownSuite(format!("{what} in {:?}", text.chars().take(64).collect::<String>()));
        let mut parts = text.split(':');
        let (Some("OCRA-1"), Some(function), Some(data), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(wrong("three parts that begin with OCRA-1 are missing"));
        };
        let mut function = function.split('-');
        let (Some("HOTP"), Some(hash), Some(digits), None) =
            (function.next(), function.next(), function.next(), function.next())
        else {
            return Err(wrong("HOTP, a hash and a number of digits are missing"));
        };
        let algorithm = Algorithm::named(hash).ok_or_else(|| wrong("an unknown hash"))?;
        let digits = number(digits, 4..=10).ok_or_else(|| wrong("digits other than 4 to 10"))?;
        let mut data = data.split('-').peekable();
        let counter = data.next_if_eq(&"C").is_some();
        let question =
            data.next().and_then(question).ok_or_else(|| wrong("no question like QN08, QA10 or QH40"))?;
        let hash_of = |part: &&str| part.strip_prefix('P').and_then(Algorithm::named);
        let pin = data.next_if(|part| hash_of(part).is_some()).and_then(|part| hash_of(&part));
        if data.peek().is_some_and(|part| part.starts_with('S')) {
            return Err(wrong("session data, which is not served,"));
        }
        let period = match data.next() {
            None => None,
            Some(part) => Some(time_step(part).ok_or_else(|| wrong("an unknown part of the data"))?),
        };
        if data.next().is_some() {
            return Err(wrong("something behind the time step"));
        }
        let (question, question_length) = question;
        Ok(Self { text: text.to_owned(), algorithm, digits, counter, question, question_length, pin, period })
    }

    /// The suite as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The response to `input` under `key`; `None` when the question is not of the suite's form, or too long.
    #[must_use]
    pub fn response(&self, key: &[u8], input: &Input<'_>) -> Option<Code> {
        let mut data = Vec::with_capacity(self.text.len() + 1 + 8 + QUESTION_BYTES + 64 + 8);
        data.extend_from_slice(self.text.as_bytes());
        data.push(0);
        if self.counter {
            data.extend_from_slice(&input.counter.to_be_bytes());
        }
        let start = data.len();
        data.extend(self.question_bytes(input.question)?);
        data.resize(start + QUESTION_BYTES, 0);
        if self.pin.is_some() {
            data.extend_from_slice(input.pin);
        }
        if self.period.is_some() {
            data.extend_from_slice(&input.step.to_be_bytes());
        }
        Some(truncate(self.algorithm.mac(key, &data).as_ref(), self.digits))
    }

    /// The bytes of a question before they are filled up with zeros on the right. Where both sides ask, their questions
    /// stand one after the other (RFC 6287, 7.2), so twice the suite's length may come. A number becomes its hexadecimal digits
    /// first, so an odd count of them ends in half a byte (RFC 6287, 5.1 and the reference code).
    fn question_bytes(&self, question: &str) -> Option<Vec<u8>> {
        if question.is_empty() || question.len() > 2 * usize::from(self.question_length) {
            return None;
        }
        let hexadecimal = match self.question {
            QuestionForm::Alphanumeric => {
                let fits = question.bytes().all(|symbol| symbol.is_ascii_alphanumeric());
                return fits.then(|| question.as_bytes().to_vec());
            }
            QuestionForm::Hexadecimal => question.to_ascii_uppercase(),
            QuestionForm::Numeric => hexadecimal_of(question)?,
        };
        let even = if hexadecimal.len() % 2 == 0 { hexadecimal } else { hexadecimal + "0" };
        data_encoding::HEXUPPER.decode(even.as_bytes()).ok()
    }

    /// A question of this suite's form out of unpredictable or hashed bytes, as long as the suite allows but at most
    /// sixteen characters, which is what a person types.
    #[must_use]
    pub fn question_from(&self, bytes: &[u8; 32]) -> String {
        const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
        let symbol = |byte: &u8| match self.question {
            QuestionForm::Numeric => char::from(b'0' + byte % 10),
            QuestionForm::Alphanumeric => char::from(LETTERS[usize::from(byte & 31)]),
            QuestionForm::Hexadecimal => char::from(LETTERS[usize::from(byte & 15)]),
        };
        bytes.iter().take(usize::from(self.question_length.min(16))).map(symbol).collect()
    }
}

fn number(text: &str, range: std::ops::RangeInclusive<u8>) -> Option<u8> {
    let plain = !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    plain.then(|| text.parse().ok())?.filter(|value| range.contains(value))
}

fn question(part: &str) -> Option<(QuestionForm, u8)> {
    let (head, length) = part.split_at_checked(2)?;
    let form = match head {
        "QN" => QuestionForm::Numeric,
        "QA" => QuestionForm::Alphanumeric,
        "QH" => QuestionForm::Hexadecimal,
        _ => return None,
    };
    (length.len() == 2).then(|| number(length, 4..=64)).flatten().map(|length| (form, length))
}

/// `T30S`, `T1M`, `T12H`: 1 to 59 seconds or minutes, 1 to 48 hours (0 hours, which the grammar has, means nothing).
fn time_step(part: &str) -> Option<Duration> {
    let part = part.strip_prefix('T')?;
    let (amount, unit) = part.split_at_checked(part.len().checked_sub(1)?)?;
    let seconds = match unit {
        "S" => u64::from(number(amount, 1..=59)?),
        "M" => u64::from(number(amount, 1..=59)?) * 60,
        "H" => u64::from(number(amount, 1..=48)?) * 3600,
        _ => return None,
    };
    Some(Duration::from_secs(seconds))
}

/// The hexadecimal digits of a decimal number of any length, without leading zeros.
fn hexadecimal_of(decimal: &str) -> Option<String> {
    let mut nibbles = vec![0_u8];
    for digit in decimal.bytes() {
        if !digit.is_ascii_digit() {
            return None;
        }
        let mut carry = digit - b'0';
        for nibble in nibbles.iter_mut().rev() {
            let value = *nibble * 10 + carry;
            *nibble = value % 16;
            carry = value / 16;
        }
        if carry > 0 {
            nibbles.insert(0, carry);
        }
    }
    Some(
        nibbles
            .into_iter()
            .filter_map(|nibble| char::from_digit(u32::from(nibble), 16))
            .collect::<String>()
            .to_ascii_uppercase(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: &[u8] = b"1234567890123456789012345678901234567890123456789012345678901234";
    /// SHA-1 of the PIN `1234`.
    const PIN: &str = "7110eda4d09e062aa5e4a390b0a572ac0d2c0220";

    fn respond(suite: &str, question: &str, counter: u64) -> String {
        let suite = Suite::parse(suite).unwrap();
        let key = &SEED[..suite.algorithm.secret_bytes()];
        let pin = data_encoding::HEXLOWER.decode(PIN.as_bytes()).unwrap();
        let input = Input { counter, question, pin: &pin, step: 0x0132_d0b6 };
        suite.response(key, &input).unwrap().reveal().to_owned()
    }

    #[test]
    fn the_one_way_values_of_rfc_6287_appendix_c() {
        let repeated = |digit: u8| String::from_utf8(vec![b'0' + digit; 8]).unwrap();
        let check = |suite: &str, expected: &[&str]| {
            for (digit, code) in (0..).zip(expected) {
                assert_eq!(respond(suite, &repeated(digit), u64::from(digit)), *code, "{suite} {digit}");
            }
        };
        check(
            "OCRA-1:HOTP-SHA1-6:QN08",
            &[
                "237653", "243178", "653583", "740991", "608993", "388898", "816933", "224598", "750600",
                "294470",
            ],
        );
        check(
            "OCRA-1:HOTP-SHA256-8:QN08-PSHA1",
            &["83238735", "01501458", "17957585", "86776967", "86807031"],
        );
        check(
            "OCRA-1:HOTP-SHA512-8:C-QN08",
            &[
                "07016083", "63947962", "70123924", "25341727", "33203315", "34205738", "44343969",
                "51946085", "20403879", "31409299",
            ],
        );
        check("OCRA-1:HOTP-SHA512-8:QN08-T1M", &["95209754", "55907591", "22048402", "24218844", "36209546"]);
        for (counter, code) in (0..).zip([
            "65347737", "86775851", "78192410", "71565254", "10104329", "65983500", "70069104", "91771096",
            "75011558", "08522129",
        ]) {
            assert_eq!(respond("OCRA-1:HOTP-SHA256-8:C-QN08-PSHA1", "12345678", counter), code);
        }
    }

    #[test]
    fn the_mutual_and_signature_values_of_rfc_6287_appendix_c() {
        for (suite, question, code) in [
            ("OCRA-1:HOTP-SHA256-8:QA08", "CLI22220SRV11110", "28247970"),
            ("OCRA-1:HOTP-SHA256-8:QA08", "SRV11114CLI22224", "28934924"),
            ("OCRA-1:HOTP-SHA512-8:QA08", "CLI22220SRV11110", "79496648"),
            ("OCRA-1:HOTP-SHA512-8:QA08", "CLI22224SRV11114", "12761449"),
            ("OCRA-1:HOTP-SHA512-8:QA08-PSHA1", "SRV11110CLI22220", "18806276"),
            ("OCRA-1:HOTP-SHA512-8:QA08-PSHA1", "SRV11114CLI22224", "32528969"),
            ("OCRA-1:HOTP-SHA256-8:QA08", "SIG10000", "53095496"),
            ("OCRA-1:HOTP-SHA256-8:QA08", "SIG14000", "46554205"),
            ("OCRA-1:HOTP-SHA512-8:QA10-T1M", "SIG1000000", "77537423"),
            ("OCRA-1:HOTP-SHA512-8:QA10-T1M", "SIG1400000", "65360607"),
        ] {
            assert_eq!(respond(suite, question, 0), code, "{suite} {question}");
        }
    }

    #[test]
    fn what_is_no_suite_is_refused_with_the_part_that_is_wrong() {
        for (text, part) in [
            ("", "three parts"),
            ("OCRA-2:HOTP-SHA1-6:QN08", "three parts"),
            ("OCRA-1:HOTP-SHA1-6:QN08:C", "three parts"),
            ("OCRA-1:TOTP-SHA1-6:QN08", "HOTP"),
            ("OCRA-1:HOTP-MD5-6:QN08", "hash"),
            ("OCRA-1:HOTP-SHA1-0:QN08", "digits"),
            ("OCRA-1:HOTP-SHA1-3:QN08", "digits"),
            ("OCRA-1:HOTP-SHA1-11:QN08", "digits"),
            ("OCRA-1:HOTP-SHA1-+6:QN08", "digits"),
            ("OCRA-1:HOTP-SHA1-6:C", "question"),
            ("OCRA-1:HOTP-SHA1-6:QX08", "question"),
            ("OCRA-1:HOTP-SHA1-6:QN03", "question"),
            ("OCRA-1:HOTP-SHA1-6:QN65", "question"),
            ("OCRA-1:HOTP-SHA1-6:QN8", "question"),
            ("OCRA-1:HOTP-SHA1-6:QN08-S064", "session"),
            ("OCRA-1:HOTP-SHA1-6:QN08-PMD5", "unknown part"),
            ("OCRA-1:HOTP-SHA1-6:QN08-T0H", "unknown part"),
            ("OCRA-1:HOTP-SHA1-6:QN08-T60S", "unknown part"),
            ("OCRA-1:HOTP-SHA1-6:QN08-T49H", "unknown part"),
            ("OCRA-1:HOTP-SHA1-6:QN08-T", "unknown part"),
            ("OCRA-1:HOTP-SHA1-6:QN08-T1M-C", "behind"),
        ] {
            let refused = Suite::parse(text).unwrap_err().to_string();
            assert!(refused.contains(part), "{text}: {refused}");
        }
        for (text, seconds) in [("T1S", 1), ("T59S", 59), ("T59M", 3540), ("T48H", 172_800)] {
            let suite = Suite::parse(&format!("OCRA-1:HOTP-SHA1-4:C-QH64-PSHA512-{text}")).unwrap();
            assert_eq!(suite.period, Some(Duration::from_secs(seconds)));
            assert!(suite.counter && suite.pin == Some(Algorithm::Sha512) && suite.question_length == 64);
        }
    }

    #[test]
    fn a_question_must_fit_its_suite() {
        fn suite(data: &str) -> Suite {
            Suite::parse(&format!("OCRA-1:HOTP-SHA1-6:{data}")).unwrap()
        }
        fn fits(data: &str, question: &str) -> bool {
            suite(data).response(b"k", &Input { question, ..Input::default() }).is_some()
        }
        assert!(fits("QN08", "1234567812345678") && !fits("QN08", "12345678123456781"));
        assert!(fits("QN08", "12345678") && !fits("QN08", "1234567a"));
        assert!(fits("QA08", "abcDEF01") && !fits("QA08", "abc-EF01") && !fits("QA08", ""));
        assert!(fits("QH08", "0abc") && fits("QH08", "0ab") && !fits("QH08", "0xab"));
        for form in ["QN08", "QA10", "QH64"] {
            let question = suite(form).question_from(&[0xa7; 32]);
            assert!(fits(form, &question), "{form} {question}");
        }
    }

    #[test]
    fn a_decimal_number_of_any_length_becomes_hexadecimal() {
        for (decimal, hexadecimal) in [
            ("0", "0"),
            ("00000000", "0"),
            ("11111111", "A98AC7"),
            ("340282366920938463463374607431768211455", "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"),
        ] {
            assert_eq!(hexadecimal_of(decimal).as_deref(), Some(hexadecimal));
        }
        assert_eq!(hexadecimal_of("12a"), None);
    }
}

//! Message templates: a customer's own words, in versions that never change, with placeholders that are checked before
//! anything is sent.

use minicbor::{Decode, Encode};

use crate::ids::TemplateId;
use crate::keys::sha256;
use crate::named::named;
use crate::setting::Setting;
use crate::verification::Purpose;

/// Characters of each kind of text: SMS, subject, plain part, HTML part.
pub const MOST_CHARS: [usize; 4] = [480, 150, 4_000, 8_000];
/// Languages of one version.
pub const MOST_LANGUAGES: usize = 40;

named!(
    /// What is filled in.
    Placeholder {
        /// The code.
        0 Code = "code",
        /// The name of the service.
        1 Brand = "brand",
        /// The minutes that the code still works, as a number.
        2 Minutes = "minutes",
        /// The amount of the transaction, without its currency.
        3 Amount = "amount",
        /// The currency of the transaction.
        4 Currency = "currency",
        /// Who gets the money.
        5 Payee = "payee",
    }
);

named!(
    /// One of the texts of a message.
    Part {
        /// A text message.
        0 Sms = "sms",
        /// The subject of a mail.
        1 Subject = "subject",
        /// The plain part of a mail.
        2 Text = "text",
        /// The HTML part of a mail.
        3 Html = "html",
    }
);

/// Which template, and which of its versions is in use.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Template {
    /// What people call it; starts may, too.
    #[n(0)]
    pub name: String,
    /// The purpose it is for.
    #[n(1)]
    pub purpose: Purpose,
    /// The version that is sent; `None` while there is none.
    #[n(2)]
    pub active: Option<u32>,
}

/// The words of one version. Never changed: what was sent under it can be told later.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Version {
    /// Counted from 1.
    #[n(0)]
    pub number: u32,
    /// The language of who speaks none of the others.
    #[n(1)]
    pub default_locale: String,
    /// The texts by language tag.
    #[n(2)]
    pub texts: Vec<(String, Texts)>,
}

/// The texts of one language. A channel whose text is missing uses the words that ship.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
pub struct Texts {
    /// A text message.
    #[n(0)]
    pub sms: Option<String>,
    /// The subject of a mail.
    #[n(1)]
    pub subject: Option<String>,
    /// The plain part of a mail.
    #[n(2)]
    pub text: Option<String>,
    /// The HTML part of a mail.
    #[n(3)]
    pub html: Option<String>,
}

/// A version of a message template. A resend has the words of the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct TemplateUse {
    /// Which template.
    #[n(0)]
    pub template: TemplateId,
    /// Which of its versions.
    #[n(1)]
    pub version: u32,
}

/// A piece of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece<'a> {
    /// As it stands.
    Words(&'a str),
    /// To be filled in.
    Fill(Placeholder),
}

/// Why a text does not compile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Empty, too long, or with control characters.
    Unprintable,
    /// A brace without its other half, or anything but a name between them.
    Brace,
    /// A name between braces that is none of the placeholders.
    Unknown,
    /// The code must be there, once.
    CodeOnce,
    /// A subject shows on locked screens: no code in it.
    CodeInSubject,
    /// A transaction that does not say how much and to whom.
    TransactionUnsaid,
    /// There is no transaction to speak of.
    NoTransaction,
    /// A mail needs a subject and a plain part.
    HalfAMail,
}

impl Fault {
    /// The sentence for people; continues after the name of the text.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Unprintable => "must not be empty, too long, or contain control characters",
            Self::Brace => {
                "has a brace that is not closed or not opened; write {{ and }} for braces themselves"
            }
            Self::Unknown => {
                "has a placeholder that does not exist; there are {code} {brand} {minutes} {amount} {currency} {payee}"
            }
            Self::CodeOnce => "must contain {code} exactly once",
            Self::CodeInSubject => "must not contain {code}: subjects show on locked screens",
            Self::TransactionUnsaid => {
                "must contain {amount}, {currency} and {payee}: a transaction says what is approved"
            }
            Self::NoTransaction => {
                "may contain {amount}, {currency} and {payee} only for the purpose `transaction`"
            }
            Self::HalfAMail => "of a mail needs both `subject` and `text`; `html` is on top of them",
        }
    }
}

/// Takes a text apart.
///
/// # Errors
/// A brace that does not fit, or an unknown placeholder.
pub fn pieces(text: &str) -> Result<Vec<Piece<'_>>, Fault> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let (words, behind) = rest.split_at(at);
        pieces.push(Piece::Words(words));
        let doubled = behind.starts_with("{{") || behind.starts_with("}}");
        if doubled {
            pieces.push(Piece::Words(&behind[..1]));
            rest = &behind[2..];
            continue;
        }
        let inside = behind.strip_prefix('{').ok_or(Fault::Brace)?;
        let (name, after) = inside.split_once('}').ok_or(Fault::Brace)?;
        pieces.push(Piece::Fill(Placeholder::named(name).ok_or(Fault::Unknown)?));
        rest = after;
    }
    pieces.push(Piece::Words(rest));
    pieces.retain(|piece| *piece != Piece::Words(""));
    Ok(pieces)
}

/// Checks one text of a template for a purpose.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn check(text: &str, part: Part, purpose: Purpose) -> Result<(), Fault> {
    let most = MOST_CHARS[match part {
        Part::Sms => 0,
        Part::Subject => 1,
        Part::Text => 2,
        Part::Html => 3,
    }];
    let breaks = part == Part::Text || part == Part::Html || part == Part::Sms;
    let control = |symbol: char| symbol.is_control() && !(breaks && symbol == '\n');
    if text.trim().is_empty() || text.chars().count() > most || text.contains(control) {
        return Err(Fault::Unprintable);
    }
    let pieces = pieces(text)?;
    let count = |wanted| pieces.iter().filter(|piece| **piece == Piece::Fill(wanted)).count();
    let money = [Placeholder::Amount, Placeholder::Currency, Placeholder::Payee].map(count);
    match (part, count(Placeholder::Code)) {
        (Part::Subject, 0) | (Part::Sms | Part::Text | Part::Html, 1) => {}
        (Part::Subject, _) => return Err(Fault::CodeInSubject),
        _ => return Err(Fault::CodeOnce),
    }
    match purpose {
        Purpose::Transaction if part != Part::Subject && money.contains(&0) => Err(Fault::TransactionUnsaid),
        Purpose::Transaction => Ok(()),
        _ if money != [0; 3] => Err(Fault::NoTransaction),
        _ => Ok(()),
    }
}

impl Texts {
    /// The texts that there are.
    pub fn parts(&self) -> impl Iterator<Item = (Part, &str)> {
        let all = [
            (Part::Sms, &self.sms),
            (Part::Subject, &self.subject),
            (Part::Text, &self.text),
            (Part::Html, &self.html),
        ];
        all.into_iter().filter_map(|(part, text)| Some((part, text.as_deref()?)))
    }

    /// Checks all of them.
    ///
    /// # Errors
    /// The first text that does not compile, and why.
    pub fn check(&self, purpose: Purpose) -> Result<(), (Part, Fault)> {
        for (part, text) in self.parts() {
            check(text, part, purpose).map_err(|fault| (part, fault))?;
        }
        match (&self.subject, &self.text, &self.html) {
            (Some(_), None, _) | (None, _, Some(_)) => Err((Part::Text, Fault::HalfAMail)),
            (None, Some(_), _) => Err((Part::Subject, Fault::HalfAMail)),
            _ => Ok(()),
        }
    }
}

impl Template {
    /// The stored bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        minicbor::to_vec(self).unwrap_or_default()
    }

    /// Reads stored bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        minicbor::decode(bytes).ok()
    }
}

impl Version {
    /// The stored bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        minicbor::to_vec(self).unwrap_or_default()
    }

    /// Reads stored bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        minicbor::decode(bytes).ok()
    }

    /// The version a verification uses, out of the rows of its tenant.
    #[must_use]
    pub fn find<'a>(wanted: TemplateUse, mut rows: impl Iterator<Item = &'a Setting>) -> Option<Self> {
        let id = Self::row(wanted.template, wanted.version);
        Self::from_bytes(&rows.find(|row| row.key.id == id)?.body)
    }

    /// The id of the row of a version: it follows from the template's and the number.
    #[must_use]
    pub fn row(template: TemplateId, number: u32) -> [u8; 16] {
        let digest =
            sha256(&[b"template/v1".as_slice(), template.as_bytes(), &number.to_be_bytes()].concat());
        let mut id = [0; 16];
        id.copy_from_slice(&digest.0[..16]);
        id
    }

    /// The texts for a wish: its own language, else the same with fewer subtags (RFC 4647, section 3.4), else the
    /// default. With them the tag that was found.
    #[must_use]
    pub fn texts(&self, wish: &str) -> Option<(&str, &Texts)> {
        let of = |tag: &str| self.texts.iter().find(|(known, _)| known.eq_ignore_ascii_case(tag));
        let mut tag = wish;
        let found = loop {
            if let Some(found) = of(tag) {
                break Some(found);
            }
            match tag.rsplit_once('-') {
                Some((shorter, _)) => tag = shorter,
                None => break of(&self.default_locale),
            }
        };
        found.map(|(tag, texts)| (tag.as_str(), texts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_taken_apart_at_its_placeholders() {
        let taken = pieces("{code}: {{not}} for {brand}!").unwrap();
        let words = |text| Piece::Words(text);
        assert_eq!(
            taken,
            [
                Piece::Fill(Placeholder::Code),
                words(": "),
                words("{"),
                words("not"),
                words("}"),
                words(" for "),
                Piece::Fill(Placeholder::Brand),
                words("!"),
            ]
        );
        for (text, fault) in [
            ("{code", Fault::Brace),
            ("code}", Fault::Brace),
            ("{}", Fault::Unknown),
            ("{Code}", Fault::Unknown),
            ("{ code }", Fault::Unknown),
            ("{url}", Fault::Unknown),
        ] {
            assert_eq!(pieces(text), Err(fault), "{text}");
        }
    }

    #[test]
    fn every_text_has_its_code_once_and_a_subject_none() {
        let sms = |text| check(text, Part::Sms, Purpose::Authentication);
        assert_eq!(sms("{code} is your code"), Ok(()));
        assert_eq!(sms("your code"), Err(Fault::CodeOnce));
        assert_eq!(sms("{code} {code}"), Err(Fault::CodeOnce));
        assert_eq!(sms("{code} for {payee}"), Err(Fault::NoTransaction));
        assert_eq!(sms(" "), Err(Fault::Unprintable));
        assert_eq!(sms("{code}\r"), Err(Fault::Unprintable));
        assert_eq!(sms("{code}\n{brand}"), Ok(()));
        let subject = |text| check(text, Part::Subject, Purpose::Authentication);
        assert_eq!(subject("Your {brand} code"), Ok(()));
        assert_eq!(subject("{code}"), Err(Fault::CodeInSubject));
        assert_eq!(subject("a\nBcc: x"), Err(Fault::Unprintable));
    }

    #[test]
    fn a_transaction_says_how_much_and_to_whom_or_does_not_compile() {
        let text = |text| check(text, Part::Sms, Purpose::Transaction);
        assert_eq!(text("{code}: {amount} {currency} to {payee}"), Ok(()));
        for half in ["{code}", "{code} {amount} {currency}", "{code} {payee}", "{code} {amount} {payee}"] {
            assert_eq!(text(half), Err(Fault::TransactionUnsaid), "{half}");
        }
    }

    #[test]
    fn lengths_are_bounded_at_their_limits() {
        for (part, most) in Part::ALL.iter().zip(MOST_CHARS) {
            let text = |length: usize| {
                let code = if *part == Part::Subject { "" } else { "{code}" };
                format!("{code}{}", "x".repeat(length - code.len()))
            };
            let checked = |length| check(&text(length), *part, Purpose::Recovery);
            assert_eq!((checked(most), checked(most + 1)), (Ok(()), Err(Fault::Unprintable)), "{part:?}");
        }
    }

    #[test]
    fn a_mail_has_a_subject_and_a_plain_part() {
        let texts = |subject: Option<&str>, text: Option<&str>, html: Option<&str>| {
            let own = |text: Option<&str>| text.map(str::to_owned);
            let texts = Texts { sms: None, subject: own(subject), text: own(text), html: own(html) };
            texts.check(Purpose::Recovery).map_err(|(_, fault)| fault)
        };
        assert_eq!(texts(Some("s"), Some("{code}"), None), Ok(()));
        assert_eq!(texts(Some("s"), Some("{code}"), Some("<b>{code}</b>")), Ok(()));
        for (subject, text, html) in
            [(Some("s"), None, None), (None, Some("{code}"), None), (None, None, Some("{code}"))]
        {
            assert_eq!(texts(subject, text, html), Err(Fault::HalfAMail));
        }
    }

    #[test]
    fn a_wish_falls_back_to_its_language_and_then_to_the_default() {
        let texts = |word: &str| Texts { sms: Some(format!("{{code}} {word}")), ..Texts::default() };
        let version = Version {
            number: 1,
            default_locale: "en".to_owned(),
            texts: vec![
                ("en".to_owned(), texts("en")),
                ("pt-BR".to_owned(), texts("br")),
                ("pt".to_owned(), texts("pt")),
            ],
        };
        let found = |wish| version.texts(wish).map(|(tag, _)| tag);
        assert_eq!(
            ["pt-BR", "pt-br", "pt-AO", "pt-Latn-PT", "pl", "", "en-GB"].map(found),
            [Some("pt-BR"), Some("pt-BR"), Some("pt"), Some("pt"), Some("en"), Some("en"), Some("en"),]
        );
    }
}

//! A message that is read out: the code digit by digit in the words of the language, in groups with pauses between them,
//! three times over.
//!
//! The text has one utterance per line and a pause at each line's end. From it come the documents that vendors take;
//! what stands in a line is escaped, so a brand or payee is spoken and never understood as markup.

use minijinja::HtmlEscape;
use serde::Deserialize;

use super::catalog::{LanguageFile, catalog};
use super::{Purpose, RenderError};

/// What a language adds for the ear; all else is said with the words it has for the eye.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct VoiceWords {
    /// The tag by which vendors choose a voice: language and region.
    pub(crate) language: String,
    /// What the call is about, when it confirms a phone number.
    pub(crate) confirm_phone: String,
    /// Said before the code is repeated.
    pub(crate) again: String,
    /// Zero to nine, each as it is said when numbers are dictated.
    pub(crate) digits: [String; 10],
}

impl VoiceWords {
    /// The code as it is dictated, one group per line.
    pub(crate) fn spell(&self, code: &str) -> String {
        let word = |character: char| match character.to_digit(10) {
            Some(digit) => self.digits[digit as usize].clone(),
            None => character.to_ascii_uppercase().to_string(),
        };
        let words: Vec<String> = code.chars().map(word).collect();
        let mut rest = words.as_slice();
        let mut lines = Vec::new();
        while !rest.is_empty() {
            // Threes, and twos where a lone last digit would be left.
            let size = if matches!(rest.len(), 2 | 4) { 2 } else { rest.len().min(3) };
            let (group, tail) = rest.split_at(size);
            lines.push(group.join(", ") + ".");
            rest = tail;
        }
        lines.join("\n")
    }
}

/// The template of what is said.
pub(super) fn source(file: &LanguageFile, purpose: Purpose) -> String {
    let (sentence, email, voice) = (&file.sentence, &file.email, &file.voice);
    let lead = match purpose {
        Purpose::AddressValidation => &voice.confirm_phone,
        _ => email.subject.of(purpose),
    };
    let mut text = format!("{lead}.\n");
    if purpose == Purpose::Transaction {
        text += &format!("{}: {{{{ amount }}}}.\n{}: {{{{ payee }}}}.\n", email.amount, email.payee);
    }
    let again = &voice.again;
    text += &format!("{{{{ code }}}}\n{again}:\n{{{{ code }}}}\n{again}:\n{{{{ code }}}}\n");
    text + &format!("{}{}{}", sentence.expiry, file.sentence_gap, sentence.never_share)
}

/// The documents that speak a text.
#[derive(Debug, Clone, Copy)]
pub struct Script<'a> {
    text: &'a str,
    language: &'a str,
}

impl<'a> Script<'a> {
    /// A text of [`super::render`] for [`super::Medium::Voice`], in the language of that message.
    ///
    /// # Errors
    /// When a built-in text does not pass its checks.
    pub fn of(text: &'a str, locale: &str) -> Result<Self, RenderError> {
        Ok(Self { text, language: &catalog()?.negotiate(locale).voice.language })
    }

    /// The tag by which vendors choose a voice, `en-US`.
    #[must_use]
    pub const fn language(&self) -> &'a str {
        self.language
    }

    /// A TwiML document.
    #[must_use]
    pub fn twiml(&self) -> String {
        let language = self.language;
        let say = |line| format!("<Say language=\"{language}\">{}</Say>", HtmlEscape(line));
        format!("<Response>{}</Response>", self.lines(say, "<Pause length=\"1\"/>"))
    }

    /// The same in the XML of Plivo.
    #[must_use]
    pub fn plivo(&self) -> String {
        let language = self.language;
        let speak =
            |line| format!("<Speak voice=\"WOMAN\" language=\"{language}\">{}</Speak>", HtmlEscape(line));
        format!("<Response>{}</Response>", self.lines(speak, "<Wait length=\"1\"/>"))
    }

    /// An SSML document (W3C Speech Synthesis Markup Language 1.1).
    #[must_use]
    pub fn ssml(&self) -> String {
        let spoken = |line| format!("<s>{}</s>", HtmlEscape(line));
        format!("<speak>{}</speak>", self.lines(spoken, "<break time=\"1s\"/>"))
    }

    fn lines(&self, utter: impl Fn(&'a str) -> String, pause: &str) -> String {
        self.text.lines().map(utter).collect::<Vec<_>>().join(pause)
    }
}

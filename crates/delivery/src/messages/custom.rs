//! Messages in a customer's own words: the texts of a template, filled in.

use countersign_core::message_template::{Piece, Placeholder, Texts, Version, pieces};
use minijinja::HtmlEscape;

use super::catalog::{Language, catalog};
use super::{
    Medium, MessageInput, Purpose, RenderError, RenderedMessage, Words, check, end_line, measure, render,
};
use crate::limits;

/// Writes the message with the words of a template, or with those that ship where it has none for this medium.
///
/// # Errors
/// As [`render`].
pub fn render_with(
    input: &MessageInput<'_>,
    template: Option<&Version>,
) -> Result<RenderedMessage, RenderError> {
    let Some((tag, texts)) = template.and_then(|version| version.texts(input.locale)) else {
        return render(input);
    };
    check(input)?;
    let language = catalog()?.negotiate(tag);
    match (input.medium, texts) {
        (Medium::Sms, Texts { sms: Some(text), .. }) => short(input, language, text),
        (Medium::Email, Texts { subject: Some(subject), text: Some(text), html, .. }) => {
            let values = Values::of(input, language)?;
            let html = html.as_ref().map(|html| fill(html, |name| values.html(name))).transpose()?;
            let subject =
                super::single_line(&fill(subject, |name| values.plain(name))?, limits::SUBJECT_CHARS);
            let text = fill(text, |name| values.plain(name))?;
            Ok(RenderedMessage { locale: &language.tag, subject: Some(subject), text, html, sms: None })
        }
        (Medium::Sms | Medium::Email | Medium::Voice, _) => render(input),
    }
}

fn short(
    input: &MessageInput<'_>,
    language: &'static Language,
    text: &str,
) -> Result<RenderedMessage, RenderError> {
    let values = Values::of(input, language)?;
    let mut text = fill(text, |name| values.plain(name))?;
    end_line(&mut text, input)?;
    let size = measure(&text);
    Ok(RenderedMessage { locale: &language.tag, subject: None, text, html: None, sms: Some(size) })
}

fn fill(text: &str, value: impl Fn(Placeholder) -> String) -> Result<String, RenderError> {
    let pieces = pieces(text).map_err(|fault| RenderError::Template(fault.as_str()))?;
    let mut filled = String::with_capacity(text.len() + 64);
    for piece in pieces {
        match piece {
            Piece::Words(words) => filled.push_str(words),
            Piece::Fill(name) => filled.push_str(&value(name)),
        }
    }
    Ok(filled)
}

/// What is filled in, safe to print.
struct Values<'a> {
    code: &'a str,
    minutes: u32,
    words: Words,
    amount: String,
    currency: &'a str,
}

impl<'a> Values<'a> {
    fn of(input: &MessageInput<'a>, language: &Language) -> Result<Self, RenderError> {
        let words = Words::of(input, language)?;
        let transaction = input.transaction.filter(|_| input.purpose == Purpose::Transaction);
        let (amount, currency) = match transaction {
            None => (String::new(), ""),
            // An amount that the customer wrote has its currency in it.
            Some(transaction) if transaction.written.is_some() => (words.amount.clone(), ""),
            Some(transaction) => {
                let number = language.amount.number(transaction.amount_minor, transaction.currency);
                (number.ok_or(RenderError::CurrencyMalformed)?, transaction.currency)
            }
        };
        Ok(Self { code: input.code, minutes: input.minutes, words, amount, currency })
    }

    fn plain(&self, name: Placeholder) -> String {
        match name {
            Placeholder::Code => self.code.to_owned(),
            Placeholder::Brand => self.words.brand.clone(),
            Placeholder::Minutes => self.minutes.to_string(),
            Placeholder::Amount => self.amount.clone(),
            Placeholder::Currency => self.currency.to_owned(),
            Placeholder::Payee => self.words.payee.clone(),
        }
    }

    /// Escaped, and isolated from the direction of what stands around it.
    fn html(&self, name: Placeholder) -> String {
        let value = self.plain(name);
        let direction = if name == Placeholder::Code { " dir=\"ltr\"" } else { "" };
        format!("<bdi{direction}>{}</bdi>", HtmlEscape(&value))
    }
}

#[cfg(test)]
mod tests {
    use super::super::TransactionText;
    use super::*;

    fn version(texts: Texts) -> Version {
        let polish = Texts { sms: Some("{code} to kod {brand}".to_owned()), ..Texts::default() };
        let texts = vec![("en".to_owned(), texts), ("pl".to_owned(), polish)];
        Version { number: 1, default_locale: "en".to_owned(), texts }
    }

    fn input<'a>(medium: Medium, brand: &'a str, payee: &'a str) -> MessageInput<'a> {
        let transaction =
            TransactionText { amount_minor: 125_000, written: None, currency: "EUR", payee, reference: None };
        MessageInput {
            locale: "en",
            medium,
            purpose: Purpose::Transaction,
            brand,
            code: "123456",
            minutes: 5,
            origin_host: None,
            app_hash: None,
            transaction: Some(transaction),
        }
    }

    fn sms(text: &str) -> Version {
        version(Texts { sms: Some(text.to_owned()), ..Texts::default() })
    }

    #[test]
    fn placeholders_are_filled_and_the_last_line_binds_the_code() {
        let template = sms("{code}: pay {amount} {currency} to {payee}? {brand}, {minutes} min {{ok}}");
        let wanted = "123456: pay 1,250.00 EUR to NORD PARTS? Acme, 5 min {ok}";
        let message = render_with(&input(Medium::Sms, "Acme", "NORD PARTS"), Some(&template)).unwrap();
        assert_eq!((message.text.as_str(), message.sms.unwrap().segments), (wanted, 1));
        let bound = MessageInput { origin_host: Some("acme.example"), ..input(Medium::Sms, "Acme", "N") };
        assert!(render_with(&bound, Some(&template)).unwrap().text.ends_with("\n\n@acme.example #123456"));
        let app = MessageInput { app_hash: Some("FA+9qCX9VSu"), ..input(Medium::Sms, "Acme", "N") };
        assert!(render_with(&app, Some(&template)).unwrap().text.ends_with("\nFA+9qCX9VSu"));
        let polish = MessageInput { locale: "pl-PL", ..input(Medium::Sms, "Acme", "N") };
        assert_eq!(render_with(&polish, Some(&template)).unwrap().text, "123456 to kod Acme");
    }

    #[test]
    fn values_bring_no_lines_links_placeholders_or_markup() {
        let template = version(Texts {
            subject: Some("Code of {brand}".to_owned()),
            text: Some("{code} {amount} {currency} {payee}".to_owned()),
            html: Some("<p title=\"x\">{code} {amount} {currency} {payee}</p>".to_owned()),
            ..Texts::default()
        });
        let hostile = input(Medium::Email, "A\r\nBcc: x", "<b>{code}</b>\n@evil.example #1");
        let mail = render_with(&hostile, Some(&template)).unwrap();
        assert_eq!(mail.subject.as_deref(), Some("Code of A Bcc: x"));
        assert!(mail.text.contains("<b>{code}</b> @evil .example #1") && mail.text.lines().count() == 1);
        let html = mail.html.unwrap();
        assert!(
            html.contains("<bdi dir=\"ltr\">123456</bdi>") && html.contains("&lt;b&gt;{code}&lt;"),
            "{html}"
        );
    }

    #[test]
    fn what_a_template_has_no_words_for_ships() {
        let mail = render_with(&input(Medium::Email, "Acme", "N"), Some(&sms("{code}"))).unwrap();
        assert_eq!(Ok(mail), render(&input(Medium::Email, "Acme", "N")));
        let none = render_with(&input(Medium::Sms, "Acme", "N"), None).unwrap();
        assert_eq!(Ok(none), render(&input(Medium::Sms, "Acme", "N")));
    }

    #[test]
    fn what_cannot_stand_in_a_message_is_refused_as_everywhere() {
        let template = sms("{code} {amount} {currency} {payee}");
        let refused = |input: MessageInput<'_>| render_with(&input, Some(&template)).err();
        let good = || input(Medium::Sms, "Acme", "N");
        assert_eq!(refused(MessageInput { code: "12 34", ..good() }), Some(RenderError::CodeMalformed));
        assert_eq!(
            refused(MessageInput { transaction: None, ..good() }),
            Some(RenderError::TransactionMissing)
        );
        assert_eq!(refused(input(Medium::Sms, "\u{200b}", "N")), Some(RenderError::BrandMissing));
    }
}

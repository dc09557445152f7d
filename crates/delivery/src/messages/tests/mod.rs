//! Every language, purpose and medium, held to the rules for messages.

mod catalog;
mod hostile;
mod origin_bound;
mod spoken;
mod wording;

use super::*;

const CODE: &str = "123456";
const HOST: &str = "acme.example";
const TRANSACTION: TransactionText<'static> = TransactionText {
    amount_minor: 125_000,
    written: None,
    currency: "EUR",
    payee: "NORD PARTS LTD",
    reference: Some("INV-77"),
};

fn input(locale: &str, medium: Medium, purpose: Purpose) -> MessageInput<'_> {
    let minutes = if purpose == Purpose::Transaction { 5 } else { 10 };
    MessageInput {
        locale,
        medium,
        purpose,
        brand: "Acme Bank",
        code: CODE,
        minutes,
        origin_host: Some(HOST),
        app_hash: None,
        transaction: Some(TRANSACTION),
    }
}

fn sms(locale: &str, purpose: Purpose) -> RenderedMessage {
    render(&input(locale, Medium::Sms, purpose)).expect("a short message")
}

fn mail(locale: &str, purpose: Purpose) -> RenderedMessage {
    render(&input(locale, Medium::Email, purpose)).expect("a mail")
}

/// Runs the claim on every message there is.
fn each_message(claim: impl Fn(&MessageInput<'_>, &RenderedMessage)) {
    for locale in languages().expect("a catalogue") {
        for purpose in Purpose::ALL.iter().copied() {
            for medium in [Medium::Sms, Medium::Email] {
                let input = input(locale, medium, purpose);
                claim(&input, &render(&input).expect("a message"));
            }
        }
    }
}

//! Messages to send.

use std::time::Duration;

use countersign_delivery::messages::{Medium, MessageInput, Purpose, TransactionText, render};
use countersign_delivery::provider::Outgoing;

pub(crate) const CODE: &str = "482913";

pub(crate) fn mail(to: &str) -> Outgoing {
    mail_from_brand(to, "Acme Bank", "NORD PARTS LTD")
}

pub(crate) fn mail_from_brand(to: &str, brand: &str, payee: &str) -> Outgoing {
    outgoing(to, Medium::Email, brand, payee)
}

pub(crate) fn sms(to: &str) -> Outgoing {
    outgoing(to, Medium::Sms, "Acme Bank", "NORD PARTS LTD")
}

pub(crate) fn outgoing(to: &str, medium: Medium, brand: &str, payee: &str) -> Outgoing {
    let transaction =
        TransactionText { amount_minor: 125_000, written: None, currency: "EUR", payee, reference: None };
    let message = render(&MessageInput {
        locale: "en",
        medium,
        purpose: Purpose::Transaction,
        brand,
        code: CODE,
        minutes: 5,
        origin_host: Some("acme.example"),
        app_hash: None,
        transaction: Some(transaction),
    });
    Outgoing {
        to: to.to_owned(),
        channel: if medium == Medium::Email { "email" } else { "sms" },
        purpose: Purpose::Transaction,
        sender: Some(brand.to_owned()),
        code: CODE.to_owned(),
        message: message.expect("a message"),
        asked: None,
        delivery_id: "dlv_01m83n1fqkeat9ryjx42vfks43".to_owned(),
        deadline: Duration::from_secs(20),
        lifetime: Duration::from_secs(300),
    }
}

//! What a relay's refusal means for us.
//!
//! Only the reply code and the enhanced status code (RFC 3463) are kept: the words beside them often
//! repeat the address, and sometimes the message.

use crate::provider::{ErrorClass, Fault, ProviderError};
use lettre::transport::smtp::Error;

/// How far the exchange was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// Greeting, EHLO, STARTTLS.
    Hello,
    /// AUTH.
    Login,
    /// MAIL FROM.
    Sender,
    /// RCPT TO.
    Recipient,
    /// DATA, before a byte of the message.
    Data,
    /// The message; from here on it may have been taken.
    Content,
}

impl Stage {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Hello => "EHLO",
            Self::Login => "AUTH",
            Self::Sender => "MAIL FROM",
            Self::Recipient => "RCPT TO",
            Self::Data => "DATA",
            Self::Content => "the message",
        }
    }
}

/// A failure that lettre reports.
pub(super) fn classify(stage: Stage, problem: &Error) -> ProviderError {
    use std::error::Error as _;
    let words = problem.source().map(ToString::to_string).unwrap_or_default();
    if let Some(code) = problem.status() {
        return of_reply(stage, &format!("{code} {words}"));
    }
    if problem.is_client() {
        let detail = format!("the relay lacks what {} needs", stage.as_str());
        let class =
            if stage == Stage::Login { ErrorClass::Authentication } else { ErrorClass::Configuration };
        return ProviderError::new(class, detail);
    }
    // lettre has no kind for "the peer closed the connection in the middle of a reply"; these are its words.
    if problem.is_response() && words != "incomplete response" {
        return ProviderError::new(ErrorClass::Protocol, format!("no SMTP reply to {}", stage.as_str()));
    }
    let taken = if stage == Stage::Content { "; the relay may have taken it" } else { "" };
    ProviderError::new(ErrorClass::ConnectionLost, format!("connection lost at {}{taken}", stage.as_str()))
}

/// A refusal in the relay's words: `550 5.1.1 …`.
pub(super) fn of_reply(stage: Stage, reply: &str) -> ProviderError {
    let code = reply.get(..3).filter(|code| code.bytes().all(|b| b.is_ascii_digit())).unwrap_or("???");
    let enhanced = reply.get(4..).and_then(enhanced_status).unwrap_or_default();
    let detail = match enhanced {
        "" => format!("{code} at {}", stage.as_str()),
        _ => format!("{code} {enhanced} at {}", stage.as_str()),
    };
    let refused = |class| ProviderError::new(class, detail.clone());
    // X.7.Z is about security and policy: we may not relay here, or not so. That is no word on the recipient.
    let policy = enhanced.split('.').nth(1) == Some("7");
    match (code.as_bytes()[0], stage) {
        (b'4', Stage::Recipient) if code == "450" => {
            refused(ErrorClass::Unavailable).with_fault(Fault::Recipient)
        }
        (b'4', _) => refused(ErrorClass::Unavailable),
        (b'5', _) if code == "530" || code == "535" => refused(ErrorClass::Authentication),
        (b'5', Stage::Login) => refused(ErrorClass::Authentication),
        (b'5', Stage::Sender) => refused(ErrorClass::SenderRejected),
        (b'5', Stage::Recipient) if policy => refused(ErrorClass::Configuration),
        (b'5', Stage::Recipient) => refused(ErrorClass::RecipientRejected),
        (b'5', Stage::Data | Stage::Content) => refused(ErrorClass::MessageRejected),
        (b'5', Stage::Hello) => refused(ErrorClass::Unavailable).with_retry(false),
        _ => refused(ErrorClass::Protocol),
    }
}

/// `5.1.1` at the start of a reply's text.
fn enhanced_status(text: &str) -> Option<&str> {
    let word = text.split_ascii_whitespace().next()?;
    let mut parts = word.split('.');
    let numbers = |part: &str| (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    let shaped = parts.by_ref().take(3).filter(|part| numbers(part)).count() == 3 && parts.next().is_none();
    shaped.then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_laid_at_the_right_door() {
        use ErrorClass as C;
        let cases = [
            (
                Stage::Recipient,
                "550 5.1.1 <kim@example.com> unknown",
                C::RecipientRejected,
                Fault::Recipient,
                false,
            ),
            (Stage::Recipient, "553 no such user", C::RecipientRejected, Fault::Recipient, false),
            (Stage::Recipient, "450 4.2.0 greylisted", C::Unavailable, Fault::Recipient, true),
            (Stage::Recipient, "451 4.3.0 try later", C::Unavailable, Fault::Provider, true),
            (Stage::Recipient, "554 5.7.1 relay access denied", C::Configuration, Fault::Us, false),
            (Stage::Recipient, "530 5.7.0 authentication required", C::Authentication, Fault::Us, false),
            (Stage::Sender, "553 5.1.8 sender refused", C::SenderRejected, Fault::Us, false),
            (Stage::Login, "535 5.7.8 wrong password", C::Authentication, Fault::Us, false),
            (Stage::Login, "454 4.7.0 try later", C::Unavailable, Fault::Provider, true),
            (Stage::Data, "452 4.3.1 no space", C::Unavailable, Fault::Provider, true),
            (Stage::Content, "554 5.6.0 looks like spam", C::MessageRejected, Fault::Provider, false),
            (Stage::Hello, "421 too busy", C::Unavailable, Fault::Provider, true),
            (Stage::Hello, "554 go away", C::Unavailable, Fault::Provider, false),
            (Stage::Data, "250 what?", C::Protocol, Fault::Provider, true),
            (Stage::Data, "x", C::Protocol, Fault::Provider, true),
        ];
        for (stage, reply, class, fault, retry) in cases {
            let error = of_reply(stage, reply);
            assert_eq!((error.class, error.fault, error.retry), (class, fault, retry), "{reply}");
        }
    }

    #[test]
    fn the_relays_words_are_not_repeated() {
        let error = of_reply(Stage::Recipient, "550 5.1.1 <kim@example.com>: 123456 refused");
        assert_eq!(error.to_string(), "recipient_rejected: 550 5.1.1 at RCPT TO");
        let error = of_reply(Stage::Recipient, "550 kim@example.com refused");
        assert_eq!(error.detail, "550 at RCPT TO");
    }
}

//! What the parameters of a new challenge mean.

use std::time::Duration;

use countersign_core::challenge::ChallengePrivate;
use countersign_core::command::Entered;
use countersign_core::limits;
use countersign_core::time::Timestamp;

use crate::compat::twilio::error::TwilioError;
use crate::compat::twilio::factors::auth_payload;
use crate::compat::twilio::factors::form::texts;
use crate::compat::twilio::form::Form;
use crate::compat::twilio::rows;
use crate::compat::twilio::sid::Sid;
use crate::value::Value;

/// How long a challenge lives when nobody says.
const USUAL_LIFETIME: Duration = Duration::from_secs(300);
/// Facts of a challenge.
const MOST_FIELDS: usize = 20;

const KNOWN: [&str; 6] =
    ["FactorSid", "ExpirationDate", "Details.Message", "Details.Fields", "HiddenDetails", "AuthPayload"];

/// A new challenge as it was asked for.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) factor: Sid,
    pub(super) lifetime: Duration,
    pub(super) private: ChallengePrivate,
    pub(super) code: Option<Entered>,
}

/// A factor that is named in a parameter.
pub(super) fn factor(form: &Form) -> Result<Option<Sid>, TwilioError> {
    form.read_as("FactorSid", |text| Sid::parse("YF", text))
}

impl Wanted {
    pub(super) fn read(form: &Form, now: Timestamp) -> Result<Self, TwilioError> {
        form.has_only(&KNOWN)?;
        let message = form.one("Details.Message")?;
        let private = ChallengePrivate {
            message: message.map(|text| rows::text("Details.Message", text, 256)).transpose()?,
            details: fields(form)?,
            metadata: texts(form, "HiddenDetails")?.unwrap_or_default(),
            ..ChallengePrivate::default()
        };
        let factor = factor(form)?.ok_or_else(|| TwilioError::missing("FactorSid"))?;
        Ok(Self { factor, lifetime: lifetime(form, now)?, private, code: auth_payload(form)? })
    }
}

/// Until a moment that is named, an hour away at most.
fn lifetime(form: &Form, now: Timestamp) -> Result<Duration, TwilioError> {
    let Some(until) = form.instant("ExpirationDate")? else { return Ok(USUAL_LIFETIME) };
    let lifetime = until.since(now);
    let (shortest, longest) = limits::DIALECT_CHALLENGE_LIFETIME.into_inner();
    if (Duration::from_secs(shortest)..=Duration::from_secs(longest)).contains(&lifetime) {
        return Ok(lifetime);
    }
    Err(TwilioError::invalid("ExpirationDate", "it lies in the next hour"))
}

/// Each a JSON object with a label and a value.
fn fields(form: &Form) -> Result<Vec<(String, String)>, TwilioError> {
    let name = "Details.Fields";
    let wrong = || TwilioError::invalid(name, "each is a JSON object with `label` and `value`, 20 at most");
    let read = |text: &str| {
        let Ok(Value::Object(members)) = Value::json(text.as_bytes()) else { return None };
        let [mut label, mut value] = [None, None];
        for (member, content) in members {
            match (member.as_str(), content) {
                ("label", Value::Text(text)) if label.is_none() => label = Some(text),
                ("value", Value::Text(text)) if value.is_none() => value = Some(text),
                _ => return None,
            }
        }
        Some((rows::text(name, &label?, 36).ok()?, rows::text(name, &value?, 128).ok()?))
    };
    let fields = form.all(name).map(read).collect::<Option<Vec<_>>>().ok_or_else(wrong)?;
    if fields.len() > MOST_FIELDS { Err(wrong()) } else { Ok(fields) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_704_067_200_000);

    fn wanted(pairs: &[(&str, &str)]) -> Result<Wanted, TwilioError> {
        let sid = format!("YF{}", "0".repeat(32));
        let pairs = [&[("FactorSid", sid.as_str())], pairs].concat();
        let pairs = pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        Wanted::read(&Form::of_pairs(pairs.collect()), NOW)
    }

    #[test]
    fn a_challenge_lives_an_hour_at_most() {
        assert_eq!(wanted(&[]).unwrap().lifetime, Duration::from_secs(300));
        for (date, fine) in [
            ("2024-01-01T00:00:00Z", false),
            ("2024-01-01T00:00:01Z", true),
            ("2024-01-01T01:00:00", true),
            ("2024-01-01T03:00:00+02:00", true),
            ("2024-01-01T01:00:01Z", false),
            ("2023-12-31", false),
            ("soon", false),
        ] {
            assert_eq!(wanted(&[("ExpirationDate", date)]).is_ok(), fine, "{date}");
        }
    }

    #[test]
    fn facts_have_a_label_and_a_value() {
        let field = r#"{"label": "Action", "value": "Sign in"}"#;
        let wanted = |fields: &[&str]| {
            wanted(&fields.iter().map(|field| ("Details.Fields", *field)).collect::<Vec<_>>())
        };
        let two = wanted(&[field, r#"{"value":"1","label":"n"}"#]).unwrap().private.details;
        assert_eq!(
            two,
            [("Action", "Sign in"), ("n", "1")].map(|(label, value)| (label.to_owned(), value.to_owned()))
        );
        assert!(wanted(&[field; 20]).is_ok() && wanted(&[field; 21]).is_err());
        let long = |label: usize, value: usize| {
            format!(r#"{{"label":"{}","value":"{}"}}"#, "l".repeat(label), "v".repeat(value))
        };
        for (label, value, fine) in [(36, 128, true), (37, 128, false), (36, 129, false), (0, 1, false)] {
            assert_eq!(wanted(&[&long(label, value)]).is_ok(), fine, "{label} {value}");
        }
        for wrong in ["{}", "x", "[]", r#"{"label":"l"}"#, r#"{"label":"l","value":1}"#, "{label=l, value=v}"]
        {
            assert!(wanted(&[wrong]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_hidden_is_an_object_of_texts() {
        let hidden = |text: &str| wanted(&[("HiddenDetails", text)]).map(|wanted| wanted.private.metadata);
        assert_eq!(hidden(r#"{"ip": "1.2.3.4"}"#).unwrap(), [("ip".to_owned(), "1.2.3.4".to_owned())]);
        for wrong in ["[]", r#"{"a":1}"#, "x"] {
            assert!(hidden(wrong).is_err(), "{wrong}");
        }
        let long = |length: usize| format!(r#"{{"a":"{}"}}"#, "b".repeat(length - 8));
        assert!(hidden(&long(1024)).is_ok() && hidden(&long(1025)).is_err());
    }

    #[test]
    fn a_code_has_three_to_eight_characters() {
        for (code, fine) in [("12", false), ("123", true), ("12345678", true), ("123456789", false)] {
            assert_eq!(wanted(&[("AuthPayload", code)]).is_ok(), fine, "{code}");
        }
    }
}

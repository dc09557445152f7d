//! What the parameters of a new factor mean.

use countersign_core::factor::SecretBytes;
use countersign_core::limits;
use countersign_core::oath::Algorithm;
use countersign_core::subject::{Enrol, FactorPlan};
use countersign_core::time::EntropySource;

use crate::compat::twilio::error::TwilioError;
use crate::compat::twilio::form::Form;
use crate::compat::twilio::rows;
use crate::compat::twilio::services::Service;
use crate::compat::twilio::totp::{CODE_LENGTH, Config, TIME_STEP};
use crate::factors::plan::{decode, fresh};
use crate::value::Value;

/// The parameters of an authenticator app; others belong to push factors, of which there are none.
const KNOWN: [&str; 8] = [
    "FriendlyName",
    "FactorType",
    "Binding.Secret",
    "Config.TimeStep",
    "Config.Skew",
    "Config.CodeLength",
    "Config.Alg",
    "Metadata",
];

/// A new factor as it was asked for.
pub(super) struct Wanted {
    pub(super) enrol: Enrol,
    /// The secret, when it was brought along.
    pub(super) brought: Option<SecretBytes>,
}

/// Characters of a text that holds a JSON object of texts.
pub(crate) const MOST_OF_OBJECT: usize = 1024;

/// A JSON object of texts, in their order.
pub(crate) fn texts(form: &Form, name: &str) -> Result<Option<Vec<(String, String)>>, TwilioError> {
    let Some(text) = form.one(name)? else { return Ok(None) };
    let wrong = || TwilioError::invalid(name, "it is a JSON object of texts, 1024 characters at most");
    if text.chars().count() > MOST_OF_OBJECT {
        return Err(wrong());
    }
    let members = form.object(name)?.unwrap_or_default().into_iter();
    let texts = members.map(|(name, value)| match value {
        Value::Text(text) => Some((name, text)),
        _ => None,
    });
    texts.collect::<Option<Vec<_>>>().map(Some).ok_or_else(wrong)
}

/// What people call a factor.
pub(super) fn friendly_name(name: &str) -> Result<String, TwilioError> {
    rows::text("FriendlyName", name, 64)
}

pub(super) fn algorithm(form: &Form) -> Result<Option<Algorithm>, TwilioError> {
    form.read_as("Config.Alg", |text| match text {
        "sha1" => Some(Algorithm::Sha1),
        "sha256" => Some(Algorithm::Sha256),
        "sha512" => Some(Algorithm::Sha512),
        _ => None,
    })
}

/// Reads an enrolment.
pub(super) fn read(
    entropy: &dyn EntropySource,
    service: &Service,
    form: &Form,
) -> Result<Wanted, TwilioError> {
    match form.one("FactorType").map_err(TwilioError::of_factors)? {
        Some("totp") => {}
        Some("push") => {
            return Err(TwilioError::new(403, 60313, "Push factors are not available on this server"));
        }
        _ => return Err(TwilioError::new(400, 60369, "FactorType invalid or not provided")),
    }
    totp(entropy, service, form).map_err(TwilioError::of_factors)
}

fn totp(entropy: &dyn EntropySource, service: &Service, form: &Form) -> Result<Wanted, TwilioError> {
    form.has_only(&KNOWN)?;
    let name = friendly_name(form.required("FriendlyName")?)?;
    let config = Config::read(form, "Config")?;
    let algorithm = algorithm(form)?.unwrap_or(Algorithm::Sha1);
    let usual = |name, otherwise| service.number(name).unwrap_or(otherwise);
    let period = config.time_step.unwrap_or_else(|| usual("Totp.TimeStep", TIME_STEP));
    let digits = config.code_length.unwrap_or_else(|| usual("Totp.CodeLength", CODE_LENGTH));
    let (Ok(period), Ok(digits)) = (period.try_into(), digits.try_into()) else {
        return Err(TwilioError::invalid("Config", "it is out of bounds"));
    };
    let brought = form.one("Binding.Secret")?.map(secret).transpose()?;
    let secret = brought.clone().unwrap_or_else(|| fresh(entropy, algorithm));
    let enrol = Enrol {
        plan: FactorPlan::Totp { algorithm, digits, period, secret },
        account: Some(name.clone()),
        name: Some(name),
        serial: None,
        metadata: texts(form, "Metadata")?,
        proven: false,
    };
    Ok(Wanted { enrol, brought })
}

/// A secret somebody brings: Base32 of as many bytes as the rules take.
fn secret(text: &str) -> Result<SecretBytes, TwilioError> {
    let fine = decode(text, false).filter(|bytes| limits::SECRET_BYTES.contains(&bytes.len()));
    let (least, most) = (limits::SECRET_BYTES.start(), limits::SECRET_BYTES.end());
    let message = format!("Invalid parameter `Binding.Secret`: it is Base32 of {least} to {most} bytes");
    fine.map(SecretBytes).ok_or_else(|| TwilioError::new(400, 60314, message))
}

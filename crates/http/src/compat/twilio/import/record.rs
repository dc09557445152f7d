//! One record as Twilio shows it, read as the parameters that would make it, and what of it has no counterpart here.

use crate::compat::twilio::form::Form;
use crate::compat::twilio::sid::Sid;
use crate::compat::twilio::totp;
use crate::value::Value;

/// What can be imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Service,
    RateLimit,
    Bucket,
    SafeNumber,
}

impl Kind {
    pub(super) const ALL: [Self; 4] = [Self::Service, Self::RateLimit, Self::Bucket, Self::SafeNumber];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::RateLimit => "rate_limit",
            Self::Bucket => "bucket",
            Self::SafeNumber => "safe_number",
        }
    }

    /// What its SIDs begin with.
    const fn prefix(self) -> &'static str {
        match self {
            Self::Service => "VA",
            Self::RateLimit => "RK",
            Self::Bucket => "BL",
            Self::SafeNumber => "GN",
        }
    }

    /// Members that become parameters.
    const fn parameters(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Service => &SERVICE,
            Self::RateLimit => &[("unique_name", "UniqueName"), ("description", "Description")],
            Self::Bucket => &[("max", "Max"), ("interval", "Interval")],
            Self::SafeNumber => &[("phone_number", "PhoneNumber")],
        }
    }
}

/// A service's members, inner ones behind dots.
const SERVICE: [(&str, &str); 19] = [
    ("friendly_name", "FriendlyName"),
    ("code_length", "CodeLength"),
    ("lookup_enabled", "LookupEnabled"),
    ("skip_sms_to_landlines", "SkipSmsToLandlines"),
    ("dtmf_input_required", "DtmfInputRequired"),
    ("tts_name", "TtsName"),
    ("psd2_enabled", "Psd2Enabled"),
    ("do_not_share_warning_enabled", "DoNotShareWarningEnabled"),
    ("custom_code_enabled", "CustomCodeEnabled"),
    ("totp.issuer", "Totp.Issuer"),
    ("totp.time_step", "Totp.TimeStep"),
    ("totp.code_length", "Totp.CodeLength"),
    ("totp.skew", "Totp.Skew"),
    ("passkeys.relying_party.id", "Passkeys.RelyingParty.Id"),
    ("passkeys.relying_party.name", "Passkeys.RelyingParty.Name"),
    ("passkeys.relying_party.origins", "Passkeys.RelyingParty.Origins"),
    ("passkeys.authenticator_attachment", "Passkeys.AuthenticatorAttachment"),
    ("passkeys.discoverable_credentials", "Passkeys.DiscoverableCredentials"),
    ("passkeys.user_verification", "Passkeys.UserVerification"),
];

/// Members that say where a record is and when it was made there.
const ABOUT: [&str; 8] =
    ["sid", "account_sid", "service_sid", "rate_limit_sid", "date_created", "date_updated", "url", "links"];

/// Members without a counterpart, and why.
const LEFT: [(&str, &str); 5] = [
    ("default_template_sid", "messages have the built-in text"),
    ("whatsapp", "the routes of the configuration choose senders"),
    ("push", "push credentials stay at Twilio"),
    ("verify_event_subscription_enabled", "there are no event subscriptions"),
    ("mailer_sid", "the routes of the configuration choose the mail relay"),
];

/// A record, read.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) kind: Kind,
    pub(super) id: [u8; 16],
    pub(super) form: Form,
    service: Option<String>,
    limit: Option<String>,
    /// What is not carried over: the member, and why.
    pub(super) left: Vec<(String, &'static str)>,
}

impl Record {
    pub(super) fn read(value: &Value) -> Result<Self, String> {
        let Value::Object(members) = value else { return Err("it is no object".to_owned()) };
        let text = |name: &str| member(members, name).and_then(written);
        let sid = text("sid").ok_or("it has no `sid`")?;
        let known = Kind::ALL.iter().find_map(|&kind| Some((kind, Sid::parse(kind.prefix(), &sid)?.1)));
        let (kind, id) = known.ok_or("its `sid` is none of a service, rate limit, bucket or safe number")?;
        let (mut pairs, mut unserved) = (Vec::new(), Vec::new());
        for &(path, parameter) in kind.parameters() {
            match inner(members, path) {
                None | Some(Value::Null) => {}
                Some(value) => {
                    let value = written(value).ok_or_else(|| format!("`{path}` has another type"))?;
                    if totp::is_not_served(parameter, &value) {
                        unserved.push((path.to_owned(), "factors here have 6 to 8 digits and a skew of 1"));
                    } else {
                        pairs.push((parameter.to_owned(), value));
                    }
                }
            }
        }
        let form = Form::of_pairs(pairs);
        Ok(Self {
            kind,
            id,
            form,
            service: text("service_sid"),
            limit: text("rate_limit_sid"),
            left: [unserved, left(kind, members)].concat(),
        })
    }

    /// The service it belongs to.
    pub(super) fn service(&self) -> Result<[u8; 16], String> {
        owner(self.service.as_deref(), "VA", "service_sid")
    }

    /// The rate limit it belongs to.
    pub(super) fn limit(&self) -> Result<[u8; 16], String> {
        owner(self.limit.as_deref(), "RK", "rate_limit_sid")
    }
}

fn owner(text: Option<&str>, kind: &'static str, name: &str) -> Result<[u8; 16], String> {
    let text = text.ok_or_else(|| format!("it has no `{name}`"))?;
    Sid::parse(kind, text).map(|sid| sid.1).ok_or_else(|| format!("its `{name}` is no {kind}…"))
}

fn member<'a>(members: &'a [(String, Value)], name: &str) -> Option<&'a Value> {
    members.iter().find(|(known, _)| known == name).map(|(_, value)| value)
}

fn inner<'a>(members: &'a [(String, Value)], path: &str) -> Option<&'a Value> {
    match path.split_once('.') {
        None => member(members, path),
        Some((outer, rest)) => match member(members, outer)? {
            Value::Object(members) => inner(members, rest),
            _ => None,
        },
    }
}

/// A value as a parameter is written; a list of texts with commas.
fn written(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Array(values) => {
            values.iter().map(written).collect::<Option<Vec<_>>>().map(|list| list.join(","))
        }
        _ => None,
    }
}

/// Whether a value says anything.
fn says(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Text(text) => !text.is_empty(),
        Value::Array(values) => values.iter().any(says),
        Value::Object(members) => members.iter().any(|(_, value)| says(value)),
        _ => true,
    }
}

fn left(kind: Kind, members: &[(String, Value)]) -> Vec<(String, &'static str)> {
    let carried = |name: &str| {
        kind.parameters().iter().any(|(path, _)| path.split('.').next() == Some(name))
            || ABOUT.contains(&name)
    };
    let left = members.iter().filter(|(name, value)| !carried(name) && says(value));
    left.map(|(name, _)| {
        let why = LEFT.iter().find(|(known, _)| known == name);
        (name.clone(), why.map_or("this version does not know it", |(_, why)| why))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Record, String> {
        Record::read(&Value::json(json.as_bytes()).unwrap())
    }

    #[test]
    fn what_has_no_counterpart_is_told() {
        let json = r#"{"sid":"VA0123456789abcdef0123456789abcdef","account_sid":"AC1","friendly_name":"Shop","code_length":6,
            "push":{"include_date":false,"fcm_credential_sid":null},"whatsapp":{"from":"+15005550006"},
            "totp":{"issuer":null,"skew":1},"news":"x","verify_event_subscription_enabled":false,"links":{"a":"b"}}"#;
        let record = read(json).unwrap();
        assert_eq!(record.form.one("Totp.Skew").unwrap(), Some("1"));
        assert_eq!(record.form.one("CodeLength").unwrap(), Some("6"));
        let left: Vec<_> = record.left.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(left, ["whatsapp", "news"]);
    }

    #[test]
    fn what_factors_are_set_to_is_told_where_it_is_not_served() {
        let service = |totp: &str| {
            let json = r#"{"sid":"VA0123456789abcdef0123456789abcdef","totp":{"#;
            let record = read(&format!("{json}{totp}}}}}")).unwrap();
            let kept = ["Totp.CodeLength", "Totp.Skew", "Totp.TimeStep"];
            let kept = kept.into_iter().filter(|name| record.form.one(name).unwrap().is_some()).count();
            (kept, record.left.into_iter().map(|(path, _)| path).collect::<Vec<_>>())
        };
        let (kept, left) = service(r#""code_length":4,"skew":2,"time_step":20"#);
        assert_eq!((kept, left), (1, vec!["totp.code_length".to_owned(), "totp.skew".to_owned()]));
        assert_eq!(service(r#""code_length":6,"skew":1,"time_step":30"#), (3, Vec::new()));
    }

    #[test]
    fn a_record_that_is_none_says_why() {
        for (json, why) in [
            ("[]", "no object"),
            ("{}", "no `sid`"),
            (r#"{"sid":"YW0123456789abcdef0123456789abcdef"}"#, "none of"),
            (r#"{"sid":"VA0123"}"#, "none of"),
            (r#"{"sid":"BL0123456789abcdef0123456789abcdef","max":{}}"#, "another type"),
        ] {
            assert!(read(json).unwrap_err().contains(why), "{json}");
        }
        let bucket = read(r#"{"sid":"BL0123456789abcdef0123456789abcdef","rate_limit_sid":"x"}"#).unwrap();
        assert!(bucket.service().unwrap_err().contains("no `service_sid`"));
        assert!(bucket.limit().unwrap_err().contains("is no RK"));
    }
}

//! `…/RateLimits/{RateLimitSid}/Buckets`: how many starts in how many seconds.

use countersign_core::setting::SettingKind;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::error::TwilioError;
use super::form::Form;
use super::resource::Resource;
use super::rows::Kept;
use super::services::Service;

/// Buckets of one rate limit.
const MOST: usize = 20;
/// The longest interval: a day, in seconds.
const LONGEST: u64 = 24 * 60 * 60;
const PARAMETERS: &[&str] = &["Max", "Interval"];

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Bucket {
    pub(crate) service: [u8; 16],
    pub(crate) max: u64,
    pub(crate) interval: u64,
}

fn max(form: &Form) -> Result<Option<u64>, TwilioError> {
    form.number("Max", 0..=u64::from(u32::MAX))
}

fn interval(form: &Form) -> Result<Option<u64>, TwilioError> {
    form.number("Interval", 1..=LONGEST)
}

impl Bucket {
    fn alone(self, beside: &[Kept<Self>]) -> Result<Self, TwilioError> {
        if beside.iter().any(|other| other.body.interval == self.interval) {
            return Err(TwilioError::new(400, 60211, "A bucket with this Interval exists already"));
        }
        Ok(self)
    }
}

impl Resource for Bucket {
    const KIND: SettingKind = SettingKind::Bucket;
    const SID: &'static str = "BL";
    const PATH: &'static str = "Buckets";
    const KEY: &'static str = "buckets";
    const MAKING: &'static [&'static str] = PARAMETERS;
    const CHANGING: &'static [&'static str] = PARAMETERS;

    fn made(form: &Form, service: &Service, beside: &[Kept<Self>]) -> Result<Self, TwilioError> {
        let max = max(form)?.ok_or_else(|| TwilioError::missing("Max"))?;
        let interval = interval(form)?.ok_or_else(|| TwilioError::missing("Interval"))?;
        let bucket = Self { service: service.id, max, interval }.alone(beside)?;
        if beside.len() >= MOST {
            return Err(TwilioError::new(400, 60210, "The rate limit has as many buckets as it may"));
        }
        Ok(bucket)
    }

    fn changed(mut self, form: &Form, beside: &[Kept<Self>]) -> Result<Self, TwilioError> {
        self.max = max(form)?.unwrap_or(self.max);
        self.interval = interval(form)?.unwrap_or(self.interval);
        self.alone(beside)
    }

    fn shown(&self, _: &str) -> Value {
        json!({ "max": self.max, "interval": self.interval })
    }
}

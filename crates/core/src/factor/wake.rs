//! Waking devices up. A device fetches what it is asked by itself; a wake-up only tells it that now is the time. It is a
//! hint, so it carries nothing that is asked, and nobody waits for it.

use minicbor::{Decode, Encode};
use zeroize::Zeroizing;

use crate::challenge::{Challenge, ChallengeStatus};
use crate::ids::{ChallengeId, FactorId};
use crate::keys::Keys;
use crate::limits::MAX_PUSH_TOKEN;
use crate::subject::SubjectRow;
use crate::tenancy::Project;
use crate::tenant::Mode;
use crate::time::Timestamp;

/// What a push provider knows an app on a device by. Prints as `***` and is wiped when dropped: whoever has it can write on
/// the person's screen.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct PushToken(#[cbor(n(0), with = "text")] Zeroizing<String>);

impl PushToken {
    /// A token as a device tells it: 1 to [`MAX_PUSH_TOKEN`] bytes without control characters.
    #[must_use]
    pub fn parse(text: Zeroizing<String>) -> Option<Self> {
        let fits = (1..=MAX_PUSH_TOKEN).contains(&text.len()) && !text.chars().any(char::is_control);
        fits.then_some(Self(text))
    }

    /// The token, for the provider and for what a device signs.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for PushToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// A text that is wiped, in CBOR.
mod text {
    use minicbor::decode::Error as DecodeError;
    use minicbor::encode::{Error as EncodeError, Write};
    use minicbor::{Decoder, Encoder};
    use zeroize::Zeroizing;

    pub(super) fn encode<C, W: Write>(
        text: &Zeroizing<String>,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        e.str(text)?.ok()
    }

    pub(super) fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<Zeroizing<String>, DecodeError> {
        Ok(Zeroizing::new(d.str()?.to_owned()))
    }
}

/// Where and how a device is woken.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct PushAddress {
    /// What the push provider knows it by.
    #[n(0)]
    pub token: PushToken,
    /// The language it shows (BCP 47); `None` takes the project's.
    #[n(1)]
    pub locale: Option<String>,
}

/// One device to wake for one challenge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wake {
    /// The device's factor.
    pub factor: FactorId,
    /// What it is asked.
    pub challenge: ChallengeId,
    /// Where it is found.
    pub token: PushToken,
    /// In whose name: the project's brand.
    pub brand: String,
    /// The language of the sentence it shows.
    pub locale: String,
    /// When the challenge ends; later there is nothing to wake up for.
    pub expires_at: Timestamp,
}

/// The devices to wake for a challenge that began: each that is asked and said where it is found. Test mode reaches nobody,
/// and a challenge that was answered in the same breath asks nothing any more.
#[must_use]
pub fn wakes(keys: &Keys, row: &SubjectRow, challenge: &Challenge, project: &Project) -> Vec<Wake> {
    let asks = challenge.status == ChallengeStatus::Pending && !challenge.pushed_to.is_empty();
    if row.tenant.mode != Mode::Live || !asks {
        return Vec::new();
    }
    let Some(data_key) = row.open_data_key(keys) else { return Vec::new() };
    let wake = |id: &FactorId| {
        let private = row.factor(*id)?.open(&row.tenant, &data_key, row.data_key.root)?;
        let PushAddress { token, locale } = private.push?;
        Some(Wake {
            factor: *id,
            challenge: challenge.id,
            token,
            brand: project.brand.clone(),
            locale: locale.unwrap_or_else(|| project.locale.clone()),
            expires_at: challenge.expires_at,
        })
    };
    challenge.pushed_to.iter().filter_map(wake).collect()
}

/// Wakes devices up, as well as it can.
pub trait DeviceWaker: Send + Sync + 'static {
    /// Takes a wake-up, or drops it. Never waits and never fails: the caller's challenge began either way.
    fn wake(&self, wake: Wake);
}

/// Where no push provider is configured: devices poll.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoWaker;

impl DeviceWaker for NoWaker {
    fn wake(&self, _: Wake) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: String) -> Option<PushToken> {
        PushToken::parse(Zeroizing::new(text))
    }

    #[test]
    fn a_token_is_one_to_four_thousand_and_ninety_six_bytes_of_text() {
        for (length, fine) in [(0, false), (1, true), (4095, true), (4096, true), (4097, false)] {
            assert_eq!(parse("t".repeat(length)).is_some(), fine, "{length}");
        }
        assert!(
            parse("é".repeat(2048)).is_some() && parse("é".repeat(2049)).is_none(),
            "bytes, not characters"
        );
        assert!(parse("a\nb".to_owned()).is_none());
    }

    #[test]
    fn a_token_is_not_printed() {
        let address = PushAddress { token: parse("APA91b".to_owned()).unwrap(), locale: None };
        assert!(!format!("{address:?}").contains("APA91b"));
        let stored = minicbor::to_vec(&address).unwrap();
        assert_eq!(minicbor::decode::<PushAddress>(&stored).unwrap(), address);
    }
}

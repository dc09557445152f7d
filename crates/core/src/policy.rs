//! The numbers a project may configure, each within its cap. DESIGN section 5 as data.

use std::time::Duration;

use crate::keys::{Alphabet, CodeFormat};
use crate::limits;
use crate::named::named;
use crate::recipient::RecipientKind;
use crate::verification::{Channel, Purpose};
use minicbor::{Decode, Encode};

named!(
    /// A named set of defaults.
    Profile {
        /// What suits most.
        0 Standard = "standard",
        /// NIST SP 800-63B-4.
        1 Nist = "nist",
        /// PSD2 RTS (EU) 2018/389.
        2 Psd2 = "psd2",
        /// HIPAA Security Rule.
        3 Hipaa = "hipaa",
        /// PCI DSS 4.0.1.
        4 Pci = "pci",
    }
);

named!(
    /// What the fraud guard wants before the caller trusts a success.
    Risk {
        /// A challenge that a machine does not pass.
        0 Challenge = "challenge",
    }
);

/// The rules' numbers for one project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The profile it started from.
    pub profile: Profile,
    /// How a code looks when the customer does not say.
    pub code: CodeFormat,
    /// The shortest code a customer may ask for.
    pub shortest_code: u8,
    /// Lifetime of a code, by default.
    pub lifetime: Duration,
    /// The same for `transaction`.
    pub lifetime_transaction: Duration,
    /// Codes that may be checked per verification.
    pub checks: u8,
    /// Wrong codes in a row, per recipient, purpose and lane, before the pauses begin.
    pub failures_before_pause: u16,
    /// The growing pauses; the last one repeats.
    pub pauses: Vec<Duration>,
    /// Sends per recipient in ten minutes, and in 24 hours.
    pub sends: (usize, usize),
    /// How many of the sends of 24 hours strangers may use.
    pub sends_open: usize,
    /// Wait before the second, third … send of one verification; the last one repeats.
    pub resend_spacing: Vec<Duration>,
    /// Whether a resend makes a new code and kills the old one.
    pub rotate_on_resend: bool,
    /// Countries phones may be in; empty allows all.
    pub countries: Vec<[u8; 2]>,
    /// Whether email may be used for `authentication`.
    pub email_authentication: bool,
}

impl Policy {
    /// The defaults of a profile.
    #[must_use]
    pub fn of(profile: Profile) -> Self {
        let seconds = |list: &[u64]| list.iter().copied().map(Duration::from_secs).collect();
        let standard = Self {
            profile,
            code: CodeFormat { length: 6, alphabet: Alphabet::Digits },
            shortest_code: 6,
            lifetime: limits::MAX_LIFETIME,
            lifetime_transaction: Duration::from_secs(300),
            checks: 5,
            failures_before_pause: 5,
            pauses: seconds(&[60, 300, 900, 3600]),
            sends: (5, 10),
            sends_open: 6,
            resend_spacing: seconds(&[30, 60, 120, 300]),
            rotate_on_resend: false,
            countries: Vec::new(),
            email_authentication: true,
        };
        match profile {
            Profile::Standard | Profile::Hipaa | Profile::Pci => standard,
            Profile::Nist => Self {
                lifetime: Duration::from_secs(300),
                rotate_on_resend: true,
                email_authentication: false,
                ..standard
            },
            Profile::Psd2 => Self {
                lifetime: Duration::from_secs(300),
                rotate_on_resend: true,
                code: CodeFormat { length: 8, alphabet: Alphabet::Digits },
                ..standard
            },
        }
    }

    /// The same project's numbers for a dialect that resends by starting again: no spacing, always the same code.
    #[must_use]
    pub fn in_dialect(&self) -> Self {
        Self { resend_spacing: Vec::new(), rotate_on_resend: false, ..self.clone() }
    }

    /// The same without a bound on countries, for numbers on a safe list.
    #[must_use]
    pub fn without_countries(self) -> Self {
        Self { countries: Vec::new(), ..self }
    }

    /// How long a code of this purpose lives when the customer does not say.
    #[must_use]
    pub fn default_lifetime(&self, purpose: Purpose) -> Duration {
        if purpose == Purpose::Transaction { self.lifetime_transaction } else { self.lifetime }
    }

    /// The longest lifetime a customer may ask for.
    #[must_use]
    pub fn longest_lifetime(&self, purpose: Purpose, kind: RecipientKind) -> Duration {
        let long = matches!(purpose, Purpose::Recovery | Purpose::AddressValidation);
        if long && kind == RecipientKind::Email { limits::MAX_LIFETIME_EMAIL } else { limits::MAX_LIFETIME }
    }

    /// The wait before the next send after `sends` of them.
    #[must_use]
    pub fn spacing_after(&self, sends: u8) -> Duration {
        nth_or_last(&self.resend_spacing, usize::from(sends).saturating_sub(1))
    }

    /// The pause after `consecutive` wrong codes in a row; `None` while there is none.
    #[must_use]
    pub fn pause_after(&self, consecutive: u16) -> Option<Duration> {
        let beyond = consecutive.checked_sub(self.failures_before_pause)?;
        Some(nth_or_last(&self.pauses, usize::from(beyond)))
    }

    /// Whether codes for this purpose may travel this way.
    #[must_use]
    pub fn allows_channel(&self, channel: Channel, purpose: Purpose) -> bool {
        !(channel == Channel::Email && purpose == Purpose::Authentication && !self.email_authentication)
    }
}

fn nth_or_last(list: &[Duration], index: usize) -> Duration {
    list.get(index).or(list.last()).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn every_profile_keeps_the_numbers_of_the_rules() {
        for profile in Profile::ALL {
            let policy = Policy::of(*profile);
            assert_eq!((policy.checks, policy.failures_before_pause), (5, 5), "{profile:?}");
            assert_eq!((policy.sends, policy.sends_open), ((5, 10), 6), "{profile:?}");
            assert!(policy.code.length >= 6 && policy.shortest_code >= 6, "{profile:?}");
            for purpose in Purpose::ALL {
                let life = policy.default_lifetime(*purpose);
                assert!(
                    life >= limits::MIN_LIFETIME && life <= limits::MAX_LIFETIME,
                    "{profile:?} {purpose:?}"
                );
            }
        }
    }

    #[test]
    fn profiles_differ_where_their_standards_do() {
        let (standard, nist, psd2) =
            (Policy::of(Profile::Standard), Policy::of(Profile::Nist), Policy::of(Profile::Psd2));
        let lives = [&standard, &nist, &psd2].map(|policy| policy.default_lifetime(Purpose::Authentication));
        assert_eq!(lives, [seconds(600), seconds(300), seconds(300)]);
        assert_eq!(standard.default_lifetime(Purpose::Transaction), seconds(300));
        assert_eq!([&standard, &nist, &psd2].map(|policy| policy.rotate_on_resend), [false, true, true]);
        assert_eq!([&standard, &nist, &psd2].map(|policy| policy.code.length), [6, 6, 8]);
        assert!(!nist.allows_channel(Channel::Email, Purpose::Authentication));
        assert!(nist.allows_channel(Channel::Email, Purpose::AddressValidation));
        assert!(nist.allows_channel(Channel::Sms, Purpose::Authentication));
        assert!(standard.allows_channel(Channel::Email, Purpose::Authentication));
    }

    #[test]
    fn only_emailed_recovery_and_address_validation_live_for_a_day() {
        let policy = Policy::of(Profile::Standard);
        for purpose in Purpose::ALL {
            let long = matches!(purpose, Purpose::Recovery | Purpose::AddressValidation);
            let email = if long { seconds(86_400) } else { seconds(600) };
            assert_eq!(policy.longest_lifetime(*purpose, RecipientKind::Email), email, "{purpose:?}");
            assert_eq!(policy.longest_lifetime(*purpose, RecipientKind::Phone), seconds(600), "{purpose:?}");
        }
    }

    #[test]
    fn spacings_and_pauses_grow_and_then_repeat() {
        let policy = Policy::of(Profile::Standard);
        let spacings = [1, 2, 3, 4, 5, 255].map(|sends| policy.spacing_after(sends).as_secs());
        assert_eq!(spacings, [30, 60, 120, 300, 300, 300]);
        let pauses = [0, 4, 5, 6, 7, 8, 9, u16::MAX].map(|failures| policy.pause_after(failures));
        let expected = [None, None, Some(60), Some(300), Some(900), Some(3600), Some(3600), Some(3600)];
        assert_eq!(pauses, expected.map(|pause| pause.map(seconds)));
    }
}

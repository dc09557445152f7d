//! The `otpauth://` URL that apps read (Google Authenticator's "Key Uri Format"). It is a secret.

use countersign_core::factor::{FactorPrivate, Means};
use countersign_core::oath::Algorithm;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use zeroize::Zeroizing;

/// What RFC 3986 calls unreserved stays as it is; a space becomes `%20`, which apps read where they do not read a plus.
pub(crate) const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The URL of a factor; `None` for kinds that no app reads one for. `issuer` and `account` stand before and behind a colon,
/// so one inside them is replaced. What apps assume anyway is left out: some refuse what they know too well.
pub(super) fn key_uri(
    means: &Means,
    private: &FactorPrivate,
    issuer: &str,
    account: &str,
) -> Option<Zeroizing<String>> {
    spelled(means, private, issuer, account, false)
}

/// The same with everything in it, for those who expect to find it.
pub(crate) fn whole_key_uri(
    means: &Means,
    private: &FactorPrivate,
    issuer: &str,
    account: &str,
) -> Option<Zeroizing<String>> {
    spelled(means, private, issuer, account, true)
}

fn spelled(
    means: &Means,
    private: &FactorPrivate,
    issuer: &str,
    account: &str,
    whole: bool,
) -> Option<Zeroizing<String>> {
    let (kind, algorithm, digits) = match means {
        Means::Totp { algorithm, digits, .. } => ("totp", algorithm, digits),
        Means::Hotp { algorithm, digits, .. } => ("hotp", algorithm, digits),
        Means::Ocra { .. } | Means::BackupCodes { .. } | Means::Push { .. } => return None,
    };
    let (issuer, account) = (escape(issuer), escape(account));
    let secret = base32(&private.secret.0);
    let mut url =
        Zeroizing::new(format!("otpauth://{kind}/{issuer}:{account}?secret={}&issuer={issuer}", *secret));
    if whole || *algorithm != Algorithm::Sha1 {
        url.push_str(&format!("&algorithm={}", algorithm.as_str()));
    }
    if whole || *digits != 6 {
        url.push_str(&format!("&digits={digits}"));
    }
    match means {
        Means::Totp { period, .. } if whole || *period != 30 => url.push_str(&format!("&period={period}")),
        Means::Hotp { counter, .. } => url.push_str(&format!("&counter={counter}")),
        _ => {}
    }
    Some(url)
}

/// What some apps do not honour, in words.
pub(super) fn warnings(means: &Means) -> Vec<&'static str> {
    let (algorithm, digits, period) = match means {
        Means::Totp { algorithm, digits, period, .. } => (algorithm, digits, *period),
        Means::Hotp { algorithm, digits, .. } => (algorithm, digits, 30),
        Means::Ocra { .. } | Means::BackupCodes { .. } | Means::Push { .. } => return Vec::new(),
    };
    let mut warnings = Vec::new();
    if *algorithm != Algorithm::Sha1 {
        warnings.push("Some apps, Google Authenticator among them, ignore the algorithm and use SHA1: their codes will be wrong.");
    }
    if *digits != 6 {
        warnings.push("Some apps ignore the number of digits and show 6: their codes will be refused.");
    }
    if period != 30 {
        warnings.push("Some apps ignore the period and use 30 seconds: their codes will be wrong.");
    }
    warnings
}

/// A secret in Base32, without padding.
pub(crate) fn base32(secret: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(data_encoding::BASE32_NOPAD.encode(secret))
}

fn escape(text: &str) -> String {
    utf8_percent_encode(&text.replace(':', "-"), ESCAPED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_core::factor::SecretBytes;

    fn private() -> FactorPrivate {
        let secret = SecretBytes(Zeroizing::new(b"12345678901234567890".to_vec()));
        FactorPrivate { secret, ..FactorPrivate::default() }
    }

    fn totp(algorithm: Algorithm, digits: u8, period: u16) -> Means {
        Means::Totp { algorithm, digits, period, last_step: None, drift: 0 }
    }

    #[test]
    fn what_apps_assume_is_left_out() {
        let means = totp(Algorithm::Sha1, 6, 30);
        let url = key_uri(&means, &private(), "Nord Parts", "ann@example.com").unwrap();
        let expected = "otpauth://totp/Nord%20Parts:ann%40example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Nord%20Parts";
        assert_eq!(*url, expected);
        assert!(warnings(&means).is_empty());
        let whole = whole_key_uri(&means, &private(), "Nord Parts", "ann@example.com").unwrap();
        assert_eq!(*whole, format!("{expected}&algorithm=SHA1&digits=6&period=30"));
    }

    #[test]
    fn what_differs_is_said_and_warned_of() {
        let means = totp(Algorithm::Sha512, 8, 60);
        let url = key_uri(&means, &private(), "A", "b").unwrap();
        assert!(url.ends_with("&issuer=A&algorithm=SHA512&digits=8&period=60"), "{}", *url);
        assert_eq!(warnings(&means).len(), 3);
    }

    #[test]
    fn a_counter_always_stands_there_and_a_colon_never_does() {
        let means = Means::Hotp { algorithm: Algorithm::Sha1, digits: 6, counter: 0, resync: false };
        let url = key_uri(&means, &private(), "A:B", "c:d+e").unwrap();
        assert_eq!(
            *url,
            "otpauth://hotp/A-B:c-d%2Be?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=A-B&counter=0"
        );
    }
}

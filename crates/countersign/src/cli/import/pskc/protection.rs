//! What protects the values of a PSKC file (RFC 6030, section 6): a key that was agreed on, or one derived from a
//! passphrase; and the codes that show nobody changed them.

use std::num::NonZeroU32;

use aws_lc_rs::cipher::{AES_128, AES_192, AES_256, DecryptingKey, DecryptionContext, UnboundCipherKey};
use aws_lc_rs::{hmac, pbkdf2};
use zeroize::Zeroizing;

use super::xml::Node;

/// Rounds of PBKDF2: more would keep a machine busy for minutes.
const MAX_ITERATIONS: u32 = 10_000_000;
/// Bytes of a salt.
const MAX_SALT: usize = 1024;
/// A block of AES.
const BLOCK: usize = 16;

/// What a person gave to open the file with.
#[derive(Default)]
pub(in super::super) struct Given {
    /// The key that was agreed on.
    pub(in super::super) key: Option<Zeroizing<Vec<u8>>>,
    /// The passphrase.
    pub(in super::super) passphrase: Option<Zeroizing<String>>,
}

/// What opens the values of one container.
#[derive(Default)]
pub(super) struct Protection {
    key: Option<Zeroizing<Vec<u8>>>,
    mac: Option<(hmac::Algorithm, Zeroizing<Vec<u8>>)>,
}

type Bytes = Zeroizing<Vec<u8>>;

impl Protection {
    /// Reads `EncryptionKey` (RFC 6030, 6.1 and 6.2).
    pub(super) fn encryption_key(&mut self, node: &Node, given: &Given) -> Result<(), String> {
        let named = |path: &[&str]| {
            let name = node.text_at(path)?.chars().filter(|symbol| !symbol.is_control()).take(60);
            Some(format!(" {:?}", name.collect::<String>()))
        };
        let key = if let Some(method) = node.at(&["DerivedKey", "KeyDerivationMethod"]) {
            let Some(passphrase) = &given.passphrase else {
                let name = named(&["DerivedKey", "MasterKeyName"]).unwrap_or_default();
                return Err(format!(
                    "it is encrypted with a passphrase{name}; give it with --passphrase-env"
                ));
            };
            derived(method, passphrase)?
        } else if node.at(&["X509Data"]).is_some() {
            return Err("it is encrypted for the holder of a certificate, which is not read; \
                        ask for one with a shared key or a passphrase"
                .to_owned());
        } else {
            let Some(key) = &given.key else {
                let name = named(&["KeyName"]).unwrap_or_default();
                return Err(format!(
                    "it is encrypted with a shared key{name}; give it with --shared-key-file"
                ));
            };
            key.clone()
        };
        self.key = Some(key);
        Ok(())
    }

    /// Reads `MACMethod` (RFC 6030, 6.1.1); its key is encrypted with the other one, or is that one.
    pub(super) fn mac_method(&mut self, node: &Node) -> Result<(), String> {
        let name = node.attribute("Algorithm").unwrap_or_default();
        let algorithm = match name.rsplit('#').next() {
            Some("hmac-sha1") => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Some("hmac-sha256") => hmac::HMAC_SHA256,
            Some("hmac-sha384") => hmac::HMAC_SHA384,
            Some("hmac-sha512") => hmac::HMAC_SHA512,
            _ => return Err(format!("the MAC method {name:?} is unknown; HMAC with SHA-1 or SHA-2 is read")),
        };
        let key = match node.at(&["MACKey"]) {
            Some(encrypted) => self.decrypt(encrypted).map_err(|why| format!("the MAC key: {why}"))?,
            None => self.key.clone().ok_or("a MAC method without a key")?,
        };
        self.mac = Some((algorithm, key));
        Ok(())
    }

    /// The bytes of a value: `PlainValue`, or `EncryptedValue` with its `ValueMAC`; `None` when there is neither.
    /// `plain` reads the text of a plain one.
    pub(super) fn value(
        &self,
        node: &Node,
        plain: impl Fn(&str) -> Result<Bytes, String>,
    ) -> Result<Option<Bytes>, String> {
        if let Some(text) = node.text_at(&["PlainValue"]) {
            return plain(text).map(Some);
        }
        let Some(encrypted) = node.at(&["EncryptedValue"]) else { return Ok(None) };
        let Some((algorithm, key)) = &self.mac else {
            return Err("an encrypted value without a MAC method: nobody could tell whether it was changed"
                .to_owned());
        };
        let code = base64(node.text_at(&["ValueMAC"]).ok_or("an encrypted value without its ValueMAC")?)?;
        // Looked at before anything is decrypted: a changed value must not get near the padding.
        let ciphertext = ciphertext(encrypted)?;
        hmac::verify(&hmac::Key::new(*algorithm, key), &ciphertext, &code).map_err(
            |_| "its ValueMAC is wrong: the key or passphrase is another one, or the value was changed",
        )?;
        self.decrypt(encrypted).map(Some)
    }

    /// Decrypts AES in CBC mode (XML Encryption, 5.2): the initialisation vector stands in front, the last byte says how
    /// many the padding has.
    fn decrypt(&self, encrypted: &Node) -> Result<Bytes, String> {
        let method = encrypted.at(&["EncryptionMethod"]).and_then(|node| node.attribute("Algorithm"));
        let name = method.unwrap_or_default();
        let (algorithm, wanted) = match name.rsplit('#').next() {
            Some("aes128-cbc") => (&AES_128, 16),
            Some("aes192-cbc") => (&AES_192, 24),
            Some("aes256-cbc") => (&AES_256, 32),
            _ => return Err(format!("the encryption {name:?} is unknown; AES in CBC mode is read")),
        };
        let key = self.key.as_ref().ok_or("an encrypted value, but no EncryptionKey above it")?;
        if key.len() != wanted {
            return Err(format!("the key has {} bytes, but the encryption takes {wanted}", key.len()));
        }
        let broken = || "it cannot be decrypted: the key or passphrase is another one".to_owned();
        let mut bytes = Zeroizing::new(ciphertext(encrypted)?);
        if bytes.len() < 2 * BLOCK || bytes.len() % BLOCK != 0 {
            return Err("the encrypted value is not whole blocks of AES".to_owned());
        }
        let vector: [u8; BLOCK] = bytes[..BLOCK].try_into().map_err(|_| broken())?;
        let unbound = UnboundCipherKey::new(algorithm, key).map_err(|_| broken())?;
        let opener = DecryptingKey::cbc(unbound).map_err(|_| broken())?;
        let plain = opener
            .decrypt(&mut bytes[BLOCK..], DecryptionContext::Iv128(vector.into()))
            .map_err(|_| broken())?;
        let padding = usize::from(plain.last().copied().unwrap_or_default());
        let length = plain.len().checked_sub(padding).filter(|_| (1..=BLOCK).contains(&padding));
        Ok(Zeroizing::new(plain[..length.ok_or_else(broken)?].to_vec()))
    }
}

/// PBKDF2 (PKCS #5, 5.2) with what the file says.
fn derived(method: &Node, passphrase: &str) -> Result<Bytes, String> {
    let name = method.attribute("Algorithm").unwrap_or_default();
    if !name.ends_with("#pbkdf2") {
        return Err(format!("the key derivation {name:?} is unknown; PBKDF2 is read"));
    }
    let parameters = method.at(&["PBKDF2-params"]).ok_or("PBKDF2 without its parameters")?;
    let salt = base64(parameters.text_at(&["Salt", "Specified"]).ok_or("PBKDF2 without a salt")?)?;
    if salt.len() > MAX_SALT {
        return Err(format!("the salt of PBKDF2 has {} bytes; at most {MAX_SALT}", salt.len()));
    }
    let number = |name: &str| parameters.text_at(&[name])?.parse::<u32>().ok();
    let rounds = number("IterationCount").filter(|rounds| (1..=MAX_ITERATIONS).contains(rounds));
    let rounds = rounds.and_then(NonZeroU32::new);
    let rounds = rounds.ok_or_else(|| format!("the rounds of PBKDF2 are not 1 to {MAX_ITERATIONS}"))?;
    let length = number("KeyLength").filter(|length| [16, 24, 32].contains(length));
    let length = length.ok_or("the key length of PBKDF2 is not that of AES: 16, 24 or 32 bytes")?;
    let function =
        parameters.at(&["PRF"]).and_then(|node| node.attribute("Algorithm")).unwrap_or("hmac-sha1");
    let function = match function.to_ascii_lowercase().replace("hmacwith", "hmac-").rsplit(['#', '/']).next()
    {
        Some("hmac-sha1" | "") => pbkdf2::PBKDF2_HMAC_SHA1,
        Some("hmac-sha256") => pbkdf2::PBKDF2_HMAC_SHA256,
        Some("hmac-sha384") => pbkdf2::PBKDF2_HMAC_SHA384,
        Some("hmac-sha512") => pbkdf2::PBKDF2_HMAC_SHA512,
        _ => return Err(format!("the function {function:?} of PBKDF2 is unknown")),
    };
    let mut key = Zeroizing::new(vec![0; length as usize]);
    pbkdf2::derive(function, rounds, &salt, passphrase.as_bytes(), &mut key);
    Ok(key)
}

fn ciphertext(encrypted: &Node) -> Result<Vec<u8>, String> {
    base64(encrypted.text_at(&["CipherData", "CipherValue"]).ok_or("an encrypted value without its bytes")?)
}

/// Base64 with the white space that XML has in it.
pub(super) fn base64(text: &str) -> Result<Vec<u8>, String> {
    let plain: Zeroizing<String> =
        Zeroizing::new(text.chars().filter(|symbol| !symbol.is_whitespace()).collect());
    let decoded = data_encoding::BASE64.decode(plain.as_bytes());
    // The error of the decoder would show a part of the secret.
    decoded.map_err(|_| "it is not Base64".to_owned())
}

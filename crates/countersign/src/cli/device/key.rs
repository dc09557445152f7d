//! The device's key: a file of its owner alone, and what is signed with it.

use std::path::{Path, PathBuf};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use countersign_core::factor::device::SignatureAlgorithm;
use countersign_core::ids::FactorId;
use data_encoding::{BASE64, BASE64URL_NOPAD};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::files;
use crate::problem::{Outcome, Problem};
use crate::profile;

const MODE: u32 = 0o600;
const FILE_NAME: &str = "device.toml";

/// A device that enrolled: where, as which factor, and its key.
pub(super) struct Device {
    /// The server's base URL.
    pub(super) server: String,
    pub(super) factor: FactorId,
    pub(super) algorithm: SignatureAlgorithm,
    pkcs8: Zeroizing<Vec<u8>>,
    pair: Pair,
}

enum Pair {
    Ed25519(Ed25519KeyPair),
    P256(EcdsaKeyPair),
}

/// The file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    server: String,
    factor: String,
    algorithm: String,
    /// PKCS #8 (RFC 5958) in Base64.
    private_key: String,
}

impl Device {
    /// A device with a fresh key.
    pub(super) fn new(server: &str, factor: FactorId, algorithm: SignatureAlgorithm) -> Outcome<Self> {
        let failed = |_| Problem::new("no key was made", "the random generator failed", "try again");
        let pkcs8 = match algorithm {
            SignatureAlgorithm::Ed25519 => Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new()),
            SignatureAlgorithm::P256 => {
                EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            }
        };
        let pkcs8 = Zeroizing::new(pkcs8.map_err(failed)?.as_ref().to_vec());
        let pair = Pair::of(algorithm, &pkcs8).ok_or_else(|| failed(aws_lc_rs::error::Unspecified))?;
        Ok(Self { server: server.trim_end_matches('/').to_owned(), factor, algorithm, pkcs8, pair })
    }

    /// Reads the device of a file; `None` when there is no file.
    pub(super) fn read(path: &Path) -> Outcome<Option<Self>> {
        if !path.exists() {
            return Ok(None);
        }
        files::check_private(path)?;
        let broken = |why: String| {
            Problem::usage(
                format!("the device's file {} cannot be read", path.display()),
                why,
                "restore it; without its key the device must be enrolled anew, as a new factor",
            )
        };
        let text = Zeroizing::new(files::read(path)?);
        let written: Written = toml::from_str(&text).map_err(|error| broken(error.message().to_owned()))?;
        let factor = written.factor.parse().map_err(|_| broken("its factor is no id".to_owned()))?;
        let algorithm = SignatureAlgorithm::named(&written.algorithm);
        let algorithm = algorithm.ok_or_else(|| broken("its algorithm is unknown".to_owned()))?;
        let private_key = Zeroizing::new(written.private_key);
        let pkcs8 = BASE64.decode(private_key.as_bytes()).map(Zeroizing::new);
        let pkcs8 = pkcs8.map_err(|_| broken("its key is not Base64".to_owned()))?;
        let pair = Pair::of(algorithm, &pkcs8);
        let pair = pair.ok_or_else(|| broken("its key is not one of its algorithm".to_owned()))?;
        Ok(Some(Self { server: written.server, factor, algorithm, pkcs8, pair }))
    }

    /// Writes it, readable by its owner only.
    pub(super) fn write(&self, path: &Path) -> Outcome {
        if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty())
            && !directory.exists()
        {
            files::private_dir(directory)?;
        }
        let written = Written {
            server: self.server.clone(),
            factor: self.factor.to_string(),
            algorithm: self.algorithm.as_str().to_owned(),
            private_key: BASE64.encode(&self.pkcs8),
        };
        let text = toml::to_string(&written).map(Zeroizing::new).map_err(|error| {
            Problem::new("the device's file cannot be written", error, "report this as a bug of countersign")
        })?;
        let remark =
            "# The key of this device. Whoever has it approves in its place: do not copy or send it.";
        let text = Zeroizing::new(format!("{remark}\n{}", *text));
        files::write_private(path, &text, MODE)
    }

    /// Its public key, raw: 32 bytes of Ed25519, 65 of P-256.
    pub(super) fn public_key(&self) -> &[u8] {
        match &self.pair {
            Pair::Ed25519(pair) => pair.public_key().as_ref(),
            Pair::P256(pair) => pair.public_key().as_ref(),
        }
    }

    /// The signature of a message, in base64url.
    pub(super) fn sign(&self, message: &[u8]) -> Outcome<String> {
        match &self.pair {
            Pair::Ed25519(pair) => Ok(BASE64URL_NOPAD.encode(pair.sign(message).as_ref())),
            Pair::P256(pair) => {
                let signature = pair.sign(&SystemRandom::new(), message);
                let signature = signature
                    .map_err(|_| Problem::new("nothing was signed", "the key failed", "try again"))?;
                Ok(BASE64URL_NOPAD.encode(signature.as_ref()))
            }
        }
    }
}

impl Pair {
    fn of(algorithm: SignatureAlgorithm, pkcs8: &[u8]) -> Option<Self> {
        match algorithm {
            SignatureAlgorithm::Ed25519 => Ed25519KeyPair::from_pkcs8(pkcs8).ok().map(Self::Ed25519),
            SignatureAlgorithm::P256 => {
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).ok().map(Self::P256)
            }
        }
    }
}

/// The file that is used when none is named: beside the user's profile.
pub(super) fn usual_path() -> Outcome<PathBuf> {
    let profile = profile::user_path();
    profile.and_then(|path| Some(path.parent()?.join(FILE_NAME))).ok_or_else(|| {
        Problem::usage(
            "the device's file is not known",
            "neither HOME nor XDG_CONFIG_HOME is set",
            "name it with --key FILE",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(algorithm: SignatureAlgorithm) -> Device {
        Device::new("http://localhost:1/", FactorId::from_bytes([7; 16]), algorithm).unwrap()
    }

    #[test]
    fn what_a_device_signs_is_verified_by_the_rules() {
        for algorithm in SignatureAlgorithm::ALL {
            let device = device(*algorithm);
            let signature = BASE64URL_NOPAD.decode(device.sign(b"message").unwrap().as_bytes()).unwrap();
            assert!(algorithm.takes(device.public_key()), "{algorithm:?}");
            assert!(algorithm.verifies(device.public_key(), b"message", &signature), "{algorithm:?}");
            assert!(!algorithm.verifies(device.public_key(), b"another", &signature), "{algorithm:?}");
        }
    }

    #[test]
    fn a_device_reads_back_and_its_file_is_its_owners_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("phone/device.toml");
        assert!(Device::read(&path).unwrap().is_none());
        for algorithm in SignatureAlgorithm::ALL {
            let device = device(*algorithm);
            device.write(&path).unwrap();
            files::check_private(&path).unwrap();
            let read = Device::read(&path).unwrap().unwrap();
            assert_eq!((read.server.as_str(), read.factor), ("http://localhost:1", device.factor));
            assert_eq!(read.public_key(), device.public_key());
        }
    }

    #[test]
    fn a_broken_file_is_told_and_its_key_is_not_shown() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("device.toml");
        device(SignatureAlgorithm::Ed25519).write(&path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        for broken in
            [text.replace("ed25519", "rsa"), text.replace("fct_", "vrf_"), text.replace("= \"M", "= \"?")]
        {
            files::write_private(&path, &broken, MODE).unwrap();
            let problem = Device::read(&path).err().unwrap();
            assert!(!problem.why.contains("private_key"), "{}", problem.why);
        }
    }
}

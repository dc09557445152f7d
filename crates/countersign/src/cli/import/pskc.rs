//! Tokens in a PSKC file (RFC 6030): one package each, plain or encrypted.

mod key;
mod protection;
mod xml;

use std::fs::File;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::source::{self, Bounded, LIMITS};
use super::token::Fields;
use super::{Entry, Source};
use crate::files;
use crate::problem::{Outcome, Problem};
use protection::{Given, Protection};
use xml::{Children, Node};

/// The namespace of RFC 6030. Files of its drafts have others, and other elements in it.
const NAMESPACE: &str = "urn:ietf:params:xml:ns:keyprov:pskc";

/// Import a PSKC file.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The file. Whose a key is stands in its UserId, or in --assignments.
    file: PathBuf,
    /// A file with the key that was agreed on with the sender, as hexadecimal digits; its owner's alone.
    #[arg(long, value_name = "FILE", conflicts_with = "passphrase_env")]
    shared_key_file: Option<PathBuf>,
    /// The environment variable with the passphrase of the file.
    #[arg(long, value_name = "VARIABLE")]
    passphrase_env: Option<String>,
}

/// A PSKC file, and what opens it.
pub(super) struct PskcFile {
    path: PathBuf,
    given: Given,
}

impl PskcFile {
    pub(super) fn new(args: &Args) -> Outcome<Self> {
        let given = Given {
            key: args.shared_key_file.as_deref().map(shared_key).transpose()?,
            passphrase: args.passphrase_env.as_deref().map(passphrase).transpose()?,
        };
        Ok(Self { path: args.file.clone(), given })
    }
}

fn shared_key(path: &Path) -> Outcome<Zeroizing<Vec<u8>>> {
    files::check_private(path)?;
    let text = Zeroizing::new(files::read(path)?);
    let plain: Zeroizing<String> = Zeroizing::new(text.split_whitespace().collect());
    let key = data_encoding::HEXLOWER_PERMISSIVE.decode(plain.as_bytes());
    key.ok().filter(|key| [16, 24, 32].contains(&key.len())).map(Zeroizing::new).ok_or_else(|| {
        Problem::usage(
            "nothing was imported",
            format!("{} does not hold a key of AES", path.display()),
            "write its 16, 24 or 32 bytes as hexadecimal digits into the file",
        )
    })
}

fn passphrase(variable: &str) -> Outcome<Zeroizing<String>> {
    let value = std::env::var(variable).ok().filter(|value| !value.is_empty());
    value.map(Zeroizing::new).ok_or_else(|| {
        Problem::usage(
            "nothing was imported",
            format!("the environment variable {variable} is not set"),
            format!("read -rs {variable}; export {variable}"),
        )
    })
}

impl Source for PskcFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn entries(&self) -> Outcome<Box<dyn Iterator<Item = Entry<Fields>> + Send + '_>> {
        let file = source::open(&self.path, LIMITS)?;
        let mut container = Container {
            children: Children::new(Bounded::new(file, LIMITS.record_bytes)),
            given: &self.given,
            protection: Protection::default(),
            begun: false,
        };
        let mut ended = false;
        Ok(Box::new(std::iter::from_fn(move || {
            if ended {
                return None;
            }
            let next = container.next().unwrap_or_else(|(line, why)| Some(Entry::Broken { line, why }));
            ended = matches!(next, None | Some(Entry::Broken { .. }));
            next
        })))
    }
}

/// A container that is being read.
struct Container<'a> {
    children: Children<File>,
    given: &'a Given,
    protection: Protection,
    begun: bool,
}

impl Container<'_> {
    /// The next package. What protects the values stands in front of them (RFC 6030, 4: the order is fixed).
    fn next(&mut self) -> Result<Option<Entry<Fields>>, xml::Failure> {
        if !self.begun {
            let root = self.children.root("KeyContainer", NAMESPACE)?;
            let version = root.attribute("Version").unwrap_or_default();
            if version != "1.0" {
                return Err((root.line, format!("its version is {version:?}; 1.0 is read")));
            }
            self.begun = true;
        }
        while let Some(child) = self.children.child()? {
            let told = |why| (child.line, why);
            match child.name.as_str() {
                "EncryptionKey" => self.protection.encryption_key(&child, self.given).map_err(told)?,
                "MACMethod" => self.protection.mac_method(&child).map_err(told)?,
                "KeyPackage" => return Ok(Some(self.package(&child))),
                "Signature" => {
                    return Ok(Some(Entry::LeftOut("signature of the file, which was not checked")));
                }
                "Extension" => {}
                other => return Err((child.line, format!("the element {other:?} does not belong here"))),
            }
        }
        Ok(None)
    }

    fn package(&self, package: &Node) -> Entry<Fields> {
        key::read(package, &self.protection)
    }
}

#[cfg(test)]
mod tests;

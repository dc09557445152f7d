//! The key ring file: the roots that everything secret is derived from, kept apart from the database.
//!
//! ```text
//! # countersign key ring v1
//! 1 active <64 hexadecimal digits> <check value>
//! ```
//!
//! The check value is derived from the root and says nothing about it; it tells a damaged line from a good one.

use std::path::Path;

use countersign_core::keys::{Root, RootId, RootState};
use zeroize::Zeroizing;

use crate::entropy::random;
use crate::files;
use crate::problem::{Outcome, Problem};

const HEADER: &str = "# countersign key ring v1";
const NOTE: &str =
    "# Whoever has this file can compute every code. Keep a copy in a safe place, not with the database's.";
const MODE: u32 = 0o400;

/// Reads the ring; its permissions must be the owner's alone.
pub(crate) fn read(path: &Path) -> Outcome<Vec<Root>> {
    if !path.exists() {
        return Err(Problem::new(
            format!("there is no key ring at {}", path.display()),
            "without it no code can be made or checked, and no recipient be read",
            "put the ring back from its copy, or correct keys.ring_file; `countersign init` makes a first one",
        ));
    }
    files::check_private(path)?;
    let text = Zeroizing::new(files::read(path)?);
    parse(&text).map_err(|why| {
        Problem::new(
            format!("the key ring {} cannot be used", path.display()),
            why,
            "put the ring back from its copy; never repair it by hand",
        )
    })
}

/// Makes a ring with one active root. A ring that exists is never written over.
pub(crate) fn create(path: &Path) -> Outcome<Vec<Root>> {
    if path.exists() {
        return Err(Problem::new(
            format!("{} exists already", path.display()),
            "writing over a key ring would lose everything that was sealed with it",
            "use it as it is, or name another file",
        ));
    }
    let root = Root { id: RootId(1), state: RootState::Active, secret: Zeroizing::new(random()) };
    let hex = Zeroizing::new(data_encoding::HEXLOWER.encode(root.secret.as_slice()));
    let line = format!("{} active {} {}", root.id.0, hex.as_str(), root.check_value());
    let text = Zeroizing::new(format!("{HEADER}\n{NOTE}\n{line}\n"));
    files::write_private(path, &text, MODE)?;
    Ok(vec![root])
}

/// Reads the ring, or makes it where there is none.
pub(crate) fn read_or_create(path: &Path) -> Outcome<Vec<Root>> {
    if path.exists() { read(path) } else { create(path) }
}

fn parse(text: &str) -> Result<Vec<Root>, String> {
    let mut lines = text.lines().zip(1..);
    if lines.next().is_none_or(|(first, _)| first.trim_end() != HEADER) {
        return Err(format!("its first line is not `{HEADER}`"));
    }
    let content = lines.filter(|(line, _)| !line.trim().is_empty() && !line.starts_with('#'));
    content.map(|(line, number)| parse_root(line).map_err(|why| format!("line {number}: {why}"))).collect()
}

fn parse_root(line: &str) -> Result<Root, String> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let [id, state, secret, check_value] = fields.as_slice() else {
        return Err("expected number, state, key and check value".to_owned());
    };
    let id = id.parse().map(RootId).map_err(|_| "the number of a root is 0 to 65535".to_owned())?;
    let state = match *state {
        "present" => RootState::Present,
        "active" => RootState::Active,
        "retiring" => RootState::Retiring,
        _ => return Err("the state of a root is present, active or retiring".to_owned()),
    };
    let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(secret.as_bytes()).map(Zeroizing::new);
    let bytes = bytes.map_err(|_| "the key is not hexadecimal".to_owned())?;
    let secret = <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| "the key is not 32 bytes".to_owned())?;
    let root = Root { id, state, secret: Zeroizing::new(secret) };
    if root.check_value() == *check_value {
        Ok(root)
    } else {
        Err("the check value does not fit the key: the line was damaged".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_ring_reads_back_and_is_never_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys.ring");
        let made = create(&path).unwrap();
        let known = read(&path).unwrap();
        assert_eq!(known[0].secret, made[0].secret);
        assert!(create(&path).is_err());
        assert_eq!(read_or_create(&path).unwrap()[0].secret, made[0].secret);
    }

    #[test]
    fn a_damaged_line_is_named_without_its_key() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys.ring");
        create(&path).unwrap();
        let text = files::read(&path).unwrap();
        let key = text.split_ascii_whitespace().find(|word| word.len() == 64).unwrap();
        let other = if key.starts_with('0') { "1" } else { "0" };
        files::write_private(&path, &text.replace(key, &format!("{other}{}", &key[1..])), MODE).unwrap();
        let problem = read(&path).unwrap_err();
        assert!(problem.why.contains("line 3") && !problem.to_string().contains(&key[1..]), "{problem}");
    }

    #[test]
    fn other_texts_are_refused() {
        for text in
            ["", "1 active", "# countersign key ring v1\n1 active 00 00", "# countersign key ring v2\n"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}

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
    let roots = vec![new_root(RootId(1), RootState::Active)];
    write(path, &roots)?;
    Ok(roots)
}

/// Adds a root that is known and not used yet, under the next number; numbers are never given twice.
pub(crate) fn add(path: &Path) -> Outcome<RootId> {
    let mut roots = read(path)?;
    let last = roots.iter().map(|root| root.id.0).max().unwrap_or_default();
    let Some(number) = last.checked_add(1) else {
        let fix = "report this to the people who make countersign";
        return Err(unchanged("the number of a root is 0 to 65535, and the last one is taken", fix));
    };
    let id = RootId(number);
    roots.push(new_root(id, RootState::Present));
    write(path, &roots)?;
    Ok(id)
}

/// Makes a root the one that new rows are written under; the one before only reads old rows from then on.
/// False when it is so already.
pub(crate) fn activate(path: &Path, id: RootId) -> Outcome<bool> {
    let mut roots = read(path)?;
    let Some(wanted) = roots.iter().find(|root| root.id == id) else {
        let numbers: Vec<String> = roots.iter().map(|root| root.id.0.to_string()).collect();
        let why = format!("the ring has no root {}; it has {}", id.0, numbers.join(", "));
        return Err(unchanged(&why, "name one of them, or make one with `countersign ring add`"));
    };
    if wanted.state == RootState::Active {
        return Ok(false);
    }
    for root in &mut roots {
        if root.id == id {
            root.state = RootState::Active;
        } else if root.state == RootState::Active {
            root.state = RootState::Retiring;
        }
    }
    write(path, &roots)?;
    Ok(true)
}

fn unchanged(why: &str, fix: &str) -> Problem {
    Problem::usage("the key ring was not changed", why, fix)
}

fn new_root(id: RootId, state: RootState) -> Root {
    Root { id, state, secret: Zeroizing::new(random()) }
}

/// Writes the ring in one step: after a crash there is the old one or the new one.
fn write(path: &Path, roots: &[Root]) -> Outcome {
    let mut text = Zeroizing::new(format!("{HEADER}\n{NOTE}\n"));
    for root in roots {
        let secret = Zeroizing::new(data_encoding::HEXLOWER.encode(root.secret.as_slice()));
        let (id, state) = (root.id.0, state_name(root.state));
        let line = Zeroizing::new(format!("{id} {state} {} {}\n", secret.as_str(), root.check_value()));
        text.push_str(&line);
    }
    files::write_private(path, &text, MODE)
}

/// The state of a root, as the file has it.
pub(crate) const fn state_name(state: RootState) -> &'static str {
    match state {
        RootState::Present => "present",
        RootState::Active => "active",
        RootState::Retiring => "retiring",
    }
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
    let states = [RootState::Present, RootState::Active, RootState::Retiring];
    let state = states.into_iter().find(|known| state_name(*known) == *state);
    let state = state.ok_or("the state of a root is present, active or retiring")?;
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
    fn a_root_is_added_then_activated_and_the_one_before_retires() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys.ring");
        let first = create(&path).unwrap();
        assert_eq!(add(&path).unwrap(), RootId(2));
        let states = || read(&path).unwrap().iter().map(|root| root.state).collect::<Vec<_>>();
        assert_eq!(states(), [RootState::Active, RootState::Present]);
        assert!(activate(&path, RootId(2)).unwrap());
        assert_eq!(states(), [RootState::Retiring, RootState::Active]);
        assert!(!activate(&path, RootId(2)).unwrap());
        assert_eq!(add(&path).unwrap(), RootId(3));
        let roots = read(&path).unwrap();
        assert_eq!(roots[0].secret, first[0].secret);
        assert!(roots[1].secret != first[0].secret && roots[2].secret != roots[1].secret);
        assert!(activate(&path, RootId(1)).unwrap(), "back to the one before");
        assert_eq!(states(), [RootState::Active, RootState::Retiring, RootState::Present]);
    }

    #[test]
    fn a_change_that_cannot_be_made_leaves_the_ring_as_it_was() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys.ring");
        assert!(add(&path).is_err() && !path.exists());
        create(&path).unwrap();
        let before = files::read(&path).unwrap();
        let problem = activate(&path, RootId(7)).unwrap_err();
        assert!(problem.why.ends_with("it has 1"), "{problem}");
        assert_eq!(files::read(&path).unwrap(), before);
        let last = Root { id: RootId(u16::MAX), ..new_root(RootId(1), RootState::Active) };
        write(&path, &[last]).unwrap();
        assert!(add(&path).is_err());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, MODE);
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

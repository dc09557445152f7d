//! A file that is read twice, in pieces of bounded size: once to look at all of it, once to import.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use crate::problem::{Outcome, Problem};

/// What a file may be: memory is bounded by its longest record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Bytes of the file.
    pub(super) file_bytes: u64,
    /// Bytes of one record: a line of CSV, a package of PSKC.
    pub(super) record_bytes: u64,
}

pub(super) const LIMITS: Limits = Limits { file_bytes: 256 * 1024 * 1024, record_bytes: 64 * 1024 };

/// Opens a file that is to be imported.
pub(super) fn open(path: &Path, limits: Limits) -> Outcome<File> {
    let failed = |error: io::Error| {
        let fix = "check the path and that you may read it";
        Problem::usage(format!("{} cannot be read", path.display()), error, fix)
    };
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(Problem::usage(
            format!("{} is not a file", path.display()),
            "it is read twice: once to look at all of it, once to import",
            "write what you have into a file, and delete that one afterwards",
        ));
    }
    if metadata.len() > limits.file_bytes {
        return Err(Problem::usage(
            format!("{} is too large", path.display()),
            format!("it has {} bytes; one import takes at most {}", metadata.len(), limits.file_bytes),
            "part it, and import one part after the other",
        ));
    }
    Ok(file)
}

/// Reads and counts, and fails once a record grows beyond its limit, before it fills the memory.
pub(super) struct Bounded<R> {
    inner: BufReader<R>,
    limit: u64,
    /// Bytes of the present record so far.
    taken: u64,
    line: u64,
}

/// What reading beyond the limit fails with.
pub(super) const TOO_LONG: &str = "a record is longer than the limit";

impl<R: Read> Bounded<R> {
    pub(super) fn new(inner: R, limit: u64) -> Self {
        Self { inner: BufReader::new(inner), limit, taken: 0, line: 1 }
    }

    /// A new record begins.
    pub(super) fn begin(&mut self) {
        self.taken = 0;
    }

    /// Whether the present record went beyond its limit.
    pub(super) fn is_over(&self) -> bool {
        self.taken > self.limit
    }

    /// The line the reader is on, from 1.
    pub(super) fn line(&self) -> u64 {
        self.line
    }
}

impl<R: Read> BufRead for Bounded<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.is_over() {
            return Err(io::Error::other(TOO_LONG));
        }
        self.inner.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        let passed = self.inner.buffer().get(..amount).unwrap_or_default();
        self.line += passed.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.taken += amount as u64;
        self.inner.consume(amount);
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let amount = available.len().min(into.len());
        into[..amount].copy_from_slice(&available[..amount]);
        self.consume(amount);
        Ok(amount)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_may_be_as_large_as_the_limit_says() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tokens.csv");
        let file = File::create(&path).unwrap();
        for (bytes, fits) in
            [(LIMITS.file_bytes - 1, true), (LIMITS.file_bytes, true), (LIMITS.file_bytes + 1, false)]
        {
            // Sparse: it takes no room.
            file.set_len(bytes).unwrap();
            assert_eq!(open(&path, LIMITS).is_ok(), fits, "{bytes}");
        }
    }

    #[test]
    fn what_cannot_be_read_twice_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        assert!(open(directory.path(), LIMITS).unwrap_err().what.contains("not a file"));
        assert!(open(Path::new("/dev/null"), LIMITS).unwrap_err().what.contains("not a file"));
        assert!(open(&directory.path().join("none"), LIMITS).unwrap_err().what.contains("cannot be read"));
    }

    #[test]
    fn lines_are_counted_as_they_are_passed() {
        let mut reader = Bounded::new(&b"a\nb\nc"[..], 100);
        let mut line = String::new();
        assert_eq!(reader.line(), 1);
        reader.read_line(&mut line).unwrap();
        assert_eq!(reader.line(), 2);
        reader.read_to_string(&mut line).unwrap();
        assert_eq!((reader.line(), line.as_str()), (3, "a\nb\nc"));
    }
}

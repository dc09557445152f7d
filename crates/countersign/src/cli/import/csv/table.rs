//! A CSV file (RFC 4180) whose columns have names: line by line, in bounded memory.

use std::fs::File;
use std::io::{Chain, Read as _};
use std::path::PathBuf;

use ::csv::{ByteRecord, Reader, ReaderBuilder, Terminator};

use super::super::source::{self, Bounded, Limits, TOO_LONG};
use super::super::token::shortened;
use crate::problem::{Outcome, Problem};

/// Bytes the CSV reader takes in advance.
const READ_AHEAD: usize = 8 * 1024;
/// Columns of one file.
pub(super) const MAX_COLUMNS: usize = 64;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Column {
    ExternalId,
    Serial,
    Name,
    Type,
    Secret,
    SecretEncoding,
    Algorithm,
    Digits,
    Period,
    Counter,
    PeriodOrCounter,
    Suite,
    PinHash,
    LeftOut,
}

impl Column {
    /// The names a column may have, in lower case with `_` for spaces. The second halves are those of Microsoft Entra.
    const NAMES: &[(&str, Self)] = &[
        ("external_id", Self::ExternalId),
        ("serial", Self::Serial),
        ("name", Self::Name),
        ("type", Self::Type),
        ("secret", Self::Secret),
        ("secret_encoding", Self::SecretEncoding),
        ("algorithm", Self::Algorithm),
        ("digits", Self::Digits),
        ("period", Self::Period),
        ("counter", Self::Counter),
        ("period_or_counter", Self::PeriodOrCounter),
        ("suite", Self::Suite),
        ("pin_hash", Self::PinHash),
        ("-", Self::LeftOut),
        ("upn", Self::ExternalId),
        ("serial_number", Self::Serial),
        ("secret_key", Self::Secret),
        ("time_interval", Self::Period),
        ("timeinterval", Self::Period),
        ("manufacturer", Self::LeftOut),
        ("model", Self::LeftOut),
    ];

    pub(super) fn named(name: &str) -> Option<Self> {
        let plain = name
            .trim()
            .to_lowercase()
            .replace([' ', '|'], "_")
            .replace("period_counter", "period_or_counter");
        Self::NAMES.iter().find(|(known, _)| *known == plain).map(|(_, column)| *column)
    }
}

/// A file, and the end of its last line.
type Input = Bounded<Chain<File, &'static [u8]>>;

/// A file with the meaning of its columns.
pub(in super::super) struct Table {
    pub(super) path: PathBuf,
    pub(super) columns: Vec<Column>,
    header: bool,
    delimiter: u8,
    pub(super) limits: Limits,
}

/// How a file is laid out.
pub(in super::super) struct Layout<'a> {
    /// Its columns, where its first line does not name them.
    pub(in super::super) columns: &'a [String],
    /// Whether the first line is passed over although `columns` are given.
    pub(in super::super) skip_header: bool,
    pub(in super::super) delimiter: u8,
    /// A column that must be there.
    pub(in super::super) needed: &'a [(Column, &'static str)],
}

/// One line: what stands in each column that is not empty.
pub(in super::super) type Cells = Vec<(Column, String)>;

/// What a line turned out to be.
pub(in super::super) enum Line {
    Cells(Cells),
    Wrong(String),
    /// Nothing can be read from here on.
    Broken(String),
}

impl Table {
    pub(in super::super) fn new(path: PathBuf, layout: &Layout<'_>, limits: Limits) -> Outcome<Self> {
        let header = layout.columns.is_empty() || layout.skip_header;
        let mut table = Self { path, columns: Vec::new(), header, delimiter: layout.delimiter, limits };
        let of_file = if layout.columns.is_empty() { Some(table.first_line()?) } else { None };
        let names = of_file.as_deref().unwrap_or(layout.columns);
        table.columns = columns(names, layout.needed).map_err(|why| table.no_columns(&why))?;
        Ok(table)
    }

    fn reader(&self) -> Outcome<Reader<Input>> {
        let file = source::open(&self.path, self.limits)?;
        // So that every record ends with a line, also the last one.
        let file = file.chain(&b"\n"[..]);
        let bounded = Bounded::new(file, self.limits.record_bytes + READ_AHEAD as u64);
        let mut builder = ReaderBuilder::new();
        builder.has_headers(false).flexible(true).delimiter(self.delimiter).buffer_capacity(READ_AHEAD);
        // By its own rule for CRLF the reader would count a line only once the next record begins.
        builder.terminator(Terminator::Any(b'\n'));
        Ok(builder.from_reader(bounded))
    }

    fn first_line(&self) -> Outcome<Vec<String>> {
        let mut record = ByteRecord::new();
        match self.reader()?.read_byte_record(&mut record) {
            Ok(true) => Ok(record.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect()),
            Ok(false) => Err(self.no_columns("it is empty")),
            Err(error) => Err(self.no_columns(&told(&error, self.limits))),
        }
    }

    fn no_columns(&self, why: &str) -> Problem {
        let named = Column::NAMES.iter().take(13).map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        Problem::usage(
            "nothing was imported",
            format!("the columns of {} are not clear: {why}", self.path.display()),
            format!(
                "name them in the first line, or with --columns; there are {named}, and - for one to leave out"
            ),
        )
    }

    /// Its lines from the first one with data on, with their numbers.
    pub(in super::super) fn lines(&self) -> Outcome<impl Iterator<Item = (u64, Line)> + Send + '_> {
        let mut reader = self.reader()?;
        let mut record = ByteRecord::new();
        if self.header {
            // It was looked at when the columns were read from it.
            let _ = reader.read_byte_record(&mut record);
        }
        let mut ended = false;
        Ok(std::iter::from_fn(move || {
            while !ended {
                reader.get_mut().begin();
                let start = reader.position().clone();
                match reader.read_byte_record(&mut record) {
                    Ok(true) if is_blank(&record) => {}
                    Ok(true) => {
                        let bytes = reader.position().byte().saturating_sub(start.byte());
                        let inside = record.as_slice().iter().filter(|byte| **byte == b'\n').count() as u64;
                        let line = reader.position().line().saturating_sub(1 + inside);
                        return Some((line, self.line(&record, bytes)));
                    }
                    Ok(false) => ended = true,
                    Err(error) => {
                        ended = true;
                        return Some((start.line(), Line::Broken(told(&error, self.limits))));
                    }
                }
            }
            None
        }))
    }

    fn line(&self, record: &ByteRecord, bytes: u64) -> Line {
        if bytes > self.limits.record_bytes {
            return Line::Wrong(too_long(self.limits));
        }
        if record.len() != self.columns.len() {
            return Line::Wrong(format!("{} columns instead of {}", record.len(), self.columns.len()));
        }
        let mut cells = Cells::new();
        for (column, bytes) in self.columns.iter().zip(record) {
            match std::str::from_utf8(bytes) {
                Ok(text) if text.trim().is_empty() => {}
                Ok(text) => cells.push((*column, text.trim().to_owned())),
                Err(_) => return Line::Wrong("it is not UTF-8".to_owned()),
            }
        }
        Line::Cells(cells)
    }
}

/// A line with nothing on it, which may end in CRLF.
fn is_blank(record: &ByteRecord) -> bool {
    record.len() == 1 && record.as_slice().trim_ascii().is_empty()
}

/// The columns of these names.
pub(super) fn columns(names: &[String], needed: &[(Column, &str)]) -> Result<Vec<Column>, String> {
    if names.len() > MAX_COLUMNS {
        return Err(format!("there are {} of them; at most {MAX_COLUMNS}", names.len()));
    }
    let read = |name: &String| {
        Column::named(name).ok_or_else(|| format!("{:?} is not the name of one", shortened(name)))
    };
    let columns = names.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    if let Some((_, name)) = needed.iter().find(|(column, _)| !columns.contains(column)) {
        return Err(format!("none is named {name}"));
    }
    let twice = |(place, column): &(usize, &Column)| {
        **column != Column::LeftOut && columns[..*place].contains(column)
    };
    match columns.iter().enumerate().find(twice) {
        Some((place, _)) => Err(format!("{:?} stands there twice", shortened(&names[place]))),
        None => Ok(columns),
    }
}

fn too_long(limits: Limits) -> String {
    format!("the record is longer than {} bytes; is a quote not closed?", limits.record_bytes)
}

fn told(error: &::csv::Error, limits: Limits) -> String {
    match error.kind() {
        ::csv::ErrorKind::Io(error) if error.to_string() == TOO_LONG => too_long(limits),
        ::csv::ErrorKind::Io(error) => error.to_string(),
        _ => "it cannot be read as CSV".to_owned(),
    }
}

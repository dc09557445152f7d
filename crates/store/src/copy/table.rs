//! What is copied: the tables that both engines have, and rows of them on their way.

/// A table that both engines have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Table {
    Project,
    ApiKey,
    RecipientIndex,
    Recipient,
    Verification,
    Delivery,
    Journal,
    Once,
    Setting,
    Subject,
    SubjectIndex,
    Factor,
    Challenge,
    SentMessage,
    Budget,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Bytes,
    Number,
    Text,
}

impl Table {
    /// All of them, in the order in which they are copied.
    pub(crate) const ALL: [Self; 15] = [
        Self::Project,
        Self::ApiKey,
        Self::RecipientIndex,
        Self::Recipient,
        Self::Verification,
        Self::Delivery,
        Self::Journal,
        Self::Once,
        Self::Setting,
        Self::Subject,
        Self::SubjectIndex,
        Self::Factor,
        Self::Challenge,
        Self::SentMessage,
        Self::Budget,
    ];

    /// Its name in both engines.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Project => "project",
            Self::ApiKey => "api_key",
            Self::RecipientIndex => "recipient_index",
            Self::Recipient => "recipient",
            Self::Verification => "verification",
            Self::Delivery => "delivery",
            Self::Journal => "journal",
            Self::Once => "once",
            Self::Setting => "setting",
            Self::Subject => "subject",
            Self::SubjectIndex => "subject_index",
            Self::Factor => "factor",
            Self::Challenge => "challenge",
            Self::SentMessage => "sent_message",
            Self::Budget => "budget",
        }
    }

    /// The columns a chunk has, by their names in PostgreSQL. A journal entry's lane is not among them: it is always 0.
    pub(crate) const fn columns(self) -> &'static [(&'static str, Kind)] {
        use Kind::{Bytes, Number, Text};
        match self {
            Self::Project | Self::Recipient => &[("id", Bytes), ("body", Bytes)],
            Self::ApiKey => &[("id", Bytes), ("project", Bytes), ("prefix", Text), ("body", Bytes)],
            Self::RecipientIndex => &[("tenant", Bytes), ("digest", Bytes), ("recipient", Bytes)],
            Self::Verification => {
                &[("tenant", Bytes), ("id", Bytes), ("recipient", Bytes), ("subject", Bytes), ("body", Bytes)]
            }
            Self::Delivery => &[
                ("tenant", Bytes),
                ("id", Bytes),
                ("verification", Bytes),
                ("recipient", Bytes),
                ("due", Number),
                ("body", Bytes),
            ],
            Self::Journal => &[("n", Number), ("stamp", Number), ("verification", Bytes), ("body", Bytes)],
            Self::Once => &[("key", Bytes), ("at", Number), ("body", Bytes)],
            Self::Setting => &[("tenant", Bytes), ("kind", Text), ("id", Bytes), ("body", Bytes)],
            Self::Subject => &[("tenant", Bytes), ("id", Bytes), ("removed_at", Number), ("body", Bytes)],
            Self::SubjectIndex => &[("tenant", Bytes), ("digest", Bytes), ("subject", Bytes)],
            Self::Factor => &[("id", Bytes), ("tenant", Bytes), ("subject", Bytes)],
            Self::Challenge => &[("tenant", Bytes), ("id", Bytes), ("subject", Bytes), ("body", Bytes)],
            Self::SentMessage => &[
                ("provider", Text),
                ("message", Text),
                ("tenant", Bytes),
                ("delivery", Bytes),
                ("at", Number),
            ],
            Self::Budget => &[("id", Bytes), ("day", Number), ("reserved", Number)],
        }
    }
}

/// The values of one column.
#[derive(Debug)]
pub(crate) enum Column {
    Bytes(Vec<Option<Vec<u8>>>),
    Numbers(Vec<Option<i64>>),
    Texts(Vec<String>),
}

impl Column {
    pub(crate) const fn new(kind: Kind) -> Self {
        match kind {
            Kind::Bytes => Self::Bytes(Vec::new()),
            Kind::Number => Self::Numbers(Vec::new()),
            Kind::Text => Self::Texts(Vec::new()),
        }
    }
}

/// Consecutive rows of one table.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) table: Table,
    /// As [`Table::columns`] names them.
    pub(crate) columns: Vec<Column>,
    /// How far the table is copied with it.
    pub(crate) cursor: Cursor,
}

/// How far a table is copied: so many of its first rows, and a sum over them that tells whether they changed since.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Cursor {
    pub(crate) rows: u64,
    pub(crate) sum: u64,
}

impl Cursor {
    pub(crate) fn to_bytes(self) -> [u8; 16] {
        ((u128::from(self.rows) << 64) | u128::from(self.sum)).to_be_bytes()
    }

    pub(crate) fn from_bytes(bytes: [u8; 16]) -> Self {
        let both = u128::from_be_bytes(bytes);
        Self { rows: (both >> 64) as u64, sum: both as u64 }
    }

    /// Takes a value of the next row into the sum (FNV-1a with the length in front; it is to find accidents, not
    /// forgers).
    pub(crate) fn add(&mut self, kind: u8, value: &[u8]) {
        let length = (value.len() as u64).to_be_bytes();
        for byte in [kind].iter().chain(&length).chain(value) {
            self.sum = (self.sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

/// How far each table is copied, in the order of [`Table::ALL`].
pub(crate) type Cursors = [Cursor; Table::ALL.len()];

/// The last entry of the journal: its number, its time in milliseconds, its stamp in microseconds. Zeros without one.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LastEntry {
    pub(crate) number: i64,
    pub(crate) at: i64,
    pub(crate) stamp: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_and_tells_rows_apart() {
        let sum = |values: &[&[u8]]| {
            let mut cursor = Cursor::default();
            values.iter().for_each(|value| cursor.add(1, value));
            cursor.sum
        };
        let cursor = Cursor { rows: 3, sum: sum(&[b"a", b"b"]) };
        assert_eq!(Cursor::from_bytes(cursor.to_bytes()), cursor);
        let others: [&[&[u8]]; 5] = [&[b"b", b"a"], &[b"ab"], &[b"a", b"b", b""], &[b"a"], &[b"a", b"\0"]];
        assert!(others.iter().all(|other| sum(other) != cursor.sum));
    }
}

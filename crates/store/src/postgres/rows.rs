//! What comes out of a row of the database.

use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use super::Failure;
use crate::cbor;

/// A column of any type the driver knows.
pub(super) fn column<'a, T: FromSql<'a>>(row: &'a Row, at: usize) -> Result<T, Failure> {
    row.try_get(at).map_err(|error| Failure::Corrupt(error.to_string()))
}

/// A column of bytes that may be null.
pub(super) fn blob(row: &Row, at: usize) -> Result<Option<&[u8]>, Failure> {
    column(row, at)
}

/// A column of exactly `N` bytes.
pub(super) fn bytes<const N: usize>(row: &Row, at: usize) -> Result<[u8; N], Failure> {
    let value: &[u8] = column(row, at)?;
    value.try_into().map_err(|_| Failure::Corrupt(format!("{} bytes where {N} belong", value.len())))
}

/// A column that holds a CBOR body.
pub(super) fn body<T: for<'b> minicbor::Decode<'b, ()>>(row: &Row, at: usize) -> Result<T, Failure> {
    cbor::decode(column(row, at)?).map_err(Failure::Corrupt)
}

/// The first column of each row, as bodies.
pub(super) fn bodies<T: for<'b> minicbor::Decode<'b, ()>>(rows: &[Row]) -> Result<Vec<T>, Failure> {
    rows.iter().map(|row| body(row, 0)).collect()
}

/// A CBOR body.
pub(super) fn encode<T: minicbor::Encode<()>>(value: &T) -> Result<Vec<u8>, Failure> {
    cbor::encode(value).map_err(Failure::Corrupt)
}

//! Lists: a page, an opaque cursor, and query parameters that are all known.

use axum::http::Uri;
use serde::Serialize;

use crate::error_code::ErrorCode;
use crate::fields::{invalid, plain_number, unknown};
use crate::limits;
use crate::problem::Problem;

/// One page as it is written.
#[derive(Serialize)]
pub(crate) struct ListView<T> {
    object: &'static str,
    data: Vec<T>,
    has_more: bool,
    next_cursor: Option<String>,
}

impl<T> ListView<T> {
    /// A page; `next` is the id the next one begins before.
    pub(crate) fn new(data: Vec<T>, next: Option<&[u8; 16]>) -> Self {
        let next_cursor = next.map(|id| data_encoding::BASE64URL_NOPAD.encode(id));
        Self { object: "list", data, has_more: next_cursor.is_some(), next_cursor }
    }
}

/// The query of a request, its names known and given once.
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads the query.
    pub(crate) fn of(uri: &Uri, known: &[&str]) -> Result<Self, Problem> {
        let mut fields: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
            let Some(known) = known.iter().find(|known| **known == name) else {
                return Err(unknown(&shown(&name), known));
            };
            if fields.iter().any(|(earlier, _)| earlier == known) {
                return Err(invalid(*known, "is given twice"));
            }
            fields.push(((*known).to_owned(), value.into_owned()));
        }
        Ok(Self(fields))
    }

    /// The value of a parameter.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The value of a parameter, read.
    pub(crate) fn read<T>(
        &self,
        name: &str,
        what: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        read(text).map(Some).ok_or_else(|| invalid(name, &format!("must be {what}")))
    }

    /// A whole number of at most `most`.
    pub(crate) fn number(&self, name: &str, least: u64, most: u64) -> Result<Option<u64>, Problem> {
        let what = format!("a whole number from {least} to {most}");
        self.read(name, &what, |text| plain_number(text).filter(|number| (least..=most).contains(number)))
    }

    /// `limit`.
    pub(crate) fn limit(&self) -> Result<usize, Problem> {
        let (usual, most) = limits::LIST;
        let limit = self.number("limit", 1, most as u64)?;
        Ok(limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usual))
    }

    /// `cursor`: the id the page begins before.
    pub(crate) fn cursor(&self) -> Result<Option<[u8; 16]>, Problem> {
        let Some(text) = self.text("cursor") else { return Ok(None) };
        let decoded = data_encoding::BASE64URL_NOPAD.decode(text.as_bytes()).ok();
        let id = decoded.and_then(|bytes| <[u8; 16]>::try_from(bytes).ok());
        id.map(Some).ok_or_else(|| Problem::plain(ErrorCode::CursorInvalid).param("cursor"))
    }

    /// `to`. A plus that was not escaped arrives as a space; it is put back.
    pub(crate) fn recipient(&self) -> Result<Option<countersign_core::recipient::Recipient>, Problem> {
        let Some(text) = self.text("to") else { return Ok(None) };
        crate::verifications::recipient(&crate::value::put_plus_back(text)).map(Some)
    }
}

fn shown(name: &str) -> String {
    name.chars().filter(char::is_ascii_lowercase).take(32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Result<Query, Problem> {
        Query::of(&format!("/x?{text}").parse().unwrap(), &["limit", "cursor", "to"])
    }

    #[test]
    fn limits_are_one_to_a_hundred() {
        for (text, expected) in [
            ("", Some(20)),
            ("limit=1", Some(1)),
            ("limit=100", Some(100)),
            ("limit=0", None),
            ("limit=101", None),
            ("limit=-1", None),
        ] {
            assert_eq!(query(text).unwrap().limit().ok(), expected, "{text}");
        }
    }

    #[test]
    fn unknown_and_repeated_parameters_are_refused() {
        assert_eq!(query("statsu=x").map(|_| ()).unwrap_err().code, ErrorCode::ParameterUnknown);
        assert_eq!(query("limit=1&limit=2").map(|_| ()).unwrap_err().code, ErrorCode::ParameterInvalid);
        assert_eq!(query("cursor=x").unwrap().cursor().unwrap_err().code, ErrorCode::CursorInvalid);
    }

    #[test]
    fn a_cursor_round_trips_and_an_unescaped_plus_is_put_back() {
        let page = ListView::<()>::new(Vec::new(), Some(&[7; 16]));
        let cursor = page.next_cursor.unwrap();
        assert_eq!(query(&format!("cursor={cursor}")).unwrap().cursor().unwrap(), Some([7; 16]));
        let to = query("to=+48600100217").unwrap().recipient().unwrap().unwrap();
        assert_eq!(to.canonical(), "+48600100217");
    }
}

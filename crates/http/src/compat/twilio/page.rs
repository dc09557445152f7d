//! Lists: `PageSize`, `Page` and `PageToken`, and the `meta` object the libraries follow.

use axum::http::{StatusCode, Uri};
use axum::response::Response;
use data_encoding::HEXLOWER;
use serde_json::{Value, json};

use super::client::Account;
use super::error::TwilioError;
use super::form::Form;
use crate::answer;

/// Rows of a page when the client does not say.
const USUAL: u64 = 50;
const MOST: u64 = 1000;

/// The parameters every list takes.
pub(crate) const PARAMETERS: [&str; 3] = ["PageSize", "Page", "PageToken"];

/// Which page is wanted.
pub(crate) struct Page {
    pub(crate) size: usize,
    number: u64,
    /// What the token of the page before said.
    pub(crate) after: Option<String>,
    path: String,
    /// Filters, as they stand in links.
    filters: String,
}

impl Page {
    /// Reads the page parameters of a query; `path` is that of the list below the mount.
    pub(crate) fn of(form: &Form, uri: &Uri, path: String) -> Result<Self, TwilioError> {
        let wrong = |code, name| TwilioError::new(400, code, format!("Invalid parameter `{name}`"));
        let size = form.number("PageSize", 1..=MOST).map_err(|_| wrong(60373, "PageSize"))?;
        let number = form.number("Page", 0..=u64::from(u32::MAX)).map_err(|_| wrong(60373, "Page"))?;
        let token = form.one("PageToken").map_err(|_| wrong(60374, "PageToken"))?;
        let after = match token {
            Some(token) => {
                Some(token.strip_prefix("PT").ok_or_else(|| wrong(60374, "PageToken"))?.to_owned())
            }
            None => None,
        };
        let pairs = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        let mut filters = form_urlencoded::Serializer::new(String::new());
        filters.extend_pairs(pairs.filter(|(name, _)| !PARAMETERS.contains(&name.as_ref())));
        let size = usize::try_from(size.unwrap_or(USUAL)).unwrap_or(50);
        Ok(Self { size, number: number.unwrap_or(0), after, path, filters: filters.finish() })
    }

    /// 60374, for a token that this list did not make.
    pub(crate) fn wrong_token() -> TwilioError {
        TwilioError::new(400, 60374, "Invalid parameter `PageToken`")
    }

    /// The id that the page before ended with.
    pub(crate) fn cursor(&self) -> Result<Option<[u8; 16]>, TwilioError> {
        let Some(token) = &self.after else { return Ok(None) };
        let id = HEXLOWER.decode(token.as_bytes()).ok().and_then(|id| id.try_into().ok());
        id.map(Some).ok_or_else(Self::wrong_token)
    }

    /// The token of a page behind this id.
    pub(crate) fn token(id: &[u8; 16]) -> String {
        HEXLOWER.encode(id)
    }

    /// The rows of this page of a list that lies in memory.
    pub(crate) fn cut<T>(&self, rows: Vec<T>) -> Result<(Vec<T>, Option<String>), TwilioError> {
        let skip = match &self.after {
            Some(token) => token.parse().map_err(|_| Self::wrong_token())?,
            None => 0_usize,
        };
        let until = skip.saturating_add(self.size);
        let next = (rows.len() > until).then(|| until.to_string());
        Ok((rows.into_iter().skip(skip).take(self.size).collect(), next))
    }

    fn link(&self, account: &Account, number: u64, token: Option<&str>) -> String {
        let mut query = format!("PageSize={}&Page={number}", self.size);
        if let Some(token) = token {
            query.push_str("&PageToken=PT");
            query.push_str(token);
        }
        if !self.filters.is_empty() {
            query.push('&');
            query.push_str(&self.filters);
        }
        account.link(&format!("{}?{query}", self.path))
    }

    /// The answer: records under `key`. `next` is the token of the next page.
    pub(crate) fn answer(
        &self,
        account: &Account,
        key: &str,
        records: Vec<Value>,
        next: Option<String>,
    ) -> Response {
        let next = next.map(|token| self.link(account, self.number + 1, Some(&token)));
        let mut body = json!({
            "meta": {
                "page": self.number,
                "page_size": self.size,
                "first_page_url": self.link(account, 0, None),
                "previous_page_url": null,
                "url": self.link(account, self.number, self.after.as_deref()),
                "next_page_url": next,
                "key": key,
            },
        });
        body[key] = Value::Array(records);
        answer::json(StatusCode::OK, &body)
    }
}

//! Parameters as the vendor's libraries send them: form fields with dotted names, repeated ones for lists.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::Uri;
use countersign_core::time::Timestamp;

use super::error::TwilioError;
use crate::app::App;
use crate::body;
use crate::value::Value;

/// The parameters of a request. An empty value is one that was not given.
#[derive(Debug, Default)]
pub(crate) struct Form(Vec<(String, String)>);

impl FromRequest<App> for Form {
    type Rejection = TwilioError;

    async fn from_request(request: Request, _: &App) -> Result<Self, TwilioError> {
        let (parts, body) = request.into_parts();
        let bytes: Bytes = body::collect(body).await?;
        if !bytes.is_empty() && !body::is_form(&parts.headers, false).unwrap_or(false) {
            return Err(TwilioError::new(415, 20415, "The body must be application/x-www-form-urlencoded"));
        }
        Ok(Self::read(&bytes))
    }
}

impl Form {
    fn read(bytes: &[u8]) -> Self {
        let fields = form_urlencoded::parse(bytes);
        Self(fields.map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
    }

    /// Parameters that did not come as a form.
    pub(crate) fn of_pairs(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }

    /// The parameters of a query.
    pub(crate) fn of_query(uri: &Uri) -> Self {
        Self::read(uri.query().unwrap_or_default().as_bytes())
    }

    /// Refuses names this call does not know: nothing a caller asks for is dropped in silence.
    pub(crate) fn only(self, known: &[&str]) -> Result<Self, TwilioError> {
        self.has_only(known).map(|()| self)
    }

    /// The same for a form that is kept.
    pub(crate) fn has_only(&self, known: &[&str]) -> Result<(), TwilioError> {
        match self.0.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            Some((name, _)) => Err(TwilioError::invalid(name, "is not a parameter of this call")),
            None => Ok(()),
        }
    }

    /// All values of a name.
    pub(crate) fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        let name = name.to_owned();
        let of_name = self.0.iter().filter(move |(known, value)| *known == name && !value.is_empty());
        of_name.map(|(_, value)| value.as_str())
    }

    /// The value of a name that may be given once.
    pub(crate) fn one(&self, name: &str) -> Result<Option<&str>, TwilioError> {
        let mut values = self.all(name);
        match (values.next(), values.next()) {
            (_, Some(second)) => Err(TwilioError::invalid(name, second)),
            (value, None) => Ok(value),
        }
    }

    pub(crate) fn required(&self, name: &str) -> Result<&str, TwilioError> {
        self.one(name)?.ok_or_else(|| TwilioError::missing(name))
    }

    /// A value that `read` understands.
    pub(crate) fn read_as<T>(
        &self,
        name: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, TwilioError> {
        let Some(text) = self.one(name)? else { return Ok(None) };
        read(text).map(Some).ok_or_else(|| TwilioError::invalid(name, text))
    }

    pub(crate) fn boolean(&self, name: &str) -> Result<Option<bool>, TwilioError> {
        self.read_as(name, |text| match text.to_ascii_lowercase().as_str() {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        })
    }

    pub(crate) fn number(
        &self,
        name: &str,
        bounds: std::ops::RangeInclusive<u64>,
    ) -> Result<Option<u64>, TwilioError> {
        self.read_as(name, |text| {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| text.parse().ok()).flatten().filter(|number| bounds.contains(number))
        })
    }

    /// A JSON object in a text, its members in their order.
    pub(crate) fn object(&self, name: &str) -> Result<Option<Vec<(String, Value)>>, TwilioError> {
        self.read_as(name, |text| match Value::json(text.as_bytes()) {
            Ok(Value::Object(members)) => Some(members),
            _ => None,
        })
    }

    pub(crate) fn instant(&self, name: &str) -> Result<Option<Timestamp>, TwilioError> {
        self.read_as(name, instant)
    }
}

/// An instant as the libraries write it: RFC 3339 with any offset, without a zone (then UTC), or a bare date.
fn instant(text: &str) -> Option<Timestamp> {
    let spelled = [text.to_owned(), format!("{text}Z"), format!("{text}T00:00:00Z")];
    spelled.iter().find_map(|text| crate::answer::read_instant(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_of_every_library_are_read() {
        let expected = Some(Timestamp::from_millis(1_704_067_200_000));
        for text in [
            "2024-01-01T00:00:00Z",
            "2024-01-01T00:00:00",
            "2024-01-01",
            "2024-01-01T02:00:00+02:00",
            "2024-01-01T00:00:00.000Z",
        ] {
            assert_eq!(instant(text), expected, "{text}");
        }
        assert_eq!(instant("yesterday"), None);
    }

    #[test]
    fn repeated_names_are_lists_and_dotted_names_are_names() {
        let form = Form::read(
            b"EventTypes=a&EventTypes=b&Totp.Skew=1&On=TRUE&Json=%7B%22a%22%3A%20%22b%22%7D&None=",
        );
        assert_eq!(form.all("EventTypes").collect::<Vec<_>>(), ["a", "b"]);
        assert!(form.one("EventTypes").is_err());
        assert_eq!(form.number("Totp.Skew", 0..=2).unwrap(), Some(1));
        assert!(form.number("Totp.Skew", 2..=3).is_err());
        assert_eq!(form.boolean("On").unwrap(), Some(true));
        assert_eq!(form.object("Json").unwrap(), Some(vec![("a".to_owned(), Value::Text("b".to_owned()))]));
        assert_eq!(form.one("None").unwrap(), None);
        assert!(form.required("None").is_err());
        assert!(form.only(&["EventTypes"]).is_err());
    }
}

//! A request with its values filled in, in the form that goes over the wire.

use hyper::Uri;
use hyper::body::Bytes;
use hyper::header::{HeaderMap, HeaderValue};
use serde_json::Value;
use url::Url;

/// A filled request.
#[derive(Debug, PartialEq)]
pub(super) struct Filled {
    pub(super) url: Uri,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<FilledBody>,
}

#[derive(Debug, PartialEq)]
pub(super) enum FilledBody {
    Json(Value),
    Form(Vec<(String, String)>),
}

impl FilledBody {
    /// Its media type and its bytes.
    pub(super) fn encode(&self) -> (HeaderValue, Bytes) {
        match self {
            Self::Json(tree) => (HeaderValue::from_static("application/json"), tree.to_string().into()),
            Self::Form(fields) => {
                let mut text = form_urlencoded::Serializer::new(String::new());
                text.extend_pairs(fields);
                (HeaderValue::from_static("application/x-www-form-urlencoded"), text.finish().into())
            }
        }
    }
}

/// An address as it goes over the wire: what people may write in one (letters of every script, spaces) is encoded.
pub(super) fn address(text: &str) -> Option<Uri> {
    Uri::try_from(Url::parse(text).ok()?.as_str()).ok()
}

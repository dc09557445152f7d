//! The id that stands in a path.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;

use crate::app::App;

/// The text where a path has an id. Bytes that are no text are no id either: they become an empty text, which every
/// id refuses, so that they are answered like any other unknown id.
pub(crate) struct PathId(pub(crate) String);

impl FromRequestParts<App> for PathId {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        let read = Path::<String>::from_request_parts(parts, app).await;
        Ok(Self(read.map_or_else(|_| String::new(), |Path(text)| text)))
    }
}

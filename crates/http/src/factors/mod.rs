//! Factors: enrolled authenticators. One file per call; what they share stands here.

pub(crate) mod activate;
pub(crate) mod change;
pub(crate) mod enrol;
pub(crate) mod enrolled;
pub(crate) mod key_uri;
pub(crate) mod plan;
mod qr;
pub(crate) mod regenerate;
pub(crate) mod remove;
pub(crate) mod resync;
pub(crate) mod show;
pub(crate) mod unlock;
pub(crate) mod view;

use axum::http::StatusCode;
use axum::response::Response;
use countersign_core::command::Entered;
use countersign_core::ids::FactorId;
use zeroize::Zeroizing;

use crate::app::App;
use crate::error_code::ErrorCode;
use crate::fields::{Fields, invalid};
use crate::limits;
use crate::problem::Problem;
use crate::subjects::{Person, Told};
use view::FactorView;

/// The id of a path; a text that is none is as unknown as a foreign one.
pub(crate) fn id(text: &str) -> Result<FactorId, Problem> {
    text.parse().map_err(|_| Problem::plain(ErrorCode::ResourceNotFound))
}

/// A `code` field.
fn code(fields: &mut Fields) -> Result<Entered, Problem> {
    Ok(Entered(Zeroizing::new(fields.required_text("code", limits::MAX_TEXT)?)))
}

/// A `name` field.
pub(crate) fn name(fields: &mut Fields) -> Result<Option<String>, Problem> {
    fields.line("name", limits::MAX_FACTOR_TEXT)
}

/// Two `codes`, one after the other.
fn two_codes(fields: &mut Fields) -> Result<[Entered; 2], Problem> {
    let codes = fields.texts("codes", 2)?.ok_or_else(|| crate::fields::missing("codes"))?;
    let codes: Vec<_> = codes.into_iter().map(|code| Entered(Zeroizing::new(code))).collect();
    codes.try_into().map_err(|_| invalid("codes", "must be two codes, one after the other"))
}

/// Answers with the factor an outcome is about.
fn respond(app: &App, told: &Told) -> Result<Response, Problem> {
    let person = Person::open(&app.services.keys, &told.snapshot.subject);
    let factor = told.snapshot.factor().ok_or_else(|| Problem::plain(ErrorCode::ResourceNotFound))?;
    Ok(told.respond(StatusCode::OK, &FactorView::new(&person, factor, told.snapshot.at)))
}

//! `countersign migrate`

use serde_json::json;

use super::{Output, Place};
use crate::problem::Outcome;
use crate::wire;

/// Bring the store's schema up to date.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    place: Place,
}

pub(super) async fn run(args: &Args, output: &Output) -> Outcome {
    let ran = wire::migrate(&args.place.config()?).await?;
    let text = if ran.is_empty() {
        "the schema is up to date".to_owned()
    } else {
        format!("ran {}", ran.join(", "))
    };
    output.answer(&text, &json!({ "applied": ran }));
    Ok(())
}

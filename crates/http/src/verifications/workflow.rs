//! `channel` as a list: the steps of a workflow, read and shown.

use std::time::Duration;

use countersign_core::recipient::{Recipient, RecipientKind};
use countersign_core::routing::Wanted;
use countersign_core::time::Timestamp;
use countersign_core::verification::{Channel, Purpose};
use countersign_core::workflow::{Flaw, Skipped, Step, Workflow, check};
use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::answer::Text;
use crate::app::App;
use crate::caller::Member;
use crate::error_code::ErrorCode;
use crate::fields::{Fields, invalid, missing};
use crate::problem::Problem;
use crate::value::Value;

const FIELDS: [&str; 3] = ["channel", "wait", "receipt_within"];

/// The steps of a list, for a code that lives so long and a recipient of this kind. `at` names the field.
pub(super) fn read(
    at: &str,
    items: Vec<Value>,
    lifetime: Duration,
    kind: RecipientKind,
) -> Result<Vec<Step>, Problem> {
    let steps = items.into_iter().enumerate().map(|(nth, item)| step(&format!("{at}[{nth}]"), item));
    let steps = steps.collect::<Result<Vec<_>, _>>()?;
    check(&steps, lifetime).map_err(|Flaw { place, must }| match place {
        Some((nth, field)) => invalid(format!("{at}[{nth}].{field}"), &must),
        None => invalid(at, &must),
    })?;
    match steps.iter().position(|step| !step.channel.reaches(kind)) {
        Some(nth) => {
            Err(Problem::plain(ErrorCode::RecipientCannotReceive).param(format!("{at}[{nth}].channel")))
        }
        None => Ok(steps),
    }
}

fn step(at: &str, item: Value) -> Result<Step, Problem> {
    let mut fields = Fields::of_item(at, item, &FIELDS)?;
    let words = "sms, voice, whatsapp or email";
    let channel = |name: &str| Channel::named(name).filter(|channel| *channel != Channel::Own);
    let channel = fields.word("channel", words, channel)?.ok_or_else(|| missing(fields.at("channel")))?;
    let mut seconds = |name| -> Result<Option<u32>, Problem> {
        let seconds = fields.integer(name, 0..=u32::MAX.into())?;
        Ok(seconds.and_then(|seconds| u32::try_from(seconds).ok()))
    };
    Ok(Step { channel, wait: seconds("wait")?, receipt_within: seconds("receipt_within")? })
}

/// The steps of `auto` for this recipient. Empty when none can be taken: then the first route that matches decides.
pub(super) fn by_default(app: &App, member: &Member, purpose: Purpose, to: &Recipient) -> Vec<Step> {
    let steps = app.services.workflow.iter().copied();
    let allowed = |step: &Step| {
        step.channel.reaches(to.kind()) && member.policy().allows_channel(step.channel, purpose)
    };
    let steps: Vec<Step> = steps.filter(allowed).collect();
    let routed = app.routes().channels(&Wanted { tenant: member.tenant, purpose, to: to.by_ref() });
    let usable = |step: &Step| step.channel.suits(to) && routed.contains(&step.channel);
    if steps.iter().any(usable) { steps } else { Vec::new() }
}

/// The wire form of a workflow.
#[derive(Debug, Serialize)]
pub(super) struct WorkflowView {
    steps: Json,
    step: u8,
    next_step_at: Option<Text<Timestamp>>,
    skipped: Json,
}

impl WorkflowView {
    pub(super) fn new(workflow: &Workflow, next_step_at: Option<Timestamp>) -> Self {
        Self {
            steps: steps(workflow),
            step: workflow.at,
            next_step_at: next_step_at.map(Text),
            skipped: skipped(&workflow.skipped),
        }
    }
}

/// Steps as they are shown.
pub(super) fn steps(workflow: &Workflow) -> Json {
    let view = |step: &Step| json!({ "channel": step.channel.as_str(), "wait": step.wait, "receipt_within": step.receipt_within });
    workflow.steps.iter().map(view).collect()
}

/// What was passed over, as it is shown.
pub(super) fn skipped(skipped: &[Skipped]) -> Json {
    let view =
        |skipped: &Skipped| json!({ "channel": skipped.channel.as_str(), "reason": skipped.why.as_str() });
    skipped.iter().map(view).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_json(text: &str) -> Result<Vec<Step>, Problem> {
        let Value::Array(items) = Value::json(text.as_bytes()).unwrap() else { panic!("{text}") };
        read("channel", items, Duration::from_secs(600), RecipientKind::Phone)
    }

    #[test]
    fn steps_are_read_with_their_waits() {
        let steps = read_json(r#"[{"channel":"sms","wait":60,"receipt_within":20},{"channel":"voice"}]"#);
        let sms = Step { channel: Channel::Sms, wait: Some(60), receipt_within: Some(20) };
        let voice = Step { channel: Channel::Voice, wait: None, receipt_within: None };
        assert_eq!(steps.unwrap(), [sms, voice]);
        assert_eq!(read_json(r#"[{"channel":"sms","wait":null}]"#).unwrap().len(), 1);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (json, param) in [
            ("[]", "channel"),
            (
                r#"[{"channel":"sms"},{"channel":"sms"},{"channel":"sms"},{"channel":"sms"},{"channel":"sms"},{"channel":"sms"}]"#,
                "channel",
            ),
            (r#"["sms"]"#, "channel[0]"),
            (r#"[{"channel":"sms"},{}]"#, "channel[1].channel"),
            (r#"[{"channel":"self"}]"#, "channel[0].channel"),
            (r#"[{"channel":"auto"}]"#, "channel[0].channel"),
            (r#"[{"channel":"sms","after":3}]"#, "channel[0].after"),
            (r#"[{"channel":"sms","wait":"60"},{"channel":"voice"}]"#, "channel[0].wait"),
            (r#"[{"channel":"sms"},{"channel":"voice","wait":60}]"#, "channel[1].wait"),
            (r#"[{"channel":"sms"},{"channel":"voice","receipt_within":60}]"#, "channel[1].receipt_within"),
            (
                r#"[{"channel":"sms","wait":20,"receipt_within":20},{"channel":"voice"}]"#,
                "channel[0].receipt_within",
            ),
            (
                r#"[{"channel":"sms","wait":300},{"channel":"voice","wait":300},{"channel":"sms"}]"#,
                "channel[1].wait",
            ),
            (r#"[{"channel":"sms","wait":60},{"channel":"email"}]"#, "channel[1].channel"),
        ] {
            assert_eq!(read_json(json).unwrap_err().param.as_deref(), Some(param), "{json}");
        }
    }

    #[test]
    fn waits_are_bounded_at_their_limits() {
        for (wait, fine) in [(4, false), (5, true), (599, true), (600, false)] {
            let json = format!(r#"[{{"channel":"sms","wait":{wait}}},{{"channel":"voice"}}]"#);
            assert_eq!(read_json(&json).is_ok(), fine, "{wait}");
        }
        let five = format!("[{}]", [r#"{"channel":"sms"}"#; 5].join(","));
        assert_eq!(read_json(&five).unwrap().len(), 5);
    }
}

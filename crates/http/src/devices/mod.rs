//! The door of devices. They have no API key: the id of a factor says whose it is, and each call is signed with the device's
//! key or shows the token it enrols with. What is unknown, foreign or removed looks the same.

pub(crate) mod enrol;
pub(crate) mod poll;
pub(crate) mod push_token;
pub(crate) mod view;

use std::sync::Arc;

use countersign_core::budget::Permit;
use countersign_core::command::{Command, Request};
use countersign_core::factor::wake::{PushAddress, PushToken};
use countersign_core::ids::FactorId;
use countersign_core::journal::Actor;
use countersign_core::limits::{DEVICE_CLOCK_TOLERANCE, MAX_PUSH_TOKEN};
use countersign_core::subject::{Act, Aim, SubjectCommand};
use countersign_core::tenancy::Project;
use countersign_core::tenant::{Mode, Tenant};
use countersign_core::time::{Entropy, Timestamp};
use zeroize::Zeroizing;

use crate::app::App;
use crate::body::Payload;
use crate::caller::clock_ahead;
use crate::error_code::ErrorCode;
use crate::fields::{Fields, invalid, missing};
use crate::limits;
use crate::observe::Context;
use crate::problem::Problem;
use crate::subjects::{Told, decide};
use crate::verifications::create::locale;

/// The last second that has a name in milliseconds.
const MAX_SECONDS: u64 = 9_000_000_000_000;
/// Characters of a key or signature in base64url.
const MAX_BASE64: usize = 200;

/// Errors of every device call, beside its own.
pub(crate) const ERRORS: [ErrorCode; 8] = [
    ErrorCode::ParameterInvalid,
    ErrorCode::ParameterUnknown,
    ErrorCode::ResourceNotFound,
    ErrorCode::SignatureInvalid,
    ErrorCode::StateConflict,
    ErrorCode::StorageUnavailable,
    ErrorCode::Overloaded,
    ErrorCode::ShuttingDown,
];

/// A device that calls: its factor, and whose that is. That the device holds the factor's key is for each call to show.
pub(crate) struct Device {
    pub(crate) factor: FactorId,
    pub(crate) tenant: Tenant,
    pub(crate) project: Project,
    context: Context,
}

impl Device {
    /// The device whose factor the body names.
    pub(crate) async fn of(app: &App, context: Context, fields: &mut Fields) -> Result<Self, Problem> {
        let unknown = || Problem::plain(ErrorCode::ResourceNotFound);
        let factor = fields.required_text("factor", 64)?.parse().map_err(|_| unknown())?;
        let tenant = app.services.store.tenant_of_factor(factor).await?.ok_or_else(unknown)?;
        let project = app.project(tenant.project).await?.ok_or_else(unknown)?;
        Ok(Self { factor, tenant, project, context })
    }

    /// The present as this device's mode has it.
    pub(crate) fn now(&self, app: &App) -> Timestamp {
        app.services.clock.now().plus(clock_ahead(self.tenant.mode, &self.project))
    }

    /// Asks the rules something about its factor. What is declined shows nothing of the challenge: that is for the customer.
    pub(crate) async fn ask(&self, app: &App, act: Act) -> Result<Told, Problem> {
        let command = SubjectCommand { aim: Aim::Factor(self.factor), act };
        let request = Request {
            tenant: self.tenant,
            actor: Actor::Device(self.factor),
            request_id: Some(self.context.request_id),
            policy: Arc::new(self.project.policy()),
            routes: app.routes(),
            permit: Permit::Unmetered,
            limits_apply: self.tenant.mode == Mode::Live,
            clock_ahead: clock_ahead(self.tenant.mode, &self.project),
            ip_held_until: None,
            entropy: Entropy::draw(app.services.entropy.as_ref()),
            once: None,
            command: Command::Subject(Box::new(command)),
        };
        let decided = decide(app, request).await?;
        decided.map_err(|declined| {
            let now = declined.snapshot.as_ref().map_or_else(|| self.now(app), |snapshot| snapshot.at);
            Problem::of_refusal(declined.refusal, now)
        })
    }
}

/// The fields of a device's body.
pub(crate) fn fields(payload: Payload, known: &[&str]) -> Result<Fields, Problem> {
    payload.at_most(limits::MAX_DEVICE_BODY)?.fields(known)
}

/// Bytes in base64url without padding (RFC 4648, section 5).
pub(crate) fn bytes(fields: &mut Fields, name: &str) -> Result<Vec<u8>, Problem> {
    let text = fields.text(name, MAX_BASE64)?.ok_or_else(|| missing(name))?;
    data_encoding::BASE64URL_NOPAD
        .decode(text.as_bytes())
        .map_err(|_| invalid(name, "must be base64url without padding"))
}

/// `at`: the device's time, which must be near ours, so that what it signed is good for two minutes only.
pub(crate) fn at(app: &App, fields: &mut Fields) -> Result<Timestamp, Problem> {
    let at = fields.integer("at", 0..=MAX_SECONDS)?.ok_or_else(|| missing("at"))?;
    let at = Timestamp::from_millis(i64::try_from(at * 1000).unwrap_or(i64::MAX));
    // The device's clock is compared with the server's, not with that of a test: a device knows nothing of tests.
    let now = app.services.clock.now();
    if now.since(at).max(at.since(now)) > DEVICE_CLOCK_TOLERANCE {
        return Err(invalid(
            "at",
            "must be within 120 seconds of the server's time; set the device's clock right",
        ));
    }
    Ok(at)
}

/// `push_token` and `locale`: where and how the device is woken.
pub(crate) fn push_address(fields: &mut Fields) -> Result<Option<PushAddress>, Problem> {
    let text = fields.text("push_token", MAX_PUSH_TOKEN)?.map(Zeroizing::new);
    let locale = locale(fields)?;
    let Some(text) = text else {
        return match locale {
            Some(_) => {
                Err(invalid("locale", "goes with `push_token`: it is the language of what wakes the device"))
            }
            None => Ok(None),
        };
    };
    let wrong = || invalid("push_token", "must be 1 to 4096 bytes of text without control characters");
    Ok(Some(PushAddress { token: PushToken::parse(text).ok_or_else(wrong)?, locale }))
}

//! The door of devices. They have no API key: the id of a factor says whose it is, and each call is signed with the device's
//! key or shows the token it enrols with. What is unknown, foreign or removed looks the same.

pub(crate) mod enrol;
pub(crate) mod poll;
pub(crate) mod view;

use std::sync::Arc;

use countersign_core::budget::Permit;
use countersign_core::command::{Command, Request};
use countersign_core::ids::FactorId;
use countersign_core::journal::Actor;
use countersign_core::subject::{Act, Aim, SubjectCommand};
use countersign_core::tenancy::Project;
use countersign_core::tenant::{Mode, Tenant};
use countersign_core::time::{Entropy, Timestamp};

use crate::app::App;
use crate::body::Payload;
use crate::caller::clock_ahead;
use crate::error_code::ErrorCode;
use crate::fields::{Fields, invalid, missing};
use crate::limits;
use crate::observe::Context;
use crate::problem::Problem;
use crate::subjects::{Told, decide};

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

//! The next steps of workflows: a delivery that was sent or failed is claimed when it makes one due.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::budget::{Permit, Reservation};
use countersign_core::command::{Answer, Command, Job, Request};
use countersign_core::recipient::Recipient;
use countersign_core::routing::{Routes, Wanted};
use countersign_core::store::Unavailable;
use countersign_core::tenancy::Project;
use countersign_core::tenant::Mode;
use countersign_core::time::Entropy;

use crate::text::{self, Draft};
use crate::wording::Wording;
use crate::worker::WorkerOptions;

/// What steps are taken with.
pub(crate) struct Steps<'a> {
    pub(crate) options: &'a WorkerOptions,
    pub(crate) wording: &'a Wording,
}

impl Steps<'_> {
    /// Takes the step. What comes of it is handed over like any new message; when it fails, the lease ends and somebody
    /// else tries.
    pub(crate) async fn take(&self, project: Option<&Project>, job: &Job) {
        match self.submit(project, job).await {
            Ok(()) => tracing::info!(delivery = %job.delivery.id, "the next step of the workflow was due"),
            Err(error) => {
                tracing::warn!(delivery = %job.delivery.id, %error, "a step was not taken; its lease will end");
            }
        }
    }

    async fn submit(&self, project: Option<&Project>, job: &Job) -> Result<(), Unavailable> {
        let mut request = self.request(project, job);
        let entropy = request.entropy.clone();
        let reservation = self.pay(project, job, &mut request).await?;
        // Without an answer nobody knows whether it was sent: what was set aside stays so.
        let outcome = self.options.store.submit(request).await?;
        let sends = |answer: &Answer| {
            let made = answer.snapshot().and_then(|snapshot| snapshot.delivery.as_ref());
            made.is_some_and(|made| made.is_of(&entropy))
        };
        if let Some(reservation) = reservation.filter(|_| !sends(&outcome.answer)) {
            self.options.treasury.give_back(&reservation, reservation.amount);
        }
        Ok(())
    }

    /// The command with what it depends on. Where `project` does not know yet that its test clock was moved, the step is
    /// put back and claimed again.
    fn request(&self, project: Option<&Project>, job: &Job) -> Request {
        let tenant = job.delivery.tenant;
        let entropy = Entropy::draw(self.options.entropy.as_ref());
        let mut request = Request::of_system(tenant, entropy, Command::Step(job.delivery.id));
        if let Some(project) = project {
            request.policy = Arc::new(project.policy());
            request.clock_ahead = ahead(project, tenant.mode);
        }
        request.routes = self.options.board.routes(self.options.clock.now());
        request.limits_apply = tenant.mode == Mode::Live;
        request
    }

    /// Gives the command its permit where a budget pays for it; what was set aside.
    async fn pay(
        &self,
        project: Option<&Project>,
        job: &Job,
        request: &mut Request,
    ) -> Result<Option<Reservation>, Unavailable> {
        let treasury = &self.options.treasury;
        let Some(project) = project.filter(|_| treasury.is_metered(request.tenant)) else { return Ok(None) };
        let Some((to, amount)) = self.dearest(project, job, &request.routes).await else { return Ok(None) };
        request.permit = treasury.take(request.tenant, to.by_ref(), amount).await?;
        match &request.permit {
            Permit::Granted(reservation) => Ok(Some(reservation.clone())),
            Permit::Unmetered | Permit::Exceeded => Ok(None),
        }
    }

    /// To whom the step sends, and what that counts at most: which of the channels that are left it takes is decided later.
    async fn dearest(&self, project: &Project, job: &Job, routes: &Routes) -> Option<(Recipient, u64)> {
        let row = &job.verification;
        let private = row.open_private(&self.options.keys, &job.data_key)?;
        let to = Recipient::parse(&private.to).ok()?;
        let template = self.wording.of(self.options.store.as_ref(), row.tenant, &private).await;
        let wanted = Wanted { tenant: row.tenant, purpose: row.purpose, to: to.by_ref() };
        let cost = |channel| {
            let draft = Draft {
                project,
                private: &private,
                purpose: row.purpose,
                channel,
                lifetime: row.expires_at.since(row.created_at),
                template: template.as_deref(),
            };
            // What cannot be written is not sent, and costs nothing.
            let message = draft.render(&"0".repeat(usize::from(row.format.length)));
            let parts = message.map_or(0, |message| text::parts(channel, &message));
            routes.dearest(&wanted, channel).saturating_mul(u64::from(parts))
        };
        let left = row.workflow.as_ref()?.left().map(|(_, step)| cost(step.channel)).max()?;
        Some((to, left))
    }
}

fn ahead(project: &Project, mode: Mode) -> Duration {
    match mode {
        Mode::Live => Duration::ZERO,
        Mode::Test => Duration::from_secs(project.test_clock_ahead),
    }
}

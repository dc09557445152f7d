//! What a job's message says and to whom: the recipient opened, the code derived, the words filled in.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::command::Job;
use countersign_core::ids::ProjectId;
use countersign_core::message_template::Version;
use countersign_core::tenancy::Project;
use countersign_core::time::Timestamp;
use countersign_core::verification::{Channel, Private};

use super::Worker;
use crate::messages::RenderedMessage;
use crate::provider::Outgoing;
use crate::text;

/// How long a project's settings are remembered.
const PROJECT_STALENESS: Duration = Duration::from_secs(1);

impl Worker {
    /// The message of a job, with whom it goes to.
    pub(super) async fn render(&self, job: &Job, now: Timestamp) -> Result<Outgoing, &'static str> {
        let verification = &job.verification;
        let private = verification.open_private(&self.options.keys, &job.data_key);
        let private = private.ok_or("the recipient does not open")?;
        let project = self.project(verification.tenant.project, now).await.ok_or("the project is gone")?;
        let store = self.options.store.as_ref();
        let template = self.wording.of(store, verification.tenant, &private).await;
        let (code, message) = self.message(&project, &private, template.as_deref(), job)?;
        let channel = job.delivery.channel;
        let left = job.delivery.expires_at.since(now);
        Ok(Outgoing {
            to: private.to,
            channel: channel.as_str(),
            purpose: verification.purpose,
            // A mail comes in the project's name; what an SMS may call itself is agreed with the gateway.
            sender: (channel == Channel::Email).then(|| project.brand.clone()),
            code,
            message,
            delivery_id: job.delivery.id.to_string(),
            deadline: left,
            lifetime: left,
        })
    }

    fn message(
        &self,
        project: &Project,
        private: &Private,
        template: Option<&Version>,
        job: &Job,
    ) -> Result<(String, RenderedMessage), &'static str> {
        let verification = &job.verification;
        let code = verification.code(&self.options.keys, &job.data_key, job.delivery.generation);
        let code = code.ok_or("the root key is unknown, or the code was replaced")?;
        let message = text::of(project, verification, private, job.delivery.channel, &code, template)
            .map_err(|_| "the message could not be rendered")?;
        Ok((code.reveal().to_owned(), message))
    }

    /// The project's settings, at most a second old.
    pub(super) async fn project(&self, id: ProjectId, now: Timestamp) -> Option<Arc<Project>> {
        let fresh = |at: &Timestamp| now.since(*at) < PROJECT_STALENESS;
        if let Ok(known) = self.projects.lock()
            && let Some((_, project)) = known.get(&id).filter(|(at, _)| fresh(at))
        {
            return Some(Arc::clone(project));
        }
        let all = self.options.store.projects().await.ok()?;
        let mut known = self.projects.lock().ok()?;
        *known = all.into_iter().map(|project| (project.id, (now, Arc::new(project)))).collect();
        known.get(&id).map(|(_, project)| Arc::clone(project))
    }
}

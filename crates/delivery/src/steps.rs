//! The next steps of workflows: a delivery that was sent or failed is claimed when it makes one due.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::command::{Command, Job, Request};
use countersign_core::tenancy::Project;
use countersign_core::tenant::Mode;
use countersign_core::time::Entropy;

use crate::worker::WorkerOptions;

/// Takes the step. What comes of it is handed over like any new message; when it fails, the lease ends and somebody else
/// tries.
pub(crate) async fn take(options: &WorkerOptions, project: Option<&Project>, job: &Job) {
    match options.store.submit(request(options, project, job)).await {
        Ok(_) => tracing::info!(delivery = %job.delivery.id, "the next step of the workflow was due"),
        Err(error) => {
            tracing::warn!(delivery = %job.delivery.id, %error, "a step was not taken; its lease will end");
        }
    }
}

/// The command with what it depends on. Where `project` does not know yet that its test clock was moved, the step is put back
/// and claimed again.
fn request(options: &WorkerOptions, project: Option<&Project>, job: &Job) -> Request {
    let tenant = job.delivery.tenant;
    let entropy = Entropy::draw(options.entropy.as_ref());
    let mut request = Request::of_system(tenant, entropy, Command::Step(job.delivery.id));
    if let Some(project) = project {
        request.policy = Arc::new(project.policy());
        request.clock_ahead = ahead(project, tenant.mode);
    }
    request.routes = Arc::clone(&options.routes);
    request.limits_apply = tenant.mode == Mode::Live;
    request
}

fn ahead(project: &Project, mode: Mode) -> Duration {
    match mode {
        Mode::Live => Duration::ZERO,
        Mode::Test => Duration::from_secs(project.test_clock_ahead),
    }
}

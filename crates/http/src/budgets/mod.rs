//! Budgets at the edge: a command that sends takes its permit before it is queued, and gives back what it did not use.

pub(crate) mod list;

use countersign_core::batch::Outcome;
use countersign_core::budget::{Permit, Reservation};
use countersign_core::command::{Answer, Command, Create, Request};
use countersign_core::ids::VerificationId;
use countersign_core::message_template::Version;
use countersign_core::money::{Money, SCALE};
use countersign_core::recipient::Recipient;
use countersign_core::routing::Wanted;
use countersign_core::store::Unavailable;
use countersign_core::tenancy::Project;
use countersign_core::verification::Channel;
use serde_json::{Value, json};

use crate::Draft;
use crate::app::App;
use crate::templates;

/// An amount as answers show it: `amount` divided by ten to the power of `scale`.
pub(crate) fn money(money: Money) -> Value {
    json!({ "amount": money.amount, "scale": SCALE, "currency": money.currency.as_str() })
}

/// Submits a command; one that sends something and is covered by a budget with a permit.
pub(crate) async fn submit(
    app: &App,
    project: &Project,
    mut request: Request,
) -> Result<Outcome, Unavailable> {
    if app.services.treasury.is_metered(request.tenant)
        && let Some((to, amount)) = cost(app, project, &request).await?
    {
        request.permit = app.services.treasury.take(request.tenant, to.by_ref(), amount).await?;
    }
    let Permit::Granted(reservation) = request.permit.clone() else {
        return app.services.store.submit(request).await;
    };
    let dry_run = matches!(&request.command, Command::Create(create) if create.dry_run);
    let entropy = request.entropy.clone();
    // Without an answer nobody knows whether it was sent: what was set aside stays so.
    let outcome = app.services.store.submit(request).await?;
    let uses = |answer: &Answer| match answer {
        Answer::Done(snapshot) => snapshot.delivery.as_ref().is_some_and(|made| made.is_of(&entropy)),
        _ => false,
    };
    if dry_run || outcome.replayed || !uses(&outcome.answer) {
        give_back(app, &reservation);
    }
    Ok(outcome)
}

fn give_back(app: &App, reservation: &Reservation) {
    app.services.treasury.give_back(reservation, reservation.amount);
}

/// To whom a command sends, and what that counts at most. `None` when it sends nothing.
async fn cost(
    app: &App,
    project: &Project,
    request: &Request,
) -> Result<Option<(Recipient, u64)>, Unavailable> {
    match &request.command {
        Command::Create(create) => {
            let template = templates::version(app, request.tenant, &create.private).await?;
            Ok(of_start(app, project, request, create, template.as_ref()))
        }
        Command::Resend(id, channel) => of_resend(app, project, request, *id, *channel).await,
        _ => Ok(None),
    }
}

fn of_start(
    app: &App,
    project: &Project,
    request: &Request,
    create: &Create,
    template: Option<&Version>,
) -> Option<(Recipient, u64)> {
    let wanted = Wanted { tenant: request.tenant, purpose: create.purpose, to: create.to.by_ref() };
    // Which step of a workflow can be taken first is decided later.
    let steps = create.workflow.iter().map(|step| step.channel);
    let named = create.channel.or_else(|| request.routes.channels(&wanted).first().copied());
    let channels: Vec<_> =
        if create.workflow.is_empty() { named.into_iter().collect() } else { steps.collect() };
    let cost = |channel| {
        let draft = Draft {
            private: &create.private,
            purpose: create.purpose,
            channel,
            lifetime: create.lifetime,
            code: &stand_in(create.format.length),
            template,
        };
        amount(app, project, request, &wanted, &draft)
    };
    let amount = channels.into_iter().filter_map(cost).max()?;
    Some((create.to.clone(), amount))
}

async fn of_resend(
    app: &App,
    project: &Project,
    request: &Request,
    id: VerificationId,
    channel: Option<Channel>,
) -> Result<Option<(Recipient, u64)>, Unavailable> {
    let found = app.services.store.verification(request.tenant, id).await?;
    let opened = found.and_then(|shown| {
        let private = shown.verification.open_private(&app.services.keys, &shown.recipient.data_key)?;
        Some((shown, private))
    });
    let Some((shown, private)) = opened else { return Ok(None) };
    let template = templates::version(app, request.tenant, &private).await?;
    let row = &shown.verification;
    let of_it = || {
        let to = Recipient::parse(&private.to).ok()?;
        let wanted = Wanted { tenant: request.tenant, purpose: row.purpose, to: to.by_ref() };
        let cost = |channel| {
            let draft = Draft {
                private: &private,
                purpose: row.purpose,
                channel,
                lifetime: row.expires_at.since(row.created_at),
                code: &stand_in(row.format.length),
                template: template.as_ref(),
            };
            amount(app, project, request, &wanted, &draft)
        };
        // Without a wish a workflow goes on to its next step that can be taken.
        let left = row.workflow.iter().flat_map(|workflow| workflow.left()).map(|(_, step)| step.channel);
        let channels: Vec<_> = channel.map_or_else(|| left.chain([row.channel]).collect(), |one| vec![one]);
        let amount = channels.into_iter().filter_map(cost).max()?;
        Some((to, amount))
    };
    Ok(of_it())
}

/// What stands for a code while nobody knows it.
fn stand_in(length: u8) -> String {
    "0".repeat(usize::from(length))
}

/// Its parts by its dearest provider. `None` for what the customer delivers.
fn amount(
    app: &App,
    project: &Project,
    request: &Request,
    wanted: &Wanted<'_>,
    draft: &Draft<'_>,
) -> Option<u64> {
    if draft.channel == Channel::Own {
        return None;
    }
    // What cannot be written is not sent, and costs nothing.
    let parts = app.services.messages.write(project, draft).map_or(0, |written| written.parts);
    Some(request.routes.dearest(wanted, draft.channel).saturating_mul(u64::from(parts)))
}

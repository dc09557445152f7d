//! A start in a dialect that resends by starting again: the open verification of the same recipient and transaction is
//! sent again, with the same code.

use super::create::{seal_code, seal_private};
use super::{Turn, resend};
use crate::command::{Answer, Create, DialectStart, Effects};
use crate::keys::normalise;
use crate::ledger::RecipientRow;
use crate::limits;
use crate::refusal::Refusal;
use crate::verification::{Binding, Channel, Status, Verification};

/// The open verification a start in a dialect means.
pub(super) fn open_one<'a>(turn: &Turn<'_>, create: &'a Create) -> Option<(&'a DialectStart, Verification)> {
    let start = create.dialect.as_ref()?;
    let transaction = create.private.transaction.as_ref();
    let open = turn.ledger.verifications.values().filter(|known| {
        let mine = Binding::of(turn.keys, known.root, &turn.request.tenant, transaction, None, None);
        known.status_at(turn.now) == Status::Pending
            && known.origin == Some(start.origin)
            && create.index.exact.contains(&known.address)
            && mine.is_some_and(|mine| mine.transaction == known.binding.transaction)
    });
    open.max_by_key(|known| known.id).cloned().map(|open| (start, open))
}

/// Sends it again, with what this start says of language, name and code.
pub(super) fn send(
    turn: &Turn<'_>,
    create: &Create,
    start: &DialectStart,
    mut open: Verification,
    row: RecipientRow,
) -> (Effects, Answer) {
    if is_repetition(turn, create, start, &open, &row) {
        return (Effects::default(), Answer::Done(Box::new(turn.snapshot(&open, &row))));
    }
    if let Some(until) = turn.request.ip_held_until.filter(|_| turn.request.limits_apply) {
        return turn.refuse(Refusal::IpRateLimited(until), &open, &row);
    }
    let renewed = match renew(turn, create, start, &mut open, &row) {
        Some(renewed) => renewed,
        None => return turn.refuse(Refusal::RootUnknown, &open, &row),
    };
    resend::send(turn, open, row, create.channel, renewed)
}

/// Whether a client that saw an error repeats the send it was not told of. Who names another code wants that one sent.
fn is_repetition(
    turn: &Turn<'_>,
    create: &Create,
    start: &DialectStart,
    open: &Verification,
    row: &RecipientRow,
) -> bool {
    let told = start.answered == Some((open.id, open.sends));
    let soon = open.last_send_at.is_some_and(|last| turn.now.since(last) < limits::REPEATED_WITHIN);
    let same = create.channel.is_none_or(|channel: Channel| channel == open.channel);
    !told && soon && same && !names_another_code(turn, create, start, open, row)
}

fn names_another_code(
    turn: &Turn<'_>,
    create: &Create,
    start: &DialectStart,
    open: &Verification,
    row: &RecipientRow,
) -> bool {
    let Some(code) = &start.code else { return false };
    let (wanted, known) =
        (normalise(&code.0, create.format), open.code(turn.keys, &row.data_key, open.generation));
    !wanted.ok().zip(known).is_some_and(|(wanted, known)| known.matches(&wanted))
}

/// Takes over what this start says; whether the code is another one. `None` without the root key.
fn renew(
    turn: &Turn<'_>,
    create: &Create,
    start: &DialectStart,
    open: &mut Verification,
    row: &RecipientRow,
) -> Option<bool> {
    open.sealed = seal_private(turn, create, row, &open.id)?;
    let Some(code) = &start.code else { return Some(false) };
    let wanted = normalise(&code.0, create.format).ok()?;
    let before = open.code(turn.keys, &row.data_key, open.generation)?;
    if before.matches(&wanted) {
        return Some(false);
    }
    open.supplied_code = Some(seal_code(turn, create, code, row, &open.id)?);
    open.format = create.format;
    open.generation = open.generation.saturating_add(1);
    Some(true)
}

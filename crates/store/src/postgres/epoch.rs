//! Which store this is: its epoch, and the check values of the ring it was written with.

use std::sync::Arc;

use countersign_core::journal::{Actor, Entry, Event};
use countersign_core::keys::{Keys, RootId};
use countersign_core::time::{Clock, EntropySource, Timestamp, next_instant};

use super::rows::{bytes, column};
use super::session::{BEGIN, Connector, Session};
use super::settings::Settings;
use super::sql::Sql;
use super::turn::{Claim, Stand, last};
use super::write::{Ended, Writes};
use super::{Failure, Options, lane, node, schema, target};

/// When the epoch began, if it followed a restore; milliseconds, big-endian.
pub(super) const FENCED_AT: &str = "fenced_at";

/// The keys under the store's epoch, and what this node says of its ring. What is made with a store is made at once: an
/// attempt that is cut off leaves nothing that another ring would not fit.
pub(super) async fn keys(session: &Session, options: &Options<'_>) -> Result<(Keys, Vec<u8>), Failure> {
    session.run(BEGIN).await?;
    let keys = keys_in_transaction(session, options).await;
    session.run(if keys.is_ok() { "COMMIT" } else { "ROLLBACK" }).await?;
    keys
}

/// The check value of each root is compared with the one that was kept.
async fn keys_in_transaction(session: &Session, options: &Options<'_>) -> Result<(Keys, Vec<u8>), Failure> {
    let mut fresh = [0; 16];
    options.entropy.fill(&mut fresh);
    let epoch = schema::kept(session, "epoch", &fresh).await?;
    let epoch = epoch.try_into().map_err(|_| Failure::Corrupt("the epoch".to_owned()))?;
    if session.query_opt(Sql::Meta, &[&target::RUNNING]).await?.is_some() {
        return Err(Failure::HalfCopied);
    }
    for root in options.roots {
        let made = root.check_value();
        let kept = schema::kept(session, &format!("check_value/{}", root.id.0), made.as_bytes()).await?;
        if kept != made.as_bytes() {
            let why = format!("the key ring's {} is not the one this database was written with", root.id);
            return Err(Failure::WrongRing(why));
        }
    }
    let keys = Keys::derive(options.roots, epoch).map_err(|error| Failure::WrongRing(error.to_string()))?;
    let fenced = session.query_opt(Sql::Meta, &[&FENCED_AT]).await?.map(|row| bytes(&row, 0)).transpose()?;
    let keys = keys.fenced(fenced.map(|at| Timestamp::from_millis(i64::from_be_bytes(at))));
    let wants = keys.active();
    schema::kept(session, node::NEXT_NUMBER, &1_i64.to_be_bytes()).await?;
    let active = schema::kept(session, "active_root", &wants.0.to_be_bytes()).await?;
    let active = active.try_into().map_err(|_| Failure::Corrupt("the active root".to_owned()))?;
    let active = RootId(u16::from_be_bytes(active));
    if !keys.activate(active) {
        return Err(Failure::RootMissing(active));
    }
    let ring = node::ring(keys.root_ids().collect(), wants)?;
    Ok((keys, ring))
}

/// After a restore: begins a new epoch of the store, so that nothing counts as unused that was used since the backup.
/// Answers when.
///
/// # Errors
/// When there is no store, servers work on it, the database cannot be used, or its clock is too far behind the last commit.
pub async fn fence(settings: &Settings, entropy: &dyn EntropySource) -> Result<Timestamp, Failure> {
    fence_with(settings, entropy, None).await
}

/// The same with a clock that decides instead of the database's, for tests of what time does.
///
/// # Errors
/// As [`fence`].
pub async fn fence_with(
    settings: &Settings,
    entropy: &dyn EntropySource,
    given: Option<Arc<dyn Clock>>,
) -> Result<Timestamp, Failure> {
    let connector = Connector::new(settings)?;
    let bare = connector.bare().await?;
    let sql = "SELECT count(*) FROM information_schema.tables WHERE table_schema = current_schema()
               AND table_name IN ('meta', 'lane', 'refinery_schema_history')";
    if bare.scalar(sql).await? < 3 {
        return Err(Failure::Missing);
    }
    schema::run(&connector).await?;
    let session = connector.session().await?;
    let [mut epoch, mut nobody, mut holder] = [[0; 16]; 3];
    for bytes in [&mut epoch, &mut nobody, &mut holder] {
        entropy.fill(bytes);
    }
    let mut random = [0; 10];
    entropy.fill(&mut random);
    let lane = lane::own(&session, &nobody, holder).await?;
    session.run(BEGIN).await?;
    match begin(&session, lane, &epoch, random, given).await {
        Ok((writes, stand)) => match writes.commit(&session, &stand).await {
            Ended::Committed => Ok(stand.last),
            Ended::RolledBack(failure) | Ended::Unknown(failure) => Err(failure),
        },
        Err(failure) => {
            session.run("ROLLBACK").await?;
            Err(failure)
        }
    }
}

/// All of a fence but its journal entry and the commit.
async fn begin(
    session: &Session,
    lane: Claim,
    epoch: &[u8; 16],
    random: [u8; 10],
    given: Option<Arc<dyn Clock>>,
) -> Result<(Writes, Stand), Failure> {
    let place = session.query_opt(Sql::Lane, &[&lane.id, &lane.holder.as_slice()]).await?;
    let place = place.ok_or(Failure::LaneLost)?;
    // A server that opens the store meanwhile knows this epoch or the next one; with the wrong one it decides nothing.
    if session.execute(Sql::SetMeta, &[&"epoch", &epoch.as_slice()]).await? == 0 {
        return Err(Failure::Missing);
    }
    if session.query_opt(Sql::Meta, &[&target::RUNNING]).await?.is_some() {
        return Err(Failure::HalfCopied);
    }
    let servers = session.query(Sql::LiveRings, &[&node::LIVE]).await?.len();
    if servers > 0 {
        return Err(Failure::InUse(servers));
    }
    let instant = session.query_opt(Sql::Instant, &[]).await?.ok_or(Failure::Conflict)?;
    let shown = Timestamp::from_millis(column::<i64>(&instant, 0)?.div_euclid(1000));
    let clock = given.map_or(shown, |given| given.now());
    let at = next_instant(last(&instant)?, clock).map_err(Failure::ClockWentBack)?;
    session.execute(Sql::PutMeta, &[&FENCED_AT, &at.millis().to_be_bytes().as_slice()]).await?;
    let (batch, stamp): (i64, i64) = (column(&place, 0)?, column(&instant, 3)?);
    let stand = Stand {
        lane: lane.id,
        batch: batch + 1,
        entries: column(&place, 1)?,
        last: at,
        stamp: at.millis().saturating_mul(1000).max(stamp.saturating_add(1)),
    };
    let entry = Entry::of_store(Event::Fenced, Actor::Operator, at, random);
    Ok((Writes::of_entry(&entry)?, stand))
}

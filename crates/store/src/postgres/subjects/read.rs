//! Reads beside the lanes.

use countersign_core::challenge::Challenge;
use countersign_core::ids::{ChallengeId, FactorId, SubjectId};
use countersign_core::store::{ChallengePage, SubjectPage, SubjectShown};
use countersign_core::subject::{Aim, SubjectRow};
use countersign_core::tenant::Tenant;

use super::super::Failure;
use super::super::rows::{bodies, body};
use super::super::session::{Param, Session};
use super::super::sql::Sql;

pub(in super::super) async fn shown(
    session: &Session,
    of: Tenant,
    aim: &Aim,
) -> Result<Option<SubjectShown>, Failure> {
    let of = of.to_bytes();
    let one = |id: &[u8; 16]| (vec![of.as_slice()], vec![id.to_vec()]);
    let (sql, at, (tenants, keys)) = match aim {
        Aim::Name(name) => {
            let digests: Vec<_> = name.index.iter().map(|digest| digest.0.to_vec()).collect();
            (Sql::SubjectsByName, 2, (vec![of.as_slice(); digests.len()], digests))
        }
        Aim::Id(id) => (Sql::SubjectsById, 0, one(id.as_bytes())),
        Aim::Factor(id) => (Sql::SubjectsByFactor, 2, one(id.as_bytes())),
        Aim::Challenge(id) => (Sql::Challenges, 1, one(id.as_bytes())),
    };
    let Some(row) = session.query_opt(sql, &[&tenants, &keys]).await? else { return Ok(None) };
    let subject: SubjectRow = body(&row, at)?;
    let challenges = match aim {
        Aim::Challenge(_) => vec![body(&row, 0)?],
        _ if subject.open.is_empty() => Vec::new(),
        _ => {
            let open: Vec<&[u8]> = subject.open.iter().map(|id| id.as_bytes().as_slice()).collect();
            let tenants = vec![of.as_slice(); open.len()];
            let mut challenges: Vec<Challenge> =
                bodies(&session.query(Sql::Challenges, &[&tenants, &open]).await?)?;
            challenges.sort_by_key(|challenge| subject.open.iter().position(|open| *open == challenge.id));
            challenges
        }
    };
    Ok(Some(SubjectShown { subject, challenges }))
}

pub(in super::super) async fn subjects(
    session: &Session,
    of: Tenant,
    before: Option<SubjectId>,
    limit: usize,
) -> Result<SubjectPage, Failure> {
    let (of, cursor) = (of.to_bytes(), before.map_or([0xff; 16], |id| *id.as_bytes()));
    let params: [Param<'_>; 3] = [&of.as_slice(), &cursor.as_slice(), &one_more(limit)];
    let mut subjects: Vec<SubjectRow> = bodies(&session.query(Sql::SubjectsBefore, &params).await?)?;
    let more = subjects.len() > limit;
    subjects.truncate(limit);
    let next = subjects.last().map(|row| row.id).filter(|_| more);
    Ok(SubjectPage { subjects, next })
}

pub(in super::super) async fn challenges(
    session: &Session,
    of: Tenant,
    subject: Option<SubjectId>,
    before: Option<ChallengeId>,
    limit: usize,
) -> Result<ChallengePage, Failure> {
    let (of, cursor) = (of.to_bytes(), before.map_or([0xff; 16], |id| *id.as_bytes()));
    let (of, cursor, most) = (of.as_slice(), cursor.as_slice(), one_more(limit));
    let rows = match subject {
        Some(subject) => {
            let params: [Param<'_>; 4] = [&of, &subject.as_bytes().as_slice(), &cursor, &most];
            session.query(Sql::ChallengesOfSubject, &params).await?
        }
        None => session.query(Sql::ChallengesBefore, &[&of, &cursor, &most]).await?,
    };
    let mut challenges = Vec::with_capacity(rows.len());
    for row in rows.iter().take(limit) {
        challenges.push((body(row, 0)?, body(row, 1)?));
    }
    let last = challenges.last().map(|(challenge, _): &(Challenge, SubjectRow)| challenge.id);
    Ok(ChallengePage { challenges, next: last.filter(|_| rows.len() > limit) })
}

pub(in super::super) async fn tenant_of_factor(
    session: &Session,
    id: FactorId,
) -> Result<Option<Tenant>, Failure> {
    let row = session.query_opt(Sql::TenantOfFactor, &[&id.as_bytes().as_slice()]).await?;
    row.map(|row| super::tenant(&row, 0)).transpose()
}

fn one_more(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1)
}

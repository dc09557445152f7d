//! The first project and key, for `dev` and `init`, which need no running server.

use countersign_core::ids::{KeyId, ProjectId};
use countersign_core::journal::Actor;
use countersign_core::policy::Profile;
use countersign_core::store::Store;
use countersign_core::tenancy::{
    AdminAnswer, AdminChange, AdminRequest, ApiKey, KeyKind, KeySecret, Project, Scope,
};
use countersign_core::tenant::{Mode, Tenant};
use countersign_core::time::Timestamp;

use crate::entropy::random;
use crate::problem::{Outcome, Problem};
use crate::wire::Opened;

/// What a new project is called, and what its messages say.
pub(crate) struct Naming<'a> {
    /// For people who look after it.
    pub(crate) name: &'a str,
    /// For people who get its messages.
    pub(crate) brand: &'a str,
    /// The host that messages are bound to.
    pub(crate) origin_host: Option<&'a str>,
}

/// Makes a project with the standard profile.
pub(crate) async fn project(opened: &Opened, naming: &Naming<'_>) -> Outcome<Project> {
    let project = Project {
        id: ProjectId::new(opened.clock.now(), random()),
        name: naming.name.to_owned(),
        brand: naming.brand.to_owned(),
        origin_host: naming.origin_host.map(str::to_owned),
        profile: Profile::Standard,
        locale: "en".to_owned(),
        countries: Vec::new(),
        created_at: Timestamp::default(),
        test_clock_ahead: 0,
        outbox_cleared_at: None,
    };
    match administer(opened.store.as_ref(), AdminChange::CreateProject(project)).await? {
        AdminAnswer::Project(project) => Ok(project),
        other => Err(unexpected(&other)),
    }
}

/// Makes a server's key for a project; its text is not kept anywhere.
pub(crate) async fn secret_key(
    opened: &Opened,
    project: ProjectId,
    mode: Mode,
    name: &str,
) -> Outcome<KeySecret> {
    let (id, tenant) = (KeyId::new(opened.clock.now(), random()), Tenant { project, mode });
    let (key, secret) = ApiKey::new(id, tenant, KeyKind::Secret, &random(), false);
    let key = ApiKey { name: name.to_owned(), ..key };
    match administer(opened.store.as_ref(), AdminChange::CreateKey(key)).await? {
        AdminAnswer::Key(_) => Ok(secret),
        other => Err(unexpected(&other)),
    }
}

/// A pair for a vendor's client libraries: the key with its user name, and the secret.
pub(crate) async fn pair(
    opened: &Opened,
    tenant: Tenant,
    scopes: Vec<Scope>,
    name: &str,
) -> Outcome<(ApiKey, KeySecret)> {
    let id = KeyId::new(opened.clock.now(), random());
    let (key, secret) = ApiKey::new(id, tenant, KeyKind::Restricted, &random(), true);
    let key = ApiKey { scopes, name: name.to_owned(), ..key };
    match administer(opened.store.as_ref(), AdminChange::CreateKey(key)).await? {
        AdminAnswer::Key(key) => Ok((key, secret)),
        other => Err(unexpected(&other)),
    }
}

/// The project and mode that a key opens.
pub(crate) async fn tenant_of(store: &dyn Store, text: &str) -> Outcome<Tenant> {
    let prefix = KeySecret::prefix(text).unwrap_or_default().to_owned();
    let record = store.key(prefix).await.map_err(unavailable)?;
    record.map(|record| record.key.tenant).ok_or_else(|| unavailable("the key that was just made is gone"))
}

/// The pair with this user name and secret, as long as it works.
pub(crate) async fn opened_pair(store: &dyn Store, sid: &str, secret: &str) -> Outcome<Option<ApiKey>> {
    let record = store.key(sid.to_owned()).await.map_err(unavailable)?;
    let works = |key: &ApiKey| key.opens_with(secret) && key.revoked_at.is_none();
    Ok(record.map(|record| record.key).filter(works))
}

/// Whether the text of a key opens something in this store now.
pub(crate) async fn opens(store: &dyn Store, text: &str) -> Outcome<bool> {
    let Some(prefix) = KeySecret::prefix(text) else { return Ok(false) };
    let record = store.key(prefix.to_owned()).await.map_err(unavailable)?;
    Ok(record.is_some_and(|record| record.key.opens_with(text) && record.key.revoked_at.is_none()))
}

async fn administer(store: &dyn Store, change: AdminChange) -> Outcome<AdminAnswer> {
    let request = AdminRequest { actor: Actor::Operator, request_id: None, entry: random(), change };
    store.administer(request).await.map_err(unavailable)
}

/// The store does not answer.
pub(crate) fn unavailable(error: impl std::fmt::Display) -> Problem {
    Problem::new("the store cannot be used", error, "run `countersign doctor`; it says what is wrong with it")
}

fn unexpected(answer: &AdminAnswer) -> Problem {
    let fix = "report this as a bug of countersign";
    Problem::new("the store refused a new project or key", format!("it answered {answer:?}"), fix)
}

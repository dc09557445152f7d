//! `/v1/api_keys`: make, list and revoke keys. A key's text is shown once.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use countersign_core::ids::{KeyId, ProjectId};
use countersign_core::tenancy::{AdminAnswer, AdminChange, ApiKey, KeyKind, KeySecret, Scope};
use countersign_core::tenant::{Mode, Tenant};
use countersign_core::time::Timestamp;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::answer::{Text, json, read_instant};
use crate::app::App;
use crate::body::Payload;
use crate::caller::{Caller, lacks};
use crate::error_code::ErrorCode as Code;
use crate::fields::{Fields, invalid, missing};
use crate::limits;
use crate::list::{ListView, Query};
use crate::network::Cidr;
use crate::openapi::{CURSOR, LIMIT, Method, Operation, Parameter};
use crate::path::PathId;
use crate::problem::Problem;

const PROJECT: Parameter =
    Parameter { name: "project", description: "The project; needed with an operator key, and only there" };

pub(crate) const LIST: Operation = Operation {
    method: Method::Get,
    path: "/v1/api_keys",
    id: "listApiKeys",
    tag: "Projects and keys",
    summary: "List the keys of a project",
    description: "Newest first, revoked ones too, never their texts.",
    scope: Some("keys:manage"),
    parameters: &[LIMIT, CURSOR, PROJECT],
    body: None,
    success: (200, "A page", "ApiKeyList"),
    errors: &[Code::CursorInvalid],
    idempotent: false,
};

pub(crate) const CREATE: Operation = Operation {
    method: Method::Post,
    path: "/v1/api_keys",
    id: "createApiKey",
    tag: "Projects and keys",
    summary: "Make a key",
    description: "The answer shows the key's text in `secret`, this once. A key grants only scopes it has; an operator key \
                  grants any. With `dialect` the key is a pair for a vendor's client libraries: `prefix` is its user name and `secret` \
                  its password.",
    scope: Some("keys:manage"),
    parameters: &[],
    body: Some((
        "ApiKeyCreate",
        r#"{"project":"prj_01m83n1fqkeat9ryjx42vfks43","kind":"restricted","livemode":true,"scopes":["verifications:check"],"name":"shop backend"}"#,
    )),
    success: (201, "The key with its text", "ApiKey"),
    errors: &[Code::ResourceNotFound, Code::StateConflict],
    idempotent: false,
};

pub(crate) const REVOKE: Operation = Operation {
    method: Method::Delete,
    path: "/v1/api_keys/{id}",
    id: "revokeApiKey",
    tag: "Projects and keys",
    summary: "Revoke a key",
    description: "It opens nothing from then on; other nodes follow within a second.",
    scope: Some("keys:manage"),
    parameters: &[],
    body: None,
    success: (200, "The key, revoked", "ApiKey"),
    errors: &[Code::ResourceNotFound],
    idempotent: false,
};

#[derive(Serialize)]
struct KeyView<'a> {
    id: Text<KeyId>,
    object: &'static str,
    project: Text<ProjectId>,
    livemode: bool,
    kind: &'static str,
    name: &'a str,
    prefix: &'a str,
    scopes: Vec<&'static str>,
    networks: &'a [String],
    expires_at: Option<Text<Timestamp>>,
    revoked_at: Option<Text<Timestamp>>,
    created_at: Text<Timestamp>,
    secret: Option<&'a str>,
}

impl<'a> KeyView<'a> {
    fn new(key: &'a ApiKey, secret: Option<&'a str>) -> Self {
        Self {
            id: Text(key.id),
            object: "api_key",
            project: Text(key.tenant.project),
            livemode: key.tenant.mode.is_live(),
            kind: key.kind.as_str(),
            name: &key.name,
            prefix: &key.prefix,
            scopes: key.scopes.iter().map(|scope| scope.as_str()).collect(),
            networks: &key.networks,
            expires_at: key.expires_at.map(Text),
            revoked_at: key.revoked_at.map(Text),
            created_at: Text(key.created_at),
            secret,
        }
    }
}

pub(crate) async fn list(State(app): State<App>, uri: Uri, caller: Caller) -> Result<Response, Problem> {
    caller.needs(Scope::KeysManage)?;
    let query = Query::of(&uri, &["limit", "cursor", "project"])?;
    let (limit, before) = (query.limit()?, query.cursor()?.map(KeyId::from_bytes));
    let named =
        query.read("project", "an id like prj_01m83n1fqkeat9ryjx42vfks43", |text| text.parse().ok())?;
    let project = project(&caller, named)?;
    let mut keys = app.services.store.keys(project).await?;
    keys.retain(|key| {
        before.is_none_or(|before| key.id < before)
            && caller.bound_to().is_none_or(|tenant| tenant == key.tenant)
    });
    keys.sort_by_key(|key| std::cmp::Reverse(key.id));
    let more = keys.len() > limit;
    keys.truncate(limit);
    let next = keys.last().filter(|_| more).map(|key| key.id);
    let data = keys.iter().map(|key| KeyView::new(key, None)).collect();
    Ok(json(StatusCode::OK, &ListView::new(data, next.as_ref().map(KeyId::as_bytes))))
}

/// The project a call concerns: the caller's own, or the one an operator names.
fn project(caller: &Caller, named: Option<ProjectId>) -> Result<ProjectId, Problem> {
    match (caller.bound_to(), named) {
        (Some(own), Some(named)) if named != own.project => Err(Problem::plain(Code::ResourceNotFound)),
        (Some(own), _) => Ok(own.project),
        (None, Some(named)) => Ok(named),
        (None, None) => Err(missing("project")),
    }
}

pub(crate) async fn create(
    State(app): State<App>,
    caller: Caller,
    payload: Payload,
) -> Result<Response, Problem> {
    caller.needs(Scope::KeysManage)?;
    let known = ["project", "kind", "livemode", "name", "scopes", "networks", "expires_at", "dialect"];
    let (key, secret) = read(&app, &caller, &mut payload.fields(&known)?)?;
    let change = AdminChange::CreateKey(key);
    match app.administer(caller.actor(), caller.context.request_id, change).await? {
        AdminAnswer::Key(key) => Ok(json(StatusCode::CREATED, &KeyView::new(&key, Some(&secret.0)))),
        AdminAnswer::NotFound => Err(Problem::plain(Code::ResourceNotFound).param("project")),
        AdminAnswer::Project(_) | AdminAnswer::Setting(_) | AdminAnswer::Noted | AdminAnswer::Conflict => {
            Err(Problem::plain(Code::StateConflict))
        }
    }
}

fn read(app: &App, caller: &Caller, fields: &mut Fields) -> Result<(ApiKey, KeySecret), Problem> {
    let kind = fields.word("kind", "secret, restricted or operator", KeyKind::named)?;
    let kind = kind.ok_or_else(|| missing("kind"))?;
    let named =
        fields.word("project", "an id like prj_01m83n1fqkeat9ryjx42vfks43", |text| text.parse().ok())?;
    let project = project(caller, named)?;
    let tenant = Tenant { project, mode: mode(caller, kind, fields.boolean("livemode")?)? };
    let pair = fields.word("dialect", "twilio", |name| (name == "twilio").then_some(()))?.is_some();
    if pair && kind != KeyKind::Restricted {
        return Err(invalid("dialect", "goes only with the kind `restricted`"));
    }
    let now = app.services.clock.now();
    let mut random = Zeroizing::new([0; 32]);
    app.services.entropy.fill(random.as_mut_slice());
    let (key, secret) = ApiKey::new(KeyId::new(now, app.id_tail()), tenant, kind, &random, pair);
    let scopes = scopes(caller, kind, key.scopes, fields.texts("scopes", Scope::ALL.len())?)?;
    let name = fields.line("name", 80)?.unwrap_or_default();
    let (expires_at, networks) = (expires_at(fields, now)?, networks(fields)?);
    Ok((ApiKey { scopes, name, expires_at, networks, ..key }, secret))
}

/// The mode of the new key. A key of one mode makes keys of that mode only.
fn mode(caller: &Caller, kind: KeyKind, livemode: Option<bool>) -> Result<Mode, Problem> {
    let own = caller.bound_to().map(|tenant| tenant.mode);
    let asked = livemode.map(|live| if live { Mode::Live } else { Mode::Test });
    match (kind, own, asked) {
        (KeyKind::Operator, _, _) => Ok(Mode::Live),
        (_, Some(own), Some(asked)) if own != asked => {
            Err(Problem::new(Code::ModeMismatch, "A key makes keys of its own mode only.").param("livemode"))
        }
        (_, own, asked) => asked.or(own).ok_or_else(|| missing("livemode")),
    }
}

/// The scopes of the new key: those asked for, or those its kind has; never more than the caller may grant.
fn scopes(
    caller: &Caller,
    kind: KeyKind,
    usual: Vec<Scope>,
    asked: Option<Vec<String>>,
) -> Result<Vec<Scope>, Problem> {
    let scopes = match asked {
        None => usual,
        Some(names) => names
            .iter()
            .map(|name| Scope::named(name).ok_or_else(|| invalid("scopes", "has a name that is not a scope")))
            .collect::<Result<_, _>>()?,
    };
    if scopes.is_empty() {
        return Err(missing("scopes"));
    }
    if caller.bound_to().is_some() && kind == KeyKind::Operator {
        return Err(lacks(Scope::ProjectsManage));
    }
    match scopes.iter().find(|scope| caller.bound_to().is_some() && !caller.may(**scope)) {
        Some(beyond) => Err(lacks(*beyond)),
        None => Ok(scopes),
    }
}

fn expires_at(fields: &mut Fields, now: Timestamp) -> Result<Option<Timestamp>, Problem> {
    let Some(text) = fields.text("expires_at", 64)? else { return Ok(None) };
    let later = read_instant(&text).filter(|instant| *instant > now);
    later.map(Some).ok_or_else(|| invalid("expires_at", "must be an instant (RFC 3339) in the future"))
}

fn networks(fields: &mut Fields) -> Result<Vec<String>, Problem> {
    let networks = fields.texts("networks", limits::MAX_NETWORKS)?.unwrap_or_default();
    if networks.iter().all(|network| Cidr::parse(network).is_some()) {
        return Ok(networks);
    }
    Err(invalid("networks", "must be a list of addresses or prefixes, such as 203.0.113.0/24"))
}

pub(crate) async fn revoke(
    State(app): State<App>,
    PathId(id): PathId,
    uri: Uri,
    caller: Caller,
) -> Result<Response, Problem> {
    caller.needs(Scope::KeysManage)?;
    Query::of(&uri, &[])?;
    let not_found = || Problem::plain(Code::ResourceNotFound);
    let id = id.parse().map_err(|_| not_found())?;
    let project = project_of(&app, &caller, id).await?.ok_or_else(not_found)?;
    let change = AdminChange::RevokeKey(project, id);
    match app.administer(caller.actor(), caller.context.request_id, change).await? {
        AdminAnswer::Key(key) => Ok(json(StatusCode::OK, &KeyView::new(&key, None))),
        AdminAnswer::Project(_)
        | AdminAnswer::Setting(_)
        | AdminAnswer::Noted
        | AdminAnswer::NotFound
        | AdminAnswer::Conflict => Err(not_found()),
    }
}

/// The project of a key, as far as the caller may see it.
async fn project_of(app: &App, caller: &Caller, id: KeyId) -> Result<Option<ProjectId>, Problem> {
    let store = &app.services.store;
    if let Some(tenant) = caller.bound_to() {
        let keys = store.keys(tenant.project).await?;
        let own = keys.iter().any(|key| key.id == id && key.tenant == tenant);
        return Ok(own.then_some(tenant.project));
    }
    for project in store.projects().await? {
        if store.keys(project.id).await?.iter().any(|key| key.id == id) {
            return Ok(Some(project.id));
        }
    }
    Ok(None)
}

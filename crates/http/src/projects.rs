//! `GET` and `POST /v1/projects`: the tenants of this server.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use countersign_core::ids::ProjectId;
use countersign_core::policy::Profile;
use countersign_core::recipient::Country;
use countersign_core::tenancy::{AdminAnswer, AdminChange, Project, Scope};
use countersign_core::time::Timestamp;
use serde::Serialize;

use crate::answer::{Text, json};
use crate::app::App;
use crate::body::Payload;
use crate::caller::Caller;
use crate::error_code::ErrorCode as Code;
use crate::fields::{Fields, invalid, missing};
use crate::limits;
use crate::list::{ListView, Query};
use crate::openapi::{CURSOR, LIMIT, Method, Operation};
use crate::problem::Problem;

pub(crate) const LIST: Operation = Operation {
    method: Method::Get,
    path: "/v1/projects",
    id: "listProjects",
    tag: "Projects and keys",
    summary: "List projects",
    description: "Newest first. For operator keys.",
    scope: Some("projects:manage"),
    parameters: &[LIMIT, CURSOR],
    body: None,
    success: (200, "A page", "ProjectList"),
    errors: &[Code::CursorInvalid],
    idempotent: false,
};

pub(crate) const CREATE: Operation = Operation {
    method: Method::Post,
    path: "/v1/projects",
    id: "createProject",
    tag: "Projects and keys",
    summary: "Make a project",
    description: "A tenant with its own keys, limits and data. For operator keys.",
    scope: Some("projects:manage"),
    parameters: &[],
    body: Some(("ProjectCreate", r#"{"name":"Shop","brand":"Example Shop","origin_host":"shop.example"}"#)),
    success: (201, "The project", "Project"),
    errors: &[Code::StateConflict],
    idempotent: false,
};

#[derive(Serialize)]
struct ProjectView {
    id: Text<ProjectId>,
    object: &'static str,
    name: String,
    brand: String,
    origin_host: Option<String>,
    profile: &'static str,
    locale: String,
    countries: Vec<String>,
    test_clock_ahead: u64,
    created_at: Text<Timestamp>,
}

impl From<Project> for ProjectView {
    fn from(project: Project) -> Self {
        Self {
            id: Text(project.id),
            object: "project",
            name: project.name,
            brand: project.brand,
            origin_host: project.origin_host,
            profile: project.profile.as_str(),
            locale: project.locale,
            countries: project.countries,
            test_clock_ahead: project.test_clock_ahead,
            created_at: Text(project.created_at),
        }
    }
}

pub(crate) async fn list(State(app): State<App>, uri: Uri, caller: Caller) -> Result<Response, Problem> {
    caller.needs(Scope::ProjectsManage)?;
    let query = Query::of(&uri, &["limit", "cursor"])?;
    let (limit, before) = (query.limit()?, query.cursor()?.map(ProjectId::from_bytes));
    let mut projects = app.services.store.projects().await?;
    projects.retain(|project| before.is_none_or(|before| project.id < before));
    projects.sort_by_key(|project| std::cmp::Reverse(project.id));
    let more = projects.len() > limit;
    projects.truncate(limit);
    let next = projects.last().filter(|_| more).map(|project| project.id);
    let data = projects.into_iter().map(ProjectView::from).collect();
    Ok(json(StatusCode::OK, &ListView::new(data, next.as_ref().map(ProjectId::as_bytes))))
}

pub(crate) async fn create(
    State(app): State<App>,
    caller: Caller,
    payload: Payload,
) -> Result<Response, Problem> {
    caller.needs(Scope::ProjectsManage)?;
    let known = ["name", "brand", "origin_host", "profile", "locale", "countries"];
    let project = read(&app, &mut payload.fields(&known)?)?;
    let change = AdminChange::CreateProject(project);
    match app.administer(caller.actor(), caller.context.request_id, change).await? {
        AdminAnswer::Project(project) => Ok(json(StatusCode::CREATED, &ProjectView::from(project))),
        AdminAnswer::Key(_)
        | AdminAnswer::Setting(_)
        | AdminAnswer::Noted
        | AdminAnswer::NotFound
        | AdminAnswer::Conflict => Err(Problem::plain(Code::StateConflict)),
    }
}

fn read(app: &App, fields: &mut Fields) -> Result<Project, Problem> {
    let name = fields.line("name", 80)?.ok_or_else(|| missing("name"))?;
    let now = app.services.clock.now();
    Ok(Project {
        id: ProjectId::new(now, app.id_tail()),
        brand: fields.line("brand", 40)?.unwrap_or_else(|| name.chars().take(40).collect()),
        name,
        origin_host: origin_host(fields)?,
        profile: fields
            .word("profile", "standard, nist, psd2, hipaa or pci", Profile::named)?
            .unwrap_or(Profile::Standard),
        locale: fields.line("locale", limits::MAX_LOCALE)?.unwrap_or_else(|| "en".to_owned()),
        countries: countries(fields)?,
        created_at: now,
        test_clock_ahead: 0,
        outbox_cleared_at: None,
    })
}

/// A host name in ASCII, without a port: it ends every short message as `@host #code`.
fn origin_host(fields: &mut Fields) -> Result<Option<String>, Problem> {
    let Some(host) = fields.line("origin_host", 253)? else { return Ok(None) };
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if host.split('.').all(label) {
        return Ok(Some(host));
    }
    Err(invalid(
        "origin_host",
        "must be a host name in lower-case ASCII without a port, such as `shop.example`",
    ))
}

fn countries(fields: &mut Fields) -> Result<Vec<String>, Problem> {
    let countries = fields.texts("countries", limits::MAX_COUNTRIES)?.unwrap_or_default();
    if countries.iter().all(|country| country.parse::<Country>().is_ok()) {
        return Ok(countries);
    }
    Err(invalid("countries", "must be a list of two capital letters each, such as `PL`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;

    #[test]
    fn an_origin_host_is_a_plain_host_name() {
        let read = |host: &str| {
            let body = Value::Object(vec![("origin_host".into(), Value::Text(host.into()))]);
            origin_host(&mut Fields::of_body(body, &["origin_host"]).unwrap())
        };
        assert_eq!(read("shop.example").unwrap().as_deref(), Some("shop.example"));
        for wrong in [
            "https://shop.example",
            "shop.example:443",
            "Shop.example",
            "-a.example",
            "a..b",
            "żółw.pl",
            "a b",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}

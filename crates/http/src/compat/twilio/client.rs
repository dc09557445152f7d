//! Who is asking: Basic with `SK…` and its secret, or with `AC…` and the secret of any pair of that account.

use axum::extract::FromRequestParts;
use axum::http::header::{AUTHORIZATION, HOST};
use axum::http::request::Parts;
use countersign_core::command::{Command, Request};
use countersign_core::ids::ProjectId;
use countersign_core::subject::{Act, Aim, Authority, SubjectCommand};
use countersign_core::tenancy::Scope;
use countersign_core::time::Timestamp;
use zeroize::Zeroizing;

use super::error::{Asked, TwilioError};
use super::sid::Sid;
use crate::app::App;
use crate::auth;
use crate::caller::{Caller, Member};
use crate::subjects::{Declined, Told, decide};

/// Where the dialect is mounted.
pub(crate) const MOUNT: &str = "/compat/twilio";

/// An authenticated request of this dialect.
pub(crate) struct Client {
    caller: Caller,
    /// The base of links in answers, up to the version.
    base: String,
}

/// A client that may do what it asks for.
pub(crate) struct Account {
    pub(crate) member: Member,
    base: String,
}

impl FromRequestParts<App> for Client {
    type Rejection = TwilioError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, TwilioError> {
        let (user, secret) = credentials(parts).ok_or_else(TwilioError::unauthorized)?;
        let opened = if let Some(key) = Sid::parse("SK", &user) {
            auth::open_pair(app, &key.to_string(), &secret).await?
        } else {
            let project = Sid::parse("AC", &user).ok_or_else(TwilioError::unauthorized)?.1;
            auth::open_account(app, ProjectId::from_bytes(project), &secret).await?
        };
        let caller = auth::enter(parts, app, opened)?;
        Ok(Self { caller, base: base(parts, app) })
    }
}

impl Client {
    pub(crate) fn may(self, scope: Scope) -> Result<Account, TwilioError> {
        Ok(Account { member: self.caller.member(scope)?, base: self.base })
    }
}

impl Account {
    /// `AC…`: the project.
    pub(crate) fn sid(&self) -> Sid {
        Sid("AC", *self.member.tenant.project.as_bytes())
    }

    /// An absolute link to a path below the mount, such as `/v2/Services`.
    pub(crate) fn link(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    pub(crate) fn now(&self, app: &App) -> Timestamp {
        self.member.now(app)
    }

    /// A command under the numbers of this dialect, which keeps its limits in test mode too: its callers cannot ask
    /// for them.
    pub(crate) fn request(&self, app: &App, command: Command) -> Request {
        Request {
            policy: self.member.dialect_policy(),
            limits_apply: true,
            ..self.member.request(app, command, None)
        }
    }

    /// Asks the rules something about a subject.
    pub(crate) async fn ask(
        &self,
        app: &App,
        aim: Aim,
        act: Act,
    ) -> Result<Result<Told, Declined>, TwilioError> {
        let command = Command::Subject(Box::new(SubjectCommand { aim, act }));
        Ok(decide(app, self.request(app, command)).await?)
    }

    /// The same where nothing but success is an answer.
    pub(crate) async fn told(
        &self,
        app: &App,
        aim: Aim,
        act: Act,
        asked: Asked,
    ) -> Result<Told, TwilioError> {
        let told = self.ask(app, aim, act).await?;
        told.map_err(|declined| TwilioError::of_decline(&declined, asked, self.now(app)))
    }

    /// What gives these credentials the right to remove factors that are in use: their scope, or nothing.
    pub(crate) fn authority(&self) -> Authority {
        if self.member.may(Scope::FactorsManage) { Authority::Key } else { Authority::None }
    }
}

/// User name and password of Basic authentication (RFC 7617).
fn credentials(parts: &Parts) -> Option<(String, Zeroizing<String>)> {
    let header = parts.headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = Zeroizing::new(data_encoding::BASE64.decode(encoded.trim().as_bytes()).ok()?);
    let (user, secret) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some((user.to_owned(), Zeroizing::new(secret.to_owned())))
}

/// The configured address of this server; else the host the client used, when that is one.
fn base(parts: &Parts, app: &App) -> String {
    let services = &app.services;
    if services.public_url.is_none() {
        let named = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
        let named = named.or_else(|| parts.uri.authority().map(axum::http::uri::Authority::as_str));
        if let (Some(host), Some((scheme, _))) =
            (named.filter(|host| is_host(host)), services.issuer.split_once("://"))
        {
            return format!("{scheme}://{host}{MOUNT}");
        }
    }
    format!("{}{MOUNT}", services.public_url.as_deref().unwrap_or(&services.issuer))
}

/// A host with or without a port, an address of version 6 in brackets.
fn is_host(text: &str) -> bool {
    let fine = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
    (1..=255).contains(&text.len()) && text.bytes().all(fine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_host_stands_in_links() {
        assert!(is_host("otp.example.com:8443") && is_host("[::1]:8080"));
        for wrong in ["", "a/b", "a@b", "a b", "a?b", "a#b"] {
            assert!(!is_host(wrong), "{wrong}");
        }
    }
}

//! What the answer to an enrolment shows beside the factor, once: the secret, and how to bring it to the app or device.

use countersign_core::factor::{FactorKind, FactorState};
use countersign_core::keys::Keys;
use countersign_core::subject::SubjectSnapshot;
use countersign_core::time::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Serialize, Serializer};
use zeroize::Zeroizing;

use super::key_uri::{base32, key_uri, warnings};
use super::qr::Qr;
use super::view::FactorView;
use crate::answer::Text;
use crate::error_code::ErrorCode;
use crate::problem::Problem;
use crate::subjects::Person;

/// A factor with what is shown once.
#[derive(Serialize)]
pub(crate) struct EnrolledView {
    #[serde(flatten)]
    factor: FactorView,
    secret: Option<Secret>,
    otpauth_url: Option<Secret>,
    qr_svg: Option<Secret>,
    /// The file in Base64.
    qr_png: Option<Secret>,
    codes: Option<Vec<Secret>>,
    enrollment: Option<EnrollmentView>,
    activation_question: Option<String>,
    warnings: Vec<&'static str>,
}

/// What a device needs to enrol.
#[derive(Serialize)]
struct EnrollmentView {
    token: Secret,
    url: Secret,
    qr_svg: Secret,
    expires_at: Text<Timestamp>,
}

/// A text that must not stay in memory longer than its answer.
struct Secret(Zeroizing<String>);

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl Secret {
    fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl EnrolledView {
    /// The view of an outcome that reveals; `issuer` is what an app shows, `base` where devices find this server.
    pub(crate) fn new(
        keys: &Keys,
        snapshot: &SubjectSnapshot,
        issuer: &str,
        base: &str,
    ) -> Result<Self, Problem> {
        let gone = || Problem::plain(ErrorCode::ResourceNotFound);
        let person = Person::open(keys, &snapshot.subject);
        let factor = snapshot.factor().ok_or_else(gone)?;
        let private = person.factor(factor);
        let account = private.account.as_deref().or(person.external_id()).unwrap_or_default();
        // The secret of one that was activated meanwhile, and lies in a repetition of the outcome, is the same.
        let reveal = snapshot.reveal && factor.state != FactorState::Removed && person.data_key.is_some();
        let url = key_uri(&factor.means, &private, issuer, account).filter(|_| reveal);
        let qr = url.as_ref().and_then(|url| Qr::of(url));
        let shared = !private.secret.0.is_empty() && reveal;
        let codes = person.data_key.as_ref().and_then(|key| snapshot.backup_codes(key));
        let enrollment =
            if factor.kind() == FactorKind::Push { enrollment(keys, &person, snapshot, base) } else { None };
        Ok(Self {
            factor: FactorView::new(&person, factor, snapshot.at),
            secret: shared.then(|| Secret(base32(&private.secret.0))),
            qr_svg: qr.as_ref().map(|qr| Secret::new(qr.svg())),
            qr_png: qr.as_ref().and_then(Qr::png).map(|png| Secret::new(data_encoding::BASE64.encode(&png))),
            otpauth_url: url.map(Secret),
            codes: codes.map(|codes| codes.into_iter().map(Secret).collect()),
            enrollment,
            activation_question: factor
                .activation_question(keys, &snapshot.subject)
                .filter(|_| factor.state == FactorState::Pending),
            warnings: warnings(&factor.means),
        })
    }
}

fn enrollment(
    keys: &Keys,
    person: &Person<'_>,
    snapshot: &SubjectSnapshot,
    base: &str,
) -> Option<EnrollmentView> {
    let factor = snapshot.factor().filter(|factor| factor.state == FactorState::Pending)?;
    let token = factor.enrolment_token(keys, person.row.data_key.root, &person.row.tenant)?;
    let server = utf8_percent_encode(base, NON_ALPHANUMERIC);
    let url = format!("countersign://enroll?server={server}&factor={}&token={token}", factor.id);
    Some(EnrollmentView {
        qr_svg: Secret::new(Qr::of(&url)?.svg()),
        token: Secret::new(token),
        url: Secret::new(url),
        expires_at: Text(factor.expires_at()),
    })
}

//! Proofs: compact JWS (RFC 7515) with EdDSA (RFC 8037), and the key sets that let anybody verify them offline.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use countersign_core::challenge::{ApprovedBy, Challenge, ChallengePrivate, Method};
use countersign_core::command::{ProofGrant, Snapshot};
use countersign_core::ids::{ChallengeId, ProjectId, ProofId, VerificationId};
use countersign_core::keys::{Keys, RootId, length_prefixed_all, sha256};
use countersign_core::limits::PROOF_LIFETIME;
use countersign_core::tenant::Mode;
use countersign_core::verification::{Channel, Private};
use data_encoding::BASE64URL_NOPAD;
use serde::Serialize;
use serde_json::json;

use crate::answer::{Text, json_bytes};
use crate::error_code::ErrorCode;
use crate::problem::Problem;
use crate::subjects::Person;

/// The signing keys of this process: parsed once, for both modes.
pub(crate) struct Signers {
    live: Signer,
    test: Signer,
}

struct Signer {
    issuer: String,
    /// The encoded header and the key, under the active root.
    active: Option<(String, Ed25519KeyPair)>,
    jwks: Vec<u8>,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: Text<ProjectId>,
    sub: Option<&'a str>,
    jti: Text<ProofId>,
    iat: i64,
    exp: i64,
    vrf: Text<VerificationId>,
    session: Option<&'a str>,
    purpose: &'static str,
    amr: &'static [&'static str],
    acr: &'static str,
    restricted: bool,
    phishing_resistant: bool,
    recipient: &'a str,
    recipient_digest: String,
    txn: Option<Transaction<'a>>,
    livemode: bool,
}

#[derive(Serialize)]
struct ChallengeClaims<'a> {
    iss: &'a str,
    aud: Text<ProjectId>,
    sub: Option<&'a str>,
    jti: Text<ProofId>,
    iat: i64,
    exp: i64,
    chl: Text<ChallengeId>,
    vrf: Option<Text<VerificationId>>,
    session: Option<&'a str>,
    purpose: &'static str,
    amr: &'static [&'static str],
    acr: &'static str,
    restricted: bool,
    phishing_resistant: bool,
    txn: Option<Transaction<'a>>,
    livemode: bool,
}

#[derive(Serialize)]
struct Transaction<'a> {
    amount: u64,
    currency: &'a str,
    payee: &'a str,
    reference: Option<&'a str>,
}

impl Signers {
    /// The keys of both modes. Test proofs have an issuer and a key set of their own.
    pub(crate) fn new(keys: &Keys, issuer: &str) -> Self {
        let issuer = issuer.trim_end_matches('/');
        Self {
            live: Signer::new(keys, issuer.to_owned(), true),
            test: Signer::new(keys, format!("{issuer}/test"), false),
        }
    }

    /// The key set of a mode (RFC 7517).
    pub(crate) fn jwks(&self, livemode: bool) -> &[u8] {
        if livemode { &self.live.jwks } else { &self.test.jwks }
    }

    /// The proof of an approval.
    pub(crate) fn proof(
        &self,
        snapshot: &Snapshot,
        private: &Private,
        grant: ProofGrant,
    ) -> Result<String, Problem> {
        let signer = self.of(snapshot.verification.tenant.mode);
        signer.sign(&claims(&signer.issuer, snapshot, private, grant))
    }

    /// The proof of an approved challenge.
    pub(crate) fn challenge_proof(
        &self,
        person: &Person<'_>,
        challenge: &Challenge,
        grant: ProofGrant,
    ) -> Result<String, Problem> {
        let signer = self.of(challenge.tenant.mode);
        let by = challenge.approved_by.ok_or_else(|| {
            tracing::error!("a proof was wanted of a challenge that nothing approved");
            Problem::plain(ErrorCode::InternalError)
        })?;
        signer.sign(&challenge_claims(
            &signer.issuer,
            person,
            challenge,
            &person.challenge(challenge),
            by,
            grant,
        ))
    }

    fn of(&self, mode: Mode) -> &Signer {
        if mode.is_live() { &self.live } else { &self.test }
    }
}

impl Signer {
    /// The compact JWS of these claims.
    fn sign(&self, claims: &impl Serialize) -> Result<String, Problem> {
        let (header, key) = self.active.as_ref().ok_or_else(|| {
            tracing::error!("there is no key to sign proofs with");
            Problem::plain(ErrorCode::InternalError)
        })?;
        let mut token = String::with_capacity(1024);
        token.push_str(header);
        token.push('.');
        BASE64URL_NOPAD.encode_append(&json_bytes(claims), &mut token);
        let signature =
            key.try_sign(token.as_bytes()).map_err(|_| Problem::plain(ErrorCode::InternalError))?;
        token.push('.');
        BASE64URL_NOPAD.encode_append(signature.as_ref(), &mut token);
        Ok(token)
    }

    fn new(keys: &Keys, issuer: String, livemode: bool) -> Self {
        let pair = |root: RootId| {
            let seed = keys.proof_seed(root, livemode)?;
            Ed25519KeyPair::from_seed_unchecked(seed.as_slice()).ok()
        };
        let public: Vec<_> = keys.root_ids().filter_map(pair).map(|pair| jwk(&pair)).collect();
        let active = pair(keys.active()).map(|pair| {
            let header = json!({ "alg": "EdDSA", "typ": "JWT", "kid": thumbprint(&pair) });
            (BASE64URL_NOPAD.encode(&json_bytes(&header)), pair)
        });
        Self { issuer, active, jwks: json_bytes(&json!({ "keys": public })) }
    }
}

fn public(pair: &Ed25519KeyPair) -> String {
    BASE64URL_NOPAD.encode(pair.public_key().as_ref())
}

/// RFC 7638: SHA-256 of the key's required members in their canonical form.
fn thumbprint(pair: &Ed25519KeyPair) -> String {
    let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, public(pair));
    BASE64URL_NOPAD.encode(&sha256(canonical.as_bytes()).0)
}

fn jwk(pair: &Ed25519KeyPair) -> serde_json::Value {
    json!({
        "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA",
        "kid": thumbprint(pair), "x": public(pair),
    })
}

fn claims<'a>(issuer: &'a str, snapshot: &Snapshot, private: &'a Private, grant: ProofGrant) -> Claims<'a> {
    let row = &snapshot.verification;
    let (amr, acr, restricted) = how(row.channel);
    let issued = grant.issued_at.seconds();
    let jti = grant.id.to_string();
    let digest = sha256(&length_prefixed_all(&[jti.as_bytes(), private.to.as_bytes()]));
    Claims {
        iss: issuer,
        aud: Text(row.tenant.project),
        sub: private.subject.as_deref(),
        jti: Text(grant.id),
        iat: issued,
        exp: expiry(issued),
        vrf: Text(row.id),
        session: private.session.as_deref(),
        purpose: row.purpose.as_str(),
        amr,
        acr,
        restricted,
        phishing_resistant: false,
        recipient: &private.masked,
        recipient_digest: BASE64URL_NOPAD.encode(&digest.0),
        txn: private.transaction.as_ref().map(Transaction::of),
        livemode: row.tenant.mode.is_live(),
    }
}

fn challenge_claims<'a>(
    issuer: &'a str,
    person: &'a Person<'_>,
    challenge: &Challenge,
    private: &'a ChallengePrivate,
    by: ApprovedBy,
    grant: ProofGrant,
) -> ChallengeClaims<'a> {
    let (amr, acr, restricted) = how_by_method(by.method);
    let issued = grant.issued_at.seconds();
    ChallengeClaims {
        iss: issuer,
        aud: Text(challenge.tenant.project),
        sub: person.external_id(),
        jti: Text(grant.id),
        iat: issued,
        exp: expiry(issued),
        chl: Text(challenge.id),
        vrf: by.verification.map(Text),
        session: private.session.as_deref(),
        purpose: challenge.purpose.as_str(),
        amr,
        acr,
        restricted,
        phishing_resistant: false,
        txn: private.transaction.as_ref().map(Transaction::of),
        livemode: challenge.tenant.mode.is_live(),
    }
}

/// The end of a proof that was issued then.
fn expiry(issued: i64) -> i64 {
    issued.saturating_add(PROOF_LIFETIME.as_secs().try_into().unwrap_or(i64::MAX))
}

impl<'a> Transaction<'a> {
    fn of(transaction: &'a countersign_core::verification::Transaction) -> Self {
        Self {
            amount: transaction.amount,
            currency: &transaction.currency,
            payee: &transaction.payee,
            reference: transaction.written.as_deref().or(transaction.reference.as_deref()),
        }
    }
}

/// `amr` (RFC 8176), `acr`, and whether the public telephone network carried it (restricted: NIST SP 800-63B-4, 3.1.3).
const fn how(channel: Channel) -> (&'static [&'static str], &'static str, bool) {
    match channel {
        Channel::Sms => (&["otp", "sms"], "urn:countersign:acr:otp:sms", true),
        Channel::Voice => (&["otp", "tel"], "urn:countersign:acr:otp:voice", true),
        Channel::Whatsapp => (&["otp"], "urn:countersign:acr:otp:whatsapp", false),
        Channel::Email => (&["otp"], "urn:countersign:acr:otp:email", false),
        Channel::Own => (&["otp"], "urn:countersign:acr:otp:self", false),
    }
}

/// The same for the method that approved a challenge. Nobody attested where a device keeps its key, so it counts as kept in
/// software (`swk`), which is the weaker claim.
const fn how_by_method(method: Method) -> (&'static [&'static str], &'static str, bool) {
    match method {
        Method::Totp => (&["otp"], "urn:countersign:acr:otp:totp", false),
        Method::Hotp => (&["otp"], "urn:countersign:acr:otp:hotp", false),
        Method::Ocra => (&["otp"], "urn:countersign:acr:otp:ocra", false),
        Method::BackupCodes => (&["otp"], "urn:countersign:acr:otp:backup_codes", false),
        Method::Push => (&["pop", "swk"], "urn:countersign:acr:push", false),
        Method::Sms => how(Channel::Sms),
        Method::Voice => how(Channel::Voice),
        Method::Whatsapp => how(Channel::Whatsapp),
        Method::Email => how(Channel::Email),
    }
}

#[cfg(test)]
mod tests;

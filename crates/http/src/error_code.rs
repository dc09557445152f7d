//! The closed list of error codes: status, wording, cause and fix of each. Documents, OpenAPI and the catalogue in
//! `docs/errors.md` are made from it.

use crate::end_user::Word;

macro_rules! error_codes {
    ($($variant:ident = $status:literal $code:literal, $title:literal, retry $retry:literal, $word:ident,
        cause $cause:literal, fix $fix:literal;)+) => {
        /// Why a call was not carried out, or a code not accepted.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub(crate) enum ErrorCode { $(#[doc = $title] $variant),+ }

        impl ErrorCode {
            /// All of them, in the order of the catalogue.
            pub(crate) const ALL: &[Self] = &[$(Self::$variant),+];

            /// `code` of the problem document; stable.
            pub(crate) const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code),+ }
            }
            /// The HTTP status.
            pub(crate) const fn status(self) -> u16 {
                match self { $(Self::$variant => $status),+ }
            }
            /// `title`: the same for every occurrence.
            pub(crate) const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title),+ }
            }
            /// Whether the same call may succeed later.
            pub(crate) const fn retryable(self) -> bool {
                match self { $(Self::$variant => $retry),+ }
            }
            /// What a person in front of a screen is told.
            pub(crate) const fn word(self) -> Word {
                match self { $(Self::$variant => Word::$word),+ }
            }
            /// What leads to it.
            pub(crate) const fn cause(self) -> &'static str {
                match self { $(Self::$variant => $cause),+ }
            }
            /// What to do about it.
            pub(crate) const fn fix(self) -> &'static str {
                match self { $(Self::$variant => $fix),+ }
            }
        }
    };
}

error_codes! {
    ParameterMissing = 400 "parameter_missing", "A parameter is missing", retry false, Ours,
        cause "A required field of the body or query is absent or null.", fix "Give the field named in `param`.";
    ParameterInvalid = 400 "parameter_invalid", "A parameter is invalid", retry false, Ours,
        cause "A field has the wrong type, is out of bounds, is given twice, or does not go with another one.",
        fix "Correct the field named in `param`; `detail` says what it may be.";
    ParameterUnknown = 400 "parameter_unknown", "A parameter is unknown", retry false, Ours,
        cause "The body or query has a field this call does not know, often a misspelling.",
        fix "Remove or correct the field named in `param`.";
    BodyMalformed = 400 "body_malformed", "The body cannot be read", retry false, Ours,
        cause "The body is not one JSON object in UTF-8, or nests deeper than 16 levels.",
        fix "Send a JSON object, or form fields with the content type `application/x-www-form-urlencoded`.";
    CursorInvalid = 400 "cursor_invalid", "The cursor is invalid", retry false, Ours,
        cause "`cursor` is not a `next_cursor` of an earlier page.",
        fix "Begin again without a cursor, and pass on each `next_cursor` unchanged.";
    KeyMissing = 401 "key_missing", "No API key was given", retry false, Ours,
        cause "The request has no `Authorization` header.",
        fix "Send `Authorization: Bearer <key>`, or the key as user name of Basic authentication.";
    KeyInvalid = 401 "key_invalid", "The API key is not known", retry false, Ours,
        cause "The header is not Bearer or Basic, or no such key exists on this server.",
        fix "Compare the key with the one shown when it was made; make a new one if it was lost.";
    KeyExpired = 401 "key_expired", "The API key has expired", retry false, Ours,
        cause "The key was made with an end, and that has passed.", fix "Make a new key.";
    KeyRevoked = 401 "key_revoked", "The API key was revoked", retry false, Ours,
        cause "Somebody revoked this key.", fix "Use another key; if nobody should have used this one, look into the journal.";
    ScopeMissing = 403 "scope_missing", "The key may not do this", retry false, Ours,
        cause "The key lacks the scope named in `detail`.", fix "Use a key with that scope, or make one.";
    IpNotAllowed = 403 "ip_not_allowed", "The key may not be used from this address", retry false, Ours,
        cause "The key names networks, and the client is in none of them.",
        fix "Call from one of its networks, or make a key that names yours.";
    ModeMismatch = 403 "mode_mismatch", "The key has the wrong mode", retry false, Ours,
        cause "A live key called something that exists in test mode only.", fix "Use a test key (`sk_test_…`).";
    BlockedByList = 403 "blocked_by_list", "The recipient is on a block list", retry false, CannotSend,
        cause "A list of this project forbids sending to the recipient.", fix "Remove the entry if it is wrong.";
    CountryNotAllowed = 403 "country_not_allowed", "The country is not allowed", retry false, CannotSend,
        cause "The project does not send to the country of this number.", fix "Allow the country in the project, if you want to serve it.";
    ChannelNotAllowed = 403 "channel_not_allowed", "The channel is not allowed", retry false, CannotSend,
        cause "The project's profile forbids this channel for this purpose.", fix "Use another channel.";
    SignatureInvalid = 403 "signature_invalid", "The device's signature does not fit", retry false, Ours,
        cause "What was signed differs from what was sent or shown, or the key is not the one of this device. No try is counted.",
        fix "Sign the exact bytes of `docs/factors.md` with the device's key.";
    RemovalUnproven = 403 "removal_unproven", "The removal needs a proof", retry false, Ours,
        cause "Without the scope `factors:manage`, a factor that was in use goes only on the strength of another one.",
        fix "Let the person answer a challenge with another factor and name it as `challenge` within 10 minutes (it serves once, and must have no transaction), or use a key with `factors:manage`.";
    BudgetExceeded = 403 "budget_exceeded", "The budget is spent", retry false, CannotSend,
        cause "A budget that covers this message has nothing left for it today (UTC).",
        fix "Wait for the next day, or raise the budget; `countersign budgets show` tells which it is.";
    ResourceNotFound = 404 "resource_not_found", "No such object", retry false, NoLonger,
        cause "The id is not known in this project and mode, or was removed by retention.",
        fix "Check the id, and that the key has the mode and project that made it.";
    EndpointNotFound = 404 "endpoint_not_found", "No such endpoint", retry false, Ours,
        cause "The path is not part of the API.", fix "See `/docs` for what there is.";
    MethodNotAllowed = 405 "method_not_allowed", "The method is not allowed here", retry false, Ours,
        cause "The path exists, but not with this method.", fix "Use a method of the `Allow` header.";
    RequestTimeout = 408 "request_timeout", "The request took too long", retry true, Ours,
        cause "The body did not arrive within 10 seconds.", fix "Send it again, with an `Idempotency-Key`.";
    StateConflict = 409 "state_conflict", "The state does not allow this", retry false, Ours,
        cause "The object is in a state in which this cannot be done.", fix "Read the object and look at its state.";
    VerificationAlreadyApproved = 409 "verification_already_approved", "The verification is already approved", retry false, NoLonger,
        cause "The right code was given before; a verification is approved once.",
        fix "Keep the first answer. Use an `Idempotency-Key`, so that a repeated request gets it again.";
    FactorRequired = 409 "factor_required", "No factor can answer this", retry false, NoLonger,
        cause "The subject has no active factor, or no known recipient, of the wanted methods.",
        fix "Enrol a factor and confirm it with its first code, or allow other methods.";
    LimitReached = 409 "limit_reached", "There may be no more of them", retry false, Ours,
        cause "A subject has at most 16 factors and 16 recipients.", fix "Remove one that is no longer used.";
    ChallengeAlreadyApproved = 409 "challenge_already_approved", "The challenge is already approved", retry false, NoLonger,
        cause "The right answer was given before, or its proof was fetched; each happens once.",
        fix "Keep the first answer. Use an `Idempotency-Key`, so that a repeated request gets it again.";
    VerificationExpired = 410 "verification_expired", "The verification has expired", retry false, Expired,
        cause "The lifetime of the code is over.", fix "Start a new verification.";
    VerificationMaxAttempts = 410 "verification_max_attempts", "Too many wrong codes", retry false, NoTriesLeft,
        cause "The verification ended after its last allowed wrong code.", fix "Start a new verification.";
    VerificationCanceled = 410 "verification_canceled", "The verification was canceled", retry false, NoLonger,
        cause "It was canceled, superseded by a later one, or its transaction was changed; `verification.reason` says which.",
        fix "Use the later one, or start a new one.";
    VerificationUndeliverable = 410 "verification_undeliverable", "No message could be delivered", retry false, CannotSend,
        cause "Every provider of the route refused the recipient.", fix "Ask the person for another number or address.";
    ChallengeExpired = 410 "challenge_expired", "The challenge has expired", retry false, Expired,
        cause "Its lifetime is over, or a device approved it more than 5 minutes ago.", fix "Begin a new challenge.";
    ChallengeMaxAttempts = 410 "challenge_max_attempts", "Too many wrong answers", retry false, NoTriesLeft,
        cause "The challenge ended after its last allowed wrong answer.", fix "Begin a new challenge.";
    ChallengeCanceled = 410 "challenge_canceled", "The challenge was canceled", retry false, NoLonger,
        cause "It was canceled, superseded by later ones, or its transaction was changed; `challenge.reason` says which.",
        fix "Use the later one, or begin a new one.";
    ChallengeDenied = 410 "challenge_denied", "The person said no", retry false, NoLonger,
        cause "Somebody refused the challenge on a device.", fix "Treat it as a warning: whoever began it may not be that person.";
    PayloadTooLarge = 413 "payload_too_large", "The body is too large", retry false, Ours,
        cause "The body is over 64 KiB, or over 16 KiB from a device.", fix "Send less.";
    MediaTypeUnsupported = 415 "media_type_unsupported", "The content type is not supported", retry false, Ours,
        cause "The body is neither JSON nor form fields, or it is compressed.",
        fix "Send `Content-Type: application/json`, without `Content-Encoding`.";
    CodeIncorrect = 422 "code_incorrect", "The code is wrong", retry false, WrongCode,
        cause "The code does not match. The try is counted.", fix "Ask the person to look again; `verification.attempts_remaining` says how often.";
    CodeMalformed = 422 "code_malformed", "This cannot be the code", retry false, WrongCode,
        cause "The code has another length or other symbols than the one that was sent. No try is counted.",
        fix "Ask the person to type it again.";
    RecipientInvalid = 422 "recipient_invalid", "The recipient is not valid", retry false, WrongAddress,
        cause "`to` is neither an assigned phone number in international form nor an email address.",
        fix "Ask for it again; `detail` says what is wrong with it.";
    RecipientCannotReceive = 422 "recipient_cannot_receive", "The channel cannot reach the recipient", retry false, CannotSend,
        cause "The channel does not go with this kind of recipient, or the number cannot receive such messages.",
        fix "Use another channel, or `auto`.";
    BindingMismatch = 422 "binding_mismatch", "The check is for something else", retry false, WrongCode,
        cause "Purpose, subject, session or transaction differ from those of the start. The try is counted.",
        fix "Send the values of the start. A changed transaction needs a new verification.";
    IdempotencyKeyReused = 422 "idempotency_key_reused", "The idempotency key was used with another body", retry false, Ours,
        cause "The same `Idempotency-Key` came with another body within 24 hours.", fix "Use a new key for a new request.";
    FactorLocked = 423 "factor_locked", "The factor is locked", retry true, Wait,
        cause "Several codes in a row were wrong, by whichever door, so none is checked for a while; after a hundred, none until it is unlocked.",
        fix "Wait as long as `Retry-After` says; without one, somebody has to look at it and unlock the factor.";
    ApiRateLimited = 429 "api_rate_limited", "The key's quota is used up", retry true, Wait,
        cause "The key made more requests than `server.requests_per_minute_per_key` allows.", fix "Wait as long as `Retry-After` says; `RateLimit` on every answer tells how much is left.";
    RecipientRateLimited = 429 "recipient_rate_limited", "Too many messages to this recipient", retry true, Wait,
        cause "The recipient got as many messages as the project allows in this time.", fix "Wait as long as `Retry-After` says.";
    RecipientPaused = 429 "recipient_paused", "Too many wrong codes for this recipient", retry true, Wait,
        cause "Several codes in a row were wrong, so no code is checked for a while.", fix "Wait as long as `Retry-After` says.";
    RecipientBlocked = 429 "recipient_blocked", "The recipient is blocked", retry false, Blocked,
        cause "A hundred codes in a row were wrong.", fix "Somebody has to look at it and unlock the recipient.";
    IpRateLimited = 429 "ip_rate_limited", "Too many starts from this address", retry true, Wait,
        cause "`context.ip` started as many verifications, or into as many countries, as are allowed.",
        fix "Wait as long as `Retry-After` says.";
    ResendTooSoon = 429 "resend_too_soon", "It is too soon to send again", retry true, Wait,
        cause "The wait between two messages of a verification is not over.",
        fix "Wait until `verification.next_resend_at`, or as long as `Retry-After` says.";
    PushRateLimited = 429 "push_rate_limited", "Too many pushes to this person", retry true, Wait,
        cause "Devices of this subject were asked 3 times in 10 minutes, or 10 times in 24 hours, without a right answer.",
        fix "Use another method, or wait as long as `Retry-After` says.";
    InternalError = 500 "internal_error", "Something broke in the server", retry true, Ours,
        cause "A defect. Nothing was changed, or the outcome is not known.",
        fix "Send it again with the same `Idempotency-Key`; report `request_id` if it stays.";
    NoRoute = 502 "no_route", "No route serves this recipient", retry false, CannotSend,
        cause "No configured route serves the channel and country.",
        fix "Add a route in the configuration; `countersign config check` shows those there are.";
    StorageUnavailable = 503 "storage_unavailable", "The storage cannot be used", retry true, Ours,
        cause "The disk or database is full, read-only or gone, its clock was set back, or a root key is missing. No try is counted.",
        fix "Send it again later with the same `Idempotency-Key`; the server's log says what is wrong.";
    Overloaded = 503 "overloaded", "The server is overloaded", retry true, Ours,
        cause "The queue in front of the storage is full.", fix "Send it again after `Retry-After`, with the same `Idempotency-Key`.";
    ShuttingDown = 503 "shutting_down", "The server is going down", retry true, Ours,
        cause "The process was told to stop. `/readyz` says so first, while everything else is still served.",
        fix "Send it to another node, or again later, with the same `Idempotency-Key`.";
}

/// The catalogue of all errors as a Markdown page.
#[must_use]
pub fn error_catalogue() -> String {
    let mut page = String::from(
        "# Errors\n\nGenerated from `crates/http/src/error_code.rs`; do not edit.\n\nAn error is a problem document (RFC 9457, \
         `application/problem+json`). Rely on `code`; `title` and `detail` are for people and may change. `retryable` says \
         whether the same call may succeed later.\n",
    );
    let mut status = 0;
    for code in ErrorCode::ALL {
        if code.status() != status {
            status = code.status();
            page.push_str(&format!("\n## {status}\n"));
        }
        let (name, title, cause, fix) = (code.as_str(), code.title(), code.cause(), code.fix());
        let retry = if code.retryable() { "yes" } else { "no" };
        page.push_str(&format!(
            "\n### {name}\n\n{title}.\n\n- Cause: {cause}\n- Fix: {fix}\n- Retryable: {retry}\n"
        ));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_sorted_by_status() {
        let mut names: Vec<_> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ErrorCode::ALL.len());
        assert!(ErrorCode::ALL.is_sorted_by_key(|code| code.status()));
    }

    #[test]
    fn the_catalogue_has_every_code_once() {
        let page = error_catalogue();
        for code in ErrorCode::ALL {
            assert_eq!(page.matches(&format!("### {}\n", code.as_str())).count(), 1);
        }
    }
}

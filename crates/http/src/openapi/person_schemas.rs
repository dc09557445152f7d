//! The schemas and examples of subjects, factors, challenges and devices.

use serde_json::{Map, Value, json};

use super::schemas::{
    answer, boolean, instant, instant_or_null, integer, list_of, object, optional, purpose, reference, text,
    texts, words,
};

/// All schemas by name.
pub(super) fn add_all(schemas: &mut Map<String, Value>) {
    let mut add = |name: &str, schema: Value| schemas.insert(name.to_owned(), schema);
    add("SubjectPut", object(&[], json!({ "metadata": metadata(), "recipients": texts() })));
    add("RecipientAdd", object(&[], json!({ "to": text(), "verification": text() })));
    add("RecipientRemove", object(&[], json!({ "to": text() })));
    add("Subject", subject());
    add("SubjectList", list_of("Subject"));
    add("FactorCreate", factor_create());
    add("Factor", answer(&factor()));
    add("FactorEnrolled", factor_enrolled());
    add("FactorActivate", object(&["code"], json!({ "code": text() })));
    add("FactorResync", object(&["codes"], json!({ "codes": texts() })));
    add(
        "FactorUpdate",
        object(
            &[],
            json!({ "name": optional("string"), "enabled": { "type": "boolean", "description": "With the scope `factors:manage`" } }),
        ),
    );
    add("ChallengeCreate", challenge_create());
    add("ChallengeCheck", challenge_check());
    add("ChallengeFallback", challenge_fallback());
    add(
        "ChallengeRedeem",
        object(&[], json!({ "session": text(), "transaction": reference("Transaction") })),
    );
    add("Challenge", challenge());
    add("ChallengeList", list_of("Challenge"));
    add("VerificationOrChallenge", json!({ "oneOf": [reference("Verification"), reference("Challenge")] }));
    add("DeviceEnroll", device_enroll());
    add(
        "DevicePoll",
        object(
            &["factor", "at", "signature"],
            json!({ "factor": text(), "at": integer(), "signature": base64url() }),
        ),
    );
    add("DevicePushToken", device_push_token());
    add("DeviceResponse", device_response());
    add("Device", device());
    add("DeviceChallenge", device_challenge());
    add("DeviceChallengeList", list_of("DeviceChallenge"));
}

fn metadata() -> Value {
    json!({ "type": "object", "maxProperties": 20, "additionalProperties": { "type": "string", "maxLength": 500 } })
}

fn pairs() -> Value {
    json!({ "type": "object", "additionalProperties": { "type": "string" } })
}

fn base64url() -> Value {
    json!({ "type": "string", "description": "base64url without padding" })
}

fn methods() -> Value {
    words(&["totp", "hotp", "ocra", "backup_codes", "push", "sms", "voice", "whatsapp", "email"])
}

fn subject() -> Value {
    answer(&json!({
        "id": text(), "object": { "const": "subject" }, "livemode": boolean(),
        "external_id": { "type": ["string", "null"], "description": "Your own name of the person" },
        "factors": { "type": "array", "items": reference("Factor") },
        "recipients": { "type": "array", "items": answer(&json!({
            "type": text(), "masked": text(), "country": optional("string"),
            "value": { "type": ["string", "null"], "description": "In the clear, with the scope `recipients:read`" },
            "verified_at": instant(),
            "verification": { "type": ["string", "null"], "description": "What proved it; null when it is on your word" },
        })) },
        "metadata": pairs(), "created_at": instant(), "updated_at": instant(), "deleted_at": instant_or_null(),
    }))
}

fn factor_create() -> Value {
    let fields = json!({
        "type": words(&["totp", "hotp", "ocra", "backup_codes", "push"]),
        "name": { "type": "string", "maxLength": 80, "description": "What the person calls it" },
        "account": { "type": "string", "maxLength": 80, "description": "What an app shows beside the brand" },
        "algorithm": words(&["SHA1", "SHA256", "SHA512"]),
        "digits": { "type": "integer", "minimum": 6, "maximum": 8 },
        "period": { "type": "integer", "minimum": 15, "maximum": 60, "description": "Seconds; `totp` only" },
        "counter": { "type": "integer", "minimum": 0, "description": "Of the next code; `hotp`, and suites with a counter" },
        "suite": { "type": "string", "description": "RFC 6287, such as `OCRA-1:HOTP-SHA256-8:QN08`" },
        "pin": { "type": "string", "maxLength": 80, "description": "For suites with a PIN" },
        "pin_hash": { "type": "string", "description": "The hash of the PIN, hexadecimal, instead of it" },
        "secret": { "type": "string", "description": "One that exists already, 16 to 128 bytes; else a fresh one is made" },
        "secret_encoding": words(&["base32", "hex"]),
        "serial": { "type": "string", "maxLength": 80 },
        "confirmed": { "type": "boolean", "description": "It was proven elsewhere and needs no first code" },
    });
    object(&["type"], fields)
}

fn factor() -> Value {
    json!({
        "id": text(), "object": { "const": "factor" }, "livemode": boolean(), "subject": text(), "type": text(),
        "status": { "type": "string", "description": "`pending`, `active`, `disabled` or `removed`" },
        "locked": boolean(), "locked_until": instant_or_null(), "name": optional("string"),
        "strength": answer(&json!({ "kind": text(), "restricted": boolean(), "phishing_resistant": boolean() })),
        "parameters": answer(&json!({
            "algorithm": optional("string"), "digits": optional("integer"), "period": optional("integer"),
            "counter": optional("integer"), "resync_required": optional("boolean"), "suite": optional("string"),
        })),
        "codes_remaining": optional("integer"), "push": push(), "serial": optional("string"), "created_at": instant(),
        "activated_at": instant_or_null(), "last_used_at": instant_or_null(),
        "expires_at": { "type": ["string", "null"], "format": "date-time", "description": "Until when it waits for its first code" },
        "removed_at": instant_or_null(),
    })
}

/// A factor with what is shown once.
fn factor_enrolled() -> Value {
    let mut fields = factor();
    let once = json!({
        "secret": { "type": ["string", "null"], "description": "Base32 without padding" },
        "otpauth_url": optional("string"), "qr_svg": optional("string"),
        "qr_png": { "type": ["string", "null"], "description": "The file in Base64" },
        "codes": { "type": ["array", "null"], "items": text() },
        "enrollment": { "type": ["object", "null"], "properties": {
            "token": text(), "url": text(), "qr_svg": text(), "expires_at": instant(),
        }},
        "activation_question": { "type": ["string", "null"], "description": "What the token is asked; its answer activates it" },
        "warnings": texts(),
    });
    if let (Some(fields), Some(once)) = (fields.as_object_mut(), once.as_object()) {
        fields.extend(once.clone());
    }
    answer(&fields)
}

fn challenge_create() -> Value {
    let fields = json!({
        "subject": { "type": "string", "maxLength": 255, "description": "Your own name of the person, or `sbj_…`" },
        "methods": { "type": "array", "items": methods() },
        "factor": { "type": "string", "description": "Only by this one" },
        "purpose": purpose(),
        "transaction": reference("Transaction"),
        "session": { "type": "string", "maxLength": 255 },
        "expires_in": { "type": "integer", "minimum": 30, "maximum": 600, "description": "Seconds; 300 if not given" },
        "message": { "type": "string", "maxLength": 200, "description": "What a device shows" },
        "details": { "type": "object", "maxProperties": 10, "additionalProperties": { "type": "string", "maxLength": 200 } },
        "metadata": metadata(),
        "code": { "type": "string", "description": "Checked at once" },
    });
    object(&["subject"], fields)
}

fn challenge_check() -> Value {
    let fields = json!({
        "code": { "type": "string", "description": "As the person typed it; spaces and dashes do not matter" },
        "method": methods(), "session": text(), "transaction": reference("Transaction"),
    });
    object(&["code"], fields)
}

fn challenge_fallback() -> Value {
    let fields = json!({
        "channel": words(&["sms", "voice", "whatsapp", "email"]),
        "to": { "type": ["string", "integer"], "description": "A place in `recipients`, or an address of them, masked or clear" },
    });
    object(&["channel"], fields)
}

fn challenge() -> Value {
    answer(&json!({
        "id": text(), "object": { "const": "challenge" }, "livemode": boolean(), "status": text(), "reason": optional("string"),
        "subject": text(), "external_id": optional("string"), "purpose": text(), "methods": texts(), "factor": optional("string"),
        "question": { "type": "object", "additionalProperties": { "type": "string" }, "description": "What tokens are asked, by factor" },
        "number": { "type": ["string", "null"], "description": "Show it on the first screen; with the scope `challenges:write`" },
        "attempts_remaining": integer(),
        "transaction": { "oneOf": [reference("Transaction"), { "type": "null" }] },
        "session": optional("string"), "message": optional("string"), "details": pairs(), "verification": optional("string"),
        "approved_by": { "type": ["object", "null"], "properties": {
            "method": text(), "factor": optional("string"), "verification": optional("string"),
        }},
        "expires_at": instant(), "ended_at": instant_or_null(), "redeemed_at": instant_or_null(), "metadata": pairs(),
        "created_at": instant(),
        "proof": { "type": ["string", "null"], "description": "A compact JWS, only in the answer of the check or redemption" },
    }))
}

fn device_enroll() -> Value {
    let fields = json!({
        "factor": text(), "token": text(), "algorithm": words(&["ed25519", "p256"]), "public_key": base64url(),
        "signature": base64url(), "name": { "type": "string", "maxLength": 80 }, "push_token": push_token(),
        "locale": { "type": "string", "description": "BCP 47; with `push_token`" },
    });
    object(&["factor", "token", "algorithm", "public_key", "signature"], fields)
}

fn push_token() -> Value {
    json!({ "type": "string", "maxLength": 4096, "description": "What a push provider knows the app by; never shown again" })
}

fn device_push_token() -> Value {
    let mut token = push_token();
    token["type"] = json!(["string", "null"]);
    let fields = json!({
        "factor": text(), "push_token": token, "locale": { "type": "string", "description": "BCP 47; with `push_token`" },
        "at": integer(), "signature": base64url(),
    });
    object(&["factor", "push_token", "at", "signature"], fields)
}

/// How a device learns of a challenge.
fn push() -> Value {
    json!({
        "type": ["object", "null"],
        "properties": { "wakes": { "type": "boolean", "description": "Whether it told a push token; else it only polls" } },
        "description": "Of a device",
    })
}

fn device_response() -> Value {
    let fields = json!({
        "factor": text(), "verdict": words(&["approve", "deny"]),
        "number": { "type": "string", "description": "The one of the first screen; needed with `approve`" },
        "signature": base64url(),
    });
    object(&["factor", "verdict", "signature"], fields)
}

fn device() -> Value {
    answer(&json!({
        "object": { "const": "device" }, "livemode": boolean(), "factor": text(), "status": text(),
        "name": optional("string"), "push": push(), "issuer": text(),
    }))
}

fn device_challenge() -> Value {
    answer(&json!({
        "id": text(), "object": { "const": "device_challenge" }, "livemode": boolean(), "status": text(), "purpose": text(),
        "issuer": text(), "message": optional("string"), "details": pairs(),
        "transaction": { "oneOf": [reference("Transaction"), { "type": "null" }] },
        "expires_at": instant(), "created_at": instant(),
    }))
}

/// An answer as a caller would see it; `None` for schemas that stand elsewhere.
pub(super) fn example(schema: &str, status: u16) -> Option<Value> {
    Some(match schema {
        "Subject" => subject_example(),
        "SubjectList" => list(&subject_example()),
        "Factor" => factor_example(),
        "FactorEnrolled" => enrolled_example(),
        "Challenge" => challenge_example(status == 201),
        "VerificationOrChallenge" => challenge_example(false),
        "ChallengeList" => list(&challenge_example(true)),
        "Device" => json!({
            "object": "device", "livemode": false, "factor": "fct_01m83n1fqkeat9ryjx42vfks43", "status": "active",
            "name": "Ann's phone", "push": { "wakes": true }, "issuer": "Example Shop",
        }),
        "DeviceChallenge" => device_challenge_example("approved"),
        "DeviceChallengeList" => list(&device_challenge_example("pending")),
        _ => return None,
    })
}

fn list(item: &Value) -> Value {
    json!({ "object": "list", "data": [item], "has_more": false, "next_cursor": null })
}

fn subject_example() -> Value {
    json!({
        "id": "sbj_01m83n1fqkeat9ryjx42vfks43", "object": "subject", "livemode": false, "external_id": "user-42",
        "factors": [factor_example()],
        "recipients": [{
            "type": "phone", "masked": "+48••••••17", "country": "PL", "value": null,
            "verified_at": "2026-01-31T12:00:00.000Z", "verification": "vrf_01m83n1fqkeat9ryjx42vfks43",
        }],
        "metadata": { "plan": "gold" }, "created_at": "2026-01-31T12:00:00.000Z", "updated_at": "2026-01-31T12:00:00.000Z",
        "deleted_at": null,
    })
}

fn factor_example() -> Value {
    json!({
        "id": "fct_01m83n1fqkeat9ryjx42vfks43", "object": "factor", "livemode": false,
        "subject": "sbj_01m83n1fqkeat9ryjx42vfks43", "type": "totp", "status": "active", "locked": false, "locked_until": null,
        "name": "Phone", "strength": { "kind": "possession", "restricted": false, "phishing_resistant": false },
        "parameters": {
            "algorithm": "SHA1", "digits": 6, "period": 30, "counter": null, "resync_required": null, "suite": null,
        },
        "codes_remaining": null, "push": null, "serial": null, "created_at": "2026-01-31T12:00:00.000Z",
        "activated_at": "2026-01-31T12:00:30.000Z", "last_used_at": "2026-01-31T12:00:30.000Z", "expires_at": null,
        "removed_at": null,
    })
}

fn enrolled_example() -> Value {
    let mut example = factor_example();
    for (name, value) in [
        ("status", json!("pending")),
        ("activated_at", Value::Null),
        ("last_used_at", Value::Null),
        ("expires_at", json!("2026-01-31T12:10:00.000Z")),
        ("secret", json!("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")),
        (
            "otpauth_url",
            json!(
                "otpauth://totp/Example%20Shop:user-42?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Example%20Shop"
            ),
        ),
        ("qr_svg", json!("<svg …")),
        ("qr_png", json!("iVBORw0KGgo…")),
        ("codes", Value::Null),
        ("enrollment", Value::Null),
        ("activation_question", Value::Null),
        ("warnings", json!([])),
    ] {
        example[name] = value;
    }
    example
}

fn challenge_example(pending: bool) -> Value {
    json!({
        "id": "chl_01m83n1fqkeat9ryjx42vfks43", "object": "challenge", "livemode": false,
        "status": if pending { "pending" } else { "approved" }, "reason": null,
        "subject": "sbj_01m83n1fqkeat9ryjx42vfks43", "external_id": "user-42", "purpose": "authentication",
        "methods": ["totp", "push"], "factor": null, "question": {}, "number": if pending { json!("42") } else { Value::Null },
        "attempts_remaining": if pending { 5 } else { 4 }, "transaction": null, "session": "s-1", "message": null, "details": {},
        "verification": null,
        "approved_by": if pending { Value::Null } else {
            json!({ "method": "totp", "factor": "fct_01m83n1fqkeat9ryjx42vfks43", "verification": null })
        },
        "expires_at": "2026-01-31T12:05:00.000Z",
        "ended_at": if pending { Value::Null } else { json!("2026-01-31T12:01:00.000Z") }, "redeemed_at": null,
        "metadata": {}, "created_at": "2026-01-31T12:00:00.000Z",
        "proof": if pending { Value::Null } else { json!("eyJhbGciOiJFZERTQSJ9.eyJpc3MiOiJ…") },
    })
}

fn device_challenge_example(status: &str) -> Value {
    json!({
        "id": "chl_01m83n1fqkeat9ryjx42vfks43", "object": "device_challenge", "livemode": false, "status": status,
        "purpose": "transaction", "issuer": "Example Shop", "message": "Pay the invoice?", "details": { "Browser": "Firefox" },
        "transaction": { "amount": 125_000, "currency": "EUR", "payee": "NORD PARTS LTD", "reference": "INV-77" },
        "expires_at": "2026-01-31T12:05:00.000Z", "created_at": "2026-01-31T12:00:00.000Z",
    })
}

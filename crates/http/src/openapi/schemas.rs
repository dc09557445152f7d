//! The schemas of the wire types, and an example of each answer.

use serde_json::{Map, Value, json};

use crate::error_code::ErrorCode;

/// All schemas by name.
pub(super) fn all() -> Map<String, Value> {
    let mut schemas = Map::new();
    let mut add = |name: &str, schema: Value| schemas.insert(name.to_owned(), schema);
    add("VerificationCreate", verification_create());
    add("VerificationCheck", object(&["code"], check_fields()));
    add("CheckCreate", check_create());
    add("VerificationResend", object(&[], json!({ "channel": channel() })));
    add("VerificationReport", object(&["report"], json!({ "report": words(&["fraud", "legitimate"]) })));
    add("Verification", verification());
    add("Transaction", transaction());
    add("Fact", fact());
    add("Project", answer(&project_fields()));
    add("ProjectCreate", project_create());
    add("ApiKey", api_key());
    add("ApiKeyCreate", api_key_create());
    add("TestMessage", test_message());
    add("TestClockAdvance", object(&["seconds"], json!({ "seconds": integer() })));
    add(
        "TestClock",
        answer(&json!({ "object": text(), "livemode": boolean(), "now": instant(), "ahead": integer() })),
    );
    add("Health", answer(&json!({ "status": text() })));
    add("Jwks", answer(&json!({ "keys": { "type": "array", "items": { "type": "object" } } })));
    add("OpenApi", json!({ "type": "object" }));
    add("Problem", problem());
    for (list, item) in [
        ("VerificationList", "Verification"),
        ("Timeline", "Fact"),
        ("ProjectList", "Project"),
        ("ApiKeyList", "ApiKey"),
        ("TestMessageList", "TestMessage"),
    ] {
        add(list, list_of(item));
    }
    super::person_schemas::add_all(&mut schemas);
    super::routing::add(&mut schemas);
    super::templates::add(&mut schemas);
    schemas
}

pub(super) fn text() -> Value {
    json!({ "type": "string" })
}

pub(super) fn optional(schema: &str) -> Value {
    json!({ "type": [schema, "null"] })
}

pub(super) fn integer() -> Value {
    json!({ "type": "integer" })
}

pub(super) fn boolean() -> Value {
    json!({ "type": "boolean" })
}

pub(super) fn instant() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

pub(super) fn instant_or_null() -> Value {
    json!({ "type": ["string", "null"], "format": "date-time" })
}

pub(super) fn texts() -> Value {
    json!({ "type": "array", "items": { "type": "string" } })
}

pub(super) fn words(words: &[&str]) -> Value {
    json!({ "type": "string", "enum": words })
}

pub(super) fn reference(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

pub(super) fn channel() -> Value {
    words(&["auto", "sms", "voice", "whatsapp", "email", "self"])
}

/// The steps of a workflow, as a start names them.
fn workflow() -> Value {
    let seconds = |about: &str| json!({ "type": "integer", "minimum": 5, "description": about });
    let step = object(
        &["channel"],
        json!({
            "channel": words(&["sms", "voice", "whatsapp", "email"]),
            "wait": seconds("Seconds after which, without an approved check, the next step follows"),
            "receipt_within": seconds("Seconds in which the network must say that it arrived, where receipts come"),
        }),
    );
    json!({ "type": "array", "minItems": 1, "maxItems": 5, "items": step })
}

/// A workflow as answers show it.
fn workflow_state() -> Value {
    let step = answer(&json!({
        "channel": text(), "wait": optional("integer"), "receipt_within": optional("integer"),
    }));
    json!({ "type": ["object", "null"], "properties": {
        "steps": { "type": "array", "items": step },
        "step": { "type": "integer", "description": "The step of the latest message, from 0" },
        "next_step_at": instant_or_null(),
        "skipped": { "type": "array", "items": answer(&json!({ "channel": text(), "reason": text() })) },
    }})
}

pub(super) fn purpose() -> Value {
    words(&["authentication", "address_validation", "recovery", "transaction"])
}

/// A body: nothing but these fields.
pub(super) fn object(required: &[&str], properties: Value) -> Value {
    let mut schema = json!({ "type": "object", "required": required, "additionalProperties": false });
    schema["properties"] = properties;
    schema
}

/// An answer: these fields, always present; later versions may add others.
pub(super) fn answer(properties: &Value) -> Value {
    let names: Vec<_> =
        properties.as_object().map(|fields| fields.keys().cloned().collect()).unwrap_or_default();
    json!({ "type": "object", "required": names, "properties": properties })
}

pub(super) fn list_of(item: &str) -> Value {
    answer(&json!({
        "object": { "const": "list" },
        "data": { "type": "array", "items": reference(item) },
        "has_more": boolean(),
        "next_cursor": optional("string"),
    }))
}

fn transaction() -> Value {
    let fields = json!({
        "amount": { "type": "integer", "minimum": 0, "description": "In minor units" },
        "currency": { "type": "string", "description": "ISO 4217" },
        "payee": { "type": "string", "maxLength": 140 },
        "reference": { "type": ["string", "null"], "maxLength": 140 },
    });
    object(&["amount", "currency", "payee"], fields)
}

fn check_fields() -> Value {
    json!({
        "code": { "type": "string", "description": "As the person typed it; spaces and dashes do not matter" },
        "purpose": purpose(),
        "subject": text(),
        "session": text(),
        "transaction": reference("Transaction"),
    })
}

fn check_create() -> Value {
    let mut fields = check_fields();
    fields["to"] =
        json!({ "type": "string", "description": "Without it, a code of a factor of `subject` is checked" });
    object(&["code"], fields)
}

fn verification_create() -> Value {
    let fields = json!({
        "to": { "type": "string", "description": "A phone number in international form, or an email address" },
        "channel": { "oneOf": [channel(), workflow()] },
        "purpose": purpose(),
        "subject": { "type": "string", "maxLength": 255 },
        "session": { "type": "string", "maxLength": 255 },
        "locale": { "type": "string", "description": "BCP 47; the language of the message" },
        "template": { "type": "string", "description": "The id or name of a message template of this purpose" },
        "code": object(&[], json!({ "length": integer(), "alphabet": words(&["digits", "crockford"]) })),
        "expires_in": { "type": "integer", "minimum": 30, "description": "Seconds" },
        "context": object(&[], json!({
            "ip": text(), "user_agent": text(), "device": text(),
            "trusted": { "type": "boolean", "description": "You know this person's device; secret keys only" },
        })),
        "transaction": reference("Transaction"),
        "metadata": { "type": "object", "maxProperties": 20, "additionalProperties": { "type": "string", "maxLength": 500 } },
        "dry_run": { "type": "boolean", "description": "Only say what would happen" },
    });
    object(&["to"], fields)
}

fn verification() -> Value {
    answer(&json!({
        "id": text(), "object": { "const": "verification" }, "livemode": boolean(),
        "status": text(), "reason": optional("string"),
        "to": answer(&json!({
            "type": optional("string"), "masked": optional("string"), "country": optional("string"),
            "value": { "type": ["string", "null"], "description": "In the clear, with the scope `recipients:read`" },
        })),
        "purpose": text(), "channel": text(), "channels_available": texts(),
        "workflow": workflow_state(),
        "delivery": { "type": ["object", "null"], "properties": {
            "state": text(), "provider": optional("string"), "at": instant(),
        }},
        "attempts_remaining": integer(), "sends_remaining": integer(), "next_resend_at": instant_or_null(),
        "expires_at": instant(), "ended_at": instant_or_null(),
        "subject": optional("string"), "session": optional("string"),
        "transaction": { "oneOf": [reference("Transaction"), { "type": "null" }] },
        "risk": answer(&json!({ "decision": text(), "reasons": texts() })),
        "report": optional("string"), "locale": optional("string"),
        "metadata": { "type": "object", "additionalProperties": { "type": "string" } },
        "created_at": instant(),
        "code": { "type": ["string", "null"], "description": "Only with the channel `self`, in the answer of a start or resend" },
        "proof": { "type": ["string", "null"], "description": "A compact JWS, only in the answer of the check that approved" },
    }))
}

fn fact() -> Value {
    answer(&json!({
        "object": text(), "at": instant(), "type": text(), "actor": text(), "request_id": optional("string"),
        "delivery": optional("string"), "data": { "type": "object" },
    }))
}

fn project_fields() -> Value {
    json!({
        "id": text(), "object": { "const": "project" }, "name": text(), "brand": text(), "origin_host": optional("string"),
        "profile": text(), "locale": text(), "countries": texts(), "test_clock_ahead": integer(), "created_at": instant(),
    })
}

fn project_create() -> Value {
    let fields = json!({
        "name": { "type": "string", "maxLength": 80 },
        "brand": { "type": "string", "maxLength": 40, "description": "The name messages carry" },
        "origin_host": { "type": "string", "description": "The host messages are bound to" },
        "profile": words(&["standard", "nist", "psd2", "hipaa", "pci"]),
        "locale": text(),
        "countries": texts(),
    });
    object(&["name"], fields)
}

fn api_key() -> Value {
    answer(&json!({
        "id": text(), "object": { "const": "api_key" }, "project": text(), "livemode": boolean(), "kind": text(),
        "name": text(), "prefix": text(), "scopes": texts(), "networks": texts(), "expires_at": instant_or_null(),
        "revoked_at": instant_or_null(), "created_at": instant(),
        "secret": { "type": ["string", "null"], "description": "The key's text, shown once" },
    }))
}

fn api_key_create() -> Value {
    let fields = json!({
        "project": { "type": "string", "description": "Needed with an operator key" },
        "kind": words(&["secret", "restricted", "operator"]),
        "livemode": boolean(),
        "name": { "type": "string", "maxLength": 80 },
        "scopes": { "type": "array", "items": { "type": "string" }, "description": "Needed for a restricted key" },
        "networks": { "type": "array", "items": { "type": "string" }, "description": "CIDR" },
        "expires_at": instant(),
        "dialect": { "type": "string", "const": "twilio", "description": "A pair for Twilio's libraries; restricted keys only" },
    });
    object(&["kind"], fields)
}

fn test_message() -> Value {
    answer(&json!({
        "object": text(), "livemode": boolean(), "to": text(), "channel": text(), "text": text(), "code": text(),
        "verification": text(), "delivery": text(), "state": text(), "at": instant(),
    }))
}

fn problem() -> Value {
    let codes: Vec<_> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
    answer(&json!({
        "type": text(), "title": text(), "status": integer(), "detail": text(), "instance": text(),
        "code": { "type": "string", "examples": codes, "description": "Stable; others may be added" },
        "param": optional("string"), "retryable": boolean(), "request_id": text(),
        "end_user_message": answer(&json!({ "locale": text(), "text": text() })),
        "verification": { "oneOf": [reference("Verification"), { "type": "null" }] },
        "challenge": { "oneOf": [reference("Challenge"), { "type": "null" }] },
    }))
}

/// A problem as a caller would see it.
pub(super) fn problem_example(code: ErrorCode) -> Value {
    let (locale, words) = code.word().say(None);
    json!({
        "type": format!("/docs#{}", code.as_str()), "title": code.title(), "status": code.status(), "detail": code.cause(),
        "instance": "urn:countersign:req_01m83n1fqkeat9ryjx42vfks43", "code": code.as_str(), "param": null,
        "retryable": code.retryable(), "request_id": "req_01m83n1fqkeat9ryjx42vfks43",
        "end_user_message": { "locale": locale, "text": words }, "verification": null, "challenge": null,
    })
}

/// An answer as a caller would see it.
pub(super) fn example(schema: &str, status: u16) -> Value {
    let list =
        |item: Value| json!({ "object": "list", "data": [item], "has_more": false, "next_cursor": null });
    match schema {
        "Verification" => verification_example(status == 201),
        "VerificationList" => list(verification_example(true)),
        "Timeline" => list(json!({
            "object": "timeline_fact", "at": "2026-01-31T12:00:00.000Z", "type": "verification.created",
            "actor": "key_01m83n1fqkeat9ryjx42vfks43", "request_id": "req_01m83n1fqkeat9ryjx42vfks43", "delivery": null,
            "data": { "purpose": "authentication", "channel": "sms", "lane": "open", "route": ["gateway"] },
        })),
        "Project" => project_example(),
        "ProjectList" => list(project_example()),
        "ApiKey" => key_example(),
        "ApiKeyList" => list(key_example()),
        "TestMessageList" => list(json!({
            "object": "test_message", "livemode": false, "to": "+48600100217", "channel": "sms",
            "text": "123456 is your Example Shop code.", "code": "123456", "verification": "vrf_01m83n1fqkeat9ryjx42vfks43",
            "delivery": "dlv_01m83n1fqkeat9ryjx42vfks43", "state": "sent", "at": "2026-01-31T12:00:00.000Z",
        })),
        "TestClock" => {
            json!({ "object": "test_clock", "livemode": false, "now": "2026-01-31T12:15:00.000Z", "ahead": 900 })
        }
        "Health" => json!({ "status": "ok" }),
        other => super::person_schemas::example(other, status)
            .or_else(|| super::routing::example(other))
            .or_else(|| super::templates::example(other))
            .unwrap_or_else(|| json!({})),
    }
}

fn verification_example(pending: bool) -> Value {
    json!({
        "id": "vrf_01m83n1fqkeat9ryjx42vfks43", "object": "verification", "livemode": false,
        "status": if pending { "pending" } else { "approved" }, "reason": null,
        "to": { "type": "phone", "masked": "+48••••••17", "country": "PL", "value": null },
        "purpose": "authentication", "channel": "sms", "channels_available": ["sms", "voice"], "workflow": null,
        "delivery": { "state": "queued", "provider": null, "at": "2026-01-31T12:00:00.000Z" },
        "attempts_remaining": if pending { 5 } else { 4 }, "sends_remaining": if pending { 4 } else { 0 },
        "next_resend_at": if pending { json!("2026-01-31T12:00:30.000Z") } else { Value::Null },
        "expires_at": "2026-01-31T12:10:00.000Z",
        "ended_at": if pending { Value::Null } else { json!("2026-01-31T12:01:00.000Z") },
        "subject": "user-42", "session": null, "transaction": null,
        "risk": { "decision": "allow", "reasons": [] }, "report": null, "locale": "pl", "metadata": { "order": "42" },
        "created_at": "2026-01-31T12:00:00.000Z", "code": null,
        "proof": if pending { Value::Null } else { json!("eyJhbGciOiJFZERTQSJ9.eyJpc3MiOiJ…") },
    })
}

fn project_example() -> Value {
    json!({
        "id": "prj_01m83n1fqkeat9ryjx42vfks43", "object": "project", "name": "Shop", "brand": "Example Shop",
        "origin_host": "shop.example", "profile": "standard", "locale": "en", "countries": [], "test_clock_ahead": 0,
        "created_at": "2026-01-31T12:00:00.000Z",
    })
}

fn key_example() -> Value {
    json!({
        "id": "key_01m83n1fqkeat9ryjx42vfks43", "object": "api_key", "project": "prj_01m83n1fqkeat9ryjx42vfks43",
        "livemode": true, "kind": "restricted", "name": "shop backend", "prefix": "rk_live_0123456789ab",
        "scopes": ["verifications:check"], "networks": [], "expires_at": null, "revoked_at": null,
        "created_at": "2026-01-31T12:00:00.000Z", "secret": null,
    })
}

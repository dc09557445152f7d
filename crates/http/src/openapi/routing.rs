//! The schemas of routes and providers, and an example of each answer.

use serde_json::{Map, Value, json};

use super::schemas::{
    answer, boolean, channel, instant_or_null, integer, list_of, object, optional, purpose, text, texts,
};

/// Adds them to the others.
pub(super) fn add(schemas: &mut Map<String, Value>) {
    let mut add = |name: &str, schema: Value| schemas.insert(name.to_owned(), schema);
    add("Route", route());
    add("Provider", provider());
    add("RouteResolve", resolve());
    add("RouteResolution", resolution());
    add("Budget", budget());
    add("BudgetList", list_of("Budget"));
    add("RouteList", list_of("Route"));
    add("ProviderList", list_of("Provider"));
}

fn array(items: &Value) -> Value {
    json!({ "type": "array", "items": items })
}

fn senders() -> Value {
    answer(&json!({
        "elsewhere": optional("string"),
        "of_country": { "type": "object", "additionalProperties": { "type": "string" } },
    }))
}

fn route() -> Value {
    let candidate = answer(&json!({
        "provider": text(), "tier": integer(), "weight": integer(), "enabled": boolean(), "senders": senders(),
    }));
    answer(&json!({
        "object": { "const": "route" }, "name": text(), "channel": text(), "countries": texts(), "prefixes": texts(),
        "projects": texts(), "purposes": texts(), "providers": array(&candidate), "senders": senders(),
    }))
}

fn provider() -> Value {
    let conversion = answer(&json!({
        "country": text(), "sent": integer(), "approved": integer(),
        "lower_bound": { "type": ["integer", "null"], "description": "Thousandths; null while there are too few messages" },
    }));
    let numbers = json!({
        "tries": integer(), "failures": integer(), "delivered": integer(), "undelivered": integer(),
        "conversion": array(&conversion),
    });
    answer(&json!({
        "object": { "const": "provider" }, "name": text(), "enabled": boolean(),
        "circuit": { "type": "string", "examples": ["closed", "open", "half_open"] }, "open_until": instant_or_null(),
        "weight": { "type": "integer", "description": "What is left of the configured one, in thousandths" },
        "latency_ms": optional("integer"),
        "numbers": { "type": ["object", "null"], "properties": numbers, "description": "For operators" },
    }))
}

/// So much of a currency, or null: `amount` divided by ten to the power of `scale`.
fn optional_money() -> Value {
    let money = json!({ "amount": integer(), "scale": integer(), "currency": text() });
    json!({ "type": ["object", "null"], "properties": money, "description": "`amount` / 10^`scale`" })
}

fn budget() -> Value {
    answer(&json!({
        "object": { "const": "budget" }, "name": text(), "projects": texts(), "countries": texts(), "prefixes": texts(),
        "day": text(), "per_day": optional_money(), "reserved": optional_money(), "held": optional_money(),
        "remaining": optional_money(),
    }))
}

fn resolve() -> Value {
    let fields = json!({
        "to": { "type": "string", "description": "A phone number in international form, or an email address" },
        "channel": channel(),
        "purpose": purpose(),
        "project": { "type": "string", "description": "For operators" },
    });
    object(&["to"], fields)
}

fn resolution() -> Value {
    let considered = answer(&json!({
        "name": text(), "channel": text(), "matches": boolean(), "mismatches": texts(), "prefix_length": integer(),
    }));
    let step = answer(&json!({
        "provider": text(), "route": text(), "tier": integer(), "weight": integer(),
        "health": { "type": "integer", "description": "What is left of the weight, in thousandths" },
        "conversion": optional("integer"),
        "share": { "type": "integer", "description": "The chance to be first in its tier, in thousandths" },
        "open_until": instant_or_null(), "sender": optional("string"), "price": optional_money(), "on_failure": optional("string"),
    }));
    answer(&json!({
        "object": { "const": "route_resolution" },
        "to": answer(&json!({ "type": text(), "masked": text(), "country": optional("string") })),
        "purpose": text(), "channel": optional("string"), "channels_available": texts(),
        "routes": array(&considered), "steps": array(&step),
    }))
}

/// An answer as a caller would see it; `None` when the schema is none of these.
pub(super) fn example(schema: &str) -> Option<Value> {
    let list =
        |item: Value| json!({ "object": "list", "data": [item], "has_more": false, "next_cursor": null });
    let senders = || json!({ "elsewhere": "ACME", "of_country": {} });
    match schema {
        "RouteList" => Some(list(json!({
            "object": "route", "name": "poland", "channel": "sms", "countries": ["PL"], "prefixes": [], "projects": [],
            "purposes": [], "senders": senders(),
            "providers": [{ "provider": "gateway", "tier": 0, "weight": 1, "enabled": true, "senders": senders() }],
        }))),
        "ProviderList" => Some(list(json!({
            "object": "provider", "name": "gateway", "enabled": true, "circuit": "closed", "open_until": null,
            "weight": 1000, "latency_ms": 85,
            "numbers": { "tries": 120, "failures": 1, "delivered": 4100, "undelivered": 12, "conversion": [
                { "country": "PL", "sent": 900, "approved": 700, "lower_bound": 749 },
            ]},
        }))),
        "BudgetList" => Some(list(json!({
            "object": "budget", "name": "poland", "projects": [], "countries": ["PL"], "prefixes": [], "day": "2026-01-31",
            "per_day": { "amount": 25000000, "scale": 5, "currency": "EUR" },
            "reserved": { "amount": 1225000, "scale": 5, "currency": "EUR" },
            "held": { "amount": 100000, "scale": 5, "currency": "EUR" },
            "remaining": { "amount": 23775000, "scale": 5, "currency": "EUR" },
        }))),
        "RouteResolution" => Some(json!({
            "object": "route_resolution",
            "to": { "type": "phone", "masked": "+48••••••17", "country": "PL" },
            "purpose": "authentication", "channel": "sms", "channels_available": ["sms", "voice"],
            "routes": [
                { "name": "poland", "channel": "sms", "matches": true, "mismatches": [], "prefix_length": 0 },
                { "name": "calls", "channel": "voice", "matches": false, "mismatches": ["channel"], "prefix_length": 0 },
            ],
            "steps": [{
                "provider": "gateway", "route": "poland", "tier": 0, "weight": 1, "health": 1000, "conversion": null,
                "share": 1000, "open_until": null, "sender": "ACME",
                "price": { "amount": 645, "scale": 5, "currency": "EUR" }, "on_failure": null,
            }],
        })),
        _ => None,
    }
}

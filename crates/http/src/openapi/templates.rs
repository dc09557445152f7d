//! The schemas of message templates, and an example of each answer.

use serde_json::{Map, Value, json};

use super::schemas::{answer, boolean, channel, integer, list_of, object, optional, purpose, text, texts};

/// Adds them to the others.
pub(super) fn add(schemas: &mut Map<String, Value>) {
    let mut add = |name: &str, schema: Value| schemas.insert(name.to_owned(), schema);
    add("Template", template());
    add("TemplateList", list_of("Template"));
    add("TemplateCreate", create());
    add(
        "TemplateVersionCreate",
        object(&["texts"], json!({ "texts": languages(), "default_locale": text(), "activate": boolean() })),
    );
    add("TemplateActivate", object(&[], json!({ "version": integer() })));
    add("TemplatePreview", preview());
    add("TemplatePreviewed", previewed());
}

/// The texts of each language.
fn languages() -> Value {
    let of_language = json!({
        "sms": { "type": ["string", "null"], "maxLength": 480 },
        "subject": { "type": ["string", "null"], "maxLength": 150 },
        "text": { "type": ["string", "null"], "maxLength": 4000 },
        "html": { "type": ["string", "null"], "maxLength": 8000 },
    });
    json!({ "type": "object", "description": "By language tag (BCP 47)", "additionalProperties": object(&[], of_language) })
}

fn create() -> Value {
    let fields = json!({
        "name": { "type": "string", "maxLength": 80 }, "purpose": purpose(), "default_locale": text(),
        "texts": languages(), "activate": boolean(),
    });
    object(&["name", "texts"], fields)
}

fn template() -> Value {
    let version = answer(&json!({
        "version": integer(), "default_locale": text(), "texts": languages(),
        "created_at": { "type": "string", "format": "date-time" },
    }));
    answer(&json!({
        "id": text(), "object": { "const": "template" }, "livemode": boolean(), "name": text(), "purpose": text(),
        "active_version": optional("integer"), "versions": { "type": "array", "items": version },
        "created_at": { "type": "string", "format": "date-time" },
        "updated_at": { "type": "string", "format": "date-time" },
    }))
}

fn preview() -> Value {
    let fields = json!({
        "template": text(), "version": integer(), "texts": languages(), "default_locale": text(),
        "purpose": purpose(), "channel": channel(), "locale": text(),
        "to": { "type": "string", "description": "Whose price is wanted" },
    });
    object(&[], fields)
}

fn previewed() -> Value {
    answer(&json!({
        "object": { "const": "template_preview" }, "channel": text(), "locale": text(), "subject": optional("string"),
        "text": text(), "html": optional("string"), "encoding": optional("string"), "segments": integer(),
        "price": { "type": ["object", "null"] }, "warnings": texts(),
    }))
}

/// An answer as a caller would see it; `None` when the schema is none of these.
pub(super) fn example(schema: &str) -> Option<Value> {
    let words = "{code} is your {brand} code, good for {minutes} minutes. Never share it.";
    let template = json!({
        "id": "tpl_01m83n1fqkeat9ryjx42vfks43", "object": "template", "livemode": true, "name": "login",
        "purpose": "authentication", "active_version": 1,
        "versions": [{
            "version": 1, "default_locale": "en",
            "texts": { "en": { "sms": words, "subject": null, "text": null, "html": null } },
            "created_at": "2026-01-31T12:00:00.000Z",
        }],
        "created_at": "2026-01-31T12:00:00.000Z", "updated_at": "2026-01-31T12:00:00.000Z",
    });
    match schema {
        "Template" => Some(template),
        "TemplateList" => {
            Some(json!({ "object": "list", "data": [template], "has_more": false, "next_cursor": null }))
        }
        "TemplatePreviewed" => Some(json!({
            "object": "template_preview", "channel": "sms", "locale": "en", "subject": null,
            "text": "123456 is your Example Shop code.", "html": null, "encoding": "gsm7", "segments": 1,
            "price": { "amount": 645, "scale": 5, "currency": "EUR" }, "warnings": [],
        })),
        _ => None,
    }
}

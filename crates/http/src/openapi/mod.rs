//! The OpenAPI 3.1 document, made from the operations that stand beside their handlers in the route table.

mod person_schemas;
mod routing;
mod schemas;
mod templates;

use serde_json::{Map, Value, json};

use crate::error_code::ErrorCode;

/// The methods the API uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

impl Method {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Post => "post",
            Self::Put => "put",
            Self::Patch => "patch",
            Self::Delete => "delete",
        }
    }
}

/// A query parameter; all are texts on the wire and none is required.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
}

pub(crate) const LIMIT: Parameter =
    Parameter { name: "limit", description: "How many rows, 1 to 100; 20 if not given" };
pub(crate) const CURSOR: Parameter =
    Parameter { name: "cursor", description: "`next_cursor` of the page before" };

/// What a call is for: written beside its handler, read by the document and the page.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Operation {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) id: &'static str,
    pub(crate) tag: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) description: &'static str,
    /// The scope a key needs; `None` needs no key.
    pub(crate) scope: Option<&'static str>,
    pub(crate) parameters: &'static [Parameter],
    /// The name of the body's schema, and an example.
    pub(crate) body: Option<(&'static str, &'static str)>,
    /// Status, meaning and schema of a success.
    pub(crate) success: (u16, &'static str, &'static str),
    /// Errors beside those every call of its kind has; see [`Operation::all_errors`].
    pub(crate) errors: &'static [ErrorCode],
    pub(crate) idempotent: bool,
}

impl Operation {
    /// Every error this call may answer with.
    pub(crate) fn all_errors(&self) -> Vec<ErrorCode> {
        use ErrorCode as Code;
        let mut codes = self.errors.to_vec();
        if self.scope.is_some() {
            codes.extend([
                Code::KeyMissing,
                Code::KeyInvalid,
                Code::KeyExpired,
                Code::KeyRevoked,
                Code::ApiRateLimited,
            ]);
            codes.extend([
                Code::ScopeMissing,
                Code::IpNotAllowed,
                Code::StorageUnavailable,
                Code::Overloaded,
                Code::ShuttingDown,
            ]);
            codes.extend([Code::ParameterInvalid, Code::ParameterUnknown]);
        }
        if self.method == Method::Post || self.body.is_some() {
            codes.extend([Code::ParameterMissing, Code::BodyMalformed, Code::RequestTimeout]);
            codes.extend([Code::PayloadTooLarge, Code::MediaTypeUnsupported]);
        }
        if self.idempotent {
            codes.push(Code::IdempotencyKeyReused);
        }
        codes.push(Code::InternalError);
        let wanted = |code: &ErrorCode| codes.contains(code);
        ErrorCode::ALL.iter().copied().filter(wanted).collect()
    }
}

/// Bodies whose fields may all be left out, and so may the body.
const OPTIONAL_BODIES: [&str; 5] =
    ["VerificationResend", "SubjectPut", "FactorUpdate", "ChallengeRedeem", "RecipientRemove"];

/// The document as pretty JSON.
pub(crate) fn document(operations: &[Operation]) -> String {
    let mut paths = Map::new();
    for operation in operations {
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        path[operation.method.as_str()] = describe(operation);
    }
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Countersign",
            "version": "1",
            "summary": "One-time passwords: send a code, check it, prove it",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": schemas::all(),
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer", "description": "An API key: `sk_…`, `rk_…` or `ok_…`" },
                "basic": { "type": "http", "scheme": "basic", "description": "The API key as user name, no password" },
            },
        },
    });
    let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
    text.push('\n');
    text
}

fn describe(operation: &Operation) -> Value {
    let (status, meaning, schema) = operation.success;
    let mut responses = Map::new();
    responses.insert(status.to_string(), success(status, meaning, schema));
    let errors = operation.all_errors();
    for status in errors.iter().map(|code| code.status()) {
        responses.entry(status.to_string()).or_insert_with(|| problem(status, &errors));
    }
    let mut described = json!({
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.description,
        "parameters": parameters(operation),
        "responses": responses,
    });
    if let Some((schema, example)) = operation.body {
        let example: Value = serde_json::from_str(example).unwrap_or_default();
        let content = json!({ "schema": reference(schema), "example": example });
        described["requestBody"] = json!({
            "required": !OPTIONAL_BODIES.contains(&schema),
            "content": { "application/json": content, "application/x-www-form-urlencoded": content },
        });
    }
    described["security"] = match operation.scope {
        Some(_) => json!([{ "bearer": [] }, { "basic": [] }]),
        None => json!([]),
    };
    if let Some(scope) = operation.scope {
        described["x-required-scope"] = json!(scope);
    }
    described
}

fn parameters(operation: &Operation) -> Vec<Value> {
    let text = || json!({ "type": "string" });
    let in_path = operation.path.contains("{id}").then(|| {
        json!({ "name": "id", "in": "path", "required": true, "schema": text(), "description": "The object's id" })
    });
    let in_query = operation.parameters.iter().map(|parameter| {
        let (name, description) = (parameter.name, parameter.description);
        json!({ "name": name, "in": "query", "required": false, "schema": text(), "description": description })
    });
    let key = operation.idempotent.then(|| {
        json!({
            "name": "Idempotency-Key", "in": "header", "required": false,
            "schema": { "type": "string", "maxLength": 255 },
            "description": "The same key and body within 24 hours get the same outcome, with `Idempotent-Replayed: true`",
        })
    });
    in_path.into_iter().chain(in_query).chain(key).collect()
}

fn success(status: u16, meaning: &str, schema: &str) -> Value {
    let content = match schema {
        "Html" => json!({ "text/html": { "schema": { "type": "string" } } }),
        "Jwks" => json!({ "application/jwk-set+json": { "schema": reference(schema) } }),
        _ => {
            json!({ "application/json": { "schema": reference(schema), "example": schemas::example(schema, status) } })
        }
    };
    json!({ "description": meaning, "content": content, "headers": { "Request-Id": reference_header() } })
}

fn problem(status: u16, errors: &[ErrorCode]) -> Value {
    let here: Vec<_> = errors.iter().filter(|code| code.status() == status).collect();
    let lines: Vec<_> = here.iter().map(|code| format!("`{}`: {}", code.as_str(), code.title())).collect();
    let examples: Map<_, _> = here
        .iter()
        .map(|code| (code.as_str().to_owned(), json!({ "value": schemas::problem_example(**code) })))
        .collect();
    let content = json!({ "schema": reference("Problem"), "examples": examples });
    json!({ "description": lines.join("; "), "content": { "application/problem+json": content } })
}

fn reference(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

fn reference_header() -> Value {
    json!({ "description": "The id of this request", "schema": { "type": "string" } })
}

#[cfg(test)]
mod tests;

//! `GET /docs` and `/openapi.json`: the reference for people and for programs. The page is made here, works without
//! scripts and loads nothing.

use std::fmt::Write as _;
use std::sync::OnceLock;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;

use crate::answer::typed;
use crate::error_code::ErrorCode;
use crate::openapi::{Method, Operation};

pub(crate) const OPENAPI: Operation = Operation {
    method: Method::Get,
    path: "/openapi.json",
    id: "getOpenApi",
    tag: "Operation",
    summary: "This description",
    description: "OpenAPI 3.1.",
    scope: None,
    parameters: &[],
    body: None,
    success: (200, "The document", "OpenApi"),
    errors: &[],
    idempotent: false,
};

pub(crate) const PAGE: Operation = Operation {
    path: "/docs",
    id: "getDocs",
    summary: "This description as a page",
    description: "Loads nothing from outside.",
    success: (200, "The page", "Html"),
    ..OPENAPI
};

const STYLE: &str = include_str!("docs_page.css");

/// Only the style of the page itself may apply, and nothing may run, load or frame it.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(crate) async fn openapi() -> Response {
    static DOCUMENT: OnceLock<String> = OnceLock::new();
    typed(StatusCode::OK, "application/json", DOCUMENT.get_or_init(crate::openapi).as_str())
}

pub(crate) async fn page() -> Response {
    static PAGE: OnceLock<String> = OnceLock::new();
    let page = PAGE.get_or_init(|| render(&crate::operations()));
    let mut response = typed(StatusCode::OK, "text/html; charset=utf-8", page.as_str());
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

/// The page of these operations.
fn render(operations: &[Operation]) -> String {
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\"><title>Countersign API</title><style>{STYLE}</style></head><body>"
    );
    navigation(&mut page, operations);
    page.push_str(
        "<main><h1>Countersign API</h1><p>Send a code, check it, prove it. Authenticate with \
         <code>Authorization: Bearer sk_…</code>. The same as a document for programs: \
         <a href=\"/openapi.json\">/openapi.json</a>.</p>",
    );
    for operation in operations {
        section(&mut page, operation);
    }
    errors(&mut page);
    page.push_str("</main></body></html>\n");
    page
}

fn navigation(page: &mut String, operations: &[Operation]) {
    page.push_str("<nav aria-label=\"Calls\">");
    let mut tag = "";
    for operation in operations {
        if operation.tag != tag {
            tag = operation.tag;
            push(page, format_args!("<h2>{}</h2>", escape(tag)));
        }
        push(page, format_args!("<a href=\"#{}\">{}</a>", operation.id, escape(operation.summary)));
    }
    page.push_str("<h2>Errors</h2><a href=\"#errors\">All errors</a></nav>");
}

fn section(page: &mut String, operation: &Operation) {
    let (method, path) = (operation.method.as_str(), operation.path);
    push(page, format_args!("<section id=\"{}\"><h2>{}</h2>", operation.id, escape(operation.summary)));
    push(page, format_args!("<p class=\"call\"><b>{}</b> <code>{path}</code></p>", method.to_uppercase()));
    push(page, format_args!("<p>{}</p>", marked(operation.description)));
    if let Some(scope) = operation.scope {
        push(page, format_args!("<p>Needs the scope <code>{scope}</code>.</p>"));
    }
    if !operation.parameters.is_empty() {
        page.push_str("<table><caption>Query</caption>");
        for parameter in operation.parameters {
            let description = marked(parameter.description);
            push(
                page,
                format_args!(
                    "<tr><th scope=\"row\"><code>{}</code></th><td>{description}</td></tr>",
                    parameter.name
                ),
            );
        }
        page.push_str("</table>");
    }
    if let Some((_, example)) = operation.body {
        push(
            page,
            format_args!(
                "<pre>curl -u sk_test_…: $HOST{path} \\\n  -H 'Content-Type: application/json' \\\n  -d '{}'</pre>",
                escape(example)
            ),
        );
    }
    let (status, meaning, _) = operation.success;
    push(page, format_args!("<p>{status}: {}. Errors: ", escape(meaning)));
    for code in operation.all_errors() {
        let code = code.as_str();
        push(page, format_args!("<a href=\"#{code}\"><code>{code}</code></a> "));
    }
    page.push_str("</p></section>");
}

fn errors(page: &mut String) {
    page.push_str("<section id=\"errors\"><h2>Errors</h2><table><caption>Problem documents (RFC 9457)</caption><tr><th scope=\"col\">Code</th><th scope=\"col\">Status</th><th scope=\"col\">Cause and fix</th></tr>");
    for code in ErrorCode::ALL {
        let (name, status, cause, fix) =
            (code.as_str(), code.status(), marked(code.cause()), marked(code.fix()));
        push(
            page,
            format_args!(
                "<tr id=\"{name}\"><th scope=\"row\"><code>{name}</code></th><td>{status}</td><td>{cause} {fix}</td></tr>"
            ),
        );
    }
    page.push_str("</table></section>");
}

fn push(page: &mut String, part: std::fmt::Arguments<'_>) {
    // Writing into a String cannot fail.
    let _ = page.write_fmt(part);
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Text with its back-quoted parts as code.
fn marked(text: &str) -> String {
    let parts = text.split('`').enumerate();
    parts
        .map(|(nth, part)| if nth % 2 == 1 { format!("<code>{}</code>", escape(part)) } else { escape(part) })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_shows_every_call_and_loads_nothing() {
        let page = render(&crate::operations());
        for operation in crate::operations() {
            assert!(page.contains(&format!("<section id=\"{}\">", operation.id)), "{}", operation.id);
        }
        for loading in ["http://", "https://", "<script", "<img", "<link", "@import", "url("] {
            assert!(!page.contains(loading), "{loading}");
        }
    }

    #[test]
    fn links_inside_the_page_lead_somewhere() {
        let page = render(&crate::operations());
        for target in page.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(page.contains(&format!("id=\"{target}\"")), "{target}");
        }
    }

    #[test]
    fn text_is_escaped() {
        assert_eq!(marked("a `<b>` & c"), "a <code>&lt;b&gt;</code> &amp; c");
    }
}

//! The page of a preset in `docs/providers`: its contract, from the same data that sends.

use std::fmt::Write as _;

use serde_json::Value;

use super::{About, Preset, named};
use crate::config::ConfigProblem;
use crate::http_gateway::receipts::{Meaning, ReceiptConfig, TOKEN};
use crate::http_gateway::{
    Body, Condition, HttpGatewayConfig, MessageIdPlace, Method, OneOrMore, StatusRange,
};

/// The Markdown of a preset's page.
///
/// # Errors
/// When there is no such preset. A test holds that those there are can be read.
pub fn page(name: &str) -> Result<String, ConfigProblem> {
    let Preset { about, table } = named(name)?;
    let broken = |problem: toml::de::Error| ConfigProblem::new("preset", problem.message(), "report this");
    let config: HttpGatewayConfig = table.try_into().map_err(broken)?;
    let mut page = format!(
        "# {}\n\nGenerated from `crates/delivery/presets/{name}.toml` by `cargo xtask docs`; do not edit.\n",
        about.vendor
    );
    account(&mut page, name, &about, &config);
    request(&mut page, &config);
    answers(&mut page, &config);
    receipts(&mut page, &about, config.receipt.as_ref());
    list(&mut page, "Good to know", &about.notes);
    list(&mut page, "Not supported", &about.not_supported);
    Ok(page)
}

/// Writing to a string cannot fail.
macro_rules! line {
    ($page:expr, $($text:tt)*) => {
        let _ = writeln!($page, $($text)*);
    };
}

fn account(page: &mut String, name: &str, about: &About, config: &HttpGatewayConfig) {
    let is_optional = |key: &String| config.account.contains_key(key);
    let first = about.one_of.first();
    let shown: Vec<String> = about
        .account
        .keys()
        .filter(|key| !is_optional(key) || Some(*key) == first)
        .map(|key| format!("{key} = \"…\""))
        .collect();
    line!(page, "\n```toml\n[providers.my_{name}]\ntype = \"http\"\npreset = \"{name}\"");
    line!(page, "account = {{ {} }}", shown.join(", "));
    let receipt = config.receipt.as_ref().map(|_| TOKEN.to_owned());
    for secret in about.secrets.keys().chain(receipt.as_ref()) {
        line!(page, "secrets.{secret} = {{ file = \"/run/secrets/{name}-{}\" }}", secret.replace('_', "-"));
    }
    let channel = about.channels.first().map_or("sms", String::as_str);
    // What wakes devices is named by itself: a route leads to the recipients of verifications.
    if channel == "push" {
        line!(page, "\n[push]\nprovider = \"my_{name}\"\n```\n");
    } else {
        line!(page, "\n[[routes]]\nchannel = \"{channel}\"\nproviders = [\"my_{name}\"]\n```\n");
    }
    line!(page, "| Key | Needed | What it is |\n| --- | --- | --- |");
    for (key, what) in &about.account {
        let needed = if about.one_of.contains(key) {
            "one of these"
        } else if is_optional(key) {
            "no"
        } else {
            "yes"
        };
        line!(page, "| `account.{key}` | {needed} | {what} |");
    }
    for (key, what) in &about.secrets {
        line!(page, "| `secrets.{key}` | yes | {what} |");
    }
    for (key, what) in &about.optional_secrets {
        line!(page, "| `secrets.{key}` | no | {what} |");
    }
    if receipt.is_some() {
        line!(page, "| `secrets.{TOKEN}` | for receipts | 32 random bytes, `openssl rand -hex 32` |");
    }
}

fn request(page: &mut String, config: &HttpGatewayConfig) {
    let method = match config.method {
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Patch => "PATCH",
        Method::Get => "GET",
    };
    line!(page, "\n## Request\n\n`{method} {}`\n", config.url);
    if !config.not_for.is_empty() {
        line!(
            page,
            "Never for the purpose {}: the next provider of the route is tried.\n",
            config.not_for.join(", ")
        );
    }
    line!(page, "| Place | Value |\n| --- | --- |");
    for (header, value) in &config.headers {
        line!(page, "| `{header}` (header) | `{}` |", cell(value));
    }
    if config.auth.is_some() {
        line!(
            page,
            "| `Authorization` (header) | `Bearer` with a token fetched with the service account's key |"
        );
    }
    if config.sign.is_some() {
        line!(page, "| `Authorization` (header) | AWS Signature Version 4 |");
    }
    match &config.body {
        Some(Body::Form(fields)) => {
            for (field, value) in fields {
                leaf(page, field, value);
            }
        }
        Some(Body::Json(tree)) => leaf(page, "", tree),
        None => {}
    }
    let form = match &config.body {
        Some(Body::Form(_)) => "a form",
        Some(Body::Json(_)) => "JSON",
        None => "no body",
    };
    line!(page, "\nThe body is {form}. What comes out as none is left out.");
}

/// One line for each value of a tree.
fn leaf(page: &mut String, path: &str, value: &Value) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                leaf(page, &format!("{path}{}{name}", if path.is_empty() { "" } else { "." }), value);
            }
        }
        Value::Array(list) => {
            for (index, value) in list.iter().enumerate() {
                leaf(page, &format!("{path}[{index}]"), value);
            }
        }
        Value::String(text) => {
            line!(page, "| `{path}` | `{}` |", cell(text));
        }
        other => {
            line!(page, "| `{path}` | `{other}` |");
        }
    }
}

fn answers(page: &mut String, config: &HttpGatewayConfig) {
    line!(page, "\n## Answers\n");
    let mut taken = format!("status {}", statuses(&config.success.status));
    for Condition { pointer, equals } in &config.success.json {
        taken += &match equals {
            Some(equals) => format!(" and `{pointer}` is {}", words(equals)),
            None => format!(" and there is a `{pointer}`"),
        };
    }
    let id = match &config.message_id {
        Some(MessageIdPlace::Pointer(pointer)) => format!("`{pointer}`"),
        Some(MessageIdPlace::Header(name)) => format!("the header `{name}`"),
        None => "not told".to_owned(),
    };
    line!(page, "Taken over: {taken}. The message's id is {id}.\n");
    line!(page, "| When | Class | Fault | Again? | What it is |\n| --- | --- | --- | --- | --- |");
    for rule in &config.errors {
        let mut when = Vec::new();
        if !rule.status.is_empty() {
            when.push(format!("status {}", statuses(&rule.status)));
        }
        if let Some(pointer) = &rule.pointer {
            when.push(match &rule.equals {
                Some(equals) => format!("`{pointer}` is {}", words(equals)),
                None => format!("there is a `{pointer}`"),
            });
        }
        let fault = rule.fault.unwrap_or(rule.class.usual_fault());
        let again = if rule.retry.unwrap_or(rule.class.usually_passes()) { "yes" } else { "no" };
        line!(
            page,
            "| {} | `{}` | {} | {again} | {} |",
            when.join(" and "),
            rule.class.as_str(),
            fault.as_str(),
            rule.note.as_deref().unwrap_or_default()
        );
    }
    line!(
        page,
        "\nWhat no rule names goes by its status: 401, 403 `authentication`; 408, 425, 429 `throttled`; other 4xx and \
         redirects `configuration`; 5xx `unavailable`; success without its words `message_rejected`."
    );
}

fn receipts(page: &mut String, about: &About, config: Option<&ReceiptConfig>) {
    line!(page, "\n## Receipts\n\n{}", about.receipts);
    let Some(config) = config else { return };
    line!(
        page,
        "\n| `{}` | {} | Fate | What it is |",
        config.state,
        config.code.as_ref().map_or_else(|| "Code".to_owned(), |code| format!("`{code}`"))
    );
    line!(page, "| --- | --- | --- | --- |");
    for rule in &config.states {
        let any = |words_of: &Option<OneOrMore>| words_of.as_ref().map_or("any".to_owned(), words);
        let fate = match rule.means {
            Meaning::Underway => "underway".to_owned(),
            Meaning::Delivered => "delivered".to_owned(),
            Meaning::Failed(class) => format!("failed, `{}`", class.as_str()),
        };
        let note = rule.note.as_deref().unwrap_or_default();
        line!(page, "| {} | {} | {fate} | {note} |", any(&rule.state), any(&rule.code));
    }
    let ids: Vec<String> = config.id.texts().map(|id| format!("`{id}`")).collect();
    let each = if config.each.is_empty() { String::new() } else { format!(" of each `{}`", config.each) };
    line!(page, "\nThe first line that matches decides. The message is {}{each}.", ids.join(" or "));
}

fn list(page: &mut String, title: &str, entries: &[String]) {
    if !entries.is_empty() {
        line!(page, "\n## {title}\n");
        for entry in entries {
            line!(page, "- {entry}");
        }
    }
}

fn statuses(ranges: &[StatusRange]) -> String {
    ranges.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn words(words: &OneOrMore) -> String {
    words.texts().map(|word| format!("`{}`", cell(word))).collect::<Vec<_>>().join(", ")
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

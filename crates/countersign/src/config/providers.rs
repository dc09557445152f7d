//! `[providers.<name>]`: gateway accounts. What each type takes is declared in the delivery crate.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use countersign_core::receipt::ReceiptTaker;
use countersign_delivery::config::ConfigProblem;
use countersign_delivery::http_gateway::receipts::Readers;
use countersign_delivery::http_gateway::{HttpGatewayConfig, HttpGatewayProvider, Node, preset};
use countersign_delivery::provider::Provider;
use countersign_delivery::smpp::{SmppConfig, SmppProvider};
use countersign_delivery::smtp::{SmtpConfig, SmtpProvider};

use super::error::Invalid;
use super::reference::{Field, Section};
use crate::problem::{Outcome, Problem};

/// The providers of a node, by name.
pub(crate) type Providers = BTreeMap<String, Arc<dyn Provider>>;

const TYPES: &str = "write type = \"smtp\", type = \"smpp\" or type = \"http\"";

enum Account {
    Smtp(Box<SmtpConfig>),
    Http(Box<HttpGatewayConfig>),
    Smpp(Box<SmppConfig>),
}

/// Checks all tables without touching the network or reading a secret.
pub(super) fn validate(tables: &toml::Table) -> Result<(), Invalid> {
    for (name, table) in tables {
        let problems = match account(name, table)? {
            Account::Smtp(config) => config.validate(),
            Account::Http(config) => config.validate(),
            Account::Smpp(config) => config.validate(),
        };
        if let Some(problem) = problems.into_iter().next() {
            return Err(invalid(name, problem));
        }
    }
    Ok(())
}

/// Makes the providers; reads their secrets. Receipts that come over a provider's own connection go to `taker`.
pub(super) fn build(
    tables: &toml::Table,
    base: &Path,
    node: &Node,
    taker: Option<&Arc<dyn ReceiptTaker>>,
) -> Outcome<Providers> {
    let mut providers = Providers::new();
    each(tables, base, |name, account| {
        let made: Arc<dyn Provider> = match account {
            Account::Smtp(config) => Arc::new(SmtpProvider::new(name, config)?),
            Account::Http(config) => Arc::new(HttpGatewayProvider::new(name, config, node)?),
            Account::Smpp(config) => {
                Arc::new(SmppProvider::new(name, config, taker.cloned(), Arc::clone(&node.entropy))?)
            }
        };
        providers.insert(name.to_owned(), made);
        Ok(())
    })?;
    Ok(providers)
}

/// Makes what reads the receipts of the HTTP gateways; reads their secrets.
pub(super) fn readers(tables: &toml::Table, base: &Path, node: &Node) -> Outcome<Readers> {
    let mut readers = Readers::new(Arc::clone(&node.clock));
    each(tables, base, |name, account| match account {
        Account::Smtp(_) | Account::Smpp(_) => Ok(()),
        Account::Http(config) => readers.add(name, config),
    })?;
    Ok(readers)
}

fn each(
    tables: &toml::Table,
    base: &Path,
    mut make: impl FnMut(&str, &Account) -> Result<(), ConfigProblem>,
) -> Outcome {
    for (name, table) in tables {
        let mut table = table.clone();
        resolve_files(&mut table, base);
        let made = account(name, &table)
            .and_then(|account| make(name, &account).map_err(|problem| invalid(name, problem)));
        made.map_err(|invalid| {
            let what = format!("the provider {name:?} cannot be used");
            Problem::usage(what, format!("{}: {}", invalid.key.join("."), invalid.why), invalid.fix)
        })?;
    }
    Ok(())
}

fn account(name: &str, table: &toml::Value) -> Result<Account, Invalid> {
    let mut table = table.clone();
    let Some(fields) = table.as_table_mut() else {
        return Err(Invalid::new(&["providers", name], "not a table", format!("write [providers.{name}]")));
    };
    let kind = fields.remove("type");
    let read = match kind.as_ref().and_then(toml::Value::as_str) {
        Some("smtp") => table.try_into().map(Box::new).map(Account::Smtp),
        Some("smpp") => table.try_into().map(Box::new).map(Account::Smpp),
        Some("http") => {
            let own = fields.clone();
            let whole = preset::complete(own).map_err(|problem| invalid(name, problem))?;
            toml::Value::Table(whole).try_into().map(Box::new).map(Account::Http)
        }
        Some(other) => {
            let why = format!("there is no provider type {other:?}");
            return Err(Invalid::new(&["providers", name, "type"], why, TYPES));
        }
        None => return Err(Invalid::new(&["providers", name, "type"], "missing", TYPES)),
    };
    read.map_err(|error: toml::de::Error| {
        let fix = "correct the table; docs/configuration.md lists what each type takes";
        Invalid::new(&["providers", name], error.message().trim_end().replace('\n', " "), fix)
    })
}

fn invalid(name: &str, problem: ConfigProblem) -> Invalid {
    // `errors[2].status` stands at `errors` in the file, as far as a line can be told.
    let key = problem.key.split(['[', '.']).next().unwrap_or_default();
    Invalid::new(&["providers", name, key], format!("`{}` {}", problem.key, problem.problem), problem.fix)
}

/// Relative paths start where the configuration lies: `ca_file`, and `{ file = … }` of secrets.
fn resolve_files(value: &mut toml::Value, base: &Path) {
    let Some(table) = value.as_table_mut() else { return };
    let is_source = table.len() == 1;
    for (key, value) in table.iter_mut() {
        match value {
            toml::Value::String(path) if key == "ca_file" || (is_source && key == "file") => {
                *path = base.join(&*path).display().to_string();
            }
            // What stands in a body, or is a value of the account, is the gateway's business.
            _ if key == "body" || key == "account" => (),
            value => resolve_files(value, base),
        }
    }
}

pub(super) const SMTP_SECTION: Section = Section {
    header: "[providers.relay]",
    about: "A mail relay. The name after the dot is yours; routes refer to it.",
    optional: true,
    fields: &[
        Field { key: "type", value: "\"smtp\"", optional: true, about: "This is a mail relay." },
        Field {
            key: "host",
            value: "\"smtp.example.com\"",
            optional: true,
            about: "Name or address; its certificate must be for this name.",
        },
        Field {
            key: "port",
            value: "587",
            optional: true,
            about: "587, 465 or 25 after `security` when absent.",
        },
        Field {
            key: "security",
            value: "\"starttls\"",
            optional: true,
            about: "`starttls` (also when absent), `tls`, or `none` to this machine.",
        },
        Field {
            key: "insecure",
            value: "false",
            optional: true,
            about: "Allows clear text to another machine, and a password over it.",
        },
        Field {
            key: "ca_file",
            value: "\"tls/ca.pem\"",
            optional: true,
            about: "Authorities to trust instead of the system's, PEM.",
        },
        Field { key: "username", value: "\"countersign\"", optional: true, about: "With `password`." },
        Field {
            key: "password",
            value: "{ file = \"/run/secrets/relay\" }",
            optional: true,
            about: "`{ file = … }` or `{ env = … }`.",
        },
        Field {
            key: "from",
            value: "\"Acme <no-reply@acme.example>\"",
            optional: true,
            about: "The sender. The display name gives way to the project's brand.",
        },
        Field {
            key: "reply_to",
            value: "\"help@acme.example\"",
            optional: true,
            about: "Where answers go, if not to `from`.",
        },
        Field {
            key: "hello_name",
            value: "\"mx.acme.example\"",
            optional: true,
            about: "What we call ourselves in EHLO; the domain of `from` when absent.",
        },
        Field {
            key: "timeout_seconds",
            value: "20",
            optional: true,
            about: "Time for one whole exchange, 1 to 300; 20 when absent.",
        },
        Field {
            key: "max_connections",
            value: "4",
            optional: true,
            about: "Connections open at once, 1 to 256; 4 when absent.",
        },
    ],
};

pub(super) const PRESET_SECTION: Section = Section {
    header: "[providers.sms]",
    about: "An account with a vendor that has a preset: what docs/providers says it needs, and no more. Every key of an HTTP \
            gateway may be given besides: tables are laid over the preset's member by member, `errors` and \
            `receipt.states` before the preset's, anything else replaces it.",
    optional: true,
    fields: &[
        Field { key: "type", value: "\"http\"", optional: true, about: "It is an HTTP gateway." },
        Field {
            key: "preset",
            value: "\"twilio\"",
            optional: true,
            about: "The vendor: a name of a page in docs/providers.",
        },
        Field {
            key: "account",
            value: "{ account_sid = \"AC…\", from = \"ACME\" }",
            optional: true,
            about: "The account's own values.",
        },
        Field {
            key: "secrets",
            value: "{ auth_token = { file = \"/run/secrets/twilio\" } }",
            optional: true,
            about: "Its secrets. `receipt_token` besides, 32 random bytes (`openssl rand -hex 32`), opens \
                    `/receipts/<provider>/<token>`; with `server.public_url` the vendor is told that address.",
        },
    ],
};

pub(super) const HTTP_SECTION: Section = Section {
    header: "[providers.gateway]",
    about: "Any gateway with an HTTP API, described by configuration alone. Strings of `url`, `headers` and `body` are \
            templates over one message: `to`, `text`, `code`, `subject`, `sender`, `channel`, `locale`, `delivery_id`, \
            `encoding` (`gsm7`, `ucs2`), `segments`, `ttl_seconds`, `receipt_url`, `account.<name>` and `secrets.<name>`; \
            of a call also `voice.twiml`, `voice.plivo`, `voice.ssml` and `voice.language`; of a push \
            `challenge` and `factor`, and `to` is the device's token. Filters are those of Jinja, \
            and `base64`.",
    optional: true,
    fields: &[
        Field { key: "type", value: "\"http\"", optional: true, about: "This is an HTTP gateway." },
        Field {
            key: "account",
            value: "{ region = \"eu-west-1\", access_key_id = \"AKIA…\" }",
            optional: true,
            about: "Values of the account, not secret, that templates use as `account.<name>`; also in the host of `url`.",
        },
        Field {
            key: "url",
            value: "\"https://sms.example.com/v1/messages\"",
            optional: true,
            about: "The address; a template behind the host, its values percent-encoded.",
        },
        Field {
            key: "method",
            value: "\"POST\"",
            optional: true,
            about: "`POST` (also when absent), `PUT`, `PATCH` or `GET`.",
        },
        Field {
            key: "headers",
            value: "{ Idempotency-Key = \"{{ delivery_id }}\" }",
            optional: true,
            about: "Headers by name; templates.",
        },
        Field {
            key: "auth",
            value: "{ bearer = { env = \"SMS_TOKEN\" } }",
            optional: true,
            about: "How we sign in: `{ bearer = … }`, `{ basic = { username = …, password = … } }`, \
                    `{ google_service_account = { key = …, scope = … } }` with the name of a secret that is Google's \
                    key file, or `{ jwt = { key = …, claims = { … } } }`, signed by us with a private key (RS256).",
        },
        Field {
            key: "sign",
            value: "{ aws_sigv4 = { service = \"sns\", region = \"region\", access_key_id = \"access_key_id\", \
                    secret_access_key = \"secret_access_key\" } }",
            optional: true,
            about: "How the request is signed: AWS Signature Version 4. Region and keys are names of account values \
                    or secrets.",
        },
        Field {
            key: "not_for",
            value: "[\"transaction\"]",
            optional: true,
            about: "Purposes it must not be used for, because it brings words of its own that would not say what the \
                    code approves; the next provider of the route is tried.",
        },
        Field {
            key: "answer",
            value: "\"xml\"",
            optional: true,
            about: "How the answer is written: `json` (also when absent), or `xml`, in which pointers name elements.",
        },
        Field {
            key: "secrets",
            value: "{ secret_access_key = { file = \"/run/secrets/sms-key\" } }",
            optional: true,
            about: "Secrets that templates use as `secrets.<name>`. `receipt_token`, 32 random bytes \
                    (`openssl rand -hex 32`), opens `/receipts/<provider>/<token>`.",
        },
        Field {
            key: "body",
            value: "{ json = { to = \"{{ to }}\", from = \"ACME\", text = \"{{ text }}\" } }",
            optional: true,
            about: "`{ json = … }` or `{ form = … }`, a tree whose strings are templates. A string that is one `{{ … }}` \
                    keeps the type of its value; `{{ sender or none }}` leaves the field out.",
        },
        Field {
            key: "success",
            value: "{ status = [200, \"202-204\"] }",
            optional: true,
            about: "What counts as taken over: `status` (any 2xx when absent), and `json`, a list of \
                    `{ pointer = …, equals = … }`.",
        },
        Field {
            key: "message_id",
            value: "{ pointer = \"/messages/0/id\" }",
            optional: true,
            about: "Where the gateway's own name for the message stands.",
        },
        Field {
            key: "errors",
            value: "[{ status = [429], class = \"throttled\" }]",
            optional: true,
            about: "What its refusals mean; the first that matches decides, also over `success`. Pointers may have \
                    `*` for every element of an array.",
        },
        Field {
            key: "receipt",
            value: "{ id = \"/id\", state = \"/status\", states = [{ state = \"DELIVRD\", means = \"delivered\" }] }",
            optional: true,
            about: "How it tells what became of a message: `each`, `id`, `state`, `code` are pointers into the form, JSON or \
                    query; `states` say what means `underway`, `delivered` or a class of error; `signature` is one of \
                    `hmac`, `ed25519`, `jwt`, `twilio`, `vonage`, `plivo`.",
        },
        Field {
            key: "ca_file",
            value: "\"tls/ca.pem\"",
            optional: true,
            about: "Authorities to trust instead of the system's, PEM.",
        },
        Field {
            key: "insecure",
            value: "false",
            optional: true,
            about: "Allows `http://` to another machine.",
        },
        Field {
            key: "timeout_seconds",
            value: "20",
            optional: true,
            about: "Time for one request, 1 to 300; 20 when absent.",
        },
        Field {
            key: "max_connections",
            value: "16",
            optional: true,
            about: "Requests at once, 1 to 256; 16 when absent.",
        },
    ],
};

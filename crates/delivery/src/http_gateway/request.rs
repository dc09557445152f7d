//! One message as one request: the templates of the configuration, compiled once.

use std::collections::{BTreeMap, BTreeSet};

use hyper::Uri;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};

use super::config::{Body, HttpGatewayConfig, scalar_text, split_url};
use super::filled::{Filled, FilledBody, address};
use crate::config::{ConfigProblem, Secret};
use crate::limits;
use crate::provider::{ErrorClass, Outgoing, ProviderError};

/// What a template may use, besides `secrets.<name>`.
const NAMES: [&str; 11] = [
    "to",
    "text",
    "code",
    "subject",
    "sender",
    "channel",
    "locale",
    "delivery_id",
    "encoding",
    "segments",
    "ttl_seconds",
];

/// Names of templates that percent-encode their values.
const URL: &str = "url";

/// What stays as it is in an address (RFC 3986, "unreserved").
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A request whose values are still to be filled in.
#[derive(Debug)]
pub(super) struct RequestTemplate {
    url: Address,
    headers: Vec<(HeaderName, String)>,
    body: Option<BodyTemplate>,
    templates: Environment<'static>,
    secrets: minijinja::Value,
}

#[derive(Debug)]
enum Address {
    /// The same for every message.
    Fixed(Uri),
    /// This scheme and host, and the template [`URL`] behind them.
    Template(String),
}

#[derive(Debug)]
enum BodyTemplate {
    Json(Node),
    Form(Vec<(String, Node)>),
}

/// A JSON value with templates for leaves.
#[derive(Debug)]
enum Node {
    Fixed(Value),
    /// Text with templates in it: a string.
    Text(String),
    /// One expression: a value of its own type.
    Typed(String),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

impl RequestTemplate {
    /// Compiles every template and fills it once with a sample. Secrets that are not given stand as a sample
    /// too, which is how a configuration is checked without reading them.
    pub(super) fn compile(
        config: &HttpGatewayConfig,
        secrets: &BTreeMap<String, Secret>,
    ) -> Result<Self, ConfigProblem> {
        let mut compiler =
            Compiler { templates: environment(), secrets: config.secrets.keys().cloned().collect() };
        let url = compiler.address(&config.url)?;
        let mut headers = Vec::new();
        for (name, source) in &config.headers {
            let key = format!("headers.{name}");
            compiler.add(&key, &key, source)?;
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| {
                ConfigProblem::new(&key, "is no header name", "use letters, digits and hyphens")
            })?;
            headers.push((name, key));
        }
        let body = config.body.as_ref().map(|body| compiler.body(body)).transpose()?;
        let value = |name: &String| secrets.get(name).map_or("sample", Secret::expose);
        let secrets: BTreeMap<_, _> =
            config.secrets.keys().map(|name| (name.clone(), value(name).to_owned())).collect();
        let secrets = minijinja::Value::from(secrets);
        let template = Self { url, headers, body, templates: compiler.templates, secrets };
        match template.fill_with(&sample(&template.secrets)) {
            Ok(_) => Ok(template),
            Err(Unfilled { key, problem }) => Err(ConfigProblem::new(
                key,
                format!("cannot be filled in: {problem}"),
                "correct the template",
            )),
        }
    }

    /// The request for that message.
    pub(super) fn fill(&self, outgoing: &Outgoing) -> Result<Filled, ProviderError> {
        self.fill_with(&values(outgoing, &self.secrets)).map_err(|Unfilled { key, problem }| {
            ProviderError::new(ErrorClass::Configuration, format!("`{key}` cannot be filled in: {problem}"))
        })
    }

    fn fill_with(&self, values: &minijinja::Value) -> Result<Filled, Unfilled> {
        let url = match &self.url {
            Address::Fixed(url) => url.clone(),
            Address::Template(host) => address(&format!("{host}{}", self.text(URL, values)?))
                .ok_or_else(|| Unfilled::new(URL, "it is no web address"))?,
        };
        let mut headers = HeaderMap::new();
        for (name, key) in &self.headers {
            let mut value = HeaderValue::from_str(&self.text(key, values)?)
                .map_err(|_| Unfilled::new(key, "a header holds no control characters"))?;
            // Any of them may be a key.
            value.set_sensitive(true);
            headers.insert(name.clone(), value);
        }
        let body = match &self.body {
            None => None,
            Some(BodyTemplate::Json(node)) => {
                Some(FilledBody::Json(self.value(node, values)?.unwrap_or_default()))
            }
            Some(BodyTemplate::Form(fields)) => Some(FilledBody::Form(self.fields(fields, values)?)),
        };
        Ok(Filled { url, headers, body })
    }

    fn text(&self, name: &str, values: &minijinja::Value) -> Result<String, Unfilled> {
        let filled = self.templates.get_template(name).and_then(|template| template.render(values));
        // Only the kind of a failure is told: its words may quote a value.
        filled.map_err(|problem| Unfilled::new(name, &problem.kind().to_string()))
    }

    /// `None` for a value that is to be left out.
    fn value(&self, node: &Node, values: &minijinja::Value) -> Result<Option<Value>, Unfilled> {
        Ok(match node {
            Node::Fixed(value) => Some(value.clone()),
            Node::Text(name) => Some(Value::String(self.text(name, values)?)),
            Node::Typed(name) => match serde_json::from_str(&self.text(name, values)?) {
                Ok(Value::Null) => None,
                Ok(value) => Some(value),
                Err(_) => return Err(Unfilled::new(name, "it has no value that JSON could hold")),
            },
            Node::List(nodes) => {
                let mut list = Vec::with_capacity(nodes.len());
                for node in nodes {
                    list.extend(self.value(node, values)?);
                }
                Some(Value::Array(list))
            }
            Node::Object(members) => {
                let mut object = Map::with_capacity(members.len());
                for (name, node) in members {
                    if let Some(value) = self.value(node, values)? {
                        object.insert(name.clone(), value);
                    }
                }
                Some(Value::Object(object))
            }
        })
    }

    fn fields(
        &self,
        fields: &[(String, Node)],
        values: &minijinja::Value,
    ) -> Result<Vec<(String, String)>, Unfilled> {
        let mut filled = Vec::with_capacity(fields.len());
        for (name, node) in fields {
            let entries = match self.value(node, values)? {
                None => Vec::new(),
                Some(Value::Array(list)) => list,
                Some(single) => vec![single],
            };
            for entry in entries {
                let text = scalar_text(&entry)
                    .ok_or_else(|| Unfilled::new(&format!("body.form.{name}"), "it is no text"))?;
                filled.push((name.clone(), text));
            }
        }
        Ok(filled)
    }
}

/// A template that did not come out.
#[derive(Debug)]
struct Unfilled {
    key: String,
    problem: String,
}

impl Unfilled {
    fn new(key: &str, problem: &str) -> Self {
        Self { key: key.to_owned(), problem: problem.to_owned() }
    }
}

struct Compiler {
    templates: Environment<'static>,
    secrets: BTreeSet<String>,
}

impl Compiler {
    fn add(&mut self, name: &str, key: &str, source: &str) -> Result<(), ConfigProblem> {
        let wrong = |problem: minijinja::Error| {
            ConfigProblem::new(
                key,
                format!("is no template ({problem})"),
                "see the template's syntax in the docs",
            )
        };
        self.templates.add_template_owned(name.to_owned(), source.to_owned()).map_err(wrong)?;
        let used = self.templates.get_template(name).map_err(wrong)?.undeclared_variables(true);
        let mut used: Vec<_> = used.into_iter().filter(|name| !self.is_known(name)).collect();
        used.sort();
        match used.first() {
            None => Ok(()),
            Some(unknown) => {
                let fix = format!(
                    "use one of {}, or secrets.<name> with that name under secrets",
                    NAMES.join(", ")
                );
                Err(ConfigProblem::new(key, format!("uses `{unknown}`, which does not exist"), fix))
            }
        }
    }

    fn is_known(&self, name: &str) -> bool {
        match name.strip_prefix("secrets.") {
            Some(secret) => self.secrets.contains(secret),
            None => NAMES.contains(&name),
        }
    }

    fn address(&mut self, url: &str) -> Result<Address, ConfigProblem> {
        let (host, rest) = split_url(url);
        if is_template(rest) {
            self.add(URL, URL, rest)?;
            return Ok(Address::Template(host.to_owned()));
        }
        let wrong =
            || ConfigProblem::new(URL, "is no web address", "write it like https://api.example.com/messages");
        address(url).map(Address::Fixed).ok_or_else(wrong)
    }

    fn body(&mut self, body: &Body) -> Result<BodyTemplate, ConfigProblem> {
        match body {
            Body::Json(tree) => {
                Ok(BodyTemplate::Json(self.node("body.json", tree, limits::GATEWAY_BODY_DEPTH)?))
            }
            Body::Form(fields) => {
                let fields = fields.iter().map(|(name, tree)| {
                    // A list of texts at most.
                    let node = self.node(&format!("body.form.{name}"), tree, 1)?;
                    Ok((name.clone(), node))
                });
                Ok(BodyTemplate::Form(fields.collect::<Result<_, _>>()?))
            }
        }
    }

    fn node(&mut self, key: &str, tree: &Value, depth: usize) -> Result<Node, ConfigProblem> {
        match tree {
            Value::String(source) => self.leaf(key, source),
            Value::Null | Value::Bool(_) | Value::Number(_) => Ok(Node::Fixed(tree.clone())),
            Value::Array(_) | Value::Object(_) if depth == 0 => {
                Err(ConfigProblem::new(key, "lies too deep", "write a flatter body"))
            }
            Value::Array(list) => {
                let nodes = list.iter().enumerate();
                let nodes = nodes.map(|(index, item)| self.node(&format!("{key}[{index}]"), item, depth - 1));
                Ok(Node::List(nodes.collect::<Result<_, _>>()?))
            }
            Value::Object(members) => {
                let members = members.iter().map(|(name, item)| {
                    let node = self.node(&format!("{key}.{name}"), item, depth - 1)?;
                    Ok((name.clone(), node))
                });
                Ok(Node::Object(members.collect::<Result<_, _>>()?))
            }
        }
    }

    fn leaf(&mut self, key: &str, source: &str) -> Result<Node, ConfigProblem> {
        if !is_template(source) {
            return Ok(Node::Fixed(Value::String(source.to_owned())));
        }
        match lone_expression(source) {
            Some(expression) => {
                self.add(key, key, &format!("{{{{ ({expression})|tojson }}}}"))?;
                Ok(Node::Typed(key.to_owned()))
            }
            None => {
                self.add(key, key, source)?;
                Ok(Node::Text(key.to_owned()))
            }
        }
    }
}

fn is_template(source: &str) -> bool {
    ["{{", "{%", "{#"].iter().any(|mark| source.contains(mark))
}

/// The expression of a template that is nothing else.
fn lone_expression(source: &str) -> Option<&str> {
    let inner = source.trim().strip_prefix("{{")?.strip_suffix("}}")?;
    let simple = !["{{", "}}", "{%", "{#"].iter().any(|mark| inner.contains(mark));
    let plain = !inner.starts_with(['-', '+']) && !inner.ends_with(['-', '+']);
    (simple && plain).then_some(inner)
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_debug(false);
    environment.set_fuel(Some(limits::TEMPLATE_FUEL));
    environment.set_auto_escape_callback(|name| match name {
        URL => AutoEscape::Custom(URL.into()),
        _ => AutoEscape::None,
    });
    environment.set_formatter(|output, state, value| match state.auto_escape() {
        AutoEscape::Custom(_) => {
            let text = value.to_string();
            // A path segment of dots would climb, encoded or not.
            if value.is_undefined() || text == "." || text == ".." {
                return Err(minijinja::Error::new(ErrorKind::InvalidOperation, "no value for an address"));
            }
            write!(output, "{}", utf8_percent_encode(&text, ENCODED)).map_err(minijinja::Error::from)
        }
        _ => minijinja::escape_formatter(output, state, value),
    });
    environment
}

fn values(outgoing: &Outgoing, secrets: &minijinja::Value) -> minijinja::Value {
    let Outgoing { to, channel, sender, code, message, delivery_id, deadline: _, lifetime } = outgoing;
    let size = message.sms;
    minijinja::context! {
        to => to.as_str(),
        text => message.text.as_str(),
        code => code.as_str(),
        subject => message.subject.as_deref().unwrap_or_default(),
        sender => sender.as_deref().unwrap_or_default(),
        channel => *channel,
        locale => message.locale,
        delivery_id => delivery_id.as_str(),
        encoding => size.map_or("", |size| size.encoding.as_str()),
        segments => size.map_or(0, |size| size.segments),
        ttl_seconds => lifetime.as_secs(),
        secrets => secrets.clone(),
    }
}

fn sample(secrets: &minijinja::Value) -> minijinja::Value {
    minijinja::context! {
        to => "+15005550006",
        text => "123456 is your code.",
        code => "123456",
        subject => "Your code",
        sender => "ACME",
        channel => "sms",
        locale => "en",
        delivery_id => "dlv_00000000000000000000000000",
        encoding => "gsm7",
        segments => 1,
        ttl_seconds => 600,
        secrets => secrets.clone(),
    }
}

#[cfg(test)]
mod tests;

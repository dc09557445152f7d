//! XML, one child of the root at a time, so that a container of any size takes the memory of its largest package.

use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::ResolveResult;
use quick_xml::reader::NsReader;

use super::super::source::{Bounded, TOO_LONG};

/// Elements inside each other.
const MAX_DEPTH: usize = 24;
/// Attributes of one element.
const MAX_ATTRIBUTES: usize = 32;

/// An element without its prefix, with what is in it.
#[derive(Debug, Default)]
pub(super) struct Node {
    pub(super) name: String,
    /// The line it ends its start tag on.
    pub(super) line: u64,
    attributes: Vec<(String, String)>,
    text: zeroize::Zeroizing<String>,
    pub(super) children: Vec<Node>,
}

impl Node {
    /// The first element at this path below it.
    pub(super) fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |node, name| node.children.iter().find(|child| child.name == *name))
    }

    /// The text of the first element at this path; `None` when it is not there or blank.
    pub(super) fn text_at(&self, path: &[&str]) -> Option<&str> {
        self.at(path).map(Self::text).filter(|text| !text.is_empty())
    }

    pub(super) fn text(&self) -> &str {
        self.text.trim()
    }

    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.trim())
    }
}

/// The children of a root element, one after the other.
pub(super) struct Children<R: std::io::Read> {
    reader: NsReader<Bounded<R>>,
    buffer: Vec<u8>,
    root: Option<Node>,
    ended: bool,
}

/// Where reading failed and why.
pub(super) type Failure = (u64, String);

impl<R: std::io::Read> Children<R> {
    pub(super) fn new(from: Bounded<R>) -> Self {
        Self { reader: NsReader::from_reader(from), buffer: Vec::new(), root: None, ended: false }
    }

    /// The start of the root element, which must be `name` in `namespace`.
    pub(super) fn root(&mut self, name: &str, namespace: &str) -> Result<&Node, Failure> {
        while self.root.is_none() {
            self.buffer.clear();
            let read = self.reader.read_resolved_event_into(&mut self.buffer);
            let start = match read {
                Ok((space, Event::Start(start))) => {
                    let same = matches!(space, ResolveResult::Bound(bound) if bound.as_ref() == namespace);
                    if start.local_name().as_ref() != name || !same {
                        let why = format!("the root is not {name} of {namespace}");
                        let line = self.reader.get_mut().line();
                        return Err((line, why));
                    }
                    start.to_owned()
                }
                Ok((_, Event::Decl(declaration))) => {
                    let encoding = declaration.encoding().transpose().ok().flatten();
                    if encoding
                        .is_some_and(|name| !["utf-8", "us-ascii"].contains(&&*name.to_ascii_lowercase()))
                    {
                        return self.fail("only UTF-8 is read; convert the file");
                    }
                    continue;
                }
                Ok((_, Event::Text(text))) if text.trim().is_empty() => continue,
                Ok((_, Event::Comment(_) | Event::PI(_))) => continue,
                Ok((_, Event::DocType(_))) => return self.fail(DOCTYPE),
                Ok((_, Event::Eof)) => return self.fail("it holds no XML"),
                Ok(_) => return self.fail("it does not begin as XML does"),
                Err(error) => return Err(self.broken(&error)),
            };
            self.root = Some(self.node(&start)?);
        }
        self.root.as_ref().ok_or((0, String::new()))
    }

    /// The next child; `None` at the end of the root.
    pub(super) fn child(&mut self) -> Result<Option<Node>, Failure> {
        if self.ended {
            return Ok(None);
        }
        let mut open: Vec<Node> = Vec::new();
        self.reader.get_mut().begin();
        loop {
            self.buffer.clear();
            let event = match self.reader.read_event_into(&mut self.buffer) {
                Ok(event) => event.into_owned(),
                Err(error) => return Err(self.broken(&error)),
            };
            match event {
                Event::Start(start) if open.len() < MAX_DEPTH => open.push(self.node(&start)?),
                Event::Empty(start) if open.len() < MAX_DEPTH => {
                    let node = self.node(&start)?;
                    match open.last_mut() {
                        Some(parent) => parent.children.push(node),
                        None => return self.whole(node),
                    }
                }
                Event::Start(_) | Event::Empty(_) => return self.fail("elements are nested too deeply"),
                Event::End(_) => match (open.pop(), open.last_mut()) {
                    (Some(node), Some(parent)) => parent.children.push(node),
                    (Some(node), None) => return self.whole(node),
                    (None, _) => return self.end(),
                },
                Event::Text(text) => add(&mut open, &text.xml_content(XmlVersion::Implicit1_0)),
                Event::CData(text) => add(&mut open, &text.xml_content(XmlVersion::Implicit1_0)),
                Event::GeneralRef(reference) => match resolved(&reference) {
                    Some(symbol) => add(&mut open, symbol.encode_utf8(&mut [0; 4])),
                    None => {
                        return self
                            .fail("an entity other than the five of XML stands there; none are resolved");
                    }
                },
                Event::DocType(_) => return self.fail(DOCTYPE),
                Event::Eof => return self.fail("it ends in the middle of the XML"),
                Event::Comment(_) | Event::PI(_) | Event::Decl(_) => {}
            }
        }
    }

    /// A child that was read to its end, which may lie behind the limit although its last piece could be read.
    fn whole(&mut self, node: Node) -> Result<Option<Node>, Failure> {
        if self.reader.get_mut().is_over() { self.fail(TOO_LONG_PACKAGE) } else { Ok(Some(node)) }
    }

    /// Nothing but blanks and comments may come behind the root.
    fn end(&mut self) -> Result<Option<Node>, Failure> {
        self.ended = true;
        loop {
            self.buffer.clear();
            match self.reader.read_event_into(&mut self.buffer) {
                Ok(Event::Eof) => return Ok(None),
                Ok(Event::Comment(_) | Event::PI(_)) => {}
                Ok(Event::Text(text)) if text.trim().is_empty() => {}
                Ok(_) => return self.fail("something stands behind the end of the XML"),
                Err(error) => return Err(self.broken(&error)),
            }
        }
    }

    fn node(&mut self, start: &BytesStart<'_>) -> Result<Node, Failure> {
        let line = self.reader.get_mut().line();
        let mut node = Node { name: start.local_name().as_ref().to_owned(), line, ..Node::default() };
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| (line, format!("it is not XML: {error}")))?;
            let value = attribute.normalized_value(XmlVersion::Implicit1_0);
            let value = value.map_err(|error| (line, format!("it is not XML: {error}")))?;
            if node.attributes.len() >= MAX_ATTRIBUTES {
                return Err((line, format!("an element has more than {MAX_ATTRIBUTES} attributes")));
            }
            node.attributes.push((attribute.key.local_name().as_ref().to_owned(), value.into_owned()));
        }
        Ok(node)
    }

    fn fail<T>(&mut self, why: &str) -> Result<T, Failure> {
        Err((self.reader.get_mut().line(), why.to_owned()))
    }

    fn broken(&mut self, error: &quick_xml::Error) -> Failure {
        let line = self.reader.get_mut().line();
        match error {
            quick_xml::Error::Io(error) if error.to_string() == TOO_LONG => {
                (line, TOO_LONG_PACKAGE.to_owned())
            }
            quick_xml::Error::Io(error) => (line, error.to_string()),
            error => (line, format!("it is not XML: {error}")),
        }
    }
}

const TOO_LONG_PACKAGE: &str = "the package is longer than 65536 bytes";
const DOCTYPE: &str = "a document type stands there; files with one are not read";

fn add(open: &mut [Node], text: &str) {
    if let Some(node) = open.last_mut() {
        node.text.push_str(text);
    }
}

/// The symbol of `&lt;`, `&#65;` and their like.
fn resolved(reference: &quick_xml::events::BytesRef<'_>) -> Option<char> {
    if let Ok(Some(symbol)) = reference.resolve_char_ref() {
        return Some(symbol);
    }
    match &**reference {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "apos" => Some('\''),
        "quot" => Some('"'),
        _ => None,
    }
}

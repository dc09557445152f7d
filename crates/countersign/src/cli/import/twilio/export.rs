//! Files as Twilio's API (`{"services":[…],"meta":{…}}`, or one record) or its command line (`[…]`) writes them, several
//! values one behind the other too. They are read element by element: a file may be large, what is kept is bounded.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use countersign_core::setting::MOST_OF_A_KIND;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::problem::{Outcome, Problem};

/// Bytes of one element.
const MOST_OF_ELEMENT: usize = 64 * 1024;
/// Bytes of all that is kept.
const MOST_IN_ALL: usize = 12 * 1024 * 1024;
/// Members of a page that are lists of records.
const LISTS: [&str; 11] = [
    "services",
    "rate_limits",
    "buckets",
    "messaging_configurations",
    "webhooks",
    "entities",
    "factors",
    "challenges",
    "templates",
    "attempts",
    "numbers",
];
/// What is imported: beginnings of SIDs.
const IMPORTED: [&str; 4] = ["VA", "RK", "BL", "GN"];
/// What is not, and why.
const LEFT: [(&str, &str, &str); 9] = [
    ("MG", "messaging configurations", "the routes of the configuration choose senders"),
    ("YW", "webhooks", "they are not called here"),
    ("HJ", "templates", "messages have the built-in text"),
    ("YE", "entities", "Twilio does not give out the secrets of factors"),
    ("YF", "factors", "Twilio does not give out the secrets of factors"),
    ("YC", "challenges", "what was begun at Twilio ends there"),
    ("VE", "verifications", "what was begun at Twilio ends there"),
    ("VL", "attempts", "what was begun at Twilio ends there"),
    ("SK", "API keys", "their secrets are Twilio's; `keys create --twilio` makes a pair"),
];

/// What the files hold.
#[derive(Debug, Default)]
pub(super) struct Export {
    pub(super) records: Vec<Value>,
    /// Where each stands, for people.
    pub(super) places: Vec<String>,
    /// Records that are not imported: how many, and why.
    pub(super) left: BTreeMap<&'static str, (usize, &'static str)>,
    counts: BTreeMap<&'static str, usize>,
    bytes: usize,
}

impl Export {
    pub(super) fn read(files: &[PathBuf]) -> Outcome<Self> {
        let mut export = Self::default();
        for path in files {
            let name = path.display().to_string();
            if path == Path::new("-") {
                export.take("standard input", io::stdin().lock())?;
            } else {
                let unreadable =
                    |error: io::Error| Problem::new(format!("{name} cannot be read"), error, FIX);
                export.take(&name, BufReader::new(File::open(path).map_err(unreadable)?))?;
            }
        }
        Ok(export)
    }

    fn take(&mut self, file: &str, reader: impl BufRead) -> Outcome {
        let meter = Meter { line: Rc::new(Cell::new(1)), left: Rc::new(Cell::new(MOST_OF_ELEMENT)) };
        let mut json = serde_json::Deserializer::from_reader(Metered { reader, meter: meter.clone() });
        let mut reading = Reading { export: self, file, meter, elements: 0 };
        loop {
            reading
                .top(&mut json)
                .map_err(|error| Problem::usage("nothing was imported", format!("{file}: {error}"), FIX))?;
            // Pages may stand one behind the other.
            if json.end().is_ok() {
                return Ok(());
            }
        }
    }
}

const FIX: &str = "give files with JSON as Twilio's API answers it; docs/migrate/twilio.md has the commands";

/// How far a file was read, and how much of the element may still come.
#[derive(Clone)]
struct Meter {
    line: Rc<Cell<usize>>,
    left: Rc<Cell<usize>>,
}

struct Metered<R> {
    reader: R,
    meter: Meter,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(into)?;
        let lines = into.iter().take(read).filter(|byte| **byte == b'\n').count();
        self.meter.line.set(self.meter.line.get() + lines);
        let left = self.meter.left.get().checked_sub(read);
        self.meter.left.set(left.ok_or_else(|| {
            io::Error::other(format!("line {}: more than 64 KiB in one element", self.meter.line.get()))
        })?);
        Ok(read)
    }
}

/// What is done with the elements of a file.
struct Reading<'a> {
    export: &'a mut Export,
    file: &'a str,
    meter: Meter,
    elements: usize,
}

impl Reading<'_> {
    fn top<'de, D: Deserializer<'de>>(&mut self, json: D) -> Result<(), D::Error> {
        self.begin();
        json.deserialize_any(Top(self))
    }

    /// Begins an element: the next bytes are its own. Answers its line.
    fn begin(&self) -> usize {
        self.meter.left.set(MOST_OF_ELEMENT);
        self.meter.line.get()
    }

    fn element(&mut self, line: usize, members: Map<String, Value>) -> Result<(), String> {
        self.elements += 1;
        let place = format!("{}:{line}: element {}", self.file, self.elements);
        let members: Map<String, Value> = members
            .into_iter()
            .map(|(name, value)| (snake_case(&name), value))
            .filter(|(name, _)| name != "links" && name != "url")
            .collect();
        let named = |name: &str| members.get(name).and_then(Value::as_str);
        // A messaging configuration is the one record without a SID of its own.
        let sid = named("sid").or_else(|| named("messaging_service_sid"));
        let prefix = sid.and_then(|sid| sid.get(..2)).ok_or_else(|| format!("{place}: it has no `sid`"))?;
        if let Some((_, what, why)) = LEFT.iter().find(|(left, ..)| *left == prefix) {
            self.export.left.entry(what).or_insert((0, why)).0 += 1;
            return Ok(());
        }
        let known = IMPORTED.iter().find(|known| **known == prefix);
        let known = known.ok_or_else(|| format!("{place}: {prefix}… is no record of Twilio Verify"))?;
        let record = Value::Object(members);
        self.export.bytes += record.to_string().len();
        let count = self.export.counts.entry(known).or_default();
        *count += 1;
        // A page read twice is no mistake, so there may be some more than fit.
        if *count > 2 * MOST_OF_A_KIND || self.export.bytes > MOST_IN_ALL {
            return Err(format!("{place}: there are more records than a project may have"));
        }
        self.export.records.push(record);
        self.export.places.push(place);
        Ok(())
    }
}

/// `friendlyName`, as Twilio's command line writes it, is `friendly_name`.
fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

/// A page, a list or a record.
struct Top<'a, 'b>(&'a mut Reading<'b>);

impl<'de> Visitor<'de> for Top<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a page of records, a list of them, or one")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(Element(self.0))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut page: A) -> Result<(), A::Error> {
        let line = self.0.begin();
        let (mut members, mut listed) = (Map::new(), false);
        while let Some(name) = page.next_key::<String>()? {
            if LISTS.contains(&snake_case(&name).as_str()) {
                page.next_value_seed(List(self.0))?;
                self.0.begin();
                listed = true;
            } else if name == "meta" {
                page.next_value::<IgnoredAny>()?;
                listed = true;
            } else {
                members.insert(name, page.next_value()?);
            }
        }
        if let (Some(code), Some(message)) = (members.get("code"), members.get("message")) {
            return Err(A::Error::custom(format!(
                "line {line}: Twilio answered with an error: {code} {message}"
            )));
        }
        if listed {
            return Ok(());
        }
        self.0.element(line, members).map_err(A::Error::custom)
    }
}

/// The records of a page.
struct List<'a, 'b>(&'a mut Reading<'b>);

impl<'de> DeserializeSeed<'de> for List<'_, '_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_seq(Top(self.0))
    }
}

/// A record of a list.
struct Element<'a, 'b>(&'a mut Reading<'b>);

impl<'de> DeserializeSeed<'de> for Element<'_, '_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        let line = self.0.begin();
        let members = serde::Deserialize::deserialize(json)?;
        self.0.element(line, members).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VA: &str = "VA0123456789abcdef0123456789abcdef";

    fn read(text: &str) -> Result<Export, String> {
        let mut export = Export::default();
        export.take("f", text.as_bytes()).map_err(|problem| problem.why)?;
        Ok(export)
    }

    fn names(export: &Export) -> Vec<&str> {
        export.records.iter().map(|record| record["friendly_name"].as_str().unwrap_or_default()).collect()
    }

    #[test]
    fn every_shape_of_an_export_is_read() {
        let one = format!("{{\"sid\":\"{VA}\",\"friendly_name\":\"a\",\"links\":{{\"rate_limits\":\"x\"}}}}");
        let camel = format!("[{{\"sid\":\"{VA}\",\"friendlyName\":\"b\"}}]");
        let page = format!("{{\"meta\":{{\"key\":\"services\"}},\"services\":[{one},\n{one}]}}");
        assert_eq!(names(&read(&one).unwrap()), ["a"]);
        assert_eq!(names(&read(&camel).unwrap()), ["b"]);
        let export = read(&format!("{page}\n{camel} {one}")).unwrap();
        assert_eq!(names(&export), ["a", "a", "b", "a"]);
        assert_eq!(export.places[1], "f:2: element 2");
        assert_eq!(
            export.records[0].as_object().unwrap().keys().collect::<Vec<_>>(),
            ["sid", "friendly_name"]
        );
        assert!(read("{\"services\":[],\"meta\":{}}").unwrap().records.is_empty());
    }

    #[test]
    fn what_is_not_imported_is_counted() {
        let text =
            "[{\"sid\":\"YW1\"},{\"country\":\"PL\",\"messaging_service_sid\":\"MG1\"},{\"sid\":\"YW2\"}]";
        let left = read(text).unwrap().left;
        assert_eq!((left["webhooks"].0, left["messaging configurations"].0), (2, 1));
    }

    #[test]
    fn a_mistake_is_told_with_its_place() {
        for (text, why) in [
            ("", "EOF"),
            ("[{]", "line 1"),
            ("[\n{}]", "f:2: element 1: it has no `sid`"),
            ("[{\"sid\":\"XX1\"}]", "XX… is no record"),
            ("[{\"sid\":\"é\"}]", "no record"),
            ("[1]", "invalid type"),
            ("7", "invalid type"),
            ("{\"services\":{}}", "invalid type"),
            ("{\"code\":20003,\"message\":\"Authenticate\"}", "20003"),
        ] {
            let told = read(text).unwrap_err();
            assert!(told.contains(why), "{text}: {told}");
        }
    }

    #[test]
    fn neither_an_element_nor_the_whole_is_larger_than_its_bound() {
        let filled = |length: usize| format!("[{{\"sid\":\"{VA}\",\"x\":\"{}\"}}]", "y".repeat(length));
        let around = filled(0).len() - 2;
        assert!(read(&filled(MOST_OF_ELEMENT - around - 2)).is_ok());
        assert!(read(&filled(MOST_OF_ELEMENT)).unwrap_err().contains("64 KiB"));
        let many = |count: usize| format!("[{}]", vec![format!("{{\"sid\":\"{VA}\"}}"); count].join(","));
        assert_eq!(read(&many(2 * MOST_OF_A_KIND)).unwrap().records.len(), 2 * MOST_OF_A_KIND);
        assert!(read(&many(2 * MOST_OF_A_KIND + 1)).unwrap_err().contains("more records"));
    }
}

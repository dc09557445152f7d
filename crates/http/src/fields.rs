//! The fields of an object from outside: each asked for by name and type, and every wrong one named in the answer.

use crate::error_code::ErrorCode;
use crate::problem::Problem;
use crate::value::Value;

/// An object whose names are all known and given once.
#[derive(Debug)]
pub(crate) struct Fields {
    path: String,
    members: Vec<(String, Value)>,
}

impl Fields {
    /// The fields of the body.
    pub(crate) fn of_body(body: Value, known: &[&str]) -> Result<Self, Problem> {
        match body {
            Value::Object(members) => Self::new(String::new(), members, Some(known)),
            _ => Err(Problem::new(ErrorCode::BodyMalformed, "The body must be a JSON object.")),
        }
    }

    /// The fields of an item of a list, which stands at `at`.
    pub(crate) fn of_item(at: &str, item: Value, known: &[&str]) -> Result<Self, Problem> {
        match item {
            Value::Object(members) => Self::new(at.to_owned(), members, Some(known)),
            _ => Err(invalid(at, "must be an object")),
        }
    }

    fn new(path: String, members: Vec<(String, Value)>, known: Option<&[&str]>) -> Result<Self, Problem> {
        let fields = Self { path, members };
        for (nth, (name, _)) in fields.members.iter().enumerate() {
            if known.is_some_and(|known| !known.contains(&name.as_str())) {
                return Err(unknown(&fields.at(name), known.unwrap_or_default()));
            }
            if fields.members[..nth].iter().any(|(earlier, _)| earlier == name) {
                return Err(invalid(fields.at(name), "is given twice"));
            }
        }
        Ok(fields)
    }

    /// The full name of a field, with a dot before each inner name.
    pub(crate) fn at(&self, name: &str) -> String {
        if self.path.is_empty() { clip(name) } else { format!("{}.{}", self.path, clip(name)) }
    }

    /// The value of a field; `null` is the same as absent.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        let at = self.members.iter().position(|(known, _)| known == name)?;
        match self.members.swap_remove(at).1 {
            Value::Null => None,
            value => Some(value),
        }
    }

    /// Whether a field was given, be it as `null`.
    pub(crate) fn names(&self, name: &str) -> bool {
        self.members.iter().any(|(known, _)| known == name)
    }

    /// Whether a field is there and not `null`.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.members.iter().any(|(known, value)| known == name && !matches!(value, Value::Null))
    }

    /// A text of at most so many characters.
    pub(crate) fn text(&mut self, name: &str, most: usize) -> Result<Option<String>, Problem> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let text = text(value).ok_or_else(|| invalid(self.at(name), "must be a text"))?;
        if text.chars().count() > most {
            return Err(invalid(self.at(name), &format!("may have at most {most} characters")));
        }
        Ok(Some(text))
    }

    /// A text that must be there.
    pub(crate) fn required_text(&mut self, name: &str, most: usize) -> Result<String, Problem> {
        self.text(name, most)?.ok_or_else(|| missing(self.at(name)))
    }

    /// A text without control characters, not empty.
    pub(crate) fn line(&mut self, name: &str, most: usize) -> Result<Option<String>, Problem> {
        let Some(text) = self.text(name, most)? else { return Ok(None) };
        line(text, &self.at(name), most).map(Some)
    }

    /// One of a closed list of words.
    pub(crate) fn word<T>(
        &mut self,
        name: &str,
        words: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.text(name, 64)? else { return Ok(None) };
        read(&text).map(Some).ok_or_else(|| invalid(self.at(name), &format!("must be {words}")))
    }

    /// A whole number within bounds.
    pub(crate) fn integer(
        &mut self,
        name: &str,
        bounds: std::ops::RangeInclusive<u64>,
    ) -> Result<Option<u64>, Problem> {
        let number = match self.take(name) {
            None => return Ok(None),
            Some(Value::Integer(number)) => u64::try_from(number).ok(),
            Some(Value::Form(text)) => plain_number(&text),
            Some(_) => None,
        };
        number.filter(|number| bounds.contains(number)).map(Some).ok_or_else(|| {
            let (from, to) = (bounds.start(), bounds.end());
            invalid(self.at(name), &format!("must be a whole number from {from} to {to}"))
        })
    }

    /// A truth value.
    pub(crate) fn boolean(&mut self, name: &str) -> Result<Option<bool>, Problem> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(value)),
            Some(Value::Form(text)) if text == "true" => Ok(Some(true)),
            Some(Value::Form(text)) if text == "false" => Ok(Some(false)),
            Some(_) => Err(invalid(self.at(name), "must be true or false")),
        }
    }

    /// An object whose names are known.
    pub(crate) fn object(&mut self, name: &str, known: &[&str]) -> Result<Option<Self>, Problem> {
        self.inner(name, Some(known))
    }

    /// An object with any names.
    pub(crate) fn free_object(&mut self, name: &str) -> Result<Option<Self>, Problem> {
        self.inner(name, None)
    }

    fn inner(&mut self, name: &str, known: Option<&[&str]>) -> Result<Option<Self>, Problem> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Object(members)) => Self::new(self.at(name), members, known).map(Some),
            Some(_) => Err(invalid(self.at(name), "must be an object")),
        }
    }

    /// A list of texts; in a form, one text with commas.
    pub(crate) fn texts(&mut self, name: &str, most: usize) -> Result<Option<Vec<String>>, Problem> {
        let items = match self.take(name) {
            None => return Ok(None),
            Some(Value::Array(items)) => items,
            Some(Value::Form(list)) => {
                list.split(',').map(|item| Value::Form(item.trim().to_owned())).collect()
            }
            Some(_) => return Err(invalid(self.at(name), "must be a list of texts")),
        };
        if items.len() > most {
            return Err(invalid(self.at(name), &format!("may have at most {most} entries")));
        }
        let texts: Option<Vec<_>> = items.into_iter().map(text).collect();
        texts.map(Some).ok_or_else(|| invalid(self.at(name), "must be a list of texts"))
    }

    /// Texts under names of the caller's choice, in their order: at most so many, with names and values of at most so many
    /// characters.
    pub(crate) fn pairs(
        &mut self,
        name: &str,
        (most, name_length, value_length): (usize, usize, usize),
    ) -> Result<Option<Vec<(String, String)>>, Problem> {
        let Some(inner) = self.free_object(name)? else { return Ok(None) };
        let mut pairs = Vec::new();
        for (key, value) in inner.into_members() {
            if !(1..=name_length).contains(&key.chars().count()) {
                return Err(invalid(name, &format!("may have names of 1 to {name_length} characters")));
            }
            match text(value).filter(|value| value.chars().count() <= value_length) {
                Some(value) => pairs.push((key, value)),
                None => {
                    let why = format!("values must be texts of at most {value_length} characters");
                    return Err(invalid(name, &why));
                }
            }
        }
        if pairs.len() > most {
            return Err(invalid(name, &format!("may have at most {most} names")));
        }
        Ok(Some(pairs))
    }

    /// The name of a field that was given and not read.
    pub(crate) fn unread(&self) -> Option<&str> {
        let given = self.members.iter().find(|(_, value)| *value != Value::Null);
        given.map(|(name, _)| name.as_str())
    }

    /// All members that are left, in their order.
    pub(crate) fn into_members(self) -> Vec<(String, Value)> {
        self.members
    }
}

/// A text of at most so many characters, not empty, without control characters.
pub(crate) fn line(text: String, param: &str, most: usize) -> Result<String, Problem> {
    if text.chars().count() > most {
        return Err(invalid(param, &format!("may have at most {most} characters")));
    }
    if text.trim().is_empty() {
        return Err(invalid(param, "must not be empty"));
    }
    if text.chars().any(char::is_control) {
        return Err(invalid(param, "must not contain control characters"));
    }
    Ok(text)
}

/// The text a value is.
pub(crate) fn text(value: Value) -> Option<String> {
    match value {
        Value::Text(text) | Value::Form(text) => Some(text),
        _ => None,
    }
}

/// A number as people write it: digits only.
pub(crate) fn plain_number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok())?
}

pub(crate) fn invalid(param: impl Into<String>, why: &str) -> Problem {
    let param = param.into();
    Problem::new(ErrorCode::ParameterInvalid, format!("`{param}` {why}.")).param(param)
}

pub(crate) fn missing(param: impl Into<String>) -> Problem {
    let param = param.into();
    Problem::new(ErrorCode::ParameterMissing, format!("`{param}` is required.")).param(param)
}

/// A name nobody knows, with what would have been known.
pub(crate) fn unknown(param: &str, known: &[&str]) -> Problem {
    let detail = if known.is_empty() {
        format!("There is no parameter `{param}` here; this call takes none.")
    } else {
        format!("There is no parameter `{param}` here. Known are: {}.", known.join(", "))
    };
    Problem::new(ErrorCode::ParameterUnknown, detail).param(param)
}

/// A name from outside, short enough to repeat, without what could disturb a log or a terminal. A name that could
/// be a recipient or a code put in the wrong place is not repeated.
fn clip(name: &str) -> String {
    let plain = name.chars().filter(|character| !character.is_control()).take(64).collect::<String>();
    let telling = plain.contains('@') || plain.chars().filter(char::is_ascii_digit).count() >= 4;
    if telling { "…".to_owned() } else { plain }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(json: &str) -> Result<Fields, Problem> {
        Fields::of_body(Value::json(json.as_bytes()).unwrap(), &["to", "count", "on", "inner", "list"])
    }

    fn refused<T: std::fmt::Debug>(result: Result<T, Problem>) -> (ErrorCode, Option<String>) {
        let problem = result.unwrap_err();
        (problem.code, problem.param)
    }

    #[test]
    fn wrong_names_are_named() {
        assert_eq!(refused(fields(r#"{"too":1}"#)), (ErrorCode::ParameterUnknown, Some("too".into())));
        assert_eq!(refused(fields(r#"{"to":1,"to":2}"#)), (ErrorCode::ParameterInvalid, Some("to".into())));
        assert_eq!(refused(fields("[]")).0, ErrorCode::BodyMalformed);
        assert_eq!(refused(fields(r#"{"+48600100217":1}"#)).1.as_deref(), Some("…"));
    }

    #[test]
    fn wrong_types_are_named_with_their_path() {
        let mut given =
            fields(r#"{"to":1,"count":"5","on":"true","inner":{"x":[]},"list":["a",1]}"#).unwrap();
        assert_eq!(refused(given.text("to", 9)), (ErrorCode::ParameterInvalid, Some("to".into())));
        assert_eq!(refused(given.integer("count", 0..=9)).1.as_deref(), Some("count"));
        assert_eq!(refused(given.boolean("on")).1.as_deref(), Some("on"));
        assert_eq!(refused(given.texts("list", 9)).1.as_deref(), Some("list"));
        let mut inner = given.object("inner", &["x"]).unwrap().unwrap();
        assert_eq!(refused(inner.text("x", 9)).1.as_deref(), Some("inner.x"));
    }

    #[test]
    fn bounds_include_their_ends() {
        for (json, fine) in
            [("0", false), ("1", true), ("9", true), ("10", false), ("-1", false), ("1.0", false)]
        {
            let mut given = fields(&format!("{{\"count\":{json}}}")).unwrap();
            assert_eq!(given.integer("count", 1..=9).is_ok(), fine, "{json}");
        }
        let mut given = fields(r#"{"to":"żółw"}"#).unwrap();
        assert!(given.text("to", 4).is_ok());
        let mut given = fields(r#"{"to":"żółw"}"#).unwrap();
        assert!(given.text("to", 3).is_err());
    }

    #[test]
    fn form_texts_stand_for_numbers_and_truth_values() {
        let body = Value::form(b"count=7&on=true&to=5");
        let mut given = Fields::of_body(body, &["count", "on", "to"]).unwrap();
        assert_eq!(given.integer("count", 0..=9).unwrap(), Some(7));
        assert_eq!(given.boolean("on").unwrap(), Some(true));
        assert_eq!(given.text("to", 9).unwrap().as_deref(), Some("5"));
    }
}

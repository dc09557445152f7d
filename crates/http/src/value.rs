//! What a body says before anybody asks what it means: JSON or form fields, duplicates kept so they can be named.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::limits;

/// A value from outside. Objects keep their order and their duplicates.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Integer(i64),
    /// A number that is not a whole number of 64 bits.
    Number,
    Text(String),
    /// A form field: a text that may stand for a number or a truth value.
    Form(String),
    Array(Vec<Value>),
    Object(Vec<(String, Value)>),
}

impl Value {
    /// Reads JSON (RFC 8259): one value, nothing behind it, nested at most [`limits::MAX_JSON_DEPTH`] deep.
    pub(crate) fn json(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        let mut reader = serde_json::Deserializer::from_slice(bytes);
        let value = Nested(limits::MAX_JSON_DEPTH).deserialize(&mut reader)?;
        reader.end()?;
        Ok(value)
    }

    /// Reads form fields; `metadata[order]=42` is a field of the object `metadata`.
    pub(crate) fn form(bytes: &[u8]) -> Self {
        let mut fields: Vec<(String, Self)> = Vec::new();
        for (name, text) in form_urlencoded::parse(bytes) {
            let text = if name == "to" { put_plus_back(&text) } else { text.into_owned() };
            let text = Self::Form(text);
            match name.strip_suffix(']').and_then(|name| name.split_once('[')) {
                Some((outer, inner)) if !outer.is_empty() && !inner.is_empty() => {
                    member(&mut fields, outer).push((inner.to_owned(), text));
                }
                _ => fields.push((name.into_owned(), text)),
            }
        }
        Self::Object(fields)
    }
}

/// A number whose plus was not escaped arrives with a space before its first digit; a person means the plus.
pub(crate) fn put_plus_back(text: &str) -> String {
    let number = text.strip_prefix(' ').filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    number.map_or_else(|| text.to_owned(), |number| format!("+{number}"))
}

/// The members of the object field `name`, made when it is not there yet.
fn member<'a>(fields: &'a mut Vec<(String, Value)>, name: &str) -> &'a mut Vec<(String, Value)> {
    let known = fields.iter().position(|(known, value)| known == name && matches!(value, Value::Object(_)));
    let at = known.unwrap_or_else(|| {
        fields.push((name.to_owned(), Value::Object(Vec::new())));
        fields.len() - 1
    });
    match &mut fields[at].1 {
        Value::Object(members) => members,
        _ => unreachable!("it was just found or made as an object"),
    }
}

/// Reads a value that may nest so many levels.
#[derive(Clone, Copy)]
struct Nested(usize);

impl Nested {
    fn inside<E: Error>(self) -> Result<Self, E> {
        let deeper = self.0.checked_sub(1);
        deeper
            .map(Self)
            .ok_or_else(|| E::custom(format_args!("nested deeper than {}", limits::MAX_JSON_DEPTH)))
    }
}

impl<'de> DeserializeSeed<'de> for Nested {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Nested {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Integer(value))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(i64::try_from(value).map_or(Value::Number, Value::Integer))
    }
    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Number)
    }
    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }
    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(inside)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut members = Vec::new();
        while let Some(name) = access.next_key::<String>()? {
            members.push((name, access.next_value_seed(inside)?));
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_keeps_duplicates_and_tells_numbers_apart() {
        let value = Value::json(br#"{"a":1,"a":1.5,"b":[null,true,"x"]}"#).unwrap();
        let list = Value::Array(vec![Value::Null, Value::Bool(true), Value::Text("x".into())]);
        let members = [("a", Value::Integer(1)), ("a", Value::Number), ("b", list)];
        assert_eq!(value, Value::Object(members.map(|(name, value)| (name.to_owned(), value)).to_vec()));
    }

    #[test]
    fn sixteen_levels_are_read_and_seventeen_are_not() {
        let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(Value::json(nested(16).as_bytes()).is_ok());
        assert!(Value::json(nested(17).as_bytes()).is_err());
        assert!(Value::json(nested(50_000).as_bytes()).is_err());
    }

    #[test]
    fn what_is_not_one_json_value_is_refused() {
        for wrong in ["", "{", "{} {}", "{\"a\":}", "nul", "{'a':1}", "\u{feff}{}", "[1,]", "\"\\ud800\""] {
            assert!(Value::json(wrong.as_bytes()).is_err(), "{wrong:?}");
        }
        assert!(Value::json(b"\"\xff\"").is_err(), "not UTF-8");
    }

    #[test]
    fn brackets_in_form_names_make_objects() {
        let value = Value::form(b"to=%2B48600100217&metadata[order]=42&metadata[shop]=a+b&x[=1");
        let text = |text: &str| Value::Form(text.to_owned());
        let metadata = vec![("order".to_owned(), text("42")), ("shop".to_owned(), text("a b"))];
        assert_eq!(
            value,
            Value::Object(vec![
                ("to".to_owned(), text("+48600100217")),
                ("metadata".to_owned(), Value::Object(metadata)),
                ("x[".to_owned(), text("1")),
            ])
        );
    }
}

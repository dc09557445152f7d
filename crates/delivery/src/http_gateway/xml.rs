//! An XML answer as JSON, so that pointers reach into it: an element with elements is an object of them, any other its text.
//! Several elements of one name are a list. Attributes and namespaces are left out; no gateway's answer needs them.

use serde_json::{Map, Value};

use crate::limits;

/// `None` when it is not XML, or nested deeper than any answer is.
pub(super) fn as_json(text: &str) -> Option<Value> {
    let document = roxmltree::Document::parse(text).ok()?;
    let root = document.root_element();
    let mut whole = Map::new();
    whole.insert(root.tag_name().name().to_owned(), value(root, limits::GATEWAY_BODY_DEPTH)?);
    Some(Value::Object(whole))
}

fn value(node: roxmltree::Node<'_, '_>, depth: usize) -> Option<Value> {
    let depth = depth.checked_sub(1)?;
    let mut members = Map::new();
    for child in node.children().filter(roxmltree::Node::is_element) {
        let inner = value(child, depth)?;
        match members.get_mut(child.tag_name().name()) {
            None => drop(members.insert(child.tag_name().name().to_owned(), inner)),
            Some(Value::Array(list)) => list.push(inner),
            Some(single) => *single = Value::Array(vec![single.take(), inner]),
        }
    }
    Some(match members.is_empty() {
        true => Value::String(node.text().unwrap_or_default().trim().to_owned()),
        false => Value::Object(members),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn elements_become_members() {
        let text =
            "<?xml version=\"1.0\"?><R xmlns=\"urn:x\"><Id> 7 </Id><E><C>a</C></E><E><C>b</C></E><E/></R>";
        assert_eq!(as_json(text), Some(json!({ "R": { "Id": "7", "E": [{ "C": "a" }, { "C": "b" }, ""] } })));
    }

    #[test]
    fn bombs_and_depths_are_no_answer() {
        let nested = |depth: usize| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
        assert!(as_json(&nested(limits::GATEWAY_BODY_DEPTH)).is_some());
        assert!(as_json(&nested(limits::GATEWAY_BODY_DEPTH + 1)).is_none());
        assert!(as_json(&nested(limits::GATEWAY_BODY_BYTES / 7)).is_none());
        let bomb = "<!DOCTYPE r [<!ENTITY a \"x\"><!ENTITY b \"&a;&a;&a;\">]><r>&b;</r>";
        assert!(as_json(bomb).is_none());
        assert!(as_json("<a>").is_none() && as_json("").is_none() && as_json("{}").is_none());
    }
}

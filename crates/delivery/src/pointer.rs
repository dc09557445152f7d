//! JSON pointers (RFC 6901) in which a `*` stands for every element of an array.

use serde_json::Value;

/// Everything a pointer leads to; what is null counts as absent.
pub(crate) fn all<'a>(json: &'a Value, pointer: &str) -> Vec<&'a Value> {
    let mut found = vec![json];
    for segment in pointer.split('/').skip(1) {
        let next = found.into_iter().flat_map(|value| match (value, segment) {
            (Value::Array(list), "*") => list.iter().collect(),
            (value, _) => value.pointer(&format!("/{segment}")).into_iter().collect::<Vec<_>>(),
        });
        found = next.collect();
    }
    found.retain(|value| !value.is_null());
    found
}

/// The first thing a pointer leads to.
pub(crate) fn first<'a>(json: &'a Value, pointer: &str) -> Option<&'a Value> {
    all(json, pointer).into_iter().next()
}

/// Whether it can be read as a pointer.
pub(crate) fn is_pointer(pointer: &str) -> bool {
    pointer.is_empty() || pointer.starts_with('/')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_star_is_every_element_of_an_array() {
        let json = json!({ "a": [{ "b": 1 }, { "b": null }, { "c": 3 }, { "b": [4, 5] }], "~/": 6, "*": 7 });
        let all = |pointer| all(&json, pointer).into_iter().map(Value::to_string).collect::<Vec<_>>();
        assert_eq!(all("/a/*/b"), ["1", "[4,5]"]);
        assert_eq!(all("/a/*/b/*"), ["4", "5"]);
        assert_eq!(all("/a/0/b"), ["1"]);
        assert_eq!(all("/~0~1"), ["6"]);
        assert_eq!(all("/*"), ["7"], "a member may be called so");
        assert_eq!(all(""), [json.to_string()]);
        assert!(all("/a/9").is_empty() && all("/x/*").is_empty() && all("/a/1/b").is_empty());
    }
}

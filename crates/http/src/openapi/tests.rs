use std::collections::BTreeSet;

use serde_json::Value;

use crate::error_code::ErrorCode;

fn document() -> Value {
    serde_json::from_str(&crate::openapi()).unwrap()
}

/// Every `$ref` below a value.
fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(target)) = members.get("$ref") {
                found.insert(target.clone());
            }
            members.values().for_each(|member| references(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_schema_is_used() {
    let document = document();
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    let known = document["components"]["schemas"].as_object().unwrap();
    let known = known.keys().map(|name| format!("#/components/schemas/{name}")).collect();
    assert_eq!(found, known);
}

#[test]
fn every_operation_says_what_it_is_and_how_it_fails() {
    let document = document();
    let mut ids = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let name = format!("{method} {path}");
            assert!(!operation["summary"].as_str().unwrap().is_empty(), "{name}");
            assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{name}");
            for (status, response) in operation["responses"].as_object().unwrap() {
                assert!(!response["description"].as_str().unwrap().is_empty(), "{name} {status}");
            }
            if let Some(body) = operation.get("requestBody") {
                let example = &body["content"]["application/json"]["example"];
                assert!(example.as_object().is_some_and(|members| !members.is_empty()), "{name}");
            }
        }
    }
}

#[test]
fn examples_of_answers_have_exactly_the_members_of_their_schema() {
    let document = document();
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    for name in
        ["Verification", "Subject", "Factor", "FactorEnrolled", "Challenge", "Device", "DeviceChallenge"]
    {
        let example = super::schemas::example(name, 200);
        let schema = &document["components"]["schemas"][name]["properties"];
        assert_eq!(names(&example), names(schema), "{name}");
    }
    let problem = super::schemas::problem_example(ErrorCode::CodeIncorrect);
    assert_eq!(names(&problem), names(&document["components"]["schemas"]["Problem"]["properties"]));
}

#[test]
fn every_error_code_belongs_to_some_call_or_to_the_router() {
    let by_router = [ErrorCode::EndpointNotFound, ErrorCode::MethodNotAllowed];
    let operations = crate::operations();
    let used: Vec<_> = operations.iter().flat_map(super::Operation::all_errors).chain(by_router).collect();
    for code in ErrorCode::ALL {
        assert!(used.contains(code), "{} belongs to no call", code.as_str());
    }
}

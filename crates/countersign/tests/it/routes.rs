use reqwest::Method;

use crate::harness::Server;

/// Routes that anyone may call.
const OPEN: [&str; 7] = [
    "/healthz",
    "/readyz",
    "/openapi.json",
    "/docs",
    "/.well-known/jwks.json",
    "/.well-known/jwks-test.json",
    "/.well-known/security.txt",
];

/// Routes of devices, which sign instead of showing a key.
const SIGNED: [&str; 4] =
    ["/v1/devices/enroll", "/v1/devices/challenges", "/v1/devices/push_token", "/v1/challenges/{id}/respond"];

/// Every operation of the served document: path and method.
async fn operations(server: &Server) -> Vec<(String, Method)> {
    let document = server.get("/openapi.json").await;
    assert!(document.text("openapi").starts_with("3.1"));
    let paths = document.body["paths"].as_object().expect("paths").clone();
    paths
        .iter()
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().expect("methods").keys().cloned().collect::<Vec<_>>();
            methods.into_iter().map(|method| (path.clone(), method.to_uppercase().parse().expect("a method")))
        })
        .collect()
}

/// A path with an id that looks right and belongs to nobody.
fn filled(path: &str) -> String {
    let prefix = match path.split('/').nth(2) {
        Some("api_keys") => "key",
        Some("subjects") => "sbj",
        Some("factors") => "fct",
        Some("challenges") => "chl",
        _ => "vrf",
    };
    path.replace("{id}", &format!("{prefix}_01m83n1fqkeat9ryjx42vfks43"))
}

#[tokio::test]
async fn every_route_but_the_open_ones_wants_a_key() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let operations = operations(&server).await;
    assert!(operations.len() >= 15, "the document has {} operations", operations.len());
    for (path, method) in operations {
        let open = OPEN.contains(&path.as_str());
        let bare = server.call_as(None, method.clone(), &filled(&path), None, &[]).await;
        if SIGNED.contains(&path.as_str()) {
            assert_eq!((bare.status.as_u16(), bare.code()), (400, "parameter_missing"), "{method} {path}");
            continue;
        }
        if open {
            assert!(bare.status.is_success(), "{method} {path}: {}", bare.status);
            continue;
        }
        assert_eq!((bare.status.as_u16(), bare.code()), (401, "key_missing"), "{method} {path}");
        let forged = format!("sk_test_{}", "0".repeat(52));
        let forged = server.call_as(Some(&forged), method.clone(), &filled(&path), None, &[]).await;
        assert_eq!((forged.status.as_u16(), forged.code()), (401, "key_invalid"), "{method} {path}");
        assert!(bare.headers.contains_key("request-id"), "{method} {path}");
        assert_eq!(bare.headers["cache-control"], "no-store", "{method} {path}");
    }
}

#[tokio::test]
async fn foreign_and_unknown_ids_look_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    for (path, method) in operations(&server).await {
        if !path.starts_with("/v1/verifications/{id}") {
            continue;
        }
        let body = match path.rsplit('/').next() {
            Some("check") => Some(serde_json::json!({ "code": "123456" })),
            Some("report") => Some(serde_json::json!({ "report": "fraud" })),
            _ => None,
        };
        let answer = server.call(method.clone(), &filled(&path), body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (404, "resource_not_found"),
            "{method} {path}: {}",
            answer.body
        );
    }
}

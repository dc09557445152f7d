//! Pages in a real browser.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::harness::Server;

/// Where `cargo xtask setup` puts what tests need.
fn tools() -> PathBuf {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools");
    std::env::var_os("COUNTERSIGN_TOOLS").map_or(default, PathBuf::from)
}

fn browse(url: &str, scripts: &str, screenshot: &Path) -> Value {
    let modules = tools().join("node/node_modules");
    assert!(modules.join("playwright-core").is_dir(), "playwright-core is missing: run `cargo xtask setup`");
    let chromium = std::env::var("COUNTERSIGN_CHROMIUM").unwrap_or_else(|_| "/usr/bin/chromium".to_owned());
    assert!(Path::new(&chromium).is_file(), "Chromium is missing: run `cargo xtask setup`");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/docs_page.mjs");
    let seen = Command::new("node")
        .args([script.as_os_str(), modules.as_os_str()])
        .args([chromium.as_str(), url, scripts])
        .arg(screenshot)
        .output()
        .expect("node runs; install Node 20 or later");
    assert!(seen.status.success(), "{}", String::from_utf8_lossy(&seen.stderr));
    serde_json::from_slice(&seen.stdout).expect("the script prints JSON")
}

#[test]
fn the_docs_page_shows_every_call_with_and_without_scripts_and_loads_nothing_from_outside() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    for scripts in ["on", "off"] {
        let screenshot = directory.path().join(format!("docs-{scripts}.png"));
        let seen = browse(&format!("{}/docs", server.base), scripts, &screenshot);
        assert_eq!(seen["status"], 200);
        assert_eq!(seen["errors"], serde_json::json!([]), "scripts {scripts}");
        assert_eq!(seen["overflow"], false);
        let text = seen["text"].as_str().unwrap();
        for path in ["/v1/verifications", "/v1/verifications/{id}/check", "/v1/checks", "/v1/test/outbox"] {
            assert!(text.contains(path), "scripts {scripts}: the page does not show {path}");
        }
        for request in seen["requests"].as_array().unwrap() {
            assert!(request.as_str().unwrap().starts_with(&server.base), "it loads {request}");
        }
    }
}

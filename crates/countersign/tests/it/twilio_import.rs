//! `countersign import twilio`: what a customer exported from Twilio, over the running server and without one.

use std::path::Path;
use std::process::{Command, Output};

use reqwest::Method;
use serde_json::{Value, json};

use crate::cluster::told;
use crate::harness::Server;
use crate::twilio::{Caller, Pair, pair};

const SHOP: &str = "VA0123456789abcdef0123456789abcdef";
const LIMIT: &str = "RKf123456789abcdef0123456789abcdef";
const BUCKET: &str = "BLe123456789abcdef0123456789abcdef";

/// An export as the API answers it: two lists, one list of the command line, and single records of the safe list.
fn export(directory: &Path) -> Vec<String> {
    let services = json!({
        "services": [{
            "sid": SHOP, "account_sid": "AC00000000000000000000000000000000", "friendly_name": "Old shop",
            "code_length": 8, "lookup_enabled": false, "psd2_enabled": false, "skip_sms_to_landlines": false,
            "dtmf_input_required": true, "tts_name": null, "do_not_share_warning_enabled": true,
            "custom_code_enabled": true, "default_template_sid": "HJ00000000000000000000000000000000",
            "push": { "include_date": false, "apn_credential_sid": null, "fcm_credential_sid": null },
            "totp": { "issuer": null, "time_step": null, "code_length": null, "skew": null },
            "whatsapp": { "msg_service_sid": null, "from": null }, "passkeys": null,
            "verify_event_subscription_enabled": false, "date_created": "2020-01-01T00:00:00Z",
            "date_updated": "2020-01-01T00:00:00Z", "url": "https://example.com", "links": { "rate_limits": "x" },
        }],
        "meta": { "page": 0, "page_size": 50, "next_page_url": null, "key": "services" },
    });
    let limits = json!([{ "sid": LIMIT, "serviceSid": SHOP, "uniqueName": "end_user_ip", "description": "per address" }]);
    let buckets = json!({
        "buckets": [{ "sid": BUCKET, "rate_limit_sid": LIMIT, "service_sid": SHOP, "max": 1, "interval": 60 }],
        "meta": { "key": "buckets" },
    });
    let safe = format!(
        "{}\n{}",
        json!({ "sid": format!("GN{}", "1".repeat(32)), "phone_number": "+48600100501", "url": "x" }),
        json!({ "sid": format!("GN{}", "2".repeat(32)), "phone_number": "+48600100502", "url": "x" }),
    );
    let webhooks = json!({ "webhooks": [{ "sid": format!("YW{}", "1".repeat(32)) }], "meta": {} });
    let files = [
        // What a record belongs to may stand behind it.
        ("buckets.json", buckets.to_string()),
        ("limits.json", serde_json::to_string_pretty(&limits).unwrap()),
        ("services.json", services.to_string()),
        ("safe.json", safe),
        ("webhooks.json", webhooks.to_string()),
    ];
    let write = |(name, text): (&str, String)| {
        let path = directory.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    files.map(write).into()
}

fn import(directory: &Path, arguments: &[&str], files: &[String]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command.args(["import", "twilio", "--test", "--data"]).arg(directory.join("data")).args(arguments);
    command.args(files).output().expect("the binary runs")
}

fn imported(directory: &Path, arguments: &[&str], files: &[String]) -> Value {
    let output = import(directory, &[&["--json"], arguments].concat(), files);
    assert!(output.status.success(), "{}", told(&output));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Made, changed, unchanged: services, rate limits, buckets, safe numbers.
fn counts(report: &Value) -> Vec<[u64; 3]> {
    let rows = report["counts"].as_array().expect("counts").iter();
    rows.map(|row| ["made", "changed", "unchanged"].map(|name| row[name].as_u64().unwrap())).collect()
}

async fn refused_after(caller: &Caller<'_>, to: [&str; 2]) -> (u16, Value) {
    let path = format!("/v2/Services/{SHOP}/Verifications");
    let start = |to| [("To", to), ("Channel", "sms"), ("RateLimits", r#"{"end_user_ip":"192.0.2.1"}"#)];
    let (status, first) = caller.send(Method::POST, &path, &start(to[0])).await;
    assert_eq!(status, 201, "{first}");
    let (status, second) = caller.send(Method::POST, &path, &start(to[1])).await;
    (status.as_u16(), second["code"].clone())
}

#[tokio::test]
async fn what_was_exported_from_twilio_works_here_under_its_sids() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let pair = pair(&server).await;
    let caller = Caller { server: &server, pair: &pair };
    let files = export(directory.path());
    let tried = imported(directory.path(), &["--dry-run"], &files);
    assert_eq!(
        (counts(&tried), &tried["dry_run"]),
        (vec![[1, 0, 0], [1, 0, 0], [1, 0, 0], [2, 0, 0]], &json!(true))
    );
    let from_outside = server.post("/v1/imports/twilio", json!({})).await;
    assert_eq!(from_outside.status, 404, "only the owner of the machine imports");
    let service = format!("/v2/Services/{SHOP}");
    assert_eq!(caller.send(Method::GET, &service, &[]).await.0, 404, "nothing was written");
    let first = imported(directory.path(), &[], &files);
    assert_eq!(counts(&first), [[1, 0, 0], [1, 0, 0], [1, 0, 0], [2, 0, 0]]);
    let left = first["left"].to_string();
    assert!(left.contains("1 webhooks") && left.contains("default_template_sid"), "{left}");

    let (_, shop) = caller.send(Method::GET, &service, &[]).await;
    assert_eq!((&shop["friendly_name"], &shop["code_length"]), (&json!("Old shop"), &json!(8)));
    let (_, bucket) =
        caller.send(Method::GET, &format!("{service}/RateLimits/{LIMIT}/Buckets/{BUCKET}"), &[]).await;
    assert_eq!((&bucket["max"], &bucket["interval"]), (&json!(1), &json!(60)));
    assert_eq!(caller.send(Method::GET, "/v2/SafeList/Numbers/+48600100502", &[]).await.0, 200);
    let reached = refused_after(&caller, ["+48600100503", "+48600100504"]).await;
    assert_eq!(reached, (429, json!(20429)), "an imported limit holds");

    let second = imported(directory.path(), &[], &files);
    assert_eq!(counts(&second), [[0, 0, 1], [0, 0, 1], [0, 0, 1], [0, 0, 2]], "a second run changes nothing");
    let keep = [("KeepFinalState", "true"), ("FriendlyName", "New shop")];
    assert_eq!(caller.send(Method::POST, &service, &keep).await.0, 200);
    assert_eq!(counts(&imported(directory.path(), &[], &files))[0], [0, 1, 0]);
    let (_, shop) = caller.send(Method::GET, &service, &[]).await;
    assert_eq!((&shop["friendly_name"], &shop["keep_final_state"]), (&json!("Old shop"), &json!(true)));
}

#[tokio::test]
async fn nothing_is_imported_when_one_record_is_wrong_and_each_is_told_with_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let pair = pair(&server).await;
    let mut files = export(directory.path());
    let wrong = directory.path().join("wrong.json");
    let stray = format!("VA{}", "9".repeat(32));
    let records = [
        json!({ "sid": stray, "friendly_name": "call 12345 now" }),
        json!({ "sid": format!("RK{}", "8".repeat(32)), "service_sid": stray, "unique_name": "x" }),
        json!({ "sid": format!("RK{}", "7".repeat(32)), "service_sid": SHOP, "unique_name": "end_user_ip" }),
        json!({ "sid": format!("BL{}", "6".repeat(32)), "service_sid": SHOP, "rate_limit_sid": LIMIT, "max": 1, "interval": 86_401 }),
        json!({ "sid": format!("GN{}", "5".repeat(32)), "phone_number": "+1555" }),
        json!({ "sid": SHOP, "friendly_name": "Another shop" }),
    ];
    let lines: Vec<_> = records.iter().map(Value::to_string).collect();
    std::fs::write(&wrong, format!("[\n{}\n]", lines.join(",\n"))).unwrap();
    files.push(wrong.to_str().unwrap().to_owned());
    let output = import(directory.path(), &[], &files);
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    let complained = String::from_utf8_lossy(&output.stderr);
    for (place, why) in [
        ("wrong.json:2: element 1", "FriendlyName"),
        ("wrong.json:3: element 2", "its service is neither here nor in the import"),
        ("wrong.json:4: element 3", "60208"),
        ("wrong.json:5: element 4", "Interval"),
        ("wrong.json:6: element 5", "PhoneNumber"),
        ("wrong.json:7: element 6", "says something else"),
    ] {
        let told = complained.lines().any(|line| line.contains(place) && line.contains(why));
        assert!(told, "no {place} with {why} in {complained}");
    }
    let caller = Caller { server: &server, pair: &pair };
    let (status, _) = caller.send(Method::GET, &format!("/v2/Services/{SHOP}"), &[]).await;
    assert_eq!(status, 404, "not even the right ones were written");
}

#[tokio::test]
async fn without_a_server_the_import_goes_to_the_store_itself() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let files = export(directory.path());
    server.kill();
    assert_eq!(counts(&imported(directory.path(), &[], &files))[0], [1, 0, 0]);
    let server = Server::start(directory.path());
    let pair: Pair = pair(&server).await;
    let caller = Caller { server: &server, pair: &pair };
    assert_eq!(caller.send(Method::GET, &format!("/v2/Services/{SHOP}"), &[]).await.0, 200);
}

//! Message templates in the real server: written, previewed, sent with, and kept to.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::Server;
use crate::site::{Gateway, Site, as_key, until_delivery};

const TO: &str = "+48600100217";

async fn outbox(server: &Server, to: &str) -> Vec<String> {
    let outbox = server.get(&format!("/v1/test/outbox?to={}&wait=5", to.replace('+', "%2B"))).await;
    let items = outbox.body["data"].as_array().cloned().unwrap_or_default();
    items.iter().map(|item| item["text"].as_str().unwrap().to_owned()).collect()
}

fn login() -> Value {
    json!({ "name": "login", "activate": true, "texts": {
        "en": { "sms": "{code} opens {brand} for {minutes} minutes." },
        "pl": { "sms": "{code} to kod {brand}", "subject": "Kod {brand}", "text": "{code} to kod {brand}",
                "html": "<p>{code} to kod {brand}</p>" },
    }})
}

#[tokio::test]
async fn a_verification_is_sent_and_resent_in_the_words_it_began_with() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let made = server.post("/v1/templates", login()).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let id = made.text("id");
    assert!(id.starts_with("tpl_") && made.body["active_version"] == 1, "{}", made.body);
    let again = server.post("/v1/templates", login()).await;
    assert_eq!((again.status.as_u16(), again.code()), (409, "state_conflict"), "one of a name");

    let start = json!({ "to": TO, "template": "login", "locale": "pl-PL" });
    let created = server.post("/v1/verifications", start).await;
    assert_eq!(created.status, 201, "{}", created.body);
    let first = outbox(&server, TO).await;
    assert!(first[0].ends_with(" to kod Countersign"), "{first:?}");

    let next = json!({ "texts": { "en": { "sms": "{code}: new words of {brand}" } }, "activate": true });
    let versions = server.post(&format!("/v1/templates/{id}/versions"), next).await;
    assert_eq!((versions.status.as_u16(), &versions.body["active_version"]), (201, &json!(2)));
    let path = format!("/v1/verifications/{}/resend", created.text("id"));
    server.post("/v1/test/clock/advance", json!({ "seconds": 60 })).await;
    let resent = server.post(&path, json!({})).await;
    assert_eq!(resent.status, 200, "{}", resent.body);
    let both = outbox(&server, TO).await;
    assert!(both.iter().all(|text| text.ends_with(" to kod Countersign")), "{both:?}");

    let other = "+48600100218";
    server.post("/v1/verifications", json!({ "to": other, "template": id })).await;
    assert!(outbox(&server, other).await[0].ends_with(": new words of Countersign"));
    let back = server.post(&format!("/v1/templates/{id}/activate"), json!({ "version": 1 })).await;
    assert_eq!(back.body["active_version"], 1, "{}", back.body);
    let listed = server.get("/v1/templates").await;
    assert_eq!(listed.body["data"][0]["versions"].as_array().map(Vec::len), Some(2));
    let approved = server.get(&format!("/v1/templates/{id}")).await;
    assert_eq!(approved.status, 200);
}

#[tokio::test]
async fn what_does_not_compile_is_refused_with_the_text_that_is_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    for (purpose, texts, param) in [
        ("transaction", json!({ "en": { "sms": "{code}" } }), "texts.en.sms"),
        ("transaction", json!({ "en": { "sms": "{code} {amount} {currency}" } }), "texts.en.sms"),
        ("recovery", json!({ "en": { "sms": "{code} {payee}" } }), "texts.en.sms"),
        ("recovery", json!({ "en": { "sms": "no code" } }), "texts.en.sms"),
        ("recovery", json!({ "en": { "sms": "{code} {url}" } }), "texts.en.sms"),
        ("recovery", json!({ "en": { "subject": "{code}", "text": "{code}" } }), "texts.en.subject"),
        ("recovery", json!({ "en": { "subject": "a" } }), "texts.en.text"),
        ("recovery", json!({ "en": {} }), "texts.en"),
        ("recovery", json!({ "_": { "sms": "{code}" } }), "texts"),
        ("recovery", json!({}), "texts"),
    ] {
        let body = json!({ "name": "x", "purpose": purpose, "texts": texts });
        let refused = server.post("/v1/templates", body).await;
        let told = (refused.status.as_u16(), refused.code(), refused.body["param"].as_str());
        assert_eq!(told, (400, "parameter_invalid", Some(param)), "{}", refused.body);
    }
    assert_eq!(server.get("/v1/templates").await.body["data"], json!([]));
    let draft =
        server.post("/v1/templates", json!({ "name": "d", "texts": { "en": { "sms": "{code}" } } })).await;
    for template in ["nobody", "tpl_01m83n1fqkeat9ryjx42vfks43", "d", &draft.text("id")] {
        let refused = server.post("/v1/verifications", json!({ "to": TO, "template": template })).await;
        assert_eq!((refused.status.as_u16(), refused.body["param"].as_str()), (400, Some("template")));
    }
    let activated = server.post(&format!("/v1/templates/{}/activate", draft.text("id")), json!({})).await;
    assert_eq!(activated.status, 200);
    let other =
        server.post("/v1/verifications", json!({ "to": TO, "template": "d", "purpose": "recovery" })).await;
    assert!(other.text("detail").contains("is for the purpose `authentication`"), "{}", other.body);
}

#[tokio::test]
async fn a_preview_tells_encoding_segments_price_and_what_to_think_about() {
    let gateway = Gateway::start(200).await;
    let table = gateway.table("a");
    let site = Site::new(&format!("{table}[[routes]]\nchannel = \"sms\"\nproviders = [\"a\"]\n"));
    let config = site.path().join("countersign.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let text = text.replace("[money]\n", "[money]\nprices = \"prices.csv\"\ncurrency = \"EUR\"\n");
    std::fs::write(&config, text).unwrap();
    std::fs::write(
        site.path().join("prices.csv"),
        "provider,country,prefix,price,currency\na,PL,,0.05,EUR\n",
    )
    .unwrap();
    let server = site.serve();
    let lacking = server.post("/v1/templates/preview", json!({})).await;
    assert_eq!(
        (lacking.status.as_u16(), lacking.code()),
        (403, "scope_missing"),
        "a live server's key sends, no more"
    );
    let scopes = ["--scope", "templates:manage"];
    let key = site.cli(&[&["keys", "create", "--kind", "restricted"], &scopes[..]].concat());
    let key = key["secret"].as_str().unwrap();
    let preview =
        async |body: Value| as_key(&server, key, Method::POST, "/v1/templates/preview", Some(body)).await;
    let shipped = preview(json!({ "to": TO, "locale": "pl" })).await;
    assert_eq!(
        (&shipped.body["encoding"], &shipped.body["warnings"]),
        (&json!("gsm7"), &json!([])),
        "{}",
        shipped.body
    );
    let long = "{code} ж ".to_owned() + &"x".repeat(100);
    let own = preview(json!({ "texts": { "en": { "sms": long } }, "to": TO })).await;
    assert_eq!((&own.body["encoding"], &own.body["segments"]), (&json!("ucs2"), &json!(2)), "{}", own.body);
    assert_eq!(own.body["price"], json!({ "amount": 10_000, "scale": 5, "currency": "EUR" }));
    assert_eq!(own.body["warnings"].as_array().map(Vec::len), Some(3), "{}", own.body);
    let paid = preview(json!({ "purpose": "transaction", "channel": "email",
        "texts": { "en": { "subject": "Pay?", "text": "{code} {amount} {currency} {payee}", "html": "<b>{code} {amount} {currency} {payee}</b>" } } })).await;
    assert_eq!(paid.text("text"), "123456 1,250.00 EUR NORD PARTS LTD", "{}", paid.body);
    assert!(paid.text("html").contains("<bdi>1,250.00</bdi>"), "{}", paid.body);
}

#[tokio::test]
async fn a_template_of_another_project_is_unknown_and_a_live_message_has_its_words() {
    let mut gateway = Gateway::start(200).await;
    let url = &gateway.url;
    let site = Site::new(&format!(
        "[providers.a]\ntype = \"http\"\nurl = \"{url}\"\nbody = {{ json = {{ text = \"{{{{ text }}}}\" }} }}\n\
         [[routes]]\nchannel = \"sms\"\nproviders = [\"a\"]\n"
    ));
    let server = site.serve();
    let other = site.cli(&["projects", "create", "Other"]);
    let of = |project: &str| {
        let scopes = ["--scope", "templates:manage"];
        let words = [&["keys", "create", "--kind", "restricted", "--project", project], &scopes[..]].concat();
        site.cli(&words)["secret"].as_str().unwrap().to_owned()
    };
    let (mine, foreign) = (of(&site.project), of(other["id"].as_str().unwrap()));
    let made = as_key(&server, &mine, Method::POST, "/v1/templates", Some(login())).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let path = format!("/v1/templates/{}", made.text("id"));
    for (method, path) in [
        (Method::GET, path.clone()),
        (Method::POST, format!("{path}/versions")),
        (Method::POST, format!("{path}/activate")),
    ] {
        let body = (method == Method::POST).then(|| json!({}));
        let unknown = as_key(&server, &foreign, method, &path, body).await;
        assert_eq!((unknown.status.as_u16(), unknown.code()), (404, "resource_not_found"), "{path}");
    }
    let created = server.post("/v1/verifications", json!({ "to": TO, "template": "login" })).await;
    assert_eq!(created.status, 201, "{}", created.body);
    let sent = gateway.next().await;
    assert!(sent["text"].as_str().unwrap().ends_with(" opens Countersign for 10 minutes."), "{sent}");
    until_delivery(&server, &created.text("id"), "sent").await;
}

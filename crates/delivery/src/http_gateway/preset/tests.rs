use super::*;
use crate::http_gateway::HttpGatewayConfig;

fn account(text: &str) -> Table {
    text.parse().expect(text)
}

fn completed(text: &str) -> HttpGatewayConfig {
    let table = complete(account(text)).expect(text);
    table.try_into().expect(text)
}

const TWILIO: &str = "preset = 'twilio'\nsecrets = { auth_token = { env = 'X' } }\n";

#[test]
fn every_preset_reads_and_its_parts_fit_together() {
    for name in names() {
        let preset = named(name).expect(name);
        let mut own = format!("preset = '{name}'\n[account]\n");
        for key in preset.about.account.keys() {
            let value = if key.ends_with("_seconds") { "30" } else { "sample" };
            own += &format!("{key} = '{value}'\n");
        }
        own += "[secrets]\nreceipt_token = { env = 'X' }\n";
        let secrets = preset.about.secrets.keys().chain(preset.about.optional_secrets.keys());
        for key in secrets {
            own += &format!("{key} = {{ env = 'X' }}\n");
        }
        let config = completed(&own);
        assert_eq!(config.validate(), [], "{name}");
        assert!(config.url.starts_with("https://"), "{name}");
        assert!(!preset.about.channels.is_empty() && !preset.about.receipts.is_empty(), "{name}");
    }
}

#[test]
fn an_account_names_what_the_preset_needs() {
    let problem = |text: &str| complete(account(text)).expect_err(text).to_string();
    assert!(
        problem("preset = 'twillio'").contains("write one of amazon_sns, "),
        "{}",
        problem("preset = 'twillio'")
    );
    assert!(problem("preset = 7").starts_with("`preset` is no text"));
    let missing = problem("preset = 'twilio'\naccount = { from = '+1' }");
    assert!(
        missing.starts_with("`account.account_sid` is missing") && missing.contains("`AC…`"),
        "{missing}"
    );
    let secret = problem("preset = 'twilio'\naccount = { account_sid = 'AC1', from = '+1' }");
    assert!(secret.starts_with("`secrets.auth_token` is missing"), "{secret}");
    let sender = problem(&format!("{TWILIO}account = {{ account_sid = 'AC1' }}"));
    assert!(sender.contains("from, messaging_service_sid"), "{sender}");
    let slip = problem(&format!("{TWILIO}account = {{ account_sid = 'AC1', from = '+1', form = 'x' }}"));
    assert!(slip.starts_with("`account.form` is nothing"), "{slip}");
}

#[test]
fn an_account_may_override_every_key() {
    let plain = completed(&format!("{TWILIO}account = {{ account_sid = 'AC1', from = '+1' }}"));
    let own = completed(&format!(
        "{TWILIO}account = {{ account_sid = 'AC1', from = '+1', x = 'y' }}
         url = 'https://eu.example/{{{{ account.x }}}}'
         body = {{ form = {{ Body = 'mine', Extra = '{{{{ account.x }}}}' }} }}
         errors = [{{ pointer = '/code', equals = 21211, class = 'throttled' }}]
         success = {{ status = [202] }}
         auth = {{ basic = {{ username = 'u', password = {{ env = 'X' }} }} }}
         message_id = {{ header = 'x-id' }}
         receipt = {{ states = [{{ state = 'read', means = 'underway' }}] }}
         timeout_seconds = 7"
    ));
    assert_eq!(own.validate(), []);
    assert_eq!(own.url, "https://eu.example/{{ account.x }}");
    assert_eq!(own.timeout_seconds, 7);
    assert_eq!(own.headers.len(), 0, "the preset's credentials give way");
    assert_eq!(own.errors.len(), plain.errors.len() + 1, "rules are laid before the preset's");
    assert_eq!(own.errors[0].class, crate::provider::ErrorClass::Throttled);
    let states = |config: &HttpGatewayConfig| config.receipt.as_ref().map(|receipt| receipt.states.len());
    assert_eq!(states(&own), states(&plain).map(|count| count + 1));
    assert_eq!(own.message_id, Some(crate::http_gateway::MessageIdPlace::Header("x-id".to_owned())));
    let body = |config: HttpGatewayConfig| match config.body {
        Some(crate::http_gateway::Body::Form(fields)) => fields,
        other => panic!("{other:?}"),
    };
    let (own, plain) = (body(own), body(plain));
    assert_eq!((own["Body"].as_str(), own["To"].as_str()), (Some("mine"), plain["To"].as_str()));
    assert_eq!(own.len(), plain.len() + 1);
    let json = completed(&format!(
        "{TWILIO}account = {{ account_sid = 'AC1', from = '+1' }}\nbody = {{ json = {{ a = 'b' }} }}"
    ));
    assert!(
        matches!(json.body, Some(crate::http_gateway::Body::Json(_))),
        "another kind of body replaces it"
    );
}

#[test]
fn a_table_without_preset_stays_as_it_is() {
    let table = account("url = 'https://a.example/'");
    assert_eq!(complete(table.clone()), Ok(table));
}

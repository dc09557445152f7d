use super::*;

fn parse(text: &str) -> Outcome<Config> {
    Config::parse(text, Path::new("dir/countersign.toml"), &[])
}

fn parse_with(text: &str, name: &str, value: &str) -> Outcome<Config> {
    let variables = overlay::variables([(name.into(), value.into())].into_iter());
    Config::parse(text, Path::new("dir/countersign.toml"), &variables)
}

#[test]
fn the_sample_is_the_default() {
    let of_sample: Config = toml::from_str(&sample()).unwrap();
    assert_eq!(of_sample, Config::default());
    let database = parse("").unwrap().database();
    assert_eq!(database.as_deref(), Some(Path::new("dir/countersign-data/countersign.db")));
}

#[test]
fn what_the_sample_shows_as_a_comment_may_be_written() {
    let shown = |line: &str| line.strip_prefix("# ").unwrap_or(line).to_owned();
    let is_prose = |line: &&str| line.starts_with("##");
    let header = 3;
    let all: Vec<String> = sample().lines().skip(header).filter(|line| !is_prose(line)).map(shown).collect();
    let sqlite = Store::default().url.to_string();
    let text = all.join("\n").replace(&sqlite, "postgres://countersign@db.example/countersign");
    let config = parse(&text).unwrap();
    assert!(config.server.tls.is_some() && config.server.public_url.is_some());
    assert_eq!(config.providers.len(), 4);
    assert_eq!(config.routing_table().live.len(), 1);
}

#[test]
fn every_key_with_a_default_is_in_the_sample() {
    let defaults = toml::to_string(&Config::default()).unwrap();
    for line in defaults.lines().filter(|line| !line.is_empty()) {
        assert!(sample().lines().any(|shown| shown == line), "{line}");
    }
}

#[test]
fn an_unknown_key_is_named_with_file_and_line() {
    let problem = parse("[server]\nlisten = \"127.0.0.1:1\"\nlisten_on = 3\n").unwrap_err();
    assert!(problem.why.starts_with("dir/countersign.toml:3: unknown field `listen_on`"), "{problem}");
    assert_eq!(problem.exit, crate::problem::Exit::Usage);
}

#[test]
fn a_value_out_of_range_is_named_with_line_key_and_fix() {
    let problem = parse("\n[server]\nshutdown_deadline_seconds = 0\n").unwrap_err();
    let place = "dir/countersign.toml:3: server.shutdown_deadline_seconds";
    assert!(problem.why.starts_with(place) && problem.fix.contains("1 to 300"), "{problem}");
    assert!(parse("[server]\nshutdown_deadline_seconds = 301").is_err());
    assert!(parse("[server]\nshutdown_deadline_seconds = 300").is_ok());
}

#[test]
fn wrong_values_of_each_section_are_refused() {
    for (text, key) in [
        ("[server]\npublic_url = \"codes.example\"", "server.public_url"),
        ("[server]\npublic_url = \"https://codes.example/\"", "server.public_url"),
        ("[server]\ndrain_seconds = 301", "server.drain_seconds"),
        ("[store]\nurl = \"mysql:x\"", "store.url"),
        ("[store]\nurl = \"sqlite:\"", "store.url"),
        ("[store]\nurl = \"postgres://u@/d\"", "store.url"),
        ("[store]\nurl = \"postgresql://u@h\"", "store.url"),
        ("[store]\nurl = \"postgres://u@h/d\"\nlanes = 0", "store.lanes"),
        ("[store]\nurl = \"postgres://u@h/d\"\nlanes = 33", "store.lanes"),
        ("[store]\npassword_file = \"p\"", "store.password_file"),
        ("[store]\nca_file = \"c\"", "store.ca_file"),
        ("[store]\nlanes = 4", "store.lanes"),
        ("[store]\nprepared_statements = false", "store.prepared_statements"),
        ("[log]\nlevel = \"a=b=c\"", "log.level"),
        ("[retention]\njournal_days = 1", "retention.journal_days"),
        ("[retention]\nverifications_days = 0", "retention.verifications_days"),
        ("[providers.x]\ntype = \"carrier-pigeon\"", "providers.x.type"),
        ("[providers.x]\nhost = \"a\"", "providers.x.type"),
        ("[providers.x]\ntype = \"http\"\npreset = \"pigeon\"", "providers.x.preset"),
        (
            "[providers.x]\ntype = \"http\"\npreset = \"twilio\"\naccount = { from = \"A\" }",
            "providers.x.account",
        ),
        ("[[routes]]\nchannel = \"fax\"\nproviders = [\"x\"]", "routes.0.channel"),
        ("[[routes]]\nchannel = \"sms\"\nproviders = [\"x\"]", "routes.0.providers"),
        ("[[routes]]\nchannel = \"sms\"\nproviders = []", "routes.0.providers"),
        (
            "[[routes]]\nchannel = \"sms\"\ncountries = [\"Poland\"]\nproviders = [\"x\"]",
            "routes.0.countries",
        ),
        ("[[routes]]\nchannel = \"sms\"\nproviders = [{ name = \"x\", wait = 3 }]", "unknown field `wait`"),
        ("[[routes]]\nchannel = \"sms\"\nproviders = [7]", "the name of a provider, or"),
        ("[routing]\ndisabled = [\"x\"]", "routing.disabled"),
        ("[push]\nprovider = \"x\"", "push.provider"),
        (
            "[push]\nprovider = \"x\"\n[providers.x]\ntype = \"smtp\"\nhost = \"h\"\nfrom = \"a@b.example\"",
            "push.provider",
        ),
        ("[money]\nprices = \"p.csv\"", "money.currency"),
        ("[money]\ncurrency = \"euro\"", "money.currency"),
        ("[money]\ncurrency = \"EUR\"\nrates = { USD = \"0\" }", "money.rates"),
        ("[money]\ncurrency = \"EUR\"\nrates = { dollar = \"1\" }", "money.rates"),
        ("[money]\ncurrency = \"EUR\"\n[[budgets]]\nname = \"a\"\nper_day = \"1\"", "money.prices"),
        ("[routing]\nslow_seconds = 0", "routing.slow_seconds"),
        ("[routing]\nslow_seconds = 61", "routing.slow_seconds"),
    ] {
        let problem = parse(text).unwrap_err();
        assert!(problem.why.contains(key), "{text}: {problem}");
    }
}

#[test]
fn budgets_are_checked() {
    let with = |lines: &str| {
        parse(&format!(
            "[money]\nprices = \"p.csv\"\ncurrency = \"EUR\"\n[[budgets]]\nname = \"all\"\nper_day = \"250.00\"\n{lines}"
        ))
    };
    assert!(with("countries = [\"PL\"]\nprefixes = [\"+48\"]").is_ok());
    for (lines, key) in [
        ("countries = [\"Poland\"]", "budgets.0.countries"),
        ("prefixes = [\"48\"]", "budgets.0.prefixes"),
        ("projects = [\"shop\"]", "budgets.0.projects"),
        ("per_month = \"1\"", "unknown field `per_month`"),
        ("[[budgets]]\nname = \"all\"\nper_day = \"1\"", "budgets.1.name"),
        ("[[budgets]]\nname = \"b\"\nper_day = \"-1\"", "budgets.1.per_day"),
        ("[[budgets]]\nname = \"b\"\nper_day = \"0.000001\"", "budgets.1.per_day"),
        ("[[budgets]]\nname = \"b\"\nper_day = 5", "invalid type"),
        ("[[budgets]]\nname = \"\"\nper_day = \"5\"", "budgets.1.name"),
    ] {
        let problem = with(lines).unwrap_err();
        assert!(problem.why.contains(key), "{lines}: {problem}");
    }
}

#[test]
fn what_a_route_matches_is_checked() {
    let gateway = "[providers.x]\ntype = \"http\"\nurl = \"https://sms.example/send\"\n";
    let with = |line: &str| parse(&format!("{gateway}[[routes]]\nchannel = \"sms\"\n{line}"));
    for (line, key) in [
        ("providers = [\"x\", \"x\"]", "routes.0.providers"),
        ("providers = [{ name = \"x\", weight = 0 }]", "routes.0.providers"),
        ("providers = [{ name = \"x\", weight = 1001 }]", "routes.0.providers"),
        ("providers = [{ name = \"x\", sender = \"\" }]", "routes.0.providers"),
        ("providers = [\"x\"]\nprefixes = [\"48\"]", "routes.0.prefixes"),
        ("providers = [\"x\"]\nprefixes = [\"+\"]", "routes.0.prefixes"),
        ("providers = [\"x\"]\nprefixes = [\"+1234567890123456\"]", "routes.0.prefixes"),
        ("providers = [\"x\"]\nprojects = [\"shop\"]", "routes.0.projects"),
        ("providers = [\"x\"]\npurposes = [\"fun\"]", "routes.0.purposes"),
        ("providers = [\"x\"]\nsenders = { Poland = \"A\" }", "routes.0.senders"),
        ("providers = [\"x\"]\nsender = \"a\\nb\"", "routes.0.sender"),
        ("providers = [\"x\"]\nname = \"\"", "routes.0.name"),
    ] {
        let problem = with(line).unwrap_err();
        assert!(problem.why.contains(key), "{line}: {problem}");
    }
    for fine in ["weight = 1", "weight = 1000", "sender = \"ACME\""] {
        with(&format!("providers = [{{ name = \"x\", {fine} }}]\nprefixes = [\"+123456789012345\"]"))
            .unwrap();
    }
}

#[test]
fn the_environment_overrides_the_file() {
    let file = "[server]\nlisten = \"127.0.0.1:1\"";
    let config = parse_with(file, "COUNTERSIGN_SERVER__LISTEN", "127.0.0.1:2").unwrap();
    assert_eq!(config.server.listen.port(), 2);
    let config = parse_with(file, "COUNTERSIGN_RETENTION__JOURNAL_DAYS", "500").unwrap();
    assert_eq!((config.retention.journal_days, config.server.listen.port()), (500, 1));
    assert!(overlay::variables([("COUNTERSIGN_API_KEY".into(), "sk".into())].into_iter()).is_empty());
}

#[test]
fn variables_may_need_each_other_and_may_look_like_numbers() {
    let set = [
        ("COUNTERSIGN_SERVER__TLS__CERT_FILE", "1"),
        ("COUNTERSIGN_SERVER__TLS__KEY_FILE", "true"),
        ("COUNTERSIGN_RETENTION__JOURNAL_DAYS", "500"),
    ];
    let variables = overlay::variables(set.into_iter().map(|(name, value)| (name.into(), value.into())));
    let config = Config::parse("", Path::new("countersign.toml"), &variables).unwrap();
    assert_eq!(config.server.tls.unwrap().key_file, Path::new("true"));
    assert_eq!(config.retention.journal_days, 500);
}

#[test]
fn a_wrong_variable_is_named() {
    for (name, value) in [
        ("COUNTERSIGN_SERVER__LISTEN", "here"),
        ("COUNTERSIGN_SERVER__LISTEN_ON", "127.0.0.1:1"),
        ("COUNTERSIGN_STORE__URL", "mysql:x"),
    ] {
        let problem = parse_with("", name, value).unwrap_err();
        assert!(problem.why.starts_with(&format!("{name} (environment)")), "{problem}");
    }
}

#[test]
fn the_control_socket_lies_beside_the_file_or_in_a_directory_of_the_node() {
    let socket = |text: &str| parse(text).unwrap().control_socket();
    let postgres = "[store]\nurl = \"postgresql://u@h/d\"\n";
    let own = "[server]\ncontrol_socket = \"run/c.sock\"\n";
    assert_eq!(socket("[store]\nurl = \"sqlite:x/y.db\""), Path::new("dir/x/control.sock"));
    assert_eq!(socket(postgres), Path::new("dir/countersign-data/control.sock"));
    assert_eq!(socket(&format!("{own}{postgres}")), Path::new("dir/run/c.sock"));
    assert_eq!(socket(own), Path::new("dir/run/c.sock"));
}

#[test]
fn the_password_of_a_store_is_in_no_text() {
    let line = "[store]\nurl = \"postgres://anna:hunter2@db/codes\"";
    let config = parse(line).unwrap();
    assert!(toml::to_string(&config).unwrap().contains("postgres://anna:***@db/codes"));
    let texts = [toml::to_string(&config).unwrap(), format!("{config:?}")];
    let wrong = [
        format!("{line}\nlanes = 99"),
        format!("{line}\nlane = 4"),
        line.trim_end_matches('"').to_owned(),
        line.replace("/codes", ""),
    ];
    let problems = wrong.map(|text| parse(&text).unwrap_err().to_string());
    let of_variable = parse_with("", "COUNTERSIGN_STORE__URL", "postgres://anna:hunter2@/codes");
    let all = texts.into_iter().chain(problems).chain([of_variable.unwrap_err().to_string()]);
    for text in all {
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[test]
fn the_sample_can_be_had_with_another_store() {
    let config = parse(&sample_with("postgres://u@\"h\"/d")).unwrap_or_else(|problem| panic!("{problem}"));
    assert_eq!(config.store.url.to_string(), "postgres://u@\"h\"/d");
    assert_eq!(sample_with(&Store::default().url.to_string()), sample());
}

#[test]
fn an_account_with_a_preset_is_five_lines_and_reads_its_secrets_where_the_file_lies() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("countersign.toml");
    let text = "[server]\npublic_url = \"https://codes.example\"\n\
                [providers.sms]\ntype = \"http\"\npreset = \"twilio\"\n\
                account = { account_sid = \"AC1\", from = \"ACME\" }\n\
                secrets.auth_token = { file = \"auth\" }\nsecrets.receipt_token = { file = \"door\" }\n";
    let config = Config::parse(text, &file, &[]).unwrap();
    let problem = |config: &Config| config.providers(None).map(drop).unwrap_err();
    assert!(problem(&config).why.contains("secrets.auth_token"), "{}", problem(&config));
    std::fs::write(folder.path().join("auth"), "token").unwrap();
    std::fs::write(folder.path().join("door"), "too-short").unwrap();
    assert!(problem(&config).why.contains("receipt_token"), "{}", problem(&config));
    assert!(config.receipts().is_err());
    std::fs::write(folder.path().join("door"), "0123456789abcdef0123456789abcdef").unwrap();
    assert_eq!(config.providers(None).unwrap()["sms"].name(), "sms");
    assert!(config.receipts().is_ok());
}

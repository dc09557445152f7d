//! A `countersign dev` of its own for each test: own directory, own port, own key.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

/// A running server and how to talk to it.
pub(crate) struct Server {
    child: Child,
    pub(crate) base: String,
    pub(crate) key: String,
    pub(crate) client: Client,
    log: Arc<Mutex<String>>,
    printed: Arc<Mutex<String>>,
}

/// What a call was answered with.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
    pub(crate) headers: reqwest::header::HeaderMap,
}

impl Answer {
    /// The stable code of a problem document, or the empty text.
    pub(crate) fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    pub(crate) fn text(&self, field: &str) -> String {
        self.body[field].as_str().unwrap_or_else(|| panic!("no {field} in {}", self.body)).to_owned()
    }
}

/// All that a command printed.
pub(crate) fn said(output: &std::process::Output) -> String {
    [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text)).concat()
}

impl Server {
    /// Starts `countersign dev` on `directory` and waits until it has printed its address and its key.
    pub(crate) fn start(directory: &Path) -> Self {
        Self::start_with(directory, &[])
    }

    /// The same with more variables in its environment.
    pub(crate) fn start_with(directory: &Path, variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command
            .args(["dev", "--listen", "127.0.0.1:0", "--data"])
            .arg(directory.join("data"))
            .env("COUNTERSIGN_PROFILE", directory.join("profile.toml"))
            .env("COUNTERSIGN_LOG__LEVEL", "trace")
            .env_remove("COUNTERSIGN_API_KEY")
            .envs(variables.iter().copied())
            .current_dir(directory);
        Self::run(&mut command, None)
    }

    /// Starts `command` and waits until it has printed its address, and its key where it has none yet.
    pub(crate) fn run(command: &mut Command, mut key: Option<String>) -> Self {
        let spawned = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = spawned.expect("the binary starts");
        let log = collect(child.stderr.take().expect("stderr is piped"));
        let mut output = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let (mut base, mut line) = (None, String::new());
        while base.is_none() || key.is_none() {
            line.clear();
            let read = output.read_line(&mut line).expect("stdout can be read");
            assert!(read > 0, "the server ended early: {}", log.lock().unwrap());
            if let Some(at) = line.find("http://").filter(|_| base.is_none()) {
                let url: String = line[at..].chars().take_while(|symbol| !symbol.is_whitespace()).collect();
                base = Some(url.trim_end_matches("/v1").trim_end_matches('/').to_owned());
            }
            key = key.or_else(|| line.split_once("API key: ").map(|(_, key)| key.trim().to_owned()));
        }
        let printed = collect(output);
        let client = Client::builder().no_proxy().build().expect("a client");
        Self { child, base: base.unwrap(), key: key.unwrap(), client, log, printed }
    }

    /// All it logged so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// What it printed behind `label`, once it did.
    pub(crate) async fn printed(&self, label: &str) -> String {
        let value = || {
            let printed = self.printed.lock().unwrap();
            let behind = printed.split_once(label).map(|(_, behind)| behind);
            behind.and_then(|behind| behind.split_once('\n')).map(|(value, _)| value.to_owned())
        };
        let found = tokio::time::timeout(std::time::Duration::from_secs(30), async {
            loop {
                match value() {
                    Some(value) => return value,
                    None => tokio::task::yield_now().await,
                }
            }
        });
        found.await.unwrap_or_else(|_| panic!("no {label:?} on standard output"))
    }

    /// A command of the command line that talks to this server.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.args(words).env("COUNTERSIGN_URL", &self.base).env("COUNTERSIGN_API_KEY", &self.key);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs one to its end; the server is needed for it, so it must not block this thread.
    pub(crate) async fn ran(&self, words: &[&str]) -> std::process::Output {
        let mut command = self.command(words);
        let ran = tokio::task::spawn_blocking(move || command.output()).await;
        ran.expect("it is not cut off").expect("the binary runs")
    }

    /// Runs one that has to work; what it printed as JSON.
    pub(crate) async fn told(&self, words: &[&str]) -> Value {
        let output = self.ran(&[words, &["--json"]].concat()).await;
        assert!(output.status.success(), "{words:?}: {}", said(&output));
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `text` stands in the log.
    pub(crate) async fn until_logged(&self, text: &str) {
        let logged = tokio::time::timeout(std::time::Duration::from_secs(30), async {
            while !self.log().contains(text) {
                tokio::task::yield_now().await;
            }
        });
        logged.await.unwrap_or_else(|_| panic!("no {text:?} in the log"));
    }

    /// Waits for its end: the exit code, if no signal ended it.
    pub(crate) fn exit_code(mut self) -> Option<i32> {
        self.child.wait().expect("it ends").code()
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it ends");
    }

    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        self.call_as(Some(&self.key), method, path, body, &[]).await
    }

    pub(crate) async fn call_as(
        &self,
        key: Option<&str>,
        method: Method,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> Answer {
        self.try_call(key, method, path, body, headers).await.expect("the server answers")
    }

    /// The same for callers that expect the server to die.
    pub(crate) async fn try_call(
        &self,
        key: Option<&str>,
        method: Method,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> Result<Answer, reqwest::Error> {
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        if let Some(key) = key {
            request = request.bearer_auth(key);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let bytes = answer.bytes().await?;
        Ok(Answer { status, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null), headers })
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, None).await
    }

    /// Starts a verification and answers its id.
    pub(crate) async fn create(&self, to: &str) -> String {
        let created = self.post("/v1/verifications", json!({ "to": to })).await;
        assert_eq!(created.status, 201, "{}", created.body);
        created.text("id")
    }

    /// The code of the latest message of this verification, from the test outbox.
    pub(crate) async fn code_of(&self, to: &str, id: &str) -> String {
        let path = format!("/v1/test/outbox?to={}&wait=5", to.replace('+', "%2B"));
        let found = tokio::time::timeout(std::time::Duration::from_secs(30), async {
            // The outbox answers at once while an older message of this recipient stands in it, so ask again.
            loop {
                let outbox = self.get(&path).await;
                assert_eq!(outbox.status, 200, "{}", outbox.body);
                let items = outbox.body["data"].as_array().cloned().unwrap_or_default();
                if let Some(item) = items.iter().find(|item| item["verification"] == id) {
                    return item["code"].as_str().expect("a code").to_owned();
                }
            }
        });
        found.await.unwrap_or_else(|_| panic!("no message for {id} in the outbox"))
    }

    pub(crate) async fn check(&self, id: &str, code: &str) -> Answer {
        self.post(&format!("/v1/verifications/{id}/check"), json!({ "code": code })).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect(mut from: impl std::io::Read + Send + 'static) -> Arc<Mutex<String>> {
    let log = Arc::new(Mutex::new(String::new()));
    let into = Arc::clone(&log);
    std::thread::spawn(move || {
        let mut chunk = [0; 4096];
        while let Ok(read) = from.read(&mut chunk) {
            if read == 0 {
                break;
            }
            into.lock().unwrap().push_str(&String::from_utf8_lossy(&chunk[..read]));
        }
    });
    log
}

/// A code that is certainly not `code`.
pub(crate) fn wrong(code: &str) -> String {
    let last = code.chars().last().and_then(|digit| digit.to_digit(10)).expect("a digit");
    format!("{}{}", &code[..code.len() - 1], (last + 1) % 10)
}

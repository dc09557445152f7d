//! `countersign dev`

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use countersign_core::ids::ProjectId;
use countersign_core::tenancy::{Scope, pair_scopes};
use countersign_core::tenant::Mode;
use serde_json::json;

use super::{Output, TwilioPair};
use crate::config::{Config, DATA_DIR};
use crate::problem::Outcome;
use crate::profile::{self, Pair, Profile};
use crate::provision::{self, Naming};
use crate::wire::{self, Opened};
use crate::{files, ring};

const PROFILE_FILE: &str = "profile.toml";
const NAMING: Naming<'static> = Naming { name: "Development", brand: "Countersign", origin_host: None };
/// A number of a plan that is valid and, with a test key, never called.
const EXAMPLE: &str = "+48600100217";

/// Start a server to try things with: embedded store, test key, outbox instead of providers.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Where its key ring, store and profile are kept.
    #[arg(long, value_name = "DIR", default_value = DATA_DIR)]
    data: PathBuf,
}

pub(super) async fn run(args: Args, output: &Output) -> Outcome {
    files::private_dir(&args.data)?;
    let mut config = Config::of_dev(&args.data)?;
    config.server.listen = args.listen;
    let opened = wire::open_with(&config, &ring::read_or_create(&config.ring())?).await?;
    let kept = args.data.join(PROFILE_FILE);
    let key = key(&opened, &kept).await?;
    let (pair, project) = pair(&opened, &kept, &key).await?;
    wire::serve(&config, opened, |reachable| {
        let mut profile = Profile { url: reachable.url.clone(), api_key: key, twilio: Some(pair.clone()) };
        profile.write(&kept)?;
        profile.twilio = None;
        let found = profile::user_path().is_some_and(|path| match profile.write(&path) {
            Ok(()) => true,
            Err(problem) => {
                output.note(&format!("note: {} ({})", problem.what, problem.why));
                false
            }
        });
        let twilio = TwilioPair { url: profile.url.clone(), project, pair };
        let text = greeting(&profile, &twilio, (!found).then_some(&*kept));
        let json = json!({ "url": profile.url, "api_key": profile.api_key, "twilio": twilio.json() });
        output.answer(&text, &json);
        Ok(())
    })
    .await
}

/// The test key of the last time, as long as it works; else a new one.
async fn key(opened: &Opened, kept: &Path) -> Outcome<String> {
    let store = opened.store.as_ref();
    if let Some(profile) = Profile::read(kept)?
        && provision::opens(store, &profile.api_key).await?
    {
        return Ok(profile.api_key);
    }
    let projects = store.projects().await.map_err(provision::unavailable)?;
    let project = match projects.into_iter().next() {
        Some(project) => project,
        None => provision::project(opened, &NAMING).await?,
    };
    let secret = provision::secret_key(opened, project.id, Mode::Test, "dev").await?;
    Ok(secret.0.to_string())
}

/// The pair for Twilio's libraries of the last time, as long as it works; else a new one. And the project it opens,
/// which is the test key's.
async fn pair(opened: &Opened, kept: &Path, key: &str) -> Outcome<(Pair, ProjectId)> {
    let store = opened.store.as_ref();
    if let Some(pair) = Profile::read(kept)?.and_then(|profile| profile.twilio)
        && let Some(found) = provision::opened_pair(store, &pair.api_key_sid, &pair.api_key_secret).await?
    {
        return Ok((pair, found.tenant.project));
    }
    let tenant = provision::tenant_of(store, key).await?;
    let scopes = [pair_scopes(), vec![Scope::VerificationsOverride]].concat();
    let (made, secret) = provision::pair(opened, tenant, scopes, "dev, for Twilio's libraries").await?;
    let pair = Pair { api_key_sid: made.prefix, api_key_secret: secret.0.to_string() };
    Ok((pair, tenant.project))
}

/// What to do next. `export` is the profile to name, where commands would not find it by themselves.
fn greeting(profile: &Profile, twilio: &TwilioPair, export: Option<&Path>) -> String {
    let Profile { url, api_key, .. } = profile;
    let twilio = twilio.lines();
    let me = program();
    let named = |path: &Path| format!("  export COUNTERSIGN_PROFILE={}\n", path.display());
    let first = export.map(named).unwrap_or_default();
    format!(
        "\
Countersign is ready. Messages go to the test outbox, nothing leaves this machine.

API:     {url}/v1
Docs:    {url}/docs
Outbox:  {url}/v1/test/outbox
API key: {api_key}

Try, in another terminal:
{first}  {me} send {EXAMPLE}
  {me} inbox wait {EXAMPLE}
  {me} check ID CODE

The same over HTTP:
  curl {url}/v1/verifications -u {api_key}: --data-urlencode to={EXAMPLE}
  curl \"{url}/v1/test/outbox?wait=20\" -u {api_key}:
  curl {url}/v1/verifications/ID/check -u {api_key}: -d code=CODE

With the libraries of Twilio Verify, unchanged:
{twilio}

Ctrl-C stops it; the next start goes on where this one ended."
    )
}

/// How this program is called from the same shell: by name when it is on the path, else by its path.
pub(super) fn program() -> String {
    let name = env!("CARGO_PKG_NAME");
    let Ok(me) = std::env::current_exe() else { return name.to_owned() };
    let paths = std::env::var_os("PATH").unwrap_or_default();
    if std::env::split_paths(&paths).any(|directory| directory.join(name) == me) {
        return name.to_owned();
    }
    let here = std::env::current_dir().unwrap_or_default();
    match me.strip_prefix(&here) {
        Ok(relative) => format!("./{}", relative.display()),
        Err(_) => me.display().to_string(),
    }
}

//! `countersign sandbox --smpp`: an SMSC.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use countersign_smpp::smsc::{Behaviour, Event, Rates, SPECIAL_NUMBERS, Smsc, Submitted};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::Habits;
use crate::files;
use crate::problem::{Outcome, Problem};

/// What a fake tells: a line for people, an object for programs.
pub(crate) type Teller = Arc<dyn Fn(&str, &Value) + Send + Sync>;

/// What only an SMSC has.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Own {
    /// Whoever binds to the SMSC must have this password, and the system id `sandbox`.
    #[arg(long, value_name = "FILE", requires = "smpp")]
    pub(crate) smpp_password_file: Option<PathBuf>,
    /// Time until the SMSC answers a message, in milliseconds.
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 0, requires = "smpp")]
    pub(crate) smpp_answer_after: u64,
    /// Messages in a second; the SMSC refuses more as too fast.
    #[arg(long, value_name = "NUMBER", requires = "smpp")]
    pub(crate) smpp_per_second: Option<u32>,
}

/// An SMSC that runs.
pub(crate) struct Running {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Ends when no connection can be taken any more.
    pub(crate) task: JoinHandle<std::io::Result<()>>,
}

/// Starts an SMSC.
pub(crate) async fn start(address: SocketAddr, habits: Habits, own: &Own, tell: Teller) -> Outcome<Running> {
    let password = own.smpp_password_file.as_deref().map(files::read).transpose()?;
    let password = password.map(|text| text.trim_end_matches(['\r', '\n']).to_owned());
    let unusable = |error: std::io::Error| {
        let fix = "stop what listens there, or choose another address (port 0 takes a free one)";
        Problem::new(format!("{address} cannot be listened on"), error, fix)
    };
    let listener = TcpListener::bind(address).await.map_err(unusable)?;
    let address = listener.local_addr().map_err(unusable)?;
    let observer = move |event: Event| {
        let (line, json) = told(&event);
        tell(&line, &json);
    };
    let smsc = Smsc::new(behaviour(habits, own, password), Arc::new(observer));
    let task = tokio::spawn(async move { smsc.accept(listener).await });
    Ok(Running { address, task })
}

/// How to point a provider at it.
pub(crate) fn greeting(address: SocketAddr) -> String {
    let (host, port) = (address.ip(), address.port());
    let numbers: Vec<String> =
        SPECIAL_NUMBERS.iter().map(|(digits, _, what)| format!("  …{digits}  {what}")).collect();
    format!(
        "\
An SMSC listens on {address}. The provider for it:

  [providers.sandbox]
  type = \"smpp\"
  host = \"{host}\"
  port = {port}
  security = \"none\"
  system_id = \"sandbox\"

  [[routes]]
  channel = \"sms\"
  providers = [\"sandbox\"]

Whatever the shares, a message to a number that ends in
{}",
        numbers.join("\n")
    )
}

fn behaviour(habits: Habits, own: &Own, password: Option<String>) -> Behaviour {
    let share = |percent: u8| f64::from(percent) / 100.0;
    Behaviour {
        seed: habits.seed,
        account: password.map(|password| ("sandbox".to_owned(), password)),
        answer_after: Duration::from_millis(own.smpp_answer_after),
        receipt_after: Duration::from_millis(habits.receipt_after),
        late_by: Duration::from_millis(habits.late_after),
        messages_per_second: own.smpp_per_second,
        rates: Rates {
            throttled: share(habits.throttle),
            refused: share(habits.refuse),
            unanswered: share(habits.hang),
            dropped: share(habits.drop),
            garbage: share(habits.garbage),
            undelivered: share(habits.undelivered),
            no_receipt: share(habits.lost),
            late: share(habits.late),
            duplicate: share(habits.duplicate),
            early: share(habits.early),
            ..Rates::default()
        },
        ..Behaviour::default()
    }
}

/// A text of a peer on one line of a terminal.
fn on_a_line(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

fn told(event: &Event) -> (String, Value) {
    match event {
        Event::Bound { system_id, mode } => {
            let json = json!({ "smpp": "bound", "system_id": system_id, "mode": mode });
            (format!("smpp  bound     {} as {mode}", on_a_line(system_id)), json)
        }
        Event::BindRefused { system_id, status } => {
            let json = json!({ "smpp": "bind_refused", "system_id": system_id, "status": status });
            (format!("smpp  refused   the bind of {}: {status}", on_a_line(system_id)), json)
        }
        Event::Submitted(submitted) => submission(submitted),
        Event::Receipt { message_id, state, answer } => {
            let state = state.as_str();
            let json =
                json!({ "smpp": "receipt", "message_id": message_id, "state": state, "answer": answer });
            (format!("smpp  receipt   {message_id} {state}, answered {answer}"), json)
        }
        Event::Unbound => ("smpp  unbound".to_owned(), json!({ "smpp": "unbound" })),
        Event::HungUp => ("smpp  hung up".to_owned(), json!({ "smpp": "hung_up" })),
    }
}

fn submission(submitted: &Submitted) -> (String, Value) {
    let Submitted { source, destination, text, part: (number, total), fate, message_id, .. } = submitted;
    let fate = format!("{fate:?}");
    let json = json!({
        "smpp": "message",
        "from": source,
        "to": destination,
        "text": text,
        "part": number,
        "parts": total,
        "validity_period": submitted.validity_period,
        "fate": fate,
        "message_id": message_id,
    });
    let part = if *total > 1 { format!(" ({number}/{total})") } else { String::new() };
    let (source, destination) = (on_a_line(source), on_a_line(destination));
    (format!("smpp  message   {source} → {destination}{part} [{fate}] {}", on_a_line(text)), json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peers_text_moves_no_cursor() {
        assert_eq!(on_a_line("482913\n\u{1b}[2Jx\u{9b}"), "482913  [2Jx ");
    }
}

//! `countersign sandbox --smpp`: an SMSC.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use countersign_smpp::smsc::{Behaviour, Event, Rates, SPECIAL_NUMBERS, Smsc, Submitted};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::{Faults, Teller, on_a_line};
use crate::problem::{Outcome, Problem};

/// An SMSC that runs.
pub(crate) struct Running {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Ends when no connection can be taken any more.
    pub(crate) task: JoinHandle<std::io::Result<()>>,
}

/// Starts an SMSC. `password` is asked of everyone when given, with the system id `sandbox`.
pub(crate) async fn start(
    address: SocketAddr,
    faults: &Faults,
    password: Option<String>,
    tell: Teller,
) -> Outcome<Running> {
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
    let smsc = Smsc::new(behaviour(faults, password), Arc::new(observer));
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

fn behaviour(faults: &Faults, password: Option<String>) -> Behaviour {
    Behaviour {
        seed: faults.seed,
        account: password.map(|password| ("sandbox".to_owned(), password)),
        answer_after: Duration::from_millis(faults.answer_after),
        receipt_after: Duration::from_millis(faults.receipt_after),
        late_by: Duration::from_millis(faults.late_by),
        messages_per_second: faults.per_second,
        rates: Rates {
            throttled: faults.throttled,
            queue_full: 0.0,
            refused: faults.refused,
            unanswered: faults.unanswered,
            dropped: faults.dropped,
            garbage: faults.garbage,
            undelivered: faults.undelivered,
            no_receipt: faults.no_receipt,
            late: faults.late,
            duplicate: faults.duplicate,
            early: faults.early,
        },
        ..Behaviour::default()
    }
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

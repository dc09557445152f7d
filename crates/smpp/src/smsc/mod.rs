//! A small SMSC, for tests and demonstrations. It does what it is told to, and misbehaves on purpose: at given
//! rates, or always for certain numbers. The same seed and the same order of messages give the same misbehaviour.

mod behaviour;
mod connection;
mod outbox;

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::TcpListener;
use tokio::time::Instant;

pub use behaviour::{Behaviour, Fate, Rates, SPECIAL_NUMBERS};

use crate::Stream;
use crate::delivery::State;
use crate::message_id::IdForm;
use outbox::Outbox;

/// What an SMSC went through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Somebody bound.
    Bound {
        /// As whom.
        system_id: String,
        /// `transceiver`, `transmitter` or `receiver`.
        mode: &'static str,
    },
    /// A bind was refused.
    BindRefused {
        /// As whom.
        system_id: String,
        /// The name of the status.
        status: String,
    },
    /// A message came.
    Submitted(Submitted),
    /// A receipt was delivered, and answered with the status of that name.
    Receipt {
        /// The message it is about, as the receipt names it.
        message_id: String,
        /// What it says.
        state: State,
        /// The name of the status it was answered with.
        answer: String,
    },
    /// The peer unbound.
    Unbound,
    /// A connection ended.
    HungUp,
}

/// A message as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submitted {
    /// Who it seems to come from.
    pub source: String,
    /// Whom it goes to.
    pub destination: String,
    /// The text of this part.
    pub text: String,
    /// Which part, of how many.
    pub part: (u8, u8),
    /// `data_coding`.
    pub data_coding: u8,
    /// `esm_class`.
    pub esm_class: u8,
    /// `validity_period`.
    pub validity_period: String,
    /// Types of number and numbering plans: source, destination.
    pub kinds: [u8; 4],
    /// Whether a receipt was asked for.
    pub receipt: bool,
    /// What was done with it.
    pub fate: Fate,
    /// Its id, as the answer names it; empty when it was not taken.
    pub message_id: String,
}

/// Told of every event, in order of each connection.
pub type Observer = Arc<dyn Fn(Event) + Send + Sync>;

/// An SMSC. Clones are the same.
#[derive(Clone)]
pub struct Smsc(Arc<Shared>);

struct Shared {
    behaviour: Behaviour,
    observer: Observer,
    random: Mutex<fastrand::Rng>,
    next_id: AtomicU64,
    /// The second that is counted, and what was taken in it.
    taken: Mutex<(Instant, u32)>,
    outbox: Outbox,
}

impl Smsc {
    /// Makes one.
    #[must_use]
    pub fn new(behaviour: Behaviour, observer: Observer) -> Self {
        let random = fastrand::Rng::with_seed(behaviour.seed);
        Self(Arc::new(Shared {
            behaviour,
            observer,
            random: Mutex::new(random),
            next_id: AtomicU64::new(10),
            taken: Mutex::new((Instant::now(), 0)),
            outbox: Outbox::default(),
        }))
    }

    /// Takes connections until the listener breaks.
    ///
    /// # Errors
    /// When no connection can be taken any more.
    pub async fn accept(&self, listener: TcpListener) -> io::Result<()> {
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let smsc = self.clone();
            tokio::spawn(async move { smsc.serve(stream).await });
        }
    }

    /// Serves one connection to its end.
    pub async fn serve<S: Stream>(&self, stream: S) {
        connection::serve(self, stream).await;
        self.tell(Event::HungUp);
    }

    fn tell(&self, event: Event) {
        (self.0.observer)(event);
    }

    fn behaviour(&self) -> &Behaviour {
        &self.0.behaviour
    }

    /// What becomes of a message to this number.
    fn fate(&self, destination: &str) -> Fate {
        if let Some(fate) = behaviour::special(destination) {
            return fate;
        }
        if self.is_too_fast() {
            return Fate::Throttled;
        }
        let mut random = self.0.random.lock().unwrap_or_else(PoisonError::into_inner);
        self.behaviour().rates.draw(&mut random)
    }

    fn is_too_fast(&self) -> bool {
        let Some(limit) = self.behaviour().messages_per_second else { return false };
        let now = Instant::now();
        let mut taken = self.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if now.duration_since(taken.0).as_secs() > 0 {
            *taken = (now, 0);
        }
        taken.1 += 1;
        taken.1 > limit
    }

    /// The id of a message: as answers write it, and as receipts do.
    fn next_id(&self) -> (String, String) {
        let number = self.0.next_id.fetch_add(1, Ordering::Relaxed);
        let [response, receipt] = self.behaviour().id_forms;
        (written(number, response), written(number, receipt))
    }
}

fn written(number: u64, form: IdForm) -> String {
    match form {
        IdForm::Text => format!("msg-{number}"),
        IdForm::Decimal => format!("{number:010}"),
        IdForm::Hex => format!("{number:08X}"),
    }
}

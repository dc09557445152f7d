//! A client, and what it talks to.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use countersign_smpp::alphabet::Alphabet;
use countersign_smpp::bind::{Account, Mode};
use countersign_smpp::delivery::Receipt;
use countersign_smpp::frame::{self, Frame, Frames};
use countersign_smpp::message::{Address, Concatenation, Message, compose};
use countersign_smpp::message_id::MessageIds;
use countersign_smpp::smsc::{Behaviour, Event, Smsc, Submitted};
use countersign_smpp::{Boxed, Client, Dial, DialError, Inbound, Options, Stream, SubmitError};
use rusmpp::pdus::{BindTransceiverResp, SubmitSm, SubmitSmResp};
use rusmpp::types::COctetString;
use rusmpp::{Command, CommandId, CommandStatus, Pdu};
use tokio::io::{AsyncWriteExt as _, DuplexStream, ReadHalf, WriteHalf};
use tokio::sync::mpsc;

/// Long enough for anything that happens at all; paused clocks run through it at once.
pub(crate) const SOON: Duration = Duration::from_secs(20);

pub(crate) fn options() -> Options {
    Options {
        account: Account {
            system_id: "acme".to_owned(),
            password: "s3cret".to_owned().into(),
            ..Account::default()
        },
        binds: vec![Mode::Transceiver],
        window: 10,
        messages_per_second: None,
        in_hand: 1_000,
        bind_time: Duration::from_secs(5),
        response_time: Duration::from_secs(5),
        enquire_every: Duration::from_secs(30),
        message_ids: MessageIds::default(),
    }
}

/// One PDU to a number.
pub(crate) fn to(number: &str) -> SubmitSm {
    pdus(number, "482913 is your code").remove(0)
}

pub(crate) fn pdus(number: &str, text: &str) -> Vec<SubmitSm> {
    compose(&Message {
        source: Address::sender("ACME").expect("a sender"),
        destination: Address::recipient(number).expect("a number"),
        text,
        alphabets: &[Alphabet::Gsm7, Alphabet::Ucs2],
        concatenation: Concatenation::Udh,
        service_type: "",
        validity: Duration::from_secs(300),
        receipt: true,
        reference: 7,
    })
    .expect("PDUs")
}

/// Takes receipts, or refuses the first few.
pub(crate) struct Taker {
    receipts: mpsc::UnboundedSender<Receipt>,
    refusals: AtomicUsize,
}

impl Inbound for Taker {
    fn take(&self, receipt: Receipt) -> Boxed<'_, bool> {
        let refused = self
            .refusals
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
            .is_ok();
        if !refused {
            let _ = self.receipts.send(receipt);
        }
        Box::pin(std::future::ready(!refused))
    }
}

/// A client whose randomness is none.
pub(crate) fn client(
    options: Options,
    dial: impl Dial,
    refusals: usize,
) -> (Client, mpsc::UnboundedReceiver<Receipt>) {
    let (sender, receipts) = mpsc::unbounded_channel();
    let taker = Taker { receipts: sender, refusals: AtomicUsize::new(refusals) };
    (Client::new(options, Arc::new(dial), Arc::new(taker), Arc::new(|| 0)), receipts)
}

/// Our own SMSC behind a pipe, and a client bound to it.
pub(crate) struct Pair {
    pub(crate) client: Client,
    pub(crate) receipts: mpsc::UnboundedReceiver<Receipt>,
    pub(crate) events: mpsc::UnboundedReceiver<Event>,
}

impl Pair {
    pub(crate) fn new(behaviour: Behaviour) -> Self {
        Self::with(behaviour, options(), 0)
    }

    pub(crate) fn with(behaviour: Behaviour, options: Options, refusals: usize) -> Self {
        let (sender, events) = mpsc::unbounded_channel();
        let smsc = Smsc::new(behaviour, Arc::new(move |event| drop(sender.send(event))));
        let (client, receipts) = client(options, Pipe(smsc), refusals);
        Self { client, receipts, events }
    }

    pub(crate) async fn send(&self, number: &str) -> Result<Option<String>, SubmitError> {
        self.client.submit(to(number), SOON).await
    }

    pub(crate) async fn receipt(&mut self) -> Receipt {
        self.receipts.recv().await.expect("a receipt")
    }

    /// The first event to come that `pick` likes.
    pub(crate) async fn event<T>(&mut self, pick: impl Fn(Event) -> Option<T>) -> T {
        loop {
            if let Some(picked) = pick(self.events.recv().await.expect("an event")) {
                return picked;
            }
        }
    }

    pub(crate) async fn submitted(&mut self) -> Submitted {
        self.event(|event| match event {
            Event::Submitted(submitted) => Some(submitted),
            _ => None,
        })
        .await
    }

    /// All messages so far.
    pub(crate) fn all_submitted(&mut self) -> Vec<Submitted> {
        let mut all = Vec::new();
        while let Ok(event) = self.events.try_recv() {
            if let Event::Submitted(submitted) = event {
                all.push(submitted);
            }
        }
        all
    }
}

struct Pipe(Smsc);

impl Dial for Pipe {
    fn dial(&self) -> Boxed<'_, Result<Box<dyn Stream>, DialError>> {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let smsc = self.0.clone();
        tokio::spawn(async move { smsc.serve(theirs).await });
        Box::pin(std::future::ready(Ok(Box::new(ours) as Box<dyn Stream>)))
    }
}

/// Hands the far end of every connection to the test.
pub(crate) struct Hands(mpsc::UnboundedSender<DuplexStream>);

impl Dial for Hands {
    fn dial(&self) -> Boxed<'_, Result<Box<dyn Stream>, DialError>> {
        let (ours, theirs) = tokio::io::duplex(256 * 1024);
        let _ = self.0.send(theirs);
        Box::pin(std::future::ready(Ok(Box::new(ours) as Box<dyn Stream>)))
    }
}

/// Where connections arrive.
pub(crate) struct Arrivals(mpsc::UnboundedReceiver<DuplexStream>);

pub(crate) fn by_hand(options: Options) -> (Client, Arrivals, mpsc::UnboundedReceiver<Receipt>) {
    let (sender, arrivals) = mpsc::unbounded_channel();
    let (client, receipts) = client(options, Hands(sender), 0);
    (client, Arrivals(arrivals), receipts)
}

impl Arrivals {
    /// The next connection, not bound.
    pub(crate) async fn next(&mut self) -> Peer {
        let stream = self.0.recv().await.expect("a connection");
        let (reader, writer) = tokio::io::split(stream);
        Peer { frames: Frames::new(reader), writer }
    }

    /// The next connection, bound.
    pub(crate) async fn bound(&mut self) -> Peer {
        let mut peer = self.next().await;
        let bind = peer.hear().await;
        assert_eq!(bind.id, CommandId::BindTransceiver);
        peer.answer(&bind, CommandStatus::EsmeRok, BindTransceiverResp::default()).await;
        peer
    }
}

/// An SMSC of which each word is written by the test.
pub(crate) struct Peer {
    frames: Frames<ReadHalf<DuplexStream>>,
    writer: WriteHalf<DuplexStream>,
}

impl Peer {
    pub(crate) async fn hear(&mut self) -> Frame {
        self.frames.next().await.expect("a PDU").expect("not the end")
    }

    /// Whether the client hung up.
    pub(crate) async fn is_left(&mut self) -> bool {
        matches!(self.frames.next().await, Ok(None))
    }

    pub(crate) async fn answer(&mut self, to: &Frame, status: CommandStatus, pdu: impl Into<Pdu>) {
        self.say(Command::new(status, to.sequence, pdu)).await;
    }

    pub(crate) async fn take(&mut self, submit: &Frame, id: &str) {
        let id = COctetString::from_string(id.to_owned()).expect("an id");
        self.answer(submit, CommandStatus::EsmeRok, SubmitSmResp::builder().message_id(id).build()).await;
    }

    pub(crate) async fn say(&mut self, command: Command) {
        let mut octets = BytesMut::new();
        frame::write(&command, &mut octets);
        self.octets(&octets).await;
    }

    pub(crate) async fn octets(&mut self, octets: &[u8]) {
        self.writer.write_all(octets).await.expect("written");
    }

    pub(crate) async fn hang_up(mut self) {
        let _ = self.writer.shutdown().await;
    }
}

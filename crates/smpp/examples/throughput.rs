//! How fast one bind is: `cargo xtask bench --flow smpp`.
//!
//! The SMSC runs in a process of its own. Each figure stands beside that of a bare loop over the same codec, socket and
//! SMSC, taken in the same run: it writes a window of submissions, reads their answers, and does nothing else.
#![expect(clippy::disallowed_methods, reason = "a benchmark is a stopwatch")]

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use countersign_smpp::alphabet::Alphabet;
use countersign_smpp::bind::{Account, Mode};
use countersign_smpp::delivery::Receipt;
use countersign_smpp::frame::{self, Frames};
use countersign_smpp::message::{Address, Concatenation, Message, compose};
use countersign_smpp::message_id::MessageIds;
use countersign_smpp::smsc::{Behaviour, Smsc};
use countersign_smpp::{Boxed, Client, Dial, DialError, Inbound, Options, Stream, SubmitSm};
use rusmpp::pdus::BindTransceiver;
use rusmpp::{Command as PduCommand, CommandId, CommandStatus, Pdu};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};

type Failure = Box<dyn std::error::Error + Send + Sync>;

const WINDOW: usize = 100;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let (mut seconds, mut serve) = (5, None);
    while let Some(argument) = arguments.next() {
        let value = arguments.next().ok_or("each argument has a value")?.parse()?;
        match argument.as_str() {
            "--seconds" => seconds = value,
            "--serve" => serve = Some(Duration::from_millis(value)),
            other => return Err(format!("unknown argument {other}; there are --seconds and --serve").into()),
        }
    }
    if let Some(answer_after) = serve {
        return smsc(answer_after).await;
    }
    let span = Duration::from_secs(seconds);
    println!("one bind, window {WINDOW}, {seconds} s each row\n");
    println!("{:<34} {:>12} {:>12} {:>14}", "answers after", "bare loop/s", "submits/s", "with receipts/s");
    for answer_after in [Duration::ZERO, Duration::from_millis(50)] {
        let peer = Peer::start(answer_after)?;
        let bare = bare_loop(peer.port, span).await?;
        let plain = through_client(peer.port, span, false).await?.0;
        let (with_receipts, receipts) = through_client(peer.port, span, true).await?;
        let of_bare = plain / bare;
        println!(
            "{:<34} {bare:>12.0} {plain:>12.0} {with_receipts:>14.0}",
            format!("{answer_after:?} ({of_bare:.2} of the bare loop)")
        );
        eprintln!("  {receipts} receipts were taken meanwhile");
    }
    Ok(())
}

/// The SMSC of this process; it says its port and serves until it is killed.
async fn smsc(answer_after: Duration) -> Result<(), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    let behaviour = Behaviour { answer_after, receipt_after: Duration::ZERO, ..Behaviour::default() };
    Smsc::new(behaviour, Arc::new(drop)).accept(listener).await?;
    Ok(())
}

/// The SMSC in a process of its own.
struct Peer {
    port: u16,
    process: Child,
}

impl Peer {
    fn start(answer_after: Duration) -> Result<Self, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--serve", &answer_after.as_millis().to_string()]);
        let mut process = command.stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().ok_or("no output")?).read_line(&mut line)?;
        Ok(Self { port: line.trim().parse()?, process })
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn message(receipt: bool) -> Result<SubmitSm, Failure> {
    let mut pdus = compose(&Message {
        source: Address::sender("ACME")?,
        destination: Address::recipient("+48600100217")?,
        text: "482913 is your Acme code. Do not share it with anyone.\n\n@acme.example #482913",
        alphabets: &[Alphabet::Gsm7, Alphabet::Ucs2],
        concatenation: Concatenation::Udh,
        service_type: "",
        validity: Duration::from_secs(600),
        receipt,
        reference: 0,
    })?;
    pdus.pop().ok_or_else(|| "no PDU".into())
}

async fn bare_loop(port: u16, span: Duration) -> Result<f64, Failure> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    let (reader, mut writer) = stream.into_split();
    let (mut frames, mut octets) = (Frames::new(reader), BytesMut::new());
    let bind = BindTransceiver::default();
    frame::write(&PduCommand::new(CommandStatus::EsmeRok, 1, bind), &mut octets);
    writer.write_all_buf(&mut octets).await?;
    frames.next().await?;
    let pdu = message(false)?;
    let (mut sequence, mut answered) = (2, 0_u64);
    let start = Instant::now();
    let mut free = WINDOW;
    while start.elapsed() < span {
        for _ in 0..free {
            let submit = PduCommand::new(CommandStatus::EsmeRok, sequence, Pdu::SubmitSm(pdu.clone()));
            frame::write(&submit, &mut octets);
            sequence += 1;
        }
        writer.write_all_buf(&mut octets).await?;
        free = 0;
        // All answers that lie ready, at least one.
        while free == 0 || frames.has_buffered() {
            let frame = frames.next().await?.ok_or("the SMSC hung up")?;
            free += usize::from(frame.id == CommandId::SubmitSmResp);
        }
        answered += free as u64;
    }
    Ok(answered as f64 / start.elapsed().as_secs_f64())
}

async fn through_client(port: u16, span: Duration, receipt: bool) -> Result<(f64, u64), Failure> {
    let receipts = Arc::new(Counter::default());
    let options = Options {
        account: Account { system_id: "bench".to_owned(), ..Account::default() },
        binds: vec![Mode::Transceiver],
        window: WINDOW,
        messages_per_second: None,
        in_hand: 10 * WINDOW,
        bind_time: Duration::from_secs(5),
        response_time: Duration::from_secs(5),
        enquire_every: Duration::from_secs(30),
        message_ids: MessageIds::default(),
    };
    let inbound = Arc::clone(&receipts);
    let client = Arc::new(Client::new(options, Arc::new(Tcp(port)), inbound, Arc::new(|| 0)));
    client.until_bound(1).await;
    let pdu = message(receipt)?;
    let start = Instant::now();
    let senders: Vec<_> = (0..WINDOW)
        .map(|_| {
            let (client, pdu) = (Arc::clone(&client), pdu.clone());
            tokio::spawn(async move {
                let mut done = 0_u64;
                while start.elapsed() < span {
                    client.submit(pdu.clone(), Duration::from_secs(10)).await?;
                    done += 1;
                }
                Ok::<_, Failure>(done)
            })
        })
        .collect();
    let mut done = 0;
    for sender in senders {
        done += sender.await??;
    }
    let per_second = done as f64 / start.elapsed().as_secs_f64();
    client.close().await;
    Ok((per_second, receipts.0.load(Ordering::Relaxed)))
}

struct Tcp(u16);

impl Dial for Tcp {
    fn dial(&self) -> Boxed<'_, Result<Box<dyn Stream>, DialError>> {
        Box::pin(async {
            let stream = TcpStream::connect(("127.0.0.1", self.0)).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as Box<dyn Stream>)
        })
    }
}

#[derive(Default)]
struct Counter(AtomicU64);

impl Inbound for Counter {
    fn take(&self, _receipt: Receipt) -> Boxed<'_, bool> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Box::pin(std::future::ready(true))
    }
}

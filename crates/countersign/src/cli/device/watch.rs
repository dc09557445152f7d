//! `countersign device watch`: waits for challenges and asks a person.

use std::collections::HashSet;
use std::io::BufRead as _;
use std::time::Duration;

use countersign_core::factor::device::Verdict;
use countersign_core::ids::ChallengeId;
use tokio::sync::mpsc;

use super::Door;
use super::shown::Shown;
use crate::cli::Output;
use crate::problem::{Exit, Outcome, Problem};

/// How often the server is asked.
const EVERY: Duration = Duration::from_secs(2);

/// Lines a person types. Reading them waits in a thread of its own, for it cannot be broken off.
struct Typed(mpsc::Receiver<String>);

impl Typed {
    fn begin() -> Self {
        let (sender, receiver) = mpsc::channel(1);
        std::thread::spawn(move || {
            for line in std::io::stdin().lock().lines().map_while(Result::ok) {
                if sender.blocking_send(line).is_err() {
                    return;
                }
            }
        });
        Self(receiver)
    }
}

/// What became of one challenge.
enum Ended {
    Answered,
    /// Somebody else answered it, or its time was over.
    Gone,
    /// Nobody types any more.
    Left,
}

pub(super) async fn run(door: &Door, once: bool, output: &Output) -> Outcome {
    output.note(&format!(
        "Waiting for challenges to {} at {}. Ctrl-C ends it.",
        door.device.factor, door.device.server
    ));
    let mut typed = Typed::begin();
    let mut passed = HashSet::new();
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let open = open(door, output).await?;
        passed.retain(|id| open.iter().any(|shown| shown.id == *id));
        let Some(shown) = open.into_iter().find(|shown| !passed.contains(&shown.id)) else { continue };
        output.note(&format!("\n{}", shown.words()));
        match ask(door, &shown, &mut typed, &mut ticks, output).await? {
            Ended::Answered if once => return Ok(()),
            Ended::Answered => drop(passed.insert(shown.id)),
            Ended::Gone => output.note("It is over: answered elsewhere, called off, or too late."),
            Ended::Left => {
                let why = "standard input ended while a challenge waited for an answer";
                return Err(Problem::new("nothing was signed", why, "run it on a terminal"));
            }
        }
    }
}

/// What waits. A server that is away for a moment is asked again; one that does not know the device is not.
async fn open(door: &Door, output: &Output) -> Outcome<Vec<Shown>> {
    match door.open().await {
        Ok(open) => open.iter().map(Shown::read).collect(),
        Err(problem) if problem.what.contains("did not answer") => {
            output.note(&format!("{}; asking again", problem.what));
            Ok(Vec::new())
        }
        Err(problem) => Err(problem),
    }
}

async fn ask(
    door: &Door,
    shown: &Shown,
    typed: &mut Typed,
    ticks: &mut tokio::time::Interval,
    output: &Output,
) -> Outcome<Ended> {
    output.note("Type the number on the other screen to approve, or no to deny:");
    loop {
        let line = tokio::select! {
            line = typed.0.recv() => match line {
                Some(line) => line,
                None => return Ok(Ended::Left),
            },
            _ = ticks.tick() => {
                if still_open(door, shown.id, output).await? {
                    continue;
                }
                return Ok(Ended::Gone);
            }
        };
        let line = line.trim();
        let (verdict, number) = match line.to_ascii_lowercase().as_str() {
            "no" | "n" | "deny" => (Verdict::Deny, ""),
            number if !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit()) => {
                (Verdict::Approve, line)
            }
            _ => {
                output.note("A number, or no. A bare yes does not exist: the number shows that you are the one who began.");
                continue;
            }
        };
        let answered = door.answer(shown, verdict, number).await?;
        match door.tell(shown, verdict, number, answered, output) {
            Ok(()) => return Ok(Ended::Answered),
            Err(problem) if problem.exit == Exit::Rejected => {
                output.note(&format!("{}: {}", problem.what, problem.why));
                if !still_open(door, shown.id, output).await? {
                    return Ok(Ended::Gone);
                }
            }
            Err(problem) => return Err(problem),
        }
    }
}

async fn still_open(door: &Door, id: ChallengeId, output: &Output) -> Outcome<bool> {
    Ok(open(door, output).await?.iter().any(|shown| shown.id == id))
}

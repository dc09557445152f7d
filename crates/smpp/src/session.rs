//! One bound connection: a reader, a writer, and the submissions that wait for their answers.
//!
//! At most `window` submissions wait at once; who finds no room waits outside. A submission is known to be written
//! or not: when a connection ends, only the written ones may have been taken by the peer.

mod reader;
mod writer;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusmpp::pdus::SubmitSm;
use rusmpp::{Command, CommandStatus, Pdu};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, Semaphore, SemaphorePermit, mpsc, oneshot, watch};
use tokio::time::{Instant, timeout_at};

use crate::frame::Frames;
use crate::message_id::MessageIds;
use crate::{Inbound, limits};

/// What a session is held to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// Submissions that may wait for their answer.
    pub(crate) window: usize,
    /// How long an answer may take; also how long one write may.
    pub(crate) response_time: Duration,
    /// After how long without a sign of the peer it is asked for one.
    pub(crate) enquire_every: Duration,
    /// How ids are written.
    pub(crate) ids: MessageIds,
}

/// The answer to a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The peer answered.
    Given { status: CommandStatus, message_id: Option<String> },
    /// No answer came in time.
    Late,
    /// The connection ended after it was written.
    Lost,
    /// It was never written.
    Unsent,
}

/// Why a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// We unbound, or were about to: because we are closing, or because the peer says that we are not bound.
    Closed,
    /// The peer unbound.
    Unbound,
    /// The connection broke, or was cut because the peer was silent or not to be understood.
    Broken(String),
}

/// One bound connection. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Session(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    terms: Terms,
    window: Semaphore,
    outgoing: mpsc::Sender<Command>,
    waiting: Mutex<Waiting>,
    /// Told whenever no submission waits any more.
    idle: Notify,
    /// Told when a submission got no answer in time: is the peer there at all?
    doubt: Notify,
    /// Turns true when we want to unbind.
    closing: watch::Sender<bool>,
    sequence: AtomicU32,
}

#[derive(Debug, Default)]
struct Waiting {
    submissions: HashMap<u32, Submission>,
    /// No more are taken.
    ended: bool,
}

#[derive(Debug)]
struct Submission {
    written: bool,
    answer: oneshot::Sender<Answer>,
}

impl Session {
    /// Starts reader and writer on a stream that is bound. The second value ends with the session.
    pub(crate) fn start<R, W>(
        frames: Frames<R>,
        writer: W,
        terms: Terms,
        inbound: Arc<dyn Inbound>,
    ) -> (Self, impl Future<Output = End> + Send + 'static)
    where
        R: AsyncRead + Send + Unpin + 'static,
        W: AsyncWrite + Send + Unpin + 'static,
    {
        let (outgoing, queue) = mpsc::channel(limits::OUTGOING_WAITING);
        let session = Self(Arc::new(Shared {
            terms,
            window: Semaphore::new(terms.window),
            outgoing,
            waiting: Mutex::default(),
            idle: Notify::new(),
            doubt: Notify::new(),
            closing: watch::Sender::new(false),
            // The bind was the first.
            sequence: AtomicU32::new(2),
        }));
        let (finish, finished) = oneshot::channel();
        let mut writing = tokio::spawn(writer::write(session.clone(), writer, queue, finished));
        let reading = session.clone();
        let run = async move {
            let mut reader = reader::Reader::new(reading.clone(), frames, inbound);
            let end = tokio::select! {
                end = reader.run() => end,
                broken = &mut writing => End::Broken(broken.unwrap_or_else(|_| "the writer ended".to_owned())),
            };
            reading.end();
            // The last answers, to an unbind say, are still written.
            let _ = finish.send(());
            if !writing.is_finished() {
                let _ = writing.await;
            }
            end
        };
        (session, run)
    }

    /// Whether submissions are taken.
    pub(crate) fn is_open(&self) -> bool {
        !self.0.window.is_closed()
    }

    /// How many submissions would go out at once.
    pub(crate) fn room(&self) -> usize {
        self.0.window.available_permits()
    }

    /// Room for one submission; `None` when the session ends before there is.
    pub(crate) async fn room_for_one(&self) -> Option<SemaphorePermit<'_>> {
        self.0.window.acquire().await.ok()
    }

    /// Submits. The caller holds room for it.
    pub(crate) async fn submit(&self, pdu: SubmitSm) -> Answer {
        let (answer, answered) = oneshot::channel();
        let sequence = self.next_sequence();
        {
            let mut waiting = self.waiting();
            if waiting.ended {
                return Answer::Unsent;
            }
            waiting.submissions.insert(sequence, Submission { written: false, answer });
        }
        // Forgets the submission when the caller does.
        let _forget = Forget { session: self, sequence };
        let deadline = Instant::now() + self.0.terms.response_time;
        let command = Command::new(CommandStatus::EsmeRok, sequence, Pdu::SubmitSm(pdu));
        match timeout_at(deadline, self.0.outgoing.send(command)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return Answer::Unsent,
        }
        match timeout_at(deadline, answered).await {
            Ok(answer) => answer.unwrap_or(Answer::Unsent),
            Err(_) => {
                let written = self.take(sequence).is_none_or(|submission| submission.written);
                self.0.doubt.notify_one();
                if written { Answer::Late } else { Answer::Unsent }
            }
        }
    }

    /// Lets the waiting submissions be answered, then unbinds.
    pub(crate) fn close(&self) {
        self.0.window.close();
        self.0.closing.send_replace(true);
    }

    fn next_sequence(&self) -> u32 {
        // 1 to 0x7FFFFFFF (section 3.2); 0 would do no harm but is skipped all the same.
        (self.0.sequence.fetch_add(1, Ordering::Relaxed) & 0x7fff_ffff).max(1)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, sequence: u32) -> Option<Submission> {
        let mut waiting = self.waiting();
        let submission = waiting.submissions.remove(&sequence);
        if waiting.submissions.is_empty() {
            self.0.idle.notify_one();
        }
        submission
    }

    /// Marks a submission as written; `false` when it does not go out: nobody waits for it any more, or one of the two
    /// sides is leaving and would not answer it.
    fn is_about_to_be_written(&self, sequence: u32) -> bool {
        if !self.is_open() {
            if let Some(submission) = self.take(sequence) {
                let _ = submission.answer.send(Answer::Unsent);
            }
            return false;
        }
        let mut waiting = self.waiting();
        let Some(submission) = waiting.submissions.get_mut(&sequence) else { return false };
        submission.written = true;
        true
    }

    fn has_answers_due(&self) -> bool {
        !self.waiting().submissions.is_empty()
    }

    /// Tells everyone who waits that no answer will come.
    fn end(&self) {
        self.0.window.close();
        let mut waiting = self.waiting();
        waiting.ended = true;
        for (_, Submission { written, answer }) in waiting.submissions.drain() {
            let _ = answer.send(if written { Answer::Lost } else { Answer::Unsent });
        }
        self.0.idle.notify_one();
    }
}

struct Forget<'a> {
    session: &'a Session,
    sequence: u32,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.session.take(self.sequence);
    }
}

//! The reading half: answers find their submissions, deliveries their taker, silence its end.

use std::sync::Arc;

use bytes::Bytes;
use rusmpp::pdus::{DataSmResp, DeliverSmResp};
use rusmpp::{Command, CommandId, CommandStatus, Pdu};
use tokio::io::AsyncRead;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until};

use super::{Answer, End, Session};
use crate::delivery::{self, Delivery, Receipt, Unreadable};
use crate::frame::{Frame, FrameError, Frames, take_string};
use crate::{Inbound, limits};

/// A temporary failure of ours: the peer is to deliver it again.
const LATER: CommandStatus = CommandStatus::EsmeRxTAppn;
/// A permanent one: it will never be read.
const NEVER: CommandStatus = CommandStatus::EsmeRxRAppn;

pub(super) struct Reader<R> {
    session: Session,
    frames: Frames<R>,
    inbound: Arc<dyn Inbound>,
    /// Deliveries that are worked on.
    deliveries: Arc<Semaphore>,
    /// When the peer last said anything.
    heard: Instant,
    /// Until when it must say something, once asked.
    asked: Option<Instant>,
    /// Which unbind is to be answered, ours or the peer's, and until when answers may still come.
    leaving: Option<Leaving>,
}

enum Leaving {
    /// We unbind once all answers are there, or at that time.
    Draining(Instant),
    /// Our unbind is out; its answer is due at that time.
    Unbinding(Instant),
    /// The peer's unbind of this number is answered once all answers are there, or at that time.
    Unbound(u32, Instant),
}

impl<R: AsyncRead + Send + Unpin> Reader<R> {
    pub(super) fn new(session: Session, frames: Frames<R>, inbound: Arc<dyn Inbound>) -> Self {
        Self {
            session,
            frames,
            inbound,
            deliveries: Arc::new(Semaphore::new(limits::DELIVERIES_AT_ONCE)),
            heard: Instant::now(),
            asked: None,
            leaving: None,
        }
    }

    pub(super) async fn run(&mut self) -> End {
        let session = self.session.clone();
        let mut closing = session.0.closing.subscribe();
        loop {
            if let Some(end) = self.leave().await {
                return end;
            }
            let (alarm, leaving) = (self.alarm(), self.leaving.is_some());
            let step = tokio::select! {
                frame = self.frames.next() => match frame {
                    Ok(Some(frame)) => self.take(frame).await,
                    Ok(None) => Some(self.hung_up("the peer hung up".to_owned())),
                    Err(error) => Some(self.not_followed(error).await),
                },
                () = sleep_until(alarm) => self.ring().await,
                () = session.0.doubt.notified() => {
                    self.enquire().await;
                    None
                }
                () = session.0.idle.notified(), if leaving => None,
                Ok(()) = closing.changed(), if !leaving => {
                    self.leaving = Some(Leaving::Draining(Instant::now() + session.0.terms.response_time));
                    None
                }
            };
            if let Some(end) = step {
                return end;
            }
        }
    }

    /// When something is to be done although nothing is heard.
    fn alarm(&self) -> Instant {
        let usual = self.asked.unwrap_or(self.heard + self.session.0.terms.enquire_every);
        match self.leaving {
            None => usual,
            Some(Leaving::Draining(at) | Leaving::Unbinding(at) | Leaving::Unbound(_, at)) => at.min(usual),
        }
    }

    async fn ring(&mut self) -> Option<End> {
        let now = Instant::now();
        if matches!(self.leaving, Some(Leaving::Unbinding(at)) if at <= now) {
            return Some(End::Closed);
        }
        if self.asked.is_some_and(|until| until <= now) {
            return Some(End::Broken("the peer does not answer enquire_link".to_owned()));
        }
        if self.asked.is_none() && self.heard + self.session.0.terms.enquire_every <= now {
            self.enquire().await;
        }
        None
    }

    async fn enquire(&mut self) {
        if self.asked.is_none() {
            self.asked = Some(Instant::now() + self.session.0.terms.response_time);
            self.request(Pdu::EnquireLink).await;
        }
    }

    /// The next step of leaving, when its time has come.
    async fn leave(&mut self) -> Option<End> {
        let due = |at: Instant| at <= Instant::now() || !self.session.has_answers_due();
        match self.leaving {
            Some(Leaving::Draining(at)) if due(at) => {
                let until = Instant::now() + self.session.0.terms.response_time;
                self.leaving = Some(Leaving::Unbinding(until));
                self.request(Pdu::Unbind).await;
                None
            }
            Some(Leaving::Unbound(sequence, at)) if due(at) => {
                self.answer(CommandStatus::EsmeRok, sequence, Pdu::UnbindResp).await;
                Some(End::Unbound)
            }
            _ => None,
        }
    }

    async fn take(&mut self, frame: Frame) -> Option<End> {
        self.heard = Instant::now();
        self.asked = None;
        let Frame { id, status, sequence, body } = frame;
        match id {
            CommandId::SubmitSmResp => self.submitted(sequence, status, body),
            CommandId::GenericNack => self.submitted(sequence, nack(status), Bytes::new()),
            CommandId::DeliverSm | CommandId::DataSm => self.deliver(id, sequence, body).await,
            CommandId::EnquireLink => {
                self.answer(CommandStatus::EsmeRok, sequence, Pdu::EnquireLinkResp).await;
            }
            CommandId::Unbind => {
                self.session.0.window.close();
                self.leaving = Some(Leaving::Unbound(sequence, Instant::now() + limits::UNBIND_GRACE));
            }
            CommandId::UnbindResp if matches!(self.leaving, Some(Leaving::Unbinding(_))) => {
                return Some(End::Closed);
            }
            CommandId::AlertNotification | CommandId::Outbind => {}
            other if other.is_response() => {}
            other => {
                tracing::debug!(command = ?other, "an SMSC asked for what we do not do");
                self.answer(CommandStatus::EsmeRinvcmdid, sequence, Pdu::GenericNack).await;
            }
        }
        None
    }

    /// Finds the submission that waits for this answer.
    fn submitted(&mut self, sequence: u32, status: CommandStatus, mut body: Bytes) {
        if status == CommandStatus::EsmeRinvbndsts && self.leaving.is_none() {
            // The peer has forgotten the bind; asking on over this connection would help nobody.
            self.session.0.window.close();
            self.leaving = Some(Leaving::Draining(Instant::now() + limits::UNBIND_GRACE));
        }
        let Some(submission) = self.session.take(sequence) else {
            tracing::debug!(sequence, "an answer came that nobody waits for any more");
            return;
        };
        let id = take_string(&mut body, limits::MESSAGE_ID_CHARS);
        let taken = status == CommandStatus::EsmeRok && !id.is_empty();
        let message_id = taken.then(|| self.session.0.terms.ids.of_response(&id));
        let _ = submission.answer.send(Answer::Given { status, message_id });
    }

    async fn deliver(&mut self, id: CommandId, sequence: u32, body: Bytes) {
        let ids = &self.session.0.terms.ids;
        let read = if id == CommandId::DataSm {
            delivery::data_sm(body, ids)
        } else {
            delivery::deliver_sm(body, ids)
        };
        let status = match read {
            Ok(Delivery::Receipt(receipt)) => return self.hand_over(id, sequence, receipt).await,
            Ok(Delivery::Message) => CommandStatus::EsmeRok,
            Err(Unreadable) => {
                tracing::warn!("an SMSC delivered what cannot be read; it was told not to repeat it");
                NEVER
            }
        };
        self.answer(status, sequence, response(id)).await;
    }

    /// The receipt is answered when its taker has it, not before; too many at once are to come again.
    async fn hand_over(&mut self, id: CommandId, sequence: u32, receipt: Receipt) {
        let Ok(permit) = Arc::clone(&self.deliveries).try_acquire_owned() else {
            return self.answer(LATER, sequence, response(id)).await;
        };
        let (inbound, outgoing) = (Arc::clone(&self.inbound), self.session.0.outgoing.clone());
        tokio::spawn(async move {
            let status = if inbound.take(receipt).await { CommandStatus::EsmeRok } else { LATER };
            drop(permit);
            let _ = outgoing.send(Command::new(status, sequence, response(id))).await;
        });
    }

    async fn request(&mut self, pdu: Pdu) {
        let sequence = self.session.next_sequence();
        self.answer(CommandStatus::EsmeRok, sequence, pdu).await;
    }

    async fn answer(&mut self, status: CommandStatus, sequence: u32, pdu: Pdu) {
        // Fails only when the writer has ended, which ends this as well.
        let _ = self.session.0.outgoing.send(Command::new(status, sequence, pdu)).await;
    }

    fn hung_up(&self, why: String) -> End {
        match self.leaving {
            None => End::Broken(why),
            Some(Leaving::Unbound(..)) => End::Unbound,
            Some(_) => End::Closed,
        }
    }

    async fn not_followed(&mut self, error: FrameError) -> End {
        if let FrameError::Length(_) = error {
            self.answer(CommandStatus::EsmeRinvcmdlen, 0, Pdu::GenericNack).await;
        }
        let why = match error {
            FrameError::Io(error) => format!("the connection broke: {}", error.kind()),
            other => other.to_string(),
        };
        self.hung_up(why)
    }
}

/// What says that a request was not understood never says that it went well.
const fn nack(status: CommandStatus) -> CommandStatus {
    match status {
        CommandStatus::EsmeRok => CommandStatus::EsmeRunknownerr,
        other => other,
    }
}

fn response(id: CommandId) -> Pdu {
    if id == CommandId::DataSm { DataSmResp::default().into() } else { DeliverSmResp::default().into() }
}

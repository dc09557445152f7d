//! One connection of the SMSC.

use std::collections::HashMap;
use std::time::Duration;

use bytes::BytesMut;
use rusmpp::decode::{Decode, DecodeWithLength};
use rusmpp::pdus::{
    BindReceiver, BindReceiverResp, BindTransceiver, BindTransceiverResp, BindTransmitter,
    BindTransmitterResp, DeliverSm, SubmitSm, SubmitSmResp,
};
use rusmpp::tlvs::{MessageDeliveryRequestTlvValue as DeliveryTlv, TlvValue};
use rusmpp::types::{COctetString, OctetString};
use rusmpp::values::{EsmClass, InterfaceVersion, MessageState, Npi, Ton};
use rusmpp::{Command, CommandId, CommandStatus, Pdu};
use tokio::io::{AsyncWriteExt as _, WriteHalf};
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::outbox::Due;
use super::{Event, Fate, Smsc, Submitted};
use crate::alphabet::Alphabet;
use crate::bind::Mode;
use crate::delivery::State;
use crate::frame::{self, Frame, Frames};
use crate::message::c_string;
use crate::{Stream, status};

/// What the writer is told.
enum Say {
    Pdu(Box<Command>),
    Octets(&'static [u8]),
    /// Nothing more: the connection drops.
    Drop,
}

/// Two headers whose lengths nobody could mean.
const GARBAGE: &[u8] = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";

struct Connection {
    smsc: Smsc,
    say: mpsc::UnboundedSender<Say>,
    /// `None` until bound.
    mode: Option<Mode>,
    receipts: Option<mpsc::UnboundedReceiver<Due>>,
    /// Receipts whose answer is due.
    delivered: HashMap<u32, Due>,
    sequence: u32,
}

pub(super) async fn serve<S: Stream>(smsc: &Smsc, stream: S) {
    let (reader, writer) = tokio::io::split(stream);
    let (say, said) = mpsc::unbounded_channel();
    let mut writing = tokio::spawn(write(writer, said));
    let mut connection = Connection {
        smsc: smsc.clone(),
        say,
        mode: None,
        receipts: None,
        delivered: HashMap::new(),
        sequence: 0,
    };
    let mut frames = Frames::new(reader);
    loop {
        let goes_on = tokio::select! {
            frame = frames.next() => match frame {
                Ok(Some(frame)) => connection.take(frame),
                Ok(None) | Err(_) => false,
            },
            due = next(&mut connection.receipts) => connection.deliver(due),
            _ = &mut writing => false,
        };
        if !goes_on {
            break;
        }
    }
    // What was not answered is delivered again to whoever binds next.
    drop(connection.receipts.take());
    for (_, due) in connection.delivered.drain() {
        smsc.0.outbox.post(due);
    }
    let _ = connection.say.send(Say::Drop);
    if !writing.is_finished() {
        let _ = writing.await;
    }
}

async fn next(receipts: &mut Option<mpsc::UnboundedReceiver<Due>>) -> Due {
    if let Some(receipts) = receipts
        && let Some(due) = receipts.recv().await
    {
        return due;
    }
    std::future::pending().await
}

async fn write<S: Stream>(mut stream: WriteHalf<S>, mut said: mpsc::UnboundedReceiver<Say>) {
    let (mut batch, mut octets) = (Vec::new(), BytesMut::new());
    let mut goes_on = true;
    while goes_on && said.recv_many(&mut batch, 256).await > 0 {
        for say in batch.drain(..) {
            match say {
                Say::Pdu(command) => frame::write(&command, &mut octets),
                Say::Octets(garbage) => octets.extend_from_slice(garbage),
                Say::Drop => {
                    goes_on = false;
                    break;
                }
            }
        }
        if stream.write_all_buf(&mut octets).await.is_err() {
            return;
        }
    }
    let _ = stream.shutdown().await;
}

impl Connection {
    /// Takes one PDU; `false` when the connection is over.
    fn take(&mut self, frame: Frame) -> bool {
        let Frame { id, status, sequence, body } = frame;
        if self.smsc.behaviour().silent {
            return true;
        }
        match id {
            CommandId::BindTransceiver | CommandId::BindTransmitter | CommandId::BindReceiver => {
                return self.bind(id, sequence, BytesMut::from(body));
            }
            CommandId::SubmitSm if self.mode.is_some_and(Mode::submits) => {
                let length = body.len();
                match DecodeWithLength::decode(&mut BytesMut::from(body), length) {
                    Ok((pdu, _)) => return self.submit(sequence, &pdu),
                    Err(_) => self.answer(CommandStatus::EsmeRinvmsglen, sequence, Pdu::GenericNack),
                }
            }
            CommandId::SubmitSm => {
                self.answer(CommandStatus::EsmeRinvbndsts, sequence, SubmitSmResp::default().into());
            }
            CommandId::DeliverSmResp => self.answered(sequence, status),
            CommandId::EnquireLink => self.answer(CommandStatus::EsmeRok, sequence, Pdu::EnquireLinkResp),
            CommandId::Unbind => {
                self.smsc.tell(Event::Unbound);
                self.answer(CommandStatus::EsmeRok, sequence, Pdu::UnbindResp);
                return false;
            }
            CommandId::UnbindResp => return false,
            other if other.is_response() => {}
            _ => self.answer(CommandStatus::EsmeRinvcmdid, sequence, Pdu::GenericNack),
        }
        true
    }

    fn bind(&mut self, id: CommandId, sequence: u32, mut body: BytesMut) -> bool {
        let read = match id {
            CommandId::BindTransmitter => <BindTransmitter as Decode>::decode(&mut body)
                .map(|(pdu, _)| (Mode::Transmitter, pdu.system_id, pdu.password)),
            CommandId::BindReceiver => <BindReceiver as Decode>::decode(&mut body)
                .map(|(pdu, _)| (Mode::Receiver, pdu.system_id, pdu.password)),
            _ => <BindTransceiver as Decode>::decode(&mut body)
                .map(|(pdu, _)| (Mode::Transceiver, pdu.system_id, pdu.password)),
        };
        let Ok((mode, system_id, password)) = read else {
            self.answer(CommandStatus::EsmeRinvcmdlen, sequence, Pdu::GenericNack);
            return false;
        };
        let system_id = system_id.as_str().to_owned();
        let status = self.judge(&system_id, password.as_str());
        self.answer(status, sequence, bound(mode));
        if status != CommandStatus::EsmeRok {
            self.smsc.tell(Event::BindRefused { system_id, status: status::name(status) });
            return false;
        }
        self.mode = Some(mode);
        self.smsc.tell(Event::Bound { system_id, mode: mode.as_str() });
        if mode != Mode::Transmitter {
            self.receipts = Some(self.smsc.0.outbox.join());
        }
        true
    }

    fn judge(&self, system_id: &str, password: &str) -> CommandStatus {
        let behaviour = self.smsc.behaviour();
        if let Some(status) = behaviour.refuses_binds {
            return status;
        }
        match (&behaviour.account, self.mode) {
            (_, Some(_)) => CommandStatus::EsmeRalybnd,
            (Some((known, _)), _) if known != system_id => CommandStatus::EsmeRinvsysid,
            (Some((_, secret)), _) if secret != password => CommandStatus::EsmeRinvpaswd,
            _ => CommandStatus::EsmeRok,
        }
    }

    fn submit(&mut self, sequence: u32, pdu: &SubmitSm) -> bool {
        let destination = pdu.destination_addr.as_str().to_owned();
        let fate = self.smsc.fate(&destination);
        let (message_id, receipt_id) = if fate.is_taken() { self.smsc.next_id() } else { Default::default() };
        let submitted = self.read(pdu, fate, &message_id);
        let due = fate.receipt().filter(|_| submitted.receipt).map(|state| Due {
            receipt_id,
            message_id: message_id.clone(),
            state,
            source: destination,
            destination: submitted.source.clone(),
        });
        self.smsc.tell(Event::Submitted(submitted));
        let resp = SubmitSmResp::builder().message_id(c_string(&message_id).unwrap_or_default()).build();
        let answer = Command::new(fate.status(), sequence, resp);
        self.carry_out(fate, answer, due)
    }

    fn carry_out(&mut self, fate: Fate, answer: Command, due: Option<Due>) -> bool {
        let behaviour = self.smsc.behaviour();
        let (after, receipt_after) = (behaviour.answer_after, behaviour.receipt_after);
        match fate {
            Fate::NoAnswer => self.post(receipt_after, due),
            Fate::DropsBeforeAnswer | Fate::DropsAfterAnswer => {
                // The receipt waits for the next bind, not for this one.
                drop(self.receipts.take());
                self.post(Duration::ZERO, due);
                if fate == Fate::DropsAfterAnswer {
                    let _ = self.say.send(Say::Pdu(Box::new(answer)));
                }
                return false;
            }
            Fate::Garbage => {
                let _ = self.say.send(Say::Octets(GARBAGE));
            }
            Fate::Unbinds => {
                self.sequence += 1;
                let unbind = Command::new(CommandStatus::EsmeRok, self.sequence, Pdu::Unbind);
                let _ = self.say.send(Say::Pdu(Box::new(unbind)));
            }
            Fate::EarlyReceipt => {
                if let Some(due) = due {
                    self.deliver(due);
                }
                self.later(after, answer);
            }
            _ => {
                self.later(after, answer);
                let late =
                    if fate == Fate::LateReceipt { self.smsc.behaviour().late_by } else { receipt_after };
                if fate == Fate::DuplicateReceipt {
                    self.post(after + late, due.clone());
                }
                self.post(after + late, due);
            }
        }
        true
    }

    fn later(&self, after: Duration, answer: Command) {
        if after.is_zero() {
            let _ = self.say.send(Say::Pdu(Box::new(answer)));
            return;
        }
        let say = self.say.clone();
        tokio::spawn(async move {
            sleep(after).await;
            let _ = say.send(Say::Pdu(Box::new(answer)));
        });
    }

    fn post(&self, after: Duration, due: Option<Due>) {
        let Some(due) = due else { return };
        if after.is_zero() {
            return self.smsc.0.outbox.post(due);
        }
        let smsc = self.smsc.clone();
        tokio::spawn(async move {
            sleep(after).await;
            smsc.0.outbox.post(due);
        });
    }

    fn deliver(&mut self, due: Due) -> bool {
        self.sequence += 1;
        let Some(pdu) = receipt(&due, self.smsc.behaviour().receipt_tlvs) else { return true };
        self.delivered.insert(self.sequence, due);
        self.answer(CommandStatus::EsmeRok, self.sequence, pdu.into());
        true
    }

    fn answered(&mut self, sequence: u32, status: CommandStatus) {
        let Some(due) = self.delivered.remove(&sequence) else { return };
        self.smsc.tell(Event::Receipt {
            message_id: due.receipt_id.clone(),
            state: due.state,
            answer: status::name(status),
        });
        if matches!(status, CommandStatus::EsmeRxTAppn | CommandStatus::EsmeRmsgqful) {
            self.post(self.smsc.behaviour().repeat_after, Some(due));
        }
    }

    fn answer(&self, status: CommandStatus, sequence: u32, pdu: Pdu) {
        let _ = self.say.send(Say::Pdu(Box::new(Command::new(status, sequence, pdu))));
    }

    /// A message as people read it.
    fn read(&self, pdu: &SubmitSm, fate: Fate, message_id: &str) -> Submitted {
        let mut data = pdu.short_message().clone().into_vec();
        let esm_class = u8::from(pdu.esm_class);
        let (mut part, mut header) = ((1, 1), 0);
        for tlv in pdu.tlvs() {
            match tlv.value() {
                Some(TlvValue::MessagePayload(payload)) => data = payload.value.clone().into_vec(),
                Some(TlvValue::SarSegmentSeqnum(number)) => part.0 = *number,
                Some(TlvValue::SarTotalSegments(total)) => part.1 = *total,
                _ => {}
            }
        }
        if esm_class & 0x40 != 0 {
            header = data.first().map_or(0, |length| usize::from(*length) + 1).min(data.len());
            if let [5, 0, 3, _, total, number, ..] = data[..] {
                part = (number, total);
            }
        }
        let data_coding = u8::from(pdu.data_coding);
        let alphabet = match data_coding {
            8 => Alphabet::Ucs2,
            0 if self.smsc.behaviour().packed => Alphabet::Gsm7Packed,
            0 => Alphabet::Gsm7,
            _ => Alphabet::Latin1,
        };
        Submitted {
            source: pdu.source_addr.as_str().to_owned(),
            destination: pdu.destination_addr.as_str().to_owned(),
            text: alphabet.decode(&data[header..], header),
            part,
            data_coding,
            esm_class,
            validity_period: pdu.validity_period.as_str().to_owned(),
            kinds: [
                pdu.source_addr_ton.into(),
                pdu.source_addr_npi.into(),
                pdu.dest_addr_ton.into(),
                pdu.dest_addr_npi.into(),
            ],
            receipt: u8::from(pdu.registered_delivery) & 3 == 1,
            fate,
            message_id: message_id.to_owned(),
        }
    }
}

fn bound(mode: Mode) -> Pdu {
    let name = COctetString::from_static_slice(b"SANDBOX\0").unwrap_or_default();
    let version = Some(InterfaceVersion::Smpp3_4);
    match mode {
        Mode::Transceiver => BindTransceiverResp::new(name, version).into(),
        Mode::Transmitter => BindTransmitterResp::new(name, version).into(),
        Mode::Receiver => BindReceiverResp::new(name, version).into(),
    }
}

/// A receipt in the text form of appendix B, and with TLVs if asked for.
fn receipt(due: &Due, tlvs: bool) -> Option<DeliverSm> {
    let error = if due.state == State::Delivered { "000" } else { "001" };
    let Due { receipt_id, state, .. } = due;
    let text = format!(
        "id:{receipt_id} sub:001 dlvrd:001 submit date:2611241200 done date:2611241200 stat:{} err:{error} text:",
        state.as_str()
    );
    let mut pdu = DeliverSm::builder()
        .source_addr_ton(Ton::International)
        .source_addr_npi(Npi::Isdn)
        .source_addr(c_string(&due.source)?)
        .destination_addr(c_string(&due.destination)?)
        .esm_class(EsmClass::from(0x04))
        .short_message(OctetString::from_vec(text.into_bytes()).ok()?);
    if tlvs {
        pdu = pdu
            .push_tlv(DeliveryTlv::ReceiptedMessageId(c_string(&due.message_id)?))
            .push_tlv(DeliveryTlv::MessageState(message_state(*state)));
    }
    Some(pdu.build())
}

const fn message_state(state: State) -> MessageState {
    match state {
        State::Enroute => MessageState::Enroute,
        State::Delivered => MessageState::Delivered,
        State::Expired => MessageState::Expired,
        State::Deleted => MessageState::Deleted,
        State::Undeliverable => MessageState::Undeliverable,
        State::Accepted => MessageState::Accepted,
        State::Unknown => MessageState::Unknown,
        State::Rejected => MessageState::Rejected,
    }
}

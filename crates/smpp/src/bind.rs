//! The first exchange of a connection (section 4.1).

use std::fmt;

use bytes::BytesMut;
use rusmpp::pdus::{BindReceiver, BindTransceiver, BindTransmitter, DeliverSmResp};
use rusmpp::values::{InterfaceVersion, Npi, Ton};
use rusmpp::{Command, CommandId, CommandStatus, Pdu};
use tokio::io::{AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf};
use zeroize::Zeroizing;

use crate::frame::{self, Frame, FrameError, Frames, take_string};
use crate::message::c_string;
use crate::{DialError, Stream, status};

/// What a bind may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Submit and receive.
    Transceiver,
    /// Submit.
    Transmitter,
    /// Receive.
    Receiver,
}

impl Mode {
    /// The name used in logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Transceiver => "transceiver",
            Self::Transmitter => "transmitter",
            Self::Receiver => "receiver",
        }
    }

    /// Whether messages can be submitted.
    #[must_use]
    pub const fn submits(self) -> bool {
        !matches!(self, Self::Receiver)
    }
}

/// Who we are to the SMSC.
#[derive(Clone, Default)]
pub struct Account {
    /// At most 15 characters.
    pub system_id: String,
    /// At most 8 characters; wiped when dropped.
    pub password: Zeroizing<String>,
    /// At most 12 characters; mostly empty.
    pub system_type: String,
    /// Addresses served by this bind, at most 40 characters; mostly empty.
    pub address_range: String,
}

impl fmt::Debug for Account {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Account").field("system_id", &self.system_id).finish_non_exhaustive()
    }
}

impl Account {
    /// The field that does not fit the protocol, if there is one: its name and its longest length.
    #[must_use]
    pub fn problem(&self) -> Option<(&'static str, usize)> {
        let fields = [
            ("system_id", self.system_id.as_str(), 15),
            ("password", self.password.as_str(), 8),
            ("system_type", self.system_type.as_str(), 12),
            ("address_range", self.address_range.as_str(), 40),
        ];
        let fits = |text: &str, longest| {
            text.len() <= longest && text.bytes().all(|byte| byte.is_ascii() && byte != 0)
        };
        fields
            .into_iter()
            .find(|(_, text, longest)| !fits(text, *longest))
            .map(|(name, _, longest)| (name, longest))
    }
}

/// Why there is no bind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BindError {
    /// There is no connection.
    #[error("{0}")]
    Dial(#[from] DialError),
    /// The SMSC refuses us.
    #[error("the SMSC refused the bind with {}", status::name(*.0))]
    Refused(CommandStatus),
    /// The SMSC does not answer.
    #[error("the SMSC did not answer the bind")]
    Silent,
    /// The SMSC hung up.
    #[error("the SMSC hung up before it answered the bind")]
    HungUp,
    /// What came is not SMPP.
    #[error("the peer does not speak SMPP: {0}")]
    NotSmpp(String),
    /// The last connection ended, and a new one is about to be tried.
    #[error("the connection ended: {0}")]
    Ended(String),
}

/// A stream that is bound.
pub(crate) struct Bound {
    pub(crate) frames: Frames<ReadHalf<Box<dyn Stream>>>,
    pub(crate) writer: WriteHalf<Box<dyn Stream>>,
    /// How the SMSC calls itself; may be empty.
    pub(crate) peer: String,
}

/// PDUs that may come before the answer to a bind.
const STRAYS: usize = 32;
const BIND_SEQUENCE: u32 = 1;

/// Binds. The caller sets the time limit.
pub(crate) async fn bind(stream: Box<dyn Stream>, mode: Mode, account: &Account) -> Result<Bound, BindError> {
    let (reader, mut writer) = tokio::io::split(stream);
    let mut frames = Frames::new(reader);
    let pdu = request(mode, account)
        .ok_or_else(|| DialError::Configuration("a field of the account does not fit SMPP".to_owned()))?;
    let expected = pdu.command_id().matching_response();
    say(&mut writer, Command::new(CommandStatus::EsmeRok, BIND_SEQUENCE, pdu)).await?;
    for _ in 0..STRAYS {
        let frame = frames.next().await.map_err(|error| not_smpp(&error))?.ok_or(BindError::HungUp)?;
        let Frame { id, status, sequence, mut body } = frame;
        match id {
            _ if id == expected && status == CommandStatus::EsmeRok => {
                let peer = take_string(&mut body, 15);
                return Ok(Bound { frames, writer, peer });
            }
            _ if id == expected => return Err(BindError::Refused(status)),
            CommandId::GenericNack => return Err(BindError::Refused(status)),
            CommandId::DeliverSm => {
                let early = Pdu::from(DeliverSmResp::default());
                say(&mut writer, Command::new(CommandStatus::EsmeRinvbndsts, sequence, early)).await?;
            }
            CommandId::EnquireLink => {
                say(&mut writer, Command::new(CommandStatus::EsmeRok, sequence, Pdu::EnquireLinkResp))
                    .await?;
            }
            _ => {}
        }
    }
    Err(BindError::NotSmpp("no answer among what it says".to_owned()))
}

/// Takes leave of a stream on which nothing else was said; the answer is not waited for.
pub(crate) async fn unbind(bound: &mut Bound) {
    let _ =
        say(&mut bound.writer, Command::new(CommandStatus::EsmeRok, BIND_SEQUENCE + 1, Pdu::Unbind)).await;
    while let Ok(Some(frame)) = bound.frames.next().await {
        if frame.id == CommandId::UnbindResp {
            break;
        }
    }
    let _ = bound.writer.shutdown().await;
}

fn request(mode: Mode, account: &Account) -> Option<Pdu> {
    macro_rules! of {
        ($pdu:ident) => {
            $pdu::builder()
                .system_id(c_string(&account.system_id)?)
                .password(c_string(&account.password)?)
                .system_type(c_string(&account.system_type)?)
                .interface_version(InterfaceVersion::Smpp3_4)
                .addr_ton(Ton::Unknown)
                .addr_npi(Npi::Unknown)
                .address_range(c_string(&account.address_range)?)
                .build()
                .into()
        };
    }
    Some(match mode {
        Mode::Transceiver => of!(BindTransceiver),
        Mode::Transmitter => of!(BindTransmitter),
        Mode::Receiver => of!(BindReceiver),
    })
}

async fn say<W: AsyncWrite + Unpin>(writer: &mut W, command: Command) -> Result<(), BindError> {
    let mut octets = BytesMut::new();
    frame::write(&command, &mut octets);
    let said = async {
        writer.write_all_buf(&mut octets).await?;
        writer.flush().await
    };
    said.await.map_err(|_| BindError::HungUp)
}

fn not_smpp(error: &FrameError) -> BindError {
    match error {
        FrameError::Io(_) | FrameError::CutOff => BindError::HungUp,
        FrameError::Length(_) => BindError::NotSmpp(error.to_string()),
    }
}

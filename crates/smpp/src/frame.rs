//! PDUs on the wire: the header, and a body whose length was looked at before anything was allocated.
//!
//! Bodies stay octets here. The codec reads those of well-behaved peers; what must be understood from any peer
//! ([`crate::delivery`], message ids) is read by hand, so that one broken field costs one PDU and not the
//! connection.

use std::io;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use rusmpp::encode::Length as _;
use rusmpp::encode::owned::Encode as _;
use rusmpp::{Command, CommandId, CommandStatus};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::limits::{HEADER_OCTETS, PDU_OCTETS, READ_OCTETS};

/// One PDU as it came.
#[derive(Debug, Clone)]
pub struct Frame {
    /// What it is.
    pub id: CommandId,
    /// How it went, in a response.
    pub status: CommandStatus,
    /// Which request it answers, or is.
    pub sequence: u32,
    /// Everything behind the header.
    pub body: Bytes,
}

/// Why no PDU could be read. The stream cannot be followed any further.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
    /// A length below that of a header, or above the limit.
    #[error("a PDU claims to be {0} octets long")]
    Length(u32),
    /// The peer hung up within a PDU.
    #[error("the peer hung up within a PDU")]
    CutOff,
}

/// Reads PDUs off a stream.
#[derive(Debug)]
pub struct Frames<R> {
    stream: R,
    buffer: BytesMut,
}

impl<R: AsyncRead + Unpin> Frames<R> {
    /// Reads from `stream`.
    pub fn new(stream: R) -> Self {
        Self { stream, buffer: BytesMut::with_capacity(READ_OCTETS) }
    }

    /// Whether a whole PDU lies ready.
    #[must_use]
    pub fn has_buffered(&self) -> bool {
        let length = self.buffer.first_chunk::<4>().map(|prefix| u32::from_be_bytes(*prefix));
        length.is_some_and(|length| self.buffer.len() >= usize::try_from(length).unwrap_or(usize::MAX))
    }

    /// The next PDU; `None` when the peer hung up between two. Nothing is lost when the future is dropped.
    ///
    /// # Errors
    /// [`FrameError`], after which nothing more can be read.
    pub async fn next(&mut self) -> Result<Option<Frame>, FrameError> {
        loop {
            if let Some(frame) = take(&mut self.buffer)? {
                return Ok(Some(frame));
            }
            self.buffer.reserve(READ_OCTETS);
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return if self.buffer.is_empty() { Ok(None) } else { Err(FrameError::CutOff) };
            }
        }
    }
}

/// Takes one whole PDU out of the buffer.
fn take(buffer: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
    let Some(prefix) = buffer.first_chunk::<4>() else { return Ok(None) };
    let length = u32::from_be_bytes(*prefix);
    let octets = usize::try_from(length).unwrap_or(usize::MAX);
    if !(HEADER_OCTETS..=PDU_OCTETS).contains(&octets) {
        return Err(FrameError::Length(length));
    }
    if buffer.len() < octets {
        return Ok(None);
    }
    let mut pdu = buffer.split_to(octets).freeze();
    pdu.advance(4);
    let id = CommandId::from(pdu.get_u32());
    let status = CommandStatus::from(pdu.get_u32());
    let sequence = pdu.get_u32();
    Ok(Some(Frame { id, status, sequence, body: pdu }))
}

/// Appends a PDU as octets.
pub fn write(command: &Command, octets: &mut BytesMut) {
    let length = 4 + command.length();
    octets.reserve(length);
    octets.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    command.encode(octets);
}

/// Takes a NUL-terminated string from the front, or what is left when there is no NUL. At most `longest`
/// characters are kept; what is not printable ASCII is left out.
pub(crate) fn take_string(body: &mut Bytes, longest: usize) -> String {
    let end = body.iter().position(|octet| *octet == 0);
    let text = body.split_to(end.unwrap_or(body.len()));
    if end.is_some() {
        body.advance(1);
    }
    printable(&text, longest)
}

/// The printable ASCII of some octets, at most `longest` characters.
pub(crate) fn printable(octets: &[u8], longest: usize) -> String {
    octets
        .iter()
        .filter(|octet| octet.is_ascii_graphic())
        .take(longest)
        .map(|octet| char::from(*octet))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rusmpp::Pdu;

    use super::*;

    async fn read(octets: &[u8]) -> Vec<Result<Frame, FrameError>> {
        let mut frames = Frames::new(octets);
        let mut all = Vec::new();
        loop {
            match frames.next().await {
                Ok(None) => return all,
                Ok(Some(frame)) => all.push(Ok(frame)),
                Err(error) => {
                    all.push(Err(error));
                    return all;
                }
            }
        }
    }

    fn pdu(length: u32) -> Vec<u8> {
        let mut octets = vec![0; length.max(16) as usize];
        octets[..4].copy_from_slice(&length.to_be_bytes());
        octets
    }

    #[tokio::test]
    async fn lengths_are_looked_at_before_anything_else() {
        for (length, good) in
            [(0, false), (15, false), (16, true), (69_999, true), (70_000, true), (70_001, false)]
        {
            let read = read(&pdu(length)).await;
            assert_eq!(read.len(), 1, "{length}");
            assert_eq!(read[0].is_ok(), good, "{length}");
        }
        let huge = read(&u32::MAX.to_be_bytes()).await;
        assert!(matches!(huge[..], [Err(FrameError::Length(u32::MAX))]));
    }

    #[tokio::test]
    async fn a_pdu_cut_off_is_told_from_a_clean_end() {
        let whole = pdu(16);
        assert!(read(&[]).await.is_empty());
        assert!(matches!(read(&whole[..9]).await[..], [Err(FrameError::CutOff)]));
        assert!(matches!(
            read(&[&whole[..], &whole[..3]].concat()).await[..],
            [Ok(_), Err(FrameError::CutOff)]
        ));
    }

    #[tokio::test]
    async fn what_is_written_is_read() {
        let mut octets = BytesMut::new();
        for sequence in [1, 0x7fff_ffff] {
            write(&Command::new(CommandStatus::EsmeRthrottled, sequence, Pdu::EnquireLink), &mut octets);
        }
        let read = read(&octets).await;
        let read: Vec<_> = read.into_iter().map(|frame| frame.unwrap()).collect();
        assert_eq!(read.iter().map(|frame| frame.sequence).collect::<Vec<_>>(), [1, 0x7fff_ffff]);
        assert!(read.iter().all(|frame| frame.id == CommandId::EnquireLink));
        assert!(read.iter().all(|frame| frame.status == CommandStatus::EsmeRthrottled));
    }

    #[test]
    fn a_string_ends_at_its_nul_or_with_the_body() {
        let of = |octets: &'static [u8]| {
            let mut body = Bytes::from_static(octets);
            (take_string(&mut body, 4), body.len())
        };
        assert_eq!(of(b"ab\0cd"), ("ab".to_owned(), 2));
        assert_eq!(of(b"ab"), ("ab".to_owned(), 0));
        assert_eq!(of(b"\0"), (String::new(), 0));
        assert_eq!(of(b"a\n\xff b\0"), ("ab".to_owned(), 0));
        assert_eq!(of(b"abcdef\0"), ("abcd".to_owned(), 0));
    }

    proptest! {
        #[test]
        fn any_octets_end_in_frames_or_an_error(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut buffer = BytesMut::from(&octets[..]);
            while let Ok(Some(frame)) = take(&mut buffer) {
                prop_assert!(frame.body.len() <= octets.len());
            }
        }
    }
}

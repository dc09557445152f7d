//! The writing half: all that waits goes out with one system call.

use bytes::BytesMut;
use rusmpp::{Command, CommandId};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::Session;
use crate::{frame, limits};

/// Writes until the session has finished, then what is left, and hangs up. Answers why it ended before.
pub(super) async fn write<W: AsyncWrite + Unpin>(
    session: Session,
    mut stream: W,
    mut queue: mpsc::Receiver<Command>,
    mut finished: oneshot::Receiver<()>,
) -> String {
    let mut batch = Vec::with_capacity(limits::OUTGOING_BATCH);
    let mut octets = BytesMut::new();
    let problem = loop {
        let last = tokio::select! {
            biased;
            count = queue.recv_many(&mut batch, limits::OUTGOING_BATCH) => count == 0,
            _ = &mut finished => true,
        };
        for command in batch.drain(..) {
            let goes = command.id() != CommandId::SubmitSm
                || session.is_about_to_be_written(command.sequence_number());
            if goes {
                frame::write(&command, &mut octets);
            }
        }
        if let Err(problem) = flush(&session, &mut stream, &mut octets).await {
            break problem;
        }
        if last {
            break "it was closed".to_owned();
        }
    };
    let _ = timeout(session.0.terms.response_time, stream.shutdown()).await;
    problem
}

async fn flush<W: AsyncWrite + Unpin>(
    session: &Session,
    stream: &mut W,
    octets: &mut BytesMut,
) -> Result<(), String> {
    if octets.is_empty() {
        return Ok(());
    }
    let written = timeout(session.0.terms.response_time, async {
        stream.write_all_buf(octets).await?;
        stream.flush().await
    });
    match written.await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(format!("the connection broke: {}", error.kind())),
        Err(_) => Err("the peer does not read".to_owned()),
    }
}

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;
use tandem_contract::{Error, Result};
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::call::timeout_error;
use crate::handle::Handle;
use crate::in_flight::InFlight;
use crate::mailbox::Event;

/// Pieces that may wait between the function and its client.
const PIECES: usize = 4;

pub(crate) fn channel() -> (mpsc::Sender<Result<Bytes>>, mpsc::Receiver<Result<Bytes>>) {
    mpsc::channel(PIECES)
}

/// The body of a streamed reply. Stops the invocation at its deadline, or when it is dropped
/// before its end.
pub(crate) struct ReplyStream {
    pieces: mpsc::Receiver<Result<Bytes>>,
    in_flight: Arc<InFlight>,
    handle: Arc<Handle>,
    deadline: Pin<Box<Sleep>>,
    ended: bool,
}

impl ReplyStream {
    pub(crate) fn new(
        pieces: mpsc::Receiver<Result<Bytes>>,
        in_flight: Arc<InFlight>,
        handle: Arc<Handle>,
        tokio: &tokio::runtime::Handle,
    ) -> Self {
        let _guard = tokio.enter();
        let deadline = Box::pin(sleep_until(Instant::from_std(in_flight.invocation.input.deadline)));
        Self { pieces, in_flight, handle, deadline, ended: false }
    }

    fn stop(&mut self, error: Error) {
        self.ended = true;
        self.in_flight.stop(error);
        self.handle.mailbox.push(Event::Stop(self.in_flight.slot));
    }
}

impl Stream for ReplyStream {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        match self.pieces.poll_recv(context) {
            Poll::Ready(None) => {
                self.ended = true;
                return Poll::Ready(None);
            }
            Poll::Ready(Some(piece)) => return Poll::Ready(Some(piece)),
            Poll::Pending => {}
        }
        if self.deadline.as_mut().poll(context).is_ready() {
            let error = timeout_error();
            self.stop(error.clone());
            return Poll::Ready(Some(Err(error)));
        }
        Poll::Pending
    }
}

impl Drop for ReplyStream {
    fn drop(&mut self) {
        if !self.ended {
            self.stop(timeout_error());
        }
    }
}

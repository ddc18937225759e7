//! A connection's bytes on their way to and from hyper.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::framing::{Broken, Framing, HeadLimits};
use super::table::Connection;

/// Passes on what is well-formed and tells the table what goes on.
pub(super) struct Guard<S> {
    stream: S,
    framing: Framing,
    connection: Arc<Connection>,
    broken: Option<Broken>,
}

impl<S> Guard<S> {
    pub(super) fn new(stream: S, limits: HeadLimits, connection: Arc<Connection>) -> Self {
        Self { stream, framing: Framing::new(limits), connection, broken: None }
    }

    /// The stream, and what the client broke.
    pub(super) fn into_parts(self) -> (S, Option<Broken>) {
        (self.stream, self.broken)
    }

    /// What hyper reads of a broken connection: nothing while the requests before are answered,
    /// then an error.
    fn read_broken(&self, broken: Broken, cx: &Context<'_>) -> Poll<io::Result<()>> {
        if !broken.is_begun && self.connection.is_busy() {
            self.connection.idle.register(cx.waker());
            // It may have become idle before the waker was there.
            if self.connection.is_busy() {
                return Poll::Pending;
            }
        }
        Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "the request is malformed")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(broken) = self.broken {
            return self.read_broken(broken, cx);
        }
        let before = buffer.filled().len();
        std::task::ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        let read = &buffer.filled()[before..];
        if read.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let was_between = self.framing.is_between();
        let fed = self.framing.feed(read);
        if was_between || self.framing.is_in_head() {
            self.connection.head_began();
        }
        match fed {
            Ok(()) => Poll::Ready(Ok(())),
            Err(broken) => {
                buffer.set_filled(before + broken.before);
                self.broken = Some(broken);
                if broken.before > 0 { Poll::Ready(Ok(())) } else { self.read_broken(broken, cx) }
            }
        }
    }
}

impl<S> Guard<S> {
    fn wrote<T>(&self, written: Poll<T>) -> Poll<T> {
        match written {
            Poll::Ready(_) => self.connection.wrote(),
            Poll::Pending => self.connection.blocked(),
        }
        written
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guard<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wrote(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, pieces);
        self.wrote(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        // TLS holds bytes of its own: only a flush tells whether they leave.
        self.wrote(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // hyper takes the error of a first read for an end. The client is still to be told why.
        if self.broken.is_some() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// An answer's body. The connection is idle once it is gone.
pub(super) struct Answer {
    body: Body,
    connection: Arc<Connection>,
}

impl Answer {
    pub(super) fn new(body: Body, connection: Arc<Connection>) -> Self {
        Self { body, connection }
    }
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.connection.answered();
    }
}

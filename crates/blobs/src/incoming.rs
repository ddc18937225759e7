//! A body that is being written, held to the length that was declared.

use bytes::Bytes;
use futures_util::StreamExt;
use tandem_contract::{BlobBody, BlobStream, Error, ErrorKind, Result};

/// The pieces of a body in order.
pub struct Incoming {
    stream: BlobStream,
    declared: Option<u64>,
    received: u64,
}

impl Incoming {
    /// Starts reading `body`.
    pub fn new(body: BlobBody) -> Self {
        match body {
            BlobBody::Bytes(bytes) => {
                let declared = Some(bytes.len() as u64);
                let stream = futures_util::stream::iter([Ok(bytes)]).boxed();
                Self { stream, declared, received: 0 }
            }
            BlobBody::Stream { stream, length } => Self { stream, declared: length, received: 0 },
        }
    }

    /// The length that was declared.
    pub const fn declared(&self) -> Option<u64> {
        self.declared
    }

    /// The next piece that is not empty; `None` once the body ended with the length declared.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            let Some(piece) = self.stream.next().await.transpose()? else {
                return match self.declared {
                    Some(declared) if declared != self.received => {
                        Err(self.wrong_length("ended after", declared))
                    }
                    _ => Ok(None),
                };
            };
            self.received = self.received.saturating_add(piece.len() as u64);
            match self.declared {
                Some(declared) if self.received > declared => {
                    return Err(self.wrong_length("went on to", declared));
                }
                _ if piece.is_empty() => {}
                _ => return Ok(Some(piece)),
            }
        }
    }

    fn wrong_length(&self, what: &str, declared: u64) -> Error {
        let message = format!("The body {what} {} bytes, but {declared} were declared", self.received);
        Error::new(ErrorKind::InvalidArgument, message)
    }
}

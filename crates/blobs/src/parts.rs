//! A body cut to parts of one size.

use bytes::{Bytes, BytesMut};
use tandem_contract::Result;

use crate::Incoming;

/// The parts of a body in order, each but the last of the same size.
pub struct Parts {
    incoming: Incoming,
    rest: Bytes,
    size: usize,
    ended: bool,
}

impl Parts {
    /// Cuts `incoming` to parts of `size` bytes.
    pub const fn new(incoming: Incoming, size: usize) -> Self {
        Self { incoming, rest: Bytes::new(), size, ended: false }
    }

    /// The next part; `None` after the last. An empty body has none.
    ///
    /// # Errors
    /// The body's own.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        let mut part = BytesMut::new();
        while part.len() < self.size {
            if self.rest.is_empty() {
                if self.ended {
                    break;
                }
                match self.incoming.next().await? {
                    Some(piece) => self.rest = piece,
                    None => self.ended = true,
                }
                continue;
            }
            if part.is_empty() && self.rest.len() >= self.size {
                // Shared, not copied.
                return Ok(Some(self.rest.split_to(self.size)));
            }
            let taken = self.rest.split_to(self.rest.len().min(self.size - part.len()));
            if !part.is_empty() && part.capacity() < part.len() + taken.len() {
                // At once: growing step by step would leave blocks of every size behind.
                part.reserve(self.size - part.len());
            }
            part.extend_from_slice(&taken);
        }
        Ok((!part.is_empty()).then(|| part.freeze()))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;
    use tandem_contract::BlobBody;

    use super::*;

    async fn sizes(pieces: &[usize], size: usize) -> Vec<usize> {
        let whole: Vec<u8> = (0..pieces.iter().sum()).map(|at: usize| at as u8).collect();
        let mut rest = Bytes::from(whole.clone());
        let pieces: Vec<_> = pieces.iter().map(|length| Ok(rest.split_to(*length))).collect();
        let stream = futures_util::stream::iter(pieces).boxed();
        let mut parts = Parts::new(Incoming::new(BlobBody::Stream { stream, length: None }), size);
        let mut all = Vec::new();
        while let Some(part) = parts.next().await.unwrap() {
            all.push(part);
        }
        assert_eq!(all.concat(), whole);
        all.iter().map(Bytes::len).collect()
    }

    #[tokio::test]
    async fn parts_have_one_size() {
        assert_eq!(sizes(&[], 10).await, [0; 0]);
        assert_eq!(sizes(&[10], 10).await, [10]);
        assert_eq!(sizes(&[3, 3, 3, 3], 10).await, [10, 2]);
        assert_eq!(sizes(&[25], 10).await, [10, 10, 5]);
        assert_eq!(sizes(&[4, 25, 1], 10).await, [10, 10, 10]);
    }
}

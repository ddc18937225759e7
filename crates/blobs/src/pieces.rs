//! Objects on their way, cut to pieces.

use bytes::Bytes;
use futures_util::stream::{self, Stream};
use tandem_contract::Result;

use crate::PIECE;

/// Pieces that share the memory of `whole`.
pub fn cut(whole: Bytes) -> impl Stream<Item = Result<Bytes>> + Send {
    let pieces = (0..whole.len()).step_by(PIECE).map(move |start| {
        let end = whole.len().min(start + PIECE);
        Ok(whole.slice(start..end))
    });
    stream::iter(pieces)
}

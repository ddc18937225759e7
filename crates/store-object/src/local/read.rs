//! Reading an object.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;
use tandem_contract::{BlobMeta, BlobRange, BlobRead, BlobStream, Bucket, Result};

use super::trailer::{self, Trailer};
use super::{Root, blocking, folder, io_error};
use tandem_blobs::{PIECE, range};

/// An object that is open.
pub(crate) struct Found {
    pub(crate) file: File,
    pub(crate) trailer: Trailer,
    pub(crate) size: u64,
}

impl Root {
    /// Opens an object; `None` when there is none.
    pub(crate) fn open_object(&self, bucket: &Bucket, key: &str) -> Result<Option<Found>> {
        let place = Self::place(bucket, key);
        let Some(folder) = folder::find(&self.folder, &place.folders)? else { return Ok(None) };
        let Some((file, length)) = folder::open_file(&folder, &place.file)? else { return Ok(None) };
        let (trailer, size) = trailer::read(&file, length)?;
        Ok(Some(Found { file, trailer, size }))
    }

    /// What is known of an object.
    pub(crate) fn head(&self, bucket: &Bucket, key: String) -> Result<Option<BlobMeta>> {
        Ok(self.open_object(bucket, &key)?.map(|found| found.trailer.into_meta(key, found.size)))
    }

    /// Opens an object for reading.
    pub(crate) fn read(
        &self,
        bucket: &Bucket,
        key: String,
        range: Option<BlobRange>,
    ) -> Result<Option<BlobRead>> {
        let Some(Found { file, trailer, size }) = self.open_object(bucket, &key)? else { return Ok(None) };
        let range = range::resolve(range, size)?;
        // The first piece comes with the opening: a small object costs one thread switch.
        let first = read_piece(&file, &range)?;
        let stream = pieces(file, first, range.clone());
        Ok(Some(BlobRead { meta: trailer.into_meta(key, size), range, stream }))
    }
}

fn pieces(file: File, first: Bytes, range: Range<u64>) -> BlobStream {
    let rest = range.start + first.len() as u64..range.end;
    let file = Arc::new(file);
    let rest = stream::try_unfold(rest, move |range| {
        let file = Arc::clone(&file);
        async move {
            if range.is_empty() {
                return Ok(None);
            }
            let wanted = range.clone();
            let piece = blocking(move || read_piece(&file, &wanted)).await?;
            let rest = range.start + piece.len() as u64..range.end;
            Ok(Some((piece, rest)))
        }
    });
    let first = (!first.is_empty()).then_some(Ok(first));
    stream::iter(first).chain(rest).boxed()
}

fn read_piece(file: &File, range: &Range<u64>) -> Result<Bytes> {
    let length = (range.end - range.start).min(PIECE as u64);
    let mut piece = vec![0; usize::try_from(length).unwrap_or(PIECE)];
    file.read_exact_at(&mut piece, range.start).map_err(|error| io_error("read", &error))?;
    Ok(Bytes::from(piece))
}

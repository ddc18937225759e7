//! What a file holds after the object's bytes: the rest of what is known of it.
//!
//! ```text
//! bytes of the object | JSON of Trailer | length of the JSON, u32 little-endian | MAGIC
//! ```
//!
//! Object and metadata are one file, so that one rename puts both in place. They stand behind the
//! bytes rather than before them, because the entity tag is known only when the last byte is, and
//! because most programs then still read the file as what it is. A file whose end was lost to a
//! power cut has no magic and is known to be damaged.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use tandem_contract::{BlobMeta, Error, Result};

use super::io_error;

/// Ends every file; the digit is the version of the format.
const MAGIC: &[u8; 8] = b"tandem-1";
/// The length of the JSON and the magic.
const FOOT: usize = 4 + MAGIC.len();
/// Read at once from a file's end: holds all but the largest trailers.
const GUESS: usize = 2048;
/// Metadata is 2 KiB at most, and JSON writes no character of it in more than six bytes.
const JSON_LIMIT: usize = 64 * 1024;

/// What is kept of an object besides its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Trailer {
    /// The first 128 bits of the bytes' SHA-256, in hex.
    pub(crate) etag: String,
    /// Nanoseconds since 1970.
    pub(crate) modified: u64,
    /// As written, or the default.
    pub(crate) content_type: String,
    /// As written, names in lower case.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) metadata: BTreeMap<String, String>,
}

impl Trailer {
    /// As it stands at the end of a file.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec(self).map_err(Error::internal)?;
        let length = u32::try_from(bytes.len()).map_err(Error::internal)?;
        bytes.extend(length.to_le_bytes());
        bytes.extend(MAGIC);
        Ok(bytes)
    }

    /// What is known of the object `key` of `size` bytes.
    pub(crate) fn into_meta(self, key: String, size: u64) -> BlobMeta {
        BlobMeta {
            key,
            size,
            last_modified: SystemTime::UNIX_EPOCH + Duration::from_nanos(self.modified),
            etag: self.etag,
            content_type: Some(self.content_type),
            metadata: self.metadata,
        }
    }
}

/// `time` as [`Trailer::modified`] has it.
pub(crate) fn nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// Reads the trailer of a file of `length` bytes; with it, how many bytes the object has.
///
/// # Errors
/// `Internal` when the file is damaged or not an object.
pub(crate) fn read(file: &File, length: u64) -> Result<(Trailer, u64)> {
    let mut tail = read_end(file, length, GUESS)?;
    let json = json_length(&tail)?;
    if tail.len() < json + FOOT {
        tail = read_end(file, length, json + FOOT)?;
    }
    let start =
        tail.len().checked_sub(json + FOOT).ok_or_else(|| damaged("the file is shorter than its trailer"))?;
    let trailer = serde_json::from_slice(&tail[start..start + json]).map_err(damaged)?;
    Ok((trailer, length - (json + FOOT) as u64))
}

fn read_end(file: &File, length: u64, wanted: usize) -> Result<Vec<u8>> {
    let start = length.saturating_sub(wanted as u64);
    let mut tail = vec![0; usize::try_from(length - start).map_err(Error::internal)?];
    file.read_exact_at(&mut tail, start).map_err(|error| io_error("read", &error))?;
    Ok(tail)
}

fn json_length(tail: &[u8]) -> Result<usize> {
    let foot = tail.len().checked_sub(FOOT).map(|start| &tail[start..]);
    let length = foot
        .and_then(|foot| foot.strip_suffix(MAGIC))
        .and_then(|length| length.try_into().ok())
        .map(u32::from_le_bytes)
        .ok_or_else(|| damaged("the file does not end in a trailer"))?;
    match usize::try_from(length) {
        Ok(length) if length <= JSON_LIMIT => Ok(length),
        _ => Err(damaged("the trailer is too long")),
    }
}

fn damaged(detail: impl std::fmt::Display) -> Error {
    Error::internal(format_args!("an object's file is damaged, or was not written by Tandem: {detail}"))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn trailer(value: &str) -> Trailer {
        Trailer {
            etag: "e".to_owned(),
            modified: 7,
            content_type: "text/plain".to_owned(),
            metadata: BTreeMap::from([("a".to_owned(), value.to_owned())]),
        }
    }

    fn file(bytes: &[u8]) -> (File, u64) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        (file, bytes.len() as u64)
    }

    #[test]
    fn small_and_large_trailers_are_read() {
        for (body, value) in [(0, 0), (1, 10), (5000, 2000), (0, 20_000)] {
            let trailer = trailer(&"\"".repeat(value));
            let (file, length) = file(&[vec![b'x'; body], trailer.to_bytes().unwrap()].concat());
            assert_eq!(read(&file, length).unwrap(), (trailer, body as u64));
        }
    }

    #[test]
    fn every_cut_is_noticed() {
        let whole = [b"body".to_vec(), trailer("x").to_bytes().unwrap()].concat();
        for end in 0..whole.len() {
            let (file, length) = file(&whole[..end]);
            assert!(read(&file, length).is_err(), "cut at {end}");
        }
        let zeros = vec![0; whole.len()];
        let (file, length) = file(&zeros);
        assert!(read(&file, length).is_err());
    }
}

//! Which bytes of an object a range means.

use std::ops::Range;

use tandem_contract::{BlobRange, Error, ErrorKind, Result};

/// The bytes that `range` means in an object of `size` bytes.
///
/// # Errors
/// `InvalidArgument` when it holds none of them, as RFC 9110 §14.1.2 calls it: unsatisfiable.
pub fn resolve(range: Option<BlobRange>, size: u64) -> Result<Range<u64>> {
    let bytes = match range {
        None => return Ok(0..size),
        Some(BlobRange::Bounded { start, end }) => start..end.min(size),
        Some(BlobRange::From(start)) => start..size,
        Some(BlobRange::Suffix(length)) => size.saturating_sub(length)..size,
    };
    if bytes.is_empty() {
        let message = format!("The range holds no byte of the object, which has {size}");
        return Err(Error::new(ErrorKind::InvalidArgument, message));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_end_with_the_object() {
        for (range, bytes) in [
            (None, 0..10),
            (Some(BlobRange::Bounded { start: 2, end: 5 }), 2..5),
            (Some(BlobRange::Bounded { start: 2, end: 500 }), 2..10),
            (Some(BlobRange::From(9)), 9..10),
            (Some(BlobRange::Suffix(3)), 7..10),
            (Some(BlobRange::Suffix(u64::MAX)), 0..10),
        ] {
            assert_eq!(resolve(range, 10).unwrap(), bytes, "{range:?}");
        }
    }

    #[test]
    fn a_range_without_bytes_is_refused() {
        for range in [
            BlobRange::From(10),
            BlobRange::From(u64::MAX),
            BlobRange::Suffix(0),
            BlobRange::Bounded { start: 3, end: 3 },
            BlobRange::Bounded { start: 4, end: 3 },
            BlobRange::Bounded { start: 10, end: 12 },
        ] {
            assert_eq!(resolve(Some(range), 10).unwrap_err().kind(), ErrorKind::InvalidArgument, "{range:?}");
        }
        assert!(resolve(Some(BlobRange::From(0)), 0).is_err());
        assert_eq!(resolve(None, 0).unwrap(), 0..0);
    }
}

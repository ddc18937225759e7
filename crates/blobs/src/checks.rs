//! The rules that a write must keep, the same on every backend.

use std::collections::BTreeMap;

use tandem_contract::{Condition, Error, ErrorKind, PutOptions, Result};

/// What an object is when nobody says.
const DEFAULT_CONTENT_TYPE: &str = "application/octet-stream";
/// Longest key, in bytes: S3's limit, and the port's.
const KEY_LIMIT: usize = 1024;
/// Bytes of all names and values of an object's metadata: S3's limit.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html>
const METADATA_LIMIT: usize = 2048;
/// RFC 6838 §4.2 allows 127 characters for each half of a media type; the rest is for parameters.
const CONTENT_TYPE_LIMIT: usize = 512;

/// Checks a key: 1 to 1024 bytes, no NUL.
pub fn key(key: &str) -> Result<()> {
    let fault = if key.is_empty() {
        "is empty".to_owned()
    } else if key.len() > KEY_LIMIT {
        format!("has {} bytes", key.len())
    } else if key.contains('\0') {
        "holds a NUL".to_owned()
    } else {
        return Ok(());
    };
    let message = format!("The key {fault}: a key has 1 to {KEY_LIMIT} bytes of UTF-8 without NUL");
    Err(Error::new(ErrorKind::InvalidArgument, message))
}

/// What is kept with an object, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Never empty.
    pub content_type: String,
    /// Names in lower case.
    pub metadata: BTreeMap<String, String>,
}

/// Checks content type and metadata, both of which become HTTP headers sooner or later, and
/// fills in the default.
pub fn describe(options: &PutOptions) -> Result<Description> {
    let content_type = match options.content_type.as_deref().map(str::trim) {
        None | Some("") => DEFAULT_CONTENT_TYPE,
        Some(given) if given.len() <= CONTENT_TYPE_LIMIT && given.bytes().all(is_visible) => given,
        Some(given) => {
            let message = format!(
                "Invalid content type {:?}: at most {CONTENT_TYPE_LIMIT} visible ASCII characters",
                given.chars().take(80).collect::<String>()
            );
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
    };
    let mut metadata = BTreeMap::new();
    let mut size = 0;
    for (name, value) in &options.metadata {
        check_pair(name, value)?;
        size += name.len() + value.len();
        if metadata.insert(name.to_ascii_lowercase(), value.clone()).is_some() {
            let message = format!("The metadata holds {name:?} twice: case does not tell names apart");
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
    }
    if size > METADATA_LIMIT {
        let message =
            format!("The metadata has {size} bytes: at most {METADATA_LIMIT}, names and values together");
        return Err(Error::new(ErrorKind::InvalidArgument, message));
    }
    Ok(Description { content_type: content_type.to_owned(), metadata })
}

/// The error of a write whose condition does not hold.
pub fn conflict(condition: &Condition) -> Error {
    let message = match condition {
        Condition::Absent => "The object was not written: the key is taken",
        _ => "The object was not written: it is not the version that was expected",
    };
    Error::new(ErrorKind::Conflict, message)
}

fn check_pair(name: &str, value: &str) -> Result<()> {
    let fault = if name.is_empty() || !name.bytes().all(is_token) {
        "a name is one or more letters, digits or `-_.`"
    } else if value.chars().any(char::is_control) {
        "a value holds no control characters"
    } else {
        return Ok(());
    };
    Err(Error::new(ErrorKind::InvalidArgument, format!("Invalid metadata {name:?}: {fault}")))
}

const fn is_visible(byte: u8) -> bool {
    byte == b' ' || byte.is_ascii_graphic()
}

const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(pairs: &[(&str, &str)]) -> PutOptions {
        let metadata = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        PutOptions { metadata, ..PutOptions::default() }
    }

    #[test]
    fn keys_have_1_to_1024_bytes_without_nul() {
        for good in ["a", "/", "..", " ", &"ä".repeat(512)] {
            key(good).unwrap();
        }
        for bad in ["", "a\0b", &"a".repeat(1025), &"ä".repeat(513)] {
            assert_eq!(key(bad).unwrap_err().kind(), ErrorKind::InvalidArgument, "{bad:?}");
        }
    }

    #[test]
    fn metadata_comes_back_in_lower_case() {
        let kept = describe(&options(&[("Author", "Zoë")])).unwrap();
        assert_eq!(kept.metadata, BTreeMap::from([("author".to_owned(), "Zoë".to_owned())]));
        assert_eq!(kept.content_type, DEFAULT_CONTENT_TYPE);
    }

    #[test]
    fn what_cannot_be_a_header_is_refused() {
        for pairs in [&[("", "x")][..], &[("a b", "x")], &[("a", "x\r\ny")], &[("A", "1"), ("a", "2")]] {
            assert_eq!(
                describe(&options(pairs)).unwrap_err().kind(),
                ErrorKind::InvalidArgument,
                "{pairs:?}"
            );
        }
        assert!(describe(&options(&[("a", &"x".repeat(2047))])).is_ok());
        assert!(describe(&options(&[("a", &"x".repeat(2048))])).is_err());
        for content_type in ["text/plain\r\nx: y", "té", &"x".repeat(513)] {
            let put = PutOptions { content_type: Some(content_type.to_owned()), ..PutOptions::default() };
            assert!(describe(&put).is_err(), "{content_type:?}");
        }
    }
}

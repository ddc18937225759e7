//! Keys as [`object_store::path::Path`]s, and back.
//!
//! A path may hold any text but control characters, empty segments and segments of dots, and loses
//! slashes at its ends. Keys may hold all of that, so just that is written as `%` and two hex digits;
//! everything else stays as it is, and an ordinary key is its own path. A `%` is written in this way
//! only where what follows would make it read as one of these.

use object_store::path::Path;
use tandem_contract::{Bucket, Error, Result};

/// The path of an object, with its bucket as the first segment.
pub(crate) fn path(bucket: &Bucket, key: &str) -> Result<Path> {
    Path::parse(format!("{bucket}/{}", write(key))).map_err(Error::internal)
}

/// The path that all objects of a bucket are below.
pub(crate) fn bucket(bucket: &Bucket) -> Result<Path> {
    Path::parse(bucket.as_str()).map_err(Error::internal)
}

/// The key of an object; `None` for a path that [`path`] did not make.
pub(crate) fn key(path: &Path) -> Option<String> {
    let (_, written) = path.as_ref().split_once('/')?;
    read(written)
}

fn write(key: &str) -> String {
    let bytes = key.as_bytes();
    let mut text = String::with_capacity(key.len() + 8);
    for (at, char) in key.char_indices() {
        let rest = &bytes[at + char.len_utf8()..];
        let escape = match char {
            '/' => at == 0 || rest.is_empty() || bytes[at - 1] == b'/',
            '.' => is_dots(key, at),
            '%' => rest.get(..2).is_some_and(|digits| value(digits).is_some()),
            other => other.is_ascii_control(),
        };
        if escape {
            text.push_str(&format!("%{:02X}", u32::from(char)));
        } else {
            text.push(char);
        }
    }
    text
}

/// Whether the dot at `at` starts a part that is `.` or `..`.
fn is_dots(key: &str, at: usize) -> bool {
    let starts = at == 0 || key.as_bytes()[at - 1] == b'/';
    starts && matches!(key[at..].split('/').next(), Some("." | ".."))
}

fn read(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let escaped = after.get(..2).and_then(value).filter(|_| *first == b'%');
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &after[2..] } else { after };
    }
    String::from_utf8(bytes).ok()
}

/// The byte that two digits stand for, if it is one that is ever written in this way.
fn value(digits: &[u8]) -> Option<u8> {
    let text = std::str::from_utf8(digits).ok()?;
    if text.bytes().any(|digit| !matches!(digit, b'0'..=b'9' | b'A'..=b'F')) {
        return None;
    }
    let byte = u8::from_str_radix(text, 16).ok()?;
    (byte.is_ascii_control() || matches!(byte, b'/' | b'.' | b'%')).then_some(byte)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ordinary_keys_are_their_own_paths() {
        for key in [
            "a",
            "photos/2024/Cat 1+2#3?.jpg",
            "ä/ö",
            "100%",
            "50% off",
            "a%20b",
            ".hidden",
            "..a/b..",
            "~",
            "x#1",
        ] {
            assert_eq!(write(key), key);
        }
    }

    #[test]
    fn what_a_path_cannot_hold_is_escaped() {
        for (key, expected) in [
            ("/", "%2F"),
            ("/a", "%2Fa"),
            ("a/", "a%2F"),
            ("a//b", "a/%2Fb"),
            ("//", "%2F%2F"),
            ("..", "%2E."),
            ("a/../b/.", "a/%2E./b/%2E"),
            ("%2F", "%252F"),
            ("%25", "%2525"),
            ("%%2E", "%%252E"),
            ("a\nb\u{7f}", "a%0Ab%7F"),
        ] {
            assert_eq!(write(key), expected, "{key:?}");
        }
    }

    proptest! {
        #[test]
        fn every_key_has_a_path_of_its_own(key in "([^\0]|[./%257EF2]|\n){1,30}") {
            let bucket = Bucket::new("default").unwrap();
            let path = path(&bucket, &key).unwrap();
            prop_assert_eq!(super::key(&path), Some(key));
        }
    }
}

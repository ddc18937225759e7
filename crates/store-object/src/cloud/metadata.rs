//! Metadata as clouds take it: values as headers, which are ASCII and, for some servers, not empty;
//! on Azure, names as identifiers.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Stands before a value that is not plain ASCII.
const ENCODED: &str = "utf-8''";

/// A value as a header.
pub(super) fn encode(value: &str) -> String {
    let plain = !value.is_empty()
        && value.bytes().all(|byte| (b' '..=b'~').contains(&byte))
        && value.trim() == value
        && !value.starts_with(ENCODED);
    if plain { value.to_owned() } else { format!("{ENCODED}{}", URL_SAFE_NO_PAD.encode(value)) }
}

/// What [`encode`] wrote; other text as it is.
pub(super) fn decode(value: &str) -> String {
    let bytes = value.strip_prefix(ENCODED).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
    bytes.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_else(|| value.to_owned())
}

/// A name as an identifier: what cannot stay is `_` and two hex digits, `_` itself too.
pub(super) fn write_name(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for (at, byte) in name.bytes().enumerate() {
        if byte.is_ascii_lowercase() || (at > 0 && byte.is_ascii_digit()) {
            text.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(text, "_{byte:02x}");
        }
    }
    text
}

/// What [`write_name`] wrote; other names as they are.
pub(super) fn read_name(text: &str) -> String {
    let mut parts = text.split('_');
    let mut name = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let byte = part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let Some(byte) = byte.filter(u8::is_ascii) else { return text.to_owned() };
        name.push(char::from(byte));
        name.push_str(&part[2..]);
    }
    if write_name(&name) == text { name } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back() {
        for (name, text) in [("author", "author"), ("x-n.1_2", "x_2dn_2e1_5f2"), ("1a", "_31a")] {
            assert_eq!(write_name(name), text);
            assert_eq!(read_name(text), name);
        }
        for foreign in ["my_name", "a_2", "_zz", "a_61"] {
            assert_eq!(read_name(foreign), foreign);
        }
    }

    #[test]
    fn values_come_back() {
        for value in ["", "plain", " padded ", "Zoë", "utf-8''x"] {
            assert!(encode(value).is_ascii() && !encode(value).is_empty());
            assert_eq!(decode(&encode(value)), value);
        }
        assert_eq!(decode("utf-8''!"), "utf-8''!");
    }
}

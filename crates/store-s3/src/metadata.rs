//! Metadata as header values.
//!
//! S3 keeps metadata in headers, which are ASCII; it shows other text as encoded words (RFC 2047),
//! and so do we. An empty value is an encoded word too, because some servers drop empty headers, and
//! so is whatever reads like one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const START: &str = "=?UTF-8?B?";
const END: &str = "?=";

/// `value` as a header.
pub(crate) fn encode(value: &str) -> String {
    let plain = !value.is_empty()
        && value.bytes().all(|byte| (b' '..=b'~').contains(&byte))
        && value.trim() == value
        && !value.contains("=?");
    if plain { value.to_owned() } else { format!("{START}{}{END}", STANDARD.encode(value)) }
}

/// What a header says. One that is no encoded word of UTF-8 is text as it is.
pub(crate) fn decode(header: &str) -> String {
    let words: Option<Vec<u8>> =
        header.split_ascii_whitespace().map(word).try_fold(Vec::new(), |mut text, word| {
            text.extend(word?);
            Some(text)
        });
    match words.filter(|_| header.contains("=?")).map(String::from_utf8) {
        Some(Ok(text)) => text,
        _ => header.to_owned(),
    }
}

/// The bytes of an encoded word: base64, or the quoted form that S3 itself writes.
fn word(text: &str) -> Option<Vec<u8>> {
    let (charset, rest) = text.strip_prefix("=?")?.strip_suffix(END)?.split_once('?')?;
    let (encoding, text) = rest.split_once('?')?;
    if !charset.eq_ignore_ascii_case("utf-8") {
        return None;
    }
    match encoding {
        "B" | "b" => STANDARD.decode(text).ok(),
        "Q" | "q" => quoted(text.as_bytes()),
        _ => None,
    }
}

fn quoted(mut text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    while let [first, rest @ ..] = text {
        text = rest;
        match first {
            b'_' => bytes.push(b' '),
            b'=' => {
                let digits = std::str::from_utf8(text.get(..2)?).ok()?;
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
                text = &text[2..];
            }
            other => bytes.push(*other),
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back() {
        for value in ["", "plain", "a, \"b\"", " padded ", "Zoë", "日本", "=?UTF-8?B?Wg==?=", "a=?b", "a?=b"]
        {
            let header = encode(value);
            assert!(!header.is_empty() && header.is_ascii(), "{header}");
            assert_eq!(decode(&header), value, "{header}");
        }
        assert_eq!(encode("plain text"), "plain text");
    }

    #[test]
    fn what_s3_writes_is_read() {
        assert_eq!(decode("=?UTF-8?Q?Zo=C3=AB_Z?="), "Zoë Z");
        assert_eq!(decode("=?UTF-8?B?Wm8=?= =?UTF-8?B?w6s=?="), "Zoë");
        for text in ["=?UTF-8?Q?=C3?=", "=?latin1?Q?a?=", "=?UTF-8?B?!?=", "a = b ?"] {
            assert_eq!(decode(text), text);
        }
    }
}

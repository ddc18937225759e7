//! `atob` and `btoa`: text whose characters each stand for a byte, and base64. `undefined` is
//! the answer for what has no other form.

use std::sync::Arc;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use tandem_contract::{HostArgs, HostValue, Invocation, Result};

use crate::cloud::Cloud;
use crate::ops::Op;

pub(in crate::ops) const OPS: &[Op] = &[Op::sync("base64.encode", encode), Op::sync("base64.decode", decode)];

/// As <https://infra.spec.whatwg.org/#forgiving-base64-decode> has it, once the padding is gone.
const FORGIVING: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

fn encode(_: &Cloud, _: &Arc<Invocation>, args: HostArgs) -> Result<HostValue> {
    Ok(latin1_bytes(&args.text).map_or(HostValue::Undefined, |bytes| HostValue::Text(STANDARD.encode(bytes))))
}

fn latin1_bytes(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|character| u8::try_from(u32::from(character)).ok()).collect()
}

fn decode(_: &Cloud, _: &Arc<Invocation>, args: HostArgs) -> Result<HostValue> {
    Ok(decode_forgiving(&args.text)
        .map_or(HostValue::Undefined, |bytes| HostValue::Text(bytes.into_iter().map(char::from).collect())))
}

fn decode_forgiving(text: &str) -> Option<Vec<u8>> {
    let mut data: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    if data.len().is_multiple_of(4) {
        let padding = data.iter().rev().take(2).take_while(|byte| **byte == b'=').count();
        data.truncate(data.len() - padding);
    }
    FORGIVING.decode(data).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoding_forgives_whitespace_and_missing_padding() {
        for text in ["YWJj ZA==", "YWJjZA", " Y\tW\nJ\x0cj\rZA=="] {
            assert_eq!(decode_forgiving(text).as_deref(), Some(b"abcd".as_slice()), "{text:?}");
        }
        assert_eq!(
            decode_forgiving("YR").as_deref(),
            Some(b"a".as_slice()),
            "bits that are left over are dropped"
        );
        assert_eq!(decode_forgiving("").as_deref(), Some(b"".as_slice()));
    }

    #[test]
    fn decoding_refuses_what_is_not_base64() {
        for text in ["a", "YQ=", "YQ===", "Y=Q=", "=", "YW-_", "YWJjZ", "ab\u{b}c"] {
            assert_eq!(decode_forgiving(text), None, "{text:?}");
        }
    }

    #[test]
    fn only_latin_1_has_bytes() {
        assert_eq!(latin1_bytes("a\u{ff}"), Some(vec![b'a', 0xff]));
        assert_eq!(latin1_bytes("\u{100}"), None);
    }
}

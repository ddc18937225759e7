//! `TextEncoder` and `TextDecoder`, for every encoding of <https://encoding.spec.whatwg.org>.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use encoding_rs::Encoding;
use tandem_contract::{Error, HostArgs, HostValue, Invocation, Result};

use crate::cloud::Cloud;
use crate::ops::Op;

pub(in crate::ops) const OPS: &[Op] = &[
    Op::sync("text.encode", |_, _, args| Ok(HostValue::Bytes(Bytes::from(args.text)))),
    Op::sync("text.decode", decode),
    Op::sync("text.encoding", encoding),
];

/// The name of the encoding with this label, in lower case; `undefined` when there is none.
fn encoding(_: &Cloud, _: &Arc<Invocation>, args: HostArgs) -> Result<HostValue> {
    Ok(Encoding::for_label_no_replacement(args.text.as_bytes())
        .map_or(HostValue::Undefined, |encoding| HostValue::Text(encoding.name().to_ascii_lowercase())))
}

/// How bytes become text.
struct Decoding {
    /// What is malformed is refused instead of replaced.
    fatal: bool,
    /// A byte order mark at the start is left out.
    strip_mark: bool,
    encoding: &'static Encoding,
}

impl Decoding {
    /// `f` or `-`, `b` or `-`, a comma, the encoding's name.
    fn parse(text: &str) -> Option<Self> {
        let (flags, name) = text.split_once(',')?;
        let encoding = Encoding::for_label_no_replacement(name.as_bytes())?;
        Some(Self { fatal: flags.starts_with('f'), strip_mark: flags.ends_with('b'), encoding })
    }

    fn run<'a>(&self, bytes: &'a [u8]) -> Option<Cow<'a, str>> {
        let bytes = if self.strip_mark { self.without_mark(bytes) } else { bytes };
        if self.fatal {
            return self.encoding.decode_without_bom_handling_and_without_replacement(bytes);
        }
        Some(self.encoding.decode_without_bom_handling(bytes).0)
    }

    fn without_mark<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        match Encoding::for_bom(bytes) {
            Some((encoding, length)) if encoding == self.encoding => &bytes[length..],
            _ => bytes,
        }
    }
}

/// `undefined` when the bytes are malformed and the decoding is fatal.
fn decode(_: &Cloud, _: &Arc<Invocation>, args: HostArgs) -> Result<HostValue> {
    let decoding =
        Decoding::parse(&args.text).ok_or_else(|| Error::internal("text.decode: bad arguments"))?;
    let bytes = args.bytes.unwrap_or_default();
    Ok(decoding.run(&bytes).map_or(HostValue::Undefined, |text| HostValue::Text(text.into_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(how: &str, bytes: &[u8]) -> Option<String> {
        Decoding::parse(how).unwrap().run(bytes).map(Cow::into_owned)
    }

    #[test]
    fn malformed_bytes_are_replaced_or_refused() {
        assert_eq!(run("-b,utf-8", b"a\xffb").as_deref(), Some("a\u{fffd}b"));
        assert_eq!(run("fb,utf-8", b"a\xffb"), None);
        assert_eq!(run("fb,utf-8", "aé€𝄞".as_bytes()).as_deref(), Some("aé€𝄞"));
    }

    #[test]
    fn only_the_mark_of_the_same_encoding_is_left_out() {
        assert_eq!(run("-b,utf-8", b"\xef\xbb\xbfa").as_deref(), Some("a"));
        assert_eq!(run("--,utf-8", b"\xef\xbb\xbfa").as_deref(), Some("\u{feff}a"));
        assert_eq!(run("-b,utf-16le", b"\xff\xfea\0").as_deref(), Some("a"));
        assert_eq!(run("-b,utf-16le", b"\xef\xbb\xbf\0").as_deref(), Some("\u{bbef}\u{bf}"));
    }

    #[test]
    fn older_encodings_have_their_labels() {
        assert_eq!(run("-b,windows-1252", b"\x80\xe9").as_deref(), Some("€é"));
        let name = |label: &str| Encoding::for_label_no_replacement(label.as_bytes()).map(Encoding::name);
        assert_eq!(name(" Latin1 "), Some("windows-1252"));
        assert_eq!(name("utf-16"), Some("UTF-16LE"));
        assert_eq!(name("hz-gb-2312"), None, "labels of the replacement encoding are refused");
    }
}

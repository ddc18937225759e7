//! Whether a body is JSON, without making a tree of it.

use serde::de::Deserializer as _;
use serde::de::IgnoredAny;
use tandem_cloud::json_text::plain_length;

/// Checks that `body` is one JSON text in UTF-8, as `JSON.parse` would: nesting is bounded by the
/// body's length alone, numbers may exceed what a double holds, escapes may be lone surrogates,
/// and a byte order mark is refused.
///
/// # Errors
/// A sentence that says what is wrong and where.
pub(super) fn check(body: &[u8]) -> Result<(), String> {
    let text = std::str::from_utf8(body)
        .map_err(|error| format!("it is not UTF-8 at byte {}", error.valid_up_to()))?;
    if Scanner::new(body).is_valid() {
        return Ok(());
    }
    // A parser that keeps count of lines says what is wrong.
    let mut json = serde_json::Deserializer::from_str(text);
    // Ignoring does not recurse, so the limit against deep recursion has no use here.
    json.disable_recursion_limit();
    json.deserialize_ignored_any(IgnoredAny).and_then(|_| json.end()).map_err(|error| error.to_string())
}

/// Goes over a text once. What returns `None` has met a byte that is wrong.
struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    /// One bit for each array or object around: set for an object.
    nesting: Vec<u64>,
    depth: usize,
}

impl<'a> Scanner<'a> {
    const fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0, nesting: Vec::new(), depth: 0 }
    }

    fn is_valid(&mut self) -> bool {
        self.whole().is_some()
    }

    fn whole(&mut self) -> Option<()> {
        loop {
            self.open_or_value()?;
            if !self.close_and_go_on()? {
                return (self.at == self.text.len()).then_some(());
            }
        }
    }

    /// A value without others in it, or what is before the first of them.
    fn open_or_value(&mut self) -> Option<()> {
        loop {
            self.skip_space();
            match self.next()? {
                b'{' => {
                    self.skip_space();
                    if self.peek() == Some(b'}') {
                        self.at += 1;
                        return Some(());
                    }
                    self.enter(true);
                    self.key()?;
                }
                b'[' => {
                    self.skip_space();
                    if self.peek() == Some(b']') {
                        self.at += 1;
                        return Some(());
                    }
                    self.enter(false);
                }
                b'"' => return self.string(),
                b't' => return self.word(b"rue"),
                b'f' => return self.word(b"alse"),
                b'n' => return self.word(b"ull"),
                b'-' => {
                    let first = self.next()?;
                    return self.number(first);
                }
                first => return self.number(first),
            }
        }
    }

    /// What follows a value, up to where the next has to be; `false` if there is none.
    fn close_and_go_on(&mut self) -> Option<bool> {
        loop {
            self.skip_space();
            if self.depth == 0 {
                return Some(false);
            }
            let is_object = self.is_object();
            match self.next()? {
                b',' if is_object => {
                    self.skip_space();
                    return self.key().map(|()| true);
                }
                b',' => return Some(true),
                b'}' if is_object => self.depth -= 1,
                b']' if !is_object => self.depth -= 1,
                _ => return None,
            }
        }
    }

    /// A key and its colon.
    fn key(&mut self) -> Option<()> {
        self.word(b"\"")?;
        self.string()?;
        self.skip_space();
        self.word(b":")
    }

    /// A string after its first quote.
    fn string(&mut self) -> Option<()> {
        loop {
            self.at += plain_length(&self.text[self.at..]);
            match self.next()? {
                b'"' => return Some(()),
                b'\\' => match self.next()? {
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                    b'u' => {
                        let digits = self.text.get(self.at..self.at + 4)?;
                        digits.iter().all(u8::is_ascii_hexdigit).then_some(())?;
                        self.at += 4;
                    }
                    _ => return None,
                },
                _ => return None,
            }
        }
    }

    /// A number after its first digit.
    fn number(&mut self, first: u8) -> Option<()> {
        match first {
            b'0' => {}
            b'1'..=b'9' => self.skip_digits(),
            _ => return None,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Some(())
    }

    fn digits(&mut self) -> Option<()> {
        self.next()?.is_ascii_digit().then_some(())?;
        self.skip_digits();
        Some(())
    }

    fn skip_digits(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        self.text[self.at..].starts_with(word).then_some(())?;
        self.at += word.len();
        Some(())
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn enter(&mut self, object: bool) {
        let (word, bit) = (self.depth / 64, self.depth % 64);
        if word == self.nesting.len() {
            self.nesting.push(0);
        }
        self.nesting[word] = (self.nesting[word] & !(1 << bit)) | (u64::from(object) << bit);
        self.depth += 1;
    }

    /// Of what is innermost.
    fn is_object(&self) -> bool {
        let innermost = self.depth - 1;
        (self.nesting[innermost / 64] >> (innermost % 64)) & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn takes_what_json_parse_takes() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let deeper = format!("{}1{}", "{\"a\":".repeat(100_000), "}".repeat(100_000));
        for text in [
            "null",
            " [1] ",
            "1e999",
            "-0",
            "123456789012345678901234567890",
            r#""\ud800""#,
            r#""\udc00\ud800""#,
            r#"{"a":1,"a":2}"#,
            r#"{"":""}"#,
            "\"\u{2028}\u{7f}\"",
            "\t\r\n1\n",
            &deep,
            &deeper,
        ] {
            assert_eq!(check(text.as_bytes()), Ok(()), "{}", &text[..text.len().min(40)]);
        }
    }

    #[test]
    fn refuses_what_json_parse_refuses() {
        for text in [
            "",
            " ",
            "{",
            "[1,]",
            "{\"a\":1,}",
            "'a'",
            "01",
            "+1",
            ".5",
            "1.",
            "1e",
            "NaN",
            "Infinity",
            "undefined",
            "\"\t\"",
            r#""\x41""#,
            r#""\u12""#,
            "1 2",
            "\u{feff}1",
            "{a:1}",
            "tru",
            "-",
            "[1 2]",
            "\"a",
            "\u{a0}1",
            "/**/1",
            "[1}",
        ] {
            assert!(check(text.as_bytes()).is_err(), "{text:?}");
        }
        assert!(check(b"\"\xff\"").is_err());
    }

    /// What the library alone says.
    fn library(text: &str) -> bool {
        let mut json = serde_json::Deserializer::from_str(text);
        json.disable_recursion_limit();
        json.deserialize_ignored_any(IgnoredAny).and_then(|_| json.end()).is_ok()
    }

    #[test]
    fn what_is_cut_off_or_has_a_byte_changed_is_judged_as_by_the_library() {
        let text = r#" {"a b":[1, -0.5e+3,null,true ,false],"\u00e9\"\n":{"":{}, "c":[]},"long enough for words":"\ud800"} "#;
        for end in 0..=text.len() {
            let cut = &text[..end];
            assert_eq!(Scanner::new(cut.as_bytes()).is_valid(), library(cut), "{cut}");
        }
        for place in 0..text.len() {
            for other in 0x09..0x7f_u8 {
                let mut changed = text.as_bytes().to_vec();
                changed[place] = other;
                let changed = String::from_utf8(changed).unwrap();
                assert_eq!(Scanner::new(changed.as_bytes()).is_valid(), library(&changed), "{changed}");
            }
        }
    }

    proptest! {
        #[test]
        fn judges_as_the_library_does(text in r#"[\[\]{}:, "a\\u0019.eE+\-truefalsn\t]{0,40}"#) {
            prop_assert_eq!(Scanner::new(text.as_bytes()).is_valid(), library(&text), "{}", text);
        }

        #[test]
        fn agrees_with_a_parser_that_builds_values(text in r#"[\[\]{}:, "a\\u0019.eE+\-truefalsn]{0,24}"#) {
            // Out of range is the value's affair, and so is a lone surrogate; neither is syntax.
            let parsed = serde_json::from_str::<serde_json::Value>(&text);
            match parsed {
                Ok(_) => prop_assert!(check(text.as_bytes()).is_ok()),
                Err(error) => {
                    let message = error.to_string();
                    if !message.contains("out of range") && !message.contains("surrogate")
                        && !message.contains("hex escape") {
                        prop_assert!(check(text.as_bytes()).is_err(), "{message}");
                    }
                }
            }
        }
    }
}

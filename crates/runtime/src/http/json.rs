//! Whether a body is JSON, without making a tree of it.

use serde::de::Deserializer as _;
use serde::de::IgnoredAny;

/// Checks that `body` is one JSON text in UTF-8, as `JSON.parse` would: nesting is bounded by the
/// body's length alone, numbers may exceed what a double holds, escapes may be lone surrogates,
/// and a byte order mark is refused.
///
/// # Errors
/// A sentence that says what is wrong and where.
pub(super) fn check(body: &[u8]) -> Result<(), String> {
    let text = std::str::from_utf8(body)
        .map_err(|error| format!("it is not UTF-8 at byte {}", error.valid_up_to()))?;
    let mut json = serde_json::Deserializer::from_str(text);
    // Ignoring does not recurse, so the limit against deep recursion has no use here.
    json.disable_recursion_limit();
    json.deserialize_ignored_any(IgnoredAny).and_then(|_| json.end()).map_err(|error| error.to_string())
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

    proptest! {
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

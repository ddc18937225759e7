//! What two engines must answer alike.

use std::collections::BTreeMap;

use crate::client::Answer;

/// Headers that no two answers share.
const OF_ONE_ANSWER: [&str; 4] = ["date", "x-request-id", "x-execution-time", "x-function-logs"];
/// Errors whose words are the engine's own.
const ENGINE_ERRORS: [&str; 6] =
    ["EvalError", "RangeError", "ReferenceError", "SyntaxError", "TypeError", "URIError"];

/// Everything that a client can see of an answer, and must see on every engine.
///
/// Where the function ended with one of the engine's own errors, its class counts and its words do
/// not; the lines of a stack do not either.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    status: u16,
    headers: BTreeMap<String, String>,
    body: String,
    logs: Vec<String>,
}

impl Seen {
    /// What counts of `answer`.
    ///
    /// # Errors
    /// When its log header cannot be read.
    pub fn of(answer: &Answer) -> Result<Self, String> {
        let mut headers = answer.headers.clone();
        headers.retain(|name, _| !OF_ONE_ANSWER.contains(&name.as_str()));
        let logs: Vec<String> = answer.logs()?.iter().map(|line| without_engine_words(line)).collect();
        let mut body = answer.body.escape_ascii().to_string();
        if let Some(error) = answer.json().ok().filter(|_| answer.status >= 400) {
            let words = error["error"].as_str().unwrap_or_default();
            let code = error["code"].as_str().unwrap_or_default();
            let engine_worded = logs.last().is_some_and(|line| is_engine_error(line));
            body = if engine_worded { code.to_owned() } else { format!("{code}: {words}") };
            headers.remove("content-length");
        }
        Ok(Self { status: answer.status, headers, body, logs })
    }
}

/// The first line of what an error's stack prints, without the words that engines choose; a value
/// whose printing threw says those words too.
fn without_engine_words(line: &str) -> String {
    if let Some((before, words)) = line.split_once("[Threw: ")
        && let Some((_, after)) = words.split_once(']')
    {
        return without_engine_words(&format!("{before}[Threw]{after}"));
    }
    // The words may have lines of their own.
    let first = match line.find("\n    at ") {
        Some(stack) => &line[..stack],
        None if line.contains('\n') => return line.to_owned(),
        None => line,
    };
    match first.split_once(": ") {
        Some((class, words)) if is_engine_error(class) && !is_chosen(words) => class.to_owned(),
        _ => first.to_owned(),
    }
}

/// Messages of the programs' own errors are `u` and a number.
fn is_chosen(words: &str) -> bool {
    words.strip_prefix('u').is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
}

fn is_engine_error(line: &str) -> bool {
    line.strip_prefix("[ERROR] ").is_some_and(|class| ENGINE_ERRORS.contains(&class))
}

#[cfg(test)]
mod tests {
    use super::without_engine_words;

    #[test]
    fn only_the_words_of_engine_errors_are_left_out() {
        let of_engine = "[ERROR] TypeError: x is not a function\n    at default (f.js:1:1)";
        assert_eq!(without_engine_words(of_engine), "[ERROR] TypeError");
        let chosen = "[ERROR] TypeError: u2\n    at default (f.js:1:1)";
        assert_eq!(without_engine_words(chosen), "[ERROR] TypeError: u2");
        let of_two_lines = "[ERROR] SyntaxError: Cannot convert a\nb to a BigInt\n    at default (f.js:1:1)";
        assert_eq!(without_engine_words(of_two_lines), "[ERROR] SyntaxError");
        assert_eq!(without_engine_words("two\nlines"), "two\nlines");
        assert_eq!(without_engine_words("[ERROR] TypeError: of an engine"), "[ERROR] TypeError");
        assert_eq!(without_engine_words("1 [Threw: no #p] 2"), "1 [Threw] 2");
    }
}

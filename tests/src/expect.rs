//! Whether an answer is the expected one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use regex::Regex;
use serde_json::Value;

use crate::case::Expected;
use crate::client::Answer;
use crate::template::Names;

/// Codes with the status that each has.
const STATUSES: [(&str, u16); 25] = [
    ("INVALID_TOKEN", 401),
    ("TOO_MANY_REQUESTS", 429),
    ("FUNCTION_NOT_FOUND", 404),
    ("METHOD_NOT_ALLOWED", 405),
    ("FUNCTION_NOT_COMPILED", 400),
    ("INVALID_BODY", 400),
    ("BODY_TOO_LARGE", 413),
    ("FUNCTION_ERROR", 500),
    ("NOT_A_FUNCTION", 500),
    ("FUNCTION_TIMEOUT", 504),
    ("CPU_LIMIT", 500),
    ("MEMORY_LIMIT", 500),
    ("INVOKE_DEPTH", 500),
    ("OVERLOADED", 503),
    ("SHUTTING_DOWN", 503),
    ("STORE_UNAVAILABLE", 503),
    ("COMPILE_ERROR", 422),
    ("NOT_FOUND", 404),
    ("FORBIDDEN", 403),
    ("CONFLICT", 409),
    ("DUPLICATE_KEY", 409),
    ("NOT_SUPPORTED", 501),
    ("INVALID_ARGUMENT", 400),
    ("BAD_REQUEST", 400),
    ("INTERNAL", 500),
];

/// Checks `answer` against `expected`.
///
/// # Errors
/// The first difference, with the whole answer.
pub fn check(expected: &Expected, answer: &Answer, names: &Names) -> Result<(), String> {
    if expected.any {
        return Ok(());
    }
    compare(expected, answer, names).map_err(|difference| {
        let logs = answer.logs().unwrap_or_default();
        let body: String = answer.text().chars().take(2000).collect();
        format!("{difference}\n  status {}\n  logs {logs:#?}\n  body {body}", answer.status)
    })
}

fn compare(expected: &Expected, answer: &Answer, names: &Names) -> Result<(), String> {
    let by_code = expected.code.as_deref().map(status_of).transpose()?;
    let status = expected.status.or(by_code).unwrap_or(200);
    if answer.status != status {
        return Err(format!("expected status {status}, got {}", answer.status));
    }
    compare_error(expected, answer, names)?;
    compare_body(expected, answer, names)?;
    compare_headers(expected, answer, names)?;
    compare_logs(expected, answer, names)
}

fn status_of(code: &str) -> Result<u16, String> {
    let found = STATUSES.iter().find(|(known, _)| *known == code);
    found.map(|(_, status)| *status).ok_or_else(|| format!("no code is called {code}"))
}

fn compare_error(expected: &Expected, answer: &Answer, names: &Names) -> Result<(), String> {
    if expected.code.is_none() && expected.error.is_none() && expected.error_matches.is_none() {
        return Ok(());
    }
    let body = answer.json()?;
    let field = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    if let Some(code) = &expected.code {
        same("code", code, &field("code"))?;
        if body.get("requestId").and_then(Value::as_str).is_none_or(str::is_empty) {
            return Err("an error must carry a requestId".into());
        }
    }
    if let Some(error) = &expected.error {
        same("error", &names.fill(error), &field("error"))?;
    }
    if let Some(pattern) = &expected.error_matches {
        matches("error", &names.fill(pattern), &field("error"))?;
    }
    Ok(())
}

fn compare_body(expected: &Expected, answer: &Answer, names: &Names) -> Result<(), String> {
    if let Some(json) = &expected.json {
        let json = names.fill_json(json);
        let body = answer.json()?;
        if body != json {
            return Err(format!("expected the body {json}, got {body}"));
        }
    }
    for (pointer, value) in &expected.at {
        let body = answer.json()?;
        let value = names.fill_json(value);
        if body.pointer(pointer) != Some(&value) {
            return Err(format!("expected {value} at {pointer}, got {:?}", body.pointer(pointer)));
        }
    }
    if let Some(text) = &expected.text {
        same("body", &names.fill(text), &answer.text())?;
    }
    if let Some(pattern) = &expected.text_matches {
        matches("body", &names.fill(pattern), &answer.text())?;
    }
    if let Some(bytes) = &expected.body_base64 {
        same("body in base64", bytes, &STANDARD.encode(&answer.body))?;
    }
    match expected.length {
        Some(length) if length != answer.body.len() => {
            Err(format!("expected {length} bytes of body, got {}", answer.body.len()))
        }
        _ => Ok(()),
    }
}

fn compare_headers(expected: &Expected, answer: &Answer, names: &Names) -> Result<(), String> {
    for (name, value) in &expected.headers {
        let got = answer.headers.get(&name.to_ascii_lowercase());
        match (value.strip_prefix('~'), got) {
            (_, None) if value.is_empty() => {}
            (_, None) => return Err(format!("the header {name} is missing")),
            (Some(pattern), Some(got)) => matches(name, &names.fill(pattern), got)?,
            (None, Some(got)) => same(name, &names.fill(value), got)?,
        }
    }
    Ok(())
}

fn compare_logs(expected: &Expected, answer: &Answer, names: &Names) -> Result<(), String> {
    if let Some(lines) = &expected.logs {
        let lines: Vec<_> = lines.iter().map(|line| names.fill(line)).collect();
        let got = answer.logs()?;
        if got != lines {
            return Err(format!("expected the log {lines:#?}, got {got:#?}"));
        }
    }
    if let Some(patterns) = &expected.logs_match {
        let got = answer.logs()?;
        if got.len() != patterns.len() {
            return Err(format!("expected {} log lines, got {}", patterns.len(), got.len()));
        }
        for (pattern, line) in patterns.iter().zip(&got) {
            matches("log line", &names.fill(pattern), line)?;
        }
    }
    Ok(())
}

fn same(what: &str, expected: &str, got: &str) -> Result<(), String> {
    if expected == got { Ok(()) } else { Err(format!("expected the {what} {expected:?}, got {got:?}")) }
}

fn matches(what: &str, pattern: &str, got: &str) -> Result<(), String> {
    let regex = Regex::new(pattern).map_err(|error| error.to_string())?;
    if regex.is_match(got) {
        Ok(())
    } else {
        Err(format!("expected the {what} to match {pattern:?}, got {got:?}"))
    }
}

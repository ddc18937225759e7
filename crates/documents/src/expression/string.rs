use bson::Bson;
use tandem_contract::Result;

use super::arithmetic::{NULL, number};
use super::operators::{ANY, Arguments, Named, Operator, Run};
use super::{Value, date_format, is_nullish, number_format, type_name};
use crate::depth::check_size;
use crate::error::{invalid, not_supported};
use crate::number::Number;
use crate::work::Growing;

pub(super) const OPERATORS: &[Operator] = &[
    Operator { name: "$concat", arity: (0, ANY), run: Run::Each(concat) },
    Operator { name: "$toUpper", arity: (1, 1), run: Run::All(change_case) },
    Operator { name: "$toLower", arity: (1, 1), run: Run::All(change_case) },
    Operator { name: "$substr", arity: (3, 3), run: Run::All(substring_bytes) },
    Operator { name: "$substrBytes", arity: (3, 3), run: Run::All(substring_bytes) },
    Operator { name: "$substrCP", arity: (3, 3), run: Run::All(substring_points) },
    Operator { name: "$strLenBytes", arity: (1, 1), run: Run::All(length) },
    Operator { name: "$strLenCP", arity: (1, 1), run: Run::All(length) },
    Operator { name: "$strcasecmp", arity: (2, 2), run: Run::All(compare_ignoring_case) },
    Operator { name: "$split", arity: (2, 2), run: Run::All(split) },
];

pub(super) const NAMED: &[Named] = &[
    Named::new("$trim", &["input", "chars"], 1, trim).folding(),
    Named::new("$ltrim", &["input", "chars"], 1, trim).folding(),
    Named::new("$rtrim", &["input", "chars"], 1, trim).folding(),
];

/// What `$trim` takes off when it is not told.
const WHITESPACE: &str = "\0\t\n\u{b}\u{c}\r \u{a0}\u{1680}\u{2000}\u{2001}\u{2002}\u{2003}\u{2004}\u{2005}\u{2006}\u{2007}\u{2008}\u{2009}\u{200a}";

/// The text an operator needs.
pub(super) fn text<'a>(name: &str, value: &'a Value) -> Result<&'a str> {
    match value {
        Some(Bson::String(text)) => Ok(text),
        value => Err(invalid(format!("{name} needs strings, not {}", type_name(value)))),
    }
}

/// Text made of a number, a date or nothing, as the older string operators do.
fn coerce(name: &str, value: &Value) -> Result<String> {
    Ok(match value {
        value if is_nullish(value) => String::new(),
        Some(Bson::String(text) | Bson::Symbol(text) | Bson::JavaScriptCode(text)) => text.clone(),
        Some(Bson::Int32(number)) => number.to_string(),
        Some(Bson::Int64(number)) => number.to_string(),
        Some(Bson::Double(number)) if !number.is_finite() => number.to_string().to_lowercase(),
        Some(Bson::Double(number)) => number_format::double(*number),
        Some(Bson::Decimal128(number)) => number.to_string(),
        Some(Bson::DateTime(date)) => date_format::iso(*date)?,
        Some(Bson::Timestamp(_)) => return Err(not_supported(format!("{name} of a timestamp"))),
        value => return Err(invalid(format!("{name} cannot turn {} into a string", type_name(value)))),
    })
}

pub(super) fn string(text: impl Into<String>) -> Result<Value> {
    Ok(Some(Bson::String(text.into())))
}

fn concat(name: &'static str, values: Arguments<'_>) -> Result<Value> {
    let mut out = String::new();
    for value in values {
        let value = value?;
        if is_nullish(&value) {
            return NULL;
        }
        out.push_str(text(name, &value)?);
        check_size(out.len())?;
    }
    string(out)
}

/// Only ASCII letters change.
fn change_case(name: &'static str, values: Vec<Value>) -> Result<Value> {
    let text = coerce(name, &values[0])?;
    string(if name == "$toUpper" { text.to_ascii_uppercase() } else { text.to_ascii_lowercase() })
}

/// A number without its fraction.
fn truncated(name: &str, value: &Value) -> Result<i64> {
    Ok(match number(name, value)? {
        Number::Double(double) => double as i64,
        Number::Decimal(decimal) => decimal.to_int(crate::decimal::Rounding::HalfEven).unwrap_or(0),
        other => other.to_exact_i64().unwrap_or(0),
    })
}

fn substring_bytes(name: &'static str, values: Vec<Value>) -> Result<Value> {
    let text = coerce(name, &values[0])?;
    let (start, length) = (truncated(name, &values[1])?, truncated(name, &values[2])?);
    let start =
        usize::try_from(start).map_err(|_| invalid(format!("{name} needs a start that is not negative")))?;
    // A negative length means the rest.
    let end =
        usize::try_from(length).map_or(text.len(), |length| start.saturating_add(length).min(text.len()));
    if start >= text.len() {
        return string("");
    }
    let part = text.get(start..end);
    string(part.ok_or_else(|| invalid(format!("{name} would cut a UTF-8 character in two")))?)
}

fn substring_points(name: &'static str, values: Vec<Value>) -> Result<Value> {
    let text = coerce(name, &values[0])?;
    let index = |value: &Value| {
        let whole = number(name, value)?.to_exact_i64().and_then(|whole| i32::try_from(whole).ok());
        let whole = whole.and_then(|whole| usize::try_from(whole).ok());
        whole.ok_or_else(|| {
            invalid(format!("{name} needs a start and a length that are whole and not negative"))
        })
    };
    let (start, length) = (index(&values[1])?, index(&values[2])?);
    string(text.chars().skip(start).take(length).collect::<String>())
}

fn length(name: &'static str, values: Vec<Value>) -> Result<Value> {
    let text = text(name, &values[0])?;
    let length = if name == "$strLenCP" { text.chars().count() } else { text.len() };
    Ok(Some(Bson::Int32(length as i32)))
}

fn compare_ignoring_case(name: &'static str, values: Vec<Value>) -> Result<Value> {
    let upper = |value: &Value| Ok::<_, tandem_contract::Error>(coerce(name, value)?.to_ascii_uppercase());
    Ok(Some(Bson::Int32(upper(&values[0])?.cmp(&upper(&values[1])?) as i32)))
}

fn split(name: &'static str, values: Vec<Value>) -> Result<Value> {
    if is_nullish(&values[0]) || is_nullish(&values[1]) {
        return NULL;
    }
    let (text, separator) = (text(name, &values[0])?, text(name, &values[1])?);
    if separator.is_empty() {
        return Err(invalid("$split needs a separator that is not empty"));
    }
    let mut parts = Growing::default();
    parts.extend(text.split(separator).map(|part| Bson::String(part.to_owned())))?;
    Ok(parts.into_value())
}

fn trim(name: &'static str, arguments: Vec<Option<Value>>) -> Result<Value> {
    let input = arguments[0].clone().flatten();
    if is_nullish(&input) || arguments[1].as_ref().is_some_and(is_nullish) {
        return NULL;
    }
    let mut rest = text(name, &input)?;
    let set = match &arguments[1] {
        Some(set) => text(name, set)?,
        None => WHITESPACE,
    };
    if name != "$rtrim" {
        rest = rest.trim_start_matches(|character| set.contains(character));
    }
    if name != "$ltrim" {
        rest = rest.trim_end_matches(|character| set.contains(character));
    }
    string(rest)
}

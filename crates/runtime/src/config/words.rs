//! What is said of a key or a value that does not belong.

use figment::error::{Actual, Kind};
use figment::value::{Dict, Value};

use super::error::Problem;
use super::layers::Layer;
use super::shape::Shape;

/// The keys of a layer that nothing reads, and the values that stand where a section belongs.
pub(super) fn misplaced(layer: &Layer, shape: &Shape) -> Vec<Problem> {
    let mut problems = Vec::new();
    walk(layer, shape, &layer.values, &mut Vec::new(), &mut problems);
    problems
}

fn walk(layer: &Layer, shape: &Shape, values: &Dict, path: &mut Vec<String>, problems: &mut Vec<Problem>) {
    for (key, value) in values {
        path.push(key.clone());
        let message = match (shape.child(key), value) {
            (None, _) => Some(unknown(shape, path)),
            (Some(below), Value::Dict(_, values)) => {
                if matches!(below, Shape::Value { .. }) {
                    Some("is one value, not a section".to_owned())
                } else {
                    walk(layer, &below, values, path, problems);
                    None
                }
            }
            (Some(Shape::Table(_) | Shape::Map), _) => Some("is a section, not one value".to_owned()),
            _ => None,
        };
        if let Some(message) = message {
            problems.push(Problem { key: path.join("."), origin: layer.origin(path), message });
        }
        path.pop();
    }
}

fn unknown(shape: &Shape, path: &[String]) -> String {
    let (key, parents) = path.split_last().map_or(("", &[][..]), |(key, parents)| (key.as_str(), parents));
    match shape.nearest(key) {
        Some(near) => {
            let suggestion: Vec<&str> = parents.iter().map(String::as_str).chain([near]).collect();
            format!("unknown key; did you mean `{}`?", suggestion.join("."))
        }
        None => {
            let known = match shape {
                Shape::Table(keys) => keys.keys().map(String::as_str).collect::<Vec<_>>().join(", "),
                _ => String::new(),
            };
            format!("unknown key; known here: {known}")
        }
    }
}

/// What is wrong with a value, without the value where it is a secret.
pub(super) fn wrong_value(kind: &Kind, secret: bool) -> String {
    match kind {
        Kind::InvalidType(_, expected) | Kind::InvalidValue(_, expected) if secret => {
            format!("must be {}", expectation(expected))
        }
        Kind::InvalidType(actual, expected) | Kind::InvalidValue(actual, expected) => {
            format!("must be {}, not {}", expectation(expected), found(actual))
        }
        Kind::UnknownVariant(variant, known) if !secret => {
            format!("must be one of {}, not {variant:?}", known.join(", "))
        }
        Kind::MissingField(_) => "is missing".to_owned(),
        Kind::Message(message) if !secret => message.clone(),
        _ if secret => "is not a value that fits here".to_owned(),
        other => other.to_string(),
    }
}

/// Serde's name of what it expected, in a reader's words.
fn expectation(expected: &str) -> String {
    match expected {
        "usize" | "u64" | "u32" | "u16" | "u8" => "a whole number of at least 0".to_owned(),
        "isize" | "i64" | "i32" => "a whole number".to_owned(),
        "f64" | "f32" => "a number".to_owned(),
        "a string" | "path string" => "a text in quotes".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a sequence" => "a list".to_owned(),
        _ if expected.starts_with("struct ") || expected == "a map" => "a section".to_owned(),
        _ => expected.to_owned(),
    }
}

fn found(actual: &Actual) -> String {
    match actual {
        Actual::Bool(value) => value.to_string(),
        Actual::Unsigned(value) => value.to_string(),
        Actual::Signed(value) => value.to_string(),
        Actual::Float(value) => value.to_string(),
        Actual::Char(value) => format!("{value:?}"),
        Actual::Str(value) => format!("{value:?}"),
        Actual::Seq => "a list".to_owned(),
        Actual::Map => "a section".to_owned(),
        Actual::Unit | Actual::Option => "nothing".to_owned(),
        other => other.to_string(),
    }
}

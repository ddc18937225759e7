use bson::{Bson, doc};
use tandem_contract::Result;

use super::arithmetic::NULL;
use super::operators::Named;
use super::string::{string, text};
use super::{Value, bounded, is_nullish};
use crate::depth::check_size;
use crate::error::invalid;
use crate::regex::Pattern;

const PARAMETERS: &[&str] = &["input", "regex", "options"];
const REPLACE: &[&str] = &["input", "find", "replacement"];

pub(super) const NAMED: &[Named] = &[
    Named::new("$regexMatch", PARAMETERS, 2, regex),
    Named::new("$regexFind", PARAMETERS, 2, regex),
    Named::new("$regexFindAll", PARAMETERS, 2, regex),
    Named::new("$replaceOne", REPLACE, 3, replace),
    Named::new("$replaceAll", REPLACE, 3, replace),
];

fn regex(name: &'static str, arguments: Vec<Option<Value>>) -> Result<Value> {
    let pattern = pattern(name, &arguments)?;
    let input = arguments[0].clone().flatten();
    let nothing = || match name {
        "$regexMatch" => Bson::Boolean(false),
        "$regexFind" => Bson::Null,
        _ => Bson::Array(Vec::new()),
    };
    if !is_nullish(&input) {
        text(name, &input)?;
    }
    let (Some(Bson::String(input)), Some(pattern)) = (&input, pattern) else { return Ok(Some(nothing())) };
    match name {
        "$regexMatch" => Ok(Some(Bson::Boolean(pattern.is_match(input)?))),
        "$regexFind" => Ok(Some(match pattern.captures(input, 0)? {
            Some(groups) => found(input, &groups),
            None => Bson::Null,
        })),
        _ => find_all(&pattern, input),
    }
}

/// The pattern of the operator; `None` when it is null.
fn pattern(name: &str, arguments: &[Option<Value>]) -> Result<Option<Pattern>> {
    let options = arguments[2].clone().flatten();
    let options = match &options {
        value if is_nullish(value) => None,
        value => Some(text(name, value)?),
    };
    match arguments[1].as_ref().and_then(Option::as_ref) {
        None | Some(Bson::Null | Bson::Undefined) => Ok(None),
        Some(Bson::String(source)) => Pattern::new(source, options.unwrap_or_default()).map(Some),
        Some(Bson::RegularExpression(regex)) => {
            let own = regex.options.as_str();
            if options.is_some() && !own.is_empty() {
                return Err(invalid(format!("{name} has options both in its regex and beside it")));
            }
            Pattern::new(regex.pattern.as_str(), options.unwrap_or(own)).map(Some)
        }
        Some(_) => Err(invalid(format!("{name} needs a string or a regular expression as its regex"))),
    }
}

type Groups = [Option<(usize, usize)>];

fn found(input: &str, groups: &Groups) -> Bson {
    let whole = groups.first().copied().flatten().unwrap_or_default();
    let captures = groups.iter().skip(1).map(|group| match group {
        Some((start, end)) => Bson::String(input[*start..*end].to_owned()),
        None => Bson::Null,
    });
    let index = input[..whole.0].chars().count() as i32;
    Bson::Document(doc! {
        "match": &input[whole.0..whole.1],
        "idx": index,
        "captures": captures.collect::<Vec<_>>(),
    })
}

fn find_all(pattern: &Pattern, input: &str) -> Result<Value> {
    let mut all = Vec::new();
    let mut start = 0;
    while let Some(groups) = pattern.captures(input, start)? {
        let (from, to) = groups.first().copied().flatten().unwrap_or_default();
        all.push(found(input, &groups));
        // An empty match moves on by a character.
        start = if from == to { to + input[to..].chars().next().map_or(1, char::len_utf8) } else { to };
        if start >= input.len() {
            break;
        }
    }
    bounded(Some(Bson::Array(all)))
}

fn replace(name: &'static str, arguments: Vec<Option<Value>>) -> Result<Value> {
    let values: Vec<Value> = arguments.into_iter().map(Option::flatten).collect();
    for value in values.iter().filter(|value| !is_nullish(value)) {
        text(name, value)?;
    }
    if values.iter().any(is_nullish) {
        return NULL;
    }
    let (input, find, replacement) = (text(name, &values[0])?, text(name, &values[1])?, text(name, &values[2])?);
    if name == "$replaceOne" {
        return string(input.replacen(find, replacement, 1));
    }
    let count = if replacement.len() > find.len() { input.matches(find).count() } else { 0 };
    check_size(input.len() + count.saturating_mul(replacement.len()))?;
    string(input.replace(find, replacement))
}

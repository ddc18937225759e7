use bson::{Bson, Document};
use tandem_contract::Result;

use super::bits::Bits;
use super::node::{Comparison, Test};
use super::parse::{is_operators, parse_level};
use crate::bson_type::TypeSet;
use crate::decimal::Rounding;
use crate::error::{invalid, not_supported};
use crate::expression::truthy;
use crate::number::{Number, exact_i64};
use crate::regex::Pattern;

/// Parses the operators of one path: `{$gt: 1, $lt: 5}`.
pub(crate) fn parse(operators: &Document) -> Result<Vec<Test>> {
    let mut tests = Vec::with_capacity(operators.len());
    for (name, operand) in operators {
        match name.as_str() {
            // Read together, at `$regex`.
            "$options" if operators.contains_key("$regex") => {}
            "$options" => return Err(invalid("$options needs a $regex")),
            "$regex" => tests.push(parse_regex(operand, operators.get("$options"))?),
            _ => tests.push(parse_one(name, operand)?),
        }
    }
    Ok(tests)
}

fn parse_one(name: &str, operand: &Bson) -> Result<Test> {
    let not = |test: Test| Test::Not(Box::new(test));
    match name {
        "$eq" => compare(name, Comparison::Equal, operand),
        "$ne" => Ok(not(compare(name, Comparison::Equal, operand)?)),
        "$lt" => compare(name, Comparison::Less, operand),
        "$lte" => compare(name, Comparison::LessOrEqual, operand),
        "$gt" => compare(name, Comparison::Greater, operand),
        "$gte" => compare(name, Comparison::GreaterOrEqual, operand),
        "$in" => parse_in(name, operand),
        "$nin" => Ok(not(parse_in(name, operand)?)),
        "$exists" => Ok(if truthy(Some(operand)) { Test::Exists } else { not(Test::Exists) }),
        "$type" => Ok(Test::Type(TypeSet::parse(operand)?)),
        "$size" => parse_size(operand),
        "$mod" => parse_mod(operand),
        "$all" => parse_all(operand),
        "$elemMatch" => parse_element_match(operand),
        "$not" => Ok(not(parse_not(operand)?)),
        "$bitsAllSet" | "$bitsAllClear" | "$bitsAnySet" | "$bitsAnyClear" => {
            Ok(Test::Bits(Bits::parse(name, operand)?))
        }
        "$geoWithin" | "$geoIntersects" | "$near" | "$nearSphere" | "$within" | "$geoNear"
        | "$maxDistance" | "$minDistance" | "$uniqueDocs" => Err(not_supported(name)),
        _ => Err(invalid(format!("There is no filter operator {name}"))),
    }
}

fn compare(name: &str, comparison: Comparison, operand: &Bson) -> Result<Test> {
    match operand {
        Bson::RegularExpression(_) if name != "$eq" => {
            Err(invalid(format!("{name} does not take a regular expression")))
        }
        Bson::Undefined => Err(invalid("A filter cannot compare with undefined")),
        operand => Ok(Test::Compare(comparison, operand.clone())),
    }
}

fn parse_in(name: &str, operand: &Bson) -> Result<Test> {
    let Bson::Array(array) = operand else { return Err(invalid(format!("{name} needs an array"))) };
    let (mut values, mut patterns) = (Vec::with_capacity(array.len()), Vec::new());
    for element in array {
        match element {
            Bson::Document(document) if is_operators(document) => {
                return Err(invalid(format!("{name} takes values, not operators")));
            }
            Bson::RegularExpression(regex) => {
                patterns.push(Pattern::new(regex.pattern.as_str(), regex.options.as_str())?);
            }
            Bson::Undefined => return Err(invalid("A filter cannot compare with undefined")),
            value => values.push(value.clone()),
        }
    }
    values.sort_by(crate::compare::compare);
    values.dedup_by(|left, right| crate::compare::compare(left, right).is_eq());
    Ok(Test::In { values, patterns })
}

fn parse_regex(operand: &Bson, options: Option<&Bson>) -> Result<Test> {
    let (source, mut flags) = match operand {
        Bson::String(source) => (source.as_str(), ""),
        Bson::RegularExpression(regex) => (regex.pattern.as_str(), regex.options.as_str()),
        _ => return Err(invalid("$regex needs a string or a regular expression")),
    };
    match options {
        None => {}
        Some(Bson::String(_)) if !flags.is_empty() => {
            return Err(invalid("Options are set both in $regex and in $options"));
        }
        Some(Bson::String(options)) => flags = options,
        Some(_) => return Err(invalid("$options needs a string")),
    }
    Ok(Test::Regex(Box::new(Pattern::new(source, flags)?)))
}

fn parse_size(operand: &Bson) -> Result<Test> {
    let size = Number::of(operand).and_then(Number::to_exact_i64).and_then(|size| usize::try_from(size).ok());
    size.map(Test::Size).ok_or_else(|| invalid("$size needs a whole number that is not negative"))
}

fn parse_mod(operand: &Bson) -> Result<Test> {
    let parts = match operand {
        Bson::Array(parts) if parts.len() == 2 => parts,
        _ => return Err(invalid("$mod needs an array of a divisor and a remainder")),
    };
    let whole = |part: &Bson| {
        let number = match Number::of(part) {
            Some(Number::Double(double)) => exact_i64(double.trunc()),
            Some(Number::Decimal(decimal)) => decimal.to_int(Rounding::Truncate),
            Some(other) => other.to_exact_i64(),
            None => None,
        };
        number.ok_or_else(|| invalid("$mod needs a divisor and a remainder that are 64-bit numbers"))
    };
    let (divisor, remainder) = (whole(&parts[0])?, whole(&parts[1])?);
    if divisor == 0 {
        return Err(invalid("$mod cannot divide by 0"));
    }
    Ok(Test::Mod { divisor, remainder })
}

fn parse_all(operand: &Bson) -> Result<Test> {
    let Bson::Array(array) = operand else { return Err(invalid("$all needs an array")) };
    if array.is_empty() {
        return Ok(Test::Never);
    }
    let is_element_match = |value: &Bson| {
        value
            .as_document()
            .and_then(|document| document.keys().next())
            .is_some_and(|first| first == "$elemMatch")
    };
    let elements = is_element_match(&array[0]);
    let tests = array.iter().map(|value| match value {
        Bson::Document(document) if elements && is_element_match(value) => {
            parse_element_match(document.get("$elemMatch").unwrap_or(&Bson::Null))
        }
        _ if elements => Err(invalid("$all takes either values or $elemMatch, not both")),
        Bson::Document(document) if is_operators(document) => {
            Err(invalid("$all takes values or $elemMatch, no other operators"))
        }
        Bson::RegularExpression(regex) => {
            let pattern = Pattern::new(regex.pattern.as_str(), regex.options.as_str())?;
            Ok(Test::Regex(Box::new(pattern)))
        }
        Bson::Undefined => Err(invalid("A filter cannot compare with undefined")),
        value => Ok(Test::Compare(Comparison::Equal, value.clone())),
    });
    Ok(Test::All(tests.collect::<Result<_>>()?))
}

/// With operators of a path the elements themselves are tested, otherwise the fields of elements
/// that are documents.
fn parse_element_match(operand: &Bson) -> Result<Test> {
    let Bson::Document(document) = operand else { return Err(invalid("$elemMatch needs a document")) };
    let first = document.keys().next().map_or("", String::as_str);
    let pathless = [
        "$and",
        "$or",
        "$nor",
        "$expr",
        "$where",
        "$text",
        "$comment",
        "$alwaysTrue",
        "$alwaysFalse",
        "$jsonSchema",
        "$sampleRate",
    ];
    if is_operators(document) && !pathless.contains(&first) && !["$ref", "$id", "$db"].contains(&first) {
        return Ok(Test::ElementPasses(parse(document)?));
    }
    Ok(Test::ElementMatches(Box::new(parse_level(document, None)?)))
}

fn parse_not(operand: &Bson) -> Result<Test> {
    match operand {
        Bson::RegularExpression(regex) => {
            let pattern = Pattern::new(regex.pattern.as_str(), regex.options.as_str())?;
            Ok(Test::Regex(Box::new(pattern)))
        }
        Bson::Document(document) if document.is_empty() => Err(invalid("$not must not be empty")),
        Bson::Document(document) => Ok(Test::All(parse(document)?)),
        _ => Err(invalid("$not needs operators or a regular expression")),
    }
}

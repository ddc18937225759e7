use bson::oid::ObjectId;
use bson::spec::ElementType;
use bson::{Bson, DateTime};
use tandem_contract::{ErrorKind, Result};

use super::arithmetic::NULL;
use super::operators::{Named, Operator, Run};
use super::{Value, date_format, date_parse, is_nullish, number_format, truthy, type_name};
use crate::bson_type::parse_type;
use crate::decimal::{Decimal, Rounding};
use crate::error::{invalid, not_supported};
use crate::number::{Number, exact_i64};

pub(super) const OPERATORS: &[Operator] = &[
    Operator { name: "$toString", arity: (1, 1), run: Run::All(shorthand) },
    Operator { name: "$toInt", arity: (1, 1), run: Run::All(shorthand) },
    Operator { name: "$toLong", arity: (1, 1), run: Run::All(shorthand) },
    Operator { name: "$toDouble", arity: (1, 1), run: Run::All(shorthand) },
    Operator { name: "$toDecimal", arity: (1, 1), run: Run::All(shorthand) },
    Operator { name: "$toBool", arity: (1, 1), run: Run::All(shorthand) },
    Operator { name: "$toDate", arity: (1, 1), run: Run::All(shorthand) },
    Operator { name: "$toObjectId", arity: (1, 1), run: Run::All(shorthand) },
    Operator { name: "$type", arity: (1, 1), run: Run::All(type_of) },
    Operator { name: "$isNumber", arity: (1, 1), run: Run::All(is_number) },
];

pub(super) const NAMED: &[Named] =
    &[Named::new("$convert", &["input", "to", "onError", "onNull"], 2, convert).folding()];

fn shorthand(name: &'static str, values: Vec<Value>) -> Result<Value> {
    let target = match name {
        "$toString" => ElementType::String,
        "$toInt" => ElementType::Int32,
        "$toLong" => ElementType::Int64,
        "$toDouble" => ElementType::Double,
        "$toDecimal" => ElementType::Decimal128,
        "$toBool" => ElementType::Boolean,
        "$toDate" => ElementType::DateTime,
        _ => ElementType::ObjectId,
    };
    match values.into_iter().next().flatten() {
        None | Some(Bson::Null | Bson::Undefined) => NULL,
        Some(value) => to_type(value, target).map(Some),
    }
}

fn type_of(_name: &'static str, values: Vec<Value>) -> Result<Value> {
    Ok(Some(Bson::String(type_name(&values[0]).to_owned())))
}

fn is_number(_name: &'static str, values: Vec<Value>) -> Result<Value> {
    Ok(Some(Bson::Boolean(values[0].as_ref().and_then(Number::of).is_some())))
}

fn convert(_name: &'static str, arguments: Vec<Option<Value>>) -> Result<Value> {
    let mut arguments = arguments.into_iter();
    let mut next = || arguments.next().flatten();
    let (input, to, on_error, on_null) = (next().flatten(), next().flatten(), next(), next());
    let target = match &to {
        to if is_nullish(to) => None,
        Some(to) => Some(parse_type(to)?),
        None => None,
    };
    let input = match input {
        None | Some(Bson::Null | Bson::Undefined) => return on_null.map_or(NULL, Ok),
        Some(input) => input,
    };
    let Some(target) = target else { return NULL };
    match (to_type(input, target), on_error) {
        // What is left out is not an error of the value: MongoDB might convert it.
        (Err(error), Some(instead)) if error.kind() == ErrorKind::InvalidArgument => Ok(instead),
        (result, _) => result.map(Some),
    }
}

fn to_type(value: Bson, target: ElementType) -> Result<Bson> {
    match target {
        ElementType::String => to_string(value),
        ElementType::Int32 => to_int(&value),
        ElementType::Int64 => to_long(&value, target).map(Bson::Int64),
        ElementType::Double => to_double(&value).map(Bson::Double),
        ElementType::Decimal128 => to_decimal(&value).map(|decimal| Bson::Decimal128(decimal.pack())),
        ElementType::Boolean => match value {
            Bson::RegularExpression(_)
            | Bson::MinKey
            | Bson::MaxKey
            | Bson::DbPointer(_)
            | Bson::Symbol(_) => {
                Err(not_supported(format!("a conversion of {} to bool", crate::bson_type::type_name(&value))))
            }
            value => Ok(Bson::Boolean(truthy(Some(&value)))),
        },
        ElementType::DateTime => to_date(&value).map(Bson::DateTime),
        ElementType::ObjectId => match &value {
            Bson::ObjectId(_) => Ok(value),
            Bson::String(text) => ObjectId::parse_str(text)
                .map(Bson::ObjectId)
                .map_err(|_| invalid(format!("\"{text}\" is not an ObjectId"))),
            _ => Err(no_conversion(&value, "objectId")),
        },
        _ => Err(no_conversion(&value, "that type")),
    }
}

fn no_conversion(value: &Bson, target: &str) -> tandem_contract::Error {
    invalid(format!("There is no conversion of {} to {target}", crate::bson_type::type_name(value)))
}

fn overflow(value: &Bson, target: &str) -> tandem_contract::Error {
    invalid(format!("{value} does not fit into {target}"))
}

fn unparsable(text: &str, target: &str) -> tandem_contract::Error {
    invalid(format!("\"{text}\" is not a number of type {target}"))
}

fn to_string(value: Bson) -> Result<Bson> {
    Ok(Bson::String(match value {
        Bson::String(text) => text,
        Bson::Boolean(value) => value.to_string(),
        Bson::Int32(number) => number.to_string(),
        Bson::Int64(number) => number.to_string(),
        Bson::Double(number) => number_format::double(number),
        Bson::Decimal128(number) => number.to_string(),
        Bson::ObjectId(id) => id.to_hex(),
        Bson::DateTime(date) => date_format::iso(date)?,
        value => return Err(no_conversion(&value, "string")),
    }))
}

fn to_int(value: &Bson) -> Result<Bson> {
    // A double is compared with the limits before its fraction is cut off, a decimal after.
    let double_fits =
        value.as_f64().is_none_or(|double| (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&double));
    let fits = i32::try_from(to_long(value, ElementType::Int32)?).ok().filter(|_| double_fits);
    fits.map(Bson::Int32).ok_or_else(|| overflow(value, "int"))
}

/// A long from which an int is made as well: both truncate.
fn to_long(value: &Bson, target: ElementType) -> Result<i64> {
    match value {
        Bson::Boolean(value) => Ok((*value).into()),
        Bson::String(text) => whole_of(text).ok_or_else(|| unparsable(text, "int or long")),
        Bson::DateTime(date) if target == ElementType::Int64 => Ok(date.timestamp_millis()),
        value => match Number::of(value) {
            Some(Number::Double(double)) => exact_i64(double.trunc()).ok_or_else(|| overflow(value, "long")),
            Some(Number::Decimal(decimal)) => {
                decimal.to_int(Rounding::Truncate).ok_or_else(|| overflow(value, "long"))
            }
            Some(other) => other.to_exact_i64().ok_or_else(|| overflow(value, "long")),
            None => Err(no_conversion(value, "int or long")),
        },
    }
}

/// Decimal digits with an optional sign, nothing else.
fn whole_of(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

fn to_double(value: &Bson) -> Result<f64> {
    match value {
        Bson::Boolean(value) => Ok(f64::from(u8::from(*value))),
        Bson::String(text) => double_of(text).ok_or_else(|| unparsable(text, "double")),
        Bson::DateTime(date) => Ok(date.timestamp_millis() as f64),
        value => {
            let number = Number::of(value).ok_or_else(|| no_conversion(value, "double"))?;
            let double = number.to_double();
            let lost = match number {
                Number::Decimal(decimal) => {
                    decimal.is_finite() && (double.is_infinite() || (double == 0.0 && !decimal.is_zero()))
                }
                _ => false,
            };
            if lost { Err(overflow(value, "double")) } else { Ok(double) }
        }
    }
}

fn double_of(text: &str) -> Option<f64> {
    let named = text.strip_prefix(['+', '-']).unwrap_or(text).to_ascii_lowercase();
    let finite = named.starts_with(|first: char| first.is_ascii_digit() || first == '.');
    if !finite && !["inf", "infinity", "nan"].contains(&named.as_str()) {
        return None;
    }
    let value: f64 = text.parse().ok()?;
    let zero =
        named.split('e').next().is_some_and(|digits| digits.bytes().all(|byte| matches!(byte, b'0' | b'.')));
    let out_of_range = finite && (value.is_infinite() || value.is_subnormal() || (value == 0.0 && !zero));
    (!out_of_range).then_some(value)
}

fn to_decimal(value: &Bson) -> Result<Decimal> {
    match value {
        Bson::Boolean(value) => Ok(Decimal::from_int((*value).into())),
        Bson::DateTime(date) => Ok(Decimal::from_int(date.timestamp_millis().into())),
        Bson::String(text) => Decimal::parse(text).ok_or_else(|| unparsable(text, "decimal")),
        value => Number::of(value).map(Number::to_decimal).ok_or_else(|| no_conversion(value, "decimal")),
    }
}

fn to_date(value: &Bson) -> Result<DateTime> {
    match value {
        Bson::DateTime(date) => Ok(*date),
        Bson::ObjectId(id) => Ok(id.timestamp()),
        Bson::Timestamp(timestamp) => Ok(DateTime::from_millis(i64::from(timestamp.time) * 1000)),
        Bson::String(text) => date_parse::parse(text, None),
        Bson::Int64(_) | Bson::Double(_) | Bson::Decimal128(_) => {
            to_long(value, ElementType::Int64).map(DateTime::from_millis)
        }
        value => Err(no_conversion(value, "date")),
    }
}

use bson::Bson;
use tandem_contract::Result;

use super::arithmetic::{NULL, number};
use super::operators::{Operator, Run};
use super::{Value, is_nullish};
use crate::decimal::{Decimal, Rounding};
use crate::error::{invalid, not_supported};
use crate::number::Number;

pub(super) const OPERATORS: &[Operator] = &[
    Operator { name: "$ceil", arity: (1, 1), run: Run::All(whole) },
    Operator { name: "$floor", arity: (1, 1), run: Run::All(whole) },
    Operator { name: "$round", arity: (1, 2), run: Run::All(at_place) },
    Operator { name: "$trunc", arity: (1, 2), run: Run::All(at_place) },
];

fn whole(name: &'static str, values: Vec<Value>) -> Result<Value> {
    if is_nullish(&values[0]) {
        return NULL;
    }
    let up = name == "$ceil";
    Ok(Some(match number(name, &values[0])? {
        Number::Double(value) => Bson::Double(if up { value.ceil() } else { value.floor() }),
        Number::Decimal(value) => {
            let rounding = if up { Rounding::Ceiling } else { Rounding::Floor };
            Bson::Decimal128(value.round(0, rounding).pack())
        }
        integer => integer.into_bson(),
    }))
}

/// Rounds half to even, or truncates, at a decimal place.
fn at_place(name: &'static str, values: Vec<Value>) -> Result<Value> {
    let place = values.get(1).cloned().unwrap_or(Some(Bson::Int32(0)));
    if is_nullish(&values[0]) || is_nullish(&place) {
        return NULL;
    }
    let value = number(name, &values[0])?;
    let place = number(name, &place)?.to_exact_i64().filter(|place| (-20..=100).contains(place));
    let place = place.ok_or_else(|| invalid(format!("{name} needs a place from -20 to 100")))? as i32;
    let rounding = if name == "$round" { Rounding::HalfEven } else { Rounding::Truncate };
    Ok(Some(match value {
        Number::Double(value) if !value.is_finite() => Bson::Double(value),
        Number::Double(value) if place == 0 => Bson::Double(match rounding {
            Rounding::Truncate => value.trunc(),
            _ => value.round_ties_even(),
        }),
        Number::Double(value) => Bson::Double(Decimal::from_double(value).round(place, rounding).to_double()),
        Number::Decimal(value) => match value.quantize(place, rounding) {
            Some(rounded) => Bson::Decimal128(rounded.pack()),
            None => return Err(not_supported(format!("{name} of decimals to more than 34 digits"))),
        },
        integer if place >= 0 => integer.into_bson(),
        integer => {
            let rounded = integer.to_decimal().round(place, rounding).to_int(Rounding::Truncate);
            let rounded = rounded.ok_or_else(|| invalid(format!("The result of {name} does not fit")))?;
            match (integer, i32::try_from(rounded)) {
                (Number::Int32(_), Ok(rounded)) => Bson::Int32(rounded),
                _ => Bson::Int64(rounded),
            }
        }
    }))
}

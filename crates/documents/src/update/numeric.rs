use bson::Bson;
use tandem_contract::Result;

use crate::decimal::Decimal;
use crate::error::invalid;
use crate::expression::binary;
use crate::number::Number;

/// Adds; whole numbers that outgrow 32 bits become longs.
pub(super) fn increment(value: &Bson, amount: Number, path: &str) -> Result<Bson> {
    let left = number("$inc", value, path)?;
    let sum = fit("$inc", path, left, amount, i64::checked_add, |l, r| l + r, Decimal::add)?;
    Ok(unless_equal(value, sum))
}

pub(super) fn multiply(value: &Bson, factor: Number, path: &str) -> Result<Bson> {
    let left = number("$mul", value, path)?;
    let product = fit("$mul", path, left, factor, i64::checked_mul, |l, r| l * r, Decimal::multiply)?;
    Ok(unless_equal(value, product))
}

/// A negative zero stays one when zero is added.
fn unless_equal(value: &Bson, result: Bson) -> Bson {
    match (value, &result) {
        (Bson::Double(before), Bson::Double(after)) if before == after => value.clone(),
        _ => result,
    }
}

fn number(operator: &str, value: &Bson, path: &str) -> Result<Number> {
    let kind = crate::bson_type::type_name(value);
    Number::of(value)
        .ok_or_else(|| invalid(format!("{operator} needs a number at \"{path}\", which holds {kind}")))
}

/// Unlike an expression, an update does not turn a long that overflows into a double.
fn fit(
    operator: &str,
    path: &str,
    left: Number,
    right: Number,
    integer: fn(i64, i64) -> Option<i64>,
    double: fn(f64, f64) -> f64,
    decimal: fn(Decimal, Decimal) -> Decimal,
) -> Result<Bson> {
    let whole = |number| matches!(number, Number::Int32(_) | Number::Int64(_));
    let result = binary(left, right, integer, double, decimal);
    if whole(left) && whole(right) && matches!(result, Bson::Double(_)) {
        return Err(invalid(format!("The result of {operator} at \"{path}\" does not fit in a long")));
    }
    Ok(result)
}

/// Zero in the type that a product with `factor` has.
pub(super) fn zero_like(factor: Number) -> Bson {
    binary(Number::Int32(0), factor, i64::checked_mul, |l, r| l * r, Decimal::multiply)
}

/// One operation of `$bit`.
#[derive(Clone, Debug)]
pub(super) struct Bit {
    apply: fn(i64, i64) -> i64,
    operand: i64,
    long: bool,
}

impl Bit {
    /// Parses `{and: 10}` or several operations, done in order.
    pub(super) fn parse(path: &str, operand: &Bson) -> Result<Vec<Self>> {
        let wrong = || {
            invalid(format!(
                "$bit of \"{path}\" takes {{and: n}}, {{or: n}} or {{xor: n}} with ints or longs"
            ))
        };
        let Bson::Document(operations) = operand else { return Err(wrong()) };
        if operations.is_empty() {
            return Err(wrong());
        }
        let parsed = operations.iter().map(|(name, operand)| {
            let apply: fn(i64, i64) -> i64 = match name.as_str() {
                "and" => |l, r| l & r,
                "or" => |l, r| l | r,
                "xor" => |l, r| l ^ r,
                _ => return Err(wrong()),
            };
            match operand {
                Bson::Int32(operand) => Ok(Self { apply, operand: (*operand).into(), long: false }),
                Bson::Int64(operand) => Ok(Self { apply, operand: *operand, long: true }),
                _ => Err(wrong()),
            }
        });
        parsed.collect()
    }
}

pub(super) fn bits(value: &Bson, bits: &[Bit], path: &str) -> Result<Bson> {
    let (mut number, mut long) = match value {
        Bson::Int32(value) => (i64::from(*value), false),
        Bson::Int64(value) => (*value, true),
        _ => return Err(invalid(format!("$bit needs an int or a long at \"{path}\""))),
    };
    for bit in bits {
        number = (bit.apply)(number, bit.operand);
        long |= bit.long;
    }
    Ok(if long { Bson::Int64(number) } else { Bson::Int32(number as i32) })
}

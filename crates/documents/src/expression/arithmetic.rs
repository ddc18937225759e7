use bson::{Bson, DateTime};
use tandem_contract::Result;

use super::operators::{ANY, Arguments, Operator, Run};
use super::{Summation, Value, is_nullish, type_name};
use crate::decimal::Decimal;
use crate::error::{invalid, not_supported};
use crate::number::Number;

pub(super) const OPERATORS: &[Operator] = &[
    Operator { name: "$add", arity: (0, ANY), run: Run::Each(add) },
    Operator { name: "$subtract", arity: (2, 2), run: Run::All(subtract) },
    Operator { name: "$multiply", arity: (0, ANY), run: Run::Each(multiply) },
    Operator { name: "$divide", arity: (2, 2), run: Run::All(divide) },
    Operator { name: "$mod", arity: (2, 2), run: Run::All(modulo) },
    Operator { name: "$abs", arity: (1, 1), run: Run::All(abs) },
    Operator { name: "$pow", arity: (2, 2), run: Run::All(pow) },
    Operator { name: "$sqrt", arity: (1, 1), run: Run::All(double_function) },
    Operator { name: "$exp", arity: (1, 1), run: Run::All(double_function) },
    Operator { name: "$ln", arity: (1, 1), run: Run::All(double_function) },
    Operator { name: "$log10", arity: (1, 1), run: Run::All(double_function) },
    Operator { name: "$log", arity: (2, 2), run: Run::All(log) },
    Operator { name: "$sin", arity: (1, 1), run: Run::All(double_function) },
    Operator { name: "$cos", arity: (1, 1), run: Run::All(double_function) },
    Operator { name: "$tan", arity: (1, 1), run: Run::All(double_function) },
    Operator { name: "$asin", arity: (1, 1), run: Run::All(double_function) },
    Operator { name: "$acos", arity: (1, 1), run: Run::All(double_function) },
    Operator { name: "$atan", arity: (1, 1), run: Run::All(double_function) },
    Operator { name: "$sinh", arity: (1, 1), run: Run::All(double_function) },
    Operator { name: "$cosh", arity: (1, 1), run: Run::All(double_function) },
    Operator { name: "$tanh", arity: (1, 1), run: Run::All(double_function) },
    Operator { name: "$degreesToRadians", arity: (1, 1), run: Run::All(double_function) },
    Operator { name: "$radiansToDegrees", arity: (1, 1), run: Run::All(double_function) },
    Operator { name: "$sum", arity: (0, ANY), run: Run::All(sum) },
    Operator { name: "$avg", arity: (0, ANY), run: Run::All(avg) },
    Operator { name: "$stdDevPop", arity: (0, ANY), run: Run::All(std_dev) },
    Operator { name: "$stdDevSamp", arity: (0, ANY), run: Run::All(std_dev) },
];

pub(super) const NULL: Result<Value> = Ok(Some(Bson::Null));

/// The number an operator needs.
pub(super) fn number(name: &str, value: &Value) -> Result<Number> {
    let number = value.as_ref().and_then(Number::of);
    number.ok_or_else(|| invalid(format!("{name} needs numbers, not {}", type_name(value))))
}

fn add(name: &'static str, values: Arguments<'_>) -> Result<Value> {
    let mut sum = Summation::default();
    let mut dated = false;
    for value in values {
        match &value? {
            Some(Bson::DateTime(_)) if dated => return Err(invalid("$add takes only one date")),
            Some(Bson::DateTime(date)) => {
                dated = true;
                sum.add_long(date.timestamp_millis());
            }
            value if is_nullish(value) => return NULL,
            value => sum.add(number(name, value)?),
        }
    }
    if !dated {
        return Ok(Some(sum.result()));
    }
    let millis = if sum.is_decimal() {
        sum.to_decimal().to_int(crate::decimal::Rounding::HalfEven)
    } else {
        sum.to_long()
    };
    let millis = millis.ok_or_else(|| invalid("$add goes beyond the range of dates"))?;
    Ok(Some(DateTime::from_millis(millis).into()))
}

fn subtract(name: &'static str, values: Vec<Value>) -> Result<Value> {
    let (left, right) = (&values[0], &values[1]);
    if is_nullish(left) || is_nullish(right) {
        return NULL;
    }
    let beyond = || invalid("$subtract goes beyond the range of dates");
    if let Some(Bson::DateTime(left)) = left {
        let left = left.timestamp_millis();
        return Ok(Some(match right {
            Some(Bson::DateTime(right)) => {
                Bson::Int64(left.checked_sub(right.timestamp_millis()).ok_or_else(beyond)?)
            }
            right => {
                let millis = match number(name, right)? {
                    Number::Double(right) => right as i64,
                    Number::Decimal(right) => {
                        right.to_int(crate::decimal::Rounding::HalfEven).ok_or_else(beyond)?
                    }
                    right => right.to_exact_i64().ok_or_else(beyond)?,
                };
                DateTime::from_millis(left.checked_sub(millis).ok_or_else(beyond)?).into()
            }
        }));
    }
    let (left, right) = (number(name, left)?, number(name, right)?);
    Ok(Some(binary(left, right, i64::checked_sub, |l, r| l - r, Decimal::subtract)))
}

/// Computes in the wider type of the two; integers that outgrow 64 bits become doubles.
pub(crate) fn binary(
    left: Number,
    right: Number,
    integer: fn(i64, i64) -> Option<i64>,
    double: fn(f64, f64) -> f64,
    decimal: fn(Decimal, Decimal) -> Decimal,
) -> Bson {
    match (left, right) {
        (Number::Decimal(_), _) | (_, Number::Decimal(_)) => {
            Bson::Decimal128(decimal(left.to_decimal(), right.to_decimal()).pack())
        }
        (Number::Double(_), _) | (_, Number::Double(_)) => {
            Bson::Double(double(left.to_double(), right.to_double()))
        }
        _ => {
            let narrow = matches!((left, right), (Number::Int32(_), Number::Int32(_)));
            let whole = left.to_exact_i64().zip(right.to_exact_i64());
            match whole.and_then(|(left, right)| integer(left, right)) {
                Some(value) if narrow => i32::try_from(value).map_or(Bson::Int64(value), Bson::Int32),
                Some(value) => Bson::Int64(value),
                None => Bson::Double(double(left.to_double(), right.to_double())),
            }
        }
    }
}

fn multiply(name: &'static str, values: Arguments<'_>) -> Result<Value> {
    let mut product = Bson::Int32(1);
    for value in values {
        let value = value?;
        if is_nullish(&value) {
            return NULL;
        }
        let factor = number(name, &value)?;
        if let Some(left) = Number::of(&product) {
            product = binary(left, factor, i64::checked_mul, |l, r| l * r, Decimal::multiply);
        }
    }
    Ok(Some(product))
}

fn divide(name: &'static str, values: Vec<Value>) -> Result<Value> {
    let Some((left, right)) = pair(name, &values)? else { return NULL };
    if right.is_zero() {
        return Err(invalid("$divide cannot divide by zero"));
    }
    Ok(Some(binary(left, right, |_, _| None, |l, r| l / r, Decimal::divide)))
}

fn modulo(name: &'static str, values: Vec<Value>) -> Result<Value> {
    let Some((left, right)) = pair(name, &values)? else { return NULL };
    if right.is_zero() {
        return Err(invalid("$mod cannot divide by zero"));
    }
    // A double that is a whole number of 32 bits divides an int as an int does.
    let right = match (left, right) {
        (Number::Int32(_) | Number::Int64(_), Number::Double(double)) => {
            let narrow = right.to_exact_i64().and_then(|whole| i32::try_from(whole).ok());
            narrow.map_or(Number::Double(double), Number::Int32)
        }
        _ => right,
    };
    let integer = |l: i64, r: i64| Some(l.wrapping_rem(r));
    Ok(Some(binary(left, right, integer, |l, r| l % r, Decimal::remainder)))
}

/// Two numbers; `None` when either is null.
fn pair(name: &str, values: &[Value]) -> Result<Option<(Number, Number)>> {
    if is_nullish(&values[0]) || is_nullish(&values[1]) {
        return Ok(None);
    }
    Ok(Some((number(name, &values[0])?, number(name, &values[1])?)))
}

fn abs(name: &'static str, values: Vec<Value>) -> Result<Value> {
    if is_nullish(&values[0]) {
        return NULL;
    }
    Ok(Some(match number(name, &values[0])? {
        Number::Int32(value) => value.checked_abs().map_or(Bson::Int64(i64::from(value).abs()), Bson::Int32),
        Number::Int64(value) => {
            Bson::Int64(value.checked_abs().ok_or_else(|| invalid("$abs of the lowest long does not fit"))?)
        }
        Number::Double(value) => Bson::Double(value.abs()),
        Number::Decimal(value) => {
            Bson::Decimal128(if value.is_negative() { value.negate() } else { value }.pack())
        }
    }))
}

fn pow(name: &'static str, values: Vec<Value>) -> Result<Value> {
    let Some((base, exponent)) = pair(name, &values)? else { return NULL };
    if base.is_zero() && exponent.to_double() < 0.0 {
        return Err(invalid("$pow cannot take a base of 0 and a negative exponent"));
    }
    match (base, exponent) {
        (Number::Decimal(_), _) | (_, Number::Decimal(_)) => return Err(not_supported("$pow of decimals")),
        (Number::Double(_), _) | (_, Number::Double(_)) => {
            return Ok(Some(Bson::Double(base.to_double().powf(exponent.to_double()))));
        }
        _ => {}
    }
    let narrow = matches!((base, exponent), (Number::Int32(_), Number::Int32(_)));
    let whole = base.to_exact_i64().zip(exponent.to_exact_i64());
    let power = whole.and_then(|(base, exponent)| match (base, u32::try_from(exponent)) {
        (0 | 1, _) => Some(if exponent == 0 { 1 } else { base }),
        (-1, _) => Some(if exponent % 2 == 0 { 1 } else { -1 }),
        (_, Ok(exponent)) => base.checked_pow(exponent),
        _ => None,
    });
    Ok(Some(match power {
        Some(power) if narrow => i32::try_from(power).map_or(Bson::Int64(power), Bson::Int32),
        Some(power) => Bson::Int64(power),
        None => Bson::Double(base.to_double().powf(exponent.to_double())),
    }))
}

fn log(name: &'static str, values: Vec<Value>) -> Result<Value> {
    let Some((argument, base)) = pair(name, &values)? else { return NULL };
    if matches!(argument, Number::Decimal(_)) || matches!(base, Number::Decimal(_)) {
        return Err(not_supported("$log of decimals"));
    }
    let (argument, base) = (argument.to_double(), base.to_double());
    if argument <= 0.0 || base <= 0.0 || base == 1.0 {
        return Err(invalid("$log needs a positive number and a positive base other than 1"));
    }
    Ok(Some(Bson::Double(argument.ln() / base.ln())))
}

/// Functions of one double. Decimals are refused: their last digits are not worked out here.
fn double_function(name: &'static str, values: Vec<Value>) -> Result<Value> {
    if is_nullish(&values[0]) {
        return NULL;
    }
    let number = number(name, &values[0])?;
    if matches!(number, Number::Decimal(_)) {
        return Err(not_supported(format!("{name} of decimals")));
    }
    let x = number.to_double();
    let outside = || invalid(format!("{name} is not defined for {x}"));
    let finite = |result: f64| if x.is_infinite() { Err(outside()) } else { Ok(result) };
    let unit = |result: f64| if x.abs() > 1.0 { Err(outside()) } else { Ok(result) };
    let result = match name {
        "$sqrt" => (x >= 0.0 || x.is_nan()).then_some(x.sqrt()).ok_or_else(outside),
        "$exp" => Ok(x.exp()),
        "$ln" => (x > 0.0 || x.is_nan()).then_some(x.ln()).ok_or_else(outside),
        "$log10" => (x > 0.0 || x.is_nan()).then_some(x.log10()).ok_or_else(outside),
        "$sin" => finite(x.sin()),
        "$cos" => finite(x.cos()),
        "$tan" => finite(x.tan()),
        "$asin" => unit(x.asin()),
        "$acos" => unit(x.acos()),
        "$atan" => Ok(x.atan()),
        "$sinh" => Ok(x.sinh()),
        "$cosh" => Ok(x.cosh()),
        "$tanh" => Ok(x.tanh()),
        "$degreesToRadians" => Ok(x * (std::f64::consts::PI / 180.0)),
        _ => Ok(x * (180.0 / std::f64::consts::PI)),
    };
    Ok(Some(Bson::Double(result?)))
}

/// What an accumulator as an expression takes: its arguments, or the elements of its only one.
pub(super) fn spread(mut values: Vec<Value>) -> Vec<Value> {
    match values.as_mut_slice() {
        [Some(Bson::Array(array))] => std::mem::take(array).into_iter().map(Some).collect(),
        _ => values,
    }
}

fn sum(_name: &'static str, values: Vec<Value>) -> Result<Value> {
    let mut sum = Summation::default();
    spread(values).iter().flatten().filter_map(Number::of).for_each(|number| sum.add(number));
    Ok(Some(sum.result()))
}

fn avg(_name: &'static str, values: Vec<Value>) -> Result<Value> {
    let mut average = crate::pipeline::Average::default();
    spread(values).iter().flatten().filter_map(Number::of).for_each(|number| average.add(number));
    Ok(Some(average.result()))
}

fn std_dev(name: &'static str, values: Vec<Value>) -> Result<Value> {
    let mut deviation = crate::pipeline::Deviation::default();
    spread(values).iter().flatten().filter_map(Number::of).for_each(|number| deviation.add(number));
    Ok(Some(deviation.result(name == "$stdDevSamp")))
}

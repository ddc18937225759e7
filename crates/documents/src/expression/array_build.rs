use bson::Bson;
use tandem_contract::Result;

use super::arithmetic::NULL;
use super::array::{array, whole};
use super::operators::{ANY, Arguments, Named, Operator, Run};
use super::{Value, is_nullish};
use crate::depth::check_size;
use crate::error::invalid;
use crate::slice::slice_of;
use crate::work::Growing;

pub(super) const OPERATORS: &[Operator] = &[
    Operator { name: "$concatArrays", arity: (0, ANY), run: Run::Each(concat) },
    Operator { name: "$slice", arity: (2, 3), run: Run::All(slice) },
    Operator { name: "$range", arity: (2, 3), run: Run::All(range) },
    Operator { name: "$reverseArray", arity: (1, 1), run: Run::All(reverse) },
];

pub(super) const NAMED: &[Named] = &[Named::new("$zip", &["inputs", "useLongestLength", "defaults"], 1, zip)];

fn concat(name: &'static str, values: Arguments<'_>) -> Result<Value> {
    let mut all = Growing::default();
    for value in values {
        let value = value?;
        if is_nullish(&value) {
            return NULL;
        }
        all.extend(array(name, &value)?.iter().cloned())?;
    }
    Ok(all.into_value())
}

fn slice(name: &'static str, values: Vec<Value>) -> Result<Value> {
    if values.iter().any(is_nullish) {
        return NULL;
    }
    let array = array(name, &values[0])?;
    let first = whole(name, &values[1])?;
    let length = match values.get(2) {
        None => None,
        Some(count) => {
            let count = usize::try_from(whole(name, count)?).ok().filter(|count| *count > 0);
            Some(
                count
                    .ok_or_else(|| invalid("$slice needs a positive number of elements after a position"))?,
            )
        }
    };
    Ok(Some(Bson::Array(slice_of(array, first.into(), length).to_vec())))
}

fn range(name: &'static str, values: Vec<Value>) -> Result<Value> {
    let (start, end) = (i64::from(whole(name, &values[0])?), i64::from(whole(name, &values[1])?));
    let step = values.get(2).map_or(Ok(1), |step| whole(name, step))?;
    if step == 0 {
        return Err(invalid("$range needs a step other than zero"));
    }
    let distance = if step > 0 { end - start } else { start - end }.max(0);
    let count = (distance as u64).div_ceil(u64::from(step.unsigned_abs()));
    // Each element takes at least 7 bytes: type, one digit, NUL, four bytes.
    check_size((count as usize).saturating_mul(7))?;
    let elements = (0..count).map(|index| Bson::Int32((start + index as i64 * i64::from(step)) as i32));
    let mut range = Growing::default();
    range.extend(elements)?;
    Ok(range.into_value())
}

fn reverse(name: &'static str, values: Vec<Value>) -> Result<Value> {
    if is_nullish(&values[0]) {
        return NULL;
    }
    Ok(Some(Bson::Array(array(name, &values[0])?.iter().rev().cloned().collect())))
}

fn zip(name: &'static str, arguments: Vec<Option<Value>>) -> Result<Value> {
    let inputs = arguments[0].clone().flatten();
    if is_nullish(&inputs) {
        return NULL;
    }
    let inputs = array(name, &inputs)?;
    if inputs.is_empty() {
        return Err(invalid("$zip needs at least one array"));
    }
    let longest = match &arguments[1] {
        None => false,
        Some(Some(Bson::Boolean(longest))) => *longest,
        Some(_) => return Err(invalid("$zip needs a boolean as useLongestLength")),
    };
    let defaults = arguments[2].clone().flatten();
    let defaults = if is_nullish(&defaults) { &[][..] } else { array(name, &defaults)? };
    if !defaults.is_empty() && (!longest || defaults.len() != inputs.len()) {
        return Err(invalid("$zip needs as many defaults as inputs, and useLongestLength with them"));
    }
    let mut arrays = Vec::with_capacity(inputs.len());
    for input in inputs {
        match input {
            Bson::Null | Bson::Undefined => return NULL,
            Bson::Array(array) => arrays.push(array.as_slice()),
            _ => return Err(invalid("$zip needs arrays as its inputs")),
        }
    }
    let lengths = arrays.iter().map(|array| array.len());
    let length = if longest { lengths.max() } else { lengths.min() }.unwrap_or(0);
    let row = |row: usize| {
        let cells = arrays.iter().enumerate().map(|(column, array)| {
            array.get(row).or_else(|| defaults.get(column)).cloned().unwrap_or(Bson::Null)
        });
        Bson::Array(cells.collect())
    };
    let mut rows = Growing::default();
    rows.extend((0..length).map(row))?;
    Ok(rows.into_value())
}

use bson::Bson;
use tandem_contract::Result;

use super::arithmetic::NULL;
use super::operators::{Arguments, Operator, Run};
use super::string::text;
use super::{Value, is_nullish};
use crate::error::invalid;
use crate::number::Number;

pub(super) const OPERATORS: &[Operator] = &[
    Operator { name: "$indexOfBytes", arity: (2, 4), run: Run::Each(index_of_bytes) },
    Operator { name: "$indexOfCP", arity: (2, 4), run: Run::Each(index_of_points) },
];

/// An index that an operator takes as an optional argument.
pub(super) fn index(name: &str, value: Option<&Value>, default: usize) -> Result<usize> {
    let Some(value) = value else { return Ok(default) };
    let number = value.as_ref().and_then(Number::of).and_then(Number::to_exact_i64);
    let number = number.and_then(|number| i32::try_from(number).ok());
    let number = number.and_then(|number| usize::try_from(number).ok());
    number.ok_or_else(|| invalid(format!("{name} needs indexes that are whole and not negative")))
}

/// All arguments, unless the first is null.
pub(super) fn unless_null(values: Arguments<'_>) -> Result<Option<Vec<Value>>> {
    let first = values.next().transpose()?.flatten();
    if is_nullish(&first) {
        return Ok(None);
    }
    std::iter::once(Ok(first)).chain(values).collect::<Result<_>>().map(Some)
}

fn position(position: Option<usize>) -> Result<Value> {
    Ok(Some(Bson::Int32(position.map_or(-1, |position| position as i32))))
}

fn index_of_bytes(name: &'static str, values: Arguments<'_>) -> Result<Value> {
    let Some(values) = unless_null(values)? else { return NULL };
    let (text, wanted) = (text(name, &values[0])?, text(name, &values[1])?);
    let start = index(name, values.get(2), 0)?;
    let end = index(name, values.get(3), text.len())?.min(text.len());
    if start > end {
        return position(None);
    }
    let haystack = &text.as_bytes()[start..end];
    let found = if wanted.is_empty() {
        Some(0)
    } else {
        haystack.windows(wanted.len()).position(|window| window == wanted.as_bytes())
    };
    position(found.map(|found| found + start))
}

/// Unlike with bytes, only the start of what is found must lie before the end.
fn index_of_points(name: &'static str, values: Arguments<'_>) -> Result<Value> {
    let Some(values) = unless_null(values)? else { return NULL };
    let (text, wanted) = (text(name, &values[0])?, text(name, &values[1])?);
    let start = index(name, values.get(2), 0)?;
    let end = index(name, values.get(3), usize::MAX)?;
    if text.is_empty() && wanted.is_empty() {
        return position((start == 0).then_some(0));
    }
    let mut points = text.char_indices().enumerate().take(end).skip(start);
    let found = points.find(|(_, (byte, _))| text[*byte..].starts_with(wanted));
    position(found.map(|(point, _)| point))
}

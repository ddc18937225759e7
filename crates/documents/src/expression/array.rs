use bson::Bson;
use tandem_contract::Result;

use super::arithmetic::NULL;
use super::operators::{Arguments, Named, Operator, Run};
use super::string_search::{index, unless_null};
use super::{Expression, Value, is_nullish, type_name};
use crate::compare::compare;
use crate::error::invalid;
use crate::number::Number;
use crate::path::array_index;
use crate::sort::{Direction, Sort};

pub(super) const OPERATORS: &[Operator] = &[
    Operator { name: "$arrayElemAt", arity: (2, 2), run: Run::All(element_at) },
    Operator { name: "$first", arity: (1, 1), run: Run::All(end) },
    Operator { name: "$last", arity: (1, 1), run: Run::All(end) },
    Operator { name: "$size", arity: (1, 1), run: Run::All(size) },
    Operator { name: "$isArray", arity: (1, 1), run: Run::All(is_array) },
    Operator { name: "$in", arity: (2, 2), run: Run::All(is_in) },
    Operator { name: "$indexOfArray", arity: (2, 4), run: Run::Each(index_of) },
];

const COUNTED: &[&str] = &["input", "n"];

pub(super) const NAMED: &[Named] = &[
    Named::new("$sortArray", &["input", "sortBy"], 2, sort).verbatim(&["sortBy"]).checked(check_sort),
    Named::new("$firstN", COUNTED, 2, some),
    Named::new("$lastN", COUNTED, 2, some),
    Named::new("$minN", COUNTED, 2, some),
    Named::new("$maxN", COUNTED, 2, some),
];

/// The array an operator needs.
pub(super) fn array<'a>(name: &str, value: &'a Value) -> Result<&'a [Bson]> {
    match value {
        Some(Bson::Array(array)) => Ok(array),
        value => Err(invalid(format!("{name} needs an array, not {}", type_name(value)))),
    }
}

/// A whole number of 32 bits.
pub(super) fn whole(name: &str, value: &Value) -> Result<i32> {
    let number = value.as_ref().and_then(Number::of).and_then(Number::to_exact_i64);
    let number = number.and_then(|number| i32::try_from(number).ok());
    number.ok_or_else(|| invalid(format!("{name} needs whole numbers of 32 bits, not {}", type_name(value))))
}

fn element_at(name: &'static str, values: Vec<Value>) -> Result<Value> {
    if is_nullish(&values[0]) || is_nullish(&values[1]) {
        return NULL;
    }
    let array = array(name, &values[0])?;
    let index = i64::from(whole(name, &values[1])?);
    let index = if index < 0 { index + array.len() as i64 } else { index };
    Ok(usize::try_from(index).ok().and_then(|index| array.get(index)).cloned())
}

fn end(name: &'static str, values: Vec<Value>) -> Result<Value> {
    if is_nullish(&values[0]) {
        return NULL;
    }
    let array = array(name, &values[0])?;
    Ok(if name == "$first" { array.first() } else { array.last() }.cloned())
}

fn size(name: &'static str, values: Vec<Value>) -> Result<Value> {
    Ok(Some(Bson::Int32(array(name, &values[0])?.len() as i32)))
}

fn is_array(_name: &'static str, values: Vec<Value>) -> Result<Value> {
    Ok(Some(Bson::Boolean(matches!(values[0], Some(Bson::Array(_))))))
}

fn is_in(name: &'static str, values: Vec<Value>) -> Result<Value> {
    let array = array(name, &values[1])?;
    let wanted = values[0].as_ref().unwrap_or(&Bson::Undefined);
    Ok(Some(Bson::Boolean(array.iter().any(|element| compare(element, wanted).is_eq()))))
}

fn index_of(name: &'static str, values: Arguments<'_>) -> Result<Value> {
    let Some(values) = unless_null(values)? else { return NULL };
    let array = array(name, &values[0])?;
    let wanted = values[1].as_ref().unwrap_or(&Bson::Undefined);
    let (start, end) = (index(name, values.get(2), 0)?, index(name, values.get(3), array.len())?);
    let mut elements = array.iter().enumerate().take(end).skip(start);
    let found = elements.find(|(_, element)| compare(element, wanted).is_eq());
    Ok(Some(Bson::Int32(found.map_or(-1, |(index, _)| index as i32))))
}

fn check_sort(_name: &'static str, arguments: &[Option<Expression>]) -> Result<()> {
    match &arguments[1] {
        Some(Expression::Literal(by)) => SortBy::parse(by).map(|_| ()),
        _ => Ok(()),
    }
}

/// Sorts elements as wholes by a direction, or by the fields of a document.
fn sort(name: &'static str, arguments: Vec<Option<Value>>) -> Result<Value> {
    let (input, by) = (arguments[0].clone().flatten(), arguments[1].clone().flatten());
    let by = SortBy::parse(by.as_ref().unwrap_or(&Bson::Null))?;
    if is_nullish(&input) {
        return NULL;
    }
    let mut elements = array(name, &input)?.to_vec();
    by.sort(&mut elements);
    Ok(Some(Bson::Array(elements)))
}

/// How elements of an array are sorted.
#[derive(Clone, Debug)]
pub(crate) enum SortBy {
    Whole(Direction),
    Fields(Sort),
}

impl SortBy {
    pub(crate) fn parse(by: &Bson) -> Result<Self> {
        match by {
            Bson::Document(fields) if fields.is_empty() => Err(invalid("A sort of an array needs a path")),
            Bson::Document(fields) => Ok(Self::Fields(Sort::parse(fields)?)),
            by => match Number::of(by).and_then(Number::to_exact_i64) {
                Some(1) => Ok(Self::Whole(Direction::Ascending)),
                Some(-1) => Ok(Self::Whole(Direction::Descending)),
                _ => Err(invalid("A sort of an array is 1, -1 or a document of paths")),
            },
        }
    }

    /// Sorts, stable. Elements that are no documents have none of the paths.
    pub(crate) fn sort(&self, elements: &mut Vec<Bson>) {
        match self {
            Self::Whole(direction) => elements.sort_by(|left, right| direction.apply(compare(left, right))),
            Self::Fields(sort) => {
                let keyed =
                    std::mem::take(elements).into_iter().map(|element| (sort_key(sort, &element), element));
                let mut keyed: Vec<(Vec<Bson>, Bson)> = keyed.collect();
                keyed.sort_by(|(left, _), (right, _)| sort.compare_keys(left, right));
                *elements = keyed.into_iter().map(|(_, element)| element).collect();
            }
        }
    }
}

/// What an element is sorted by. Unlike in the sort of documents, arrays are compared as wholes.
fn sort_key(sort: &Sort, element: &Bson) -> Vec<Bson> {
    let at_path = |path: &str| {
        let mut value = element;
        if !matches!(element, Bson::Document(_)) {
            return None;
        }
        for part in path.split('.') {
            value = match value {
                Bson::Document(document) => document.get(part)?,
                Bson::Array(array) => array.get(array_index(part)?)?,
                _ => return None,
            };
        }
        Some(value.clone())
    };
    sort.fields().iter().map(|(path, _)| at_path(path).unwrap_or(Bson::Null)).collect()
}

fn some(name: &'static str, arguments: Vec<Option<Value>>) -> Result<Value> {
    let (input, count) = (arguments[0].clone().flatten(), arguments[1].clone().flatten());
    let count = crate::pipeline::positive_count(name, &count)?;
    let array = array(name, &input)?;
    let skipped = array.len().saturating_sub(count);
    Ok(Some(Bson::Array(match name {
        "$firstN" => array.iter().take(count).cloned().collect(),
        "$lastN" => array.iter().skip(skipped).cloned().collect(),
        _ => {
            let mut extremes = crate::pipeline::Extremes::new(name == "$maxN", count);
            let present = array.iter().filter(|value| !matches!(value, Bson::Null | Bson::Undefined));
            present.for_each(|value| extremes.add(value.clone()));
            extremes.into_values()
        }
    })))
}

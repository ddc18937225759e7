use bson::{Bson, Document, doc};
use tandem_contract::Result;

use crate::compare::compare;
use crate::depth::check_size;
use crate::error::invalid;
use crate::expression::SortBy;
use crate::filter::Filter;
use crate::number::Number;
use crate::regex::Pattern;
use crate::slice::slice_of;

/// `$push`, with what `$each` allows beside it.
#[derive(Clone, Debug)]
pub(super) struct Push {
    values: Vec<Bson>,
    position: Option<i64>,
    sort: Option<SortBy>,
    slice: Option<i64>,
}

impl Push {
    pub(super) fn parse(operand: &Bson) -> Result<Self> {
        let mut push = Self { values: Vec::new(), position: None, sort: None, slice: None };
        let clauses = match operand {
            Bson::Document(clauses) if clauses.contains_key("$each") => clauses,
            value => {
                push.values.push(value.clone());
                return Ok(push);
            }
        };
        for (clause, operand) in clauses {
            match clause.as_str() {
                "$each" => push.values = each("$push", operand)?,
                "$position" => push.position = Some(whole(clause, operand)?),
                "$slice" => push.slice = Some(whole(clause, operand)?),
                "$sort" => push.sort = Some(SortBy::parse(operand)?),
                _ => return Err(invalid(format!("$push has no clause {clause}"))),
            }
        }
        Ok(push)
    }

    pub(super) fn always_modifies(&self) -> bool {
        !self.values.is_empty() || self.sort.is_some()
    }

    /// Inserts, then sorts, then cuts.
    pub(super) fn apply(&self, mut array: Vec<Bson>) -> Vec<Bson> {
        let length = array.len();
        let distance = |position: i64| usize::try_from(position.unsigned_abs()).unwrap_or(usize::MAX);
        let position = match self.position {
            Some(position) if position < 0 => length.saturating_sub(distance(position)),
            Some(position) => distance(position).min(length),
            None => length,
        };
        array.splice(position..position, self.values.iter().cloned());
        if let Some(sort) = &self.sort {
            sort.sort(&mut array);
        }
        match self.slice {
            Some(slice) => slice_of(&array, slice, None).to_vec(),
            None => array,
        }
    }
}

fn whole(clause: &str, operand: &Bson) -> Result<i64> {
    let number = Number::of(operand).and_then(Number::to_exact_i64);
    number.ok_or_else(|| invalid(format!("{clause} in $push needs a whole number")))
}

fn each(operator: &str, operand: &Bson) -> Result<Vec<Bson>> {
    match operand {
        Bson::Array(values) => Ok(values.clone()),
        _ => Err(invalid(format!("$each in {operator} needs an array"))),
    }
}

/// The values of `$addToSet`: one, or those of `$each`.
pub(super) fn parse_add_to_set(operand: &Bson) -> Result<Vec<Bson>> {
    match operand {
        Bson::Document(document) if document.keys().next().is_some_and(|first| first == "$each") => {
            if document.len() > 1 {
                return Err(invalid("$addToSet takes nothing beside $each"));
            }
            each("$addToSet", document.get("$each").unwrap_or(&Bson::Null))
        }
        value => Ok(vec![value.clone()]),
    }
}

pub(super) fn add_to_set(mut array: Vec<Bson>, values: &[Bson]) -> Vec<Bson> {
    for value in values {
        if !array.iter().any(|known| compare(known, value).is_eq()) {
            array.push(value.clone());
        }
    }
    array
}

/// Which elements `$pull` and `$pullAll` take out.
#[derive(Clone, Debug)]
pub(super) enum Pull {
    /// Those equal to one of these.
    Values(Vec<Bson>),
    /// Those that match as values of a field without a name.
    Operators(Filter),
    /// Documents that match.
    Documents(Filter),
    Pattern(Box<Pattern>),
}

impl Pull {
    pub(super) fn parse(operand: &Bson) -> Result<Self> {
        Ok(match operand {
            Bson::Document(condition) if starts_with_operator(condition) => {
                Self::Operators(Filter::parse(&doc! { "": condition.clone() })?)
            }
            Bson::Document(condition) => Self::Documents(Filter::parse(condition)?),
            Bson::RegularExpression(regex) => {
                Self::Pattern(Box::new(Pattern::new(regex.pattern.as_str(), regex.options.as_str())?))
            }
            value => Self::Values(vec![value.clone()]),
        })
    }

    pub(super) fn parse_all(operand: &Bson) -> Result<Self> {
        match operand {
            Bson::Array(values) => Ok(Self::Values(values.clone())),
            _ => Err(invalid("$pullAll needs an array")),
        }
    }

    pub(super) fn apply(&self, array: Vec<Bson>) -> Result<Vec<Bson>> {
        let mut kept = Vec::with_capacity(array.len());
        for element in array {
            if !self.takes(&element)? {
                kept.push(element);
            }
        }
        Ok(kept)
    }

    fn takes(&self, element: &Bson) -> Result<bool> {
        match self {
            Self::Values(values) => Ok(values.iter().any(|value| compare(value, element).is_eq())),
            Self::Operators(filter) => {
                let mut wrapped = Document::new();
                wrapped.insert("", element.clone());
                filter.matches(&wrapped)
            }
            Self::Documents(filter) => match element {
                Bson::Document(document) => filter.matches(document),
                _ => Ok(false),
            },
            Self::Pattern(pattern) => pattern.matches(element),
        }
    }
}

/// Whether a condition is about the elements themselves. `$not` and the logical operators are not
/// among what makes it so.
fn starts_with_operator(condition: &Document) -> bool {
    const OPERATORS: [&str; 20] = [
        "$eq",
        "$ne",
        "$lt",
        "$lte",
        "$gt",
        "$gte",
        "$in",
        "$nin",
        "$exists",
        "$type",
        "$size",
        "$mod",
        "$all",
        "$elemMatch",
        "$regex",
        "$options",
        "$bitsAllSet",
        "$bitsAllClear",
        "$bitsAnySet",
        "$bitsAnyClear",
    ];
    condition.keys().next().is_some_and(|first| OPERATORS.contains(&first.as_str()))
}

/// Elements an array may be padded with at once (MongoDB's limit).
const MAX_PADDING: usize = 1_500_000;

/// Puts a value at a position past the end, with null in between.
pub(super) fn pad_and_push(array: &mut Vec<Bson>, index: usize, value: Bson) -> Result<()> {
    let padding = index.saturating_sub(array.len());
    if padding > MAX_PADDING {
        return Err(invalid(format!("An array cannot be padded with more than {MAX_PADDING} elements")));
    }
    check_size(padding.saturating_mul(3))?;
    array.resize(index, Bson::Null);
    array.push(value);
    Ok(())
}

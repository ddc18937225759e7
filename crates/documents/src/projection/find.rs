//! What queries do to arrays after a projection: `$slice` and positional `$`.

use bson::{Bson, Document};
use tandem_contract::Result;

use crate::error::{invalid, not_supported};
use crate::filter::AMBIGUOUS;
use crate::filter::Filter;
use crate::number::Number;
use crate::path::split_path;
use crate::slice::slice_of;

#[derive(Clone, Debug)]
pub(super) enum FindPart {
    Slice { path: Vec<String>, first: i64, length: Option<usize> },
    Positional(Vec<String>),
}

impl FindPart {
    /// Parses `{$slice: n}` or `{$slice: [skip, n]}`; `None` when it is the expression of that name.
    pub(super) fn slice(path: &str, operand: &Bson) -> Result<Option<Self>> {
        let path = split_path(path);
        let number =
            |value: &Bson| Number::of(value).map(|number| number.to_double().clamp(-2e9, 2e9) as i64);
        match operand {
            Bson::Array(pair) if pair.len() == 2 && Number::of(&pair[0]).is_some() => {
                let (first, length) = (number(&pair[0]).unwrap_or(0), number(&pair[1]));
                let length =
                    length.and_then(|length| usize::try_from(length).ok()).filter(|length| *length > 0);
                let length = length.ok_or_else(|| invalid("$slice needs a positive number of elements"))?;
                Ok(Some(Self::Slice { path, first, length: Some(length) }))
            }
            Bson::Array(_) => Ok(None),
            value => match number(value) {
                Some(first) => Ok(Some(Self::Slice { path, first, length: None })),
                None => Err(invalid("$slice needs a number or an array of two")),
            },
        }
    }

    pub(super) fn apply(
        &self,
        document: &Document,
        projected: &mut Document,
        filter: Option<&Filter>,
    ) -> Result<()> {
        match self {
            Self::Slice { path, first, length } => slice_path(projected, path, *first, *length),
            Self::Positional(path) => {
                let found = filter.map(|filter| filter.find(document)).transpose()?.flatten();
                keep_position(projected, path, found.and_then(|found| found.array_position))?;
            }
        }
        Ok(())
    }
}

fn slice_path(document: &mut Document, path: &[String], first: i64, length: Option<usize>) {
    let Some((name, rest)) = path.split_first() else { return };
    match document.get_mut(name) {
        Some(Bson::Array(array)) if rest.is_empty() => *array = slice_of(array, first, length).to_vec(),
        Some(Bson::Document(inner)) => slice_path(inner, rest, first, length),
        Some(Bson::Array(array)) => {
            array
                .iter_mut()
                .filter_map(Bson::as_document_mut)
                .for_each(|inner| slice_path(inner, rest, first, length));
        }
        _ => {}
    }
}

/// Leaves of the first array on the path only the element at a position.
fn keep_position(document: &mut Document, path: &[String], position: Option<usize>) -> Result<()> {
    let Some((name, rest)) = path.split_first() else { return Ok(()) };
    match document.get_mut(name) {
        Some(Bson::Array(array)) => {
            let position = position.ok_or_else(|| not_supported(AMBIGUOUS))?;
            let element = array.get(position).cloned();
            let element = element.ok_or_else(|| invalid("Positional $ points past the end of the array"))?;
            *array = vec![element];
            Ok(())
        }
        Some(Bson::Document(inner)) => keep_position(inner, rest, position),
        _ => Ok(()),
    }
}

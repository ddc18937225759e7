use std::cmp::Ordering;

use bson::{Bson, Document};
use tandem_contract::Result;

use crate::compare::compare;
use crate::error::{invalid, not_supported};
use crate::key_expansion::expand;
use crate::number::Number;
use crate::path::check_path;

/// Which way a field is sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Lowest first.
    Ascending,
    /// Highest first.
    Descending,
}

impl Direction {
    pub(crate) fn of(number: f64) -> Self {
        if number < 0.0 { Self::Descending } else { Self::Ascending }
    }

    /// An ascending order, turned this way.
    pub fn apply(self, order: Ordering) -> Ordering {
        match self {
            Self::Ascending => order,
            Self::Descending => order.reverse(),
        }
    }
}

/// A parsed sort: paths with directions. An array sorts by its lowest element when ascending, by its
/// highest when descending; an empty array before null; a missing path as null.
#[derive(Clone, Debug, PartialEq)]
pub struct Sort {
    fields: Vec<(String, Direction)>,
}

impl Sort {
    /// Parses `{a: 1, "b.c": -1}`. Empty keeps the order as it is.
    ///
    /// # Errors
    /// `InvalidArgument` for a malformed path or a direction other than 1 and -1; `NotSupported`
    /// for `$meta`.
    pub fn parse(sort: &Document) -> Result<Self> {
        if sort.len() > 32 {
            return Err(invalid("A sort takes at most 32 paths"));
        }
        let fields = sort.iter().map(|(path, direction)| {
            if matches!(direction, Bson::Document(_)) {
                return Err(not_supported("$meta in a sort"));
            }
            check_path(path)?;
            // MongoDB cuts a fraction off before it looks.
            match Number::of(direction).map(|number| number.to_double().trunc()) {
                Some(number) if number.abs() == 1.0 => Ok((path.clone(), Direction::of(number))),
                _ => Err(invalid(format!("The direction of \"{path}\" in a sort must be 1 or -1"))),
            }
        });
        Ok(Self { fields: fields.collect::<Result<_>>()? })
    }

    /// The paths with their directions, in order.
    pub fn fields(&self) -> &[(String, Direction)] {
        &self.fields
    }

    /// Whether a document can be sorted.
    ///
    /// # Errors
    /// As [`Sort::sort`].
    pub fn check(&self, document: &Document) -> Result<()> {
        self.key(document).map(drop)
    }

    /// Compares two documents. Documents without a usable key (see [`Sort::sort`]) come first.
    pub fn compare(&self, left: &Document, right: &Document) -> Ordering {
        match (self.key(left), self.key(right)) {
            (Ok(left), Ok(right)) => self.compare_keys(&left, &right),
            (left, right) => left.is_ok().cmp(&right.is_ok()),
        }
    }

    /// Sorts, stable; the key of each document is computed once.
    ///
    /// # Errors
    /// `InvalidArgument` when two paths run through different arrays of one document.
    pub fn sort(&self, documents: &mut Vec<Document>) -> Result<()> {
        if self.fields.is_empty() {
            return Ok(());
        }
        let keyed = std::mem::take(documents).into_iter().map(|document| {
            let key: Vec<Bson> = self.key(&document)?.into_iter().cloned().collect();
            Ok((key, document))
        });
        let mut keyed = keyed.collect::<Result<Vec<_>>>()?;
        keyed.sort_by(|(left, _), (right, _)| self.compare_keys(left, right));
        *documents = keyed.into_iter().map(|(_, document)| document).collect();
        Ok(())
    }

    /// What a document is sorted by: of the keys it has, the one that comes first.
    pub(crate) fn key<'a>(&self, document: &'a Document) -> Result<Vec<&'a Bson>> {
        // To MongoDB `_id` alone never is an array: what a pipeline puts there sorts as it is.
        if let [(path, _)] = self.fields.as_slice()
            && path == "_id"
        {
            return Ok(vec![document.get("_id").unwrap_or(&Bson::Undefined)]);
        }
        let paths: Vec<&str> = self.fields.iter().map(|(path, _)| path.as_str()).collect();
        let keys = expand(document, &paths, false)?;
        Ok(keys
            .into_iter()
            .reduce(|best, key| if self.compare_keys(&key, &best).is_lt() { key } else { best })
            .unwrap_or_default())
    }

    pub(crate) fn compare_keys<B: std::borrow::Borrow<Bson>>(&self, left: &[B], right: &[B]) -> Ordering {
        let pairs = left.iter().zip(right).zip(&self.fields);
        let mut orders = pairs
            .map(|((left, right), (_, direction))| direction.apply(compare(left.borrow(), right.borrow())));
        orders.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    }
}

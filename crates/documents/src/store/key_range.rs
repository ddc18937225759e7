//! Ranges of encoded keys, from what predicates say of the fields of an index.

use crate::index_key::encode;
use crate::{Direction, Predicate, Test};
use bson::Bson;

/// Encoded keys from `lower`, included, to `upper`, left out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyRange {
    /// The first key that may be in it.
    pub lower: Vec<u8>,
    /// The first key after it.
    pub upper: Vec<u8>,
}

impl KeyRange {
    /// The keys that start with `prefix`.
    pub fn of_prefix(prefix: Vec<u8>) -> Self {
        let upper = after_prefix(&prefix);
        Self { lower: prefix, upper }
    }
}

/// What the leading fields are fixed to: every combination, encoded.
pub(super) struct Points {
    pub(super) prefixes: Vec<Vec<u8>>,
    /// How many of them.
    pub(super) fields: usize,
    /// There is one combination by nature: equality, not a list that happens to have one value.
    pub(super) single: bool,
    pub(super) used: Vec<Predicate>,
}

impl Points {
    pub(super) fn none() -> Self {
        Self { prefixes: vec![Vec::new()], fields: 0, single: true, used: Vec::new() }
    }

    /// Fixes one more field to each of `values`.
    pub(super) fn extend(&mut self, values: &[Bson], way: Direction) {
        let mut tails: Vec<_> = values.iter().map(|value| encode(&[(value.clone(), way)])).collect();
        tails.sort_unstable();
        tails.dedup();
        let join = |prefix: &Vec<u8>| {
            let prefix = prefix.clone();
            tails.iter().map(move |tail| [prefix.as_slice(), tail].concat()).collect::<Vec<_>>()
        };
        self.prefixes = self.prefixes.iter().flat_map(join).collect();
        self.fields += 1;
    }
}

/// Bounds of one field.
pub(super) struct Range {
    pub(super) bounds: Bounds,
    pub(super) used: Vec<Predicate>,
}

impl Range {
    pub(super) fn of(predicate: &Predicate, way: Direction) -> Self {
        let bounds = match &predicate.test {
            Test::Range { lower, upper } => Bounds::of(lower.as_ref(), upper.as_ref(), way),
            _ => Bounds { lower: None, upper: None },
        };
        Self { bounds, used: vec![predicate.clone()] }
    }

    /// What both allow.
    pub(super) fn intersect(mut self, other: Self) -> Self {
        // `None` orders before every bound, as no lower bound should, but no upper one.
        self.bounds.lower = self.bounds.lower.max(other.bounds.lower);
        self.bounds.upper = match (self.bounds.upper, other.bounds.upper) {
            (Some(one), Some(two)) => Some(one.min(two)),
            (one, two) => one.or(two),
        };
        self.used.extend(other.used);
        self
    }
}

/// Encoded bounds: from `lower`, included, to `upper`, left out.
pub(super) struct Bounds {
    lower: Option<Vec<u8>>,
    upper: Option<Vec<u8>>,
}

impl Bounds {
    fn of(lower: Option<&(Bson, bool)>, upper: Option<&(Bson, bool)>, way: Direction) -> Self {
        let (first, last) = match way {
            Direction::Ascending => (lower, upper),
            Direction::Descending => (upper, lower),
        };
        let bytes = |value: &Bson| encode(&[(value.clone(), way)]);
        let first = first.map(
            |(value, inclusive)| {
                if *inclusive { bytes(value) } else { after_prefix(&bytes(value)) }
            },
        );
        let last = last.map(
            |(value, inclusive)| {
                if *inclusive { after_prefix(&bytes(value)) } else { bytes(value) }
            },
        );
        Self { lower: first, upper: last }
    }

    /// The range of the keys that start with `prefix` and lie within the bounds.
    pub(super) fn behind(&self, prefix: &[u8]) -> KeyRange {
        let lower = [prefix, self.lower.as_deref().unwrap_or_default()].concat();
        let upper = match &self.upper {
            Some(upper) => [prefix, upper].concat(),
            None => after_prefix(prefix),
        };
        KeyRange { lower, upper }
    }
}

/// The first bytes after every key that starts with `prefix`.
pub fn after_prefix(prefix: &[u8]) -> Vec<u8> {
    match prefix.iter().rposition(|byte| *byte != u8::MAX) {
        Some(at) => {
            let mut bytes = prefix[..=at].to_vec();
            bytes[at] += 1;
            bytes
        }
        // Of no bytes at all. No key starts with this one: types are numbered from 1 to 127.
        None => vec![u8::MAX],
    }
}

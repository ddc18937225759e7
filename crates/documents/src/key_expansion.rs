//! The keys a document has under a key pattern: arrays expand, as MongoDB's index and sort key
//! generation does it.

use std::collections::BTreeSet;

use bson::{Bson, Document};
use tandem_contract::Result;

use crate::compare::group_key;
use crate::error::{invalid, not_supported};
use crate::number::Number;
use crate::path::check_path;
use crate::sort::Direction;

/// The key pattern of an index: paths with directions, and whether documents without any of the
/// paths are left out.
#[derive(Clone, Debug, PartialEq)]
pub struct IndexKeys {
    fields: Vec<(String, Direction)>,
    sparse: bool,
}

impl IndexKeys {
    /// Parses a key pattern such as `{a: 1, "b.c": -1}`.
    ///
    /// # Errors
    /// `InvalidArgument` for an empty pattern, a malformed path or a direction that is not a
    /// number other than 0; `NotSupported` for text, hashed, geospatial and wildcard indexes.
    pub fn parse(keys: &Document) -> Result<Self> {
        if keys.is_empty() {
            return Err(invalid("The key pattern of an index must not be empty"));
        }
        let fields = keys.iter().map(|(path, direction)| {
            if path.split('.').any(|part| part == "$**") {
                return Err(not_supported("wildcard indexes"));
            }
            check_path(path)?;
            Ok((path.clone(), index_direction(path, direction)?))
        });
        Ok(Self { fields: fields.collect::<Result<_>>()?, sparse: false })
    }

    /// Leaves out keys of which every path is missing.
    #[must_use]
    pub fn with_sparse(mut self, sparse: bool) -> Self {
        self.sparse = sparse;
        self
    }

    /// The paths with their directions, in order.
    pub fn fields(&self) -> &[(String, Direction)] {
        &self.fields
    }
}

fn index_direction(path: &str, direction: &Bson) -> Result<Direction> {
    if let Bson::String(kind) = direction {
        return Err(not_supported(format!("{kind} indexes")));
    }
    match Number::of(direction) {
        Some(number) if !number.is_zero() && !number.is_nan() => Ok(Direction::of(number.to_double())),
        _ => Err(invalid(format!("The direction of \"{path}\" in an index must be 1 or -1"))),
    }
}

/// The keys a document has in an index, in key order and without repetition. A missing path is null, an
/// empty array is undefined, an array gives a key for each element; paths through the same array
/// expand together.
///
/// # Errors
/// `InvalidArgument` when two paths run through different arrays, or when a numeric part of a path
/// names both a position of an array and a field of its elements.
pub fn keys(document: &Document, keys: &IndexKeys) -> Result<Vec<Vec<Bson>>> {
    let paths: Vec<&str> = keys.fields.iter().map(|(path, _)| path.as_str()).collect();
    let expanded = expand(document, &paths, keys.sparse)?;
    let mut seen = BTreeSet::new();
    Ok(expanded
        .into_iter()
        .filter(|key| seen.insert(key.iter().map(|value| group_key(value)).collect::<Vec<_>>()))
        .map(|key| key.into_iter().cloned().collect())
        .collect())
}

/// The keys of a document by borrowed values, repetitions included.
pub(crate) fn expand<'a>(document: &'a Document, paths: &[&str], sparse: bool) -> Result<Vec<Vec<&'a Bson>>> {
    let mut expansion = Expansion { sparse, keys: Vec::new() };
    let state = State {
        rest: paths.iter().map(|path| Some(*path)).collect(),
        fixed: vec![&Bson::Null; paths.len()],
        missing: 0,
    };
    expansion.descend(state, Some(document), &vec![None; paths.len()])?;
    Ok(expansion.keys)
}

struct Expansion<'a> {
    sparse: bool,
    keys: Vec<Vec<&'a Bson>>,
}

/// How far each path has come: what is left of it, and its value once nothing is.
#[derive(Clone)]
struct State<'a, 'p> {
    rest: Vec<Option<&'p str>>,
    fixed: Vec<&'a Bson>,
    missing: usize,
}

/// What a path finds when its next part is a position of the array being expanded.
#[derive(Clone, Copy)]
struct Positional<'a, 'p> {
    element: &'a Bson,
    found: Option<&'a Bson>,
    rest: Option<&'p str>,
}

impl<'a> Expansion<'a> {
    fn descend<'p>(
        &mut self,
        mut state: State<'a, 'p>,
        document: Option<&'a Document>,
        positional: &[Option<Positional<'a, 'p>>],
    ) -> Result<()> {
        let mut array: Option<(&'a Bson, &'a Vec<Bson>)> = None;
        let mut through = Vec::new();
        let mut unpack = true;
        for (index, positional) in positional.iter().enumerate() {
            let Some(path) = state.rest[index] else { continue };
            let (found, rest, nested) = next(document, path, *positional)?;
            unpack &= !nested;
            state.rest[index] = rest;
            match found {
                None => {
                    state.fixed[index] = &Bson::Null;
                    state.rest[index] = None;
                    state.missing += 1;
                }
                Some(value @ Bson::Array(elements)) => {
                    if array.is_some_and(|(other, _)| !std::ptr::eq(other, value)) {
                        return Err(invalid(format!(
                            "Paths through different arrays cannot be keys together (at \"{path}\")"
                        )));
                    }
                    array = Some((value, elements));
                    through.push(index);
                }
                Some(value) => state.fixed[index] = value,
            }
        }
        match array {
            None if self.sparse && state.missing == state.fixed.len() => {}
            None => self.keys.push(state.fixed),
            Some((_, elements)) if elements.is_empty() => {
                let none = vec![None; positional.len()];
                self.element(&state, (&Bson::Undefined, &Bson::Undefined), &through, true, &none)?;
            }
            Some((whole, elements)) => {
                let positional: Vec<_> =
                    state.rest.iter().map(|rest| rest.and_then(|rest| by_position(elements, rest))).collect();
                for element in elements {
                    self.element(&state, (element, whole), &through, unpack, &positional)?;
                }
            }
        }
        Ok(())
    }

    fn element<'p>(
        &mut self,
        state: &State<'a, 'p>,
        (element, whole): (&'a Bson, &'a Bson),
        through: &[usize],
        unpack: bool,
        positional: &[Option<Positional<'a, 'p>>],
    ) -> Result<()> {
        let mut state = state.clone();
        for &index in through {
            if state.rest[index].is_none() {
                state.fixed[index] = if unpack { element } else { whole };
            }
        }
        self.descend(state, element.as_document(), positional)
    }
}

/// Follows one path to its end, to an array, or to nothing. Also tells what is left of the path and
/// whether an array was found directly inside another by its position.
type Next<'a, 'p> = (Option<&'a Bson>, Option<&'p str>, bool);

fn next<'a, 'p>(
    document: Option<&'a Document>,
    path: &'p str,
    positional: Option<Positional<'a, 'p>>,
) -> Result<Next<'a, 'p>> {
    let (first, _) = split(path);
    let in_document = document.filter(|document| document.contains_key(first));
    match (in_document, positional) {
        (Some(_), Some(_)) => Err(invalid(format!(
            "\"{first}\" is both a position in an array and a field of its elements: ambiguous as a key"
        ))),
        (Some(document), None) => {
            let (found, rest) = follow(document.get(first), path);
            Ok((found, rest, false))
        }
        (None, Some(positional)) => {
            let nested = matches!(positional.element, Bson::Array(_));
            Ok((positional.found, positional.rest, nested))
        }
        (None, None) => Ok((None, None, false)),
    }
}

fn by_position<'a, 'p>(elements: &'a [Bson], rest: &'p str) -> Option<Positional<'a, 'p>> {
    let (first, _) = split(rest);
    let element = elements.get(crate::path::array_index(first)?)?;
    let (found, rest) = follow(Some(element), rest);
    Some(Positional { element, found, rest })
}

/// Follows the rest of `path` from the value of its first part.
fn follow<'a, 'p>(value: Option<&'a Bson>, path: &'p str) -> (Option<&'a Bson>, Option<&'p str>) {
    let (mut value, (_, mut rest)) = (value, split(path));
    loop {
        match (value, rest) {
            (Some(Bson::Document(document)), Some(path)) => {
                let (first, next) = split(path);
                value = document.get(first);
                rest = next;
            }
            (Some(Bson::Array(_)), _) | (_, None) => return (value, rest),
            _ => return (None, None),
        }
    }
}

fn split(path: &str) -> (&str, Option<&str>) {
    path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)))
}

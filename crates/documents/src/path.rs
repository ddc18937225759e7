//! Dotted paths: how a filter's path meets arrays, and what a path may look like.

use bson::{Bson, Document};
use tandem_contract::Result;

use crate::error::invalid;

/// A value a path leads to. `position` is its place in the outermost array that was entered.
#[derive(Clone, Copy)]
pub(crate) struct Found<'a> {
    /// `None` where the path leads nowhere.
    pub(crate) value: Option<&'a Bson>,
    pub(crate) position: Option<usize>,
}

/// What happens to an array at the end of a path.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leaf {
    /// Its elements are looked at, then the array itself.
    Elements,
    /// Only the array itself is looked at.
    Whole,
}

/// Calls `visit` with each value the path leads to, in MongoDB's order, until it returns an error
/// or `true`; tells whether it did.
pub(crate) fn visit<'a, F>(
    document: &'a Document,
    parts: &[String],
    leaf: Leaf,
    visit: &mut F,
) -> Result<bool>
where
    F: FnMut(Found<'a>) -> Result<bool>,
{
    Walk { leaf, visit }.document(document, parts, None)
}

struct Walk<'f, F> {
    leaf: Leaf,
    visit: &'f mut F,
}

impl<'a, F: FnMut(Found<'a>) -> Result<bool>> Walk<'_, F> {
    fn document(
        &mut self,
        document: &'a Document,
        parts: &[String],
        position: Option<usize>,
    ) -> Result<bool> {
        let mut current = document;
        for (index, part) in parts.iter().enumerate() {
            let last = index + 1 == parts.len();
            match current.get(part) {
                Some(Bson::Array(array)) => {
                    return self.array(array, current.get(part), &parts[index + 1..], position);
                }
                found @ Some(_) if last => return (self.visit)(Found { value: found, position }),
                Some(Bson::Document(inner)) => current = inner,
                _ => return (self.visit)(Found { value: None, position }),
            }
        }
        Ok(false)
    }

    fn array(
        &mut self,
        array: &'a [Bson],
        whole: Option<&'a Bson>,
        rest: &[String],
        position: Option<usize>,
    ) -> Result<bool> {
        let Some(next) = rest.first() else {
            if self.leaf == Leaf::Elements {
                for (index, element) in array.iter().enumerate() {
                    if (self.visit)(Found { value: Some(element), position: position.or(Some(index)) })? {
                        return Ok(true);
                    }
                }
            }
            return (self.visit)(Found { value: whole, position });
        };
        let wanted = array_index(next);
        for (index, element) in array.iter().enumerate() {
            if let Bson::Document(inner) = element
                && self.document(inner, rest, position.or(Some(index)))?
            {
                return Ok(true);
            }
            if wanted == Some(index) && self.at_position(element, &rest[1..], position)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The path names this element by its position.
    fn at_position(&mut self, element: &'a Bson, rest: &[String], position: Option<usize>) -> Result<bool> {
        match element {
            _ if rest.is_empty() => (self.visit)(Found { value: Some(element), position }),
            Bson::Document(inner) => self.document(inner, rest, position),
            Bson::Array(inner) => self.array(inner, Some(element), rest, position),
            _ => Ok(false),
        }
    }
}

/// A part of a path as a position in an array: digits without a leading zero.
pub(crate) fn array_index(part: &str) -> Option<usize> {
    let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let canonical = part.len() == 1 || !part.starts_with('0');
    if digits && canonical { part.parse().ok() } else { None }
}

pub(crate) fn split_path(path: &str) -> Vec<String> {
    path.split('.').map(str::to_owned).collect()
}

/// Refuses what no field path may be: empty, with an empty part, with a part that starts with `$`,
/// or with a NUL.
pub(crate) fn check_path(path: &str) -> Result<()> {
    let problem = if path.is_empty() {
        "must not be empty"
    } else if path.split('.').any(str::is_empty) {
        "must not have an empty part"
    } else if path.split('.').any(|part| part.starts_with('$')) {
        "must not have a part that starts with \"$\""
    } else if path.contains('\0') {
        "must not contain a NUL"
    } else if path.split('.').count() > crate::depth::MAX_DEPTH {
        "has too many parts"
    } else {
        return Ok(());
    };
    Err(invalid(format!("The path \"{path}\" {problem}")))
}

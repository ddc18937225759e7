//! Paths in expressions: arrays on the way are mapped over, numeric parts are names.

use bson::{Bson, Document};

use super::Value;

pub(super) fn in_document(document: &Document, path: &[String]) -> Value {
    let (first, rest) = path.split_first()?;
    let value = document.get(first)?;
    if rest.is_empty() { Some(value.clone()) } else { follow(value, rest) }
}

/// Follows a path of at least one part from a value.
pub(super) fn follow(value: &Bson, path: &[String]) -> Value {
    match value {
        Bson::Document(document) => in_document(document, path),
        Bson::Array(array) => {
            let inner = array.iter().filter_map(Bson::as_document);
            Some(Bson::Array(inner.filter_map(|document| in_document(document, path)).collect()))
        }
        _ => None,
    }
}

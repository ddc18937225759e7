use bson::{Bson, Document};

use crate::path::array_index;

/// The values at a dotted path of one document: elements of an array at its end count one by one,
/// arrays on the way are entered, numeric parts are positions. Nothing is removed twice over:
/// a store compares by [`crate::compare::group_key`].
pub fn distinct_values(document: &Document, path: &str) -> Vec<Bson> {
    let parts: Vec<&str> = path.split('.').collect();
    let mut out = Vec::new();
    in_document(document, &parts, &mut out);
    out
}

fn in_document(document: &Document, parts: &[&str], out: &mut Vec<Bson>) {
    let Some((first, rest)) = parts.split_first() else { return };
    if let Some(value) = document.get(first) {
        in_value(value, rest, out);
    }
}

fn in_value(value: &Bson, rest: &[&str], out: &mut Vec<Bson>) {
    match (value, rest.first()) {
        (Bson::Array(array), None) => out.extend(array.iter().cloned()),
        (value, None) => out.push(value.clone()),
        (Bson::Document(document), Some(_)) => in_document(document, rest, out),
        (Bson::Array(array), Some(next)) => match array_index(next) {
            Some(index) => {
                if let Some(element) = array.get(index) {
                    in_value(element, &rest[1..], out);
                }
            }
            None => {
                array.iter().filter_map(Bson::as_document).for_each(|inner| in_document(inner, rest, out))
            }
        },
        _ => {}
    }
}

use bson::{Bson, Document};
use tandem_contract::Result;

use super::fields::Fields;

const DIRECTIONS: &str = "1, -1, \"asc\" or \"desc\"";

/// The field `name` as paths and what stands beside each, in order. Taken as the driver takes it:
/// an object, a path, an array of paths, an array of pairs, an array of objects, or one pair.
pub(super) fn ordered_keys(fields: &mut Fields, name: &str) -> Result<Option<Document>> {
    let Some(value) = fields.take(name) else { return Ok(None) };
    let mut keys = Document::new();
    match value {
        Bson::Document(document) => keys = document,
        Bson::String(path) => {
            keys.insert(path, 1);
        }
        Bson::Array(items) if is_pair(&items) => add(fields, name, &mut keys, Bson::Array(items))?,
        Bson::Array(items) => {
            for item in items {
                add(fields, name, &mut keys, item)?;
            }
        }
        other => return Err(fields.wrong(name, "an object, a string or an array", &other)),
    }
    Ok(Some(keys))
}

/// The same with directions as numbers, for the order of results.
pub(super) fn sort(fields: &mut Fields, name: &str) -> Result<Option<Document>> {
    let Some(keys) = ordered_keys(fields, name)? else { return Ok(None) };
    let mut sort = Document::new();
    for (path, direction) in keys {
        let direction = match &direction {
            Bson::String(word) => match word.to_ascii_lowercase().as_str() {
                "asc" | "ascending" | "1" => Bson::Int32(1),
                "desc" | "descending" | "-1" => Bson::Int32(-1),
                _ => return Err(fields.wrong(&format!("{name}.{path}"), DIRECTIONS, &direction)),
            },
            _ => direction,
        };
        sort.insert(path, direction);
    }
    Ok(Some(sort).filter(|sort| !sort.is_empty()))
}

fn add(fields: &Fields, name: &str, keys: &mut Document, item: Bson) -> Result<()> {
    match item {
        Bson::String(path) => {
            keys.insert(path, 1);
        }
        Bson::Document(document) => keys.extend(document),
        Bson::Array(pair) => match <[Bson; 2]>::try_from(pair) {
            Ok([Bson::String(path), direction]) => {
                keys.insert(path, direction);
            }
            _ => return Err(fields.invalid(&format!("{name} must hold pairs of a path and a direction"))),
        },
        other => return Err(fields.wrong(name, "made of paths", &other)),
    }
    Ok(())
}

/// `["a", -1]` is one pair; `["a", "b"]` is two paths.
fn is_pair(items: &[Bson]) -> bool {
    match items {
        [Bson::String(_), Bson::String(second)] => {
            matches!(second.as_str(), "asc" | "desc" | "ascending" | "descending" | "1" | "-1")
        }
        [Bson::String(_), Bson::Int32(_) | Bson::Int64(_) | Bson::Double(_)] => true,
        _ => false,
    }
}

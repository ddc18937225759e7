use bson::{Bson, Document};
use tandem_contract::Result;

use super::run::Budget;
use crate::error::invalid;
use crate::expression::set_object_path;
use crate::path::{check_path, split_path};

/// `$unwind`: a document for each element of an array.
#[derive(Clone, Debug)]
pub(super) struct Unwind {
    path: Vec<String>,
    index: Option<Vec<String>>,
    preserve: bool,
}

impl Unwind {
    pub(super) fn parse(operand: &Bson) -> Result<Self> {
        let (mut path, mut index, mut preserve) = (None, None, false);
        match operand {
            Bson::String(text) => path = Some(text),
            Bson::Document(fields) => {
                for (name, value) in fields {
                    match (name.as_str(), value) {
                        ("path", Bson::String(text)) => path = Some(text),
                        ("preserveNullAndEmptyArrays", Bson::Boolean(value)) => preserve = *value,
                        ("includeArrayIndex", Bson::String(text)) if !text.is_empty() => {
                            check_path(text)?;
                            index = Some(split_path(text));
                        }
                        _ => {
                            return Err(invalid(format!(
                                "$unwind does not take this as \"{name}\": {value}"
                            )));
                        }
                    }
                }
            }
            _ => {}
        }
        let path = path.and_then(|path| path.strip_prefix('$'));
        let path = path.ok_or_else(|| invalid("$unwind needs a path that starts with \"$\""))?;
        check_path(path)?;
        Ok(Self { path: split_path(path), index, preserve })
    }

    pub(super) fn run(&self, input: Vec<Document>) -> Result<Vec<Document>> {
        let mut output = Vec::new();
        let mut budget = Budget::default();
        for mut document in input {
            let slot = slot(&mut document, &self.path);
            let array = match slot {
                Some(Bson::Array(array)) => std::mem::take(array),
                None | Some(Bson::Null | Bson::Undefined) if !self.preserve => continue,
                _ => {
                    self.set_index(&mut document, Bson::Null);
                    output.push(document);
                    continue;
                }
            };
            if array.is_empty() && self.preserve {
                remove(&mut document, &self.path);
                self.set_index(&mut document, Bson::Null);
                output.push(document);
                continue;
            }
            for (index, element) in array.into_iter().enumerate() {
                let mut unwound = document.clone();
                if let Some(slot) = self::slot(&mut unwound, &self.path) {
                    *slot = element;
                }
                self.set_index(&mut unwound, Bson::Int64(index as i64));
                budget.take(&unwound)?;
                output.push(unwound);
            }
        }
        Ok(output)
    }

    fn set_index(&self, document: &mut Document, index: Bson) {
        if let Some(path) = &self.index {
            set_object_path(document, path, index);
        }
    }
}

/// The value at a path through documents only.
fn slot<'a>(document: &'a mut Document, path: &[String]) -> Option<&'a mut Bson> {
    let (first, rest) = path.split_first()?;
    let value = document.get_mut(first)?;
    match value {
        value if rest.is_empty() => Some(value),
        Bson::Document(inner) => slot(inner, rest),
        _ => None,
    }
}

fn remove(document: &mut Document, path: &[String]) {
    let Some((first, rest)) = path.split_first() else { return };
    if rest.is_empty() {
        document.remove(first);
    } else if let Some(Bson::Document(inner)) = document.get_mut(first) {
        remove(inner, rest);
    }
}

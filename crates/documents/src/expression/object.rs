use bson::{Bson, Document, doc};
use tandem_contract::Result;

use super::arithmetic::NULL;
use super::array::array;
use super::operators::{ANY, Named, Operator, Run};
use super::{Expression, Value, is_nullish, type_name};
use crate::error::invalid;

pub(super) const OPERATORS: &[Operator] = &[
    Operator { name: "$mergeObjects", arity: (0, ANY), run: Run::All(merge) },
    Operator { name: "$objectToArray", arity: (1, 1), run: Run::All(to_array) },
    Operator { name: "$arrayToObject", arity: (1, 1), run: Run::All(from_array) },
];

pub(super) const NAMED: &[Named] = &[
    Named::new("$getField", &["field", "input"], 1, get_field).bare().checked(check_field),
    Named::new("$setField", &["field", "input", "value"], 3, set_field).checked(check_constant_field),
    Named::new("$unsetField", &["field", "input"], 2, set_field).checked(check_constant_field),
];

fn merge(name: &'static str, values: Vec<Value>) -> Result<Value> {
    let mut merged = Document::new();
    for value in super::arithmetic::spread(values) {
        match value {
            Some(Bson::Document(document)) => merged.extend(document),
            value if is_nullish(&value) => {}
            value => return Err(invalid(format!("{name} needs documents, not {}", type_name(&value)))),
        }
    }
    Ok(Some(Bson::Document(merged)))
}

fn to_array(name: &'static str, values: Vec<Value>) -> Result<Value> {
    match values.into_iter().next().flatten() {
        Some(Bson::Document(document)) => {
            let pairs =
                document.into_iter().map(|(name, value)| Bson::Document(doc! { "k": name, "v": value }));
            Ok(Some(Bson::Array(pairs.collect())))
        }
        value if is_nullish(&value) => NULL,
        value => Err(invalid(format!("{name} needs a document, not {}", type_name(&value)))),
    }
}

/// Takes `[[name, value], …]` or `[{k: name, v: value}, …]`; the first pair tells which.
fn from_array(name: &'static str, values: Vec<Value>) -> Result<Value> {
    if is_nullish(&values[0]) {
        return NULL;
    }
    let pairs = array(name, &values[0])?;
    let as_arrays = matches!(pairs.first(), Some(Bson::Array(_)));
    let mut object = Document::new();
    for pair in pairs {
        let (key, value) = match pair {
            Bson::Array(pair) if as_arrays && pair.len() == 2 => (Some(&pair[0]), Some(&pair[1])),
            Bson::Document(pair) if !as_arrays && pair.len() == 2 => (pair.get("k"), pair.get("v")),
            _ => (None, None),
        };
        match (key, value) {
            (Some(Bson::String(key)), Some(value)) if !key.contains('\0') => {
                object.insert(key.clone(), value.clone());
            }
            _ => {
                return Err(invalid(
                    "$arrayToObject needs pairs, all [name, value] or all {k: name, v: value}, with string names",
                ));
            }
        }
    }
    Ok(Some(Bson::Document(object)))
}

fn check_field(name: &'static str, arguments: &[Option<Expression>]) -> Result<()> {
    match &arguments[0] {
        Some(Expression::Literal(Bson::String(_))) => Ok(()),
        Some(Expression::Literal(_)) => Err(invalid(format!("{name} needs a string as its field"))),
        _ => Ok(()),
    }
}

fn check_constant_field(name: &'static str, arguments: &[Option<Expression>]) -> Result<()> {
    match &arguments[0] {
        Some(Expression::Literal(Bson::String(_))) => Ok(()),
        _ => Err(invalid(format!("{name} needs a constant string as its field"))),
    }
}

fn field_name(name: &str, field: &Option<Value>) -> Result<String> {
    match field {
        Some(Some(Bson::String(field))) => Ok(field.clone()),
        _ => Err(invalid(format!("{name} needs a string as its field"))),
    }
}

fn get_field(name: &'static str, arguments: Vec<Option<Value>>) -> Result<Value> {
    let field = field_name(name, &arguments[0])?;
    match arguments.into_iter().nth(1).flatten() {
        Some(Some(Bson::Document(document))) => Ok(document.get(field).cloned()),
        Some(Some(Bson::Null | Bson::Undefined)) => NULL,
        _ => Ok(None),
    }
}

fn set_field(name: &'static str, arguments: Vec<Option<Value>>) -> Result<Value> {
    let field = field_name(name, &arguments[0])?;
    let mut arguments = arguments.into_iter().skip(1);
    let mut document = match arguments.next().flatten().flatten() {
        Some(Bson::Document(document)) => document,
        value if is_nullish(&value) => return NULL,
        value => {
            return Err(invalid(format!("{name} needs a document as its input, not {}", type_name(&value))));
        }
    };
    match arguments.next().flatten().flatten() {
        Some(value) => {
            document.insert(field, value);
        }
        None => {
            document.remove(field);
        }
    }
    Ok(Some(Bson::Document(document)))
}

/// Sets a dotted path of a document, making the documents on the way.
pub(crate) fn set_path(document: &mut Document, path: &[String], value: Bson) {
    let Some((first, rest)) = path.split_first() else { return };
    if rest.is_empty() {
        document.insert(first.clone(), value);
        return;
    }
    if !matches!(document.get(first), Some(Bson::Document(_))) {
        document.insert(first.clone(), Document::new());
    }
    if let Some(Bson::Document(inner)) = document.get_mut(first) {
        set_path(inner, rest, value);
    }
}

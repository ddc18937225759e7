use bson::{Bson, Document};
use tandem_contract::Result;

use super::node::{Comparison, Node, Test};
use super::operators;
use crate::error::{invalid, not_supported};
use crate::expression::{Expression, Names};
use crate::path::split_path;
use crate::regex::Pattern;

/// Parses a filter of whole documents.
pub(super) fn parse(filter: &Document, names: &Names) -> Result<Node> {
    parse_level(filter, Some(names))
}

/// Parses a filter; `$expr` is only allowed where there are names for it.
pub(super) fn parse_level(filter: &Document, names: Option<&Names>) -> Result<Node> {
    let mut nodes = Vec::with_capacity(filter.len());
    for (name, value) in filter {
        match name.strip_prefix('$') {
            Some("ref" | "id" | "db") | None => nodes.extend(parse_path(name, value)?),
            Some(_) => nodes.extend(parse_operator(name, value, names)?),
        }
    }
    Ok(Node::And(nodes))
}

fn parse_operator(name: &str, value: &Bson, names: Option<&Names>) -> Result<Option<Node>> {
    Ok(Some(match name {
        "$and" => Node::And(parse_list(name, value, names)?),
        "$or" => Node::Or(parse_list(name, value, names)?),
        "$nor" => Node::Nor(parse_list(name, value, names)?),
        "$expr" => match names {
            Some(names) => Node::Expression(Box::new(Expression::parse(value, names)?)),
            None => return Err(invalid("$expr can only stand at the top of a filter")),
        },
        "$comment" => return Ok(None),
        "$alwaysTrue" | "$alwaysFalse" => {
            if !is_one(value) {
                return Err(invalid(format!("{name} takes only the value 1")));
            }
            Node::Always(name == "$alwaysTrue")
        }
        "$where" | "$text" | "$jsonSchema" | "$sampleRate" => return Err(not_supported(name)),
        _ => return Err(invalid(format!("There is no top-level filter operator {name}"))),
    }))
}

fn is_one(value: &Bson) -> bool {
    crate::number::Number::of(value).and_then(|number| number.to_exact_i64()) == Some(1)
}

fn parse_list(name: &str, value: &Bson, names: Option<&Names>) -> Result<Vec<Node>> {
    let Bson::Array(filters) = value else { return Err(invalid(format!("{name} needs an array"))) };
    if filters.is_empty() {
        return Err(invalid(format!("{name} needs a non-empty array")));
    }
    let nodes = filters.iter().map(|filter| match filter {
        Bson::Document(filter) => parse_level(filter, names),
        _ => Err(invalid(format!("{name} takes filters that are documents"))),
    });
    nodes.collect()
}

fn parse_path(name: &str, value: &Bson) -> Result<Option<Node>> {
    if name.split('.').count() > crate::depth::MAX_DEPTH {
        return Err(invalid(format!("The path \"{name}\" has too many parts")));
    }
    let path = split_path(name);
    let node = |test| Node::Path { path: path.clone(), test };
    Ok(Some(match value {
        Bson::Document(document) if is_operators(document) => {
            Node::And(operators::parse(document)?.into_iter().map(node).collect())
        }
        Bson::RegularExpression(regex) => {
            let pattern = Pattern::new(regex.pattern.as_str(), regex.options.as_str())?;
            node(Test::Regex(Box::new(pattern)))
        }
        Bson::Undefined => return Err(invalid("A filter cannot compare with undefined")),
        value => node(Test::Compare(Comparison::Equal, value.clone())),
    }))
}

/// Whether a document holds operators rather than being a value: its first name starts with `$`. A
/// database reference (`$ref` and `$id`) is a value.
pub(super) fn is_operators(document: &Document) -> bool {
    let reference = document.contains_key("$ref") && document.contains_key("$id");
    document.keys().next().is_some_and(|first| first.starts_with('$')) && !reference
}

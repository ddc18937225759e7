use bson::{Bson, Document};
use tandem_contract::Result;

use super::Operators;
use super::modifier::Modifier;
use super::tree::Tree;
use crate::depth::MAX_DEPTH;
use crate::error::invalid;
use crate::path::split_path;

/// Parses update operators: `{$set: {a: 1}, $inc: {b: 2}}`.
pub(super) fn parse(operators: &Document) -> Result<Operators> {
    if operators.is_empty() {
        return Err(invalid("An update needs at least one operator"));
    }
    let mut parsed = Operators { tree: Tree::empty(), sources: Vec::new(), positional: false };
    for (operator, changes) in operators {
        if !operator.starts_with('$') {
            return Err(invalid(format!("An update takes operators; \"{operator}\" is none")));
        }
        let Bson::Document(changes) = changes else {
            return Err(invalid(format!("{operator} needs a document of paths")));
        };
        for (path, operand) in changes {
            let parts = parse_path(path)?;
            if operator == "$rename" {
                rename(&mut parsed, path, parts, operand)?;
                continue;
            }
            parsed.positional |= parts.iter().any(|part| part == "$");
            let modifier = Modifier::parse(operator, path, operand)?;
            parsed.tree.insert(&parts, Tree::Leaf(modifier))?;
        }
        if changes.is_empty() {
            Modifier::check_name(operator)?;
        }
    }
    Ok(parsed)
}

fn rename(parsed: &mut Operators, path: &str, source: Vec<String>, target: &Bson) -> Result<()> {
    let Bson::String(target) = target else {
        return Err(invalid(format!("$rename needs a string as the new name of \"{path}\"")));
    };
    let parts = parse_path(target)?;
    if source.iter().chain(&parts).any(|part| part.starts_with('$')) {
        return Err(invalid(format!("$rename takes no positional path (\"{path}\" to \"{target}\")")));
    }
    if source[0] == "_id" || parts[0] == "_id" {
        return Err(invalid("$rename cannot take or give the immutable field \"_id\""));
    }
    if source.starts_with(&parts) || parts.starts_with(&source) {
        return Err(invalid(format!("$rename of \"{path}\" to \"{target}\": neither may hold the other")));
    }
    parsed.tree.insert(&source, Tree::Reserved)?;
    parsed.tree.insert(&parts, Tree::Leaf(Modifier::Rename(parsed.sources.len())))?;
    parsed.sources.push(source);
    Ok(())
}

fn parse_path(path: &str) -> Result<Vec<String>> {
    let parts = split_path(path);
    let problem = if parts.iter().any(String::is_empty) {
        "has an empty part"
    } else if parts[0].starts_with('$') {
        "starts with \"$\""
    } else if parts.iter().any(|part| part.starts_with('$') && !is_positional(part)) {
        "has a part that starts with \"$\" and is none of $, $[] and $[name]"
    } else if parts.iter().filter(|part| *part == "$").count() > 1 {
        "has more than one positional \"$\""
    } else if path.contains('\0') {
        "contains a NUL"
    } else if parts.len() > MAX_DEPTH {
        "has too many parts"
    } else {
        return Ok(parts);
    };
    Err(invalid(format!("The path \"{path}\" of an update {problem}")))
}

fn is_positional(part: &str) -> bool {
    part == "$" || (part.starts_with("$[") && part.ends_with(']'))
}

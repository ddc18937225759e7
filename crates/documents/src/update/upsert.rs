use std::collections::BTreeMap;

use bson::{Bson, Document};
use tandem_contract::Result;

use super::{Change, Update, UpdateContext};
use crate::error::{invalid, not_supported};
use crate::expression::set_object_path;
use crate::filter::{Comparison, Filter, Node, NodeTest};

/// The document that an upsert inserts when nothing matched: the filter's equalities, changed by
/// the update. `_id` comes first; when neither gives one it is absent, and the store adds it.
///
/// # Errors
/// `InvalidArgument` when the filter sets a path twice or has an `$expr`, when the update changes
/// the `_id` the filter gives, when `_id` is an array, and as [`Update::apply`].
pub fn upsert_document(filter: &Filter, update: &Update, context: &UpdateContext) -> Result<Document> {
    check_upsert(filter)?;
    let mut equalities = BTreeMap::new();
    let only_id = matches!(update.change, Change::Replacement(_));
    collect(filter.root(), only_id, &mut equalities)?;
    let mut document = Document::new();
    for (path, value) in equalities {
        let parts: Vec<String> = path.split('.').map(str::to_owned).collect();
        if parts.iter().any(|part| part.is_empty() || part.starts_with('$')) {
            return Err(not_supported(format!("the path \"{path}\" in the filter of an upsert")));
        }
        set_object_path(&mut document, &parts, value.clone());
    }
    let context = UpdateContext { inserting: true, ..*context };
    update.apply(&mut document, &context)?;
    match document.get("_id") {
        Some(Bson::Array(_) | Bson::RegularExpression(_) | Bson::Undefined) => {
            Err(invalid("\"_id\" must not be an array, a regular expression or undefined"))
        }
        _ => Ok(document),
    }
}

/// Refuses a filter that no upsert may have, whether or not something matches.
///
/// # Errors
/// `InvalidArgument` when the filter has an `$expr`.
pub fn check_upsert(filter: &Filter) -> Result<()> {
    match has_expression(filter.root()) {
        true => Err(invalid("$expr cannot stand in the filter of an upsert")),
        false => Ok(()),
    }
}

fn collect<'a>(node: &'a Node, only_id: bool, out: &mut BTreeMap<String, &'a Bson>) -> Result<()> {
    match node {
        Node::And(nodes) => nodes.iter().try_for_each(|node| collect(node, only_id, out)),
        Node::Path { path, test: NodeTest::Compare(Comparison::Equal, value) } => {
            if only_id && path[0] != "_id" {
                return Ok(());
            }
            if only_id && path.len() > 1 {
                return Err(invalid("The filter of an upsert by replacement must give \"_id\" as a whole"));
            }
            let path = path.join(".");
            let within = |inner: &str, outer: &str| {
                inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            };
            if let Some(other) = out.keys().find(|other| within(other, &path) || within(&path, other)) {
                return Err(invalid(format!("The filter of an upsert sets both \"{other}\" and \"{path}\"")));
            }
            out.insert(path, value);
            Ok(())
        }
        _ => Ok(()),
    }
}

fn has_expression(node: &Node) -> bool {
    match node {
        Node::And(nodes) | Node::Or(nodes) | Node::Nor(nodes) => nodes.iter().any(has_expression),
        Node::Expression(_) => true,
        Node::Always(_) | Node::Path { .. } => false,
    }
}

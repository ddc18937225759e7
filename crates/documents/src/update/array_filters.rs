use std::collections::BTreeMap;

use bson::{Bson, Document};
use tandem_contract::Result;

use super::tree::Tree;
use crate::error::invalid;
use crate::filter::{Filter, Node};

/// The filters that `$[name]` refers to, by name.
#[derive(Clone, Debug, Default)]
pub(super) struct ArrayFilters {
    filters: BTreeMap<String, Filter>,
}

impl ArrayFilters {
    /// Each filter is about one name: `{"item.price": {$gt: 5}}`.
    pub(super) fn parse(filters: &[Document]) -> Result<Self> {
        let mut parsed = BTreeMap::new();
        for filter in filters {
            let compiled = Filter::parse(filter)?;
            let mut names = Vec::new();
            collect_names(compiled.root(), &mut names)?;
            names.sort();
            names.dedup();
            let name = match names.as_slice() {
                [name] => name.clone(),
                _ => {
                    return Err(invalid(format!(
                        "An array filter needs exactly one name to be about: {filter}"
                    )));
                }
            };
            if !is_name(&name) {
                return Err(invalid(format!(
                    "\"{name}\" cannot name an array filter: it needs a small letter, then letters or digits"
                )));
            }
            if parsed.insert(name.clone(), compiled).is_some() {
                return Err(invalid(format!("Two array filters are named \"{name}\"")));
            }
        }
        Ok(Self { filters: parsed })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.filters.is_empty()
    }

    /// Each `$[name]` needs a filter, each filter a `$[name]`.
    pub(super) fn check_use(&self, tree: &Tree) -> Result<()> {
        let mut unused: Vec<&String> = self.filters.keys().collect();
        let mut missing = None;
        tree.visit_names(&mut |name| {
            unused.retain(|known| *known != name);
            if !self.filters.contains_key(name) {
                missing = Some(name.to_owned());
            }
        });
        if let Some(name) = missing {
            return Err(invalid(format!("No array filter is named \"{name}\"")));
        }
        match unused.first() {
            Some(name) => Err(invalid(format!("The array filter \"{name}\" is not used"))),
            None => Ok(()),
        }
    }

    pub(super) fn matches(&self, name: &str, element: &Bson) -> Result<bool> {
        let Some(filter) = self.filters.get(name) else { return Ok(false) };
        let mut document = Document::new();
        document.insert(name, element.clone());
        filter.matches(&document)
    }
}

fn collect_names(node: &Node, names: &mut Vec<String>) -> Result<()> {
    match node {
        Node::And(nodes) | Node::Or(nodes) | Node::Nor(nodes) => {
            nodes.iter().try_for_each(|node| collect_names(node, names))
        }
        Node::Path { path, .. } => {
            names.extend(path.first().cloned());
            Ok(())
        }
        Node::Expression(_) => Err(invalid("$expr cannot stand in an array filter")),
        Node::Always(_) => Ok(()),
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_alphanumeric())
}

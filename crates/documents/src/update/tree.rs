use std::cmp::Ordering;
use std::collections::BTreeMap;

use tandem_contract::Result;

use super::modifier::Modifier;
use crate::error::invalid;

/// The modifiers of an update by the parts of their paths.
#[derive(Clone, Debug)]
pub(super) enum Tree {
    Leaf(Modifier),
    /// Fields by name, applied in order; `positional` is what `$` stands for.
    Fields {
        fields: BTreeMap<Part, Tree>,
        positional: Option<Box<Tree>>,
    },
    /// All elements of an array, or those that a filter names.
    Elements(Vec<(Option<String>, Tree)>),
    /// The path a `$rename` empties: it only conflicts.
    Reserved,
}

/// A name in a path. Numbers come in their own order, as MongoDB applies them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part(pub(super) String);

impl Ord for Part {
    fn cmp(&self, other: &Self) -> Ordering {
        let number =
            |part: &Self| part.0.parse::<u64>().ok().filter(|_| part.0.bytes().all(|b| b.is_ascii_digit()));
        match (number(self), number(other)) {
            (Some(left), Some(right)) => left.cmp(&right).then_with(|| self.0.cmp(&other.0)),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => self.0.cmp(&other.0),
        }
    }
}

impl PartialOrd for Part {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// What a part of an update's path is.
enum Kind<'a> {
    Name,
    Positional,
    Element(Option<&'a str>),
}

fn kind(part: &str) -> Kind<'_> {
    match part.strip_prefix("$[").and_then(|inner| inner.strip_suffix(']')) {
        Some("") => Kind::Element(None),
        Some(name) => Kind::Element(Some(name)),
        None if part == "$" => Kind::Positional,
        None => Kind::Name,
    }
}

impl Tree {
    pub(super) fn empty() -> Self {
        Self::Fields { fields: BTreeMap::new(), positional: None }
    }

    /// Adds a modifier at a path.
    ///
    /// # Errors
    /// `InvalidArgument` when the path, a part of it or something below it is there already.
    pub(super) fn insert(&mut self, path: &[String], tree: Self) -> Result<()> {
        self.merge(&mut Vec::new(), Self::chain(path, tree))
    }

    fn chain(path: &[String], tree: Self) -> Self {
        path.iter().rev().fold(tree, |tree, part| match kind(part) {
            Kind::Name => {
                Self::Fields { fields: BTreeMap::from([(Part(part.clone()), tree)]), positional: None }
            }
            Kind::Positional => Self::Fields { fields: BTreeMap::new(), positional: Some(Box::new(tree)) },
            Kind::Element(name) => Self::Elements(vec![(name.map(str::to_owned), tree)]),
        })
    }

    /// Joins another tree into this one; `path` leads here, for messages.
    pub(super) fn merge(&mut self, path: &mut Vec<String>, other: Self) -> Result<()> {
        match (self, other) {
            (
                Self::Fields { fields, positional },
                Self::Fields { fields: other_fields, positional: other_positional },
            ) => {
                for (part, tree) in other_fields {
                    path.push(part.0.clone());
                    match fields.get_mut(&part) {
                        Some(existing) => existing.merge(path, tree)?,
                        None => {
                            fields.insert(part, tree);
                        }
                    }
                    path.pop();
                }
                match (positional.as_mut(), other_positional) {
                    (Some(existing), Some(tree)) => {
                        path.push("$".to_owned());
                        existing.merge(path, *tree)?;
                        path.pop();
                    }
                    (None, tree @ Some(_)) => *positional = tree,
                    (_, None) => {}
                }
                Ok(())
            }
            (Self::Elements(elements), Self::Elements(others)) => {
                for (name, tree) in others {
                    match elements.iter_mut().find(|(known, _)| *known == name) {
                        Some((_, existing)) => {
                            path.push(format!("$[{}]", name.as_deref().unwrap_or_default()));
                            existing.merge(path, tree)?;
                            path.pop();
                        }
                        None => elements.push((name, tree)),
                    }
                }
                Ok(())
            }
            _ => Err(invalid(format!("Two changes of an update conflict at \"{}\"", path.join(".")))),
        }
    }

    /// Calls `visit` with each name in `$[name]`.
    pub(super) fn visit_names(&self, visit: &mut dyn FnMut(&str)) {
        match self {
            Self::Leaf(_) | Self::Reserved => {}
            Self::Fields { fields, positional } => {
                fields.values().for_each(|tree| tree.visit_names(visit));
                positional.iter().for_each(|tree| tree.visit_names(visit));
            }
            Self::Elements(elements) => {
                for (name, tree) in elements {
                    if let Some(name) = name {
                        visit(name);
                    }
                    tree.visit_names(visit);
                }
            }
        }
    }
}

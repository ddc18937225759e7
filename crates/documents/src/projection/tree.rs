use bson::{Bson, Document};
use tandem_contract::Result;

use crate::error::invalid;
use crate::expression::{Expression, Scope};
use crate::filter::Filter;

/// The paths of a projection, by their first parts, in the order they were given.
#[derive(Clone, Debug, Default)]
pub(super) struct Tree {
    branches: Vec<(String, Branch)>,
    computes: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Branch {
    Include,
    Exclude,
    Compute(Expression),
    /// The first element that matches, as an array.
    ElementMatch(Box<Filter>),
    Nested(Tree),
}

impl Tree {
    /// Adds what happens at a path.
    ///
    /// # Errors
    /// `InvalidArgument` when the path is there already, or is the start of one that is.
    pub(super) fn insert(&mut self, path: &[String], branch: Branch) -> Result<()> {
        let Some((first, rest)) = path.split_first() else { return Ok(()) };
        self.computes |= matches!(branch, Branch::Compute(_) | Branch::ElementMatch(_));
        let existing = self.branches.iter_mut().find(|(name, _)| name == first);
        match (existing, rest.is_empty()) {
            (Some((_, Branch::Nested(tree))), false) => tree.insert(rest, branch),
            (Some(_), _) => Err(invalid(format!("Two paths of a projection collide at \"{first}\""))),
            (None, true) => {
                self.branches.push((first.clone(), branch));
                Ok(())
            }
            (None, false) => {
                let mut tree = Self::default();
                tree.insert(rest, branch)?;
                self.branches.push((first.clone(), Branch::Nested(tree)));
                Ok(())
            }
        }
    }

    pub(super) fn computes(&self) -> bool {
        self.computes
    }

    fn get(&self, name: &str) -> Option<&Branch> {
        self.branches.iter().find(|(known, _)| known == name).map(|(_, branch)| branch)
    }

    /// The fields that are named, in the order of the document.
    pub(super) fn include(&self, document: &Document) -> Document {
        let kept = document.iter().filter_map(|(name, value)| {
            let value = match self.get(name)? {
                Branch::Include => value.clone(),
                // What is computed later keeps the place of a value that has no named field.
                Branch::Nested(tree) => tree.include_value(value).or_else(|| tree.placeholder())?,
                Branch::Exclude | Branch::Compute(_) | Branch::ElementMatch(_) => return None,
            };
            Some((name.clone(), value))
        });
        kept.collect()
    }

    /// Documents inside arrays are projected one by one; what is no document has no named field.
    fn include_value(&self, value: &Bson) -> Option<Bson> {
        match value {
            Bson::Document(document) => Some(Bson::Document(self.include(document))),
            Bson::Array(array) => {
                let kept = array
                    .iter()
                    .filter_map(|element| self.include_value(element).or_else(|| self.placeholder()));
                Some(Bson::Array(kept.collect()))
            }
            _ => None,
        }
    }

    fn placeholder(&self) -> Option<Bson> {
        self.computes.then_some(Bson::Null)
    }

    /// All but the fields that are named.
    pub(super) fn exclude(&self, document: &Document) -> Document {
        let kept = document.iter().filter_map(|(name, value)| {
            let value = match self.get(name) {
                Some(Branch::Exclude) => return None,
                Some(Branch::Nested(tree)) => tree.exclude_value(value),
                _ => value.clone(),
            };
            Some((name.clone(), value))
        });
        kept.collect()
    }

    fn exclude_value(&self, value: &Bson) -> Bson {
        match value {
            Bson::Document(document) => Bson::Document(self.exclude(document)),
            Bson::Array(array) => {
                Bson::Array(array.iter().map(|element| self.exclude_value(element)).collect())
            }
            other => other.clone(),
        }
    }

    /// Sets the computed fields; one that is missing goes away.
    pub(super) fn compute(&self, document: &mut Document, scope: &Scope<'_>) -> Result<()> {
        for (name, branch) in &self.branches {
            let value = match branch {
                Branch::Compute(expression) => expression.evaluate(scope)?,
                Branch::ElementMatch(filter) => first_match(name, filter, scope)?,
                Branch::Nested(tree) if tree.computes => {
                    let value = document.get_mut(name).map(std::mem::take);
                    Some(tree.compute_value(value, scope)?)
                }
                _ => continue,
            };
            match value {
                Some(value) => {
                    document.insert(name.clone(), value);
                }
                None => {
                    document.remove(name);
                }
            }
        }
        Ok(())
    }

    /// What is neither document nor array is replaced by a document of the computed fields.
    fn compute_value(&self, value: Option<Bson>, scope: &Scope<'_>) -> Result<Bson> {
        if let Some(Bson::Array(array)) = value {
            let elements = array.into_iter().map(|element| self.compute_value(Some(element), scope));
            return Ok(Bson::Array(elements.collect::<Result<_>>()?));
        }
        let mut document = match value {
            Some(Bson::Document(document)) => document,
            _ => Document::new(),
        };
        self.compute(&mut document, scope)?;
        Ok(Bson::Document(document))
    }
}

fn first_match(name: &str, filter: &Filter, scope: &Scope<'_>) -> Result<Option<Bson>> {
    let Some(Bson::Array(array)) = scope.root().get(name) else { return Ok(None) };
    let position = filter.element_position(scope)?;
    Ok(position.and_then(|position| array.get(position)).map(|element| Bson::Array(vec![element.clone()])))
}

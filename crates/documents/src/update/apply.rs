use std::collections::BTreeMap;

use bson::{Bson, Document};
use tandem_contract::Result;

use super::array_filters::ArrayFilters;
use super::arrays::pad_and_push;
use super::modifier::{Effect, Modifier};
use super::tree::{Part, Tree};
use super::{Operators, UpdateContext};
use crate::error::{invalid, not_supported};
use crate::filter::AMBIGUOUS;
use crate::path::array_index;

/// Applies update operators to a document; tells too whether it counts as modified even if it is as
/// before.
pub(super) fn apply(
    operators: &Operators,
    array_filters: &ArrayFilters,
    document: Document,
    context: &UpdateContext,
) -> Result<(Document, bool)> {
    let renamed = operators.sources.iter().map(|source| rename_source(&document, source));
    let renamed = renamed.collect::<Result<Vec<_>>>()?;
    let mut applier = Applier { array_filters, context, renamed, path: Vec::new(), touched: false };
    let changed = match applier.change(&operators.tree, Bson::Document(document))? {
        Effect::Value(Bson::Document(changed)) => changed,
        _ => Document::new(),
    };
    let mut changed = changed;
    for (source, value) in operators.sources.iter().zip(&applier.renamed) {
        if value.is_some() {
            remove(&mut changed, source);
        }
    }
    Ok((changed, applier.touched))
}

/// The value that `$rename` moves; it must not be inside an array.
fn rename_source(document: &Document, path: &[String]) -> Result<Option<Bson>> {
    let refused = |why: &str| Err(invalid(format!("$rename of \"{}\" {why}", path.join("."))));
    let Some((first, rest)) = path.split_first() else { return Ok(None) };
    let (mut value, mut in_array) = (document.get(first), false);
    for part in rest {
        value = match value {
            None => return Ok(None),
            Some(Bson::Document(inner)) => inner.get(part),
            Some(Bson::Array(array)) => {
                in_array = true;
                match array_index(part) {
                    Some(index) => array.get(index),
                    None => return refused("leads through an array"),
                }
            }
            Some(_) => return refused("leads through a value that holds no document"),
        };
    }
    if in_array && value.is_some() {
        return refused("reaches into an array");
    }
    Ok(value.cloned())
}

fn remove(document: &mut Document, path: &[String]) {
    let Some((first, rest)) = path.split_first() else { return };
    if rest.is_empty() {
        document.remove(first);
    } else if let Some(Bson::Document(inner)) = document.get_mut(first) {
        remove(inner, rest);
    }
}

struct Applier<'a> {
    array_filters: &'a ArrayFilters,
    context: &'a UpdateContext,
    renamed: Vec<Option<Bson>>,
    path: Vec<String>,
    touched: bool,
}

impl Applier<'_> {
    fn change(&mut self, tree: &Tree, value: Bson) -> Result<Effect> {
        match tree {
            Tree::Reserved => Ok(Effect::Value(value)),
            Tree::Leaf(Modifier::Rename(source)) => {
                Ok(Effect::Value(self.renamed[*source].clone().unwrap_or(value)))
            }
            Tree::Leaf(modifier) => {
                self.touched |= modifier.always_modifies(&value);
                modifier.change(value, &self.path.join("."), self.context)
            }
            Tree::Fields { fields, positional } => {
                let merged = self.with_positional(fields, positional.as_deref())?;
                self.fields(merged.as_ref().unwrap_or(fields), value).map(Effect::Value)
            }
            Tree::Elements(elements) => match value {
                Bson::Array(array) => {
                    self.elements(elements, array).map(|array| Effect::Value(Bson::Array(array)))
                }
                _ => Err(invalid(format!("$[] needs an array at \"{}\"", self.path.join(".")))),
            },
        }
    }

    /// The fields with what positional `$` stands for among them.
    fn with_positional(
        &self,
        fields: &BTreeMap<Part, Tree>,
        positional: Option<&Tree>,
    ) -> Result<Option<BTreeMap<Part, Tree>>> {
        let Some(positional) = positional else { return Ok(None) };
        let position = self.context.array_position.ok_or_else(|| not_supported(AMBIGUOUS))?;
        let mut merged = Tree::Fields { fields: fields.clone(), positional: None };
        let mut path = self.path.clone();
        let only = BTreeMap::from([(Part(position.to_string()), positional.clone())]);
        merged.merge(&mut path, Tree::Fields { fields: only, positional: None })?;
        match merged {
            Tree::Fields { fields, .. } => Ok(Some(fields)),
            _ => Ok(None),
        }
    }

    fn fields(&mut self, fields: &BTreeMap<Part, Tree>, mut value: Bson) -> Result<Bson> {
        for (part, tree) in fields {
            self.path.push(part.0.clone());
            match &mut value {
                Bson::Document(document) => self.field(document, &part.0, tree)?,
                Bson::Array(array) => self.element(array, &part.0, tree)?,
                _ => self.refuse_unless_idle(tree)?,
            }
            self.path.pop();
        }
        Ok(value)
    }

    fn field(&mut self, document: &mut Document, name: &str, tree: &Tree) -> Result<()> {
        let Some(slot) = document.get_mut(name) else {
            if let Effect::Value(value) = self.create(tree)? {
                document.insert(name, value);
            }
            return Ok(());
        };
        let value = std::mem::take(slot);
        match self.change(tree, value)? {
            Effect::Value(value) => *slot = value,
            Effect::Nothing => {
                document.remove(name);
            }
        }
        Ok(())
    }

    fn element(&mut self, array: &mut Vec<Bson>, name: &str, tree: &Tree) -> Result<()> {
        if renames(tree) {
            return self.refuse_rename();
        }
        let index =
            name.bytes().all(|byte| byte.is_ascii_digit()).then(|| name.parse::<usize>().ok()).flatten();
        let Some(index) = index else { return self.refuse_unless_idle(tree) };
        let Some(slot) = array.get_mut(index) else {
            if let Effect::Value(value) = self.create(tree)? {
                pad_and_push(array, index, value)?;
            }
            return Ok(());
        };
        let value = std::mem::take(slot);
        *slot = match self.change(tree, value)? {
            Effect::Value(value) => value,
            // The other elements keep their places.
            Effect::Nothing => {
                self.touched = true;
                Bson::Null
            }
        };
        Ok(())
    }

    fn refuse_rename(&self) -> Result<()> {
        if self.renamed.iter().all(Option::is_none) {
            return Ok(());
        }
        Err(invalid(format!("$rename cannot reach into an array (\"{}\")", self.path.join("."))))
    }

    /// A path that leads through a value that can have no fields.
    fn refuse_unless_idle(&self, tree: &Tree) -> Result<()> {
        let refused = match tree {
            Tree::Leaf(Modifier::Rename(source)) => self.renamed[*source].is_some(),
            Tree::Leaf(modifier) => modifier.needs_viable_path(self.context),
            Tree::Reserved => false,
            Tree::Fields { fields, positional } => {
                positional.is_some() || {
                    fields.values().try_for_each(|tree| self.refuse_unless_idle(tree))?;
                    false
                }
            }
            Tree::Elements(_) => true,
        };
        if !refused {
            return Ok(());
        }
        Err(invalid(format!(
            "The path \"{}\" leads through a value that cannot have that field",
            self.path.join(".")
        )))
    }

    fn elements(&mut self, elements: &[(Option<String>, Tree)], array: Vec<Bson>) -> Result<Vec<Bson>> {
        let mut changed = Vec::with_capacity(array.len());
        for (index, element) in array.into_iter().enumerate() {
            self.path.push(index.to_string());
            let mut applicable: Option<Tree> = None;
            for (name, tree) in elements {
                let applies = match name {
                    Some(name) => self.array_filters.matches(name, &element)?,
                    None => true,
                };
                match &mut applicable {
                    _ if !applies => {}
                    Some(merged) => merged.merge(&mut self.path.clone(), tree.clone())?,
                    None => applicable = Some(tree.clone()),
                }
            }
            changed.push(match applicable {
                None => element,
                Some(tree) => match self.change(&tree, element)? {
                    Effect::Value(value) => value,
                    Effect::Nothing => {
                        self.touched = true;
                        Bson::Null
                    }
                },
            });
            self.path.pop();
        }
        Ok(changed)
    }

    /// What a tree makes where there is nothing yet.
    fn create(&mut self, tree: &Tree) -> Result<Effect> {
        match tree {
            Tree::Reserved => Ok(Effect::Nothing),
            Tree::Leaf(Modifier::Rename(source)) => {
                Ok(self.renamed[*source].clone().map_or(Effect::Nothing, Effect::Value))
            }
            Tree::Leaf(modifier) => modifier.create(self.context),
            Tree::Elements(_) => {
                Err(invalid(format!("$[] needs an array at \"{}\", where nothing is", self.path.join("."))))
            }
            Tree::Fields { fields, positional } => {
                let merged = self.with_positional(fields, positional.as_deref())?;
                let mut document = Document::new();
                for (part, tree) in merged.as_ref().unwrap_or(fields) {
                    self.path.push(part.0.clone());
                    if let Effect::Value(value) = self.create(tree)? {
                        document.insert(part.0.clone(), value);
                    }
                    self.path.pop();
                }
                Ok(if document.is_empty() { Effect::Nothing } else { Effect::Value(document.into()) })
            }
        }
    }
}

fn renames(tree: &Tree) -> bool {
    match tree {
        Tree::Leaf(modifier) => matches!(modifier, Modifier::Rename(_)),
        Tree::Fields { fields, .. } => fields.values().any(renames),
        Tree::Elements(_) | Tree::Reserved => false,
    }
}

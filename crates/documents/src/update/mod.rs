//! Updates: how a document changes.

mod apply;
mod array_filters;
mod arrays;
mod modifier;
mod numeric;
mod parse;
mod tree;
mod upsert;

use std::time::SystemTime;

use bson::{Bson, DateTime, Document};
use tandem_contract::{Result, UpdateSpec};

use crate::compare::compare;
use crate::depth::{check_depth, check_document};
use crate::error::invalid;
use crate::expression::Scope;
use crate::identical::identical_documents;
use crate::pipeline::Stages;
use array_filters::ArrayFilters;
use tree::Tree;

pub use upsert::{check_upsert, upsert_document};

/// A parsed update.
#[derive(Clone, Debug)]
pub struct Update {
    change: Change,
    array_filters: ArrayFilters,
}

#[derive(Clone, Debug)]
enum Change {
    Operators(Operators),
    Pipeline(Stages),
    Replacement(Document),
}

/// The operators of an update by the paths they change.
#[derive(Clone, Debug)]
struct Operators {
    tree: Tree,
    /// The paths that `$rename` empties.
    sources: Vec<Vec<String>>,
    positional: bool,
}

/// What an update needs to know besides the document.
#[derive(Clone, Copy, Debug)]
pub struct UpdateContext {
    /// The time, for `$currentDate` and `$$NOW`.
    pub now: SystemTime,
    /// The array element that positional `$` stands for, from [`crate::Filter::find`].
    pub array_position: Option<usize>,
    /// The document is about to be inserted: `$setOnInsert` applies.
    pub inserting: bool,
}

impl UpdateContext {
    fn date(&self) -> DateTime {
        DateTime::from_system_time(self.now)
    }
}

impl Update {
    /// Parses an update with the filters its `$[name]` refer to.
    ///
    /// # Errors
    /// `InvalidArgument` for an update MongoDB would not take either: unknown operators, paths that
    /// conflict, array filters that are missing or unused; `NotSupported` for what is left out.
    pub fn parse(spec: &UpdateSpec, array_filters: &[Document]) -> Result<Self> {
        let array_filters = ArrayFilters::parse(array_filters)?;
        let change = match spec {
            UpdateSpec::Operators(operators) => {
                check_depth(operators)?;
                let operators = parse::parse(operators)?;
                array_filters.check_use(&operators.tree)?;
                return Ok(Self { change: Change::Operators(operators), array_filters });
            }
            UpdateSpec::Pipeline(stages) => Change::Pipeline(Stages::parse_update(stages)?),
            UpdateSpec::Replacement(replacement) => {
                check_document(replacement)?;
                if let Some(name) = replacement.keys().find(|name| name.starts_with('$')) {
                    return Err(invalid(format!("A replacement must not have the field \"{name}\"")));
                }
                Change::Replacement(replacement.clone())
            }
        };
        if !array_filters.is_empty() {
            return Err(invalid("Array filters go with update operators only"));
        }
        Ok(Self { change, array_filters })
    }

    /// Whether the update has a positional `$`, so that [`UpdateContext::array_position`] matters.
    pub fn needs_position(&self) -> bool {
        matches!(&self.change, Change::Operators(operators) if operators.positional)
    }

    /// Changes a document; tells whether it counts as modified: it is different now, or an operator
    /// such as `$push` always counts. On an error the document is as it was.
    ///
    /// # Errors
    /// `InvalidArgument` when an operator does not fit the value it meets, when `_id` would change,
    /// or when the document would become too large or too deep.
    pub fn apply(&self, document: &mut Document, context: &UpdateContext) -> Result<bool> {
        let (mut changed, always) = match &self.change {
            Change::Operators(operators) => {
                let changed = apply::apply(operators, &self.array_filters, document.clone(), context)?;
                check_id(document, &changed.0, crate::identical::identical)?;
                changed
            }
            Change::Pipeline(stages) => {
                let scope = Scope::new(document, Some(context.date()));
                replaced(document, stages.run_update(document, scope)?)?
            }
            Change::Replacement(replacement) => replaced(document, replacement.clone())?,
        };
        keep_id_first(&mut changed);
        check_document(&changed)?;
        let modified = always || !identical_documents(document, &changed);
        *document = changed;
        Ok(modified)
    }
}

/// A whole new document in place of another: `_id` stays when the new one has none, and then the
/// document counts as modified.
fn replaced(before: &Document, mut after: Document) -> Result<(Document, bool)> {
    let mut always = false;
    if let (Some(id), false) = (before.get("_id"), after.contains_key("_id")) {
        after.insert("_id", id.clone());
        always = true;
    }
    check_id(before, &after, |left, right| compare(left, right).is_eq())?;
    Ok((after, always))
}

fn check_id(before: &Document, after: &Document, same: fn(&Bson, &Bson) -> bool) -> Result<()> {
    match (before.get("_id"), after.get("_id")) {
        (Some(before), Some(after)) if same(before, after) => Ok(()),
        (None, _) => Ok(()),
        _ => Err(invalid("The field \"_id\" is immutable: an update must not change or remove it")),
    }
}

fn keep_id_first(document: &mut Document) {
    if document.keys().next().is_some_and(|first| first == "_id") {
        return;
    }
    if let Some(id) = document.remove("_id") {
        let rest = std::mem::take(document);
        document.insert("_id", id);
        document.extend(rest);
    }
}

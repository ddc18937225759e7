//! Projections: which fields of a document come back, and which are computed.

mod find;
mod parse;
mod tree;

use std::time::SystemTime;

use bson::{DateTime, Document};
use tandem_contract::Result;

use crate::depth::check_document;
use crate::expression::{Names, Scope};
use crate::filter::Filter;
use find::FindPart;
use tree::Tree;

pub(crate) use parse::parse_added_fields;

/// A parsed projection.
#[derive(Clone, Debug)]
pub struct Projection {
    mode: Mode,
    tree: Tree,
    /// `$slice` and positional `$`, which only queries know.
    find: Vec<FindPart>,
    now: Option<DateTime>,
}

/// What happens to fields that are not named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// They are left out.
    Include,
    /// They stay, and so does all but what is named for exclusion.
    Exclude,
    /// They stay.
    Add,
}

impl Projection {
    /// Parses the projection of a query.
    ///
    /// # Errors
    /// `InvalidArgument` for a projection MongoDB would not take either, `NotSupported` for `$meta` and for
    /// expressions that are left out.
    pub fn parse(projection: &Document) -> Result<Self> {
        parse::parse_find(projection)
    }

    /// Parses the specification of `$project`.
    pub(crate) fn parse_stage(projection: &Document, names: &Names) -> Result<Self> {
        parse::parse_stage(projection, names)
    }

    /// Leaves out paths, as `$unset` does.
    pub(crate) fn excluding(paths: &[String]) -> Result<Self> {
        parse::excluding(paths)
    }

    /// Gives `$$NOW` its value.
    #[must_use]
    pub fn with_now(mut self, now: SystemTime) -> Self {
        self.now = Some(DateTime::from_system_time(now));
        self
    }

    /// Projects a document. `filter` is the filter of the query, which positional `$` refers to.
    ///
    /// # Errors
    /// `InvalidArgument` when an expression fails, or when positional `$` has no array element that
    /// the filter matched.
    pub fn apply(&self, document: &Document, filter: Option<&Filter>) -> Result<Document> {
        let scope = Scope::new(document, self.now);
        let mut projected = self.apply_in(&scope)?;
        for part in &self.find {
            part.apply(document, &mut projected, filter)?;
        }
        Ok(projected)
    }

    /// Projects the document a scope is about.
    pub(crate) fn apply_in(&self, scope: &Scope<'_>) -> Result<Document> {
        let document = scope.root();
        let mut projected = match self.mode {
            Mode::Include => self.tree.include(document),
            Mode::Exclude => self.tree.exclude(document),
            Mode::Add => document.clone(),
        };
        if self.tree.computes() {
            self.tree.compute(&mut projected, scope)?;
            check_document(&projected)?;
        }
        Ok(projected)
    }
}

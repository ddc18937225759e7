//! Filters: what a document must be like to match.

mod bits;
mod matching;
mod node;
mod operators;
mod parse;
mod predicates;

use std::time::SystemTime;

use bson::{DateTime, Document};
use tandem_contract::Result;

use crate::expression::{Names, Scope};

use matching::Positions;
pub(crate) use node::{Comparison, Node, Test as NodeTest};
pub use predicates::{Predicate, Test};

/// A parsed filter.
#[derive(Clone, Debug)]
pub struct Filter {
    root: Node,
    now: Option<DateTime>,
}

/// What positional `$` is refused with: MongoDB leaves open which of several arrays it means.
pub(crate) const AMBIGUOUS: &str = "positional $ unless the filter matches through exactly one array";

/// What a match found besides that it is one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Matched {
    /// The place of the array element that matched, which positional `$` stands for. `None` when no
    /// condition went through an array, and when several did and matched at different places:
    /// MongoDB leaves open which of them `$` then means.
    pub array_position: Option<usize>,
}

impl Filter {
    /// Parses a filter.
    ///
    /// # Errors
    /// `InvalidArgument` for a filter MongoDB would not take either, `NotSupported` for operators
    /// that are left out (`$where`, `$text`, `$jsonSchema`, `$sampleRate`, the geospatial ones).
    pub fn parse(filter: &Document) -> Result<Self> {
        Self::parse_in(filter, &Names::default())
    }

    /// Parses a filter whose `$expr` may use the named variables.
    pub(crate) fn parse_in(filter: &Document, names: &Names) -> Result<Self> {
        crate::depth::check_depth(filter)?;
        Ok(Self { root: parse::parse(filter, names)?.simplify(), now: None })
    }

    /// Gives `$$NOW` its value, for filters with `$expr`.
    #[must_use]
    pub fn with_now(mut self, now: SystemTime) -> Self {
        self.now = Some(DateTime::from_system_time(now));
        self
    }

    /// Whether a document matches.
    ///
    /// # Errors
    /// `InvalidArgument` when an `$expr` fails on this document or a regular expression takes too
    /// many steps on a text of it.
    pub fn matches(&self, document: &Document) -> Result<bool> {
        self.matches_in(&Scope::new(document, self.now))
    }

    /// Whether a document matches, and where in an array.
    ///
    /// # Errors
    /// As [`Filter::matches`].
    pub fn find(&self, document: &Document) -> Result<Option<Matched>> {
        let scope = Scope::new(document, self.now);
        if !self.matches_in(&scope)? {
            return Ok(None);
        }
        let mut positions = Positions::default();
        self.root.record(document, &scope, &mut positions)?;
        Ok(Some(Matched { array_position: positions.only() }))
    }

    /// The place of the first element that passes a filter that is a single `$elemMatch`.
    pub(crate) fn element_position(&self, scope: &Scope<'_>) -> Result<Option<usize>> {
        Ok(self.find(scope.root())?.and_then(|found| found.array_position))
    }

    /// Conditions every matching document fulfils, for a store to narrow a search with an index. They are
    /// necessary, not sufficient: what is found must still be matched. Each is about the keys that
    /// [`crate::index_key::keys`] gives for its path, independent of the others: with arrays,
    /// different keys of one document may fulfil them.
    pub fn predicates(&self) -> Vec<Predicate> {
        predicates::of(&self.root)
    }

    /// The [`Filter::predicates`], when they are sufficient too for a document that has exactly one
    /// key at each of the paths; `None` when the filter says more than they do.
    pub fn exact_predicates(&self) -> Option<Vec<Predicate>> {
        predicates::exact(&self.root)
    }

    pub(crate) fn matches_in(&self, scope: &Scope<'_>) -> Result<bool> {
        crate::work::step()?;
        self.root.matches(scope.root(), scope)
    }

    /// What matches both filters.
    pub(crate) fn and(self, other: &Self) -> Self {
        Self { root: Node::And(vec![self.root, other.root.clone()]).simplify(), now: self.now.or(other.now) }
    }

    pub(crate) fn root(&self) -> &Node {
        &self.root
    }
}

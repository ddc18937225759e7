//! Aggregation pipelines.

mod accumulator;
mod bucket;
mod group;
mod leading;
mod lookup;
mod parse;
mod ranking;
mod run;
mod stage;
mod statistics;
mod tally;
mod unwind;

use std::time::SystemTime;

use bson::{DateTime, Document};
use tandem_contract::{Entropy, Result};

use crate::depth::check_document;
use crate::expression::{Names, Scope};
use run::Run;
use stage::Stage;

pub(crate) use accumulator::positive_count;
pub use leading::Leading;
pub(crate) use ranking::Extremes;
pub(crate) use statistics::{Average, Deviation};
pub use tally::Tally;

/// Yields the documents of other collections, for `$lookup` and `$unionWith`.
pub trait Lookup {
    /// All documents of a collection; none when it does not exist.
    ///
    /// # Errors
    /// Whatever the store reports.
    fn documents(&self, collection: &str) -> Result<Vec<Document>>;
}

/// What a pipeline needs besides its input.
#[derive(Clone, Copy)]
pub struct PipelineEnv<'a> {
    /// The time, for `$$NOW`.
    pub now: SystemTime,
    /// The other collections. All that a pipeline asks for are known beforehand, from
    /// [`Pipeline::foreign_collections`].
    pub lookup: &'a dyn Lookup,
    /// For `$sample`.
    pub entropy: &'a dyn Entropy,
}

/// A parsed pipeline.
#[derive(Clone, Debug)]
pub struct Pipeline {
    stages: Stages,
}

/// The stages of a pipeline, of an update or of a part of a stage.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stages {
    stages: Vec<Stage>,
}

impl Pipeline {
    /// Parses a pipeline.
    ///
    /// # Errors
    /// `InvalidArgument` for a pipeline MongoDB would not take either, `NotSupported` for stages and
    /// operators that are left out.
    pub fn parse(stages: &[Document]) -> Result<Self> {
        Ok(Self { stages: parse::parse(stages, &Names::default(), parse::Place::Top)? })
    }

    /// Runs the pipeline.
    ///
    /// # Errors
    /// `InvalidArgument` when an expression fails on a document, or when a document or all that a
    /// stage holds becomes too large; what [`Lookup`] and [`Entropy`] report.
    pub fn run(&self, input: Vec<Document>, env: &PipelineEnv<'_>) -> Result<Vec<Document>> {
        let run = Run::new(env);
        let output = run.stages(&self.stages, input, None)?;
        output.iter().try_for_each(check_document)?;
        Ok(output)
    }

    /// The filter of the first stage, if that is `$match`: what a store may narrow its input by.
    pub fn leading_match(&self) -> Option<&Document> {
        self.stages.leading_match()
    }

    /// Takes off the leading stages that a store can run as a query.
    pub fn split_leading(mut self) -> (Leading, Self) {
        let leading = leading::split(&mut self.stages);
        (leading, self)
    }

    /// What the first stage counts, if that is all it does.
    pub fn leading_tally(&self) -> Option<Tally> {
        self.stages.stages.first().and_then(Tally::of)
    }

    /// The pipeline without its first stage, for a store that ran it.
    #[must_use]
    pub fn without_first(mut self) -> Self {
        self.stages.stages.drain(..self.stages.stages.len().min(1));
        self
    }

    /// The names of the collections that `$lookup` and `$unionWith` read, each once.
    pub fn foreign_collections(&self) -> Vec<String> {
        let mut names = Vec::new();
        self.stages.foreign_collections(&mut names);
        names.sort();
        names.dedup();
        names
    }
}

impl Stages {
    /// Parses the pipeline of an update: only stages that make one document of one.
    pub(crate) fn parse_update(stages: &[Document]) -> Result<Self> {
        parse::parse(stages, &Names::verbatim(), parse::Place::Update)
    }

    /// Runs the pipeline of an update on one document.
    pub(crate) fn run_update(&self, document: &Document, scope: Scope<'_>) -> Result<Document> {
        let mut current = document.clone();
        for stage in &self.stages {
            current = stage.transform(&scope.about(&current))?;
        }
        Ok(current)
    }

    fn leading_match(&self) -> Option<&Document> {
        match self.stages.first() {
            Some(Stage::Match { document, .. }) => Some(document),
            _ => None,
        }
    }

    fn foreign_collections(&self, names: &mut Vec<String>) {
        self.stages.iter().for_each(|stage| stage.foreign_collections(names));
    }
}

fn date(time: SystemTime) -> DateTime {
    DateTime::from_system_time(time)
}

use bson::{Bson, DateTime, Document};
use tandem_contract::Result;

use super::stage::Stage;
use super::{PipelineEnv, Stages};
use crate::depth::{check_document, memory_size};
use crate::error::invalid;
use crate::expression::{Frame, Scope};

/// Bytes of memory that the documents a stage makes may take together. MongoDB streams them; here a stage
/// holds all it makes, so that a short pipeline must not fill the memory.
const MAX_HELD: usize = 256 * 1024 * 1024;

/// One run of a pipeline.
#[derive(Clone, Copy)]
pub(super) struct Run<'a> {
    pub(super) env: &'a PipelineEnv<'a>,
    now: DateTime,
}

/// Counts the bytes a stage makes.
#[derive(Default)]
pub(super) struct Budget {
    held: usize,
}

impl Budget {
    pub(super) fn take(&mut self, document: &Document) -> Result<()> {
        self.held = self.held.saturating_add(memory_size(document));
        if self.held <= MAX_HELD {
            return Ok(());
        }
        Err(invalid(format!(
            "A stage of the pipeline makes documents that take more than {MAX_HELD} bytes of memory"
        )))
    }
}

impl<'a> Run<'a> {
    pub(super) fn new(env: &'a PipelineEnv<'a>) -> Self {
        Self { env, now: super::date(env.now) }
    }

    pub(super) fn scope<'s>(&self, document: &'s Document, frame: Option<&'s Frame<'s>>) -> Scope<'s> {
        Scope::new(document, Some(self.now)).with_frame(frame)
    }

    /// Runs stages with the variables of the stages around them.
    pub(super) fn stages(
        &self,
        stages: &Stages,
        input: Vec<Document>,
        frame: Option<&Frame<'_>>,
    ) -> Result<Vec<Document>> {
        stages.stages.iter().try_fold(input, |documents, stage| self.stage(stage, documents, frame))
    }

    fn stage(
        &self,
        stage: &Stage,
        mut input: Vec<Document>,
        frame: Option<&Frame<'_>>,
    ) -> Result<Vec<Document>> {
        match stage {
            Stage::Match { filter, .. } => {
                let mut kept = Vec::new();
                for document in input {
                    if filter.matches_in(&self.scope(&document, frame))? {
                        kept.push(document);
                    }
                }
                Ok(kept)
            }
            Stage::Project(_) | Stage::ReplaceRoot(_) => {
                let mut budget = Budget::default();
                let transformed = input.into_iter().map(|document| {
                    let transformed = stage.transform(&self.scope(&document, frame))?;
                    budget.take(&transformed)?;
                    Ok(transformed)
                });
                transformed.collect()
            }
            Stage::Group(group) => group.run(self, &input, frame),
            Stage::Bucket(bucket) => bucket.run(self, &input, frame),
            Stage::Sort(sort) => sort.sort(&mut input).map(|()| input),
            Stage::Limit(limit) => {
                input.truncate(usize::try_from(*limit).unwrap_or(usize::MAX));
                Ok(input)
            }
            Stage::Skip(skip) => {
                let skip = usize::try_from(*skip).unwrap_or(usize::MAX).min(input.len());
                Ok(input.split_off(skip))
            }
            Stage::Count(_) if input.is_empty() => Ok(Vec::new()),
            Stage::Count(name) => {
                let mut counted = Document::new();
                counted.insert(name, count(input.len()));
                Ok(vec![counted])
            }
            Stage::Unwind(unwind) => unwind.run(input),
            Stage::Lookup(lookup) => lookup.run(self, input, frame),
            Stage::UnionWith { collection, stages } => {
                let other = self.env.lookup.documents(collection)?;
                input.extend(self.stages(stages, other, None)?);
                Ok(input)
            }
            Stage::Facet(facets) => self.facet(facets, &input, frame).map(|document| vec![document]),
            Stage::Sample(size) => self.sample(*size, input),
        }
    }

    fn facet(
        &self,
        facets: &[(String, Stages)],
        input: &[Document],
        frame: Option<&Frame<'_>>,
    ) -> Result<Document> {
        let mut document = Document::new();
        for (name, stages) in facets {
            let output = self.stages(stages, input.to_vec(), frame)?;
            document.insert(name, output.into_iter().map(Bson::Document).collect::<Vec<_>>());
        }
        check_document(&document)?;
        Ok(document)
    }

    /// Picks without repetition: the start of a shuffle.
    fn sample(&self, size: u64, mut input: Vec<Document>) -> Result<Vec<Document>> {
        let size = usize::try_from(size).unwrap_or(usize::MAX).min(input.len());
        for index in 0..size {
            let rest = (input.len() - index) as u128;
            let mut bytes = [0; 8];
            self.env.entropy.fill(&mut bytes)?;
            // The high half of the product spreads 64 random bits evenly over the rest.
            let pick = (u128::from(u64::from_le_bytes(bytes)) * rest) >> 64;
            input.swap(index, index + pick as usize);
        }
        input.truncate(size);
        Ok(input)
    }
}

/// A count as MongoDB gives it: an int if it fits.
pub(super) fn count(number: usize) -> Bson {
    i32::try_from(number).map_or(Bson::Int64(number as i64), Bson::Int32)
}

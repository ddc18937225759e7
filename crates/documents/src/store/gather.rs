//! What a query gathers in memory before it can answer.

use bson::Document;
use tandem_contract::{Error, ErrorKind, Result};

use crate::Sort;

/// Bytes of stored documents that a sort or a pipeline may hold, as in MongoDB
/// (<https://www.mongodb.com/docs/manual/reference/limits/#sort-operations>).
const MEMORY_LIMIT: usize = 100 << 20;
/// Documents a sort gathers before the surplus is thrown away, besides twice the limit.
const SLACK: usize = 1024;

/// `skip` and `limit`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Window {
    /// Documents to pass over.
    pub skip: u64,
    /// Documents at most.
    pub limit: Option<u64>,
}

impl Window {
    /// The place of the first document.
    pub fn start(self) -> usize {
        usize::try_from(self.skip).unwrap_or(usize::MAX)
    }

    /// The place after the last document.
    pub fn end(self) -> usize {
        let limit = self.limit.and_then(|limit| usize::try_from(limit).ok());
        limit.map_or(usize::MAX, |limit| self.start().saturating_add(limit))
    }
}

/// Documents that match, as many as the answer may need.
pub struct Gather<'a> {
    /// An order they do not come in.
    sort: Option<&'a Sort>,
    window: Window,
    documents: Vec<Document>,
    bytes: usize,
}

impl<'a> Gather<'a> {
    /// Of documents that come in their order, or are to be sorted.
    pub const fn new(sort: Option<&'a Sort>, window: Window) -> Self {
        Self { sort, window, documents: Vec::new(), bytes: 0 }
    }

    /// Whether more documents can change nothing.
    pub fn is_full(&self) -> bool {
        self.sort.is_none() && self.documents.len() >= self.window.end()
    }

    /// Takes one more document, of so many bytes in its stored form.
    ///
    /// # Errors
    /// `InvalidArgument` when more is held than may be, or a document has no usable sort key.
    pub fn push(&mut self, document: Document, bytes: usize) -> Result<()> {
        self.documents.push(document);
        self.bytes = self.bytes.saturating_add(bytes);
        let enough = self.window.end();
        if let Some(sort) = self.sort
            && self.documents.len() > enough.saturating_mul(2).saturating_add(SLACK)
        {
            sort.sort(&mut self.documents)?;
            // The mean stands for the size of what is kept.
            self.bytes = self.bytes / self.documents.len() * enough;
            self.documents.truncate(enough);
        }
        if self.bytes <= MEMORY_LIMIT {
            return Ok(());
        }
        let what = if self.sort.is_some() { "a sort without an index" } else { "a pipeline" };
        Err(Error::new(
            ErrorKind::InvalidArgument,
            format!(
                "Sort memory exceeded: {what} may hold {} MiB of documents; make an index, or match or limit first",
                MEMORY_LIMIT >> 20
            ),
        ))
    }

    /// The answer, in its order.
    ///
    /// # Errors
    /// `InvalidArgument` when a document has no usable sort key.
    pub fn finish(mut self) -> Result<Vec<Document>> {
        if let Some(sort) = self.sort {
            sort.sort(&mut self.documents)?;
        }
        self.documents.truncate(self.window.end());
        self.documents.drain(..self.window.start().min(self.documents.len()));
        Ok(self.documents)
    }
}

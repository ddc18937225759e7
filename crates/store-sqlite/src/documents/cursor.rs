//! A query under way: documents leave it one by one, rows come in by batches.

use std::collections::VecDeque;
use std::sync::Arc;

use bson::Document;
use futures_util::{StreamExt, stream};
use sqlx::sqlite::SqliteConnection;
use tandem_contract::{DocumentStream, Result, Target};
use tandem_documents::store::{Window, decode_body};
use tandem_documents::{Filter, Projection};

use super::scan::Scan;
use super::{Inner, apart};

/// See the module.
pub(super) struct Cursor {
    scan: Option<Scan>,
    filter: Filter,
    projection: Option<Projection>,
    skip: usize,
    /// Documents that may still leave.
    left: usize,
    ready: VecDeque<Document>,
}

impl Cursor {
    pub(super) fn new(scan: Scan, filter: Filter, projection: Option<Projection>, window: Window) -> Self {
        let left = window.end().saturating_sub(window.start());
        Self { scan: Some(scan), filter, projection, skip: window.start(), left, ready: VecDeque::new() }
    }

    /// Of an answer that is complete but for its projection.
    pub(super) fn of_documents(
        documents: VecDeque<Document>,
        filter: Filter,
        projection: Option<Projection>,
    ) -> Result<Self> {
        let mut cursor =
            Self { scan: None, filter, projection, skip: 0, left: documents.len(), ready: VecDeque::new() };
        for document in documents {
            cursor.push(document)?;
        }
        Ok(cursor)
    }

    /// Reads on until documents are ready or there are no more.
    pub(super) async fn fill(&mut self, connection: &mut SqliteConnection) -> Result<()> {
        while self.ready.is_empty()
            && self.left > 0
            && let Some(scan) = &mut self.scan
        {
            let rows = scan.next(connection).await?.unwrap_or_default();
            if scan.is_over() {
                self.scan = None;
            }
            for row in rows {
                if self.left == 0 {
                    break;
                }
                let document = decode_body(&row.body)?;
                if !self.filter.matches(&document)? {
                    continue;
                }
                if self.skip > 0 {
                    self.skip -= 1;
                } else {
                    self.push(document)?;
                }
            }
        }
        Ok(())
    }

    fn push(&mut self, document: Document) -> Result<()> {
        let document = match &self.projection {
            Some(projection) => projection.apply(&document, Some(&self.filter))?,
            None => document,
        };
        self.left -= 1;
        self.ready.push_back(document);
        Ok(())
    }

    /// The documents; later batches are read with connections of their own, or that of the
    /// transaction, and apart if they are `costly`.
    pub(super) fn into_stream(self, inner: Arc<Inner>, target: Target, costly: bool) -> DocumentStream {
        if self.left == 0 || self.scan.is_none() {
            return stream::iter(self.ready.into_iter().map(Ok)).boxed();
        }
        stream::try_unfold((self, inner, target), move |(mut cursor, inner, target)| async move {
            if cursor.ready.is_empty() {
                apart(&target, costly, cursor.refill(&inner, &target)).await?;
            }
            Ok(cursor.ready.pop_front().map(|document| (document, (cursor, inner, target))))
        })
        .boxed()
    }

    async fn refill(&mut self, inner: &Inner, target: &Target) -> Result<()> {
        if self.left == 0 || self.scan.is_none() {
            return Ok(());
        }
        let mut session = inner.read(target).await?;
        let filled = match session.connection() {
            Ok(connection) => self.fill(connection).await,
            Err(error) => Err(error),
        };
        session.finish(filled).await
    }
}

//! Inserts.

use std::sync::Arc;

use bson::{Bson, Document};
use tandem_contract::{Error, ErrorKind, InsertResult, Result, Target, WriteFailure};

use super::catalog::Collection;
use super::session::Session;
use super::writer::{self, Flags, Row};
use super::{Inner, stale, store_error};

/// Bytes and documents of one statement.
const CHUNK_BYTES: usize = 4 << 20;
const CHUNK_ROWS: usize = 1000;

impl Inner {
    /// One try; the documents have their `_id`s, or what their settling refused.
    pub(super) async fn try_insert(
        &self,
        target: &Target,
        documents: &[Result<(Bson, Document)>],
        ordered: bool,
    ) -> Result<InsertResult> {
        if let Some(result) = self.insert_at_once(target, documents).await? {
            return Ok(result);
        }
        let mut session = self.together(target).await?;
        let inserted = self.insert_in(&mut session, target, documents, ordered).await;
        session.finish(inserted).await
    }

    /// The common case: one statement that is a transaction by itself. Nothing when it is not that
    /// simple, or was refused.
    async fn insert_at_once(
        &self,
        target: &Target,
        documents: &[Result<(Bson, Document)>],
    ) -> Result<Option<InsertResult>> {
        let Some(collection) = self.catalog.get(&target.collection) else { return Ok(None) };
        if target.transaction.is_some() || documents.len() > CHUNK_ROWS {
            return Ok(None);
        }
        let Some(rows) = ready(&collection, documents) else { return Ok(None) };
        let borrowed: Vec<&Row> = rows.iter().collect();
        let bytes: usize = rows.iter().map(Row::size).sum();
        if rows.is_empty() || bytes > CHUNK_BYTES || !Flags::of(&collection, &borrowed).is_empty() {
            return Ok(None);
        }
        let mut session = self.single(target).await?;
        let inserted = match session.connection() {
            Ok(connection) => writer::insert(connection, &collection, &borrowed).await,
            Err(error) => Err(error),
        };
        match session.finish(inserted).await {
            Ok(()) => {
                let ids = rows.into_iter().map(|row| row.id).enumerate().collect();
                Ok(Some(InsertResult { inserted_ids: ids, failures: Vec::new() }))
            }
            Err(error) if error.kind() == ErrorKind::DuplicateKey && rows.len() == 1 => {
                let failures = vec![WriteFailure { index: 0, error }];
                Ok(Some(InsertResult { failures, ..InsertResult::default() }))
            }
            Err(error) if error.kind() == ErrorKind::DuplicateKey => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn insert_in(
        &self,
        session: &mut Session,
        target: &Target,
        documents: &[Result<(Bson, Document)>],
        ordered: bool,
    ) -> Result<InsertResult> {
        let mut collection = self.collection_or_new(session, &target.collection).await?;
        session.hold_catalog(&collection).await?;
        let mut result = InsertResult::default();
        for (at, chunk) in documents.chunks(CHUNK_ROWS).enumerate() {
            let first = at * CHUNK_ROWS;
            if !self.insert_chunk(session, &mut collection, first, chunk, &mut result).await? {
                self.insert_singly(session, &mut collection, first, chunk, ordered, &mut result).await?;
            }
            if ordered && !result.failures.is_empty() {
                break;
            }
        }
        Ok(result)
    }

    /// Inserts a chunk by one statement; `false` when that was refused or would be too large.
    async fn insert_chunk(
        &self,
        session: &mut Session,
        collection: &mut Arc<Collection>,
        first: usize,
        chunk: &[Result<(Bson, Document)>],
        result: &mut InsertResult,
    ) -> Result<bool> {
        let Some(mut rows) = ready(collection, chunk) else { return Ok(false) };
        if rows.len() < 2 || rows.iter().map(Row::size).sum::<usize>() > CHUNK_BYTES {
            return Ok(false);
        }
        let flags = Flags::of(collection, &rows.iter().collect::<Vec<_>>());
        if !flags.is_empty() {
            *collection = self.raise(session, collection, &flags).await?;
            match ready(collection, chunk) {
                Some(again) => rows = again,
                None => return Ok(false),
            }
        }
        savepoint(session, "SAVEPOINT part").await?;
        let borrowed: Vec<&Row> = rows.iter().collect();
        match writer::insert(session.connection()?, collection, &borrowed).await {
            Ok(()) => {
                savepoint(session, "RELEASE part").await?;
                let ids = rows.into_iter().enumerate().map(|(at, row)| (first + at, row.id));
                result.inserted_ids.extend(ids);
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::DuplicateKey => {
                savepoint(session, "ROLLBACK TO part; RELEASE part").await?;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    async fn insert_singly(
        &self,
        session: &mut Session,
        collection: &mut Arc<Collection>,
        first: usize,
        chunk: &[Result<(Bson, Document)>],
        ordered: bool,
        result: &mut InsertResult,
    ) -> Result<()> {
        for (at, document) in chunk.iter().enumerate() {
            let index = first + at;
            let inserted = match document {
                Ok((id, document)) => self.insert_one(session, collection, id, document).await,
                Err(error) => Err(error.clone()),
            };
            match inserted {
                Ok(()) => {
                    let id = document.as_ref().map_or(Bson::Null, |(id, _)| id.clone());
                    result.inserted_ids.insert(index, id);
                }
                Err(error) if is_fatal(&error) => return Err(error),
                Err(error) => {
                    result.failures.push(WriteFailure { index, error });
                    if ordered {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// Inserts one document in a transaction; one that is refused leaves the transaction usable.
    pub(super) async fn insert_one(
        &self,
        session: &mut Session,
        collection: &mut Arc<Collection>,
        id: &Bson,
        document: &Document,
    ) -> Result<()> {
        let mut row = Row::new(collection, id.clone(), document)?;
        let flags = Flags::of(collection, &[&row]);
        if !flags.is_empty() {
            *collection = self.raise(session, collection, &flags).await?;
            row = Row::new(collection, id.clone(), document)?;
        }
        savepoint(session, "SAVEPOINT part").await?;
        match writer::insert(session.connection()?, collection, &[&row]).await {
            Ok(()) => savepoint(session, "RELEASE part").await,
            Err(error) if error.kind() == ErrorKind::DuplicateKey => {
                savepoint(session, "ROLLBACK TO part; RELEASE part").await?;
                // What a function's transaction does not see it can only meet in a later one.
                let inside = session.is_inside();
                match inside && !writer::sees_rival(session.connection()?, collection, &row).await? {
                    true => Err(stale().with_detail(error)),
                    false => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Records what rows change of the collection; returns it as it then is.
    pub(super) async fn raise(
        &self,
        session: &mut Session,
        collection: &Arc<Collection>,
        flags: &Flags,
    ) -> Result<Arc<Collection>> {
        writer::raise(session.connection()?, collection, flags).await?;
        let raised = self.reload(session, &collection.name).await?.ok_or_else(stale)?;
        session.hold_catalog(&raised).await?;
        Ok(raised)
    }
}

/// The rows of all documents; nothing when one of them is refused.
fn ready(collection: &Collection, documents: &[Result<(Bson, Document)>]) -> Option<Vec<Row>> {
    let row = |document: &Result<(Bson, Document)>| {
        let (id, document) = document.as_ref().ok()?;
        Row::new(collection, id.clone(), document).ok()
    };
    documents.iter().map(row).collect()
}

pub(super) async fn savepoint(session: &mut Session, statement: &'static str) -> Result<()> {
    sqlx::raw_sql(statement).execute(session.connection()?).await.map_err(store_error)?;
    Ok(())
}

/// Whether the store failed or the whole operation has to be tried again, rather than this one
/// write being refused.
pub(super) fn is_fatal(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::StoreUnavailable | ErrorKind::Internal | ErrorKind::Conflict)
}

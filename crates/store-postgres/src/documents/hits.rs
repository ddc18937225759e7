//! The documents that a write is about: found without locks, then read again under their locks.

use std::sync::Arc;

use bson::Document;
use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, Row as _};
use tandem_contract::{Error, ErrorKind, Result};
use tandem_documents::Filter;
use tandem_documents::store::{Selection, decode_body};

use super::catalog::Collection;
use super::condition::condition;
use super::scan::Scan;
use super::session::Session;
use super::store_error;

/// Documents that are locked and deleted by one statement.
const MOST_AT_ONCE: usize = 500;

/// A document that a write is about, locked.
pub(super) struct Hit {
    pub(super) seq: i64,
    pub(super) document: Document,
    pub(super) array_position: Option<usize>,
}

/// The documents that a write selects, locked in the order of insertion.
pub(super) struct Hits {
    scan: Scan,
    many: bool,
    done: bool,
}

impl Hits {
    pub(super) fn new(collection: &Arc<Collection>, selection: &Selection, many: bool) -> Self {
        let scan = scan(collection, selection, many);
        Self { scan: if many { scan.settle() } else { scan }, many, done: false }
    }

    /// Some more; `None` after the last. A batch may be empty.
    pub(super) async fn next(
        &mut self,
        session: &mut Session,
        collection: &Collection,
        filter: &Filter,
    ) -> Result<Option<Vec<Hit>>> {
        if self.done {
            return Ok(None);
        }
        let Some(rows) = self.scan.next(session.connection()?).await? else { return Ok(None) };
        let (mut seqs, mut hits) = (Vec::new(), Vec::new());
        for row in rows {
            if !filter.matches(&decode_body(&row.body)?)? {
                continue;
            }
            if self.many {
                seqs.push(row.seq);
                continue;
            }
            // What comes after the first hit is not looked at: a filter may fail on it.
            hits = lock(session, collection, &[row.seq], filter).await?;
            if !hits.is_empty() {
                self.done = true;
                return Ok(Some(hits));
            }
        }
        for some in seqs.chunks(MOST_AT_ONCE) {
            hits.extend(lock(session, collection, some, filter).await?);
        }
        Ok(Some(hits))
    }
}

fn scan(collection: &Arc<Collection>, selection: &Selection, many: bool) -> Scan {
    let plan = collection.plan(selection);
    let predicates = selection.filter.predicates();
    let (condition, _) = condition(predicates.iter().filter(|one| !plan.pushed.contains(one)));
    let mut scan = Scan::new(collection, &plan, condition);
    if !many && plan.exact {
        scan.expect_at_most(1);
    }
    scan
}

/// Locks documents and reads them as they are then; those that match still are hits.
async fn lock(
    session: &mut Session,
    collection: &Collection,
    seqs: &[i64],
    filter: &Filter,
) -> Result<Vec<Hit>> {
    let read =
        format!("SELECT seq, body FROM c{} WHERE seq = ANY($1) ORDER BY seq FOR UPDATE", collection.id);
    let query = sqlx::query(AssertSqlSafe(read)).bind(seqs);
    let rows = query.fetch_all(session.connection()?).await.map_err(store_error)?;
    let mut hits = Vec::with_capacity(rows.len());
    for row in &rows {
        let seq = row.try_get(0).map_err(store_error)?;
        let document = decode_body(row.try_get(1).map_err(store_error)?)?;
        if let Some(matched) = filter.find(&document)? {
            hits.push(Hit { seq, document, array_position: matched.array_position });
        }
    }
    Ok(hits)
}

/// The first document in the order of the sort, locked.
pub(super) async fn first(
    session: &mut Session,
    collection: &Arc<Collection>,
    selection: &Selection,
) -> Result<Option<Hit>> {
    /// Others that change the first one again and again.
    const MOST_RIVALS: usize = 10;
    let plan = collection.plan(selection);
    let Some(sort) = selection.sort.as_ref().filter(|_| !plan.sorted) else {
        let mut hits = Hits::new(collection, selection, false);
        while let Some(batch) = hits.next(session, collection, &selection.filter).await? {
            if let Some(hit) = batch.into_iter().next() {
                return Ok(Some(hit));
            }
        }
        return Ok(None);
    };
    for _ in 0..MOST_RIVALS {
        let mut scan = scan(collection, selection, true).settle();
        let mut best: Option<(i64, Document)> = None;
        while let Some(rows) = scan.next(session.connection()?).await? {
            for row in rows {
                let document = decode_body(&row.body)?;
                if !selection.filter.matches(&document)? {
                    continue;
                }
                sort.check(&document)?;
                if best.as_ref().is_none_or(|(_, best)| sort.compare(&document, best).is_lt()) {
                    best = Some((row.seq, document));
                }
            }
        }
        let Some((seq, seen)) = best else { return Ok(None) };
        let hit = lock(session, collection, &[seq], &selection.filter).await?.into_iter().next();
        if let Some(hit) = hit.filter(|hit| sort.compare(&hit.document, &seen).is_eq()) {
            return Ok(Some(hit));
        }
    }
    Err(Error::new(ErrorKind::Conflict, "Others change the first document again and again: try again"))
}

/// Upserts with the same filter that found nothing take turns until their transactions end: each
/// looks again, and only the first one inserts.
pub(super) async fn queue_up(
    session: &mut Session,
    collection: &Collection,
    selection: &Selection,
) -> Result<()> {
    let filter = selection.document.to_vec().map_err(Error::internal)?;
    let digest = Sha256::new().chain_update(collection.id.to_be_bytes()).chain_update(filter).finalize();
    let number = digest.first_chunk::<8>().map_or(0, |bytes| i64::from_be_bytes(*bytes));
    let query = sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(number);
    query.execute(session.connection()?).await.map_err(store_error)?;
    Ok(())
}

//! Updates, replacements and deletions: documents are found, then read again under their locks,
//! and changed as they then are.

use std::sync::Arc;

use bson::{Bson, Document};
use sqlx::AssertSqlSafe;
use sqlx::Row as _;
use tandem_contract::{
    BulkResult, Delete, Error, ErrorKind, FindAndModify, ModifyAction, Result, ReturnDocument, Target,
    Update, UpdateResult, UpdateSpec, WriteFailure, WriteModel,
};
use tandem_documents::store::{Selection, decode_body};
use tandem_documents::{Filter, Projection, UpdateContext, upsert_document};

use super::catalog::{Collection, execute};
use super::condition::condition;
use super::insert::{is_fatal, savepoint};
use super::scan::Scan;
use super::session::Session;
use super::writer::{self, Flags, Replacement};
use super::{Inner, stale, store_error};

/// Documents that are locked and deleted by one statement.
const MOST_AT_ONCE: usize = 500;

/// An update or replacement, parsed.
struct Change {
    update: tandem_documents::Update,
    upsert: bool,
}

/// A document that a write is about, locked.
struct Hit {
    seq: i64,
    document: Document,
    array_position: Option<usize>,
}

/// An operation of a bulk write, its insert with an `_id`.
pub(super) enum Model {
    Insert(Result<(Bson, Document)>),
    Update(Update),
    Delete(Delete),
}

impl Inner {
    pub(super) async fn update_in(
        &self,
        session: &mut Session,
        target: &Target,
        update: &Update,
    ) -> Result<UpdateResult> {
        if update.many && matches!(update.update, UpdateSpec::Replacement(_)) {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                "A replacement changes one document, not many",
            ));
        }
        let change = Change::parse(&update.update, &update.array_filters, update.upsert)?;
        let selection = self.selection(update.filter.clone(), None)?;
        let Some(mut collection) = self.to_write(session, target, change.upsert).await? else {
            return Ok(UpdateResult::default());
        };
        let mut result = UpdateResult::default();
        for twice in [false, true] {
            let mut hits = Hits::new(&collection, &selection, update.many);
            while let Some(batch) = hits.next(session, &collection, &selection.filter).await? {
                for hit in batch {
                    result.matched += 1;
                    let changed = self.apply(session, &mut collection, &change, &hit).await?;
                    result.modified += u64::from(changed.is_some());
                }
            }
            if result.matched > 0 || !change.upsert {
                break;
            }
            if twice {
                let (id, _) = self.upsert(session, &mut collection, &selection.filter, &change).await?;
                result.upserted_id = Some(id);
            } else {
                queue_up(session, &collection, &selection).await?;
            }
        }
        Ok(result)
    }

    /// Changes a document; returns the new one, or nothing when it is the same.
    async fn apply(
        &self,
        session: &mut Session,
        collection: &mut Arc<Collection>,
        change: &Change,
        hit: &Hit,
    ) -> Result<Option<Document>> {
        let mut document = hit.document.clone();
        let context = self.context(hit.array_position, false);
        if !change.update.apply(&mut document, &context)? {
            return Ok(None);
        }
        let mut replacement = Replacement::new(collection, &hit.document, &document)?;
        let flags = Flags::of(collection, &[&replacement.row]);
        if !flags.is_empty() {
            *collection = self.raise(session, collection, &flags).await?;
            replacement = Replacement::new(collection, &hit.document, &document)?;
        }
        writer::replace(session.connection()?, collection, hit.seq, &replacement).await?;
        Ok(Some(document))
    }

    async fn upsert(
        &self,
        session: &mut Session,
        collection: &mut Arc<Collection>,
        filter: &Filter,
        change: &Change,
    ) -> Result<(Bson, Document)> {
        let mut document = upsert_document(filter, &change.update, &self.context(None, true))?;
        let id = self.ids.settle(&mut document)?;
        self.insert_one(session, collection, &id, &document).await?;
        Ok((id, document))
    }

    fn context(&self, array_position: Option<usize>, inserting: bool) -> UpdateContext {
        UpdateContext { now: self.clock.wall(), array_position, inserting }
    }

    pub(super) async fn delete_in(
        &self,
        session: &mut Session,
        target: &Target,
        delete: &Delete,
    ) -> Result<u64> {
        let selection = self.selection(delete.filter.clone(), None)?;
        let Some(collection) = self.to_write(session, target, false).await? else {
            return Ok(0);
        };
        if delete.many && selection.document.is_empty() {
            return clear(session, &collection).await;
        }
        let mut hits = Hits::new(&collection, &selection, delete.many);
        let mut deleted = 0;
        while let Some(batch) = hits.next(session, &collection, &selection.filter).await? {
            let documents: Vec<_> = batch.into_iter().map(|hit| (hit.seq, hit.document)).collect();
            if !documents.is_empty() {
                writer::delete(session.connection()?, &collection, &documents).await?;
                deleted += documents.len() as u64;
            }
        }
        Ok(deleted)
    }

    pub(super) async fn find_and_modify_in(
        &self,
        session: &mut Session,
        target: &Target,
        operation: &FindAndModify,
    ) -> Result<Option<Document>> {
        let (change, returning) = match &operation.action {
            ModifyAction::Update { update, upsert, returning, array_filters } => {
                (Some(Change::parse(update, array_filters, *upsert)?), *returning)
            }
            ModifyAction::Delete => (None, ReturnDocument::Before),
        };
        let selection = self.selection(operation.filter.clone(), operation.sort.as_ref())?;
        let projection = operation.projection.as_ref().filter(|projection| !projection.is_empty());
        let projection = projection.map(Projection::parse).transpose()?;
        let upsert = change.as_ref().is_some_and(|change| change.upsert);
        let Some(mut collection) = self.to_write(session, target, upsert).await? else {
            return Ok(None);
        };
        let mut hit = first(session, &collection, &selection).await?;
        if hit.is_none() && upsert {
            queue_up(session, &collection, &selection).await?;
            hit = first(session, &collection, &selection).await?;
        }
        let found = match (hit, &change) {
            (Some(hit), None) => {
                let gone = [(hit.seq, hit.document)];
                writer::delete(session.connection()?, &collection, &gone).await?;
                let [(_, document)] = gone;
                Some(document)
            }
            (Some(hit), Some(change)) => {
                match (self.apply(session, &mut collection, change, &hit).await?, returning) {
                    (Some(new), ReturnDocument::After) => Some(new),
                    _ => Some(hit.document),
                }
            }
            (None, Some(change)) if change.upsert => {
                let (_, document) = self.upsert(session, &mut collection, &selection.filter, change).await?;
                Some(document).filter(|_| returning == ReturnDocument::After)
            }
            (None, _) => None,
        };
        match (found, projection) {
            (Some(found), Some(projection)) => projection.apply(&found, Some(&selection.filter)).map(Some),
            (found, _) => Ok(found),
        }
    }

    /// Gives inserts their `_id`s, once: a second try must not make others.
    pub(super) fn settle_models(&self, models: Vec<WriteModel>) -> Vec<Model> {
        let settle = |model| match model {
            WriteModel::Insert(mut document) => {
                Model::Insert(self.ids.settle(&mut document).map(|id| (id, document)))
            }
            WriteModel::Update(update) => Model::Update(update),
            WriteModel::Delete(delete) => Model::Delete(delete),
        };
        models.into_iter().map(settle).collect()
    }

    pub(super) async fn bulk_write_in(
        &self,
        session: &mut Session,
        target: &Target,
        models: &[Model],
        ordered: bool,
    ) -> Result<BulkResult> {
        let mut result = BulkResult::default();
        for (index, model) in models.iter().enumerate() {
            savepoint(session, "SAVEPOINT model").await?;
            match self.write_model(session, target, index, model, &mut result).await {
                Ok(()) => savepoint(session, "RELEASE model").await?,
                Err(error) if is_fatal(&error) => return Err(error),
                Err(error) => {
                    savepoint(session, "ROLLBACK TO model; RELEASE model").await?;
                    // What was learnt of the collection may be undone.
                    self.reload(session, &target.collection).await?;
                    result.failures.push(WriteFailure { index, error });
                    if ordered {
                        break;
                    }
                }
            }
        }
        Ok(result)
    }

    async fn write_model(
        &self,
        session: &mut Session,
        target: &Target,
        index: usize,
        model: &Model,
        result: &mut BulkResult,
    ) -> Result<()> {
        match model {
            Model::Insert(Err(error)) => return Err(error.clone()),
            Model::Insert(Ok((id, document))) => {
                let collection = self.to_write(session, target, true).await?;
                let mut collection = collection.ok_or_else(stale)?;
                self.insert_one(session, &mut collection, id, document).await?;
                result.inserted_ids.insert(index, id.clone());
            }
            Model::Update(update) => {
                let updated = self.update_in(session, target, update).await?;
                result.matched += updated.matched;
                result.modified += updated.modified;
                result.upserted_ids.extend(updated.upserted_id.map(|id| (index, id)));
            }
            Model::Delete(delete) => result.deleted += self.delete_in(session, target, delete).await?,
        }
        Ok(())
    }

    async fn to_write(
        &self,
        session: &mut Session,
        target: &Target,
        create: bool,
    ) -> Result<Option<Arc<Collection>>> {
        let collection = match create {
            true => Some(self.collection_or_new(session, &target.collection).await?),
            false => self.collection(session, &target.collection).await?,
        };
        if let Some(collection) = &collection {
            session.hold_catalog(collection).await?;
        }
        Ok(collection)
    }
}

impl Change {
    fn parse(spec: &UpdateSpec, array_filters: &[Document], upsert: bool) -> Result<Self> {
        Ok(Self { update: tandem_documents::Update::parse(spec, array_filters)?, upsert })
    }
}

/// The documents that a write selects, locked in the order of insertion.
struct Hits {
    scan: Scan,
    many: bool,
    done: bool,
}

impl Hits {
    fn new(collection: &Arc<Collection>, selection: &Selection, many: bool) -> Self {
        let scan = scan(collection, selection, many);
        Self { scan: if many { scan.settle() } else { scan }, many, done: false }
    }

    /// Some more; `None` after the last. A batch may be empty.
    async fn next(
        &mut self,
        session: &mut Session,
        collection: &Collection,
        filter: &Filter,
    ) -> Result<Option<Vec<Hit>>> {
        if self.done {
            return Ok(None);
        }
        let Some(rows) = self.scan.next(session.connection()?).await? else { return Ok(None) };
        let mut seqs = Vec::new();
        for row in rows {
            if filter.matches(&decode_body(&row.body)?)? {
                seqs.push(row.seq);
            }
        }
        let mut hits = Vec::new();
        for some in seqs.chunks(if self.many { MOST_AT_ONCE } else { 1 }) {
            hits.extend(lock(session, collection, some, filter).await?);
            if !self.many && !hits.is_empty() {
                self.done = true;
                break;
            }
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
async fn first(
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
        let mut scan = scan(collection, selection, true);
        let mut best: Option<(i64, Document)> = None;
        while let Some(rows) = scan.next(session.connection()?).await? {
            for row in rows {
                let document = decode_body(&row.body)?;
                if selection.filter.matches(&document)?
                    && best.as_ref().is_none_or(|(_, best)| sort.compare(&document, best).is_lt())
                {
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
async fn queue_up(session: &mut Session, collection: &Collection, selection: &Selection) -> Result<()> {
    use sha2::{Digest, Sha256};
    let filter = selection.document.to_vec().map_err(Error::internal)?;
    let digest = Sha256::new().chain_update(collection.id.to_be_bytes()).chain_update(filter).finalize();
    let number = digest.first_chunk::<8>().map_or(0, |bytes| i64::from_be_bytes(*bytes));
    let query = sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(number);
    query.execute(session.connection()?).await.map_err(store_error)?;
    Ok(())
}

/// Deletes every document of a collection; returns how many there were.
pub(super) async fn clear(session: &mut Session, collection: &Collection) -> Result<u64> {
    let id = collection.id;
    let connection = session.connection()?;
    // Nobody adds a document between the statements, nor an index.
    execute(connection, format!("LOCK TABLE c{id} IN SHARE ROW EXCLUSIVE MODE")).await?;
    let version: Option<i64> = sqlx::query_scalar("SELECT version FROM collections WHERE id = $1")
        .bind(id)
        .fetch_optional(&mut *connection)
        .await
        .map_err(store_error)?;
    if version != Some(collection.version) {
        return Err(stale());
    }
    for index in &collection.indexes {
        execute(connection, format!("DELETE FROM i{}", index.id)).await?;
    }
    execute(connection, format!("DELETE FROM c{id}")).await
}

//! Updates, replacements and deletions: documents are found, then read again under their locks,
//! and changed as they then are.

use std::sync::Arc;

use bson::{Bson, Document};
use tandem_contract::{
    Delete, Error, ErrorKind, FindAndModify, ModifyAction, Result, ReturnDocument, Target, Update,
    UpdateResult, UpdateSpec,
};
use tandem_documents::{Filter, Projection, UpdateContext, check_upsert, upsert_document};

use super::catalog::{Collection, execute};
use super::hits::{Hit, Hits, first, queue_up};
use super::session::Session;
use super::writer::{self, Flags, Replacement};
use super::{Inner, stale, store_error};

/// An update or replacement, parsed.
struct Change {
    update: tandem_documents::Update,
    upsert: bool,
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
        if change.upsert {
            check_upsert(&selection.filter)?;
        }
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
        if change.as_ref().is_some_and(|change| change.upsert) {
            check_upsert(&selection.filter)?;
        }
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

    pub(super) async fn to_write(
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

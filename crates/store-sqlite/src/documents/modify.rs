//! Writes, each as one transaction or behind one savepoint.

use bson::{Bson, Document};
use sqlx::sqlite::SqliteConnection;
use tandem_contract::{
    BulkResult, Delete, Error, ErrorKind, FindAndModify, InsertResult, ModifyAction, Result, ReturnDocument,
    Target, Update, UpdateResult, UpdateSpec, WriteFailure, WriteModel,
};
use tandem_documents::store::{Selection, decode_body};
use tandem_documents::{Filter, Projection, UpdateContext, check_upsert, upsert_document};

use super::catalog::{Collection, load, load_or_create};
use super::group_commit::NewRow;
use super::plan;
use super::rows::Writer;
use super::scan::Scan;
use super::session::DEFAULT_WAIT;
use super::{Inner, store_error};

/// An update or replacement, parsed.
struct Change {
    update: tandem_documents::Update,
    upsert: bool,
}

/// A document that a write is about.
struct Hit {
    seq: i64,
    document: Document,
    array_position: Option<usize>,
}

impl Inner {
    pub(super) async fn insert(
        &self,
        target: &Target,
        mut documents: Vec<Document>,
        ordered: bool,
    ) -> Result<InsertResult> {
        if let ([document], None) = (&mut documents[..], target.transaction)
            && let Some(known) = self.cache.known(&target.collection)
            && let Some(row) = NewRow::of(&known, document, &self.ids)
        {
            let (id, wait) = (row.id.clone(), target.timeout.unwrap_or(DEFAULT_WAIT));
            if self.insert_in_group(wait, known, row).await? {
                let inserted_ids = [(0, id)].into();
                return Ok(InsertResult { inserted_ids, ..InsertResult::default() });
            }
        }
        let mut session = self.write(target).await?;
        let inserted = match session.connection() {
            Ok(connection) => self.insert_on(connection, target, documents, ordered).await,
            Err(error) => Err(error),
        };
        session.finish(inserted).await
    }

    async fn insert_on(
        &self,
        connection: &mut SqliteConnection,
        target: &Target,
        documents: Vec<Document>,
        ordered: bool,
    ) -> Result<InsertResult> {
        let collection = load_or_create(connection, &self.cache, &target.collection).await?;
        let mut writer = Writer::new(connection, collection, &self.ids);
        let mut result = InsertResult::default();
        for (index, mut document) in documents.into_iter().enumerate() {
            match writer.insert(&mut document).await {
                Ok(id) => {
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
        Ok(result)
    }

    pub(super) async fn update(&self, target: &Target, update: Update) -> Result<UpdateResult> {
        let mut session = self.write(target).await?;
        let updated = match session.connection() {
            Ok(connection) => self.update_on(connection, target, update).await,
            Err(error) => Err(error),
        };
        session.finish(updated).await
    }

    async fn update_on(
        &self,
        connection: &mut SqliteConnection,
        target: &Target,
        update: Update,
    ) -> Result<UpdateResult> {
        if update.many && matches!(update.update, UpdateSpec::Replacement(_)) {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                "A replacement changes one document, not many",
            ));
        }
        let change = Change::parse(&update.update, &update.array_filters, update.upsert)?;
        let selection = self.selection(update.filter, None)?;
        if change.upsert {
            check_upsert(&selection.filter)?;
        }
        let Some(collection) = self.collection(connection, target, change.upsert).await? else {
            return Ok(UpdateResult::default());
        };
        let mut writer = Writer::new(connection, collection, &self.ids);
        let mut result = UpdateResult::default();
        let mut hits = Hits::open(&mut writer, &selection, update.many).await?;
        while let Some(hit) = hits.next(&mut writer, &selection.filter).await? {
            result.matched += 1;
            result.modified += u64::from(self.apply(&mut writer, &change, &hit).await?.is_some());
        }
        if result.matched == 0 && change.upsert {
            let (id, _) = self.upsert(&mut writer, &selection.filter, &change).await?;
            result.upserted_id = Some(id);
        }
        Ok(result)
    }

    /// Changes a document; returns the new one, or nothing when it is the same.
    async fn apply(&self, writer: &mut Writer<'_>, change: &Change, hit: &Hit) -> Result<Option<Document>> {
        let mut document = hit.document.clone();
        let context = self.context(hit.array_position, false);
        if !change.update.apply(&mut document, &context)? {
            return Ok(None);
        }
        writer.replace(hit.seq, &hit.document, &document).await?;
        Ok(Some(document))
    }

    async fn upsert(
        &self,
        writer: &mut Writer<'_>,
        filter: &Filter,
        change: &Change,
    ) -> Result<(Bson, Document)> {
        let mut document = upsert_document(filter, &change.update, &self.context(None, true))?;
        let id = writer.insert(&mut document).await?;
        Ok((id, document))
    }

    fn context(&self, array_position: Option<usize>, inserting: bool) -> UpdateContext {
        UpdateContext { now: self.clock.wall(), array_position, inserting }
    }

    pub(super) async fn delete(&self, target: &Target, delete: Delete) -> Result<u64> {
        let mut session = self.write(target).await?;
        let deleted = match session.connection() {
            Ok(connection) => self.delete_on(connection, target, delete).await,
            Err(error) => Err(error),
        };
        session.finish(deleted).await
    }

    async fn delete_on(
        &self,
        connection: &mut SqliteConnection,
        target: &Target,
        delete: Delete,
    ) -> Result<u64> {
        let selection = self.selection(delete.filter, None)?;
        let Some(collection) = self.collection(connection, target, false).await? else {
            return Ok(0);
        };
        if delete.many && selection.document.is_empty() {
            return clear(connection, &collection).await;
        }
        let mut writer = Writer::new(connection, collection, &self.ids);
        let mut hits = Hits::open(&mut writer, &selection, delete.many).await?;
        let mut deleted = 0;
        while let Some(hit) = hits.next(&mut writer, &selection.filter).await? {
            writer.delete(hit.seq, &hit.document).await?;
            deleted += 1;
        }
        Ok(deleted)
    }

    pub(super) async fn find_and_modify(
        &self,
        target: &Target,
        operation: FindAndModify,
    ) -> Result<Option<Document>> {
        let mut session = self.write(target).await?;
        let found = match session.connection() {
            Ok(connection) => self.find_and_modify_on(connection, target, operation).await,
            Err(error) => Err(error),
        };
        session.finish(found).await
    }

    async fn find_and_modify_on(
        &self,
        connection: &mut SqliteConnection,
        target: &Target,
        operation: FindAndModify,
    ) -> Result<Option<Document>> {
        let (change, returning) = match &operation.action {
            ModifyAction::Update { update, upsert, returning, array_filters } => {
                (Some(Change::parse(update, array_filters, *upsert)?), *returning)
            }
            ModifyAction::Delete => (None, ReturnDocument::Before),
        };
        let selection = self.selection(operation.filter, operation.sort.as_ref())?;
        if change.as_ref().is_some_and(|change| change.upsert) {
            check_upsert(&selection.filter)?;
        }
        let projection = operation.projection.filter(|projection| !projection.is_empty());
        let projection = projection.as_ref().map(Projection::parse).transpose()?;
        let upsert = change.as_ref().is_some_and(|change| change.upsert);
        let Some(collection) = self.collection(connection, target, upsert).await? else {
            return Ok(None);
        };
        let mut writer = Writer::new(connection, collection, &self.ids);
        let found = match (first(&mut writer, &selection).await?, &change) {
            (Some(hit), None) => {
                writer.delete(hit.seq, &hit.document).await?;
                Some(hit.document)
            }
            (Some(hit), Some(change)) => match (self.apply(&mut writer, change, &hit).await?, returning) {
                (Some(new), ReturnDocument::After) => Some(new),
                _ => Some(hit.document),
            },
            (None, Some(change)) if change.upsert => {
                let (_, document) = self.upsert(&mut writer, &selection.filter, change).await?;
                Some(document).filter(|_| returning == ReturnDocument::After)
            }
            (None, _) => None,
        };
        match (found, projection) {
            (Some(found), Some(projection)) => projection.apply(&found, Some(&selection.filter)).map(Some),
            (found, _) => Ok(found),
        }
    }

    pub(super) async fn bulk_write(
        &self,
        target: &Target,
        models: Vec<WriteModel>,
        ordered: bool,
    ) -> Result<BulkResult> {
        let mut session = self.write(target).await?;
        let written = match session.connection() {
            Ok(connection) => self.bulk_write_on(connection, target, models, ordered).await,
            Err(error) => Err(error),
        };
        session.finish(written).await
    }

    async fn bulk_write_on(
        &self,
        connection: &mut SqliteConnection,
        target: &Target,
        models: Vec<WriteModel>,
        ordered: bool,
    ) -> Result<BulkResult> {
        let mut result = BulkResult::default();
        for (index, model) in models.into_iter().enumerate() {
            execute(connection, "SAVEPOINT model").await?;
            match self.write_model(connection, target, index, model, &mut result).await {
                Ok(()) => execute(connection, "RELEASE model").await?,
                Err(error) if is_fatal(&error) => return Err(error),
                Err(error) => {
                    execute(connection, "ROLLBACK TO model").await?;
                    execute(connection, "RELEASE model").await?;
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
        connection: &mut SqliteConnection,
        target: &Target,
        index: usize,
        model: WriteModel,
        result: &mut BulkResult,
    ) -> Result<()> {
        match model {
            WriteModel::Insert(mut document) => {
                let collection = load_or_create(connection, &self.cache, &target.collection).await?;
                let id = Writer::new(connection, collection, &self.ids).insert(&mut document).await?;
                result.inserted_ids.insert(index, id);
            }
            WriteModel::Update(update) => {
                let updated = self.update_on(connection, target, update).await?;
                result.matched += updated.matched;
                result.modified += updated.modified;
                result.upserted_ids.extend(updated.upserted_id.map(|id| (index, id)));
            }
            WriteModel::Delete(delete) => {
                result.deleted += self.delete_on(connection, target, delete).await?
            }
        }
        Ok(())
    }

    async fn collection(
        &self,
        connection: &mut SqliteConnection,
        target: &Target,
        create: bool,
    ) -> Result<Option<Collection>> {
        match create {
            true => load_or_create(connection, &self.cache, &target.collection).await.map(Some),
            false => load(connection, &self.cache, &target.collection).await,
        }
    }
}

impl Change {
    fn parse(spec: &UpdateSpec, array_filters: &[Document], upsert: bool) -> Result<Self> {
        Ok(Self { update: tandem_documents::Update::parse(spec, array_filters)?, upsert })
    }
}

/// The documents that a write selects, read in batches. The plan is one that a write cannot
/// disturb: documents keep their place when they change.
struct Hits {
    scan: Scan,
    rows: std::vec::IntoIter<super::scan::StoredRow>,
    left: u64,
}

impl Hits {
    async fn open(writer: &mut Writer<'_>, selection: &Selection, many: bool) -> Result<Self> {
        let plan = plan(&writer.collection, selection);
        let scan = Scan::open(writer.connection, &writer.collection, &plan).await?;
        Ok(Self { scan, rows: Vec::new().into_iter(), left: if many { u64::MAX } else { 1 } })
    }

    async fn next(&mut self, writer: &mut Writer<'_>, filter: &Filter) -> Result<Option<Hit>> {
        while self.left > 0 {
            let Some(row) = self.rows.next() else {
                match self.scan.next(writer.connection).await? {
                    Some(rows) => self.rows = rows.into_iter(),
                    None => return Ok(None),
                }
                continue;
            };
            let document = decode_body(&row.body)?;
            if let Some(matched) = filter.find(&document)? {
                self.left -= 1;
                return Ok(Some(Hit { seq: row.seq, document, array_position: matched.array_position }));
            }
        }
        Ok(None)
    }
}

/// The first document in the order of the sort.
async fn first(writer: &mut Writer<'_>, selection: &Selection) -> Result<Option<Hit>> {
    let plan = plan(&writer.collection, selection);
    let scan = Scan::open(writer.connection, &writer.collection, &plan).await?;
    let unsorted = selection.sort.as_ref().filter(|_| !plan.sorted);
    let left = if unsorted.is_some() { u64::MAX } else { 1 };
    let mut hits = Hits { scan, rows: Vec::new().into_iter(), left };
    let mut best = hits.next(writer, &selection.filter).await?;
    if let Some(sort) = unsorted {
        best.iter().try_for_each(|best| sort.check(&best.document))?;
        while let Some(hit) = hits.next(writer, &selection.filter).await? {
            sort.check(&hit.document)?;
            if best.as_ref().is_some_and(|best| sort.compare(&hit.document, &best.document).is_lt()) {
                best = Some(hit);
            }
        }
    }
    Ok(best)
}

/// Deletes every document of a collection; returns how many there were.
pub(super) async fn clear(connection: &mut SqliteConnection, collection: &Collection) -> Result<u64> {
    for index in &collection.indexes {
        super::indexes::clear_entries(connection, index).await?;
    }
    let done = sqlx::query("DELETE FROM documents WHERE seq > ? AND seq < ?")
        .bind(collection.start())
        .bind(collection.end())
        .execute(connection)
        .await
        .map_err(store_error)?;
    Ok(done.rows_affected())
}

async fn execute(connection: &mut SqliteConnection, statement: &'static str) -> Result<()> {
    sqlx::query(statement).execute(connection).await.map_err(store_error)?;
    Ok(())
}

/// Whether the store failed, rather than refused this one write.
fn is_fatal(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::StoreUnavailable | ErrorKind::Internal)
}

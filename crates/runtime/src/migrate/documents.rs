use std::collections::HashMap;

use bson::{Bson, Document, doc};
use futures_util::{StreamExt as _, TryStreamExt as _};
use tandem_contract::{DocumentStore, Error, Find, Result, Target, Update, UpdateSpec, WriteModel};

use super::{Failure, Outcome, Run};

/// Documents that are compared and written together.
const BATCH: usize = 500;
/// Bytes after which a batch ends; the last document may pass it.
const BATCH_BYTES: usize = 8 << 20;

/// A document with its bytes, which are equal when it is, NaN and the order of fields included.
struct Entry {
    id: Bson,
    document: Document,
    bytes: Vec<u8>,
}

impl Run<'_> {
    pub(super) async fn copy_documents(&mut self) -> Result<()> {
        for name in self.from.documents.list_collections().await? {
            let target = Target { collection: name, transaction: None, timeout: None };
            self.copy_collection(&target).await?;
            self.copy_indexes(&target).await?;
            self.report.collections += 1;
            (self.observe)(&self.report);
        }
        Ok(())
    }

    async fn copy_collection(&mut self, target: &Target) -> Result<()> {
        let mut source = self.from.documents.find(target, Find::default()).await?;
        let (mut batch, mut size) = (Vec::new(), 0);
        while let Some(document) = source.next().await {
            let entry = Entry::new(document?)?;
            size += entry.bytes.len();
            batch.push(entry);
            if batch.len() >= BATCH || size >= BATCH_BYTES {
                self.copy_batch(target, std::mem::take(&mut batch)).await?;
                size = 0;
            }
        }
        self.copy_batch(target, batch).await
    }

    async fn copy_batch(&mut self, target: &Target, batch: Vec<Entry>) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let to = &*self.to.documents;
        let held = held(to, target, &batch).await?;
        let (mut ids, mut models) = (Vec::new(), Vec::new());
        for entry in batch {
            match held.get(&key(&entry.id)?) {
                Some(bytes) if *bytes == entry.bytes => self.report.documents.unchanged += 1,
                there => {
                    models.push(write(&entry, there.is_some()));
                    ids.push(entry.id);
                }
            }
        }
        if !models.is_empty() {
            let count = models.len() as u64;
            let done = to.bulk_write(target, models, false).await?;
            self.report.documents.copied += count - done.failures.len() as u64;
            self.report.documents.failed += done.failures.len() as u64;
            self.report.failures.extend(done.failures.iter().map(|failure| Failure {
                what: format!("document {} of collection {}", ids[failure.index], target.collection),
                why: failure.error.message().to_owned(),
            }));
        }
        (self.observe)(&self.report);
        Ok(())
    }

    /// After the documents: one index built at once is cheaper than one kept up with each write.
    async fn copy_indexes(&mut self, target: &Target) -> Result<()> {
        let there = self.to.documents.list_indexes(target).await?;
        for index in self.from.documents.list_indexes(target).await? {
            let name = index.name.clone().unwrap_or_default();
            let outcome = match there.contains(&index) || name == "_id_" {
                true => Ok(Outcome::Unchanged),
                false => self.to.documents.create_index(target, index).await.map(|_| Outcome::Copied),
            };
            let what = || format!("index {name} of collection {}", target.collection);
            self.note(|report| &mut report.indexes, what, outcome)?;
        }
        Ok(())
    }
}

impl Entry {
    fn new(document: Document) -> Result<Self> {
        let id = document.get("_id").cloned();
        let id = id.ok_or_else(|| Error::internal("a document of the source has no _id"))?;
        let bytes = bson::serialize_to_vec(&document).map_err(Error::internal)?;
        Ok(Self { id, document, bytes })
    }
}

/// The bytes of the documents of a batch that the destination has, by the bytes of their `_id`.
async fn held(to: &dyn DocumentStore, target: &Target, batch: &[Entry]) -> Result<HashMap<Vec<u8>, Vec<u8>>> {
    let ids: Vec<Bson> = batch.iter().map(|entry| entry.id.clone()).collect();
    let find = Find { filter: doc! { "_id": { "$in": ids } }, ..Find::default() };
    let found: Vec<Document> = to.find(target, find).await?.try_collect().await?;
    let entries = found.into_iter().map(|document| {
        let entry = Entry::new(document)?;
        Ok((key(&entry.id)?, entry.bytes))
    });
    entries.collect()
}

/// Of an `_id`, by its bytes: one that another tool wrote as a number of another type is a
/// duplicate that the destination refuses, and the report names.
fn key(id: &Bson) -> Result<Vec<u8>> {
    bson::serialize_to_vec(&doc! { "": id.clone() }).map_err(Error::internal)
}

fn write(entry: &Entry, replace: bool) -> WriteModel {
    if !replace {
        return WriteModel::Insert(entry.document.clone());
    }
    WriteModel::Update(Update {
        filter: doc! { "_id": { "$eq": entry.id.clone() } },
        update: UpdateSpec::Replacement(entry.document.clone()),
        many: false,
        upsert: true,
        array_filters: Vec::new(),
    })
}

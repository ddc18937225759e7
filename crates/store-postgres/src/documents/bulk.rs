//! Bulk writes: each operation behind a savepoint of its own.

use bson::{Bson, Document};
use tandem_contract::{BulkResult, Delete, Result, Target, Update, WriteFailure, WriteModel};

use super::insert::{is_fatal, savepoint};
use super::session::Session;
use super::{Inner, stale};

/// An operation of a bulk write, its insert with an `_id`.
pub(super) enum Model {
    Insert(Result<(Bson, Document)>),
    Update(Update),
    Delete(Delete),
}

impl Inner {
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
}

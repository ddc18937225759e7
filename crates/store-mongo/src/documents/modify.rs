//! Writes of one statement.

use bson::oid::ObjectId;
use bson::{Bson, Document};
use mongodb::action::Action;
use mongodb::error::ErrorKind as Kind;
use mongodb::options::{
    FindOneAndDeleteOptions, FindOneAndReplaceOptions, FindOneAndUpdateOptions, InsertManyOptions,
    ReplaceOptions, ReturnDocument as DriverReturn, UpdateModifications, UpdateOptions,
};
use tandem_contract::{
    Delete, Error, ErrorKind, FindAndModify, InsertResult, ModifyAction, Result, ReturnDocument, Target,
    Update, UpdateResult, UpdateSpec, WriteFailure, WriteModel,
};

use super::query::left;
use super::session::Inside;
use super::{Inner, ROLE};

impl Inner {
    pub(super) async fn insert(
        &self,
        target: &Target,
        mut documents: Vec<Document>,
        ordered: bool,
    ) -> Result<InsertResult> {
        let collection = self.collection(target)?;
        let ids: Vec<Bson> = documents.iter_mut().map(settle_id).collect();
        if ids.is_empty() {
            return Ok(InsertResult::default());
        }
        let mut options = InsertManyOptions::default();
        options.ordered = Some(ordered);
        let mut inside = self.inside(target).await?;
        let action = collection
            .insert_many(&documents)
            .with_options(options)
            .optional(inside.as_mut().map(Inside::session), |action, session| action.session(session));
        let inserted = self.connection.run(target.timeout, async { Ok(action.await.map(drop)) }).await;
        let inserted = inserted.and_then(|inserted| match inserted {
            Ok(()) => Ok(Vec::new()),
            Err(error) => failures(error),
        });
        let failed = match &inserted {
            Ok(failures) => failures.first().map(|failure| &failure.error),
            Err(error) => Some(error),
        };
        if let Some(inside) = inside {
            inside.leave(failed);
        }
        let failures = inserted?;
        let end = failures.first().filter(|_| ordered).map_or(ids.len(), |failure| failure.index);
        let failed = |index: usize| failures.iter().any(|failure| failure.index == index);
        let inserted_ids =
            ids.into_iter().enumerate().filter(|(index, _)| *index < end && !failed(*index)).collect();
        Ok(InsertResult { inserted_ids, failures })
    }

    pub(super) async fn update(&self, target: &Target, update: Update) -> Result<UpdateResult> {
        if update.many {
            refuse_many_replacements(&update)?;
            // The driver repeats no such write after a lost connection, so nothing is lost by a
            // command, which can tell the server how long it may take.
            return self.update_by_command(target, update).await;
        }
        let collection = self.collection(target)?;
        let mut inside = self.inside(target).await?;
        let session = inside.as_mut().map(Inside::session);
        let updated = match modifications(update.update) {
            Ok(modifications) => {
                let mut options = UpdateOptions::default();
                options.upsert = Some(update.upsert);
                options.array_filters = Some(update.array_filters).filter(|filters| !filters.is_empty());
                let action = collection
                    .update_one(update.filter, modifications)
                    .with_options(options)
                    .optional(session, |action, session| action.session(session));
                self.connection.run(target.timeout, async { action.await }).await
            }
            Err(replacement) => {
                let mut options = ReplaceOptions::default();
                options.upsert = Some(update.upsert);
                let action = collection
                    .replace_one(update.filter, &replacement)
                    .with_options(options)
                    .optional(session, |action, session| action.session(session));
                self.connection.run(target.timeout, async { action.await }).await
            }
        };
        let updated = left(inside, updated)?;
        Ok(UpdateResult {
            matched: updated.matched_count,
            modified: updated.modified_count,
            upserted_id: updated.upserted_id,
        })
    }

    async fn update_by_command(&self, target: &Target, update: Update) -> Result<UpdateResult> {
        let mut result = self.bulk_write(target, vec![WriteModel::Update(update)], true).await?;
        match result.failures.pop() {
            Some(failure) => Err(failure.error),
            None => Ok(UpdateResult {
                matched: result.matched,
                modified: result.modified,
                upserted_id: result.upserted_ids.remove(&0),
            }),
        }
    }

    pub(super) async fn delete(&self, target: &Target, delete: Delete) -> Result<u64> {
        if delete.many {
            let mut result = self.bulk_write(target, vec![WriteModel::Delete(delete)], true).await?;
            return match result.failures.pop() {
                Some(failure) => Err(failure.error),
                None => Ok(result.deleted),
            };
        }
        let collection = self.collection(target)?;
        let mut inside = self.inside(target).await?;
        let action = collection
            .delete_one(delete.filter)
            .optional(inside.as_mut().map(Inside::session), |action, session| action.session(session));
        let deleted = self.connection.run(target.timeout, async { action.await }).await;
        Ok(left(inside, deleted)?.deleted_count)
    }

    pub(super) async fn find_and_modify(
        &self,
        target: &Target,
        operation: FindAndModify,
    ) -> Result<Option<Document>> {
        let collection = self.collection(target)?;
        let FindAndModify { filter, sort, projection, action } = operation;
        let mut inside = self.inside(target).await?;
        let session = inside.as_mut().map(Inside::session);
        let found = match action {
            ModifyAction::Delete => {
                let mut options = FindOneAndDeleteOptions::default();
                (options.sort, options.projection, options.max_time) = (sort, projection, target.timeout);
                let action = collection
                    .find_one_and_delete(filter)
                    .with_options(options)
                    .optional(session, |action, session| action.session(session));
                self.connection.run(target.timeout, async { action.await }).await
            }
            ModifyAction::Update { update, upsert, returning, array_filters } => {
                match modifications(update) {
                    Ok(modifications) => {
                        let mut options = FindOneAndUpdateOptions::default();
                        (options.sort, options.projection, options.max_time) =
                            (sort, projection, target.timeout);
                        options.upsert = Some(upsert);
                        options.return_document = Some(version(returning));
                        options.array_filters = Some(array_filters).filter(|filters| !filters.is_empty());
                        let action = collection
                            .find_one_and_update(filter, modifications)
                            .with_options(options)
                            .optional(session, |action, session| action.session(session));
                        self.connection.run(target.timeout, async { action.await }).await
                    }
                    Err(replacement) => {
                        let mut options = FindOneAndReplaceOptions::default();
                        (options.sort, options.projection, options.max_time) =
                            (sort, projection, target.timeout);
                        options.upsert = Some(upsert);
                        options.return_document = Some(version(returning));
                        let action = collection
                            .find_one_and_replace(filter, &replacement)
                            .with_options(options)
                            .optional(session, |action, session| action.session(session));
                        self.connection.run(target.timeout, async { action.await }).await
                    }
                }
            }
        };
        left(inside, found)
    }
}

pub(super) fn refuse_many_replacements(update: &Update) -> Result<()> {
    match update.update {
        UpdateSpec::Replacement(_) if update.many => {
            Err(Error::new(ErrorKind::InvalidArgument, "A replacement changes one document, not many"))
        }
        _ => Ok(()),
    }
}

/// Gives a document without `_id` one, as its first field; returns it.
pub(super) fn settle_id(document: &mut Document) -> Bson {
    if let Some(id) = document.get("_id") {
        return id.clone();
    }
    let id = Bson::ObjectId(ObjectId::new());
    let rest = std::mem::take(document);
    document.insert("_id", id.clone());
    document.extend(rest);
    id
}

/// An update, or else the replacement.
fn modifications(spec: UpdateSpec) -> Result<UpdateModifications, Document> {
    match spec {
        UpdateSpec::Operators(operators) => Ok(operators.into()),
        UpdateSpec::Pipeline(stages) => Ok(stages.into()),
        UpdateSpec::Replacement(document) => Err(document),
    }
}

const fn version(returning: ReturnDocument) -> DriverReturn {
    match returning {
        ReturnDocument::Before => DriverReturn::Before,
        ReturnDocument::After => DriverReturn::After,
    }
}

/// What failed of a batch, when it is single documents that did.
fn failures(error: mongodb::error::Error) -> Result<Vec<WriteFailure>> {
    let writes = match &*error.kind {
        Kind::InsertMany(many) => many.write_errors.as_deref().unwrap_or_default(),
        _ => &[],
    };
    if writes.is_empty() {
        return Err(ROLE.error(error));
    }
    let failure = |write: &mongodb::error::IndexedWriteError| WriteFailure {
        index: write.index,
        error: ROLE.by_code(write.code, &write.message, &"a write of a batch"),
    };
    Ok(writes.iter().map(failure).collect())
}

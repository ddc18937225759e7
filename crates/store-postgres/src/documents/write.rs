//! Writes as wholes: each is tried again when it loses against another one, which costs nothing
//! that was acknowledged, because what lost was undone.

use bson::Document;
use tandem_contract::{
    BulkResult, Delete, ErrorKind, FindAndModify, InsertResult, Result, Target, Update, UpdateResult,
    WriteModel,
};

use super::Inner;

/// How often an upsert that met a document made by another one looks for it.
const MOST_RACES: u32 = 5;

impl Inner {
    pub(super) async fn insert(
        &self,
        target: &Target,
        documents: Vec<Document>,
        ordered: bool,
    ) -> Result<InsertResult> {
        // Once: a second try must not make other ids.
        let settle = |mut document: Document| {
            let id = self.ids.settle(&mut document)?;
            Ok((id, document))
        };
        let documents: Vec<_> = documents.into_iter().map(settle).collect();
        let mut tries = 0;
        loop {
            match self.try_insert(target, &documents, ordered).await {
                Err(error) if self.may_try_again(&error, target, tries, false).await => {
                    self.catalog.forget(&target.collection);
                    tries += 1;
                }
                result => return result,
            }
        }
    }

    pub(super) async fn update(&self, target: &Target, update: Update) -> Result<UpdateResult> {
        let (mut tries, mut races) = (0, 0);
        loop {
            let mut session = self.together(target).await?;
            let updated = self.update_in(&mut session, target, &update).await;
            match session.finish(updated).await {
                Err(error) if update.upsert && is_race(&error) && races < MOST_RACES => races += 1,
                Err(error) if self.may_try_again(&error, target, tries, false).await => {
                    self.catalog.forget(&target.collection);
                    tries += 1;
                }
                result => return result,
            }
        }
    }

    pub(super) async fn delete(&self, target: &Target, delete: Delete) -> Result<u64> {
        let mut tries = 0;
        loop {
            let mut session = self.together(target).await?;
            let deleted = self.delete_in(&mut session, target, &delete).await;
            match session.finish(deleted).await {
                Err(error) if self.may_try_again(&error, target, tries, false).await => {
                    self.catalog.forget(&target.collection);
                    tries += 1;
                }
                result => return result,
            }
        }
    }

    pub(super) async fn find_and_modify(
        &self,
        target: &Target,
        operation: FindAndModify,
    ) -> Result<Option<Document>> {
        let (mut tries, mut races) = (0, 0);
        loop {
            let mut session = self.together(target).await?;
            let found = self.find_and_modify_in(&mut session, target, &operation).await;
            match session.finish(found).await {
                // Without an upsert it inserts nothing: the duplicate is of the change itself.
                Err(error) if operation.upserts() && is_race(&error) && races < MOST_RACES => races += 1,
                Err(error) if self.may_try_again(&error, target, tries, false).await => {
                    self.catalog.forget(&target.collection);
                    tries += 1;
                }
                result => return result,
            }
        }
    }

    pub(super) async fn bulk_write(
        &self,
        target: &Target,
        models: Vec<WriteModel>,
        ordered: bool,
    ) -> Result<BulkResult> {
        let models = self.settle_models(models);
        let mut tries = 0;
        loop {
            let mut session = self.together(target).await?;
            let written = self.bulk_write_in(&mut session, target, &models, ordered).await;
            match session.finish(written).await {
                Err(error) if self.may_try_again(&error, target, tries, false).await => {
                    self.catalog.forget(&target.collection);
                    tries += 1;
                }
                result => return result,
            }
        }
    }
}

fn is_race(error: &tandem_contract::Error) -> bool {
    error.kind() == ErrorKind::DuplicateKey
}

trait Upserts {
    fn upserts(&self) -> bool;
}

impl Upserts for FindAndModify {
    fn upserts(&self) -> bool {
        matches!(self.action, tandem_contract::ModifyAction::Update { upsert: true, .. })
    }
}

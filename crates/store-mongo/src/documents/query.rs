//! Reads.

use std::sync::Arc;

use bson::{Bson, Document, doc};
use futures_util::{StreamExt, TryStreamExt, stream};
use mongodb::action::Action;
use mongodb::options::{
    AggregateOptions, CountOptions, DistinctOptions, EstimatedDocumentCountOptions, FindOptions,
};
use mongodb::{Cursor, SessionCursor};
use tandem_contract::{Aggregate, DocumentStream, Find, Result, Target};

use super::Inner;
use super::session::Inside;
use crate::error::BACKEND;

impl Inner {
    pub(super) async fn find(self: &Arc<Self>, target: &Target, find: Find) -> Result<DocumentStream> {
        let collection = self.collection(target)?;
        // The server takes 0 for no limit.
        if find.limit == Some(0) {
            return Ok(stream::empty().boxed());
        }
        let action = collection.find(find.filter.clone()).with_options(options(&find, target));
        match self.inside(target).await? {
            None => {
                let cursor = self.connection.run(target.timeout, async { action.await }).await?;
                Ok(self.stream(target, cursor))
            }
            Some(mut inside) => {
                let action = action.session(inside.session());
                let cursor = self.connection.run(target.timeout, async { action.await }).await;
                inside.leave(cursor.as_ref().err());
                Ok(self.stream_inside(target, cursor?))
            }
        }
    }

    pub(super) async fn aggregate(
        self: &Arc<Self>,
        target: &Target,
        aggregate: Aggregate,
    ) -> Result<DocumentStream> {
        let collection = self.collection(target)?;
        self.reserved.check_pipeline(&aggregate.pipeline)?;
        let mut options = AggregateOptions::default();
        options.max_time = target.timeout;
        let action = collection.aggregate(aggregate.pipeline).with_options(options);
        match self.inside(target).await? {
            None => {
                let cursor = self.connection.run(target.timeout, async { action.await }).await?;
                Ok(self.stream(target, cursor))
            }
            Some(mut inside) => {
                let action = action.session(inside.session());
                let cursor = self.connection.run(target.timeout, async { action.await }).await;
                inside.leave(cursor.as_ref().err());
                Ok(self.stream_inside(target, cursor?))
            }
        }
    }

    fn stream(self: &Arc<Self>, target: &Target, cursor: Cursor<Document>) -> DocumentStream {
        let state = (cursor, Arc::clone(self), target.timeout);
        stream::try_unfold(state, |(mut cursor, inner, timeout)| async move {
            let next = inner.connection.run(timeout, cursor.try_next()).await?;
            Ok(next.map(|document| (document, (cursor, inner, timeout))))
        })
        .boxed()
    }

    /// The session is taken for each document, so that other operations of the transaction may run
    /// between two.
    fn stream_inside(self: &Arc<Self>, target: &Target, cursor: SessionCursor<Document>) -> DocumentStream {
        let state = (cursor, Arc::clone(self), target.clone());
        stream::try_unfold(state, |(mut cursor, inner, target)| async move {
            let Some(mut inside) = inner.inside(&target).await? else { return Ok(None) };
            let next = async { cursor.next(inside.session()).await.transpose() };
            let next = inner.connection.run(target.timeout, next).await;
            inside.leave(next.as_ref().err());
            Ok(next?.map(|document| (document, (cursor, inner, target))))
        })
        .boxed()
    }

    pub(super) async fn count(
        &self,
        target: &Target,
        filter: Document,
        skip: u64,
        limit: Option<u64>,
    ) -> Result<u64> {
        let collection = self.collection(target)?;
        let mut options = CountOptions::default();
        (options.max_time, options.limit) = (target.timeout, limit.filter(|limit| *limit > 0));
        options.skip = Some(skip).filter(|skip| *skip > 0);
        let mut inside = self.inside(target).await?;
        let action = collection
            .count_documents(filter)
            .with_options(options)
            .optional(inside.as_mut().map(Inside::session), |action, session| action.session(session));
        let counted = self.connection.run(target.timeout, async { action.await }).await;
        let counted = left(inside, counted)?;
        Ok(if limit == Some(0) { 0 } else { counted })
    }

    pub(super) async fn estimated_count(&self, target: &Target) -> Result<u64> {
        // What the store knows already is not part of a transaction.
        if target.transaction.is_some() {
            return self.count(target, Document::new(), 0, None).await;
        }
        let collection = self.collection(target)?;
        let mut options = EstimatedDocumentCountOptions::default();
        options.max_time = target.timeout;
        let count = async { collection.estimated_document_count().with_options(options).await };
        self.connection.run(target.timeout, count).await
    }

    pub(super) async fn distinct(&self, target: &Target, path: &str, filter: Document) -> Result<Vec<Bson>> {
        let collection = self.collection(target)?;
        let mut options = DistinctOptions::default();
        options.max_time = target.timeout;
        let mut inside = self.inside(target).await?;
        let action = collection
            .distinct(path, filter)
            .with_options(options)
            .optional(inside.as_mut().map(Inside::session), |action, session| action.session(session));
        let found = self.connection.run(target.timeout, async { action.await }).await;
        left(inside, found)
    }

    /// Everything runs in the server; the plan's index and sort are its own words.
    pub(super) async fn explain(&self, target: &Target, find: Find) -> Result<Document> {
        self.collection(target)?;
        let mut command = doc! { "find": &target.collection, "filter": find.filter.clone() };
        command.extend(find.projection.map(|projection| ("projection".to_owned(), projection.into())));
        let sorted = find.sort.as_ref().is_some_and(|sort| !sort.is_empty());
        command.extend(find.sort.map(|sort| ("sort".to_owned(), sort.into())));
        command.extend(find.limit.map(|limit| ("limit".to_owned(), number(limit))));
        command.insert("skip", number(find.skip));
        let explain = doc! { "explain": command, "verbosity": "queryPlanner" };
        let reply = async { self.database.run_command(explain).await };
        let reply = self.connection.run(target.timeout, reply).await?;
        let plan = reply.get_document("queryPlanner").and_then(|plan| plan.get_document("winningPlan"));
        let plan = plan.cloned().unwrap_or_default();
        let mut out = doc! { "backend": BACKEND, "pushed": find.filter, "matched": {} };
        if let Some(index) = stage(&plan, "IXSCAN").and_then(|scan| scan.get_str("indexName").ok()) {
            out.insert("index", index);
        } else if stage(&plan, "IDHACK").is_some() {
            out.insert("index", "_id_");
        }
        if sorted {
            out.insert("sort", if stage(&plan, "SORT").is_some() { "memory" } else { "index" });
        }
        Ok(out)
    }
}

/// Ends an operation's part of a transaction.
pub(super) fn left<T>(inside: Option<Inside>, result: Result<T>) -> Result<T> {
    if let Some(inside) = inside {
        inside.leave(result.as_ref().err());
    }
    result
}

fn options(find: &Find, target: &Target) -> FindOptions {
    let mut options = FindOptions::default();
    options.projection.clone_from(&find.projection);
    options.sort.clone_from(&find.sort);
    options.skip = Some(find.skip).filter(|skip| *skip > 0);
    options.limit = find.limit.map(|limit| i64::try_from(limit).unwrap_or(i64::MAX));
    options.max_time = target.timeout;
    options
}

fn number(count: u64) -> Bson {
    Bson::Int64(i64::try_from(count).unwrap_or(i64::MAX))
}

/// The stage called `name` of a plan, wherever it is.
fn stage<'a>(plan: &'a Document, name: &str) -> Option<&'a Document> {
    if plan.get_str("stage").is_ok_and(|stage| stage == name) {
        return Some(plan);
    }
    plan.values().find_map(|value| match value {
        Bson::Document(below) => stage(below, name),
        Bson::Array(items) => items.iter().filter_map(Bson::as_document).find_map(|below| stage(below, name)),
        _ => None,
    })
}

//! Bulk writes, as commands: neighbours of one kind go to the server together.

use std::time::Duration;

use bson::{Bson, Document, doc};
use mongodb::action::Action;
use tandem_contract::{BulkResult, Error, Result, Target, UpdateSpec, WriteFailure, WriteModel};

use super::modify::{refuse_many_replacements, settle_id};
use super::session::Inside;
use super::{Inner, ROLE};
use crate::functions::integer;

/// Statements in a command; the server takes 100,000.
const MOST: usize = 1000;
/// Bytes of statements in a command, of the server's 48 MB a message. One statement may be larger.
const LARGEST: usize = 16 << 20;

/// What a command is called and where its statements are.
#[derive(Clone, Copy, PartialEq)]
enum Verb {
    Insert,
    Update,
    Delete,
}

impl Verb {
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Insert => ("insert", "documents"),
            Self::Update => ("update", "updates"),
            Self::Delete => ("delete", "deletes"),
        }
    }
}

struct Statement {
    index: usize,
    verb: Verb,
    body: Document,
    id: Option<Bson>,
    size: usize,
}

impl Inner {
    pub(super) async fn bulk_write(
        &self,
        target: &Target,
        models: Vec<WriteModel>,
        ordered: bool,
    ) -> Result<BulkResult> {
        self.collection(target)?;
        let mut result = BulkResult::default();
        let mut statements = Vec::new();
        for (index, model) in models.into_iter().enumerate() {
            match statement(index, model) {
                Ok(statement) => statements.push(statement),
                Err(error) => {
                    result.failures.push(WriteFailure { index, error });
                    if ordered {
                        break;
                    }
                }
            }
        }
        if !ordered {
            // Statements of one kind meet, as drivers order them.
            statements.sort_by_key(|statement| statement.verb as u8);
        }
        let refused = std::mem::take(&mut result.failures);
        for batch in batches(statements) {
            self.run_batch(target, batch, ordered, &mut result).await?;
            if ordered && !result.failures.is_empty() {
                return Ok(result);
            }
        }
        result.failures.extend(refused);
        result.failures.sort_by_key(|failure| failure.index);
        Ok(result)
    }

    async fn run_batch(
        &self,
        target: &Target,
        mut batch: Vec<Statement>,
        ordered: bool,
        result: &mut BulkResult,
    ) -> Result<()> {
        let Some(verb) = batch.first().map(|statement| statement.verb) else { return Ok(()) };
        let (command, field) = verb.words();
        let bodies: Vec<Bson> =
            batch.iter_mut().map(|statement| std::mem::take(&mut statement.body).into()).collect();
        let mut command = doc! { command: &target.collection, field: bodies, "ordered": ordered };
        if let Some(timeout) = target.timeout {
            command.insert("maxTimeMS", milliseconds(timeout));
        }
        if target.transaction.is_none() {
            command.insert("writeConcern", self.write_concern());
        }
        let mut inside = self.inside(target).await?;
        let action = self
            .database
            .run_command(command)
            .optional(inside.as_mut().map(Inside::session), |action, session| action.session(session));
        let reply = self.connection.run(target.timeout, async { action.await }).await;
        let reply = reply.and_then(|reply| match reply.get_document("writeConcernError") {
            Ok(error) => Err(ROLE.unavailable(format!("write concern: {error}"))),
            Err(_) => Ok(reply),
        });
        let before = result.failures.len();
        let taken = reply.map(|reply| take(&reply, verb, batch, ordered, result));
        if let Some(inside) = inside {
            inside.leave(taken.as_ref().err().or(result.failures.get(before).map(|failure| &failure.error)));
        }
        taken
    }

    fn write_concern(&self) -> Document {
        let concern = self.database.write_concern();
        let written = concern.and_then(|concern| bson::serialize_to_document(concern).ok());
        written.unwrap_or_else(|| doc! { "w": "majority", "j": true })
    }
}

fn statement(index: usize, model: WriteModel) -> Result<Statement> {
    let (verb, body, id) = match model {
        WriteModel::Insert(mut document) => {
            let id = settle_id(&mut document);
            (Verb::Insert, document, Some(id))
        }
        WriteModel::Update(update) => {
            refuse_many_replacements(&update)?;
            let change = match update.update {
                UpdateSpec::Operators(document) | UpdateSpec::Replacement(document) => {
                    Bson::Document(document)
                }
                UpdateSpec::Pipeline(stages) => stages.into_iter().map(Bson::Document).collect(),
            };
            let mut body =
                doc! { "q": update.filter, "u": change, "multi": update.many, "upsert": update.upsert };
            if !update.array_filters.is_empty() {
                body.insert("arrayFilters", update.array_filters);
            }
            (Verb::Update, body, None)
        }
        WriteModel::Delete(delete) => {
            (Verb::Delete, doc! { "q": delete.filter, "limit": i32::from(!delete.many) }, None)
        }
    };
    let size = bson::serialize_to_vec(&body).map_err(|error| ROLE.error(error.into()))?.len();
    Ok(Statement { index, verb, body, id, size })
}

fn batches(statements: Vec<Statement>) -> Vec<Vec<Statement>> {
    let mut batches: Vec<Vec<Statement>> = Vec::new();
    let mut size = 0;
    for statement in statements {
        let fits = batches.last().is_some_and(|batch| {
            batch.first().is_some_and(|first| first.verb == statement.verb)
                && batch.len() < MOST
                && size + statement.size <= LARGEST
        });
        if !fits {
            batches.push(Vec::new());
            size = 0;
        }
        size += statement.size;
        if let Some(batch) = batches.last_mut() {
            batch.push(statement);
        }
    }
    batches
}

/// Adds what the server says of a batch.
fn take(reply: &Document, verb: Verb, batch: Vec<Statement>, ordered: bool, result: &mut BulkResult) {
    let array = |field: &str| reply.get_array(field).map(Vec::as_slice).unwrap_or_default();
    let place = |document: &Document| {
        let at = document.get("index").and_then(integer).and_then(|index| usize::try_from(index).ok());
        at.unwrap_or_default()
    };
    let failed: Vec<(usize, Error)> = array("writeErrors")
        .iter()
        .filter_map(Bson::as_document)
        .map(|error| {
            let code = error.get("code").and_then(integer).and_then(|code| i32::try_from(code).ok());
            let message = error.get_str("errmsg").unwrap_or_default();
            (place(error), ROLE.by_code(code.unwrap_or(0), message, &format!("bulk write: {code:?}")))
        })
        .collect();
    let upserted: Vec<(usize, Bson)> = array("upserted")
        .iter()
        .filter_map(Bson::as_document)
        .map(|upsert| (place(upsert), upsert.get("_id").cloned().unwrap_or(Bson::Null)))
        .collect();
    let count = |field: &str| reply.get(field).and_then(integer).unwrap_or(0).unsigned_abs();
    match verb {
        Verb::Insert => {}
        Verb::Update => {
            // The server counts what an upsert inserts as matched.
            result.matched += count("n").saturating_sub(upserted.len() as u64);
            result.modified += count("nModified");
        }
        Verb::Delete => result.deleted += count("n"),
    }
    let index_of = |place: usize| batch.get(place).map_or(place, |statement| statement.index);
    result.upserted_ids.extend(upserted.into_iter().map(|(place, id)| (index_of(place), id)));
    let end = failed.first().filter(|_| ordered).map_or(batch.len(), |(place, _)| *place);
    let written =
        batch.iter().enumerate().filter(|(at, _)| *at < end && failed.iter().all(|(place, _)| place != at));
    result
        .inserted_ids
        .extend(written.filter_map(|(_, statement)| Some((statement.index, statement.id.clone()?))));
    result
        .failures
        .extend(failed.into_iter().map(|(place, error)| WriteFailure { index: index_of(place), error }));
}

fn milliseconds(timeout: Duration) -> i64 {
    i64::try_from(timeout.as_millis().max(1)).unwrap_or(i64::MAX)
}

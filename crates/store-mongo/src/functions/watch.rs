//! Follows the collection: through a change stream, or by looking again and again at a server that
//! has none. The work is done while the stream is polled and stops when it is dropped.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bson::{Bson, Document, doc};
use futures_util::{StreamExt, stream};
use mongodb::change_stream::ChangeStream as Feed;
use mongodb::change_stream::event::{ChangeStreamEvent, OperationType, ResumeToken};
use mongodb::error::ErrorKind as Kind;
use mongodb::options::FullDocumentType;
use tandem_contract::{Change, ChangeStream, Error, Result};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::publish::ID_PREFIX;
use super::{Inner, by_name};

/// How long the server waits for news before it answers that there are none.
const AWAIT: Duration = Duration::from_millis(500);
/// A feed that is silent for longer is lost: `AWAIT` and room for a slow server.
const SILENCE: Duration = Duration::from_secs(4);
/// How long until a lost feed is opened again.
const PAUSE: Duration = Duration::from_millis(250);
/// How often a server without change streams is looked at: well under the contract's second.
const POLL: Duration = Duration::from_millis(400);

/// Changes from now on, until the store is closed.
pub(super) fn follow(inner: Arc<Inner>) -> ChangeStream {
    let closing = inner.closing.subscribe();
    let watcher =
        Watcher { inner, source: Source::None, token: None, pending: VecDeque::new(), lost: false, closing };
    stream::unfold(watcher, |mut watcher| async move {
        let change = watcher.next().await?;
        Some((change, watcher))
    })
    .boxed()
}

struct Watcher {
    inner: Arc<Inner>,
    source: Source,
    /// Where the feed had come when it was lost.
    token: Option<ResumeToken>,
    pending: VecDeque<Change>,
    /// The last attempt failed: the operator knows.
    lost: bool,
    closing: watch::Receiver<bool>,
}

enum Source {
    /// To be opened.
    None,
    Feed(Box<Feed<ChangeStreamEvent<Document>>>),
    /// What was there at the last look.
    Look(BTreeMap<String, Seen>),
}

/// What tells two versions of a row apart.
#[derive(Clone, PartialEq)]
struct Seen {
    revision: Option<Bson>,
    hash: String,
    updated: Option<Bson>,
    methods: Option<Bson>,
}

impl Watcher {
    async fn next(&mut self) -> Option<Change> {
        loop {
            if *self.closing.borrow() || self.inner.connection.is_closed() {
                return None;
            }
            if let Some(change) = self.pending.pop_front() {
                return Some(change);
            }
            let mut closing = self.closing.clone();
            tokio::select! {
                _ = closing.changed() => {}
                result = self.read() => if let Err(error) = result { self.recover(&error).await },
            }
        }
    }

    /// Waits for what is next; may find nothing.
    async fn read(&mut self) -> Result<(), Lost> {
        match &mut self.source {
            Source::None => {
                self.source = open(Arc::clone(&self.inner), self.token.clone()).await?;
                self.lost = false;
                // Opened first: what happens while the reader compares is in the feed.
                self.pending.push_back(Change::Resync);
            }
            Source::Feed(feed) => {
                let event = timeout(SILENCE, feed.next_if_any()).await.map_err(|_| Lost::Silent)??;
                self.token = feed.resume_token();
                let mut alive = feed.is_alive();
                if let Some(event) = event {
                    alive &= !ends_feed(&event.operation_type);
                    self.pending.push_back(change(&event));
                }
                if !alive {
                    // There is nothing to resume.
                    (self.source, self.token) = (Source::None, None);
                }
            }
            Source::Look(before) => {
                sleep(POLL).await;
                let now = look(&self.inner).await?;
                let before = std::mem::replace(before, now.clone());
                self.pending.extend(differences(&before, &now));
            }
        }
        Ok(())
    }

    async fn recover(&mut self, error: &Lost) {
        if !self.lost {
            tracing::warn!(error = %error.describe(), "the feed of changed functions is lost; opening it again");
        }
        // A token is tried once: the server may no longer know it.
        if self.lost || matches!(self.source, Source::None) {
            self.token = None;
        }
        self.lost = true;
        self.source = Source::None;
        sleep(PAUSE).await;
    }
}

async fn open(inner: Arc<Inner>, token: Option<ResumeToken>) -> Result<Source, Lost> {
    let mut watch = inner
        .functions
        .watch()
        .pipeline([
            doc! { "$project": {
                "operationType": 1, "ns": 1, "documentKey": 1,
                "fullDocument.name": 1, "updateDescription": 1, "clusterTime": 1,
            } },
            doc! { "$unset": [
                "updateDescription.updatedFields.compiled", "updateDescription.updatedFields.source",
                "updateDescription.updatedFields.code", "updateDescription.updatedFields.source_map",
            ] },
        ])
        .full_document(FullDocumentType::UpdateLookup)
        .max_await_time(AWAIT);
    if let Some(token) = token {
        watch = watch.resume_after(token);
    }
    match timeout(SILENCE, async { watch.await }).await {
        Ok(Ok(feed)) => Ok(Source::Feed(Box::new(feed))),
        Ok(Err(error)) if has_no_feeds(&error) => Ok(Source::Look(look(&inner).await?)),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(Lost::Silent),
    }
}

enum Lost {
    Silent,
    Driver(mongodb::error::Error),
    Store(Error),
}

impl Lost {
    fn describe(&self) -> String {
        match self {
            Self::Silent => "no answer".to_owned(),
            // Only its kind: a driver's text may hold addresses.
            Self::Driver(error) => crate::error::Role::Functions.error(error.clone()).kind().to_string(),
            Self::Store(error) => error.kind().to_string(),
        }
    }
}

impl From<mongodb::error::Error> for Lost {
    fn from(error: mongodb::error::Error) -> Self {
        Self::Driver(error)
    }
}

impl From<Error> for Lost {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

/// "The $changeStream stage is only supported on replica sets"
fn has_no_feeds(error: &mongodb::error::Error) -> bool {
    matches!(&*error.kind, Kind::Command(command) if command.code == 40573)
}

fn change(event: &ChangeStreamEvent<Document>) -> Change {
    let id = event.document_key.as_ref().and_then(|key| key.get("_id"));
    match event.operation_type {
        OperationType::Insert | OperationType::Replace => published(event),
        OperationType::Update => {
            let renamed = event.update_description.as_ref().is_none_or(|description| {
                description.updated_fields.contains_key("name")
                    || description.removed_fields.iter().any(|field| field == "name")
            });
            if renamed { Change::Resync } else { published(event) }
        }
        OperationType::Delete => match id.and_then(Bson::as_str).and_then(|id| id.strip_prefix(ID_PREFIX)) {
            Some(name) => Change::Deleted(name.to_owned()),
            // The event does not tell the name of a row that another tool made.
            None => Change::Resync,
        },
        _ => Change::Resync,
    }
}

/// The server closes the feed of a collection that is dropped or renamed.
const fn ends_feed(operation: &OperationType) -> bool {
    matches!(
        operation,
        OperationType::Drop | OperationType::Rename | OperationType::DropDatabase | OperationType::Invalidate
    )
}

fn published(event: &ChangeStreamEvent<Document>) -> Change {
    let name = event.full_document.as_ref().and_then(|document| document.get_str("name").ok());
    name.map_or(Change::Resync, |name| Change::Published(name.to_owned()))
}

async fn look(inner: &Inner) -> Result<BTreeMap<String, Seen>> {
    let mut options = by_name(None);
    options.projection =
        Some(doc! { "name": 1, "revision": 1, "hash": 1, "updated_at": 1, "updatedAt": 1, "methods": 1 });
    let mut rows = inner.find(doc! { "name": { "$type": "string" } }, options).await?;
    inner.with_hashes(&mut rows).await?;
    Ok(rows.iter().map(|row| (row.name(), Seen::of(row))).collect())
}

impl Seen {
    fn of(row: &super::row::Row) -> Self {
        Self {
            revision: row.stored_revision().cloned(),
            hash: row.hash(),
            updated: row.field("updated_at").or_else(|| row.field("updatedAt")).cloned(),
            methods: row.field("methods").cloned(),
        }
    }
}

fn differences(before: &BTreeMap<String, Seen>, now: &BTreeMap<String, Seen>) -> Vec<Change> {
    let published = now.iter().filter(|(name, seen)| before.get(*name) != Some(*seen));
    let deleted = before.keys().filter(|name| !now.contains_key(*name));
    let published = published.map(|(name, _)| Change::Published(name.clone()));
    published.chain(deleted.map(|name| Change::Deleted(name.clone()))).collect()
}

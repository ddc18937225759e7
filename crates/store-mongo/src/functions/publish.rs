//! Publishing and deleting, each a few writes of single documents, so that no transactions are
//! needed: a publisher first claims the next revision in the counter, then writes the row if it
//! still is the one that was read. One that loses either step reads again, and one that finds a
//! claim whose row is not written waits for it, so that revisions follow each other. A crash between
//! the two leaves a number unused, keeps the next publisher waiting once, and nothing else.

use std::time::Duration;

use bson::oid::ObjectId;
use bson::{Bson, DateTime, Document, doc};
use tandem_contract::{Error, ErrorKind, Expected, Function, FunctionDraft, Result, Revision};
use tokio::time::{Instant, sleep};

use super::row::{self, Row, integer};
use super::{Inner, LIMIT, by_name};

/// Starts `_id` of the rows that Tandem inserts: it makes them unique by name where the index is
/// missing, and tells the name of a row that was deleted.
pub(super) const ID_PREFIX: &str = "function:";

/// How long a claim may go without its row until its publisher is taken to be gone.
const CLAIM: Duration = Duration::from_secs(1);

/// What the store knows of a name before a write.
struct Held {
    row: Option<Row>,
    /// The last number that was claimed.
    counter: Option<i64>,
    /// The number of the row that was deleted last.
    deleted: Option<i64>,
}

impl Held {
    fn revision(&self) -> Option<Revision> {
        self.row.as_ref().map(Row::revision)
    }

    fn next(&self) -> Revision {
        let counted = self.counter.unwrap_or(0).unsigned_abs();
        counted.max(self.revision().unwrap_or(0)) + 1
    }

    /// The number that is claimed and has no row yet.
    fn open_claim(&self) -> Option<i64> {
        let settled = self.revision().unwrap_or(0).max(self.deleted.unwrap_or(0).unsigned_abs());
        self.counter.filter(|counter| counter.unsigned_abs() > settled)
    }
}

/// One publisher's way to its revision.
#[derive(Default)]
struct Claim {
    /// The number that it claimed last.
    own: Option<i64>,
    /// Another publisher's that it waits for, and since when.
    awaited: Option<(i64, Instant)>,
}

impl Claim {
    /// Whether another publisher's claim is waited for.
    fn waits(&mut self, open: Option<i64>) -> bool {
        let Some(number) = open.filter(|_| open != self.own) else { return false };
        match self.awaited {
            Some((awaited, since)) if awaited == number => since.elapsed() < CLAIM,
            _ => {
                self.awaited = Some((number, Instant::now()));
                true
            }
        }
    }
}

impl Inner {
    pub(super) async fn publish(&self, draft: &FunctionDraft, expected: Expected) -> Result<Function> {
        let name = draft.name.as_str();
        let (started, mut attempt, mut lost) = (Instant::now(), 0, 0);
        let mut claim = Claim::default();
        loop {
            let held = self.held(name).await?;
            check_expected(name, expected, held.revision())?;
            let open = held.open_claim();
            if !claim.waits(open)
                && let Some(revision) = self.claim(name, &held, open.filter(|_| open == claim.own)).await?
            {
                claim.own = Some(revision);
                if let Some(function) = self.write(draft, &held, revision.unsigned_abs(), lost).await? {
                    return Ok(function);
                }
                lost += 1;
            }
            if started.elapsed() > LIMIT {
                return Err(Error::new(
                    ErrorKind::Conflict,
                    format!("Function {name:?} is being published by too many at once: try again"),
                ));
            }
            attempt += 1;
            sleep(self.pause(attempt)?).await;
        }
    }

    pub(super) async fn delete(&self, name: &str) -> Result<bool> {
        let mut options = by_name(None);
        options.projection = Some(doc! { "name": 1, "revision": 1 });
        let rows = self.find(doc! { "name": name }, options).await?;
        let Some(revision) = rows.iter().map(Row::revision).max() else { return Ok(false) };
        // Before the row goes: a number once given must not come again.
        self.count_deleted(name, revision).await?;
        let deletion = async {
            match rows.len() {
                1 => self.functions.delete_one(doc! { "name": name }).await,
                _ => self.functions.delete_many(doc! { "name": name }).await,
            }
        };
        Ok(self.connection.run(Some(LIMIT), deletion).await?.deleted_count > 0)
    }

    async fn held(&self, name: &str) -> Result<Held> {
        let mut rows = self.find(doc! { "name": name }, by_name(Some(2))).await?;
        if rows.len() > 1 {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!(
                    "Function {name:?} is stored more than once: keep one document, or delete the function"
                ),
            ));
        }
        let counter = async { self.counters.find_one(doc! { "_id": name }).await };
        let counter = self.connection.run(Some(LIMIT), counter).await?;
        let number = |field| counter.as_ref().and_then(|counter| counter.get(field)).and_then(integer);
        Ok(Held { row: rows.pop(), counter: number("revision"), deleted: number("deleted") })
    }

    /// Takes the next revision, or goes on with its `own`; `None` when another publisher took it.
    async fn claim(&self, name: &str, held: &Held, own: Option<i64>) -> Result<Option<i64>> {
        if own.is_some() {
            return Ok(own);
        }
        let next = held.next().cast_signed();
        let claim = async {
            match held.counter {
                Some(counter) => {
                    let filter = doc! { "_id": name, "revision": counter };
                    let update = doc! { "$set": { "revision": next } };
                    Ok(self.counters.update_one(filter, update).await?.matched_count > 0)
                }
                None => self.counters.insert_one(doc! { "_id": name, "revision": next }).await.map(|_| true),
            }
        };
        Ok(won(self.connection.run(Some(LIMIT), claim).await)?.then_some(next))
    }

    /// Writes the row if it still is the one that was read; `None` when it is not, which it was not
    /// `lost` times before.
    async fn write(
        &self,
        draft: &FunctionDraft,
        held: &Held,
        revision: Revision,
        lost: u32,
    ) -> Result<Option<Function>> {
        let now = self.now();
        let mut fields = row::fields(draft, revision, now);
        let (created_at, written) = match &held.row {
            Some(row) => {
                for field in row.source_fields() {
                    fields.insert(*field, &draft.source);
                }
                let created_at = row.created_at();
                if !row.has_created_at() {
                    fields.insert("created_at", DateTime::from_system_time(created_at));
                }
                let filter =
                    doc! { "_id": row.id(), "name": draft.name.as_str(), "revision": unchanged(row) };
                let update = async {
                    let done = self.functions.update_one(filter, doc! { "$set": fields }).await?;
                    Ok(done.matched_count > 0)
                };
                (created_at, won(self.connection.run(Some(LIMIT), update).await)?)
            }
            None => {
                // Another tool may have given this `_id` to a row of another name.
                let id = match lost {
                    0..3 => Bson::String(format!("{ID_PREFIX}{}", draft.name)),
                    _ => Bson::ObjectId(ObjectId::new()),
                };
                let mut document = doc! { "_id": id, "name": draft.name.as_str(), "source": &draft.source };
                document.extend(fields);
                document.insert("created_at", DateTime::from_system_time(now));
                let insertion = async { self.functions.insert_one(document).await.map(|_| true) };
                (now, won(self.connection.run(Some(LIMIT), insertion).await)?)
            }
        };
        Ok(written.then(|| row::stored(draft, revision, created_at, now)))
    }

    async fn count_deleted(&self, name: &str, revision: Revision) -> Result<()> {
        for _ in 0..3 {
            let counting = async {
                let revision = revision.cast_signed();
                let update = doc! { "$max": { "revision": revision, "deleted": revision } };
                self.counters.update_one(doc! { "_id": name }, update).upsert(true).await.map(|_| true)
            };
            // Two upserts at once: one of them is told of a duplicate.
            if won(self.connection.run(Some(LIMIT), counting).await)? {
                return Ok(());
            }
        }
        Err(Error::new(ErrorKind::Conflict, format!("Function {name:?} is being changed: try again")))
    }

    /// The store keeps milliseconds; what is returned must be what a read will return.
    fn now(&self) -> std::time::SystemTime {
        DateTime::from_system_time(self.clock.wall()).to_system_time()
    }

    /// Publishers that met must not meet again.
    fn pause(&self, attempt: u32) -> Result<Duration> {
        let mut random = [0; 2];
        self.entropy.fill(&mut random)?;
        let most = 2 << attempt.min(5);
        Ok(Duration::from_millis(u64::from(u16::from_be_bytes(random)) % most))
    }
}

/// A duplicate key means that another writer was first.
fn won(result: Result<bool>) -> Result<bool> {
    match result {
        Err(error) if error.kind() == ErrorKind::DuplicateKey => Ok(false),
        result => result,
    }
}

/// A condition that the row's revision is what was read, also where another tool wrote none.
fn unchanged(row: &Row) -> Document {
    match row.stored_revision() {
        Some(revision) => doc! { "$eq": revision.clone() },
        None => doc! { "$exists": false },
    }
}

fn check_expected(name: &str, expected: Expected, held: Option<Revision>) -> Result<()> {
    let wanted = match expected {
        Expected::Any => return Ok(()),
        Expected::Absent => None,
        Expected::Revision(revision) => Some(revision),
    };
    if wanted == held {
        return Ok(());
    }
    let word = |revision: Option<Revision>| match revision {
        Some(revision) => format!("revision {revision}"),
        None => "no such function".to_owned(),
    };
    Err(Error::new(
        ErrorKind::Conflict,
        format!("Function {name:?} was changed meanwhile: expected {}, found {}", word(wanted), word(held)),
    ))
}

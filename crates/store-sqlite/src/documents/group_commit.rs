//! Inserts that wait for the writer at the same time are written in one commit, by as many statements as
//! one of them takes. Each way to the connection's thread and each commit costs more than a row does.

use std::collections::VecDeque;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bson::{Bson, Document};
use parking_lot::Mutex;
use sqlx::Row as _;
use sqlx::sqlite::SqliteConnection;
use tandem_contract::{Error, ErrorKind, Result};
use tandem_documents::store::{ObjectIds, encode_body, entries_of, id_key};
use tokio::sync::oneshot;

use super::catalog::{Known, stamp};
use super::session::end;
use super::{Inner, store_error};
use crate::lane::Lease;

/// Rows of one statement; each number of them is a statement of its own.
const MOST_ROWS: usize = 16;
/// Bytes that are written together, about; a single larger row is still written.
const MOST_BYTES: usize = 1 << 20;

/// A document made ready, with what it is in indexes.
pub(super) struct NewRow {
    pub(super) id: Bson,
    id_key: Vec<u8>,
    body: Vec<u8>,
    entries: Vec<NewEntry>,
}

struct NewEntry {
    index: i64,
    is_unique: bool,
    key: Vec<u8>,
}

impl NewRow {
    /// Gives the document an `_id`; nothing when it cannot be stored, or changes what is known of the
    /// collection.
    pub(super) fn of(known: &Known, document: &mut Document, ids: &ObjectIds) -> Option<Self> {
        let id = ids.settle(document).ok()?;
        let mut entries = Vec::new();
        for index in &known.collection.indexes {
            for entry in entries_of(index, document).ok()? {
                if entry.of_array && !index.multikey {
                    return None;
                }
                let is_unique = index.definition.spec.unique;
                entries.push(NewEntry { index: index.id, is_unique, key: entry.key });
            }
        }
        Some(Self { id_key: id_key(&id), body: encode_body(document).ok()?, id, entries })
    }
}

/// The rows that wait for the writer.
#[derive(Default)]
pub(super) struct InsertQueue(Mutex<VecDeque<Waiter>>);

struct Waiter {
    known: Arc<Known>,
    row: NewRow,
    written: oneshot::Sender<Result<bool>>,
}

impl InsertQueue {
    /// Some of one collection, the first among them. Who is not waiting any more writes nothing.
    fn take(&self) -> Vec<Waiter> {
        let mut waiting = self.0.lock();
        waiting.retain(|waiter| !waiter.written.is_closed());
        let mut taken: Vec<Waiter> = Vec::new();
        let mut bytes = 0;
        let mut at = 0;
        while at < waiting.len() && taken.len() < MOST_ROWS {
            let waiter = &waiting[at];
            let size = waiter.row.body.len();
            let fits = taken
                .first()
                .is_none_or(|first| Arc::ptr_eq(&first.known, &waiter.known) && bytes + size <= MOST_BYTES);
            if fits {
                bytes += size;
                taken.extend(waiting.remove(at));
            } else {
                at += 1;
            }
        }
        taken
    }
}

impl Inner {
    /// Writes a row, which is one insert. `false`, and nothing is done, when the collection is not as it
    /// was, is full, or holds a key that must be unique.
    pub(super) async fn insert_in_group(
        &self,
        wait: Duration,
        known: Arc<Known>,
        row: NewRow,
    ) -> Result<bool> {
        let (written, mut answer) = oneshot::channel();
        self.inserts.0.lock().push_back(Waiter { known, row, written });
        loop {
            let lease = tokio::select! {
                biased;
                answer = &mut answer => {
                    return answer.unwrap_or_else(|_| Err(Error::internal("a write ended without an answer")));
                }
                lease = self.handle.writer(wait) => lease?,
            };
            // This row may not be among them, and nobody else's turn need come: hence the loop.
            let taken = self.inserts.take();
            if !taken.is_empty() {
                // Whoever got the writer may be cancelled; the others shall not be.
                tokio::spawn(write(lease, taken));
            }
        }
    }
}

async fn write(mut lease: Lease, waiters: Vec<Waiter>) {
    let Some(known) = waiters.first().map(|waiter| Arc::clone(&waiter.known)) else { return };
    let rows: Vec<&NewRow> = waiters.iter().map(|waiter| &waiter.row).collect();
    // Dropped halfway they may be written or not, as with every write whose answer is not awaited.
    lease.mark_busy();
    let written = write_rows(&mut lease, &known, &rows).await;
    for (at, waiter) in waiters.into_iter().enumerate() {
        let answer = written.as_ref().map(|written| written[at]).map_err(Error::clone);
        // Before the writer is free again, so that whoever gets it next knows. It may have stopped waiting.
        let _ = waiter.written.send(answer);
    }
}

/// Which ones are written.
async fn write_rows(lease: &mut Lease, known: &Known, rows: &[&NewRow]) -> Result<Vec<bool>> {
    if rows.iter().all(|row| row.entries.is_empty()) {
        let connection = lease.connection().map_err(store_error)?;
        let seqs = insert_rows(connection, known, rows).await.map_err(store_error)?;
        lease.mark_idle();
        return Ok(seqs.iter().map(Option::is_some).collect());
    }
    lease.begin_write().await.map_err(store_error)?;
    let connection = lease.connection().map_err(store_error)?;
    let written = insert_with_entries(connection, known, rows).await.map_err(store_error);
    match end(lease, written).await {
        // Each by itself, then, to tell which.
        Err(error) if error.kind() == ErrorKind::DuplicateKey => Ok(vec![false; rows.len()]),
        ended => ended,
    }
}

async fn insert_with_entries(
    connection: &mut SqliteConnection,
    known: &Known,
    rows: &[&NewRow],
) -> sqlx::Result<Vec<bool>> {
    let seqs = insert_rows(connection, known, rows).await?;
    for (is_unique, statements) in [(false, &PLAIN_ENTRIES), (true, &UNIQUE_ENTRIES)] {
        let mut entries = Vec::new();
        for (row, seq) in rows.iter().zip(&seqs) {
            let Some(seq) = seq else { continue };
            let of_kind = row.entries.iter().filter(|entry| entry.is_unique == is_unique);
            entries.extend(of_kind.map(|entry| (entry, *seq)));
        }
        for entries in entries.chunks(MOST_ROWS) {
            let mut query = sqlx::query(statements[entries.len() - 1].as_str());
            for (entry, seq) in entries {
                query = query.bind(entry.index).bind(&entry.key).bind(seq);
            }
            query.execute(&mut *connection).await?;
        }
    }
    Ok(seqs.iter().map(Option::is_some).collect())
}

/// Statements by the number of their rows, from one on.
type Statements = LazyLock<Vec<String>>;

static ROWS: Statements = LazyLock::new(|| (1..=MOST_ROWS).map(rows_statement).collect());
static PLAIN_ENTRIES: Statements = LazyLock::new(|| entries_statements("index_entries"));
static UNIQUE_ENTRIES: Statements = LazyLock::new(|| entries_statements("unique_entries"));

fn rows_statement(count: usize) -> String {
    // After the five parameters that all rows share.
    let value = |n: usize| format!("({n}, ?{}, ?{})", 2 * n + 4, 2 * n + 5);
    let values: Vec<String> = (1..=count).map(value).collect();
    format!(
        concat!(
            "INSERT INTO documents (seq, collection, id_key, body)
             SELECT coalesce((SELECT seq FROM documents WHERE seq > ?3 AND seq < ?4 ORDER BY seq DESC LIMIT 1), ?3)
                 + new.column1, ?5, new.column2, new.column3
             FROM (VALUES {values}) AS new
             WHERE NOT EXISTS (SELECT 1 FROM documents WHERE seq >= ?4 - {count} AND seq < ?4) AND ",
            stamp!(),
            " IS ?2
             ON CONFLICT (collection, id_key) DO NOTHING RETURNING seq, id_key"
        ),
        values = values.join(", "),
        count = count
    )
}

fn entries_statements(table: &str) -> Vec<String> {
    let of = |count| {
        let values = vec!["(?, ?, ?)"; count].join(", ");
        format!("INSERT INTO {table} (index_id, key, seq) VALUES {values}")
    };
    (1..=MOST_ROWS).map(of).collect()
}

/// The `seq` of each row that is there now by this.
async fn insert_rows(
    connection: &mut SqliteConnection,
    known: &Known,
    rows: &[&NewRow],
) -> sqlx::Result<Vec<Option<i64>>> {
    let collection = &known.collection;
    let mut query = sqlx::query(ROWS[rows.len() - 1].as_str())
        .bind(&collection.name)
        .bind(&known.stamp)
        .bind(collection.start())
        .bind(collection.end())
        .bind(collection.id);
    for row in rows {
        query = query.bind(&row.id_key).bind(&row.body);
    }
    let mut seqs = vec![None; rows.len()];
    for written in query.fetch_all(connection).await? {
        let id_key: &[u8] = written.try_get(1)?;
        // Of two with one `_id` the first is written.
        let row = rows.iter().zip(&mut seqs).find(|(row, seq)| seq.is_none() && row.id_key == id_key);
        if let Some((_, seq)) = row {
            *seq = Some(written.try_get(0)?);
        }
    }
    Ok(seqs)
}

#[cfg(test)]
mod tests {
    use bson::doc;
    use tandem_contract::{DocumentStore, Target};
    use tempfile::tempdir;
    use tokio::time::timeout;

    use super::super::tests::context;
    use super::*;
    use crate::{SqliteConfig, SqliteDocumentStore};

    const PATIENCE: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn whoever_writes_the_rows_of_others_comes_to_its_own() {
        let folder = tempdir().unwrap();
        let context = context(folder.path());
        let store = SqliteDocumentStore::open(SqliteConfig::default(), &context).await.unwrap();
        for name in ["a", "a", "b", "b"] {
            let target = Target { collection: name.to_owned(), transaction: None, timeout: None };
            store.insert(&target, vec![doc! {}], true).await.unwrap();
        }
        let inner = &store.inner;
        let ready = |name, id: usize| {
            let known = inner.cache.known(name).unwrap();
            let mut document = doc! { "_id": i64::try_from(id).unwrap() };
            let row = NewRow::of(&known, &mut document, &inner.ids).unwrap();
            (known, row)
        };
        // They wait, and have not asked for the writer yet.
        let mut others = Vec::new();
        for id in 0..3 * MOST_ROWS {
            let (known, row) = ready("a", id);
            let (written, answer) = oneshot::channel();
            inner.inserts.0.lock().push_back(Waiter { known, row, written });
            others.push(answer);
        }
        let (known, row) = ready("b", 0);
        assert!(timeout(PATIENCE, inner.insert_in_group(PATIENCE, known, row)).await.unwrap().unwrap());
        for other in others {
            assert!(timeout(PATIENCE, other).await.unwrap().unwrap().unwrap());
        }
    }
}

//! Runs a plan: yields the rows of documents in its order, a batch at a time. Between batches no
//! connection is held.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use futures_util::TryStreamExt;
use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use tandem_contract::{Error, ErrorKind, Result};
use tandem_documents::Direction;
use tandem_documents::store::{Access, KeyRange, Plan, Source, Window};

use super::catalog::{Collection, Known, stamp};
use super::store_error;

/// Bodies that one batch may hold, in bytes; a single larger one is still read.
const BATCH_BYTES: usize = 4 << 20;
/// Rows of the first batch; each one after it has twice as many, up to the last number.
const FIRST_BATCH: usize = 64;
const LARGEST_BATCH: usize = 2048;
/// Placeholders of [`BY_SEQS`].
const SEQS_AT_ONCE: usize = 32;

const BY_SEQS: &str = "SELECT seq, body FROM documents WHERE seq IN (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, \
    ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

/// A stored document.
pub(super) struct StoredRow {
    pub(super) seq: i64,
    pub(super) body: Vec<u8>,
}

/// Where a query has come to.
pub(super) struct Scan {
    state: State,
    batch: usize,
}

enum State {
    Natural {
        after: i64,
        end: i64,
    },
    /// Documents that were read at once.
    Rows(Vec<StoredRow>),
    /// What the index named, in order.
    Seqs(VecDeque<i64>),
    Ordered(Ordered),
    Done,
}

impl Scan {
    /// Of rows that were read already.
    pub(super) fn of_rows(rows: Vec<StoredRow>) -> Self {
        Self { state: State::Rows(rows), batch: FIRST_BATCH }
    }

    /// Looks the plan's keys up.
    pub(super) async fn open(
        connection: &mut SqliteConnection,
        collection: &Collection,
        plan: &Plan,
    ) -> Result<Self> {
        let state = match &plan.access {
            Access::Natural => State::Natural { after: collection.start(), end: collection.end() },
            Access::Ids(keys) if keys.len() <= SEQS_AT_ONCE => {
                State::Rows(by_ids(connection, collection, keys).await?)
            }
            Access::Ids(keys) => {
                let ranges: Vec<_> = keys.iter().cloned().map(KeyRange::of_prefix).collect();
                State::Seqs(seqs_in(connection, Source::Id(collection.id), &ranges).await?.into())
            }
            Access::Index { source, ranges, order: None, .. } => {
                State::Seqs(seqs_in(connection, *source, ranges).await?.into())
            }
            Access::Index { source, ranges, order: Some(way), .. } => match ranges.first() {
                Some(range) => State::Ordered(Ordered::new(*source, range, *way)),
                None => State::Done,
            },
        };
        Ok(Self { state, batch: FIRST_BATCH })
    }

    /// Reads no more than `rows` at first: nobody will want more.
    pub(super) fn expect_at_most(&mut self, rows: usize) {
        self.batch = self.batch.min(rows.max(1));
    }

    /// The next rows; `None` after the last. Rows that were deleted meanwhile are left out, so that
    /// a batch may be empty.
    pub(super) async fn next(&mut self, connection: &mut SqliteConnection) -> Result<Option<Vec<StoredRow>>> {
        let batch = self.batch;
        self.batch = (batch * 2).min(LARGEST_BATCH);
        let (rows, over) = match &mut self.state {
            State::Done => return Ok(None),
            State::Rows(rows) => (std::mem::take(rows), true),
            State::Natural { after, end } => {
                let (rows, over) = in_natural_order(connection, *after, *end, batch).await?;
                *after = rows.last().map_or(*end, |last| last.seq);
                (rows, over)
            }
            State::Seqs(seqs) => (take_rows(connection, seqs, batch).await?, seqs.is_empty()),
            State::Ordered(ordered) => {
                (ordered.next(connection, batch).await?, ordered.done && ordered.ready.is_empty())
            }
        };
        if over {
            self.state = State::Done;
        }
        Ok(Some(rows))
    }

    /// Whether [`Self::next`] has nothing more, as far as is known without looking.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.state, State::Done)
    }
}

/// Name and stamp of the collection, index, lower, upper, limit: rows of the documents that `$entries`
/// names, and a row of nulls at their end if the stamp does not fit. For `$keys` that are one key the
/// entries lie in the order of `seq`, and nothing is sorted.
///
/// The limit is `? + 0` here and below, since SQLite prepares a statement anew whenever a parameter is
/// bound that is its limit.
macro_rules! at_once {
    ($entries:literal, $keys:literal) => {
        concat!(
            "SELECT * FROM (SELECT d.seq, d.body FROM ",
            $entries,
            " AS e CROSS JOIN documents AS d WHERE d.seq = e.seq AND e.index_id = ?3 AND ",
            $keys,
            " ORDER BY e.seq LIMIT ?6 + 0) UNION ALL SELECT NULL, NULL WHERE ",
            stamp!(),
            " IS NOT ?2"
        )
    };
}

/// All that a query needs to read, in one statement, which sees one state of the database by itself.
pub(super) enum AtOnce {
    /// The document with this `_id` key.
    Id(Vec<u8>),
    /// What a range of an index names.
    Range {
        /// The collection that the plan is for.
        known: Arc<Known>,
        statement: &'static str,
        index: i64,
        range: KeyRange,
        /// Rows to read.
        limit: usize,
        /// Nobody wants more rows than that.
        is_enough: bool,
    },
}

impl AtOnce {
    /// Fits when the plan reads one range of an index that has a document once.
    pub(super) fn of_plan(known: &Arc<Known>, plan: Plan, window: Window) -> Option<Self> {
        let Access::Index { source, mut ranges, order: None, whole } = plan.access else { return None };
        let (statement, id) = match (source, whole) {
            (Source::Id(_), _) => return None,
            (Source::Plain(id), false) => (at_once!("index_entries", "e.key >= ?4 AND e.key < ?5"), id),
            (Source::Plain(id), true) => (at_once!("index_entries", "e.key = ?4"), id),
            (Source::Unique(id), false) => (at_once!("unique_entries", "e.key >= ?4 AND e.key < ?5"), id),
            (Source::Unique(id), true) => (at_once!("unique_entries", "e.key = ?4"), id),
        };
        let index = known.collection.indexes.iter().find(|index| index.id == id)?;
        let range = ranges.pop().filter(|_| ranges.is_empty() && !index.multikey)?;
        let is_enough = plan.exact && window.end() <= FIRST_BATCH;
        let limit = if is_enough { window.end() } else { FIRST_BATCH };
        Some(Self::Range { known: Arc::clone(known), statement, index: id, range, limit, is_enough })
    }

    /// The rows, in insertion order; `None` when there are more than one batch holds, or the collection
    /// is not as it was.
    pub(super) async fn read(
        &self,
        connection: &mut SqliteConnection,
        collection: &str,
    ) -> Result<Option<Vec<StoredRow>>> {
        let (known, statement, index, range, limit, is_enough) = match self {
            Self::Id(key) => return by_name_and_id(connection, collection, key).await.map(Some),
            Self::Range { known, statement, index, range, limit, is_enough } => {
                (known, *statement, index, range, *limit, *is_enough)
            }
        };
        let query = sqlx::query(statement).bind(collection).bind(&known.stamp).bind(index);
        let query = query.bind(&range.lower).bind(&range.upper).bind(integer(limit));
        let mut stream = query.fetch(connection);
        let (mut rows, mut bytes) = (Vec::new(), 0);
        while let Some(row) = stream.try_next().await.map_err(store_error)? {
            let is_stale = row.try_get::<Option<i64>, _>(0).map_err(store_error)?.is_none();
            if is_stale || bytes >= BATCH_BYTES {
                return Ok(None);
            }
            let row = stored_row(&row)?;
            bytes += row.body.len();
            rows.push(row);
        }
        Ok((is_enough || rows.len() < limit).then_some(rows))
    }
}

async fn by_name_and_id(
    connection: &mut SqliteConnection,
    collection: &str,
    key: &[u8],
) -> Result<Vec<StoredRow>> {
    const READ: &str = "SELECT d.seq, d.body FROM collections AS c
        JOIN documents AS d ON d.collection = c.id AND d.id_key = ? WHERE c.name = ?";
    let row = sqlx::query(READ).bind(key).bind(collection).fetch_optional(connection).await;
    row.map_err(store_error)?.iter().map(stored_row).collect()
}

/// Also tells whether these are the last.
async fn in_natural_order(
    connection: &mut SqliteConnection,
    after: i64,
    end: i64,
    limit: usize,
) -> Result<(Vec<StoredRow>, bool)> {
    const READ: &str = "SELECT seq, body FROM documents WHERE seq > ? AND seq < ? ORDER BY seq LIMIT ? + 0";
    let mut stream = sqlx::query(READ).bind(after).bind(end).bind(integer(limit)).fetch(connection);
    let (mut rows, mut bytes) = (Vec::new(), 0);
    while let Some(row) = stream.try_next().await.map_err(store_error)? {
        let row = stored_row(&row)?;
        bytes += row.body.len();
        rows.push(row);
        if bytes >= BATCH_BYTES {
            return Ok((rows, false));
        }
    }
    let over = rows.len() < limit;
    Ok((rows, over))
}

async fn by_ids(
    connection: &mut SqliteConnection,
    collection: &Collection,
    keys: &[Vec<u8>],
) -> Result<Vec<StoredRow>> {
    const READ: &str = "SELECT seq, body FROM documents WHERE collection = ? AND id_key = ?";
    let mut rows = Vec::with_capacity(keys.len());
    for key in keys {
        let row = sqlx::query(READ).bind(collection.id).bind(key).fetch_optional(&mut *connection).await;
        if let Some(row) = row.map_err(store_error)? {
            rows.push(stored_row(&row)?);
        }
    }
    rows.sort_unstable_by_key(|row: &StoredRow| row.seq);
    Ok(rows)
}

/// What the ranges hold, in insertion order, each document once.
async fn seqs_in(connection: &mut SqliteConnection, source: Source, ranges: &[KeyRange]) -> Result<Vec<i64>> {
    let (statements, owner) = statements(source);
    let mut seqs: Vec<i64> = Vec::new();
    for range in ranges {
        let found = sqlx::query_scalar(statements.range)
            .bind(owner)
            .bind(&range.lower)
            .bind(&range.upper)
            .fetch_all(&mut *connection)
            .await;
        seqs.extend(found.map_err(store_error)? as Vec<i64>);
    }
    seqs.sort_unstable();
    seqs.dedup();
    Ok(seqs)
}

/// Takes up to `limit` from the front of `seqs` and reads their rows, in that order.
async fn take_rows(
    connection: &mut SqliteConnection,
    seqs: &mut VecDeque<i64>,
    limit: usize,
) -> Result<Vec<StoredRow>> {
    let (mut rows, mut bytes, mut left) = (Vec::new(), 0, limit);
    while left > 0 && bytes < BATCH_BYTES && !seqs.is_empty() {
        let some: Vec<i64> = seqs.drain(..seqs.len().min(left).min(SEQS_AT_ONCE)).collect();
        left -= some.len();
        let mut query = sqlx::query(BY_SEQS);
        for at in 0..SEQS_AT_ONCE {
            query = query.bind(some.get(at));
        }
        let found = query.fetch_all(&mut *connection).await.map_err(store_error)?;
        let mut by_seq = HashMap::with_capacity(found.len());
        for row in &found {
            let row = stored_row(row)?;
            bytes += row.body.len();
            by_seq.insert(row.seq, row);
        }
        rows.extend(some.iter().filter_map(|seq| by_seq.remove(seq)));
    }
    Ok(rows)
}

/// Reads one range of an index in its order; documents with the same key in insertion order.
struct Ordered {
    source: Source,
    range: KeyRange,
    way: Direction,
    /// The key and the document of the last entry that was read.
    last: Option<(Vec<u8>, i64)>,
    ready: VecDeque<i64>,
    done: bool,
}

impl Ordered {
    fn new(source: Source, range: &KeyRange, way: Direction) -> Self {
        Self { source, range: range.clone(), way, last: None, ready: VecDeque::new(), done: false }
    }

    async fn next(&mut self, connection: &mut SqliteConnection, limit: usize) -> Result<Vec<StoredRow>> {
        if self.ready.is_empty() && !self.done {
            self.refill(connection, limit).await?;
        }
        take_rows(connection, &mut self.ready, limit).await
    }

    async fn refill(&mut self, connection: &mut SqliteConnection, limit: usize) -> Result<()> {
        if self.last.is_some() {
            still_there(connection, self.source).await?;
        }
        let (statements, owner) = statements(self.source);
        let query = match self.way {
            Direction::Ascending => {
                let (key, seq) = self.last.clone().unwrap_or((self.range.lower.clone(), i64::MIN));
                sqlx::query(statements.ascending).bind(owner).bind(key).bind(seq).bind(&self.range.upper)
            }
            Direction::Descending => {
                let (key, seq) = self.last.clone().unwrap_or((self.range.upper.clone(), i64::MAX));
                sqlx::query(statements.descending).bind(owner).bind(key).bind(seq).bind(&self.range.lower)
            }
        };
        let rows = query.bind(integer(limit)).fetch_all(connection).await.map_err(store_error)?;
        self.done = rows.len() < limit;
        for row in &rows {
            self.ready.push_back(row.try_get(1).map_err(store_error)?);
        }
        if let Some(row) = rows.last() {
            self.last = Some((row.try_get(0).map_err(store_error)?, row.try_get(1).map_err(store_error)?));
        }
        Ok(())
    }
}

/// An index that was dropped between two batches reads as empty, which would look like the end.
async fn still_there(connection: &mut SqliteConnection, source: Source) -> Result<()> {
    let (Source::Plain(index) | Source::Unique(index)) = source else {
        return Ok(());
    };
    let found =
        sqlx::query("SELECT 1 FROM indexes WHERE id = ?").bind(index).fetch_optional(connection).await;
    match found.map_err(store_error)? {
        Some(_) => Ok(()),
        None => {
            Err(Error::new(ErrorKind::Conflict, "The index was dropped while the query used it: try again"))
        }
    }
}

/// One kind of index in SQL. Every statement begins with the owner's id.
struct Statements {
    /// lower, upper
    range: &'static str,
    /// last key, last seq, upper, limit
    ascending: &'static str,
    /// last key, last seq, lower, limit
    descending: &'static str,
}

fn statements(source: Source) -> (&'static Statements, i64) {
    const ID: Statements = Statements {
        range: "SELECT seq FROM documents INDEXED BY documents_by_id
            WHERE collection = ?1 AND id_key >= ?2 AND id_key < ?3",
        ascending: "SELECT id_key, seq FROM documents INDEXED BY documents_by_id
            WHERE collection = ?1 AND (id_key, seq) > (?2, ?3) AND id_key < ?4 ORDER BY id_key, seq LIMIT ?5 + 0",
        descending: "SELECT id_key, seq FROM documents INDEXED BY documents_by_id
            WHERE collection = ?1 AND id_key <= ?2 AND NOT (id_key = ?2 AND seq <= ?3) AND id_key >= ?4
            ORDER BY id_key DESC, seq LIMIT ?5 + 0",
    };
    const PLAIN: Statements = Statements {
        range: "SELECT seq FROM index_entries WHERE index_id = ?1 AND key >= ?2 AND key < ?3",
        ascending: "SELECT key, seq FROM index_entries
            WHERE index_id = ?1 AND (key, seq) > (?2, ?3) AND key < ?4 ORDER BY key, seq LIMIT ?5 + 0",
        descending: "SELECT key, seq FROM index_entries
            WHERE index_id = ?1 AND key <= ?2 AND NOT (key = ?2 AND seq <= ?3) AND key >= ?4
            ORDER BY key DESC, seq LIMIT ?5 + 0",
    };
    const UNIQUE: Statements = Statements {
        range: "SELECT seq FROM unique_entries WHERE index_id = ?1 AND key >= ?2 AND key < ?3",
        ascending: "SELECT key, seq FROM unique_entries
            WHERE index_id = ?1 AND (key, seq) > (?2, ?3) AND key < ?4 ORDER BY key, seq LIMIT ?5 + 0",
        descending: "SELECT key, seq FROM unique_entries
            WHERE index_id = ?1 AND key <= ?2 AND NOT (key = ?2 AND seq <= ?3) AND key >= ?4
            ORDER BY key DESC, seq LIMIT ?5 + 0",
    };
    match source {
        Source::Id(collection) => (&ID, collection),
        Source::Plain(index) => (&PLAIN, index),
        Source::Unique(index) => (&UNIQUE, index),
    }
}

fn stored_row(row: &SqliteRow) -> Result<StoredRow> {
    Ok(StoredRow { seq: row.try_get(0).map_err(store_error)?, body: row.try_get(1).map_err(store_error)? })
}

fn integer(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

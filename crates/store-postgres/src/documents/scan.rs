//! Runs a plan: yields the rows of documents in its order, a batch at a time, each by a statement of
//! its own. Between batches nothing is held.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row as _};
use tandem_contract::Result;
use tandem_documents::Direction;
use tandem_documents::store::{Access, KeyRange, Plan, Source};

use super::catalog::Collection;
use super::condition::JsonPath;
use super::keys::{stored, stored_range};
use super::rows::{
    BATCH_BYTES, StoredRow, bounded, by_ids, by_seqs, check_version, integer, may_go_on, natural, of_key,
    seqs_in, size, stored_row, table,
};
use super::store_error;

/// Rows of the first batch; each one after it has twice as many, up to the last number.
const FIRST_BATCH: usize = 64;
const LARGEST_BATCH: usize = 2048;
/// `_id`s that are looked up in one batch.
const MOST_IDS: usize = 64;

/// Where a query has come to.
pub(super) struct Scan {
    collection: Arc<Collection>,
    /// What the server looks at besides keys.
    condition: Option<JsonPath>,
    state: State,
    batch: usize,
}

enum State {
    Natural {
        after: i64,
    },
    Ids(Vec<Vec<u8>>),
    /// To be read as a whole before their documents.
    Ranges(Source, Vec<KeyRange>),
    /// What an index named, in insertion order.
    Seqs(VecDeque<i64>),
    Keys(Keys),
    /// One key of an index, in insertion order.
    Key {
        source: Source,
        key: Vec<u8>,
        after: i64,
    },
    Done,
}

impl Scan {
    pub(super) fn new(collection: &Arc<Collection>, plan: &Plan, condition: Option<JsonPath>) -> Self {
        let state = match &plan.access {
            Access::Natural => State::Natural { after: i64::MIN },
            Access::Ids(keys) => State::Ids(keys.iter().map(|key| stored(key.clone()).0).collect()),
            Access::Index { ranges, .. } if ranges.is_empty() => State::Done,
            Access::Index { source, ranges, whole: true, .. } if ranges.len() == 1 => {
                let key = stored(ranges[0].lower.clone()).0;
                State::Key { source: *source, key, after: i64::MIN }
            }
            Access::Index { source, ranges, order, .. } if order.is_some() || ranges.len() == 1 => {
                State::Keys(Keys::new(*source, &ranges[0], *order))
            }
            Access::Index { source, ranges, .. } => {
                State::Ranges(*source, ranges.iter().map(stored_range).collect())
            }
        };
        Self { collection: Arc::clone(collection), condition, state, batch: FIRST_BATCH }
    }

    /// Makes the scan one that changes of what it yields cannot disturb: documents keep their place
    /// in the order of insertion, but not in that of an index.
    pub(super) fn settle(mut self) -> Self {
        self.state = match self.state {
            State::Keys(keys) => State::Ranges(keys.source, vec![keys.range]),
            State::Key { source, key, .. } => State::Ranges(source, vec![KeyRange::of_prefix(key)]),
            state => state,
        };
        self
    }

    /// Reads no more than `rows` at first: nobody will want more.
    pub(super) fn expect_at_most(&mut self, rows: usize) {
        self.batch = self.batch.min(rows.max(1));
    }

    /// Goes on with the collection as it is now; `false` when the index that is being read is gone
    /// or does not give the order any more.
    pub(super) fn adopt(&mut self, collection: &Arc<Collection>) -> bool {
        let same = collection.id == self.collection.id;
        let source = match &self.state {
            State::Keys(keys) => Some((keys.source, keys.ordered)),
            State::Ranges(source, _) | State::Key { source, .. } => Some((*source, false)),
            State::Natural { .. } | State::Ids(_) | State::Seqs(_) | State::Done => None,
        };
        let fit = match source {
            None => true,
            Some((Source::Id(_), ordered)) => !(ordered && collection.ids_cut),
            Some((Source::Plain(id) | Source::Unique(id), ordered)) => {
                let unfit = |multikey: bool, cut: bool| ordered && (multikey || cut);
                collection.indexes.iter().any(|index| index.id == id && !unfit(index.multikey, index.cut))
            }
        };
        self.collection = Arc::clone(collection);
        same && fit
    }

    /// Whether [`Self::next`] has nothing more, as far as is known without looking.
    pub(super) const fn is_over(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// The next rows; `None` after the last. A batch may be empty. After an error the same rows can
    /// be asked for again.
    ///
    /// # Errors
    /// `Conflict` when the collection is not as the scan knows it.
    pub(super) async fn next(&mut self, connection: &mut PgConnection) -> Result<Option<Vec<StoredRow>>> {
        let mut state = std::mem::replace(&mut self.state, State::Done);
        if matches!(state, State::Done) {
            return Ok(None);
        }
        let read = self.read(connection, &mut state).await;
        match read {
            Ok((rows, over)) => {
                self.batch = (self.batch * 2).min(LARGEST_BATCH);
                if !over {
                    self.state = state;
                }
                Ok(Some(rows))
            }
            Err(error) => {
                self.state = state;
                Err(error)
            }
        }
    }

    /// Also tells whether these are the last.
    async fn read(&self, connection: &mut PgConnection, state: &mut State) -> Result<(Vec<StoredRow>, bool)> {
        let (id, batch, condition) = (self.collection.id, self.batch, self.condition.as_ref());
        let found = match state {
            State::Done => return Ok((Vec::new(), true)),
            State::Natural { after } => {
                let rows = natural(connection, &self.collection, *after, condition, batch).await?;
                *after = rows.last().map_or(*after, |last| last.seq);
                let over = !may_go_on(&rows, batch);
                return Ok((rows, over));
            }
            State::Keys(keys) => {
                let rows = keys.next(connection, &self.collection, condition, batch).await?;
                return Ok((rows, keys.done));
            }
            State::Key { source, key, after } => {
                let rows = of_key(connection, id, *source, key, *after, condition, batch).await?;
                *after = rows.last().map_or(*after, |last| last.seq);
                let over = !may_go_on(&rows, batch);
                return Ok((rows, over));
            }
            State::Ids(keys) if keys.len() <= MOST_IDS => {
                return Ok((by_ids(connection, id, keys).await?, true));
            }
            State::Ids(keys) => {
                let ranges: Vec<_> = keys.iter().cloned().map(KeyRange::of_prefix).collect();
                seqs_in(connection, &self.collection, Source::Id(id), &ranges).await?
            }
            State::Ranges(source, ranges) => seqs_in(connection, &self.collection, *source, ranges).await?,
            State::Seqs(seqs) => std::mem::take(seqs),
        };
        *state = State::Seqs(found);
        let State::Seqs(seqs) = state else { return Ok((Vec::new(), true)) };
        take(connection, id, seqs, condition, batch).await
    }
}

/// Takes some from the front of `seqs` and reads their rows; also tells whether these are the last.
async fn take(
    connection: &mut PgConnection,
    collection: i64,
    seqs: &mut VecDeque<i64>,
    condition: Option<&JsonPath>,
    limit: usize,
) -> Result<(Vec<StoredRow>, bool)> {
    if seqs.is_empty() {
        return Ok((Vec::new(), true));
    }
    let some: Vec<i64> = seqs.iter().copied().take(limit).collect();
    let rows = by_seqs(connection, collection, &some, condition).await?;
    let full = size(&rows) >= BATCH_BYTES;
    // What did not fit is still to come.
    let last = if full { rows.last().map(|row| row.seq) } else { some.last().copied() };
    while last.is_some_and(|last| seqs.front().is_some_and(|seq| *seq <= last)) {
        seqs.pop_front();
    }
    Ok((rows, seqs.is_empty()))
}

/// One range of an index, read in its order; documents with the same key in insertion order.
struct Keys {
    source: Source,
    range: KeyRange,
    way: Direction,
    /// Whether somebody relies on the order.
    ordered: bool,
    last: Option<(Vec<u8>, i64)>,
    /// What was yielded: a document may have several keys, now or from its next change on.
    seen: HashSet<i64>,
    done: bool,
}

impl Keys {
    fn new(source: Source, range: &KeyRange, order: Option<Direction>) -> Self {
        let (way, ordered) = (order.unwrap_or(Direction::Ascending), order.is_some());
        Self {
            source,
            range: stored_range(range),
            way,
            ordered,
            last: None,
            seen: HashSet::new(),
            done: false,
        }
    }

    async fn next(
        &mut self,
        connection: &mut PgConnection,
        collection: &Collection,
        condition: Option<&JsonPath>,
        limit: usize,
    ) -> Result<Vec<StoredRow>> {
        let read = self.statement(collection.id, limit);
        let (start, end, edge) = match self.way {
            Direction::Ascending => (&self.range.lower, &self.range.upper, i64::MIN),
            Direction::Descending => (&self.range.upper, &self.range.lower, i64::MAX),
        };
        let (key, seq) = self.last.as_ref().map_or((start, edge), |(key, seq)| (key, *seq));
        let query = sqlx::query(AssertSqlSafe(read)).bind(key).bind(seq).bind(end).bind(condition);
        let query = query.bind(integer(limit)).bind(collection.id);
        let rows = query.fetch_all(connection).await.map_err(store_error)?;
        check_version(&rows, collection)?;
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            if row.try_get::<Option<i64>, _>(2).map_err(store_error)?.is_some() {
                found.push(stored_row(row, 2)?);
                self.last =
                    Some((row.try_get(1).map_err(store_error)?, row.try_get(2).map_err(store_error)?));
            }
        }
        self.done = !may_go_on(&found, limit);
        found.retain(|row| self.seen.insert(row.seq));
        Ok(found)
    }

    /// key, seq, end, condition, limit, collection
    fn statement(&self, collection: i64, limit: usize) -> String {
        let (table, key) = table(self.source);
        let from = match self.source {
            Source::Id(_) => format!("SELECT e.{key} AS key, e.seq, e.body FROM {table} AS e"),
            // As in `of_key`.
            _ => format!(
                "SELECT e.key, e.seq, d.body FROM {table} AS e CROSS JOIN LATERAL (
                    SELECT doc, body FROM c{collection} WHERE seq = e.seq OFFSET 0) AS d"
            ),
        };
        let doc = if matches!(self.source, Source::Id(_)) { "e.doc" } else { "d.doc" };
        // Sorted as the table's own index is, so that a batch is all that is read, whatever the planner
        // believes: only the index of a plain one has equal keys, and `seq` after them.
        let has_ties = matches!(self.source, Source::Plain(_));
        let (bounds, way) = match self.way {
            Direction::Ascending if has_ties => (format!("(e.{key}, e.seq) > ($1, $2) AND e.{key} < $3"), ""),
            Direction::Ascending => {
                (format!("e.{key} >= $1 AND NOT (e.{key} = $1 AND e.seq <= $2) AND e.{key} < $3"), "")
            }
            Direction::Descending => {
                (format!("e.{key} <= $1 AND NOT (e.{key} = $1 AND e.seq <= $2) AND e.{key} >= $3"), " DESC")
            }
        };
        let found = format!("{from} WHERE {bounds} AND ({doc} @@ $4) IS NOT FALSE");
        let rows = match self.way {
            // Backwards the index yields equal keys in the other order: what shares the keys of the
            // batch is sorted.
            Direction::Descending if has_ties => format!(
                "{found} AND e.{key} >= (SELECT b.key FROM ({found} ORDER BY e.{key} DESC LIMIT $5) AS b
                    ORDER BY b.key LIMIT 1)"
            ),
            Direction::Ascending | Direction::Descending => found,
        };
        let order = format!("key{way}{}", if has_ties { ", seq" } else { "" });
        let rows = format!("{rows} ORDER BY {order} LIMIT $5");
        let page = bounded("key, seq, body", &order, &rows, limit);
        format!(
            "SELECT v.version, p.key, p.seq, p.body FROM collections AS v LEFT JOIN LATERAL ({page}) AS p ON true
             WHERE v.id = $6"
        )
    }
}

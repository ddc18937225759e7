//! The statements that read rows of a collection, and what they have in common.

use std::collections::VecDeque;

use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Row as _};
use tandem_contract::Result;
use tandem_documents::store::{KeyRange, Source};

use super::catalog::Collection;
use super::condition::JsonPath;
use super::{stale, store_error};

/// Bodies that one batch may hold, in bytes; a single larger one is still read.
pub(super) const BATCH_BYTES: usize = 4 << 20;

/// A stored document.
pub(super) struct StoredRow {
    pub(super) seq: i64,
    pub(super) body: Vec<u8>,
}

/// Limits a batch of at most `limit` rows by bytes too: `before` is what the rows before hold together.
pub(super) fn bounded(columns: &str, order: &str, rows: &str, limit: usize) -> String {
    // A single row is read whatever its size; counting would take a lookup a sixth of its time.
    if limit == 1 {
        return rows.to_owned();
    }
    format!(
        "SELECT {columns} FROM (SELECT q.*, sum(octet_length(q.body)) OVER (ORDER BY {order} ROWS UNBOUNDED \
         PRECEDING) - octet_length(q.body) AS before FROM ({rows}) AS q) AS w WHERE before < {BATCH_BYTES} \
         ORDER BY {order}"
    )
}

/// Looks at the version too: an index that was made meanwhile may do better.
pub(super) async fn natural(
    connection: &mut PgConnection,
    collection: &Collection,
    after: i64,
    condition: Option<&JsonPath>,
    limit: usize,
) -> Result<Vec<StoredRow>> {
    let id = collection.id;
    let rows = format!(
        "SELECT seq, body FROM c{id} WHERE seq > $1 AND (doc @@ $2) IS NOT FALSE ORDER BY seq LIMIT $3"
    );
    let page = bounded("seq, body", "seq", &rows, limit);
    let read = format!(
        "SELECT v.version, p.seq, p.body FROM collections AS v LEFT JOIN LATERAL ({page}) AS p ON true
         WHERE v.id = $4"
    );
    let query = sqlx::query(AssertSqlSafe(read)).bind(after).bind(condition).bind(integer(limit)).bind(id);
    let rows = query.fetch_all(connection).await.map_err(store_error)?;
    check_version(&rows, collection)?;
    let mut found = Vec::with_capacity(rows.len());
    for row in &rows {
        if row.try_get::<Option<i64>, _>(1).map_err(store_error)?.is_some() {
            found.push(stored_row(row, 1)?);
        }
    }
    Ok(found)
}

/// Nothing here relies on the version: whatever becomes of an index, its entries of one key are all
/// documents that have the key, each once. One that is dropped takes its table with it.
pub(super) async fn of_key(
    connection: &mut PgConnection,
    collection: i64,
    source: Source,
    key: &[u8],
    after: i64,
    condition: Option<&JsonPath>,
    limit: usize,
) -> Result<Vec<StoredRow>> {
    let (table, column) = table(source);
    let matched = if condition.is_some() { "AND (d.doc @@ $4) IS NOT FALSE" } else { "" };
    // There is one at most.
    let order = if matches!(source, Source::Unique(_)) { "" } else { "ORDER BY e.seq" };
    // A lookup for each entry: with statistics from before the rows came the planner would read the
    // whole collection instead. `OFFSET` keeps them apart.
    let rows = format!(
        "SELECT e.seq, d.body FROM {table} AS e CROSS JOIN LATERAL (
            SELECT doc, body FROM c{collection} WHERE seq = e.seq OFFSET 0) AS d
         WHERE e.{column} = $1 AND e.seq > $2 {matched} {order} LIMIT $3"
    );
    let read = bounded("seq, body", "seq", &rows, limit);
    let query = sqlx::query(AssertSqlSafe(read)).bind(key).bind(after).bind(integer(limit));
    let query = if condition.is_some() { query.bind(condition) } else { query };
    let rows = query.fetch_all(connection).await.map_err(store_error)?;
    rows.iter().map(|row| stored_row(row, 0)).collect()
}

pub(super) async fn by_ids(
    connection: &mut PgConnection,
    collection: i64,
    keys: &[Vec<u8>],
) -> Result<Vec<StoredRow>> {
    let rows = match keys {
        [key] => {
            let read = format!("SELECT seq, body FROM c{collection} WHERE id_key = $1");
            sqlx::query(AssertSqlSafe(read)).bind(key).fetch_all(connection).await
        }
        keys => {
            let read = format!("SELECT seq, body FROM c{collection} WHERE id_key = ANY($1) ORDER BY seq");
            sqlx::query(AssertSqlSafe(read)).bind(keys).fetch_all(connection).await
        }
    };
    rows.map_err(store_error)?.iter().map(|row| stored_row(row, 0)).collect()
}

pub(super) async fn by_seqs(
    connection: &mut PgConnection,
    collection: i64,
    seqs: &[i64],
    condition: Option<&JsonPath>,
) -> Result<Vec<StoredRow>> {
    let read = bounded(
        "seq, body",
        "seq",
        &format!(
            "SELECT seq, body FROM c{collection} WHERE seq = ANY($1) AND (doc @@ $2) IS NOT FALSE ORDER BY seq"
        ),
        seqs.len(),
    );
    let query = sqlx::query(AssertSqlSafe(read)).bind(seqs).bind(condition);
    let rows = query.fetch_all(connection).await.map_err(store_error)?;
    rows.iter().map(|row| stored_row(row, 0)).collect()
}

/// What the ranges hold, in insertion order, each document once.
pub(super) async fn seqs_in(
    connection: &mut PgConnection,
    collection: &Collection,
    source: Source,
    ranges: &[KeyRange],
) -> Result<VecDeque<i64>> {
    let (table, key) = table(source);
    let read = format!(
        "SELECT v.version, e.seq FROM collections AS v LEFT JOIN LATERAL (
            SELECT DISTINCT e.seq FROM unnest($1::bytea[], $2::bytea[]) AS r (lower, upper)
            JOIN {table} AS e ON e.{key} >= r.lower AND e.{key} < r.upper
         ) AS e ON true WHERE v.id = $3 ORDER BY e.seq"
    );
    let lower: Vec<&[u8]> = ranges.iter().map(|range| range.lower.as_slice()).collect();
    let upper: Vec<&[u8]> = ranges.iter().map(|range| range.upper.as_slice()).collect();
    let query = sqlx::query(AssertSqlSafe(read)).bind(lower).bind(upper).bind(collection.id);
    let rows = query.fetch_all(connection).await.map_err(store_error)?;
    check_version(&rows, collection)?;
    let mut seqs = VecDeque::with_capacity(rows.len());
    for row in &rows {
        seqs.extend(row.try_get::<Option<i64>, _>(1).map_err(store_error)?);
    }
    Ok(seqs)
}

/// The table that holds keys, and the column.
pub(super) fn table(source: Source) -> (String, &'static str) {
    match source {
        Source::Id(collection) => (format!("c{collection}"), "id_key"),
        Source::Plain(index) | Source::Unique(index) => (format!("i{index}"), "key"),
    }
}

/// The first column is the version that the statement saw.
pub(super) fn check_version(rows: &[PgRow], collection: &Collection) -> Result<()> {
    match rows.first() {
        Some(row) if row.try_get::<i64, _>(0).map_err(store_error)? == collection.version => Ok(()),
        _ => Err(stale()),
    }
}

/// `at` is the column of `seq`; the body follows it.
pub(super) fn stored_row(row: &PgRow, at: usize) -> Result<StoredRow> {
    Ok(StoredRow {
        seq: row.try_get(at).map_err(store_error)?,
        body: row.try_get(at + 1).map_err(store_error)?,
    })
}

/// Whether a batch ended for its own limits.
pub(super) fn may_go_on(rows: &[StoredRow], limit: usize) -> bool {
    rows.len() >= limit || size(rows) >= BATCH_BYTES
}

pub(super) fn size(rows: &[StoredRow]) -> usize {
    rows.iter().map(|row| row.body.len()).sum()
}

pub(super) fn integer(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

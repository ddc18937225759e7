//! Writes of documents with their index entries, each one statement, so that it happens whole or
//! not at all and costs one round trip. Every statement looks at the collection's version itself:
//! when its indexes are not those that it was made for, it does nothing.

use std::sync::Arc;

use bson::{Bson, Document};
use sqlx::postgres::{PgArguments, PgConnection, Postgres};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Row as _};
use tandem_contract::{Error, Result};
use tandem_documents::store::{
    Entry, ID_INDEX, Index, check_same_id, duplicate, encode_body, entries_of, id_key,
};

use super::catalog::Collection;
use super::keys::stored;
use super::{json, stale, store_error};
use crate::error::{UNIQUE_VIOLATION, code, postgres};

/// A document made ready for the table.
pub(super) struct Row {
    pub(super) id: Bson,
    id_key: Vec<u8>,
    id_cut: bool,
    body: Vec<u8>,
    doc: Option<String>,
    /// By the place of the index.
    entries: Vec<Vec<StoredEntry>>,
    /// Whether it meets an array, by the place of the index.
    of_array: Vec<bool>,
}

struct StoredEntry {
    entry: Entry,
    key: Vec<u8>,
    cut: bool,
}

/// What of a collection changes when rows are written: indexes that meet their first array or
/// their first long key.
#[derive(Default)]
pub(super) struct Flags {
    pub(super) multikey: Vec<i64>,
    pub(super) cut: Vec<i64>,
    pub(super) ids_cut: bool,
}

impl Flags {
    pub(super) fn of(collection: &Collection, rows: &[&Row]) -> Self {
        let ids_cut = !collection.ids_cut && rows.iter().any(|row| row.id_cut);
        let mut flags = Self { ids_cut, ..Self::default() };
        for (at, index) in collection.indexes.iter().enumerate() {
            if !index.multikey && rows.iter().any(|row| row.of_array[at]) {
                flags.multikey.push(index.id);
            }
            if !index.cut && rows.iter().any(|row| row.entries[at].iter().any(|entry| entry.cut)) {
                flags.cut.push(index.id);
            }
        }
        flags
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.multikey.is_empty() && self.cut.is_empty() && !self.ids_cut
    }
}

impl Row {
    pub(super) fn new(collection: &Collection, id: Bson, document: &Document) -> Result<Self> {
        let body = encode_body(document)?;
        let doc = json::text(document, body.len());
        let (id_key, id_cut) = stored(id_key(&id));
        let entries = entries(collection, document)?;
        let meets = |entries: &Vec<StoredEntry>| entries.iter().any(|entry| entry.entry.of_array);
        let of_array = entries.iter().map(meets).collect();
        Ok(Self { id, id_key, id_cut, body, doc, entries, of_array })
    }

    /// About how many bytes it takes on the way.
    pub(super) fn size(&self) -> usize {
        self.body.len() + self.doc.as_ref().map_or(0, String::len)
    }
}

fn entries(collection: &Collection, document: &Document) -> Result<Vec<Vec<StoredEntry>>> {
    let stored = |entry: Entry| {
        let (key, cut) = stored(entry.key.clone());
        StoredEntry { entry, key, cut }
    };
    let of_index = |index: &Index| Ok(entries_of(index, document)?.into_iter().map(stored).collect());
    collection.indexes.iter().map(of_index).collect()
}

type PgQuery = Query<'static, Postgres, PgArguments>;

/// Inserts rows, all or none.
///
/// # Errors
/// `DuplicateKey` for a key that is held already, `Conflict` when the collection is not as it was.
pub(super) async fn insert(
    connection: &mut PgConnection,
    collection: &Collection,
    rows: &[&Row],
) -> Result<()> {
    let query = match rows {
        [row] => insert_one(collection, row),
        rows => insert_many(collection, rows),
    };
    let inserted: i64 = match query.fetch_one(connection).await.and_then(|row| row.try_get(0)) {
        Ok(inserted) => inserted,
        Err(error) => return Err(refused(collection, rows, error)),
    };
    if usize::try_from(inserted) != Ok(rows.len()) {
        return Err(stale());
    }
    Ok(())
}

fn insert_one(collection: &Collection, row: &Row) -> PgQuery {
    let id = collection.id;
    let mut text = format!(
        "WITH new AS (INSERT INTO c{id} (id_key, body, doc) SELECT $1, $2, $3::jsonb
         WHERE (SELECT version FROM collections WHERE id = {id}) = $4 RETURNING seq)"
    );
    let mut keys = Vec::new();
    for (index, entries) in collection.indexes.iter().zip(&row.entries) {
        if !entries.is_empty() {
            let (index, parameter) = (index.id, keys.len() + 5);
            text.push_str(&format!(
                ", e{index} AS (INSERT INTO i{index} (key, seq) SELECT k, seq FROM new, unnest(${parameter}::bytea[]) AS k)"
            ));
            keys.push(entries.iter().map(|entry| entry.key.clone()).collect::<Vec<_>>());
        }
    }
    text.push_str(" SELECT count(*) FROM new");
    let query = sqlx::query(AssertSqlSafe(text)).bind(row.id_key.clone()).bind(row.body.clone());
    let query = query.bind(row.doc.clone()).bind(collection.version);
    keys.into_iter().fold(query, Query::bind)
}

fn insert_many(collection: &Collection, rows: &[&Row]) -> PgQuery {
    let id = collection.id;
    let mut text = format!(
        "WITH new AS (INSERT INTO c{id} (id_key, body, doc)
         SELECT n.id_key, n.body, n.doc::jsonb
         FROM unnest($1::bytea[], $2::bytea[], $3::text[]) WITH ORDINALITY AS n (id_key, body, doc, at)
         WHERE (SELECT version FROM collections WHERE id = {id}) = $4 ORDER BY n.at RETURNING seq, id_key)"
    );
    let mut keys = Vec::new();
    for (at, index) in collection.indexes.iter().enumerate() {
        let (index, first) = (index.id, keys.len() * 2 + 5);
        text.push_str(&format!(
            ", e{index} AS (INSERT INTO i{index} (key, seq) SELECT k.key, new.seq
             FROM new JOIN unnest(${first}::bytea[], ${}::bytea[]) AS k (id_key, key) ON k.id_key = new.id_key)",
            first + 1
        ));
        let of_row = |row: &&Row| {
            let id_key = row.id_key.clone();
            row.entries[at].iter().map(|entry| (id_key.clone(), entry.key.clone())).collect::<Vec<_>>()
        };
        keys.push(rows.iter().flat_map(of_row).unzip::<_, _, Vec<_>, Vec<_>>());
    }
    text.push_str(" SELECT count(*) FROM new");
    let column = |part: fn(&Row) -> Vec<u8>| rows.iter().map(|row| part(row)).collect::<Vec<_>>();
    let docs: Vec<Option<String>> = rows.iter().map(|row| row.doc.clone()).collect();
    let query = sqlx::query(AssertSqlSafe(text)).bind(column(|row| row.id_key.clone()));
    let query = query.bind(column(|row| row.body.clone())).bind(docs).bind(collection.version);
    keys.into_iter().fold(query, |query, (ids, keys)| query.bind(ids).bind(keys))
}

/// A change of a row whose lock is held.
pub(super) struct Replacement {
    pub(super) row: Row,
    gone: Vec<Vec<StoredEntry>>,
}

impl Replacement {
    /// # Errors
    /// `InvalidArgument` when `new` is not fit to be stored in the place of `old`.
    pub(super) fn new(collection: &Collection, old: &Document, new: &Document) -> Result<Self> {
        check_same_id(old, new)?;
        let mut row = Row::new(collection, new.get("_id").cloned().unwrap_or(Bson::Null), new)?;
        let mut gone = entries(collection, old)?;
        for (before, after) in gone.iter_mut().zip(&mut row.entries) {
            let kept: Vec<Vec<u8>> = after
                .iter()
                .filter(|new| before.iter().any(|old| old.key == new.key))
                .map(|entry| entry.key.clone())
                .collect();
            before.retain(|entry| !kept.contains(&entry.key));
            after.retain(|entry| !kept.contains(&entry.key));
        }
        Ok(Self { row, gone })
    }
}

/// Puts a document in the place of another.
///
/// # Errors
/// As [`insert`].
pub(super) async fn replace(
    connection: &mut PgConnection,
    collection: &Collection,
    seq: i64,
    replacement: &Replacement,
) -> Result<()> {
    let (id, row) = (collection.id, &replacement.row);
    let mut text = format!(
        "WITH changed AS (UPDATE c{id} SET body = $2, doc = $3::jsonb WHERE seq = $1
         AND (SELECT version FROM collections WHERE id = {id}) = $4 RETURNING seq)"
    );
    let mut keys: Vec<Vec<Vec<u8>>> = Vec::new();
    for ((index, gone), new) in collection.indexes.iter().zip(&replacement.gone).zip(&row.entries) {
        let index = index.id;
        if !gone.is_empty() {
            text.push_str(&format!(
                ", d{index} AS (DELETE FROM i{index} AS i USING changed WHERE i.key = ANY(${}) AND i.seq = changed.seq)",
                keys.len() + 5
            ));
            keys.push(gone.iter().map(|entry| entry.key.clone()).collect());
        }
        if !new.is_empty() {
            text.push_str(&format!(
                ", e{index} AS (INSERT INTO i{index} (key, seq) SELECT k, seq FROM changed, unnest(${}::bytea[]) AS k)",
                keys.len() + 5
            ));
            keys.push(new.iter().map(|entry| entry.key.clone()).collect());
        }
    }
    text.push_str(" SELECT count(*) FROM changed");
    let query = sqlx::query(AssertSqlSafe(text)).bind(seq).bind(row.body.clone());
    let query = query.bind(row.doc.clone()).bind(collection.version);
    let query = keys.into_iter().fold(query, Query::bind);
    match query.fetch_one(connection).await.and_then(|row| row.try_get::<i64, _>(0)) {
        Ok(1) => Ok(()),
        Ok(_) => Err(stale()),
        Err(error) => Err(refused(collection, &[row], error)),
    }
}

/// Deletes documents whose locks are held.
///
/// # Errors
/// `Conflict` when the collection is not as it was.
pub(super) async fn delete(
    connection: &mut PgConnection,
    collection: &Collection,
    documents: &[(i64, Document)],
) -> Result<()> {
    let id = collection.id;
    let mut text = format!(
        "WITH gone AS (DELETE FROM c{id} WHERE seq = ANY($1)
         AND (SELECT version FROM collections WHERE id = {id}) = $2 RETURNING seq)"
    );
    let mut keys: Vec<(Vec<Vec<u8>>, Vec<i64>)> = vec![Default::default(); collection.indexes.len()];
    for (seq, document) in documents {
        for (entries, keys) in entries(collection, document)?.into_iter().zip(&mut keys) {
            for entry in entries {
                keys.0.push(entry.key);
                keys.1.push(*seq);
            }
        }
    }
    for (at, index) in collection.indexes.iter().enumerate() {
        let (index, first) = (index.id, at * 2 + 3);
        text.push_str(&format!(
            ", d{index} AS (DELETE FROM i{index} AS i USING unnest(${first}::bytea[], ${}::bigint[]) AS k (key, seq), gone
             WHERE i.key = k.key AND i.seq = k.seq AND gone.seq = k.seq)",
            first + 1
        ));
    }
    text.push_str(" SELECT count(*) FROM gone");
    let seqs: Vec<i64> = documents.iter().map(|(seq, _)| *seq).collect();
    let query = sqlx::query_scalar(AssertSqlSafe(text)).bind(seqs).bind(collection.version);
    let query = keys.into_iter().fold(query, |query, (keys, seqs)| query.bind(keys).bind(seqs));
    let gone: i64 = query.fetch_one(connection).await.map_err(store_error)?;
    if usize::try_from(gone) != Ok(documents.len()) {
        return Err(stale());
    }
    Ok(())
}

/// Adds entries of documents that are there already to the index at `at`.
///
/// # Errors
/// `DuplicateKey` when two of them have the same key in a unique index.
pub(super) async fn index_existing(
    connection: &mut PgConnection,
    collection: &Collection,
    at: usize,
    rows: &[(i64, &Row)],
) -> Result<()> {
    let text = format!(
        "INSERT INTO i{} (key, seq) SELECT * FROM unnest($1::bytea[], $2::bigint[])",
        collection.indexes[at].id
    );
    let entries =
        rows.iter().flat_map(|(seq, row)| row.entries[at].iter().map(move |e| (e.key.clone(), *seq)));
    let (keys, seqs): (Vec<Vec<u8>>, Vec<i64>) = entries.unzip();
    let query = sqlx::query(AssertSqlSafe(text)).bind(keys).bind(seqs);
    match query.execute(connection).await {
        Ok(_) => Ok(()),
        Err(error) => {
            let rows: Vec<&Row> = rows.iter().map(|(_, row)| *row).collect();
            Err(refused(collection, &rows, error))
        }
    }
}

/// A driver's error on a write; one of a key that is held already in MongoDB's words.
fn refused(collection: &Collection, rows: &[&Row], error: sqlx::Error) -> Error {
    let Some(violation) = postgres(&error).filter(|_| code(&error) == UNIQUE_VIOLATION) else {
        return store_error(error);
    };
    let constraint = violation.constraint().unwrap_or_default();
    // `Key (key)=(\x0a5a…) already exists.`
    let detail = violation.detail().unwrap_or_default();
    let named = |key: &[u8]| detail.contains(&format!("(\\x{})", hex(key)));
    if constraint == format!("c{}_id", collection.id) {
        let row = rows.iter().find(|row| named(&row.id_key)).or_else(|| rows.first());
        let id = row.map_or(&Bson::Null, |row| &row.id);
        return duplicate(&collection.name, ID_INDEX, &[("_id", id)]);
    }
    let by_name = |index: &Index| constraint == format!("i{}_key", index.id);
    let Some(at) = collection.indexes.iter().position(by_name) else { return store_error(error) };
    let definition = &collection.indexes[at].definition;
    let mut entries = rows.iter().flat_map(|row| &row.entries[at]);
    let entry = entries.clone().find(|entry| named(&entry.key)).or_else(|| entries.next());
    let values = entry.map(|entry| entry.entry.values.as_slice()).unwrap_or_default();
    let paths = definition.keys.fields().iter().map(|(path, _)| path.as_str());
    duplicate(&collection.name, &definition.name, &paths.zip(values).collect::<Vec<_>>())
}

/// Whether the transaction sees a document that holds a key of `row` which must be unique.
pub(super) async fn sees_rival(
    connection: &mut PgConnection,
    collection: &Collection,
    row: &Row,
) -> Result<bool> {
    let held = AssertSqlSafe(format!("SELECT count(*) FROM c{} WHERE id_key = $1", collection.id));
    let query = sqlx::query_scalar::<_, i64>(held).bind(&row.id_key);
    if query.fetch_one(&mut *connection).await.map_err(store_error)? > 0 {
        return Ok(true);
    }
    for (index, entries) in collection.indexes.iter().zip(&row.entries) {
        if index.definition.spec.unique {
            let held = AssertSqlSafe(format!("SELECT count(*) FROM i{} WHERE key = ANY($1)", index.id));
            let keys: Vec<&[u8]> = entries.iter().map(|entry| entry.key.as_slice()).collect();
            let query = sqlx::query_scalar::<_, i64>(held).bind(keys);
            if query.fetch_one(&mut *connection).await.map_err(store_error)? > 0 {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Records what `flags` says of the collection, which gives it another version. The caller reads it
/// anew.
///
/// # Errors
/// `Conflict` when the collection is not as it was.
pub(super) async fn raise(
    connection: &mut PgConnection,
    collection: &Arc<Collection>,
    flags: &Flags,
) -> Result<()> {
    const INDEXES: &str = "UPDATE indexes SET multikey = multikey OR id = ANY($1), cut = cut OR id = ANY($2)
        WHERE id = ANY($1) OR id = ANY($2)";
    const COLLECTION: &str =
        "UPDATE collections SET version = nextval('catalog_version'), ids_cut = ids_cut OR $3
        WHERE id = $1 AND version = $2";
    // Waits for an index that is being made, before it takes what that one will want.
    super::catalog::execute(connection, format!("LOCK TABLE c{} IN ROW EXCLUSIVE MODE", collection.id))
        .await?;
    let query = sqlx::query(COLLECTION).bind(collection.id).bind(collection.version).bind(flags.ids_cut);
    let done = query.execute(&mut *connection).await.map_err(store_error)?;
    if done.rows_affected() == 0 {
        return Err(stale());
    }
    let query = sqlx::query(INDEXES).bind(flags.multikey.clone()).bind(flags.cut.clone());
    query.execute(connection).await.map_err(store_error)?;
    Ok(())
}

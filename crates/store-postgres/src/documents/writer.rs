//! Writes of documents with their index entries, each one statement. Every statement looks at the
//! collection's version itself: when its indexes are not those that it was made for, it does nothing.

use std::sync::Arc;

use bson::{Bson, Document};
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;
use tandem_contract::{Error, Result};
use tandem_documents::store::{
    Entry, ID_INDEX, Index, check_same_id, duplicate, encode_body, entries_of, id_key,
};

use super::catalog::Collection;
use super::keys::stored;
use super::write_statement::WriteStatement;
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

/// Inserts rows, all or none.
///
/// # Errors
/// `DuplicateKey` for a key that is held already, `Conflict` when the collection is not as it was.
pub(super) async fn insert(
    connection: &mut PgConnection,
    collection: &Collection,
    rows: &[&Row],
) -> Result<()> {
    let statement = match rows {
        [row] => insert_one(collection, row),
        rows => insert_many(collection, rows),
    };
    done(statement.run("seq, id_key", connection).await, collection, rows)
}

fn insert_one(collection: &Collection, row: &Row) -> WriteStatement {
    let mut statement = WriteStatement::new();
    let id_key = statement.bind(row.id_key.as_slice());
    let body = statement.bind(row.body.as_slice());
    let doc = statement.bind(row.doc.as_deref());
    let (id, as_known) = (collection.id, as_known(collection, &mut statement));
    let text = format!(
        "INSERT INTO c{id} (id_key, body, doc) SELECT {id_key}, {body}, {doc}::jsonb WHERE {as_known}"
    );
    statement.step(text, 1);
    for (index, entries) in collection.indexes.iter().zip(&row.entries) {
        add_entries(&mut statement, index, entries);
    }
    statement
}

fn insert_many(collection: &Collection, rows: &[&Row]) -> WriteStatement {
    let mut statement = WriteStatement::new();
    let id_keys = statement.bind(rows.iter().map(|row| row.id_key.as_slice()).collect::<Vec<_>>());
    let bodies = statement.bind(rows.iter().map(|row| row.body.as_slice()).collect::<Vec<_>>());
    let docs = statement.bind(rows.iter().map(|row| row.doc.as_deref()).collect::<Vec<_>>());
    let (id, as_known) = (collection.id, as_known(collection, &mut statement));
    let text = format!(
        "INSERT INTO c{id} (id_key, body, doc) SELECT n.id_key, n.body, n.doc::jsonb
         FROM unnest({id_keys}::bytea[], {bodies}::bytea[], {docs}::text[]) WITH ORDINALITY
         AS n (id_key, body, doc, at) WHERE {as_known} ORDER BY n.at"
    );
    statement.step(text, rows.len());
    for (at, index) in collection.indexes.iter().enumerate() {
        let of_row = |row: &&Row| -> Vec<(Vec<u8>, Vec<u8>)> {
            row.entries[at].iter().map(|entry| (row.id_key.clone(), entry.key.clone())).collect()
        };
        let (ids, keys): (Vec<_>, Vec<_>) = rows.iter().flat_map(of_row).unzip();
        if keys.is_empty() {
            continue;
        }
        let (count, ids, keys) = (keys.len(), statement.bind(ids), statement.bind(keys));
        let text = format!(
            "INSERT INTO i{} (key, seq) SELECT k.key, first.seq FROM first
             JOIN unnest({ids}::bytea[], {keys}::bytea[]) AS k (id_key, key) ON k.id_key = first.id_key",
            index.id
        );
        // The last of these decides: to read what the first did would cost an insert a tenth of its time.
        statement.step(text, count);
    }
    statement
}

/// The condition that the collection is as it is known.
fn as_known(collection: &Collection, statement: &mut WriteStatement) -> String {
    let version = statement.bind(collection.version);
    format!("(SELECT version FROM collections WHERE id = {}) = {version}", collection.id)
}

/// Adds the entries of the one document that the first step wrote.
fn add_entries(statement: &mut WriteStatement, index: &Index, entries: &[StoredEntry]) {
    let table = index.id;
    match entries {
        [] => {}
        // Without arrays every document has one key. With them the number varies, and each number would be
        // a statement of its own.
        [entry] if !index.multikey => {
            let key = statement.bind(entry.key.as_slice());
            statement.step(format!("INSERT INTO i{table} (key, seq) SELECT {key}, seq FROM first"), 1);
        }
        entries => {
            let keys = statement.bind(keys_of(entries));
            let text = format!(
                "INSERT INTO i{table} (key, seq) SELECT k, seq FROM first, unnest({keys}::bytea[]) AS k"
            );
            statement.step(text, entries.len());
        }
    }
}

fn keys_of(entries: &[StoredEntry]) -> Vec<&[u8]> {
    entries.iter().map(|entry| entry.key.as_slice()).collect()
}

/// What a statement came to.
fn done(result: sqlx::Result<bool>, collection: &Collection, rows: &[&Row]) -> Result<()> {
    match result {
        Ok(true) => Ok(()),
        Ok(false) => Err(stale()),
        Err(error) => Err(refused(collection, rows, error)),
    }
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
    let row = &replacement.row;
    let mut statement = WriteStatement::new();
    let place = statement.bind(seq);
    let body = statement.bind(row.body.as_slice());
    let doc = statement.bind(row.doc.as_deref());
    let (id, as_known) = (collection.id, as_known(collection, &mut statement));
    let text =
        format!("UPDATE c{id} SET body = {body}, doc = {doc}::jsonb WHERE seq = {place} AND {as_known}");
    statement.step(text, 1);
    for ((index, gone), new) in collection.indexes.iter().zip(&replacement.gone).zip(&row.entries) {
        if !gone.is_empty() {
            let keys = statement.bind(keys_of(gone));
            let text = format!(
                "DELETE FROM i{} AS i USING first WHERE i.key = ANY({keys}) AND i.seq = first.seq",
                index.id
            );
            statement.step(text, gone.len());
        }
        add_entries(&mut statement, index, new);
    }
    statement.count_first();
    done(statement.run("seq", connection).await, collection, &[row])
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
    let mut statement = WriteStatement::new();
    let seqs = statement.bind(documents.iter().map(|(seq, _)| *seq).collect::<Vec<i64>>());
    let (id, as_known) = (collection.id, as_known(collection, &mut statement));
    let text = format!("DELETE FROM c{id} WHERE seq = ANY({seqs}) AND {as_known}");
    statement.step(text, documents.len());
    let mut keys: Vec<(Vec<Vec<u8>>, Vec<i64>)> = vec![Default::default(); collection.indexes.len()];
    for (seq, document) in documents {
        for (entries, keys) in entries(collection, document)?.into_iter().zip(&mut keys) {
            for entry in entries {
                keys.0.push(entry.key);
                keys.1.push(*seq);
            }
        }
    }
    for (index, (keys, seqs)) in collection.indexes.iter().zip(keys) {
        let (count, keys, seqs) = (keys.len(), statement.bind(keys), statement.bind(seqs));
        let text = format!(
            "DELETE FROM i{} AS i USING unnest({keys}::bytea[], {seqs}::bigint[]) AS k (key, seq), first
             WHERE i.key = k.key AND i.seq = k.seq AND first.seq = k.seq",
            index.id
        );
        statement.step(text, count);
    }
    statement.count_first();
    done(statement.run("seq", connection).await, collection, &[])
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

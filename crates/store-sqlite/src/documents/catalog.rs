//! Which collections and indexes there are.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use tandem_contract::{Error, ErrorKind, Result};
use tandem_documents::store::{Definition, Index};

use super::store_error;

/// Bits of `documents.seq` below the collection's id.
const SEQ_BITS: u32 = 36;
/// Parsed indexes kept; past it the cache starts anew.
const CACHE_LIMIT: usize = 4096;

/// A collection that exists.
#[derive(Clone)]
pub(super) struct Collection {
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) indexes: Vec<Index>,
}

impl Collection {
    /// Every `seq` of its documents lies above this and below [`Self::end`].
    pub(super) const fn start(&self) -> i64 {
        self.id << SEQ_BITS
    }

    pub(super) const fn end(&self) -> i64 {
        (self.id + 1) << SEQ_BITS
    }
}

/// Parsed definitions by index id, each checked against the stored bytes before use.
#[derive(Default)]
pub(super) struct DefinitionCache(RwLock<HashMap<i64, Arc<Definition>>>);

impl DefinitionCache {
    fn get(&self, id: i64, stored: &[u8]) -> Result<Arc<Definition>> {
        if let Some(definition) = self.0.read().get(&id).filter(|definition| definition.stored() == stored) {
            return Ok(Arc::clone(definition));
        }
        let definition = Arc::new(Definition::read(stored)?);
        let mut cache = self.0.write();
        if cache.len() >= CACHE_LIMIT {
            cache.clear();
        }
        cache.insert(id, Arc::clone(&definition));
        Ok(definition)
    }
}

pub(super) async fn load(
    connection: &mut SqliteConnection,
    cache: &DefinitionCache,
    name: &str,
) -> Result<Option<Collection>> {
    const READ: &str = "SELECT c.id, i.id, i.spec, i.multikey
        FROM collections AS c LEFT JOIN indexes AS i ON i.collection = c.id
        WHERE c.name = ? ORDER BY i.id";
    let rows = sqlx::query(READ).bind(name).fetch_all(connection).await.map_err(store_error)?;
    let Some(first) = rows.first() else {
        return Ok(None);
    };
    let id = first.try_get(0).map_err(store_error)?;
    let mut indexes = Vec::new();
    for row in &rows {
        indexes.extend(index(row, cache)?);
    }
    Ok(Some(Collection { id, name: name.to_owned(), indexes }))
}

fn index(row: &SqliteRow, cache: &DefinitionCache) -> Result<Option<Index>> {
    let Some(id) = row.try_get::<Option<i64>, _>(1).map_err(store_error)? else {
        return Ok(None);
    };
    let stored: &[u8] = row.try_get(2).map_err(store_error)?;
    let multikey = row.try_get(3).map_err(store_error)?;
    Ok(Some(Index { id, multikey, cut: false, definition: cache.get(id, stored)? }))
}

/// The collection, made when it is not there yet.
pub(super) async fn load_or_create(
    connection: &mut SqliteConnection,
    cache: &DefinitionCache,
    name: &str,
) -> Result<Collection> {
    if let Some(collection) = load(connection, cache, name).await? {
        return Ok(collection);
    }
    let done = sqlx::query("INSERT INTO collections (name) VALUES (?)")
        .bind(name)
        .execute(connection)
        .await
        .map_err(store_error)?;
    let id = done.last_insert_rowid();
    if id >= 1 << (i64::BITS - 1 - SEQ_BITS) {
        return Err(Error::new(ErrorKind::StoreUnavailable, "The database holds too many collections"));
    }
    Ok(Collection { id, name: name.to_owned(), indexes: Vec::new() })
}

/// Records a new index; its entries are the caller's to make.
pub(super) async fn add_index(
    connection: &mut SqliteConnection,
    collection: i64,
    definition: Definition,
) -> Result<Index> {
    let done = sqlx::query("INSERT INTO indexes (collection, name, spec) VALUES (?, ?, ?)")
        .bind(collection)
        .bind(&definition.name)
        .bind(definition.stored())
        .execute(connection)
        .await
        .map_err(store_error)?;
    Ok(Index { id: done.last_insert_rowid(), multikey: false, cut: false, definition: Arc::new(definition) })
}

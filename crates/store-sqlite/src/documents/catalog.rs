//! Which collections and indexes there are.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use parking_lot::RwLock;
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use tandem_contract::{Error, ErrorKind, Result};
use tandem_documents::store::{Definition, Index};

use super::store_error;

/// Bits of `documents.seq` below the collection's id.
const SEQ_BITS: u32 = 36;
/// Entries kept of each kind; past it a cache starts anew.
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

/// What was read of the catalog before.
#[derive(Default)]
pub(super) struct Cache {
    /// Parsed definitions by index id, each checked against the stored bytes before use.
    definitions: RwLock<HashMap<i64, Arc<Definition>>>,
    /// Collections by name, for statements that look by [`stamp`] whether they are still so.
    collections: RwLock<HashMap<String, Arc<Known>>>,
}

/// A collection as it was.
pub(super) struct Known {
    pub(super) collection: Collection,
    /// What [`stamp`] gives as long as it is still so.
    pub(super) stamp: String,
}

/// SQL for all that plans and writes depend on: the id of the collection `?1`, and of each index its
/// id, which stands for its definition, and whether it is multikey. Null where there is none.
macro_rules! stamp {
    () => {
        "(SELECT c.id || ':' || coalesce((SELECT group_concat(i.id * 2 + i.multikey, ',' ORDER BY i.id)
            FROM indexes AS i WHERE i.collection = c.id), '') FROM collections AS c WHERE c.name = ?1)"
    };
}
pub(super) use stamp;

/// What [`stamp`] gives for a collection that is so.
fn stamp_of(collection: &Collection) -> String {
    let of = |index: &Index| (index.id * 2 + i64::from(index.multikey)).to_string();
    let indexes: Vec<String> = collection.indexes.iter().map(of).collect();
    format!("{}:{}", collection.id, indexes.join(","))
}

impl Cache {
    /// The collection as it was when it was last loaded.
    pub(super) fn known(&self, name: &str) -> Option<Arc<Known>> {
        self.collections.read().get(name).cloned()
    }

    fn remember(&self, collection: &Collection) {
        let stamp = stamp_of(collection);
        if self.collections.read().get(&collection.name).is_some_and(|now| now.stamp == stamp) {
            return;
        }
        let known = Arc::new(Known { collection: collection.clone(), stamp });
        insert(&mut self.collections.write(), collection.name.clone(), known);
    }

    fn definition(&self, id: i64, stored: &[u8]) -> Result<Arc<Definition>> {
        let cached = self.definitions.read().get(&id).cloned();
        if let Some(definition) = cached.filter(|definition| definition.stored() == stored) {
            return Ok(definition);
        }
        let definition = Arc::new(Definition::read(stored)?);
        insert(&mut self.definitions.write(), id, Arc::clone(&definition));
        Ok(definition)
    }
}

fn insert<K: Eq + Hash, V>(cache: &mut HashMap<K, V>, key: K, value: V) {
    if cache.len() >= CACHE_LIMIT {
        cache.clear();
    }
    cache.insert(key, value);
}

pub(super) async fn load(
    connection: &mut SqliteConnection,
    cache: &Cache,
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
    let collection = Collection { id, name: name.to_owned(), indexes };
    cache.remember(&collection);
    Ok(Some(collection))
}

fn index(row: &SqliteRow, cache: &Cache) -> Result<Option<Index>> {
    let Some(id) = row.try_get::<Option<i64>, _>(1).map_err(store_error)? else {
        return Ok(None);
    };
    let stored: &[u8] = row.try_get(2).map_err(store_error)?;
    let multikey = row.try_get(3).map_err(store_error)?;
    Ok(Some(Index { id, multikey, cut: false, definition: cache.definition(id, stored)? }))
}

/// The collection, made when it is not there yet.
pub(super) async fn load_or_create(
    connection: &mut SqliteConnection,
    cache: &Cache,
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

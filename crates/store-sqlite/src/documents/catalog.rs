//! Which collections and indexes there are.

use std::collections::HashMap;
use std::sync::Arc;

use bson::{Bson, Document, doc};
use parking_lot::RwLock;
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use tandem_contract::{Error, ErrorKind, IndexSpec, Result};
use tandem_documents::index_key::IndexKeys;
use tandem_documents::{Direction, Filter};

use super::store_error;

/// The name of the index on `_id`, which every collection has.
pub(super) const ID_INDEX: &str = "_id_";
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

/// An index with its state of now.
#[derive(Clone)]
pub(super) struct Index {
    pub(super) id: i64,
    /// Some document had an array at one of the paths.
    pub(super) multikey: bool,
    pub(super) definition: Arc<Definition>,
}

/// What an index is made from.
pub(super) struct Definition {
    pub(super) name: String,
    pub(super) spec: IndexSpec,
    pub(super) keys: IndexKeys,
    /// Only documents that match are indexed.
    pub(super) partial: Option<Filter>,
    stored: Vec<u8>,
}

impl Definition {
    /// # Errors
    /// `InvalidArgument` for keys or a partial filter that are malformed.
    pub(super) fn new(spec: IndexSpec) -> Result<Self> {
        let keys = IndexKeys::parse(&spec.keys)?.with_sparse(spec.sparse);
        let partial = spec.partial_filter.as_ref().map(Filter::parse).transpose()?;
        let name = spec.name.clone().unwrap_or_else(|| default_name(&keys));
        let spec = IndexSpec { name: Some(name.clone()), ..spec };
        let stored = to_document(&spec).to_vec().map_err(Error::internal)?;
        Ok(Self { name, spec, keys, partial, stored })
    }

    fn read(stored: &[u8]) -> Result<Self> {
        let document = Document::from_reader(stored).map_err(Error::internal)?;
        Self::new(from_document(document))
    }
}

/// Parsed definitions by index id, each checked against the stored bytes before use.
#[derive(Default)]
pub(super) struct DefinitionCache(RwLock<HashMap<i64, Arc<Definition>>>);

impl DefinitionCache {
    fn get(&self, id: i64, stored: &[u8]) -> Result<Arc<Definition>> {
        if let Some(definition) = self.0.read().get(&id).filter(|definition| definition.stored == stored) {
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
    Ok(Some(Index { id, multikey, definition: cache.get(id, stored)? }))
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
        .bind(&definition.stored)
        .execute(connection)
        .await
        .map_err(store_error)?;
    Ok(Index { id: done.last_insert_rowid(), multikey: false, definition: Arc::new(definition) })
}

/// # Errors
/// `InvalidArgument` with the rule that the name breaks.
pub(super) fn check_name(name: &str) -> Result<()> {
    const MAX_LENGTH: usize = 120;
    let rule = if name.is_empty() || name.len() > MAX_LENGTH {
        "it must have 1 to 120 bytes"
    } else if name.contains(['\0', '$']) {
        "it must not contain NUL or `$`"
    } else if name.starts_with("system.") {
        "names that start with `system.` are reserved"
    } else {
        return Ok(());
    };
    Err(Error::new(ErrorKind::InvalidArgument, format!("Invalid collection name {name:?}: {rule}")))
}

fn default_name(keys: &IndexKeys) -> String {
    let parts: Vec<String> = keys
        .fields()
        .iter()
        .map(|(path, direction)| match direction {
            Direction::Ascending => format!("{path}_1"),
            Direction::Descending => format!("{path}_-1"),
        })
        .collect();
    parts.join("_")
}

fn to_document(spec: &IndexSpec) -> Document {
    let mut document = doc! { "keys": spec.keys.clone() };
    if let Some(name) = &spec.name {
        document.insert("name", name);
    }
    if spec.unique {
        document.insert("unique", true);
    }
    if spec.sparse {
        document.insert("sparse", true);
    }
    if let Some(filter) = &spec.partial_filter {
        document.insert("partialFilterExpression", filter.clone());
    }
    if let Some(seconds) = spec.expire_after_seconds {
        document.insert("expireAfterSeconds", i64::try_from(seconds).unwrap_or(i64::MAX));
    }
    document
}

fn from_document(mut document: Document) -> IndexSpec {
    let mut take = |key: &str| document.remove(key);
    let seconds = take("expireAfterSeconds").and_then(|value| value.as_i64());
    IndexSpec {
        keys: match take("keys") {
            Some(Bson::Document(keys)) => keys,
            _ => Document::new(),
        },
        name: match take("name") {
            Some(Bson::String(name)) => Some(name),
            _ => None,
        },
        unique: take("unique") == Some(Bson::Boolean(true)),
        sparse: take("sparse") == Some(Bson::Boolean(true)),
        partial_filter: match take("partialFilterExpression") {
            Some(Bson::Document(filter)) => Some(filter),
            _ => None,
        },
        expire_after_seconds: seconds.and_then(|seconds| u64::try_from(seconds).ok()),
    }
}

//! What indexes are made from.

use std::sync::Arc;

use bson::{Bson, Document, doc};
use tandem_contract::{Error, ErrorKind, IndexSpec, Result};

use crate::index_key::IndexKeys;
use crate::{Direction, Filter};

/// The name of the index on `_id`, which every collection has.
pub const ID_INDEX: &str = "_id_";

/// An index with its state of now.
#[derive(Clone)]
pub struct Index {
    /// The store's number for it.
    pub id: i64,
    /// Some document had an array at one of the paths.
    pub multikey: bool,
    /// Some key was too long for the store and is held in part: keys give no order then.
    pub cut: bool,
    /// What it is made from.
    pub definition: Arc<Definition>,
}

/// What an index is made from.
pub struct Definition {
    /// Its name.
    pub name: String,
    /// As it was asked for, with its name.
    pub spec: IndexSpec,
    /// The parsed keys.
    pub keys: IndexKeys,
    /// Only documents that match are indexed.
    pub partial: Option<Filter>,
    stored: Vec<u8>,
}

impl Definition {
    /// # Errors
    /// `InvalidArgument` for keys, a partial filter or options that are malformed.
    pub fn new(spec: IndexSpec) -> Result<Self> {
        let keys = IndexKeys::parse(&spec.keys)?.with_sparse(spec.sparse);
        let partial = spec.partial_filter.as_ref().map(Filter::parse).transpose()?;
        let name = spec.name.clone().unwrap_or_else(|| default_name(&keys));
        let spec = IndexSpec { name: Some(name.clone()), ..spec };
        let stored = to_document(&spec).to_vec().map_err(Error::internal)?;
        Ok(Self { name, spec, keys, partial, stored })
    }

    /// Reads what [`Definition::stored`] gave.
    ///
    /// # Errors
    /// `Internal` for anything else.
    pub fn read(stored: &[u8]) -> Result<Self> {
        let document = Document::from_reader(stored).map_err(Error::internal)?;
        Self::new(from_document(document))
    }

    /// The definition as BSON.
    pub fn stored(&self) -> &[u8] {
        &self.stored
    }

    /// Whether it is the index on `_id`, which is there already.
    ///
    /// # Errors
    /// `InvalidArgument` for options that the index on `_id` cannot have, or an expiry that cannot
    /// work.
    pub fn is_on_id(&self) -> Result<bool> {
        if matches!(self.keys.fields(), [(path, Direction::Ascending)] if path == "_id") {
            check_on_id(&self.spec)?;
            return Ok(true);
        }
        check_expiry(&self.spec)?;
        Ok(false)
    }

    /// Whether one of `held` is this index already.
    ///
    /// # Errors
    /// `Conflict` when one has its name or its keys and is another.
    pub fn is_among(&self, held: &[Index]) -> Result<bool> {
        for index in held {
            let same_name = index.definition.name == self.name;
            match (same_name, self.is_like(&index.definition)) {
                (true, true) => return Ok(true),
                (false, false) => {}
                _ => {
                    let (name, held) = (&self.name, &index.definition.name);
                    return Err(Error::new(
                        ErrorKind::Conflict,
                        format!(
                            "Index {name:?} clashes with index {held:?}, which has the same name or keys but other options"
                        ),
                    ));
                }
            }
        }
        Ok(false)
    }

    fn is_like(&self, other: &Self) -> bool {
        let options = |spec: &IndexSpec| {
            (spec.unique, spec.sparse, spec.partial_filter.clone(), spec.expire_after_seconds)
        };
        self.keys.fields() == other.keys.fields() && options(&self.spec) == options(&other.spec)
    }
}

/// The index on `_id` as it is listed.
pub fn id_index() -> IndexSpec {
    IndexSpec {
        keys: doc! { "_id": 1 },
        name: Some(ID_INDEX.to_owned()),
        unique: false,
        sparse: false,
        partial_filter: None,
        expire_after_seconds: None,
    }
}

/// The index on `_id` is unique by nature; no other option makes sense on it.
fn check_on_id(spec: &IndexSpec) -> Result<()> {
    if spec.sparse || spec.partial_filter.is_some() || spec.expire_after_seconds.is_some() {
        return Err(Error::new(
            ErrorKind::InvalidArgument,
            "The index on _id takes none of sparse, partialFilterExpression and expireAfterSeconds",
        ));
    }
    Ok(())
}

fn check_expiry(spec: &IndexSpec) -> Result<()> {
    /// As in MongoDB: the time must fit 32 bits.
    const MAX_SECONDS: u64 = i32::MAX as u64;
    let refuse = |message: &str| Err(Error::new(ErrorKind::InvalidArgument, message));
    match spec.expire_after_seconds {
        Some(_) if spec.keys.len() != 1 => refuse("expireAfterSeconds needs an index on a single path"),
        Some(seconds) if seconds > MAX_SECONDS => refuse("expireAfterSeconds must be at most 2147483647"),
        _ => Ok(()),
    }
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

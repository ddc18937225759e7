//! `_id`: made when absent, always first, never of a type that could not be looked up.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::UNIX_EPOCH;

use bson::oid::ObjectId;
use bson::{Bson, Document};
use tandem_contract::{Clock, Entropy, Error, ErrorKind, Result};

use crate::{Direction, index_key};

/// Makes ObjectIds: seconds, five random bytes of this store, a counter
/// (<https://www.mongodb.com/docs/manual/reference/bson-types/#objectid>).
pub struct ObjectIds {
    clock: Arc<dyn Clock>,
    random: [u8; 5],
    counter: AtomicU32,
}

impl ObjectIds {
    /// Ids by this clock, with a start that `entropy` gives.
    ///
    /// # Errors
    /// Whatever `entropy` reports.
    pub fn new(clock: Arc<dyn Clock>, entropy: &dyn Entropy) -> Result<Self> {
        let (mut random, mut start) = ([0; 5], [0; 4]);
        entropy.fill(&mut random)?;
        entropy.fill(&mut start)?;
        Ok(Self { clock, random, counter: AtomicU32::new(u32::from_be_bytes(start)) })
    }

    fn next(&self) -> ObjectId {
        let since = self.clock.wall().duration_since(UNIX_EPOCH).unwrap_or_default();
        // The format has 32 bits for the seconds and 24 for the counter: both wrap.
        let seconds = u32::try_from(since.as_secs() & u64::from(u32::MAX)).unwrap_or(0);
        let [_, counter @ ..] = self.counter.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        ObjectId::from_parts(seconds, self.random, counter)
    }

    /// Gives `document` an `_id` as its first field; returns it.
    ///
    /// # Errors
    /// `InvalidArgument` for an `_id` of a type that MongoDB refuses.
    pub fn settle(&self, document: &mut Document) -> Result<Bson> {
        let first = document.keys().next().is_some_and(|key| key == "_id");
        if let Some(id) = document.get("_id").filter(|_| first) {
            check(id)?;
            return Ok(id.clone());
        }
        let id = document.remove("_id").unwrap_or_else(|| Bson::ObjectId(self.next()));
        check(&id)?;
        let rest = std::mem::take(document);
        document.insert("_id", id.clone());
        document.extend(rest);
        Ok(id)
    }
}

/// The key that finds a document by its `_id`.
pub fn id_key(id: &Bson) -> Vec<u8> {
    index_key::encode(&[(id.clone(), Direction::Ascending)])
}

fn check(id: &Bson) -> Result<()> {
    let refused = match id {
        Bson::Array(_) => "array",
        Bson::RegularExpression(_) => "regex",
        Bson::Undefined => "undefined",
        _ => return Ok(()),
    };
    Err(Error::new(ErrorKind::InvalidArgument, format!("The '_id' value cannot be of type {refused}")))
}

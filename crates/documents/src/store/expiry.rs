use std::time::{Duration, SystemTime};

use bson::{Bson, DateTime, Document, doc};
use tandem_contract::IndexSpec;

/// How often stores look for documents that have expired, as MongoDB does
/// (<https://www.mongodb.com/docs/manual/core/index-ttl/#timing-of-the-delete-operation>).
pub const SWEEP_INTERVAL: Duration = Duration::from_secs(60);

/// The filter of what an index with `expireAfterSeconds` says is over at `now`. Only dates expire;
/// of several in an array the earliest counts.
pub fn expired(index: &IndexSpec, now: SystemTime) -> Option<Document> {
    let seconds = index.expire_after_seconds?;
    let path = index.keys.keys().next()?;
    let limit = now.checked_sub(Duration::from_secs(seconds))?;
    let expired = doc! { path: { "$lte": Bson::DateTime(DateTime::from_system_time(limit)) } };
    Some(match &index.partial_filter {
        Some(partial) => doc! { "$and": [partial.clone(), expired] },
        None => expired,
    })
}

//! What the tests share.

use bson::{Bson, Document};
use futures_util::TryStreamExt;
use tandem_contract::{DocumentStore, Find, IndexSpec, Target, UpdateSpec};

/// A collection, outside of transactions.
pub fn target(collection: &str) -> Target {
    Target { collection: collection.to_owned(), transaction: None, timeout: None }
}

/// A query that only filters.
pub fn filter(filter: Document) -> Find {
    Find { filter, ..Find::default() }
}

/// A plain index.
pub fn index(keys: Document) -> IndexSpec {
    IndexSpec {
        keys,
        name: None,
        unique: false,
        sparse: false,
        partial_filter: None,
        expire_after_seconds: None,
    }
}

/// A unique index.
pub fn unique(keys: Document) -> IndexSpec {
    IndexSpec { unique: true, ..index(keys) }
}

/// An update of one document.
pub fn update(filter: Document, operators: Document) -> tandem_contract::Update {
    tandem_contract::Update {
        filter,
        update: UpdateSpec::Operators(operators),
        many: false,
        upsert: false,
        array_filters: Vec::new(),
    }
}

/// All that a query finds.
pub async fn all(store: &dyn DocumentStore, target: &Target, find: Find) -> Vec<Document> {
    store.find(target, find).await.unwrap().try_collect().await.unwrap()
}

/// The values of one field, in order.
pub async fn column(store: &dyn DocumentStore, target: &Target, find: Find, field: &str) -> Vec<Bson> {
    let documents = all(store, target, find).await;
    documents.into_iter().map(|mut document| document.remove(field).unwrap_or(Bson::Null)).collect()
}

//! Transactions of a store with one writer.

use std::sync::Arc;

use bson::{Bson, doc};
use tandem_contract::{Delete, DocumentStore, Expected, Find, FunctionStore, Target};
use tandem_store_suite::common::{all, target, update};
use tempfile::tempdir;

use crate::common::{documents, draft, functions};

fn inside(collection: &str, transaction: u64) -> Target {
    Target { transaction: Some(transaction), ..target(collection) }
}

#[tokio::test]
async fn a_cancelled_operation_leaves_the_transaction_whole() {
    let folder = tempdir().unwrap();
    let store = documents(folder.path()).await;
    let transaction = store.begin().await.unwrap();
    let tx = inside("c", transaction);
    store.insert(&tx, vec![doc! { "_id": "first" }], true).await.unwrap();
    for limit in 0..20_u32 {
        let batch = (0..500).map(|n| doc! { "n": n }).collect();
        let insert = store.insert(&tx, batch, true);
        if tokio::time::timeout(std::time::Duration::from_micros(u64::from(limit) * 100), insert)
            .await
            .is_ok()
        {
            store
                .delete(&tx, Delete { filter: doc! { "n": { "$exists": true } }, many: true })
                .await
                .unwrap();
        }
    }
    store.commit(transaction).await.unwrap();
    // One that was cancelled after its end counts as done.
    let left = store.count(&target("c"), doc! {}, 0, None).await.unwrap();
    assert_eq!(left % 500, 1, "{left}");
}

#[tokio::test]
async fn writers_outside_wait_for_the_end() {
    let folder = tempdir().unwrap();
    let store = Arc::new(documents(folder.path()).await);
    let publisher = functions(folder.path()).await;
    let transaction = store.begin().await.unwrap();
    let waiting = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.update(&target("c"), update(doc! { "_id": 1 }, doc! { "$inc": { "n": 1 } })).await }
    });
    let tx = inside("c", transaction);
    store.insert(&tx, vec![doc! { "_id": 1, "n": 1 }], true).await.unwrap();
    let second = async {
        let second = store.begin().await.unwrap();
        store.abort(second).await.unwrap();
    };
    let published = publisher.put(draft("f", "x"), Expected::Any);
    let (committed, published, ()) = tokio::join!(store.commit(transaction), published, second);
    committed.unwrap();
    published.unwrap();
    waiting.await.unwrap().unwrap();
    assert_eq!(all(&*store, &target("c"), Find::default()).await[0].get("n"), Some(&Bson::Int32(2)));
}

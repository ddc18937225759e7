//! Many at once, in several processes' stores.

use std::sync::Arc;

use bson::{Bson, doc};
use tandem_contract::{
    DocumentStore, ErrorKind, Find, FindAndModify, ModifyAction, ReturnDocument, Target, Update, UpdateSpec,
};
use tandem_store_postgres::PostgresDocumentStore;
use tandem_store_suite::common::{all, column, target, unique, update};

use crate::common::{Schema, schema_or_return};

async fn two(schema: &Schema) -> [Arc<PostgresDocumentStore>; 2] {
    [Arc::new(schema.store().await), Arc::new(schema.other_process().await)]
}

#[tokio::test]
async fn sixty_four_increments_at_once_are_all_there() {
    let schema = schema_or_return!();
    let stores = two(&schema).await;
    stores[0].insert(&target("c"), vec![doc! { "_id": 1, "n": 0 }], true).await.unwrap();
    let writers: Vec<_> = (0..64)
        .map(|n| {
            let store = Arc::clone(&stores[n % 2]);
            tokio::spawn(async move {
                let once = update(doc! { "_id": 1 }, doc! { "$inc": { "n": 1 } });
                store.update(&target("c"), once).await
            })
        })
        .collect();
    for writer in writers {
        assert_eq!(writer.await.unwrap().unwrap().modified, 1);
    }
    assert_eq!(column(&*stores[0], &target("c"), Find::default(), "n").await, [Bson::Int32(64)]);
}

#[tokio::test]
async fn upserts_that_race_make_one_document() {
    let schema = schema_or_return!();
    let stores = two(&schema).await;
    for filter in [doc! { "_id": "x" }, doc! { "name": "x" }] {
        let collection = filter.keys().next().unwrap().clone();
        let writers: Vec<_> = (0..32)
            .map(|n| {
                let (store, filter, collection) =
                    (Arc::clone(&stores[n % 2]), filter.clone(), collection.clone());
                tokio::spawn(async move {
                    let upsert = Update { upsert: true, ..update(filter, doc! { "$inc": { "n": 1 } }) };
                    store.update(&target(&collection), upsert).await
                })
            })
            .collect();
        let mut inserted = 0;
        for writer in writers {
            inserted += usize::from(writer.await.unwrap().unwrap().upserted_id.is_some());
        }
        assert_eq!(inserted, 1);
        assert_eq!(column(&*stores[1], &target(&collection), Find::default(), "n").await, [Bson::Int32(32)]);
    }
}

#[tokio::test]
async fn an_upsert_that_can_only_clash_says_so() {
    let schema = schema_or_return!();
    let store = schema.store().await;
    store.create_index(&target("c"), unique(doc! { "u": 1 })).await.unwrap();
    store.insert(&target("c"), vec![doc! { "u": 1 }], true).await.unwrap();
    let clash = Update { upsert: true, ..update(doc! { "other": 1 }, doc! { "$set": { "u": 1 } }) };
    let error = store.update(&target("c"), clash).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DuplicateKey);
}

#[tokio::test]
async fn workers_that_take_from_a_queue_never_take_the_same() {
    let schema = schema_or_return!();
    let stores = two(&schema).await;
    let jobs = (0..60).map(|n| doc! { "_id": n, "state": "new", "rank": n % 7 }).collect();
    stores[0].insert(&target("jobs"), jobs, true).await.unwrap();
    let workers: Vec<_> = (0..8)
        .map(|worker| {
            let store = Arc::clone(&stores[worker % 2]);
            tokio::spawn(async move {
                let mut taken = Vec::new();
                loop {
                    let take = FindAndModify {
                        filter: doc! { "state": "new" },
                        sort: (worker % 4 < 2).then(|| doc! { "rank": 1 }),
                        projection: None,
                        action: ModifyAction::Update {
                            update: UpdateSpec::Operators(doc! { "$set": { "state": "taken" } }),
                            upsert: false,
                            returning: ReturnDocument::After,
                            array_filters: Vec::new(),
                        },
                    };
                    match store.find_and_modify(&target("jobs"), take).await.unwrap() {
                        Some(job) => taken.push(job.get_i32("_id").unwrap()),
                        None => return taken,
                    }
                }
            })
        })
        .collect();
    let mut taken = Vec::new();
    for worker in workers {
        taken.extend(worker.await.unwrap());
    }
    taken.sort_unstable();
    assert_eq!(taken, (0..60).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_transaction_that_lost_is_a_conflict_and_can_be_tried_again() {
    let schema = schema_or_return!();
    let stores = two(&schema).await;
    stores[0].insert(&target("c"), vec![doc! { "_id": 1, "n": 0 }], true).await.unwrap();
    let workers: Vec<_> = (0..8)
        .map(|worker| {
            let store = Arc::clone(&stores[worker % 2]);
            tokio::spawn(async move {
                let mut lost = 0;
                loop {
                    let transaction = store.begin().await.unwrap();
                    let inside = Target { transaction: Some(transaction), ..target("c") };
                    let n = column(&*store, &inside, Find::default(), "n").await[0].as_i32().unwrap();
                    let change = update(doc! { "_id": 1 }, doc! { "$set": { "n": n + 1 } });
                    let done = match store.update(&inside, change).await {
                        Ok(_) => store.commit(transaction).await,
                        Err(error) => {
                            store.abort(transaction).await.unwrap();
                            Err(error)
                        }
                    };
                    match done {
                        Ok(()) => return lost,
                        Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict, "{error}"),
                    }
                    lost += 1;
                    tokio::time::sleep(std::time::Duration::from_millis(lost * 3)).await;
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
    assert_eq!(all(&*stores[0], &target("c"), Find::default()).await, [doc! { "_id": 1, "n": 8 }]);
}

#[tokio::test]
async fn opposite_orders_of_locking_are_no_deadlock_that_anybody_sees() {
    let schema = schema_or_return!();
    let stores = two(&schema).await;
    stores[0].create_index(&target("c"), tandem_store_suite::common::index(doc! { "n": -1 })).await.unwrap();
    stores[0]
        .insert(&target("c"), (0..20).map(|n| doc! { "_id": n, "n": n, "m": 0 }).collect(), true)
        .await
        .unwrap();
    let writers: Vec<_> = (0..6)
        .map(|n| {
            let store = Arc::clone(&stores[n % 2]);
            let filter = if n % 3 == 0 {
                doc! {}
            } else {
                doc! { "n": { "$gte": 0 } }
            };
            tokio::spawn(async move {
                let many = Update { many: true, ..update(filter, doc! { "$inc": { "m": 1 } }) };
                store.update(&target("c"), many).await
            })
        })
        .collect();
    for writer in writers {
        assert_eq!(writer.await.unwrap().unwrap().modified, 20);
    }
    let sums = column(&*stores[1], &target("c"), Find::default(), "m").await;
    assert_eq!(sums, vec![Bson::Int32(6); 20]);
}

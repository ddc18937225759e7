//! `withTransaction` as functions use it.

use std::time::Duration;

use crate::server::Server;
use bson::doc;
use tandem_contract::Target;

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_is_committed_or_aborted_as_a_whole() {
    let server = Server::start().await;
    let got = server
        .body(
            "const done = await db.withTransaction(async (tx: any) => {
              await tx.collection('c').insertOne({ _id: 1 });
              await tx.collection('d').insertOne({ _id: 1 });
              return [await tx.collection('c').countDocuments(), await tx.collection('c').find().toArray()];
            });
            let kept: any;
            const aborted = await fails(() => db.withTransaction(async (tx: any) => { kept = tx; await tx.collection('c').insertOne({ _id: 2 }); throw new Error('changed my mind') }));
            const over = await fails(() => kept.collection('c').findOne());
            const nested = await fails(() => db.withTransaction((tx: any) => tx.withTransaction(async () => 1)));
            return [done, aborted[2], await c.countDocuments(), over, nested[2]]",
        )
        .await;
    let expected = r#"[[1,[{"_id":1}]],"changed my mind",1,["Error","INVALID_ARGUMENT","The transaction is over: use its database only inside the callback of withTransaction"],"A transaction cannot be opened inside another"]"#;
    assert_eq!(got, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn counters_of_concurrent_transactions_lose_nothing() {
    let server = Server::start().await;
    let got = server
        .body(
            "await c.insertOne({ _id: 1, n: 0 } as any);
            await Promise.all(Array.from({ length: 8 }, () => db.withTransaction(async (tx: any) => {
              const { n } = await tx.collection('c').findOne({ _id: 1 });
              await tx.collection('c').updateOne({ _id: 1 }, { $set: { n: n + 1 } });
            })));
            return (await c.findOne({ _id: 1 })).n",
        )
        .await;
    assert_eq!(got, "8");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_invocation_leaves_open_is_aborted() {
    let server = Server::start().await;
    // The function answers while the transaction's callback still runs.
    let answered = server
        .body("await new Promise((resolve) => { db.withTransaction(async (tx: any) => { await tx.collection('c').insertOne({ _id: 1 } as any); resolve(1); await new Promise(() => {}) }) }); return 'answered'")
        .await;
    assert_eq!(answered, r#""answered""#);
    let target =
        Target { collection: "c".to_owned(), transaction: None, timeout: Some(Duration::from_secs(10)) };
    // Writes only once the transaction is out of the way.
    let inserted = server.documents.insert(&target, vec![doc! { "_id": 2 }], true).await;
    assert_eq!(inserted.map(|result| result.inserted_ids.len()).ok(), Some(1));
    assert_eq!(server.documents.count(&target, doc! {}, 0, None).await.ok(), Some(1));
}

//! How the server gets at rows. Its planner reads whole collections when statistics are older than
//! the rows, as they are for a minute at least: no statement may let it.

use bson::{Document, doc};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Row as _};
use tandem_contract::{DocumentStore, Find};
use tandem_store_suite::common::{all, filter, index, target, unique, update};

use crate::common::{Schema, schema_or_return};

const DOCUMENTS: i32 = 10_000;
/// How often each query is run: the server counts scans, and tells them late.
const TIMES: i64 = 10;

/// What the server counted on the tables of documents and of keys.
#[derive(Clone, Copy, Debug)]
struct Counts {
    scans: i64,
    /// Rows.
    read: i64,
    /// Rows.
    inserted: i64,
}

async fn counts(schema: &Schema, tool: &mut PgConnection) -> Counts {
    let read = AssertSqlSafe(format!(
        "SELECT coalesce(sum(seq_scan) + sum(idx_scan), 0)::int8, (coalesce(sum(seq_tup_read), 0) + coalesce(sum(idx_tup_fetch), 0))::int8,
            coalesce(sum(n_tup_ins), 0)::int8
         FROM pg_stat_user_tables WHERE schemaname = '{}' AND relname ~ '^[ci][0-9]+$'",
        schema.name
    ));
    let row = sqlx::query(read).fetch_one(tool).await.unwrap();
    Counts { scans: row.get(0), read: row.get(1), inserted: row.get(2) }
}

/// The counts once `enough` was seen; connections tell theirs when they end.
async fn counts_when(
    schema: &Schema,
    tool: &mut PgConnection,
    enough: impl Fn(&Counts) -> bool,
) -> Option<Counts> {
    for _ in 0..300 {
        let counts = counts(schema, tool).await;
        if enough(&counts) {
            return Some(counts);
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    None
}

#[tokio::test]
async fn keys_are_looked_up_whatever_the_statistics_say() {
    let schema = schema_or_return!();
    let store = schema.store().await;
    let target = target("c");
    store.create_index(&target, index(doc! { "k": 1 })).await.unwrap();
    store.create_index(&target, unique(doc! { "u": 1 })).await.unwrap();
    store.insert(&target, vec![doc! { "_id": -1, "k": -1, "u": -1 }], true).await.unwrap();
    let mut tool = schema.other_tool().await;
    // Statistics of a collection of one document, which autovacuum would mend sooner or later.
    schema
        .run(
            &mut tool,
            "DO $do$ DECLARE t regclass; BEGIN
                FOR t IN SELECT c.oid::regclass FROM pg_class AS c
                    WHERE c.relkind = 'r' AND c.relnamespace = '$$'::regnamespace LOOP
                    EXECUTE format('ALTER TABLE %s SET (autovacuum_enabled = false)', t);
                    EXECUTE format('ANALYZE %s', t);
                END LOOP; END $do$",
        )
        .await;
    for start in (0..DOCUMENTS).step_by(500) {
        let batch = (start..start + 500).map(|n| doc! { "_id": n, "k": n, "u": n, "text": "x".repeat(200) });
        let inserted = store.insert(&target, batch.collect(), true).await.unwrap();
        assert!(inserted.failures.is_empty());
    }

    let one = |query: Document| Find { limit: Some(1), ..filter(query) };
    let sorted = |query: Document, sort: Document| Find { sort: Some(sort), limit: Some(3), ..filter(query) };
    let queries = [
        ("by its id", one(doc! { "_id": 1500 }), 1),
        ("by ids", filter(doc! { "_id": { "$in": [1, 1500, 1999] } }), 3),
        ("by an index", one(doc! { "k": 1500 }), 1),
        ("by an index and more", filter(doc! { "k": 1500, "text": { "$exists": true } }), 1),
        ("by some values of an index", filter(doc! { "k": { "$in": [1, 1500, 1999] } }), 3),
        ("by a range", filter(doc! { "k": { "$gte": 1500, "$lt": 1510 } }), 10),
        ("in the order of an index", sorted(doc! { "k": { "$gt": 100 } }, doc! { "k": 1 }), 3),
        ("in the other order", sorted(doc! {}, doc! { "k": -1 }), 3),
        ("in the order of ids", sorted(doc! {}, doc! { "_id": 1 }), 3),
        ("in the other order of ids", sorted(doc! {}, doc! { "_id": -1 }), 3),
        ("in the order of a unique index", sorted(doc! {}, doc! { "u": 1 }), 3),
        ("in the other order of a unique index", sorted(doc! {}, doc! { "u": -1 }), 3),
        ("by a unique index", one(doc! { "u": 1500 }), 1),
    ];
    store.close().await;
    let rows = i64::from(DOCUMENTS) * 3;
    let mut before = counts_when(&schema, &mut tool, |now| now.inserted >= rows).await.unwrap();
    for (what, find, found) in queries {
        let store = schema.other_process().await;
        for _ in 0..TIMES {
            assert_eq!(all(&store, &target, find.clone()).await.len(), found, "{what}");
        }
        store.close().await;
        before = no_whole_reading(&schema, &mut tool, before, what).await;
    }
    let store = schema.other_process().await;
    for n in 0..TIMES {
        let count = store.count(&target, doc! { "k": { "$lt": 10 } }, 0, None).await.unwrap();
        assert_eq!(count, 11);
        let change = update(doc! { "k": 1500 }, doc! { "$set": { "n": n } });
        assert_eq!(store.update(&target, change).await.unwrap().modified, 1);
    }
    store.close().await;
    no_whole_reading(&schema, &mut tool, before, "counting and updating").await;
    tool.close().await.unwrap();
}

/// Asserts that scans happened since `before`, and that they read few rows: all of them together less
/// than one that reads a whole table, be it by an index.
async fn no_whole_reading(schema: &Schema, tool: &mut PgConnection, before: Counts, what: &str) -> Counts {
    let after = counts_when(schema, tool, |now| now.scans >= before.scans + TIMES).await;
    assert!(after.is_some(), "{what}: the server told of no scan");
    let after = after.unwrap();
    let read = after.read - before.read;
    assert!(read < i64::from(DOCUMENTS), "{what}: {read} rows were read");
    after
}

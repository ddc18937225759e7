//! `cloud.sql` in its own schema.

use bson::{Bson, doc};
use tandem_contract::{DocumentStore, ErrorKind};

use crate::common::schema_or_return;

#[tokio::test]
async fn values_go_in_as_the_statement_expects_and_come_back() {
    let schema = schema_or_return!();
    let store = schema.store().await;
    assert_eq!(store.sql_parameter(2), "$2");
    let table =
        "CREATE TABLE t (i int, l bigint, r float8, s text, b bytea, n text, flag boolean, at timestamptz,
        price numeric(10, 2), tags text[], extra jsonb, u uuid, day date)";
    assert!(store.sql(table, vec![]).await.unwrap().is_empty());
    let bytes =
        Bson::Binary(bson::Binary { subtype: bson::spec::BinarySubtype::Generic, bytes: vec![0, 255] });
    let at = bson::DateTime::from_millis(1_700_000_000_123);
    let uuid = "67e55044-10b1-426f-9247-bb680e5fe0c8";
    let row = vec![
        Bson::Double(7.0),
        Bson::Int64(1 << 40),
        Bson::Double(1.5),
        "é'; drop table t; --".into(),
        bytes.clone(),
        Bson::Null,
        true.into(),
        at.into(),
        "12.50".parse::<bson::Decimal128>().unwrap().into(),
        vec!["a", "b"].into(),
        doc! { "x": [1, 2.5, null] }.into(),
        uuid.into(),
        bson::DateTime::from_millis(86_400_000).into(),
    ];
    let insert = "INSERT INTO t VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
    store.sql(insert, row).await.unwrap();
    let rows = store.sql("SELECT *, 7 AS seven FROM t WHERE s = $1", vec!["é'; drop table t; --".into()]);
    let expected = doc! {
        "i": 7, "l": 1_i64 << 40, "r": 1.5, "s": "é'; drop table t; --", "b": bytes, "n": null, "flag": true,
        "at": at, "price": "12.50".parse::<bson::Decimal128>().unwrap(), "tags": ["a", "b"],
        "extra": { "x": [1, 2.5, null] }, "u": uuid, "day": bson::DateTime::from_millis(86_400_000), "seven": 7,
    };
    assert_eq!(rows.await.unwrap(), [expected]);
    let found = store.sql(
        "SELECT count(*) AS n FROM t WHERE at < $1 AND i = ANY($2)",
        vec![bson::DateTime::from_millis(1_800_000_000_000).into(), vec![1, 7].into()],
    );
    assert_eq!(found.await.unwrap(), [doc! { "n": 1 }]);
    assert_eq!(store.sql("SELECT $1 AS v", vec!["text".into()]).await.unwrap(), [doc! { "v": "text" }]);
}

#[tokio::test]
async fn it_reaches_neither_functions_nor_documents() {
    let schema = schema_or_return!();
    let (store, _functions) = (schema.store().await, schema.functions().await);
    for table in ["functions", "collections", "indexes"] {
        let error = store.sql(&format!("SELECT * FROM {table}"), vec![]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.message().contains("does not exist"), "{error}");
        let named = format!("SELECT * FROM {}.{table}", schema.name);
        assert_eq!(store.sql(&named, vec![]).await.unwrap_err().kind(), ErrorKind::NotSupported);
    }
    for text in ["SELECT 1; DROP TABLE functions", "ATTACH DATABASE 'x' AS y", "SET search_path = public"] {
        assert!(store.sql(text, vec![]).await.is_err(), "{text}");
    }
}

#[tokio::test]
async fn a_role_of_its_own_has_only_its_own_rights() {
    let schema = schema_or_return!();
    let mut tool = schema.other_tool().await;
    let role = format!("{}_role", schema.name);
    schema
        .run(&mut tool, "CREATE ROLE $$_role NOLOGIN; CREATE TABLE IF NOT EXISTS public.$$_secret (a int)")
        .await;
    let config = tandem_store_postgres::PostgresConfig { sql_role: Some(role), ..schema.config() };
    let store =
        tandem_store_postgres::PostgresDocumentStore::open(config, &crate::common::context()).await.unwrap();
    store.sql("CREATE TABLE mine (a int)", vec![]).await.unwrap();
    store.sql("INSERT INTO mine VALUES ($1)", vec![1.into()]).await.unwrap();
    assert_eq!(
        store
            .sql(
                "SELECT current_user::text = $1 AS same, a FROM mine",
                vec![format!("{}_role", schema.name).into()]
            )
            .await
            .unwrap(),
        [doc! { "same": true, "a": 1 }]
    );
    let secret =
        store.sql(&format!("SELECT * FROM public.{}_secret", schema.name), vec![]).await.unwrap_err();
    assert!(secret.message().contains("permission denied"), "{secret}");
    store.close().await;
    schema.run(&mut tool, "DROP TABLE public.$$_secret; DROP SCHEMA $$_sql CASCADE; DROP OWNED BY $$_role; DROP ROLE $$_role").await;
}

#[tokio::test]
async fn mistakes_are_told() {
    let schema = schema_or_return!();
    let store = schema.store().await;
    let syntax = store.sql("SELECT FROM WHERE", vec![]).await.unwrap_err();
    assert_eq!(syntax.kind(), ErrorKind::InvalidArgument);
    assert!(syntax.message().contains("syntax error"), "{syntax}");
    let missing = store.sql("SELECT $1, $2", vec![Bson::Int32(1)]).await.unwrap_err();
    assert!(missing.message().contains("2 parameters"), "{missing}");
    store.sql("CREATE TABLE u (a int UNIQUE, at interval)", vec![]).await.unwrap();
    let wrong = store.sql("INSERT INTO u (a) VALUES ($1)", vec!["x".into()]).await.unwrap_err();
    assert!(wrong.message().contains("parameter 1") && wrong.message().contains("INT4"), "{wrong}");
    store.sql("INSERT INTO u VALUES (1, '1 day')", vec![]).await.unwrap();
    let twice = store.sql("INSERT INTO u VALUES (1)", vec![]).await.unwrap_err();
    assert_eq!(twice.kind(), ErrorKind::DuplicateKey);
    let interval = store.sql("SELECT at FROM u", vec![]).await.unwrap_err();
    assert_eq!(interval.kind(), ErrorKind::NotSupported);
    assert_eq!(store.sql("SELECT at::text FROM u", vec![]).await.unwrap(), [doc! { "at": "1 day" }]);
    // A statement that a connection knows may mean another table later.
    assert_eq!(store.sql("SELECT * FROM u WHERE a = 2", vec![]).await.unwrap().len(), 0);
    store.sql("ALTER TABLE u ADD COLUMN c int", vec![]).await.unwrap();
    assert_eq!(store.sql("SELECT a, c FROM u", vec![]).await.unwrap(), [doc! { "a": 1, "c": null }]);
    store.sql("ALTER TABLE u DROP COLUMN at", vec![]).await.unwrap();
    assert_eq!(store.sql("SELECT * FROM u", vec![]).await.unwrap(), [doc! { "a": 1, "c": null }]);
    store.sql("ALTER TABLE u ADD COLUMN d int", vec![]).await.unwrap();
    assert_eq!(store.sql("SELECT * FROM u", vec![]).await.unwrap(), [doc! { "a": 1, "c": null, "d": null }]);
}

#[tokio::test]
async fn a_statement_that_nobody_waits_for_stops() {
    let schema = schema_or_return!();
    let store = schema.store().await;
    let endless =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) AS endless FROM n";
    store.sql("SELECT 1 AS one", vec![]).await.unwrap();
    for _ in 0..8 {
        let run = store.sql(endless, vec![]);
        assert!(tokio::time::timeout(std::time::Duration::from_millis(50), run).await.is_err());
    }
    let mut tool = schema.other_tool().await;
    let running = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%endless%' AND pid <> pg_backend_pid()
        AND application_name = 'tandem'";
    let mut left = 1;
    for _ in 0..100 {
        left = sqlx::query_scalar::<_, i64>(running).fetch_one(&mut tool).await.unwrap();
        if left == 0 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!(left, 0);
    assert_eq!(store.sql("SELECT 1 AS one", vec![]).await.unwrap(), [doc! { "one": 1 }]);
}

//! `cloud.sql` on its own file.

use crate::common::{documents, functions};
use bson::{Bson, doc};
use tandem_contract::{DocumentStore, ErrorKind};
use tempfile::tempdir;

#[tokio::test]
async fn values_go_in_and_come_back() {
    let folder = tempdir().unwrap();
    let store = documents(folder.path()).await;
    let none = store.sql("CREATE TABLE t (i, r, s, b, n, flag BOOLEAN)", vec![]).await.unwrap();
    assert!(none.is_empty());
    let bytes =
        Bson::Binary(bson::Binary { subtype: bson::spec::BinarySubtype::Generic, bytes: vec![0, 255] });
    let row = vec![
        Bson::Int64(1 << 40),
        Bson::Double(1.5),
        Bson::String("é".into()),
        bytes.clone(),
        Bson::Null,
        Bson::Boolean(true),
    ];
    store.sql("INSERT INTO t VALUES (?, ?, ?, ?, ?, ?)", row).await.unwrap();
    let rows =
        store.sql("SELECT *, 7 AS seven FROM t WHERE s = ?1", vec![Bson::String("é".into())]).await.unwrap();
    let expected =
        doc! { "i": 1_i64 << 40, "r": 1.5, "s": "é", "b": bytes, "n": null, "flag": 1, "seven": 7 };
    assert_eq!(rows, [expected]);
}

#[tokio::test]
async fn it_reaches_neither_functions_nor_documents() {
    let folder = tempdir().unwrap();
    let (store, _functions) = (documents(folder.path()).await, functions(folder.path()).await);
    for table in ["functions", "documents", "collections", "index_entries"] {
        let error = store.sql(&format!("SELECT * FROM {table}"), vec![]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.message().contains("no such table"), "{error}");
    }
    let attach = format!("ATTACH '{}' AS other", folder.path().join(crate::common::FILE).display());
    assert_eq!(store.sql(&attach, vec![]).await.unwrap_err().kind(), ErrorKind::NotSupported);
}

#[tokio::test]
async fn mistakes_are_told() {
    let folder = tempdir().unwrap();
    let store = documents(folder.path()).await;
    let syntax = store.sql("SELECT FROM WHERE", vec![]).await.unwrap_err();
    assert_eq!(syntax.kind(), ErrorKind::InvalidArgument);
    assert!(syntax.message().contains("syntax error"), "{syntax}");
    let missing = store.sql("SELECT ?, ?", vec![Bson::Int32(1)]).await.unwrap_err();
    assert!(missing.message().contains("2 parameters"), "{missing}");
    let object = store.sql("SELECT ?", vec![Bson::Document(doc! {})]).await.unwrap_err();
    assert!(object.message().contains("parameter 1"), "{object}");
    store.sql("CREATE TABLE u (a UNIQUE)", vec![]).await.unwrap();
    store.sql("INSERT INTO u VALUES (1)", vec![]).await.unwrap();
    let twice = store.sql("INSERT INTO u VALUES (1)", vec![]).await.unwrap_err();
    assert_eq!(twice.kind(), ErrorKind::DuplicateKey);
}

#[tokio::test]
async fn a_statement_that_nobody_waits_for_stops() {
    let folder = tempdir().unwrap();
    let store = documents(folder.path()).await;
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    for _ in 0..8 {
        let run = store.sql(endless, vec![]);
        assert!(tokio::time::timeout(std::time::Duration::from_millis(50), run).await.is_err());
    }
    assert_eq!(store.sql("SELECT 1 AS one", vec![]).await.unwrap(), [doc! { "one": 1 }]);
    store.close().await;
}

//! Conditional writes, alone and against each other.

use std::sync::Arc;

use futures_util::future;
use tandem_contract::{Condition, ErrorKind, PutOptions};

use super::cases::{Store, body, bucket, kind, on, pattern, put, streamed, text};

pub(crate) async fn absent_writes_once(store: Store) {
    store.put(&bucket(), "k", body("first"), on(Condition::Absent)).await.unwrap();
    assert_eq!(
        kind(store.put(&bucket(), "k", body("second"), on(Condition::Absent)).await),
        ErrorKind::Conflict
    );
    assert_eq!(text(&store, "k").await.as_deref(), Some("first"));
    store.delete(&bucket(), "k").await.unwrap();
    store.put(&bucket(), "k", body("third"), on(Condition::Absent)).await.unwrap();
}

async fn race(store: &Store, condition: Condition) -> Vec<usize> {
    let writes = (0..16).map(|n| {
        let (store, options) = (Arc::clone(store), on(condition.clone()));
        tokio::spawn(async move { store.put(&bucket(), "race/k", body(&n.to_string()), options).await })
    });
    let mut winners = Vec::new();
    for (n, written) in future::join_all(writes).await.into_iter().enumerate() {
        match written.unwrap() {
            Ok(_) => winners.push(n),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict, "{error}"),
        }
    }
    winners
}

pub(crate) async fn one_of_many_absent_writes_wins(store: Store) {
    for _ in 0..10 {
        let winners = race(&store, Condition::Absent).await;
        assert_eq!(winners.len(), 1);
        assert_eq!(text(&store, "race/k").await, Some(winners[0].to_string()));
        store.delete(&bucket(), "race/k").await.unwrap();
    }
}

pub(crate) async fn matching_writes(store: Store) {
    let first = put(&store, "k", "first").await;
    let second =
        store.put(&bucket(), "k", body("second"), on(Condition::Matches(first.etag.clone()))).await.unwrap();
    let stale = store.put(&bucket(), "k", body("third"), on(Condition::Matches(first.etag))).await;
    assert_eq!(kind(stale), ErrorKind::Conflict);
    assert_eq!(text(&store, "k").await.as_deref(), Some("second"));
    for etag in ["", "nonsense", "*"] {
        let put = store.put(&bucket(), "k", body("x"), on(Condition::Matches(etag.to_owned()))).await;
        assert_eq!(kind(put), ErrorKind::Conflict, "{etag:?}");
    }
    let absent = store.put(&bucket(), "absent", body("x"), on(Condition::Matches(second.etag))).await;
    assert_eq!(kind(absent), ErrorKind::Conflict);
    assert_eq!(text(&store, "absent").await, None);
}

pub(crate) async fn one_of_many_matching_writes_wins(store: Store) {
    let mut etag = put(&store, "race/k", "start").await.etag;
    for _ in 0..10 {
        let winners = race(&store, Condition::Matches(etag)).await;
        assert_eq!(winners.len(), 1);
        assert_eq!(text(&store, "race/k").await, Some(winners[0].to_string()));
        etag = put(&store, "race/k", "start").await.etag;
    }
}

pub(crate) async fn a_condition_that_fails_changes_nothing(store: Store) {
    let old = put(&store, "k", "old").await;
    let options = PutOptions { content_type: Some("text/plain".to_owned()), ..on(Condition::Absent) };
    let put = store.put(&bucket(), "k", streamed(vec![Ok(pattern(500_000))], None), options).await;
    assert_eq!(kind(put), ErrorKind::Conflict);
    assert_eq!(store.head(&bucket(), "k").await.unwrap().unwrap(), old);
}

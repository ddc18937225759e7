//! Conditional writes, alone and against each other.

use futures_util::future;
use tandem_contract::{Condition, ErrorKind, PutOptions};

use super::cases::{Store, body, bucket, kind, on, pattern, put, same, streamed, text};

/// What the server cannot decide is refused, and changes nothing.
async fn refused(store: &Store) {
    let old = put(store, "k", "old").await;
    for condition in
        [Condition::Absent, Condition::Matches(old.etag.clone()), Condition::Matches("x".to_owned())]
    {
        for key in ["k", "absent"] {
            let write = store.put(&bucket(), key, body("new"), on(condition.clone())).await;
            assert_eq!(kind(write), ErrorKind::NotSupported, "{condition:?}");
            let pieces = (0..10).map(|_| Ok(pattern(1 << 20))).collect();
            let write = store.put(&bucket(), key, streamed(pieces, None), on(condition.clone())).await;
            assert_eq!(kind(write), ErrorKind::NotSupported, "{condition:?}");
        }
    }
    assert_eq!(text(store, "k").await.as_deref(), Some("old"));
    assert_eq!(text(store, "absent").await, None);
}

pub async fn absent_writes_once(store: Store) {
    if !store.conditions {
        return refused(&store).await;
    }
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
        let (store, options) = (store.clone(), on(condition.clone()));
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

pub async fn one_of_many_absent_writes_wins(store: Store) {
    if !store.conditions {
        return refused(&store).await;
    }
    for _ in 0..10 {
        let winners = race(&store, Condition::Absent).await;
        assert_eq!(winners.len(), 1);
        assert_eq!(text(&store, "race/k").await, Some(winners[0].to_string()));
        store.delete(&bucket(), "race/k").await.unwrap();
    }
}

pub async fn matching_writes(store: Store) {
    if !store.conditions {
        return refused(&store).await;
    }
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

pub async fn one_of_many_matching_writes_wins(store: Store) {
    if !store.conditions {
        return refused(&store).await;
    }
    let mut etag = put(&store, "race/k", "start").await.etag;
    for _ in 0..10 {
        let winners = race(&store, Condition::Matches(etag)).await;
        assert_eq!(winners.len(), 1);
        assert_eq!(text(&store, "race/k").await, Some(winners[0].to_string()));
        etag = put(&store, "race/k", "start").await.etag;
    }
}

pub async fn a_condition_that_fails_changes_nothing(store: Store) {
    if !store.conditions {
        return refused(&store).await;
    }
    let old = put(&store, "k", "old").await;
    let options = PutOptions { content_type: Some("text/plain".to_owned()), ..on(Condition::Absent) };
    let put = store.put(&bucket(), "k", streamed(vec![Ok(pattern(500_000))], None), options).await;
    assert_eq!(kind(put), ErrorKind::Conflict);
    let head = store.head(&bucket(), "k").await.unwrap().unwrap();
    assert!(same(&head, &old), "{head:?} {old:?}");
}

/// Larger than what a store may send at once.
pub async fn large_conditional_writes(store: Store) {
    if !store.conditions {
        return refused(&store).await;
    }
    let large = || streamed((0..40).map(|_| Ok(pattern(1 << 18))).collect(), None);
    let first = store.put(&bucket(), "k", large(), on(Condition::Absent)).await.unwrap();
    assert_eq!(first.size, 10 << 20);
    assert_eq!(kind(store.put(&bucket(), "k", large(), on(Condition::Absent)).await), ErrorKind::Conflict);
    let matches = || on(Condition::Matches(first.etag.clone()));
    store.put(&bucket(), "k", body("second"), matches()).await.unwrap();
    assert_eq!(kind(store.put(&bucket(), "k", large(), matches()).await), ErrorKind::Conflict);
    assert_eq!(text(&store, "k").await.as_deref(), Some("second"));
}

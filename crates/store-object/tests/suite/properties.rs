//! Any key, and any set of keys, against a model.

use std::collections::BTreeMap;
use std::slice::from_ref;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use tandem_contract::{BlobListing, Condition, PutOptions};

use super::cases::{Store, body, bucket, put, read};
use super::listing::{all_keys, keys, pages};

const ROUNDS: usize = 200;

/// Keys of every kind: any text, few letters that collide, and parts past a file name's limit.
fn any_key() -> impl Strategy<Value = String> {
    let fits = |key: &String| (1..=1024).contains(&key.len());
    prop_oneof![
        "[^\0]{1,60}",
        "[abAB/.%+~^ ]{1,12}",
        ("[aÄ./%]{1,4}", 1..400usize).prop_map(|(part, times)| part.repeat(times)),
    ]
    .prop_filter("1 to 1024 bytes", fits)
}

pub(crate) async fn any_key_comes_back(store: Store) {
    let mut runner = TestRunner::default();
    for _ in 0..ROUNDS {
        let key = any_key().new_tree(&mut runner).unwrap().current();
        put(&store, &key, &key).await;
        assert_eq!(read(&store, &key, None).await.as_deref(), Some(key.as_bytes()), "{key:?}");
        assert_eq!(store.head(&bucket(), &key).await.unwrap().unwrap().key, key);
        assert_eq!(all_keys(&store, "").await, from_ref(&key));
        assert_eq!(all_keys(&store, &key).await, from_ref(&key));
        let again = PutOptions { condition: Condition::Absent, ..PutOptions::default() };
        assert!(store.put(&bucket(), &key, body("x"), again).await.is_err(), "{key:?}");
        store.delete(&bucket(), &key).await.unwrap();
        assert_eq!(read(&store, &key, None).await, None, "{key:?}");
    }
}

pub(crate) async fn listings_match_a_model(store: Store) {
    let mut runner = TestRunner::default();
    let mut model = BTreeMap::new();
    let step = (prop_oneof![3 => "[ab/.A]{1,6}", 1 => any_key()], prop::bool::weighted(0.7));
    for round in 0..ROUNDS {
        let (key, write) = step.new_tree(&mut runner).unwrap().current();
        if write {
            model.insert(key.clone(), put(&store, &key, &round.to_string()).await.etag);
        } else {
            let key = model.keys().nth(round % model.len().max(1)).cloned().unwrap_or(key);
            store.delete(&bucket(), &key).await.unwrap();
            model.remove(&key);
        }
        let prefix = "[ab/.A]{0,2}".new_tree(&mut runner).unwrap().current();
        let limit = 1 + round % 7;
        let listing = BlobListing { prefix: prefix.clone(), limit: Some(limit), ..BlobListing::default() };
        let pages = pages(&store, listing).await;
        let expected: Vec<_> = model.keys().filter(|key| key.starts_with(&prefix)).cloned().collect();
        assert_eq!(keys(&pages), expected, "prefix {prefix:?}");
        for blob in pages.iter().flat_map(|page| &page.blobs) {
            assert_eq!(Some(&blob.etag), model.get(&blob.key), "{:?}", blob.key);
        }
    }
}

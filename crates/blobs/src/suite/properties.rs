//! Any key, and any set of keys, against a model.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::slice::from_ref;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use tandem_contract::{BlobListing, Condition, ErrorKind, PutOptions};

use super::cases::{Store, body, bucket, kind, put, read};
use super::listing::{all_keys, keys, pages};
use crate::aside;

/// Other keys in each run; what a failing test has printed makes the same ones again.
fn runner() -> TestRunner {
    const SEED: &str = "TANDEM_TEST_SEED";
    let given = std::env::var(SEED).ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| RandomState::new().build_hasher().finish());
    eprintln!("{SEED}={seed}");
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}

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

pub async fn any_key_comes_back(store: Store) {
    let mut runner = runner();
    for _ in 0..store.rounds {
        let key = any_key().new_tree(&mut runner).unwrap().current();
        if !store.long_keys && aside::name(&key).is_some_and(|name| name.len() > 1024) {
            let put = store.put(&bucket(), &key, body("x"), PutOptions::default()).await;
            assert_eq!(kind(put), ErrorKind::InvalidArgument, "{key:?}");
            continue;
        }
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

/// Whether one of two keys is a folder of the other, as servers see it that keep keys as files.
fn is_beside(one: &str, two: &str) -> bool {
    let below = |folder: &str, key: &str| key.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
    aside::is_ordinary(one) && aside::is_ordinary(two) && (below(one, two) || below(two, one))
}

pub async fn listings_match_a_model(store: Store) {
    let mut runner = runner();
    let mut model: BTreeMap<String, String> = BTreeMap::new();
    let short = any_key().prop_filter("fits everywhere", |key| key.len() <= 500);
    let step = (prop_oneof![3 => "[ab/.A]{1,6}", 1 => short], prop::bool::weighted(0.7));
    for round in 0..store.rounds {
        let (key, write) = step.new_tree(&mut runner).unwrap().current();
        if write && !store.beside_folders && model.keys().any(|other| is_beside(other, &key)) {
            let put = store.put(&bucket(), &key, body("x"), PutOptions::default()).await;
            assert_eq!(kind(put), ErrorKind::Conflict, "{key:?}");
        } else if write {
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

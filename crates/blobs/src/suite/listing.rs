//! Listing.

use std::slice::from_ref;

use futures_util::{FutureExt, StreamExt, stream};
use tandem_contract::{BlobListing, BlobMeta, BlobPage, ErrorKind};

use super::cases::{Store, bucket, kind, put, same};

/// Every page of a listing.
pub async fn pages(store: &Store, listing: BlobListing) -> Vec<BlobPage> {
    let mut pages = Vec::new();
    let mut cursor = None;
    loop {
        let page = store.list(&bucket(), BlobListing { cursor, ..listing.clone() }).await.unwrap();
        cursor = page.next.clone();
        pages.push(page);
        if cursor.is_none() {
            return pages;
        }
    }
}

/// Every key that starts with `prefix`, as listed.
pub async fn all_keys(store: &Store, prefix: &str) -> Vec<String> {
    let listing = BlobListing { prefix: prefix.to_owned(), ..BlobListing::default() };
    keys(&pages(store, listing).await)
}

pub fn keys(pages: &[BlobPage]) -> Vec<String> {
    pages.iter().flat_map(|page| &page.blobs).map(|blob| blob.key.clone()).collect()
}

/// Keys that cannot be beside a folder of their name are left out where the server lacks that.
async fn fill(store: &Store, keys: &[&str]) -> Vec<String> {
    let is_folder =
        |key: &&&str| keys.iter().any(|other| other.starts_with(&format!("{key}/")) && !other.ends_with('/'));
    let keys = keys.iter().filter(|key| store.beside_folders || !is_folder(key));
    let mut filled: Vec<String> = keys.map(|key| (*key).to_owned()).collect();
    filled.sort_unstable();
    for key in &filled {
        put(store, key, key).await;
    }
    filled
}

fn folded(prefix: &str, delimiter: &str) -> BlobListing {
    BlobListing { prefix: prefix.to_owned(), delimiter: Some(delimiter.to_owned()), ..BlobListing::default() }
}

pub async fn listing_in_byte_order(store: Store) {
    assert!(all_keys(&store, "").await.is_empty());
    let long = "a".repeat(500);
    let longer = "a".repeat(141) + "/x";
    let keys = [
        "a/b", "a.b", "a", "a0", "a/", "a-b", "B", "b", "ä", "z", "a/b/c", "a/b.c", "a!", "~", "A/z", "_",
        "/", "Z", &long, &longer,
    ];
    let keys = fill(&store, &keys).await;
    assert_eq!(all_keys(&store, "").await, keys);
}

pub async fn listing_tells_size_and_etag(store: Store) {
    let meta = put(&store, "a/k", "12345").await;
    let page = store.list(&bucket(), BlobListing::default()).await.unwrap();
    let [listed] = page.blobs.as_slice() else { panic!("{page:?}") };
    assert_eq!((&listed.key, listed.size, &listed.etag), (&meta.key, 5, &meta.etag));
    assert!(same(&BlobMeta { content_type: meta.content_type.clone(), ..listed.clone() }, &meta));
    assert!(listed.metadata.is_empty());
}

pub async fn listings_that_were_left_are_not_gone_on_with(store: Store) {
    let mut names: Vec<String> = (10..60).map(|number| format!("k{number}")).collect();
    for name in &names {
        put(&store, name, name).await;
    }
    for limit in [1, 4, 5, 10] {
        let listing = BlobListing { limit: Some(limit), ..BlobListing::default() };
        store.list(&bucket(), listing.clone()).await.unwrap();
        for after in ["k29", "k39", "k40"] {
            let name = format!("{after}-{limit}");
            put(&store, &name, "new").await;
            names.push(name);
        }
        names.sort_unstable();
        assert_eq!(keys(&pages(&store, listing).await), names, "{limit}");
    }
}

pub async fn pages_of_a_folder_begin_with_its_own_key(store: Store) {
    let keys_put = fill(&store, &["a/", "a/b", "a/c", "a0"]).await;
    let listing = BlobListing { prefix: "a/".to_owned(), limit: Some(1), ..BlobListing::default() };
    assert_eq!(keys(&pages(&store, listing).await), keys_put[..3]);
}

pub async fn prefixes_are_characters(store: Store) {
    fill(
        &store,
        &["photo", "photos/", "photos/a", "photos/b/c", "photosynthesis", "Photos/x", "phot%", "phot%2F"],
    )
    .await;
    assert_eq!(all_keys(&store, "photos").await, ["photos/", "photos/a", "photos/b/c", "photosynthesis"]);
    assert_eq!(all_keys(&store, "photos/").await, ["photos/", "photos/a", "photos/b/c"]);
    assert_eq!(all_keys(&store, "photos/b").await, ["photos/b/c"]);
    assert_eq!(all_keys(&store, "photos/b/c").await, ["photos/b/c"]);
    assert_eq!(all_keys(&store, "phot%").await, ["phot%", "phot%2F"]);
    for prefix in ["photos/b/c/", "x", "photos/../photos", "\0", "photos//"] {
        assert!(all_keys(&store, prefix).await.is_empty(), "{prefix:?}");
    }
}

/// What a listing of `keys` holds: keys, and the prefixes that the delimiter folds others into.
fn model(keys: &[String], prefix: &str, delimiter: &str) -> (Vec<String>, Vec<String>) {
    let (mut blobs, mut prefixes) = (Vec::new(), Vec::new());
    for key in keys.iter().filter(|key| key.starts_with(prefix)) {
        match key[prefix.len()..].find(delimiter).filter(|_| !delimiter.is_empty()) {
            Some(at) => prefixes.push(key[..prefix.len() + at + delimiter.len()].to_owned()),
            None => blobs.push(key.clone()),
        }
    }
    prefixes.dedup();
    (blobs, prefixes)
}

pub async fn delimiters_fold(store: Store) {
    let filled = fill(
        &store,
        &["a", "a!", "a-b/c", "a/", "a/b", "a/b-", "a/b/c", "a/d/e", "a0", "b/c/d", "c-d-e", "e//f", "e/g/h"],
    )
    .await;
    for (prefix, delimiter) in [
        ("", "/"),
        ("a", "/"),
        ("a/", "/"),
        ("a/b", "/"),
        ("a/b/", "/"),
        ("a-", "/"),
        ("e/", "/"),
        ("e//", "/"),
        ("b", "/"),
        ("x", "/"),
        ("c", "-"),
        ("", "-"),
        ("", "/b/"),
        ("", "a"),
        ("", ""),
        ("a", ""),
    ] {
        let page = store.list(&bucket(), folded(prefix, delimiter)).await.unwrap();
        let expected = model(&filled, prefix, delimiter);
        assert_eq!((keys(from_ref(&page)), page.prefixes), expected, "{prefix:?} {delimiter:?}");
    }
}

pub async fn folders_are_listed_lazily(store: Store) {
    // A folder that lost its last object is no prefix any more.
    fill(&store, &["a/x", "b/x", "b/y/z", "c/x"]).await;
    store.delete(&bucket(), "a/x").await.unwrap();
    store.delete(&bucket(), "b/y/z").await.unwrap();
    let page = store.list(&bucket(), folded("", "/")).await.unwrap();
    assert_eq!(page.prefixes, ["b/", "c/"]);
    assert_eq!(page.next, None);
}

pub async fn pages_hold_the_limit(store: Store) {
    fill(&store, &["a", "b/1", "b/2", "c", "d/1", "d/2", "e"]).await;
    for limit in 1..9 {
        let listing = BlobListing { limit: Some(limit), ..folded("", "/") };
        let pages = pages(&store, listing).await;
        assert!(pages.iter().all(|page| page.blobs.len() + page.prefixes.len() <= limit));
        assert_eq!(pages.len(), 5usize.div_ceil(limit), "limit {limit}");
        assert_eq!(keys(&pages), ["a", "c", "e"]);
        let prefixes: Vec<_> = pages.iter().flat_map(|page| page.prefixes.clone()).collect();
        assert_eq!(prefixes, ["b/", "d/"]);
    }
}

pub async fn pages_survive_changes(store: Store) {
    fill(&store, &["a", "c", "e", "g/1", "g/2", "i"]).await;
    let listing = BlobListing { limit: Some(2), ..folded("", "/") };
    let first = store.list(&bucket(), listing.clone()).await.unwrap();
    assert_eq!(keys(from_ref(&first)), ["a", "c"]);
    // The last one listed goes, one comes before the cursor and one after it.
    store.delete(&bucket(), "c").await.unwrap();
    fill(&store, &["b", "d"]).await;
    let second = store.list(&bucket(), BlobListing { cursor: first.next, ..listing.clone() }).await.unwrap();
    assert_eq!(keys(from_ref(&second)), ["d", "e"]);
    let third = store
        .list(&bucket(), BlobListing { cursor: second.next, limit: Some(1), ..listing.clone() })
        .await
        .unwrap();
    assert_eq!(third.prefixes, ["g/"]);
    fill(&store, &["g/3"]).await;
    store.delete(&bucket(), "g/1").await.unwrap();
    let last = store.list(&bucket(), BlobListing { cursor: third.next, ..listing }).await.unwrap();
    assert_eq!((keys(from_ref(&last)), last.prefixes, last.next), (vec!["i".to_owned()], vec![], None));
}

pub async fn many_keys_page_by_page(store: Store) {
    // More than one page of the default size, and more in one folder than are held at once.
    let names: Vec<String> = (0..5000).map(|n| format!("many/{n:05}")).collect();
    let written = stream::iter(&names).for_each_concurrent(16, |name| put(&store, name, "").map(drop));
    written.await;
    put(&store, "many.last", "").await;
    let pages = pages(&store, BlobListing { prefix: "many/".to_owned(), ..BlobListing::default() }).await;
    assert_eq!(pages.iter().map(|page| page.blobs.len()).collect::<Vec<_>>(), [1000; 5]);
    assert_eq!(keys(&pages), names);
    let all = BlobListing { limit: Some(usize::MAX), ..BlobListing::default() };
    assert_eq!(store.list(&bucket(), all).await.unwrap().blobs.len(), 5001);
}

pub async fn bad_listings_are_refused(store: Store) {
    let listing = BlobListing { limit: Some(0), ..BlobListing::default() };
    assert_eq!(kind(store.list(&bucket(), listing).await), ErrorKind::InvalidArgument);
}

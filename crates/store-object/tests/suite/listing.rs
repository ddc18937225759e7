//! Listing.

use std::slice::from_ref;

use tandem_contract::{BlobListing, BlobPage, ErrorKind};

use super::cases::{Store, bucket, kind, put};

/// Every page of a listing.
pub(crate) async fn pages(store: &Store, listing: BlobListing) -> Vec<BlobPage> {
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
pub(crate) async fn all_keys(store: &Store, prefix: &str) -> Vec<String> {
    let listing = BlobListing { prefix: prefix.to_owned(), ..BlobListing::default() };
    keys(&pages(store, listing).await)
}

pub(crate) fn keys(pages: &[BlobPage]) -> Vec<String> {
    pages.iter().flat_map(|page| &page.blobs).map(|blob| blob.key.clone()).collect()
}

async fn fill(store: &Store, keys: &[&str]) {
    for key in keys {
        put(store, key, key).await;
    }
}

fn folded(prefix: &str, delimiter: &str) -> BlobListing {
    BlobListing { prefix: prefix.to_owned(), delimiter: Some(delimiter.to_owned()), ..BlobListing::default() }
}

pub(crate) async fn listing_in_byte_order(store: Store) {
    assert!(all_keys(&store, "").await.is_empty());
    let long = "a".repeat(500);
    let longer = "a".repeat(141) + "/x";
    let mut keys = vec![
        "a/b", "a.b", "a", "a0", "a/", "a-b", "B", "b", "ä", "z", "a/b/c", "a/b.c", "a!", "~", "A/z", "_",
        "/", "Z", &long, &longer,
    ];
    fill(&store, &keys).await;
    keys.sort_unstable();
    assert_eq!(all_keys(&store, "").await, keys);
}

pub(crate) async fn listing_tells_size_and_etag(store: Store) {
    let meta = put(&store, "a/k", "12345").await;
    let page = store.list(&bucket(), BlobListing::default()).await.unwrap();
    let [listed] = page.blobs.as_slice() else { panic!("{page:?}") };
    assert_eq!((&listed.key, listed.size, &listed.etag), (&meta.key, 5, &meta.etag));
    assert_eq!(listed.last_modified, meta.last_modified);
    assert!(listed.metadata.is_empty());
}

pub(crate) async fn prefixes_are_characters(store: Store) {
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

pub(crate) async fn delimiters_fold(store: Store) {
    fill(&store, &["a", "a/", "a/b", "a/b/c", "a/d/e", "b/c/d", "c-d-e", "e//f"]).await;
    let page = store.list(&bucket(), folded("", "/")).await.unwrap();
    assert_eq!(
        (keys(from_ref(&page)), page.prefixes),
        (vec!["a".into(), "c-d-e".into()], vec!["a/".into(), "b/".into(), "e/".into()])
    );
    let page = store.list(&bucket(), folded("a/", "/")).await.unwrap();
    assert_eq!(
        (keys(from_ref(&page)), page.prefixes),
        (vec!["a/".into(), "a/b".into()], vec!["a/b/".into(), "a/d/".into()])
    );
    let page = store.list(&bucket(), folded("a", "/")).await.unwrap();
    assert_eq!((keys(from_ref(&page)), page.prefixes), (vec!["a".into()], vec!["a/".into()]));
    let page = store.list(&bucket(), folded("e/", "/")).await.unwrap();
    assert_eq!((keys(from_ref(&page)), page.prefixes), (vec![], vec!["e//".into()]));
    let page = store.list(&bucket(), folded("c", "-")).await.unwrap();
    assert_eq!(page.prefixes, ["c-"]);
    let page = store.list(&bucket(), folded("", "/b/")).await.unwrap();
    assert_eq!(page.prefixes, ["a/b/"]);
    assert_eq!(page.blobs.len(), 7);
    let page = store.list(&bucket(), folded("", "")).await.unwrap();
    assert_eq!((page.blobs.len(), page.prefixes.len()), (8, 0));
}

pub(crate) async fn folders_are_listed_lazily(store: Store) {
    // A folder that lost its last object is no prefix any more.
    fill(&store, &["a/x", "b/x", "b/y/z", "c/x"]).await;
    store.delete(&bucket(), "a/x").await.unwrap();
    store.delete(&bucket(), "b/y/z").await.unwrap();
    let page = store.list(&bucket(), folded("", "/")).await.unwrap();
    assert_eq!(page.prefixes, ["b/", "c/"]);
    assert_eq!(page.next, None);
}

pub(crate) async fn pages_hold_the_limit(store: Store) {
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

pub(crate) async fn pages_survive_changes(store: Store) {
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

pub(crate) async fn many_keys_page_by_page(store: Store) {
    // More than one page of the default size, and more in one folder than are held at once.
    let names: Vec<String> = (0..5000).map(|n| format!("many/{n:05}")).collect();
    for name in &names {
        put(&store, name, "").await;
    }
    put(&store, "many.last", "").await;
    let pages = pages(&store, BlobListing { prefix: "many/".to_owned(), ..BlobListing::default() }).await;
    assert_eq!(pages.iter().map(|page| page.blobs.len()).collect::<Vec<_>>(), [1000; 5]);
    assert_eq!(keys(&pages), names);
    let all = BlobListing { limit: Some(usize::MAX), ..BlobListing::default() };
    assert_eq!(store.list(&bucket(), all).await.unwrap().blobs.len(), 5001);
}

pub(crate) async fn bad_listings_are_refused(store: Store) {
    let listing = BlobListing { limit: Some(0), ..BlobListing::default() };
    assert_eq!(kind(store.list(&bucket(), listing).await), ErrorKind::InvalidArgument);
}

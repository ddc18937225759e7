//! No URL that was not signed here is honoured.
#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use tandem_contract::{Bucket, PresignMethod, SystemClock};
use tandem_runtime::signed_url::SignedUrls;

static URLS: LazyLock<SignedUrls> =
    LazyLock::new(|| SignedUrls::with_key([7; 32], "http://127.0.0.1", Arc::new(SystemClock)).unwrap());

fuzz_target!(|data: &str| {
    let mut parts = data.splitn(3, '\n');
    let (key, query) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let bucket = Bucket::new("default").unwrap();
    for method in [PresignMethod::Get, PresignMethod::Put] {
        assert!(URLS.verify(method, &bucket, key, query, parts.next()).is_err());
    }
});

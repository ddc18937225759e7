//! The behaviour suite on the clouds' emulators, where an account of Azurite is in `TANDEM_TEST_AZURE`
//! (as JSON) and an address in `TANDEM_TEST_GCS`: no other server speaks these languages. `cargo xtask services`
//! starts Azurite. Nothing starts one of Google's: the one on PyPI lacks the XML interface.
#![cfg(test)]
#![cfg(all(feature = "azure", feature = "gcs"))]

use std::path::Path;
use std::sync::{Arc, LazyLock};

use serde_json::json;
use tandem_blobs::behavior_suite;
use tandem_blobs::suite::Subject;
use tandem_contract::{
    BackendFactory, BlobListing, BlobStore, Bucket, OpenContext, SystemClock, SystemEntropy,
};
use tandem_store_object::{AzureFactory, GcsFactory};
use tokio::sync::{Mutex, OwnedMutexGuard};

behavior_suite!(azure);
behavior_suite!(gcs);

type Turn = OwnedMutexGuard<()>;

fn context() -> OpenContext {
    OpenContext {
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        base: Path::new(".").to_owned(),
    }
}

/// What tells of an emulator that has the containers `default`, `default-2` and `other-bucket-1`.
fn emulator(variable: &str, required: bool) -> Option<String> {
    let told = std::env::var(variable).ok();
    if told.is_none() {
        let needed = required && std::env::var_os("TANDEM_REQUIRE_ALL").is_some();
        assert!(!needed, "{variable} is not set: no emulator to test on");
        eprintln!("NOT TESTED: no emulator, {variable} is not set");
    }
    told
}

async fn azure() -> (Option<Subject>, Turn) {
    static TURN: LazyLock<Arc<Mutex<()>>> = LazyLock::new(Arc::default);
    let turn = Arc::clone(&TURN).lock_owned().await;
    let Some(account) = emulator("TANDEM_TEST_AZURE", true) else { return (None, turn) };
    let account: serde_json::Value = serde_json::from_str(&account).unwrap();
    let config = json!({
        "endpoint": account["endpoint"], "emulator": true, "account": account["account"],
        "access_key": account["access_key"],
    });
    let store = AzureFactory::open(serde_json::from_value(config).unwrap(), context()).await.unwrap();
    (Some(emptied(store).await), turn)
}

async fn gcs() -> (Option<Subject>, Turn) {
    static TURN: LazyLock<Arc<Mutex<()>>> = LazyLock::new(Arc::default);
    let turn = Arc::clone(&TURN).lock_owned().await;
    let Some(endpoint) = emulator("TANDEM_TEST_GCS", false) else { return (None, turn) };
    let config = json!({ "endpoint": endpoint, "anonymous": true });
    let store = GcsFactory::open(serde_json::from_value(config).unwrap(), context()).await.unwrap();
    (Some(emptied(store).await), turn)
}

async fn emptied(store: Arc<dyn BlobStore>) -> Subject {
    for bucket in ["default", "default-2", "other-bucket-1"] {
        let bucket = Bucket::new(bucket).unwrap();
        let all = BlobListing { limit: Some(10_000), ..BlobListing::default() };
        let keys: Vec<String> =
            store.list(&bucket, all).await.unwrap().blobs.into_iter().map(|blob| blob.key).collect();
        store.delete_many(&bucket, &keys).await.unwrap();
    }
    let mut subject = Subject::from(store);
    subject.long_keys = false;
    subject.rounds = 60;
    subject
}

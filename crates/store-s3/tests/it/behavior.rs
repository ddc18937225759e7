//! What every blob store does, on every S3 server.

use std::sync::{Arc, LazyLock};

use tandem_blobs::behavior_suite;
use tandem_blobs::suite::{Renamed, Subject};
use tandem_contract::{BlobListing, BlobStore, Bucket};
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::servers::{self, Server};

behavior_suite!(seaweedfs);
behavior_suite!(juicefs);

/// One test at a time on a server: its buckets are few, because each costs SeaweedFS volumes.
type Turn = OwnedMutexGuard<()>;

async fn seaweedfs() -> (Option<Subject>, Turn) {
    static TURN: LazyLock<Arc<Mutex<()>>> = LazyLock::new(Arc::default);
    let turn = Arc::clone(&TURN).lock_owned().await;
    (on(named("seaweedfs")).await, turn)
}

async fn juicefs() -> (Option<Subject>, Turn) {
    static TURN: LazyLock<Arc<Mutex<()>>> = LazyLock::new(Arc::default);
    let turn = Arc::clone(&TURN).lock_owned().await;
    (on(named("juicefs")).await, turn)
}

async fn on(server: Option<Server>) -> Option<Subject> {
    let server = server?;
    let store: Arc<dyn BlobStore> =
        Arc::new(Renamed::new(servers::open(server.settings()).await.unwrap(), "suite-"));
    for bucket in ["default", "default-2", "other-bucket-1"] {
        empty(&*store, &Bucket::new(bucket).unwrap()).await;
    }
    let mut subject = Subject::from(store);
    // What JuiceFS is known to lack: any other server that lacks it fails.
    subject.conditions = server.name != "juicefs";
    subject.beside_folders = server.name != "juicefs";
    subject.whole_versions = server.name != "juicefs";
    // A key that is set aside has a longer name, and S3 has a limit.
    subject.long_keys = false;
    subject.rounds = 60;
    Some(subject)
}

async fn empty(store: &dyn BlobStore, bucket: &Bucket) {
    for _ in 0..3 {
        let page =
            store.list(bucket, BlobListing { limit: Some(10_000), ..BlobListing::default() }).await.unwrap();
        let keys: Vec<String> = page.blobs.into_iter().map(|blob| blob.key).collect();
        if keys.is_empty() {
            return;
        }
        store.delete_many(bucket, &keys).await.unwrap();
    }
    panic!("the bucket {bucket} cannot be emptied");
}

/// The server of that name.
pub(crate) fn named(name: &str) -> Option<Server> {
    let all = servers::all();
    let found = all.iter().find(|server| server.name == name).cloned();
    if found.is_none() && !all.is_empty() {
        assert!(std::env::var_os("TANDEM_REQUIRE_ALL").is_none(), "TANDEM_TEST_S3 names no {name}");
        eprintln!("NOT TESTED: TANDEM_TEST_S3 names no {name}");
    }
    found
}

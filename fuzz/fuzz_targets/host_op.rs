//! Every operation of the host takes any text and any bytes.
#![no_main]

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use tandem_cloud::{CloudHost, CloudParts, FetchSettings, StorageSettings};
use tandem_contract::{
    BackendFactory, BlobStore, DocumentStore, Host, HostArgs, Invocation, InvocationInput, LogLimits, OpMode,
    OpenContext, Payload, RequestHead, SystemClock, SystemEntropy,
};
use tandem_store_object::{MemoryConfig, MemoryFactory};
use tandem_store_sqlite::{SqliteConfig, SqliteFactory};

struct Fixture {
    runtime: tokio::runtime::Runtime,
    host: Arc<CloudHost>,
    _folder: tempfile::TempDir,
}

static FIXTURE: LazyLock<Fixture> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let context = || OpenContext {
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        base: folder.path().to_owned(),
    };
    let host = runtime.block_on(async {
        let sqlite = SqliteConfig { path: "fuzz.db".into(), ..SqliteConfig::default() };
        let documents: Arc<dyn DocumentStore> =
            <SqliteFactory as BackendFactory<dyn DocumentStore>>::open(sqlite, context()).await.unwrap();
        let blobs: Arc<dyn BlobStore> =
            MemoryFactory::open(MemoryConfig::default(), context()).await.unwrap();
        CloudHost::new(CloudParts {
            documents,
            blobs,
            signer: None,
            env: BTreeMap::new(),
            storage: StorageSettings { default_bucket: "default".to_owned(), buckets: Vec::new() },
            fetch: FetchSettings::default(),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
        })
        .unwrap()
    });
    Fixture { runtime, host, _folder: folder }
});

fn invocation() -> Arc<Invocation> {
    Arc::new(Invocation::new(InvocationInput {
        function: "fuzz".into(),
        request_id: "fuzz".into(),
        head: RequestHead::default(),
        payload: Payload::Json(Bytes::from_static(b"{}")),
        deadline: Instant::now() + Duration::from_secs(2),
        cpu_time: Duration::from_secs(2),
        depth: 0,
        log_limits: LogLimits { lines: 16, line_limit: 1024 },
    }))
}

fuzz_target!(|data: &[u8]| {
    let [op, split, rest @ ..] = data else { return };
    let Fixture { runtime, host, .. } = &*FIXTURE;
    let op = usize::from(*op) % host.ops().len();
    let (text, bytes) = rest.split_at(usize::from(*split).min(rest.len()));
    let args = HostArgs {
        text: String::from_utf8_lossy(text).into_owned(),
        bytes: (!bytes.is_empty()).then(|| Bytes::copy_from_slice(bytes)),
    };
    let (invocation, id) = (invocation(), u32::try_from(op).unwrap());
    match host.ops()[op].mode {
        OpMode::Sync => drop(host.call_sync(&invocation, id, args)),
        OpMode::Async => {
            let call = host.call(&invocation, id, args);
            let _ = runtime.block_on(async { tokio::time::timeout(Duration::from_secs(2), call).await });
        }
    }
});

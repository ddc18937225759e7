//! Other programs read what Tandem writes, and the other way round: boto3 and the AWS SDK for
//! JavaScript, which the tests install for themselves.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use tandem_contract::{BlobBody, BlobStore, Bucket, Condition, PutOptions};

use crate::servers::{self, Server};

const CONTENT_TYPE: &str = "text/html; charset=utf-8";
/// More than a part of an upload.
const LARGE: usize = 12 << 20;

/// What another program found.
#[derive(Debug, Deserialize, PartialEq, Eq)]
struct Found {
    sha256: String,
    content_type: String,
    metadata: BTreeMap<String, String>,
}

#[tokio::test]
async fn boto3() {
    let install = |folder: &Path| {
        run(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
        run(Command::new(folder.join("bin/python")).args([
            "-m",
            "pip",
            "install",
            "-q",
            "--disable-pip-version-check",
            "boto3",
        ]))
    };
    let Some(folder) = installed("boto3", install) else { return };
    let python = folder.join("bin/python");
    let script = source("boto.py");
    exchange("boto3", || {
        let mut command = Command::new(&python);
        command.arg(&script);
        command
    })
    .await;
}

#[tokio::test]
async fn aws_sdk_for_javascript() {
    let install = |folder: &Path| {
        std::fs::create_dir_all(folder).map_err(|error| error.to_string())?;
        run(Command::new("npm")
            .args(["install", "--silent", "--no-audit", "--no-fund", "--prefix"])
            .arg(folder)
            .arg("@aws-sdk/client-s3@3"))
    };
    let Some(folder) = installed("aws-sdk-js", install) else { return };
    let script = source("sdk.mjs");
    exchange("sdk-js", || {
        let mut command = Command::new("node");
        command.arg(&script).arg(&folder);
        command
    })
    .await;
}

/// The folder with the client in it, installed once; tried again where a download breaks off. Where
/// it cannot be had, a run that requires everything fails.
fn installed(name: &str, install: impl Fn(&Path) -> Result<(), String>) -> Option<PathBuf> {
    const PAUSES: [u64; 3] = [2, 10, 30];
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let done = folder.join("installed");
    if done.exists() {
        return Some(folder);
    }
    let mut outcome = install(&folder);
    for pause in PAUSES {
        if outcome.is_ok() {
            break;
        }
        std::thread::sleep(Duration::from_secs(pause));
        outcome = install(&folder);
    }
    match outcome {
        Ok(()) => {
            std::fs::write(done, "").unwrap();
            Some(folder)
        }
        Err(error) => {
            assert!(std::env::var_os("TANDEM_REQUIRE_ALL").is_none(), "{name} cannot be installed: {error}");
            eprintln!("NOT TESTED: {name} cannot be installed: {error}");
            None
        }
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/clients").join(name)
}

/// Tandem writes, the client reads all and writes its own, Tandem reads those.
async fn exchange(name: &str, client: impl Fn() -> Command) {
    for server in servers::all() {
        let store = servers::open(server.settings()).await.unwrap();
        let bucket = Bucket::new("clients").unwrap();
        let metadata = BTreeMap::from([
            ("author".to_owned(), "Ada L.".to_owned()),
            ("x-n_1".to_owned(), "a, b; \"c\"".to_owned()),
        ]);
        let objects = objects(name);
        let mut expected = BTreeMap::new();
        for (key, bytes) in &objects {
            write(&store, &bucket, key, bytes, &metadata).await;
            let found = Found {
                sha256: sha256(bytes),
                content_type: CONTENT_TYPE.to_owned(),
                metadata: metadata.clone(),
            };
            expected.insert(key.clone(), found);
        }
        let theirs: BTreeMap<String, &Bytes> =
            objects.iter().map(|(key, bytes)| (format!("{key} theirs"), bytes)).collect();
        let task = json!({
            "endpoint": server.endpoint, "region": server.region, "bucket": "clients",
            "access_key": server.access_key, "secret_key": server.secret_key,
            "read": objects.keys().collect::<Vec<_>>(),
            "write": theirs.iter().map(|(key, bytes)| json!({
                "key": key, "body": STANDARD.encode(bytes), "content_type": CONTENT_TYPE, "metadata": metadata,
            })).collect::<Vec<_>>(),
        });
        let found = ask(&server, client(), &task.to_string());
        assert_eq!(found, expected, "{}", server.name);
        for (key, bytes) in &theirs {
            let read = store.get(&bucket, key, None).await.unwrap().unwrap();
            assert_eq!(read.meta.content_type.as_deref(), Some(CONTENT_TYPE), "{} {key:?}", server.name);
            assert_eq!(read.meta.metadata, metadata, "{} {key:?}", server.name);
            let pieces: Vec<Bytes> = read.stream.try_collect().await.unwrap();
            assert_eq!(sha256(&pieces.concat()), sha256(bytes), "{} {key:?}", server.name);
        }
    }
}

fn objects(name: &str) -> BTreeMap<String, Bytes> {
    let large: Bytes = (0..LARGE).map(|at| (at * 31 % 251) as u8).collect();
    BTreeMap::from([
        (format!("{name}/empty"), Bytes::new()),
        (format!("{name}/a b+c%20&d=é/日本🦀"), Bytes::from_static(b"small\0\xff")),
        (format!("{name}/large"), large),
    ])
}

async fn write(
    store: &Arc<dyn BlobStore>,
    bucket: &Bucket,
    key: &str,
    bytes: &Bytes,
    metadata: &BTreeMap<String, String>,
) {
    let pieces: Vec<_> = bytes.chunks(300_000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    let body = BlobBody::Stream { stream: stream::iter(pieces).boxed(), length: None };
    let options = PutOptions {
        content_type: Some(CONTENT_TYPE.to_owned()),
        metadata: metadata.clone(),
        condition: Condition::None,
    };
    store.put(bucket, key, body, options).await.unwrap();
}

fn ask(server: &Server, mut client: Command, task: &str) -> BTreeMap<String, Found> {
    let mut child =
        client.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(task.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}: {}", server.name, String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

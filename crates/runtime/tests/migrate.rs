//! `tandem migrate` between real stores, there and back, ended in the middle and finished.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bson::{Bson, Document, doc};
use bytes::Bytes;
use futures_util::TryStreamExt as _;
use serde_json::Value;
use tandem_contract::{
    BlobBody, Bucket, Expected, Find, FunctionDraft, FunctionName, IndexSpec, Language, OpenContext,
    PutOptions, SystemClock, SystemEntropy, Target,
};
use tandem_runtime::builtins;
use tandem_runtime::config::{Sources, load};
use tandem_runtime::stores::Stores;
use tempfile::TempDir;

/// Long enough for a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);
const FUNCTIONS: usize = 40;
const DOCUMENTS: usize = 3_000;
const OBJECTS: usize = 60;

/// Two configurations side by side.
struct Sides {
    folder: TempDir,
}

impl Sides {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn embedded(&self, name: &str) -> PathBuf {
        let at = self.folder.path().join(name);
        self.write(
            name,
            &format!(
                "[functions]\nbackend = \"sqlite\"\n[functions.sqlite]\npath = {:?}\n[storage]\nbackend = \"local\"\n[storage.local]\nroot = {:?}\n",
                at.join("tandem.db"),
                at.join("objects")
            ),
        )
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let file = self.folder.path().join(format!("{name}.toml"));
        std::fs::write(&file, text).unwrap();
        file
    }

    fn command(&self, from: &Path, to: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tandem"));
        command.arg("migrate").arg("--from").arg(from).arg("--to").arg(to).arg("--json");
        command
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn migrate(&self, from: &Path, to: &Path) -> Value {
        let output = self.command(from, to).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

fn said(output: &Output) -> String {
    format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

async fn open(file: &Path) -> Stores {
    let registry = builtins::registry();
    let sources = Sources { files: vec![file.to_owned()], ..Sources::default() };
    let config = load(&sources, &registry).unwrap().config;
    let context = OpenContext {
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        base: PathBuf::from("."),
    };
    Stores::open(&config, &registry, &context).await.unwrap()
}

fn target(collection: &str) -> Target {
    Target { collection: collection.to_owned(), transaction: None, timeout: None }
}

async fn fill(stores: &Stores) {
    for number in 0..FUNCTIONS {
        let draft = FunctionDraft {
            name: FunctionName::new(format!("group/f{number}")).unwrap(),
            source: format!("export default () => {number}"),
            language: Language::TypeScript,
            compiled: format!("export default () => {number};"),
            source_map: Some("{}".to_owned()),
            hash: format!("hash {number}"),
            methods: vec!["GET".to_owned()],
            description: "a number".to_owned(),
        };
        stores.functions.put(draft, Expected::Any).await.unwrap();
    }
    let documents = (0..DOCUMENTS).map(|number| {
        let number = i32::try_from(number).unwrap();
        doc! { "_id": number, "z": f64::NAN, "a": { "text": "x".repeat(200), "n": number }, "long": 1i64 << 40 }
    });
    stores.documents.insert(&target("many"), documents.collect(), true).await.unwrap();
    let odd = vec![doc! { "_id": { "x": 1, "y": [2] }, "a": 1 }, doc! { "_id": "text", "b": Bson::Null }];
    stores.documents.insert(&target("odd"), odd, true).await.unwrap();
    let index = IndexSpec {
        keys: doc! { "a.n": -1 },
        name: Some("by_n".to_owned()),
        unique: true,
        sparse: false,
        partial_filter: None,
        expire_after_seconds: None,
    };
    stores.documents.create_index(&target("many"), index).await.unwrap();
    let bucket = Bucket::new("default").unwrap();
    for number in 0..OBJECTS {
        let options = PutOptions {
            content_type: Some("text/plain".to_owned()),
            metadata: BTreeMap::from([("owner".to_owned(), number.to_string())]),
            ..PutOptions::default()
        };
        let body = BlobBody::Bytes(Bytes::from(vec![b'x'; number * 1000]));
        stores.blobs.put(&bucket, &format!("folder/Ünder {number}.txt"), body, options).await.unwrap();
    }
}

/// Everything that a copy keeps, as text that is equal when it is.
async fn contents(stores: &Stores) -> Vec<String> {
    let mut all = Vec::new();
    for summary in stores.functions.list(None, 1000).await.unwrap().functions {
        let function = stores.functions.get(&summary.name).await.unwrap().unwrap();
        all.push(format!(
            "{} {} {:?} {:?} {:?} {} {:?} {}",
            function.name,
            function.source,
            function.language,
            function.compiled,
            function.source_map,
            function.hash,
            function.methods,
            function.description
        ));
    }
    for name in stores.documents.list_collections().await.unwrap() {
        let found = stores.documents.find(&target(&name), Find::default()).await.unwrap();
        let mut found: Vec<String> = found
            .try_collect::<Vec<Document>>()
            .await
            .unwrap()
            .iter()
            .map(|document| format!("{name} {document:?}"))
            .collect();
        found.sort();
        all.extend(found);
        all.push(format!("{name} {:?}", stores.documents.list_indexes(&target(&name)).await.unwrap()));
    }
    let bucket = Bucket::new("default").unwrap();
    for blob in stores.blobs.list(&bucket, Default::default()).await.unwrap().blobs {
        let read = stores.blobs.get(&bucket, &blob.key, None).await.unwrap().unwrap();
        let bytes: Vec<Bytes> = read.stream.try_collect().await.unwrap();
        let meta = (read.meta.key, read.meta.content_type, read.meta.metadata);
        all.push(format!("{meta:?} {}", bytes.concat().len()));
    }
    all
}

async fn close(stores: Stores) -> Vec<String> {
    let all = contents(&stores).await;
    stores.close().await;
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_copied_once_and_what_changed_is_copied_again() {
    let sides = Sides::new();
    let (from, to) = (sides.embedded("from"), sides.embedded("to"));
    let source = open(&from).await;
    fill(&source).await;
    let kept = close(source).await;
    let report = sides.migrate(&from, &to);
    assert_eq!(report["functions"]["copied"], FUNCTIONS);
    assert_eq!(report["documents"]["copied"], DOCUMENTS + 2);
    assert_eq!((&report["objects"]["copied"], &report["collections"]), (&OBJECTS.into(), &2.into()));
    assert_eq!(close(open(&to).await).await, kept);

    let again = sides.migrate(&from, &to);
    for (kind, count) in [("functions", FUNCTIONS), ("documents", DOCUMENTS + 2), ("objects", OBJECTS)] {
        assert_eq!((&again[kind]["copied"], &again[kind]["unchanged"]), (&0.into(), &count.into()), "{kind}");
    }

    let source = open(&from).await;
    let changed = tandem_contract::Update {
        filter: doc! { "_id": 7 },
        update: tandem_contract::UpdateSpec::Operators(doc! { "$set": { "new": true } }),
        many: false,
        upsert: false,
        array_filters: Vec::new(),
    };
    source.documents.update(&target("many"), changed).await.unwrap();
    let kept = close(source).await;
    assert_eq!(sides.migrate(&from, &to)["documents"]["copied"], 1);
    assert_eq!(close(open(&to).await).await, kept);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_was_killed_is_finished_by_the_next() {
    let sides = Sides::new();
    let (from, to) = (sides.embedded("from"), sides.embedded("to"));
    let source = open(&from).await;
    fill(&source).await;
    let kept = close(source).await;
    let mut running = sides.command(&from, &to).spawn().unwrap();
    let watched = open(&to).await;
    let started = Instant::now();
    // In the middle of the documents: some are there, and the objects are not.
    while watched.documents.count(&target("many"), doc! {}, 0, None).await.unwrap() == 0 {
        assert!(started.elapsed() < PATIENCE, "nothing was copied");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    running.kill().unwrap();
    running.wait().unwrap();
    watched.close().await;
    let report = sides.migrate(&from, &to);
    let sum =
        |kind: &str| report[kind]["copied"].as_u64().unwrap() + report[kind]["unchanged"].as_u64().unwrap();
    assert_eq!(sum("documents"), DOCUMENTS as u64 + 2);
    assert_eq!(sum("functions"), FUNCTIONS as u64);
    assert!(report["functions"]["unchanged"].as_u64().unwrap() > 0, "{report}");
    assert_eq!(close(open(&to).await).await, kept);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_take_it_and_give_it_back() {
    let required = std::env::var_os("TANDEM_REQUIRE_ALL").is_some();
    for (variable, backend, own, built) in [
        ("TANDEM_TEST_MONGO_URL", "mongo", "database", cfg!(feature = "mongo")),
        ("TANDEM_TEST_POSTGRES_URL", "postgres", "schema", cfg!(feature = "postgres")),
    ] {
        if !built {
            continue;
        }
        let Ok(url) = std::env::var(variable) else {
            assert!(!required, "{variable} is not set; see `cargo xtask services up`");
            eprintln!("!!! NOT TESTED: migrate on {backend}: {variable} is not set");
            continue;
        };
        let sides = Sides::new();
        let (from, back) = (sides.embedded("from"), sides.embedded("back"));
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let place = format!("migrate_{}_{}", std::process::id(), since.as_millis());
        let server = sides.write(
            "server",
            &format!(
                "[functions]\nbackend = \"{backend}\"\n[functions.{backend}]\nurl = {url:?}\n{own} = \"{place}\"\n[storage]\nbackend = \"local\"\n[storage.local]\nroot = {:?}\n",
                sides.folder.path().join("server-objects")
            ),
        );
        let source = open(&from).await;
        fill(&source).await;
        let kept = close(source).await;
        assert_eq!(sides.migrate(&from, &server)["documents"]["copied"], DOCUMENTS + 2, "{backend}");
        assert_eq!(close(open(&server).await).await, kept, "{backend}");
        assert_eq!(sides.migrate(&from, &server)["documents"]["copied"], 0, "{backend}");
        sides.migrate(&server, &back);
        assert_eq!(close(open(&back).await).await, kept, "{backend}");
        let emptied = open(&server).await;
        for name in ["many", "odd"] {
            emptied.documents.drop_collection(&target(name)).await.unwrap();
        }
        for number in 0..FUNCTIONS {
            emptied.functions.delete(&format!("group/f{number}")).await.unwrap();
        }
        emptied.close().await;
    }
}

#[test]
fn a_copy_onto_itself_and_a_file_that_is_not_there_are_errors_of_usage() {
    let sides = Sides::new();
    let from = sides.embedded("from");
    let onto_itself = sides.command(&from, &from).output().unwrap();
    assert_eq!(onto_itself.status.code(), Some(2), "{}", said(&onto_itself));
    assert!(said(&onto_itself).contains("same place"));
    let missing = sides.command(&from, Path::new("nowhere.toml")).output().unwrap();
    assert_eq!(missing.status.code(), Some(2), "{}", said(&missing));
}

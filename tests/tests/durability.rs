//! A server killed while functions write: what was acknowledged is there, what is there is whole.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tandem_tests::backend::{Backends, Place};
use tandem_tests::case::{PublishOptions, Step};
use tandem_tests::client::Client;
use tandem_tests::combination::Combination;
use tandem_tests::server::Server;
use tandem_tests::template::Names;

/// Functions that write at a time.
const WRITERS: usize = 8;
const ROUNDS: u64 = 4;
/// How long a store on a busy machine may take to its first write.
const PATIENCE: Duration = Duration::from_secs(60);

/// One document of some size, and two in a transaction.
const WRITE_DOCUMENTS: &str = r#"
import cloud from "@tandem/cloud";
const db = cloud.database();
export default async ({ body: { n } }) => {
  await db.collection("one").insertOne({ _id: n, parts: new Array(300).fill(n) });
  await db.withTransaction(async (transaction) => {
    await transaction.collection("left").insertOne({ _id: n });
    await transaction.collection("right").insertOne({ _id: n });
  });
  return n;
};
"#;

/// The numbers of the documents, and what is wrong with them.
const READ_DOCUMENTS: &str = r#"
import cloud from "@tandem/cloud";
const db = cloud.database();
const idsIn = async (name) => (await db.collection(name).find().sort({ _id: 1 }).toArray()).map(({ _id }) => _id);
export default async () => {
  const wrong = [];
  for (const { _id, parts } of await db.collection("one").find().toArray()) {
    if (parts.length !== 300 || parts.some((part) => part !== _id)) wrong.push(`${_id} is not whole`);
  }
  const [one, left, right] = [await idsIn("one"), await idsIn("left"), await idsIn("right")];
  if (left.join() !== right.join()) wrong.push(`half a transaction: ${left} and ${right}`);
  const written = new Set(one);
  return { kept: left.filter((n) => written.has(n)), wrong };
};
"#;

/// An object in one piece.
const WRITE_OBJECTS: &str = r#"
import cloud from "@tandem/cloud";
export default async ({ body: { n } }) => {
  await cloud.storage.bucket().writeFile(`kept/${n}`, new Uint8Array(100_000).fill(n));
  return n;
};
"#;

/// The numbers of the objects, and what is wrong with them.
const READ_OBJECTS: &str = r#"
import cloud from "@tandem/cloud";
const bucket = cloud.storage.bucket();
export default async () => {
  const kept = [], wrong = [];
  for (const { key } of await bucket.listFiles()) {
    if (!key.startsWith("kept/")) {
      wrong.push(key);
      continue;
    }
    const n = Number(key.slice(5));
    const bytes = await bucket.readFile(key);
    const places = [0, 50_000, 99_999];
    if (bytes.length !== 100_000 || places.some((at) => bytes[at] !== n % 256)) wrong.push(`${key} is not whole`);
    kept.push(n);
  }
  return { kept, wrong };
};
"#;

/// An upload that does not end.
const WRITE_STREAM: &str = r#"
import cloud from "@tandem/cloud";
export default async () => {
  async function* pieces() {
    for (let n = 0; n < 12; n++) yield new Uint8Array(1 << 20).fill(1);
    await new Promise((resolve) => setTimeout(resolve, 60_000));
  }
  await cloud.storage.bucket().writeStream("cut-off", pieces());
};
"#;

/// What the reading functions give.
#[derive(serde::Deserialize)]
struct Found {
    kept: BTreeSet<u64>,
    wrong: Vec<String>,
}

async fn publish(client: &Client, name: &str, source: &str) {
    let answer = client.publish(name, source, &PublishOptions::default()).await.expect("there is an answer");
    assert!(answer.status < 300, "{name}: {}", answer.text());
}

fn call(name: &str, body: Option<serde_json::Value>) -> Step {
    Step { invoke: Some(name.into()), json: body, ..Step::default() }
}

async fn found(client: &Client, name: &str) -> Found {
    let answer = client.step(&call(name, None), &Names::default()).await.expect("there is an answer");
    serde_json::from_slice(&answer.body).unwrap_or_else(|error| panic!("{error}: {}", answer.text()))
}

/// What the writers of a run share.
#[derive(Default)]
struct Writes {
    /// The number that is written next.
    next: AtomicU64,
    acknowledged: AtomicUsize,
}

/// Calls `write` with one number after the other until the server is gone; those it acknowledged.
async fn write_until_gone(url: String, writes: Arc<Writes>) -> BTreeSet<u64> {
    let client = Client::new(url);
    let mut acknowledged = BTreeSet::new();
    loop {
        let number = writes.next.fetch_add(1, Ordering::Relaxed);
        let body = serde_json::json!({ "n": number });
        match client.step(&call("write", Some(body)), &Names::default()).await {
            Ok(answer) if answer.status == 200 => {
                acknowledged.insert(number);
                writes.acknowledged.fetch_add(1, Ordering::Relaxed);
            }
            // A transaction that lost to others too often is not written.
            Ok(_) => {}
            Err(_) => return acknowledged,
        }
    }
}

/// Kills `server` while functions write, some times; each time everything acknowledged is found.
async fn kill_while_it_writes(server: &mut Server, of: &str) {
    let writes = Arc::new(Writes::default());
    let mut acknowledged = BTreeSet::new();
    for round in 0..ROUNDS {
        let before = acknowledged.len();
        let writers: Vec<_> =
            (0..WRITERS).map(|_| tokio::spawn(write_until_gone(server.url(), Arc::clone(&writes)))).collect();
        let deadline = Instant::now() + PATIENCE;
        while writes.acknowledged.load(Ordering::Relaxed) == before {
            assert!(Instant::now() < deadline, "{of}: nothing was written in round {round}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(300 + 97 * round)).await;
        server.kill();
        for writer in writers {
            acknowledged.extend(writer.await.expect("no task panics"));
        }
        server.spawn().expect("the server starts again");
        let Found { kept, wrong } = found(&Client::new(server.url()), "read").await;
        assert!(wrong.is_empty(), "{of}: {wrong:?}");
        let lost: Vec<_> = acknowledged.difference(&kept).collect();
        assert!(lost.is_empty(), "{of}: acknowledged and lost: {lost:?}");
    }
}

fn start(engine: &'static str, documents: &Place, blobs: &Place) -> Server {
    let combination =
        Combination { engine, functions: Place::Sqlite, documents: documents.clone(), blobs: blobs.clone() };
    Server::start(&combination, &BTreeMap::new()).expect("the server starts")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_document_is_lost_and_none_is_half_written() {
    let backends = Backends::of_this_machine();
    for (documents, engine) in backends.documents.iter().zip(backends.engines.iter().cycle()) {
        let mut server = start(engine, documents, &Place::Memory);
        let client = Client::new(server.url());
        publish(&client, "write", WRITE_DOCUMENTS).await;
        publish(&client, "read", READ_DOCUMENTS).await;
        kill_while_it_writes(&mut server, documents.name()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_object_is_lost_and_none_is_half_written() {
    let backends = Backends::of_this_machine();
    let blobs = backends.blobs.iter().filter(|blobs| **blobs != Place::Memory);
    for (blobs, engine) in blobs.zip(backends.engines.iter().cycle()) {
        let mut server = start(engine, &Place::Sqlite, blobs);
        let client = Client::new(server.url());
        publish(&client, "write", WRITE_OBJECTS).await;
        publish(&client, "read", READ_OBJECTS).await;
        publish(&client, "stream", WRITE_STREAM).await;
        let cut_off =
            tokio::spawn(async move { client.step(&call("stream", None), &Names::default()).await });
        kill_while_it_writes(&mut server, blobs.name()).await;
        cut_off.await.expect("no task panics").expect_err("the server was killed");
    }
}

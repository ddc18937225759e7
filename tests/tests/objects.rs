//! Large objects through functions: a gibibyte never is in memory as a whole.

use std::collections::{BTreeMap, BTreeSet};

use tandem_tests::case::{PublishOptions, Step};
use tandem_tests::client::Client;
use tandem_tests::combination::Combination;
use tandem_tests::server::Server;
use tandem_tests::template::Names;

/// Writes what it makes, and reads it again.
const SOURCE: &str = r#"
import cloud from "@tandem/cloud";
const PIECE = 1 << 20, PIECES = 1024;
export default async () => {
  const bucket = cloud.storage.bucket();
  const piece = new Uint8Array(PIECE).fill(7);
  async function* pieces() { for (let n = 0; n < PIECES; n++) yield piece; }
  const { size } = await bucket.writeStream("gibibyte", pieces());
  let read = 0, wrong = 0;
  for await (const chunk of await bucket.readStream("gibibyte")) {
    read += chunk.length;
    if (chunk[0] !== 7 || chunk[chunk.length - 1] !== 7) wrong++;
  }
  await bucket.deleteFile("gibibyte");
  return [size, read, wrong];
};
"#;
/// What the process may grow by: a chunk each way, and the parts of an upload.
const MOST_KIB: u64 = 64 << 10;

#[tokio::test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
async fn a_gibibyte_through_a_function_needs_little_memory() {
    let mut seen = BTreeSet::new();
    // The store `memory` is memory.
    let each = Combination::all().iter().filter(|combination| {
        combination.blobs.name() != "memory"
            && seen.insert((combination.engine, combination.blobs.to_string()))
    });
    for combination in each {
        let limits = [("engine.limits.wall_time", "600s"), ("engine.limits.cpu_time", "600s")];
        let limits = limits.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let server = Server::start(combination, &BTreeMap::from(limits)).expect("the server starts");
        let client = Client::new(server.url());
        client.publish("gibibyte", SOURCE, &PublishOptions::default()).await.expect("it is published");
        let peak = || server.memory("VmHWM").expect("the kernel tells");
        let before = peak();
        let step = Step { invoke: Some("gibibyte".into()), ..Step::default() };
        let answer = client.step(&step, &Names::default()).await.expect("there is an answer");
        assert_eq!(answer.text(), "[1073741824,1073741824,0]", "{combination}");
        let grown = peak() - before;
        println!("{combination}: the process grew by {grown} KiB");
        assert!(grown <= MOST_KIB, "{combination}: the process grew by {grown} KiB");
    }
}

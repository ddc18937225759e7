//! The same operations in functions of a running server.

use crate::client::Client;
use crate::work::Operation;

/// Each does as many operations as it is told to, one after another.
const SOURCES: [(&str, &str); 3] = [
    (
        "bench-seed",
        r#"import cloud from "@tandem/cloud";
const rows = cloud.database().collection("bench");
export default async ({ body }) => {
  await rows.drop();
  await rows.createIndex({ n: 1 });
  const all = [];
  for (let n = 0; n < body.count; n++) all.push({ n, name: `name ${n}`, text: "x".repeat(200) });
  for (let from = 0; from < all.length; from += 1000) await rows.insertMany(all.slice(from, from + 1000));
};"#,
    ),
    (
        "bench-findOne",
        r#"import cloud from "@tandem/cloud";
const rows = cloud.database().collection("bench");
export default async ({ body }) => {
  let found;
  for (let i = 0; i < body.count; i++) found = await rows.findOne({ n: (body.n + i) % body.documents });
  return found.name;
};"#,
    ),
    (
        "bench-insertOne",
        r#"import cloud from "@tandem/cloud";
const rows = cloud.database().collection("bench_inserts");
const text = "x".repeat(200);
export default async ({ body }) => {
  let made;
  for (let i = 0; i < body.count; i++) made = await rows.insertOne({ n: body.n, name: "inserted", text });
  return made.acknowledged;
};"#,
    ),
];

/// Publishes them.
///
/// # Errors
/// What the server says, or that it does not answer.
pub(crate) async fn publish(client: &Client) -> Result<(), String> {
    for (name, source) in SOURCES {
        let body = serde_json::json!({ "source": source, "language": "javascript" }).to_string();
        client.send("PUT", &format!("/functions/{name}"), &body).await?;
    }
    Ok(())
}

/// Makes the collection anew, with `count` documents.
///
/// # Errors
/// As [`publish`].
pub(crate) async fn seed(client: &Client, count: u64) -> Result<(), String> {
    let body = serde_json::json!({ "count": count }).to_string();
    client.send("POST", "/invoke/bench-seed", &body).await
}

/// Where the function of `operation` is called.
pub(crate) fn path(operation: Operation) -> String {
    format!("/invoke/bench-{}", operation.name())
}

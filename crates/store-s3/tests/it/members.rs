//! What `TANDEM_TEST_S3` says of servers besides how to reach them.

use serde_json::Value;

/// A member of each server that has it: of a SeaweedFS the `program`, which a test may start for
/// itself, and the `domain` of host names whose first part is a bucket.
pub(crate) fn of_servers(member: &str) -> Vec<(String, String)> {
    let Ok(text) = std::env::var("TANDEM_TEST_S3") else { return Vec::new() };
    let servers: Vec<Value> = serde_json::from_str(&text).unwrap();
    let text = |server: &Value, name: &str| server[name].as_str().map(str::to_owned);
    servers.iter().filter_map(|server| Some((text(server, "name")?, text(server, member)?))).collect()
}

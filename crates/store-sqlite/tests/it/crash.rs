//! Killed while it publishes: afterwards the old or the new version, and never less than what was
//! acknowledged.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use tandem_contract::{Expected, FunctionStore};
use tempfile::tempdir;

use crate::common::{draft, functions};

/// Names the folder to publish in; set for the child only.
const CHILD: &str = "TANDEM_TEST_PUBLISH_IN";
/// So large that a publish spans many pages of the log.
const PADDING: usize = 200_000;

fn text(revision: u64) -> String {
    format!("{revision}:{}", "x".repeat(PADDING))
}

/// Does nothing unless [`a_kill_during_publish_leaves_a_whole_version`] runs it in a child process.
#[test]
fn publisher() {
    let Ok(folder) = std::env::var(CHILD) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = functions(Path::new(&folder)).await;
        let mut out = std::io::stderr();
        loop {
            let held = store.get("f").await.unwrap().map_or(0, |function| function.revision);
            let stored = store.put(draft("f", &text(held + 1)), Expected::Any).await.unwrap();
            writeln!(out, "ack {}", stored.revision).unwrap();
        }
    });
}

#[test]
fn a_kill_during_publish_leaves_a_whole_version() {
    let folder = tempdir().unwrap();
    let mut acknowledged = 0;
    for round in 1..=3_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::publisher", "--nocapture"])
            .env(CHILD, folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let enough = acknowledged + 5 * round;
        while acknowledged < enough {
            let line = lines.next().unwrap().unwrap();
            acknowledged = line.strip_prefix("ack ").map_or(acknowledged, |number| number.parse().unwrap());
        }
        child.kill().unwrap();
        for line in lines.map_while(Result::ok) {
            acknowledged =
                line.strip_prefix("ack ").and_then(|number| number.parse().ok()).unwrap_or(acknowledged);
        }
        child.wait().unwrap();

        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let store = functions(folder.path()).await;
            let function = store.get("f").await.unwrap().unwrap();
            assert!([acknowledged, acknowledged + 1].contains(&function.revision));
            assert!(function.compiled.as_deref() == Some(text(function.revision).as_str()), "half a version");
            acknowledged = function.revision;
            store.close().await;
        });
    }
}

//! A SeaweedFS of a test's own, to be killed and started again.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{members, servers};

/// How long the server may take to answer; a machine under load takes its time.
const START: Duration = Duration::from_secs(120);
/// `weed` listens for gRPC this far above each of its ports.
const GRPC: u16 = 10_000;
const PARTS: [&str; 4] = ["-s3.port", "-master.port", "-volume.port", "-filer.port"];

pub(crate) struct Weed {
    program: PathBuf,
    folder: TempDir,
    /// The first of as many as there are parts.
    port: u16,
    child: Option<Child>,
}

impl Weed {
    /// Starts one, or returns nothing where the program is not known and need not be.
    pub(crate) async fn start() -> Option<Self> {
        let Some((_, program)) = members::of_servers("program").pop() else {
            assert!(
                std::env::var_os("TANDEM_REQUIRE_ALL").is_none(),
                "no server in TANDEM_TEST_S3 has a `program`: there is none to be killed"
            );
            return None;
        };
        let mut weed = Self {
            program: program.into(),
            folder: tempfile::tempdir().unwrap(),
            port: tandem_test_ports::free_range(PARTS.len() as u16, GRPC).unwrap(),
            child: None,
        };
        std::fs::write(
            weed.folder.path().join("s3.json"),
            json!({ "identities": [{
                "name": "own", "actions": ["Admin", "Read", "Write", "List", "Tagging"],
                "credentials": [{ "accessKey": "own", "secretKey": "secret-of-its-own" }],
            }] })
            .to_string(),
        )
        .unwrap();
        weed.up().await;
        Some(weed)
    }

    /// Settings of a store on it.
    pub(crate) fn settings(&self) -> Value {
        json!({
            "endpoint": format!("http://127.0.0.1:{}", self.port), "region": "us-east-1",
            "access_key": "own", "secret_key": "secret-of-its-own", "create_buckets": true,
            "request_timeout": "60s", "connect_timeout": "1s", "attempts": 2,
        })
    }

    /// Ends it as a power cut does.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Starts it on the data that it has.
    pub(crate) async fn up(&mut self) {
        let folder = self.folder.path();
        let mut server = Command::new(&self.program);
        server.args(["server", "-s3", "-filer", "-ip", "127.0.0.1", "-ip.bind", "127.0.0.1"]);
        server.args(["-master.telemetry=false", "-s3.port.iceberg", "0", "-s3.port.lance", "0"]);
        server.args(["-volume.max", "100", "-dir"]).arg(folder).arg("-s3.config").arg(folder.join("s3.json"));
        for (part, port) in PARTS.into_iter().zip(self.port..) {
            server.args([part, &port.to_string()]);
        }
        server.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.child = Some(server.spawn().unwrap());
        let deadline = Instant::now() + START;
        while servers::open(self.settings()).await.is_err() {
            assert!(Instant::now() < deadline, "the server does not answer");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

impl Drop for Weed {
    fn drop(&mut self) {
        self.kill();
    }
}

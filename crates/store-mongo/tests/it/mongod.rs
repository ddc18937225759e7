//! A server of a test's own.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bson::doc;
use mongodb::Client;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

/// How long a server may take to start; a machine under load takes its time.
const START: Duration = Duration::from_secs(120);

pub(crate) struct Mongod {
    program: PathBuf,
    replica_set: bool,
    /// Options of the program beside those of every test.
    options: Vec<String>,
    /// Options of a URL that reaches it then, each with `&` before it.
    url_options: String,
    port: u16,
    folder: TempDir,
    child: Option<Child>,
}

impl Mongod {
    /// `None`, said loudly, where no program is known and none is required.
    pub(crate) async fn start(replica_set: bool) -> Option<Self> {
        Self::start_with(replica_set, Vec::new(), String::new()).await
    }

    /// With `options` of the program, and `url_options` of a URL that reaches it then.
    pub(crate) async fn start_with(
        replica_set: bool,
        options: Vec<String>,
        url_options: String,
    ) -> Option<Self> {
        let Some(program) = program().await else {
            let required = std::env::var_os("TANDEM_REQUIRE_ALL").is_some_and(|value| value == "1");
            assert!(!required, "no mongod to start, and TANDEM_REQUIRE_ALL=1");
            eprintln!("SKIPPED: no mongod to start, TANDEM_TEST_MONGOD is not set");
            return None;
        };
        let port = tandem_test_ports::free().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut server = Self { program, replica_set, options, url_options, port, folder, child: None };
        server.spawn();
        let client = server.client().await;
        if replica_set {
            let config = doc! { "_id": "rs", "members": [{ "_id": 0, "host": format!("127.0.0.1:{port}") }] };
            client.database("admin").run_command(doc! { "replSetInitiate": config }).await.unwrap();
        }
        server.wait().await;
        Some(server)
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        match self.replica_set {
            true => format!("mongodb://127.0.0.1:{}/?replicaSet=rs", self.port),
            false => format!("mongodb://127.0.0.1:{}", self.port),
        }
    }

    /// As `kill -9` does.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub(crate) fn spawn(&mut self) {
        let mut command = Command::new(&self.program);
        command.args(["--bind_ip", "127.0.0.1", "--nounixsocket", "--wiredTigerCacheSizeGB", "0.25"]);
        command.args(["--setParameter", "diagnosticDataCollectionEnabled=false"]);
        command.args(&self.options);
        command.arg("--port").arg(self.port.to_string());
        command.arg("--dbpath").arg(self.folder.path()).stdin(Stdio::null()).stdout(Stdio::null());
        if self.replica_set {
            command.args(["--replSet", "rs"]);
        }
        self.child = Some(command.spawn().unwrap());
    }

    /// Until it takes writes.
    pub(crate) async fn wait(&self) {
        let client = self.client().await;
        let started = Instant::now();
        loop {
            let hello = client.database("admin").run_command(doc! { "hello": 1 }).await;
            if hello.is_ok_and(|hello| hello.get_bool("isWritablePrimary").unwrap_or(false)) {
                return;
            }
            assert!(started.elapsed() < START, "mongod does not start");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Stops its processes from running, as a stalled network or disk does: connections stay and
    /// nothing answers.
    pub(crate) fn stall(&self) {
        self.signal("STOP");
    }

    pub(crate) fn go_on(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let pid = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    pub(crate) async fn client(&self) -> Client {
        let url = format!(
            "mongodb://127.0.0.1:{}/?directConnection=true&serverSelectionTimeoutMS={}{}",
            self.port,
            START.as_millis(),
            self.url_options
        );
        Client::with_uri_str(url).await.unwrap()
    }
}

impl Drop for Mongod {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The program of the environment, or that of the server that runs there.
async fn program() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("TANDEM_TEST_MONGOD") {
        return Some(path.into());
    }
    let client = Client::with_uri_str(std::env::var("TANDEM_TEST_MONGO_URL").ok()?).await.ok()?;
    let status = client.database("admin").run_command(doc! { "serverStatus": 1 }).await.ok()?;
    let pid = status.get_i64("pid").ok()?;
    let program = std::fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    program.file_name().is_some_and(|name| name == "mongod").then_some(program)
}

//! A server under test.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::backend::unique_name;
use crate::binary;
use crate::combination::Combination;

/// The token of every server under test.
pub const TOKEN: &str = "conformance-token";
/// How long a server may take to answer after its start.
const START: Duration = Duration::from_secs(30);

/// A running server with a folder of its own; killed and removed when dropped.
pub struct Server {
    child: Option<Child>,
    folder: TempDir,
    port: u16,
    settings: Vec<(String, String)>,
}

impl Server {
    /// Starts a server with data of its own and waits until it answers.
    ///
    /// # Errors
    /// Why it does not, with what it printed.
    pub fn start(combination: &Combination, extra: &BTreeMap<String, String>) -> Result<Self, String> {
        Self::start_beside(combination, extra, &unique_name())
    }

    /// Starts a server that shares what is on other servers (databases, buckets) with those of the
    /// same `shared_name`, and waits until it answers. Files are its own.
    ///
    /// # Errors
    /// Why it does not, with what it printed.
    pub fn start_beside(
        combination: &Combination,
        extra: &BTreeMap<String, String>,
        shared_name: &str,
    ) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let data = folder.path().join("data");
        let mut settings = combination.settings();
        for (section, place) in [
            ("functions", &combination.functions),
            ("documents", &combination.documents),
            ("storage", &combination.blobs),
        ] {
            place.prepare(shared_name)?;
            settings.extend(place.apart(section, shared_name, &data));
        }
        settings.extend(extra.iter().map(|(key, value)| (key.clone(), value.clone())));
        let mut server = Self { child: None, folder, port: tandem_test_ports::free()?, settings };
        server.spawn()?;
        Ok(server)
    }

    /// `http://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The port it listens on.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The folder that holds its data.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its process.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// A line of what the kernel tells of its memory (`VmHWM`, the most that it ever held; `RssAnon`,
    /// what it holds apart from files), in KiB; `None` when it does not run, and where there is no
    /// `/proc`.
    pub fn memory(&self, line: &str) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()?)).ok()?;
        let value = status.lines().find_map(|text| text.strip_prefix(line)?.strip_prefix(':'))?;
        value.trim().trim_end_matches(" kB").parse().ok()
    }

    /// Kills it as `kill -9` does.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Asks it to end and waits until it did.
    ///
    /// # Errors
    /// When it does not end in time.
    pub fn terminate(&mut self, within: Duration) -> Result<std::process::ExitStatus, String> {
        let child = self.child.as_mut().ok_or("the server does not run")?;
        let pid = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw).ok_or("no pid")?;
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)
            .map_err(|error| error.to_string())?;
        let deadline = Instant::now() + within;
        loop {
            if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
                self.child = None;
                return Ok(status);
            }
            if Instant::now() > deadline {
                return Err(format!("the server did not end within {within:?}"));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Starts it again on the same data and port.
    ///
    /// # Errors
    /// As for [`Server::start`].
    pub fn spawn(&mut self) -> Result<(), String> {
        let log = self.folder.path().join("server.log");
        let output =
            File::options().create(true).append(true).open(&log).map_err(|error| error.to_string())?;
        let errors = output.try_clone().map_err(|error| error.to_string())?;
        let mut command = Command::new(binary::path());
        command.arg("serve").env_clear().env("DEVELOP_TOKEN", TOKEN);
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.arg("--set").arg(format!("server.listen=127.0.0.1:{}", self.port));
        for (key, value) in &self.settings {
            command.arg("--set").arg(format!("{key}={value}"));
        }
        command.current_dir(self.folder.path()).stdin(Stdio::null()).stdout(output).stderr(errors);
        let mut child = command.spawn().map_err(|error| error.to_string())?;
        let deadline = Instant::now() + START;
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let ended = child.try_wait().map_err(|error| error.to_string())?;
            if ended.is_some() || Instant::now() > deadline {
                // It may have ended by itself.
                let _ = child.kill();
                let _ = child.wait();
                let printed = std::fs::read_to_string(&log).unwrap_or_default();
                return Err(format!("the server did not start ({ended:?}):\n{printed}"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.child = Some(child);
        Ok(())
    }

    /// What it printed so far.
    pub fn printed(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("server.log")).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

use std::fs::File;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::TargetArgs;
use super::client::{Client, TOKEN};
use super::process::Holdings;
use crate::process::root;

/// How long a server may take to answer after its start.
const START: Duration = Duration::from_secs(60);

/// A server that a run started, in a folder of its own that goes with it.
pub(crate) struct Target {
    args: TargetArgs,
    settings: Vec<String>,
    folder: PathBuf,
    port: u16,
    child: Option<Child>,
}

impl Target {
    /// Starts a server with `settings`, and those of `args` over them.
    pub(crate) fn start(args: &TargetArgs, settings: &[&str]) -> Result<Self, String> {
        let port = tandem_test_ports::free()?;
        let folder = std::env::temp_dir().join(format!("tandem-xtask-{}-{port}", std::process::id()));
        std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let settings = settings.iter().map(|&setting| setting.to_owned()).collect();
        let mut target = Self { args: args.clone(), settings, folder, port, child: None };
        target.spawn()?;
        Ok(target)
    }

    /// Starts it again on the same data and port.
    pub(crate) fn spawn(&mut self) -> Result<(), String> {
        let log = self.folder.join("server.log");
        let open = || File::options().create(true).append(true).open(&log).map_err(|error| error.to_string());
        let mut command = Command::new(self.binary());
        command.arg("serve").env("DEVELOP_TOKEN", TOKEN).current_dir(&self.folder);
        command.args(["--set", &format!("engine.backend={}", self.args.engine)]);
        command.args(["--set", &format!("server.listen=127.0.0.1:{}", self.port)]);
        for setting in self.settings.iter().chain(&self.args.set) {
            command.args(["--set", setting]);
        }
        command.stdin(Stdio::null()).stdout(open()?).stderr(open()?);
        let child = command.spawn().map_err(|error| format!("{}: {error}", self.binary().display()))?;
        self.child = Some(child);
        let deadline = Instant::now() + START;
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let ended = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
            if ended.is_some() || Instant::now() > deadline {
                return Err(format!("the server did not start:\n{}", self.printed()));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    fn binary(&self) -> PathBuf {
        let built = |profile: &str| root().join("target").join(profile).join("tandem");
        let release = built("release");
        self.args.bin.clone().unwrap_or_else(|| if release.exists() { release } else { built("debug") })
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn pid(&self) -> Result<u32, String> {
        self.child.as_ref().map(Child::id).ok_or_else(|| "the server does not run".to_owned())
    }

    pub(crate) fn holdings(&self) -> Result<Holdings, String> {
        Holdings::of(self.pid()?)
    }

    /// Ends it as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Asks it to end.
    pub(crate) fn signal(&self) -> Result<(), String> {
        let status = Command::new("kill").args(["-TERM", &self.pid()?.to_string()]).status();
        status.map_err(|error| error.to_string()).map(|_| ())
    }

    /// Waits until it ended.
    pub(crate) fn wait(&mut self, within: Duration) -> Result<ExitStatus, String> {
        let deadline = Instant::now() + within;
        let child = self.child.as_mut().ok_or("the server does not run")?;
        while Instant::now() < deadline {
            if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
                self.child = None;
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Err(format!("the server did not end within {within:?}"))
    }

    /// A figure of `/metrics`; 0 where there is none.
    pub(crate) fn figure(&self, name: &str) -> f64 {
        let Ok(answer) = self.client().request("GET", "/metrics", "") else { return 0.0 };
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.parse().ok()).unwrap_or(0.0)
    }

    /// What it printed so far.
    pub(crate) fn printed(&self) -> String {
        std::fs::read_to_string(self.folder.join("server.log")).unwrap_or_default()
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.kill();
        // What is left of it is in the folder for temporary files.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

//! A server of a test's own, to be killed, stopped and started.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tandem_store_suite::certificates::Certificates;
use tempfile::TempDir;

/// A throw-away cluster; ended when dropped.
pub(crate) struct Server {
    binaries: PathBuf,
    folder: TempDir,
    port: u16,
    /// Options of the server beside those of every test.
    options: String,
}

impl Server {
    /// Starts one, or returns nothing where Postgres' own programs are not installed.
    pub(crate) fn start() -> Option<Self> {
        let server = Self::initialised(&["-A", "trust"])?;
        server.up();
        Some(server)
    }

    /// Starts one that asks for `password` (SCRAM) and takes connections over TLS alone.
    pub(crate) fn start_secured(password: &str, certificates: &Certificates) -> Option<Self> {
        let passwords = tempfile::NamedTempFile::new().unwrap();
        fs::write(&passwords, password).unwrap();
        fs::set_permissions(&passwords, fs::Permissions::from_mode(0o644)).unwrap();
        let file = passwords.path().display().to_string();
        let mut server = Self::initialised(&["-A", "scram-sha-256", "--pwfile", &file])?;
        let data = PathBuf::from(server.data());
        let owner = fs::metadata(&data).unwrap();
        for (name, text) in [("server.crt", &certificates.server), ("server.key", &certificates.key)] {
            let path = data.join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            std::os::unix::fs::chown(&path, Some(owner.uid()), Some(owner.gid())).unwrap();
        }
        fs::write(data.join("pg_hba.conf"), "hostssl all all 127.0.0.1/32 scram-sha-256\n").unwrap();
        server.options = "-c ssl=on".to_owned();
        server.up();
        Some(server)
    }

    fn initialised(authentication: &[&str]) -> Option<Self> {
        let Some(binaries) = binaries() else {
            let required = std::env::var("TANDEM_REQUIRE_ALL").is_ok_and(|value| value == "1");
            assert!(!required, "no initdb and pg_ctl, and TANDEM_REQUIRE_ALL=1 asks for them");
            eprintln!("SKIPPED: no initdb and pg_ctl on this machine");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        // The server runs as another user when the test is root.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let port = tandem_test_ports::free().unwrap();
        let server = Self { binaries, folder, port, options: String::new() };
        let data = server.data();
        let arguments = ["-D", &data, "-U", "postgres", "-E", "UTF8", "--no-sync"];
        server.run("initdb", &[&arguments, authentication].concat());
        Some(server)
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    pub(crate) fn up(&self) {
        let log = self.folder.path().join("log").display().to_string();
        let (port, more) = (self.port, &self.options);
        let options = format!("-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' {more}");
        self.run("pg_ctl", &["-D", &self.data(), "-l", &log, "-w", "-t", "60", "-o", &options, "start"]);
    }

    /// Kills every process of it, as `kill -9` does.
    pub(crate) fn kill(&self) {
        let pids = self.processes();
        self.signal("-KILL", &pids);
        for pid in pids {
            while fs::exists(format!("/proc/{pid}")).unwrap() && !is_dead(pid) {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
        }
        fs::remove_file(self.folder.path().join("data/postmaster.pid")).unwrap();
    }

    /// Every process of it stands still, as a machine that hangs does: connections stay open.
    pub(crate) fn stall(&self) {
        self.signal("-STOP", &self.processes());
    }

    pub(crate) fn resume(&self) {
        self.signal("-CONT", &self.processes());
    }

    fn data(&self) -> String {
        self.folder.path().join("data").display().to_string()
    }

    /// The first process and those it started.
    fn processes(&self) -> Vec<u32> {
        let Ok(text) = fs::read_to_string(self.folder.path().join("data/postmaster.pid")) else {
            return Vec::new();
        };
        let first: u32 = text.lines().next().unwrap().parse().unwrap();
        let all =
            fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        let mut processes: Vec<u32> = all.filter(|pid| parent(*pid) == Some(first)).collect();
        processes.insert(0, first);
        processes
    }

    fn signal(&self, signal: &str, pids: &[u32]) {
        let pids = pids.iter().map(u32::to_string);
        // Some may have ended by themselves.
        let _ = Command::new("kill").arg(signal).args(pids).stderr(Stdio::null()).status().unwrap();
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let program = self.binaries.join(program);
        let is_root = fs::metadata("/proc/self").map(|own| own.uid() == 0);
        let mut command = if is_root.unwrap_or(false) {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        let command = command.args(arguments).current_dir("/").stdin(Stdio::null()).stdout(Stdio::null());
        let status = command.stderr(Stdio::null()).status().unwrap();
        assert!(status.success(), "{command:?}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.resume();
        self.signal("-KILL", &self.processes());
    }
}

fn binaries() -> Option<PathBuf> {
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let debian = debian.filter_map(|entry| Some(entry.ok()?.path().join("bin")));
    let on_path = std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect::<Vec<_>>());
    debian.chain(on_path.into_iter().flatten()).find(|folder| {
        fs::exists(folder.join("initdb")).unwrap_or(false)
            && fs::exists(folder.join("pg_ctl")).unwrap_or(false)
    })
}

/// State and parent stand behind the name, which may hold anything.
fn status(pid: u32) -> Option<(String, u32)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
}

fn parent(pid: u32) -> Option<u32> {
    status(pid).map(|(_, parent)| parent)
}

fn is_dead(pid: u32) -> bool {
    status(pid).is_none_or(|(state, _)| state == "Z")
}

//! Where a server keeps its data and how it is found again.

use std::ffi::OsStr;
use std::fs::File;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::process;

/// How long a server may take to end when it is asked to.
const STOP: Duration = Duration::from_secs(20);

/// A folder outside the repository, since Postgres runs as a user who may not be let in there.
pub(crate) struct Home {
    name: &'static str,
    folder: PathBuf,
}

/// A server that runs.
pub(crate) struct Running {
    /// The process that ends it when it ends.
    pub(crate) pid: u32,
    /// The variable that tells the tests where it is.
    pub(crate) variable: String,
    /// What the variable says.
    pub(crate) value: String,
}

impl Home {
    /// The home of the server `name` for this copy of the repository.
    pub(crate) fn of(name: &'static str) -> Result<Self, String> {
        let mut hasher = DefaultHasher::new();
        process::root().hash(&mut hasher);
        let folder =
            std::env::temp_dir().join(format!("tandem-services-{:016x}", hasher.finish())).join(name);
        Ok(Self { name, folder })
    }

    /// An empty folder for a server that does not run: what one left behind whose machine was stopped
    /// belongs to ports that it had.
    pub(crate) fn renew(&self) -> Result<(), String> {
        self.destroy()?;
        std::fs::create_dir_all(&self.folder).map_err(|error| format!("{}: {error}", self.folder.display()))
    }

    /// The folder that `down` removes.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// What it prints.
    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// Where downloads stay, for every copy of the repository.
    pub(crate) fn downloads(&self) -> PathBuf {
        std::env::temp_dir().join("tandem-services-downloads").join(self.name)
    }

    fn state(&self) -> PathBuf {
        self.folder.join("running")
    }

    /// The server, if it runs and was seen to answer.
    pub(crate) fn running(&self) -> Option<Running> {
        let pid = self.process()?;
        let state = std::fs::read_to_string(self.state()).ok()?;
        let mut lines = state.lines().skip(2);
        Some(Running { pid, variable: lines.next()?.to_owned(), value: lines.next()?.to_owned() })
    }

    /// The process that was noted last, if it lives.
    fn process(&self) -> Option<u32> {
        let state = std::fs::read_to_string(self.state()).ok()?;
        let mut lines = state.lines();
        let pid = lines.next()?.parse().ok()?;
        (start_time(pid)? == lines.next()?).then_some(pid)
    }

    /// Notes that the server runs and answers.
    pub(crate) fn remember(&self, running: Running) -> Result<Running, String> {
        self.note(running.pid, &format!("{}\n{}\n", running.variable, running.value))?;
        Ok(running)
    }

    /// Writes down a process and what is known of its server.
    fn note(&self, pid: u32, server: &str) -> Result<(), String> {
        let started = start_time(pid).ok_or("it ended at once")?;
        std::fs::write(self.state(), format!("{pid}\n{started}\n{server}"))
            .map_err(|error| format!("{}: {error}", self.state().display()))
    }

    /// Stops the server and removes its data.
    pub(crate) fn destroy(&self) -> Result<(), String> {
        if let Some(pid) = self.process() {
            eprintln!("xtask: stopping {}", self.name);
            let deadline = Instant::now() + STOP;
            signal("-TERM", pid)?;
            while self.process().is_some() {
                if Instant::now() > deadline {
                    signal("-KILL", pid)?;
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        match std::fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(format!("{}: {error}", self.folder.display()))
            }
            _ => Ok(()),
        }
    }

    /// Starts `command` so that it outlives this process; it is found again even if it never answers.
    pub(crate) fn spawn(&self, command: &mut Command) -> Result<u32, String> {
        let log = File::create(self.log()).map_err(|error| format!("{}: {error}", self.log().display()))?;
        let errors = log.try_clone().map_err(|error| error.to_string())?;
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .map_err(|error| format!("{program}: {error}"))?;
        self.note(child.id(), "").map_err(|error| format!("{program}: {error}"))?;
        Ok(child.id())
    }
}

fn signal(signal: &str, pid: u32) -> Result<(), String> {
    process::run(Command::new("kill").args([signal, &pid.to_string()]))
}

/// When a process started, so that a number used again is not taken for it; `None` when it is
/// gone or only waits to be buried.
fn start_time(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // After the name in parentheses: state is the 3rd field of proc(5), the start time the 22nd.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    (fields.first() != Some(&"Z")).then(|| fields.get(19).map(|time| (*time).to_owned()))?
}

/// Runs `install` unless exactly `packages` are in the folder already.
///
/// # Errors
/// Those of `install`, or that the folder cannot be written.
pub(crate) fn install_once(
    folder: &Path,
    packages: &str,
    install: impl FnOnce() -> Result<(), String>,
) -> Result<(), String> {
    let done = folder.join("installed");
    if std::fs::read_to_string(&done).is_ok_and(|installed| installed == packages) {
        return Ok(());
    }
    install()?;
    std::fs::write(&done, packages).map_err(|error| format!("{}: {error}", done.display()))
}

/// A program of the system's path.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|program| program.is_file())
}

/// What a command prints, whatever its exit status.
pub(crate) fn output<S: AsRef<OsStr>>(
    program: &str,
    arguments: impl Iterator<Item = S>,
) -> Result<String, String> {
    let output =
        Command::new(program).args(arguments).output().map_err(|error| format!("{program}: {error}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

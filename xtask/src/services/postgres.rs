//! Postgres, from the system's packages.

use std::path::PathBuf;
use std::process::Command;

use super::home::{self, Home, Running};
use super::{Install, wait};
use crate::process;

const PASSWORD: &str = "pgpw";

pub(crate) fn start(home: &Home, install: Install) -> Result<Running, String> {
    let programs = find_or_install(install)?;
    let port = tandem_test_ports::free()?;
    initialise(home, &programs)?;
    let mut server = as_its_user(&programs.join("postgres"));
    server.arg("-D").arg(home.data()).args(["-p", &port.to_string()]);
    // Throw-away data: what a crash of the machine would lose does not matter.
    for setting in [
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        "fsync=off",
        "synchronous_commit=off",
        "full_page_writes=off",
        "shared_buffers=64MB",
        "max_connections=400",
    ] {
        server.args(["-c", setting]);
    }
    let pid = home.spawn(server.current_dir("/"))?;
    let address = ["-h", "127.0.0.1", "-p"].map(str::to_owned).into_iter().chain([port.to_string()]);
    let arguments: Vec<String> = address.collect();
    wait::until(&home.log(), || {
        let ready = Command::new(programs.join("pg_isready")).args(&arguments).output();
        Ok(ready.map_err(|error| error.to_string())?.status.success())
    })?;
    Ok(Running {
        pid,
        variable: "TANDEM_TEST_POSTGRES_URL".to_owned(),
        value: format!("postgres://postgres:{PASSWORD}@127.0.0.1:{port}/postgres"),
    })
}

fn initialise(home: &Home, programs: &std::path::Path) -> Result<(), String> {
    let password = home.folder().join("password");
    std::fs::write(&password, PASSWORD).map_err(|error| error.to_string())?;
    if is_root()? {
        process::run(Command::new("chown").arg("-R").arg("postgres").arg(home.folder()))?;
    }
    let mut initdb = as_its_user(&programs.join("initdb"));
    initdb.arg("-D").arg(home.data()).arg("--pwfile").arg(password);
    initdb.args(["-U", "postgres", "-A", "scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]);
    process::output(initdb.current_dir("/")).map(drop)
}

/// Postgres refuses to run as root.
fn as_its_user(program: &std::path::Path) -> Command {
    if is_root().unwrap_or(false) {
        // It becomes the server, so that the process's number is the server's.
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "postgres", "--regid", "postgres", "--init-groups"]).arg(program);
        command
    } else {
        Command::new(program)
    }
}

fn is_root() -> Result<bool, String> {
    Ok(home::output("id", ["-u"].iter())? == "0")
}

/// The folder of its programs, the newest version's.
fn find() -> Option<PathBuf> {
    // A link to it may stand alone: the other programs are where it really is.
    if let Some(initdb) = home::find_program("initdb").and_then(|link| link.canonicalize().ok()) {
        return initdb.parent().map(PathBuf::from);
    }
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut folders: Vec<PathBuf> = versions
        .filter_map(|version| Some(version.ok()?.path().join("bin")))
        .filter(|folder| folder.join("initdb").is_file())
        .collect();
    folders.sort();
    folders.pop()
}

fn find_or_install(install: Install) -> Result<PathBuf, String> {
    if let Some(programs) = find() {
        return Ok(programs);
    }
    if install == Install::Refused {
        return Err("Postgres is not installed; install its server package, or say --install".to_owned());
    }
    // Keeps the package from starting a server of its own on the usual port.
    let folder = std::path::Path::new("/etc/postgresql-common/createcluster.d");
    std::fs::create_dir_all(folder).map_err(|error| error.to_string())?;
    std::fs::write(folder.join("no-main.conf"), "create_main_cluster = false\n")
        .map_err(|error| error.to_string())?;
    let install = || {
        let mut apt = Command::new("apt-get");
        apt.args(["install", "-y", "-q", "--no-install-recommends", "postgresql"]);
        process::output(apt.env("DEBIAN_FRONTEND", "noninteractive"))
    };
    if install().is_err() {
        process::output(Command::new("apt-get").args(["update", "-q"]))?;
        install()?;
    }
    find().ok_or_else(|| "Postgres was installed, but its programs are not found".to_owned())
}

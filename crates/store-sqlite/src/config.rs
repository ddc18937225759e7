use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteSynchronous;
use tandem_contract::{Error, ErrorKind, Result};

/// Settings of the `sqlite` backend. Functions and documents on the same `path` share one set of
/// connections and must then have the same settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SqliteConfig {
    /// The database file; its folder is made when missing. `cloud.sql` has a file of its own beside
    /// it, `NAME.sql.db`.
    pub path: PathBuf,
    /// Connections that read, 1 to 64. Writes go through one more.
    pub readers: u32,
    /// What a write waits for. A publish always waits as `full` does.
    pub synchronous: Synchronous,
}

impl Default for SqliteConfig {
    fn default() -> Self {
        Self { path: PathBuf::from("data/tandem.db"), readers: 4, synchronous: Synchronous::Normal }
    }
}

impl SqliteConfig {
    pub(crate) fn check(&self) -> Result<()> {
        let refuse = |message: &str| Err(Error::new(ErrorKind::InvalidArgument, message));
        if self.path.file_name().is_none() {
            return refuse("sqlite.path must name a file, such as \"data/tandem.db\"");
        }
        if !(1..=64).contains(&self.readers) {
            return refuse("sqlite.readers must be 1 to 64");
        }
        Ok(())
    }
}

/// What a committed write has survived when its method returns (`PRAGMA synchronous`,
/// <https://sqlite.org/pragma.html#pragma_synchronous>).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Synchronous {
    /// A crash or kill of the process. A power cut may lose the last writes, never the file.
    #[default]
    Normal,
    /// A power cut too: one sync of the disk for every write.
    Full,
}

impl From<Synchronous> for SqliteSynchronous {
    fn from(value: Synchronous) -> Self {
        match value {
            Synchronous::Normal => Self::Normal,
            Synchronous::Full => Self::Full,
        }
    }
}

//! [`FunctionStore`](tandem_contract::FunctionStore) and
//! [`DocumentStore`](tandem_contract::DocumentStore) in one SQLite file.
//!
//! One connection writes, several read; the file is in WAL mode, so that readers and the writer do
//! not wait for each other. Both stores of a process share the connections when they share the
//! file. Other processes may open the file too: their publishes are seen within a quarter of a
//! second, and their writes and ours wait for each other.

mod config;
mod database;
mod documents;
mod error;
mod factory;
mod functions;
mod lane;
mod sql;

pub use config::{SqliteConfig, Synchronous};
pub use documents::SqliteDocumentStore;
pub use factory::SqliteFactory;
pub use functions::SqliteFunctionStore;

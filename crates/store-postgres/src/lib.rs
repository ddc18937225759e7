//! [`FunctionStore`](tandem_contract::FunctionStore) and
//! [`DocumentStore`](tandem_contract::DocumentStore) on Postgres, 13 or later.
//!
//! Everything is in one schema. A collection is a table: each row holds a document as BSON, which
//! is the truth, the order-preserving key of its `_id`, and the same document as JSONB, by which
//! the server leaves out what cannot match. An index is a table of keys. Both stores of a process
//! share their connections when they share the server and the schema.

mod config;
mod database;
mod documents;
mod error;
mod factory;
mod functions;
mod pool;
mod sql;

pub use config::PostgresConfig;
pub use documents::PostgresDocumentStore;
pub use factory::PostgresFactory;
pub use functions::PostgresFunctionStore;

//! Functions and documents in MongoDB, through the official driver.
//!
//! The function store keeps one document a function, also those that other tools wrote; the
//! document store passes the query language on to the server.

mod config;
mod connection;
mod documents;
mod error;
mod factory;
mod functions;

pub use config::MongoConfig;
pub use documents::MongoDocumentStore;
pub use factory::MongoFactory;
pub use functions::MongoFunctionStore;

//! The contracts of both ports, line by line, on real files.
#![expect(clippy::unwrap_used, reason = "a helper of a test may fail it")]

mod bulk;
mod common;
mod crash;
mod documents;
mod functions;
mod indexes;
mod pushdown;
mod sql;
mod transactions;

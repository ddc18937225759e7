//! The contracts of both ports, line by line, on real files.
#![expect(clippy::unwrap_used, reason = "a helper of a test may fail it")]

mod common;
mod crash;
mod documents;
mod functions;
mod indexes;
mod sql;
mod transactions;

mod suite {
    tandem_store_suite::document_tests!(crate::common::folder);
}

//! The contracts of both ports, line by line, on a real server.
//!
//! `TANDEM_TEST_POSTGRES_URL` names it. Without one each test says so and passes, unless
//! `TANDEM_REQUIRE_ALL=1`.
#![expect(clippy::unwrap_used, reason = "a helper of a test may fail it")]

mod common;
mod documents;
mod faults;
mod functions;
mod indexes;
mod plans;
mod races;
mod security;
mod server;
mod sql;

mod suite {
    tandem_store_suite::document_tests!(crate::common::schema);
}

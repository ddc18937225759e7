//! The backend on real servers. `TANDEM_TEST_MONGO_URL` names a replica set; tests of faults start
//! servers of their own with the same program, or that of `TANDEM_TEST_MONGOD`.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a helper of a test may fail it")]

mod common;
mod documents;
mod faults;
mod functions;
mod mongod;
mod security;
mod standalone;
mod transactions;
mod watch;

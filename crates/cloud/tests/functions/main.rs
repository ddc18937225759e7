//! What functions reach, on a real engine over real stores.

#![expect(clippy::expect_used, clippy::panic, reason = "a server that does not start fails the test")]

mod cloud;
mod database;
mod server;
mod transactions;
mod web;

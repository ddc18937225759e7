//! The conformance suite: cases are files, every case runs on every combination of engine and
//! stores that the machine offers, through configuration and HTTP, against the built binary.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

pub mod backend;
pub mod binary;
pub mod case;
pub mod client;
pub mod combination;
pub mod expect;
pub mod programs;
pub mod run;
pub mod server;
pub mod template;

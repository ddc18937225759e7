//! Runs functions on V8.
//!
//! An isolate is made from a snapshot that holds the host's scripts, and is owned by a thread of
//! the isolate pool. What a function sees is written in `tandem-cloud`; this crate binds its
//! primitives, loads modules with cached code, counts memory and ends code that has to stop.

mod bindings;
mod code_cache;
mod engine;
mod fatal;
mod function_text;
mod interrupts;
mod isolate;
mod memory;
mod modules;
mod overshoot;
mod platform;
mod rejections;
mod scripts;
mod snapshot;
mod stack;
mod values;

pub use engine::{V8Config, V8Factory};

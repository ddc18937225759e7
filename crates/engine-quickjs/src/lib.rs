//! Runs functions on QuickJS.
//!
//! An isolate is a runtime with one context, owned by a thread of the isolate pool. What a
//! function sees is written in `tandem-cloud`; this crate binds its primitives, loads modules
//! from cached bytecode, counts memory and ends code that has to stop.

mod arenas;
mod bindings;
mod blocks;
mod bytecode;
mod callable;
mod code_cache;
mod engine;
mod intrinsics;
mod isolate;
mod json_read;
mod json_write;
mod layouts;
mod lazy;
mod memory;
mod modules;
mod scripts;
mod shortcuts;
mod stack;
mod values;

#[cfg(test)]
mod json_tests;

pub use engine::{QuickJsConfig, QuickJsFactory};

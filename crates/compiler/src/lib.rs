//! From the source of a function to what an engine loads.
//!
//! [`compile`] runs at publish: it checks a source, erases its types and lowers what engines
//! lack. [`load_module`] runs when a function is first called: it finds out how a stored text is
//! written and what it imports. [`async_context`] rewrites a text for an engine that does not
//! carry a context across `await` by itself.

pub mod async_context;
mod compile;
mod errors;
mod helpers;
mod imports;
mod location;
mod module;
mod nesting;
mod parse;
mod refusals;
mod source_map;
mod stack;

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

pub use compile::{Compiled, MAX_SOURCE_BYTES, compile};
pub use module::load_module;

/// SHA-256 of `text`, lower-case hex.
pub fn hash(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

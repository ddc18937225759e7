//! What the Web APIs leave to Rust: parsing addresses, text encodings, base64, digests,
//! randomness and the clock.

pub(super) mod base64;
pub(super) mod crypto;
pub(super) mod performance;
pub(super) mod text;
pub(super) mod url;

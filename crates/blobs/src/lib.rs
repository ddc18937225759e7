//! What blob stores have in common, whatever they keep objects in.
//!
//! - Keys: 1 to 1024 bytes of UTF-8 without NUL; no other rule ([`checks`]).
//! - Metadata: names in lower case, at most 2 KiB in all, as S3 has it, so that a function that
//!   runs on one store runs on all.
//! - A range that holds no byte of the object is refused, as HTTP's 416 and S3 do it ([`range`]).
//! - Pages of a listing hold at most 10,000 entries, so that no call needs unbounded memory
//!   ([`Page`], [`merge`]).
//! - Keys that a server could not hold as they are have a name of their own ([`aside`]).
//!
//! With the feature `suite` there is one behaviour suite for all of them ([`suite`]).

pub mod aside;
pub mod checks;
mod incoming;
pub mod merge;
mod page;
mod parts;
pub mod pieces;
pub mod range;
#[cfg(feature = "suite")]
pub mod suite;

pub use incoming::Incoming;
pub use page::{Offer, Page};
pub use parts::Parts;

/// Bytes in a piece of an object that is read. Large enough that the cost of a piece does not
/// show, small enough that thousands of readers fit in memory.
pub const PIECE: usize = 256 * 1024;

/// What errors call a blob store, whatever its backend.
pub const STORE: &str = "blob store";

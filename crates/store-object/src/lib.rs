//! [`BlobStore`](tandem_contract::BlobStore) in a local folder and in memory.
//!
//! # Why two ways
//!
//! `memory` keeps its objects in [`object_store::memory::InMemory`], through the module
//! `memory::path_key` that writes any key as an [`object_store::path::Path`] and back; other stores
//! that `object_store` reaches can use the same writing.
//!
//! `local` does not use `object_store::local::LocalFileSystem`, because that cannot keep the
//! promises of the port: it has no content types or metadata and no conditional update, refuses
//! names that end in `#` and digits, follows symbolic links out of its root, is bound by the file
//! system's length of names, tells keys that differ in case apart only where the file system does,
//! lists a whole tree for each page, and leaves the files of broken uploads behind for good. The
//! module `local` describes the layout that does.
//!
//! # What both have in common
//!
//! - Keys: 1 to 1024 bytes of UTF-8 without NUL; no other rule.
//! - Metadata: names in lower case, at most 2 KiB in all, as S3 has it, so that a function that
//!   runs on one store runs on all.
//! - A range that holds no byte of the object is refused, as HTTP's 416 and S3 do it.
//! - Pages of a listing hold at most 10,000 entries, so that no call needs unbounded memory.

mod checks;
mod incoming;
mod local;
mod memory;
mod page;
mod range;

pub use local::{LocalConfig, LocalFactory};
pub use memory::{MemoryConfig, MemoryFactory};

/// Bytes in a piece of an object that is read. Large enough that the cost of a piece does not
/// show, small enough that thousands of readers fit in memory.
pub(crate) const PIECE: usize = 256 * 1024;

/// What errors call either store, whatever its backend.
pub(crate) const STORE: &str = "blob store";

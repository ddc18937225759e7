//! [`BlobStore`](tandem_contract::BlobStore) in a local folder, in memory, and in two clouds.
//!
//! # Why several ways
//!
//! `memory` keeps its objects in [`object_store::memory::InMemory`], through the module
//! `memory::path_key` that writes any key as an [`object_store::path::Path`] and back. `gcs` and
//! `azure` (features of the same names) are `object_store`'s own clients, through the module `cloud`.
//!
//! `local` does not use `object_store::local::LocalFileSystem`, because that cannot keep the
//! promises of the port: it has no content types or metadata and no conditional update, refuses
//! names that end in `#` and digits, follows symbolic links out of its root, is bound by the file
//! system's length of names, tells keys that differ in case apart only where the file system does,
//! lists a whole tree for each page, and leaves the files of broken uploads behind for good. The
//! module `local` describes the layout that does.

#[cfg(feature = "cloud")]
mod cloud;
mod local;
mod memory;

#[cfg(feature = "azure")]
pub use cloud::{AzureConfig, AzureFactory};
#[cfg(feature = "gcs")]
pub use cloud::{GcsConfig, GcsFactory};
pub use local::{LocalConfig, LocalFactory};
pub use memory::{MemoryConfig, MemoryFactory};

//! [`BlobStore`](tandem_contract::BlobStore) on any S3-compatible store, through aws-sdk-s3.
//!
//! # Servers differ
//!
//! | what | here |
//! |---|---|
//! | keys that only S3 itself holds (`a//b`, `..`, a leading slash, …) | stored under another name, see [`tandem_blobs::aside`]; with `key_names = "exact"`, and on AWS, under their own |
//! | a key beside a folder of its name (`d` and `d/x`) | `Conflict` where the server keeps files and folders |
//! | conditional writes | probed once for each process; `NotSupported` where the server would write anyway |
//! | order of listings | bytes; servers that list folder by folder are walked (`listing`) |
//! | checksums | CRC32 and the payload's hash on every write, whatever of it the server verifies; verified on reads where the server keeps them. `DeleteObjects` carries `Content-MD5` too |
//! | metadata that is not ASCII | encoded words of RFC 2047, as S3 itself shows them |
//!
//! # Uploads
//!
//! An object that is in memory, or a stream that ends within `part_size`, is one request. Longer ones
//! are sent in parts. An upload that fails, or whose future is dropped, is aborted: there is the old
//! object, or none.

mod client;
mod conditions;
mod config;
mod copying;
mod factory;
mod failure;
mod interceptors;
mod listing;
mod metadata;
mod presigned;
mod reading;
mod removing;
mod store;
mod upload;

pub use config::{KeyNames, ListingOrder, S3Config};
pub use factory::S3Factory;

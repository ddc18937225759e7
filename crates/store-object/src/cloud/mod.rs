//! Objects in a public cloud, through `object_store`.
//!
//! - A bucket (Azure: a container) is the cloud's own, and made by hand.
//! - Keys that `object_store` cannot write as paths are stored under other names, see
//!   [`tandem_blobs::aside`]; all others under their own.
//! - A write with a condition is one request, so it holds its object in memory: 64 MiB at most.
//! - Entity tags are what the cloud compares: on Google Cloud Storage the generation.
//! - URLs are presigned where the cloud's signature covers what is to be signed; elsewhere the
//!   server signs its own.

#[cfg(feature = "azure")]
mod azure;
mod blobs;
mod failure;
#[cfg(feature = "gcs")]
mod gcs;
mod listing;
mod metadata;
mod options;
mod upload;

#[cfg(feature = "azure")]
pub use azure::{AzureConfig, AzureFactory};
#[cfg(feature = "gcs")]
pub use gcs::{GcsConfig, GcsFactory};

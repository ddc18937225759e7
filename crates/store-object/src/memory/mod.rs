//! Objects in memory, gone with the process: for trying things out and for tests.
//!
//! What a store may hold is bounded, objects on their way included, because a function must not be
//! able to end the process. Entity tags are unique to each write of each process.

mod blobs;
mod path_key;
mod quota;

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tandem_contract::settings::ByteSize;
use tandem_contract::{BackendFactory, BlobStore, OpenContext, Result};

use blobs::MemoryBlobs;

/// Keeps objects in memory, until the process ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MemoryConfig {
    /// How much all objects together may hold, those that are being written included.
    pub limit: ByteSize,
}

impl Default for MemoryConfig {
    fn default() -> Self {
        Self { limit: ByteSize::mib(256) }
    }
}

/// Opens the blob store `memory`.
#[derive(Clone, Copy, Debug)]
pub struct MemoryFactory;

#[async_trait]
impl BackendFactory<dyn BlobStore> for MemoryFactory {
    const NAME: &'static str = "memory";
    type Config = MemoryConfig;

    /// Makes an empty store.
    ///
    /// # Errors
    /// `Internal` when there is no randomness.
    async fn open(config: MemoryConfig, context: OpenContext) -> Result<Arc<dyn BlobStore>> {
        let mut random = [0; 8];
        context.entropy.fill(&mut random)?;
        Ok(Arc::new(MemoryBlobs::new(config.limit.get(), u64::from_be_bytes(random))))
    }
}

#[cfg(test)]
mod tests;

//! How much a store in memory may hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tandem_contract::settings::ByteSize;
use tandem_contract::{Error, ErrorKind, Result};

/// Counts the bytes of all objects and of those on their way.
#[derive(Debug)]
pub(crate) struct Quota {
    limit: u64,
    used: AtomicU64,
}

impl Quota {
    /// Nothing is used yet.
    pub(crate) const fn new(limit: u64) -> Self {
        Self { limit, used: AtomicU64::new(0) }
    }

    /// Gives bytes back.
    pub(crate) fn release(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// Bytes that are given back when it is dropped, unless they are kept.
pub(crate) struct Reservation {
    quota: Arc<Quota>,
    bytes: u64,
}

impl Reservation {
    /// Reserves nothing.
    pub(crate) const fn new(quota: Arc<Quota>) -> Self {
        Self { quota, bytes: 0 }
    }

    /// Reserves more.
    ///
    /// # Errors
    /// `StoreUnavailable` when the store would hold more than it may: what a full disk is to a
    /// store on one.
    pub(crate) fn grow(&mut self, bytes: u64) -> Result<()> {
        let Quota { limit, used } = &*self.quota;
        used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            used.checked_add(bytes).filter(|sum| sum <= limit)
        })
        .map_err(|used| {
            let detail = format!(
                "memory: {used} bytes are in use and {bytes} more do not fit: raise storage.memory.limit, which is {}",
                ByteSize::bytes(*limit)
            );
            Error::new(ErrorKind::StoreUnavailable, "The blob store has no space left").with_detail(detail)
        })?;
        self.bytes += bytes;
        Ok(())
    }

    /// Leaves the bytes to an object that is stored now.
    pub(crate) fn keep(mut self) {
        self.bytes = 0;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.quota.release(self.bytes);
    }
}

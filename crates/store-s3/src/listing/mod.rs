//! Listing in byte order of key, from servers that order differently and name keys differently.
//!
//! Entries come from two sources, each in order, and are merged: ordinary keys, and those that are
//! set aside under other names. Ordinary keys are listed flat where the server orders by key, and
//! folder by folder where it orders by folder.

mod flat;
mod folders;

use async_trait::async_trait;
use tandem_blobs::aside;
use tandem_blobs::merge::{Entries, Entry, Nothing, merge};
use tandem_contract::{BlobListing, BlobPage, Bucket, Result};

use crate::store::S3Blobs;
use flat::Flat;
use folders::Folders;

/// Entries of a page at most, see [`tandem_blobs::Page`].
const LIMIT: usize = 10_000;
/// Entries of a page when nobody says.
const DEFAULT_LIMIT: usize = 1000;

impl S3Blobs {
    pub(crate) async fn page(&self, bucket: &Bucket, listing: BlobListing) -> Result<BlobPage> {
        self.check_open()?;
        let limit = listing.limit.unwrap_or(DEFAULT_LIMIT).min(LIMIT);
        let mut ordinary = self.ordinary(bucket, &listing, limit).await?;
        if self.portable {
            let mut aside = Flat::aside(self, bucket, &listing, limit);
            merge(listing, &mut ordinary, &mut aside).await
        } else {
            merge(listing, &mut ordinary, &mut Nothing).await
        }
    }

    async fn ordinary<'a>(
        &'a self,
        bucket: &'a Bucket,
        listing: &BlobListing,
        limit: usize,
    ) -> Result<Ordinary<'a>> {
        let prefix = match self.portable {
            true => aside::ordinary_prefix(&listing.prefix),
            false => Some(listing.prefix.as_str()),
        };
        let Some(prefix) = prefix else { return Ok(Ordinary::None) };
        let listing = &BlobListing { prefix: prefix.to_owned(), ..listing.clone() };
        if self.lists_by_folder() {
            return Ok(Ordinary::Folders(Folders::new(self, bucket, listing)));
        }
        let mut flat = Flat::ordinary(self, bucket, listing, limit);
        // The first answer of a process may tell that this server orders by folder.
        flat.fill().await?;
        Ok(match self.lists_by_folder() {
            true => Ordinary::Folders(Folders::new(self, bucket, listing)),
            false => Ordinary::Flat(flat),
        })
    }
}

/// Where ordinary keys come from.
enum Ordinary<'a> {
    None,
    Flat(Flat<'a>),
    Folders(Folders<'a>),
}

#[async_trait]
impl Entries for Ordinary<'_> {
    async fn next(&mut self) -> Result<Option<Entry>> {
        match self {
            Self::None => Ok(None),
            Self::Flat(flat) => flat.next().await,
            Self::Folders(folders) => folders.next().await,
        }
    }
}

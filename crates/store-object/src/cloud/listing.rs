//! Listing in byte order of key.

use std::borrow::Cow;
use std::collections::VecDeque;

use async_trait::async_trait;
use object_store::list::PaginatedListOptions;
use object_store::path::Path;
use object_store::{Error as StoreError, ObjectStoreExt};
use tandem_blobs::aside;
use tandem_blobs::merge::{Entries, Entry, LAST, Nothing, merge, readable};
use tandem_contract::{BlobListing, BlobMeta, BlobPage, Bucket, Result};

use super::blobs::{Cloud, CloudBlobs};

/// Entries that are asked for at once.
const REQUEST: usize = 1000;

impl<C: Cloud> CloudBlobs<C> {
    pub(super) async fn page(&self, bucket: &Bucket, listing: BlobListing) -> Result<BlobPage> {
        let mut aside = Source::aside(self, bucket, &listing);
        let Some(prefix) = aside::ordinary_prefix(&listing.prefix) else {
            return merge(listing, &mut Nothing, &mut aside).await;
        };
        let mut ordinary = Source::ordinary(self, bucket, &listing, prefix);
        merge(listing, &mut ordinary, &mut aside).await
    }
}

/// Keys of one kind, in order.
struct Source<'a, C> {
    blobs: &'a CloudBlobs<C>,
    bucket: &'a Bucket,
    prefix: String,
    fold: bool,
    offset: Option<String>,
    /// Names are those of keys that are set aside, or else of ordinary ones.
    aside: bool,
    token: Option<String>,
    begun: bool,
    entries: VecDeque<Entry>,
}

impl<'a, C: Cloud> Source<'a, C> {
    fn ordinary(blobs: &'a CloudBlobs<C>, bucket: &'a Bucket, listing: &BlobListing, prefix: &str) -> Self {
        let fold = listing.delimiter.as_deref() == Some("/");
        let offset =
            listing.cursor.as_deref().map(|cursor| match readable(cursor) == cursor.trim_end_matches('/') {
                true if fold && cursor.ends_with('/') => format!("{cursor}{LAST}"),
                _ => readable(cursor).to_owned(),
            });
        Self::new(blobs, bucket, prefix.to_owned(), offset, fold)
    }

    fn aside(blobs: &'a CloudBlobs<C>, bucket: &'a Bucket, listing: &BlobListing) -> Self {
        let offset = listing.cursor.as_deref().map(aside::prefix);
        Self { aside: true, ..Self::new(blobs, bucket, aside::prefix(&listing.prefix), offset, false) }
    }

    fn new(
        blobs: &'a CloudBlobs<C>,
        bucket: &'a Bucket,
        prefix: String,
        offset: Option<String>,
        fold: bool,
    ) -> Self {
        let offset = offset.filter(|offset| blobs.has_offsets && !offset.is_empty());
        let entries = VecDeque::new();
        Self { blobs, bucket, prefix, fold, offset, aside: false, token: None, begun: false, entries }
    }

    /// The object whose name is the prefix, for clouds that leave it out of listings.
    async fn prefix_itself(&self) -> Result<Option<Entry>> {
        if C::LISTS_PREFIX_ITSELF || self.prefix.is_empty() || self.prefix.ends_with('/') {
            return Ok(None);
        }
        let Ok(path) = Path::parse(&self.prefix) else { return Ok(None) };
        match self.blobs.store(self.bucket)?.head(&path).await {
            Ok(meta) => {
                let key = self.prefix.clone();
                Ok(self.keep(Entry { key: key.clone(), meta: Some(CloudBlobs::<C>::listed(key, meta)) }))
            }
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(CloudBlobs::<C>::error(self.bucket, &error)),
        }
    }

    async fn fill(&mut self) -> Result<()> {
        // It comes before every other.
        let itself = if self.begun { None } else { self.prefix_itself().await? };
        let options = PaginatedListOptions {
            offset: self.offset.clone().filter(|_| self.token.is_none()),
            delimiter: self.fold.then_some(Cow::Borrowed("/")),
            max_keys: Some(REQUEST),
            page_token: self.token.take(),
            ..PaginatedListOptions::default()
        };
        let prefix = Some(self.prefix.as_str()).filter(|prefix| !prefix.is_empty());
        self.begun = true;
        let answer = match self.blobs.store(self.bucket)?.list_paginated(prefix, options).await {
            Ok(answer) => answer,
            // A bucket that does not exist is empty.
            Err(StoreError::NotFound { .. }) => return Ok(()),
            Err(error) => return Err(CloudBlobs::<C>::error(self.bucket, &error)),
        };
        self.entries.extend(itself);
        self.token = answer.page_token;
        let prefixes = answer.result.common_prefixes.into_iter();
        let mut entries: Vec<Entry> =
            prefixes.map(|prefix| Entry { key: format!("{prefix}/"), meta: None }).collect();
        for meta in answer.result.objects {
            let key = meta.location.to_string();
            entries.push(Entry { key: key.clone(), meta: Some(CloudBlobs::<C>::listed(key, meta)) });
        }
        entries.sort_by(|one, two| one.key.cmp(&two.key));
        let kept: Vec<Entry> = entries.into_iter().filter_map(|entry| self.keep(entry)).collect();
        self.entries.extend(kept);
        Ok(())
    }

    fn keep(&self, entry: Entry) -> Option<Entry> {
        if !self.aside {
            return aside::is_ordinary_entry(&entry.key, entry.meta.is_none()).then_some(entry);
        }
        let key = aside::key(&entry.key)?;
        let meta = entry.meta.map(|meta| BlobMeta { key: key.clone(), ..meta });
        Some(Entry { key, meta })
    }
}

#[async_trait]
impl<C: Cloud> Entries for Source<'_, C> {
    async fn next(&mut self) -> Result<Option<Entry>> {
        while self.entries.is_empty() && (!self.begun || self.token.is_some()) {
            self.fill().await?;
        }
        Ok(self.entries.pop_front())
    }
}

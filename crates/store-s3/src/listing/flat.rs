//! Keys in the server's order, which must be that of bytes.
//!
//! Gateways of MinIO's design keep the walk of a listing that was cut short, by the name where it
//! stopped, and go on with it when any later listing begins there: what has changed meanwhile is not
//! seen. So on MinIO no two requests begin at the same name.

use std::collections::{BTreeMap, VecDeque};

use async_trait::async_trait;
use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::types::{EncodingType, Object};
use percent_encoding::percent_decode_str;
use tandem_blobs::aside;
use tandem_blobs::merge::{Entries, Entry, LAST, readable};
use tandem_contract::{BlobListing, BlobMeta, Bucket, Error, Result};

use crate::failure::Failure;
use crate::reading::{etag, length, time};
use crate::store::S3Blobs;

/// Entries that S3 lists in one request.
const REQUEST: usize = 1000;

/// Entries that are asked for at least: some are passed over.
const FEWEST: usize = 20;

/// A request for entries of a listing.
pub(super) struct Query<'a> {
    pub(super) prefix: &'a str,
    pub(super) fold: bool,
    pub(super) start_after: Option<&'a str>,
    pub(super) token: Option<String>,
    pub(super) limit: usize,
}

/// An answer, decoded.
pub(super) struct Answer {
    pub(super) objects: Vec<BlobMeta>,
    pub(super) prefixes: Vec<String>,
    pub(super) token: Option<String>,
}

/// Lists; a bucket that does not exist is empty.
pub(super) async fn ask(store: &S3Blobs, bucket: &Bucket, query: Query<'_>) -> Result<Answer> {
    let limit = i32::try_from(query.limit.clamp(1, REQUEST)).map_err(Error::internal)?;
    let nothing = || Answer { objects: Vec::new(), prefixes: Vec::new(), token: None };
    // MinIO refuses a start without the prefix. Before it, it changes nothing; after it, nothing is left.
    let start_after = match query.start_after {
        Some(start) if start.starts_with(query.prefix) => Some(start.to_owned()),
        Some(start) if start > query.prefix => return Ok(nothing()),
        _ => None,
    };
    let request = store
        .client
        .list_objects_v2()
        .bucket(bucket.as_str())
        .prefix(query.prefix)
        .set_delimiter(query.fold.then(|| "/".to_owned()))
        .set_start_after(start_after.filter(|_| query.token.is_none()))
        .set_continuation_token(query.token)
        // XML cannot hold every character.
        .encoding_type(EncodingType::Url)
        .max_keys(limit);
    match request.send().await.map_err(Failure::from) {
        Ok(answer) => read(answer),
        Err(failure) if failure.is_no_bucket() => Ok(nothing()),
        Err(failure) => Err(failure.error(store.site(bucket, query.prefix))),
    }
}

fn read(answer: ListObjectsV2Output) -> Result<Answer> {
    let encoded = answer.encoding_type == Some(EncodingType::Url);
    let decode = |text: Option<String>| decode(text.unwrap_or_default(), encoded);
    let mut objects = Vec::new();
    for Object { key, size, last_modified, e_tag, .. } in answer.contents.unwrap_or_default() {
        objects.push(BlobMeta {
            key: decode(key)?,
            size: length(size)?,
            last_modified: time(last_modified),
            etag: etag(e_tag),
            content_type: None,
            metadata: BTreeMap::new(),
        });
    }
    let prefixes = answer.common_prefixes.unwrap_or_default().into_iter().map(|prefix| decode(prefix.prefix));
    let prefixes = prefixes.collect::<Result<_>>()?;
    let token = answer.next_continuation_token.filter(|_| answer.is_truncated == Some(true));
    Ok(Answer { objects, prefixes, token })
}

/// Servers write a space as `+` or `%20`, and a plus always as `%2B`.
fn decode(text: String, encoded: bool) -> Result<String> {
    if !encoded {
        return Ok(text);
    }
    let text = text.replace('+', " ");
    let decoded = percent_decode_str(&text).decode_utf8();
    decoded.map(Into::into).map_err(|_| Error::internal("s3: a listed key is not UTF-8"))
}

/// Keys of one kind, in order.
pub(super) struct Flat<'a> {
    store: &'a S3Blobs,
    bucket: &'a Bucket,
    prefix: String,
    fold: bool,
    start_after: Option<String>,
    /// Names are those of keys that are set aside, or else of ordinary ones.
    aside: bool,
    /// Entries still asked for.
    wanted: usize,
    token: Option<String>,
    /// Nothing is left to ask for.
    ended: bool,
    entries: VecDeque<Entry>,
    last: Option<String>,
}

impl<'a> Flat<'a> {
    pub(super) fn ordinary(
        store: &'a S3Blobs,
        bucket: &'a Bucket,
        listing: &BlobListing,
        limit: usize,
    ) -> Self {
        // What other delimiters fold is folded here.
        let fold = listing.delimiter.as_deref() == Some("/");
        let start_after = listing.cursor.as_deref().map(|cursor| match cursor.strip_suffix('/') {
            // The cursor is a prefix, and what is below it is on the pages before.
            Some(_) if fold && readable(cursor) == cursor.trim_end_matches('/') => format!("{cursor}{LAST}"),
            _ if store.portable => readable(cursor).to_owned(),
            _ => cursor.to_owned(),
        });
        Self::new(store, bucket, (listing.prefix.clone(), start_after), fold, limit)
    }

    pub(super) fn aside(store: &'a S3Blobs, bucket: &'a Bucket, listing: &BlobListing, limit: usize) -> Self {
        let start_after = listing.cursor.as_deref().map(aside::prefix);
        let bounds = (aside::prefix(&listing.prefix), start_after);
        Self { aside: true, ..Self::new(store, bucket, bounds, false, limit) }
    }

    fn new(
        store: &'a S3Blobs,
        bucket: &'a Bucket,
        (prefix, start_after): (String, Option<String>),
        fold: bool,
        limit: usize,
    ) -> Self {
        Self {
            store,
            bucket,
            prefix,
            fold,
            start_after: start_after.filter(|start| !start.is_empty()),
            aside: false,
            // One more tells whether there is more.
            wanted: limit + 1,
            token: None,
            ended: false,
            entries: VecDeque::new(),
            last: None,
        }
    }

    /// Asks for more.
    pub(super) async fn fill(&mut self) -> Result<()> {
        let walks_are_kept = self.store.portable && self.store.server.is_minio();
        let start_after = match &self.start_after {
            Some(name) if walks_are_kept => Some(format!("{name}{}", self.unrepeated()?)),
            name => name.clone(),
        };
        let query = Query {
            prefix: &self.prefix,
            fold: self.fold,
            start_after: start_after.as_deref(),
            token: self.token.take(),
            limit: self.wanted.max(FEWEST),
        };
        let answer = ask(self.store, self.bucket, query).await?;
        self.ended = answer.token.is_none();
        self.token = answer.token;
        if self.store.lists_by_folder() && !self.aside {
            // What was answered is not used.
            return Ok(());
        }
        let mut names: Vec<Entry> =
            answer.prefixes.into_iter().map(|key| Entry { key, meta: None }).collect();
        for meta in answer.objects {
            self.check_order(&meta.key)?;
            names.push(Entry { key: meta.key.clone(), meta: Some(meta) });
        }
        names.sort_by(|one, two| one.key.cmp(&two.key));
        if let Some(last) = names.last().filter(|_| walks_are_kept && self.token.is_some()) {
            self.start_after = Some(match last.meta {
                Some(_) => last.key.clone(),
                None => format!("{}{LAST}", last.key),
            });
            self.token = None;
        }
        for entry in names {
            self.entries.extend(self.keep(entry));
        }
        Ok(())
    }

    /// What no name that is stored goes on with, and another each time: names have no control
    /// characters, so nothing lies between one and the same with this after it.
    fn unrepeated(&self) -> Result<String> {
        let mut random = [0; 8];
        self.store.entropy.fill(&mut random)?;
        Ok(format!("\u{1}{:016x}", u64::from_be_bytes(random)))
    }

    fn keep(&self, entry: Entry) -> Option<Entry> {
        if !self.aside {
            let kept = !self.store.portable || aside::is_ordinary_entry(&entry.key, entry.meta.is_none());
            return kept.then_some(entry);
        }
        let key = aside::key(&entry.key)?;
        let meta = entry.meta.map(|meta| BlobMeta { key: key.clone(), ..meta });
        Some(Entry { key, meta })
    }

    /// A listing out of order would be cut into pages that miss keys.
    fn check_order(&mut self, name: &str) -> Result<()> {
        let after = |bound: &Option<String>| bound.as_deref().is_none_or(|bound| name > bound);
        if !after(&self.last) || !after(&self.start_after) {
            return Err(Error::internal(format_args!(
                "s3: {} does not list in byte order of key: set storage.s3.listing = \"by_folder\"",
                self.store.endpoint
            )));
        }
        self.last = Some(name.to_owned());
        Ok(())
    }
}

#[async_trait]
impl Entries for Flat<'_> {
    async fn next(&mut self) -> Result<Option<Entry>> {
        while self.entries.is_empty() && !self.ended {
            self.fill().await?;
        }
        self.wanted = self.wanted.saturating_sub(1);
        Ok(self.entries.pop_front())
    }
}

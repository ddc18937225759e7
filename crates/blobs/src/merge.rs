//! A page of a listing from two sources: ordinary keys, and those that are set aside under other
//! names.

use async_trait::async_trait;
use tandem_contract::{BlobListing, BlobMeta, BlobPage, Result};

use crate::{Offer, Page};

/// What every key comes before that goes on after it.
pub const LAST: char = '\u{10ffff}';

/// Longest part that file systems hold, in bytes.
const PART: usize = 255;

/// A key, or a prefix into which the store folded several.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key or the prefix.
    pub key: String,
    /// `None` for a prefix.
    pub meta: Option<BlobMeta>,
}

/// Entries in byte order of key.
#[async_trait]
pub trait Entries: Send {
    /// The next entry; `None` after the last.
    ///
    /// # Errors
    /// Those of the port's `list`.
    async fn next(&mut self) -> Result<Option<Entry>>;
}

/// No entries.
pub struct Nothing;

#[async_trait]
impl Entries for Nothing {
    async fn next(&mut self) -> Result<Option<Entry>> {
        Ok(None)
    }
}

/// The page of `listing` out of both sources, which may begin before its cursor.
///
/// # Errors
/// Those of the sources; `InvalidArgument` for a limit of zero.
pub async fn merge(listing: BlobListing, one: &mut dyn Entries, two: &mut dyn Entries) -> Result<BlobPage> {
    let mut page = Page::new(listing)?;
    let mut next = (one.next().await?, two.next().await?);
    loop {
        let first = match &next {
            (None, None) => break,
            (Some(one), Some(two)) => one.key <= two.key,
            (one, _) => one.is_some(),
        };
        let entry = if first { next.0.take() } else { next.1.take() };
        let Some(Entry { key, meta }) = entry else { break };
        let meta = meta.unwrap_or_else(|| folded(&key));
        if page.offer(&key, || Ok(Some(meta)))? == Offer::Full {
            break;
        }
        match first {
            true => next.0 = one.next().await?,
            false => next.1 = two.next().await?,
        }
    }
    Ok(page.finish())
}

/// Stands for the objects below a prefix; only its key is used.
fn folded(key: &str) -> BlobMeta {
    BlobMeta {
        key: key.to_owned(),
        size: 0,
        last_modified: std::time::SystemTime::UNIX_EPOCH,
        etag: String::new(),
        content_type: None,
        metadata: Default::default(),
    }
}

/// The longest start of `key` that every server reads as it is, so that a listing can begin there:
/// at or before `key`.
pub fn readable(key: &str) -> &str {
    let mut at = 0;
    for part in key.split_inclusive('/') {
        let name = part.strip_suffix('/').unwrap_or(part);
        if matches!(name.trim(), "" | "." | "..")
            || part.chars().any(|char| char == '\\' || char.is_control())
        {
            break;
        }
        if name.len() > PART {
            return &key[..key.floor_char_boundary(at + PART)];
        }
        at += part.len();
    }
    key[..at].strip_suffix('/').unwrap_or(&key[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listings_begin_where_every_server_can() {
        for (key, start) in [
            ("a/b", "a/b"),
            ("/a", ""),
            ("a//b", "a"),
            ("a/../b", "a"),
            ("a/b\\c", "a"),
            ("a/", "a"),
            ("..", ""),
        ] {
            assert_eq!(readable(key), start, "{key:?}");
        }
        assert_eq!(readable(&format!("a/{}", "x".repeat(300))).len(), 257);
    }
}

//! Keys of a server that lists folder by folder, put in byte order.
//!
//! Such a server lists the folder `a` where the name `a` comes, before `a-b`; but its keys begin with
//! `a/` and come after. So a folder is held back until the names have passed it. The same server
//! may still list folders whose last object has gone; when those are to be entries, each is looked
//! into. A folder whose keys all come in one answer, whatever the depth, is not opened at all.

use std::collections::BTreeMap;

use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};
use tandem_blobs::aside;
use tandem_blobs::merge::{Entries, Entry, LAST, readable};
use tandem_contract::{BlobListing, BlobMeta, Bucket, Result};

use super::flat::{Query, ask};
use crate::store::S3Blobs;

/// Entries of a folder that are asked for at once.
const REQUEST: usize = 1000;
/// Folders that are looked into at once.
const AT_ONCE: usize = 16;

/// The folders that are open, from the outermost.
pub(super) struct Folders<'a> {
    store: &'a S3Blobs,
    bucket: &'a Bucket,
    cursor: Option<String>,
    fold: bool,
    open: Vec<Folder>,
}

/// A folder being listed.
struct Folder {
    /// What its entries begin with: its key, with the slash at its end, or more of a key.
    prefix: String,
    start_after: Option<String>,
    token: Option<String>,
    begun: bool,
    /// All keys below it came in one answer.
    whole: bool,
    /// Entries by key, of folders with the slash.
    held: BTreeMap<String, Entry>,
    /// Everything up to this name has been listed.
    passed: Option<String>,
}

impl<'a> Folders<'a> {
    pub(super) fn new(store: &'a S3Blobs, bucket: &'a Bucket, listing: &BlobListing) -> Self {
        let fold = listing.delimiter.as_deref() == Some("/");
        let mut folders = Self { store, bucket, cursor: listing.cursor.clone(), fold, open: Vec::new() };
        let path = listing.prefix.rfind('/').map_or("", |at| &listing.prefix[..=at]);
        folders.enter(path, listing.prefix.clone());
        folders
    }

    fn enter(&mut self, path: &str, prefix: String) {
        let start_after = self.cursor.as_deref().and_then(|cursor| before(path, cursor));
        let (token, passed) = (None, None);
        self.open.push(Folder {
            prefix,
            start_after,
            token,
            begun: false,
            whole: false,
            held: BTreeMap::new(),
            passed,
        });
    }

    /// Asks for more of the innermost folder.
    async fn fill(&mut self) -> Result<()> {
        let Self { store, bucket, cursor, fold, open } = self;
        let Some(folder) = open.last_mut() else { return Ok(()) };
        let first = !folder.begun;
        folder.begun = true;
        let wanted = |key: &str| {
            cursor.as_deref().is_none_or(|cursor| {
                key > cursor || (!*fold && key.ends_with('/') && cursor.starts_with(key))
            })
        };
        let kept = |key: &str, is_prefix| !store.portable || aside::is_ordinary_entry(key, is_prefix);
        if first {
            let all =
                Query { prefix: &folder.prefix, fold: false, start_after: None, token: None, limit: REQUEST };
            let answer = ask(store, bucket, all).await?;
            if answer.token.is_none() {
                folder.whole = true;
                folder.hold(
                    answer.objects.into_iter().filter(|meta| wanted(&meta.key) && kept(&meta.key, false)),
                );
                return Ok(());
            }
        }
        let query = Query {
            prefix: &folder.prefix,
            fold: true,
            start_after: folder.start_after.as_deref(),
            token: folder.token.take(),
            limit: REQUEST,
        };
        let answer = ask(store, bucket, query).await?;
        let prefixes: Vec<String> =
            answer.prefixes.into_iter().filter(|key| wanted(key) && kept(key, true)).collect();
        let names = answer.objects.iter().map(|meta| meta.key.as_str());
        let names = names.chain(prefixes.iter().map(|key| key.trim_end_matches('/')));
        folder.passed = names.max().map(str::to_owned).max(folder.passed.take());
        let prefixes = match *fold {
            true => that_hold_something(store, bucket, prefixes).await?,
            false => prefixes,
        };
        folder.held.extend(prefixes.into_iter().map(|key| (key.clone(), Entry { key, meta: None })));
        folder.hold(answer.objects.into_iter().filter(|meta| wanted(&meta.key) && kept(&meta.key, false)));
        folder.token = answer.token;
        Ok(())
    }
}

#[async_trait]
impl Entries for Folders<'_> {
    async fn next(&mut self) -> Result<Option<Entry>> {
        while let Some(folder) = self.open.last_mut() {
            let Some(entry) = folder.take() else {
                if folder.whole || (folder.begun && folder.token.is_none()) {
                    self.open.pop();
                } else {
                    self.fill().await?;
                }
                continue;
            };
            if entry.meta.is_some() || self.fold {
                return Ok(Some(entry));
            }
            self.enter(&entry.key.clone(), entry.key);
        }
        Ok(None)
    }
}

impl Folder {
    fn hold(&mut self, objects: impl Iterator<Item = BlobMeta>) {
        self.held.extend(
            objects.map(|meta| (meta.key.clone(), Entry { key: meta.key.clone(), meta: Some(meta) })),
        );
    }

    /// The next entry, if none that is not listed yet can come before it.
    fn take(&mut self) -> Option<Entry> {
        let ended = self.whole || (self.begun && self.token.is_none());
        let entry = self.held.first_entry()?;
        let passed = self.passed.as_deref().is_some_and(|passed| entry.key().as_str() <= passed);
        (ended || passed).then(|| entry.remove())
    }
}

async fn that_hold_something(store: &S3Blobs, bucket: &Bucket, folders: Vec<String>) -> Result<Vec<String>> {
    let looks = stream::iter(folders).map(|folder| async move {
        let query = Query { prefix: &folder, fold: false, start_after: None, token: None, limit: 1 };
        let answer = ask(store, bucket, query).await?;
        Ok((!answer.objects.is_empty()).then_some(folder))
    });
    looks.buffered(AT_ONCE).try_filter_map(|folder| async { Ok(folder) }).try_collect().await
}

/// A name to begin after in the folder `path`, so that nothing is missed that comes after `cursor`:
/// before the name of each folder that holds `cursor` or comes after it. Those are the start of the
/// cursor's own name, cut before the first character that comes before the slash.
fn before(path: &str, cursor: &str) -> Option<String> {
    let rest = readable(cursor).strip_prefix(path)?;
    let name: String = rest.chars().take_while(|char| *char > '/').collect();
    let mut start: Vec<char> = name.chars().collect();
    let last = start.pop()?;
    let mut text: String = path.chars().chain(start).collect();
    if let Some(previous) = char::from_u32(u32::from(last) - 1).filter(|char| *char > '/') {
        text.extend([previous, LAST]);
    }
    (text.len() > path.len()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listings_go_on_before_every_folder_that_is_left() {
        for (path, cursor, expected) in [
            ("", "a-b", Some("`\u{10ffff}")),
            ("", "ab/c", Some("aa\u{10ffff}")),
            ("x/", "x/ab.jpg", Some("x/aa\u{10ffff}")),
            ("x/", "x/a0", Some("x/a")),
            ("x/", "x/-a", None),
            ("x/", "y", None),
            ("x/", "x/", None),
        ] {
            assert_eq!(before(path, cursor).as_deref(), expected, "{path:?} {cursor:?}");
        }
    }
}

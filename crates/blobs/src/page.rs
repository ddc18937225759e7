//! Puts a page of a listing together from keys that come in byte order.

use tandem_contract::{BlobListing, BlobMeta, BlobPage, Error, ErrorKind, Result};

const DEFAULT_LIMIT: usize = 1000;
const LIMIT: usize = 10_000;

/// A page in the making.
///
/// An *entry* of a listing is a key, or the prefix that the delimiter folds it into. Entries come
/// in byte order when keys do, because the keys that share a prefix are neighbours. The cursor is
/// the last entry of the page before, and a page holds only entries after it: objects that come
/// and go between pages neither repeat nor hide others.
pub struct Page {
    prefix: String,
    delimiter: Option<String>,
    cursor: Option<String>,
    limit: usize,
    page: BlobPage,
    last: Option<String>,
}

/// What became of a key.
#[derive(Debug, PartialEq, Eq)]
pub enum Offer {
    /// It is on the page, or does not belong on it.
    Done,
    /// It, and every other key that starts with this, is on the page as this prefix.
    Folded(String),
    /// The page is full and there is more.
    Full,
}

impl Page {
    /// An empty page.
    ///
    /// # Errors
    /// `InvalidArgument` for a limit of zero, with which a listing would never end.
    pub fn new(listing: BlobListing) -> Result<Self> {
        let limit = listing.limit.unwrap_or(DEFAULT_LIMIT).min(LIMIT);
        if limit == 0 {
            return Err(Error::new(ErrorKind::InvalidArgument, "The limit of a listing is at least 1"));
        }
        Ok(Self {
            prefix: listing.prefix,
            delimiter: listing.delimiter.filter(|delimiter| !delimiter.is_empty()),
            cursor: listing.cursor,
            limit,
            page: BlobPage::default(),
            last: None,
        })
    }

    /// Whether `key`, or the prefix that it folds into, is an entry that this page still lacks.
    pub fn wants(&self, key: &str) -> bool {
        key.starts_with(&self.prefix) && self.lacks(self.entry(key))
    }

    /// Whether any key that starts with `start` may be an entry that this page still lacks.
    pub fn wants_below(&self, start: &str) -> bool {
        if !start.starts_with(&self.prefix) {
            return self.prefix.starts_with(start);
        }
        let entry = self.entry(start);
        if entry.len() < start.len() || self.folds_whole(start) {
            return self.lacks(entry);
        }
        self.cursor.as_deref().is_none_or(|cursor| start > cursor || cursor.starts_with(start))
    }

    /// Takes the next key. `meta` is called only when the object itself goes on the page; where it
    /// gives `None`, the object has gone meanwhile.
    pub fn offer(&mut self, key: &str, meta: impl FnOnce() -> Result<Option<BlobMeta>>) -> Result<Offer> {
        if !self.wants(key) {
            return Ok(Offer::Done);
        }
        if self.page.blobs.len() + self.page.prefixes.len() >= self.limit {
            self.page.next = self.last.take();
            return Ok(Offer::Full);
        }
        let Some(meta) = meta()? else { return Ok(Offer::Done) };
        let entry = self.entry(key).to_owned();
        self.last = Some(entry.clone());
        if self.folds_whole(&entry) {
            self.page.prefixes.push(entry.clone());
            return Ok(Offer::Folded(entry));
        }
        self.page.blobs.push(meta);
        Ok(Offer::Done)
    }

    /// The page.
    pub fn finish(self) -> BlobPage {
        self.page
    }

    /// `key`, or the prefix that it folds into: up to the first delimiter after the listing's prefix.
    fn entry<'k>(&self, key: &'k str) -> &'k str {
        let Some(delimiter) = &self.delimiter else { return key };
        let rest = key.get(self.prefix.len()..).unwrap_or_default();
        match rest.find(delimiter.as_str()) {
            Some(at) => &key[..self.prefix.len() + at + delimiter.len()],
            None => key,
        }
    }

    /// Whether `entry` is a folded prefix.
    fn folds_whole(&self, entry: &str) -> bool {
        self.delimiter.as_deref().is_some_and(|delimiter| {
            entry.get(self.prefix.len()..).is_some_and(|rest| rest.contains(delimiter))
        })
    }

    fn lacks(&self, entry: &str) -> bool {
        self.cursor.as_deref().is_none_or(|cursor| entry > cursor)
            && self.last.as_deref().is_none_or(|last| entry > last)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::SystemTime;

    use proptest::prelude::*;

    use super::*;

    fn meta(key: &str) -> BlobMeta {
        BlobMeta {
            key: key.to_owned(),
            size: 0,
            last_modified: SystemTime::UNIX_EPOCH,
            etag: String::new(),
            content_type: None,
            metadata: Default::default(),
        }
    }

    fn pages(keys: &BTreeSet<String>, listing: &BlobListing) -> Vec<BlobPage> {
        let mut pages = Vec::new();
        let mut cursor = None;
        loop {
            let mut page = Page::new(BlobListing { cursor, ..listing.clone() }).unwrap();
            for key in keys {
                if page.offer(key, || Ok(Some(meta(key)))).unwrap() == Offer::Full {
                    break;
                }
            }
            let page = page.finish();
            cursor = page.next.clone();
            pages.push(page);
            if cursor.is_none() {
                return pages;
            }
        }
    }

    proptest! {
        #[test]
        fn all_pages_together_hold_every_entry_once(
            keys in prop::collection::btree_set("[ab/ä]{1,6}", 0..30),
            prefix in "[ab/ä]{0,2}",
            delimiter in prop::option::of("[/aä]{0,2}"),
            limit in 1..7usize,
        ) {
            let listing =
                BlobListing { prefix: prefix.clone(), delimiter: delimiter.clone(), cursor: None, limit: Some(limit) };
            let (mut blobs, mut prefixes) = (Vec::new(), BTreeSet::new());
            for key in keys.iter().filter(|key| key.starts_with(&prefix)) {
                let delimiter = delimiter.as_deref().filter(|text| !text.is_empty());
                match delimiter.and_then(|text| Some((key[prefix.len()..].find(text)?, text))) {
                    Some((at, text)) => drop(prefixes.insert(key[..prefix.len() + at + text.len()].to_owned())),
                    None => blobs.push(key.clone()),
                }
            }
            let pages = pages(&keys, &listing);
            prop_assert!(pages.iter().all(|page| page.blobs.len() + page.prefixes.len() <= limit));
            let listed: Vec<_> = pages.iter().flat_map(|page| &page.blobs).map(|blob| blob.key.clone()).collect();
            prop_assert_eq!(listed, blobs);
            let folded: Vec<_> = pages.iter().flat_map(|page| page.prefixes.clone()).collect();
            prop_assert_eq!(folded, prefixes.into_iter().collect::<Vec<_>>());
        }

        #[test]
        fn a_folder_is_passed_over_only_when_nothing_in_it_is_wanted(
            keys in prop::collection::btree_set("[ab/ä]{1,6}", 1..20),
            start in "[ab/ä]{1,4}",
            prefix in "[ab/ä]{0,3}",
            delimiter in prop::option::of("[/ab]{1,2}"),
            cursor in prop::option::of("[ab/ä]{1,4}"),
        ) {
            let page = Page::new(BlobListing { prefix, delimiter, cursor, limit: None }).unwrap();
            let wanted = keys.iter().any(|key| key.starts_with(&start) && page.wants(key));
            prop_assert!(!wanted || page.wants_below(&start));
        }
    }

    #[test]
    fn a_limit_of_zero_is_refused() {
        let listing = BlobListing { limit: Some(0), ..BlobListing::default() };
        assert!(Page::new(listing).is_err_and(|error| error.kind() == ErrorKind::InvalidArgument));
    }

    #[test]
    fn an_object_that_has_gone_is_not_counted() {
        let mut page = Page::new(BlobListing { limit: Some(1), ..BlobListing::default() }).unwrap();
        assert_eq!(page.offer("a", || Ok(None)).unwrap(), Offer::Done);
        assert_eq!(page.offer("b", || Ok(Some(meta("b")))).unwrap(), Offer::Done);
        let page = page.finish();
        assert_eq!(page.blobs.len(), 1);
        assert_eq!(page.next, None);
    }
}

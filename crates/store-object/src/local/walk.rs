//! Listing: a walk through the folders in byte order of key.

use std::collections::BTreeMap;
use std::collections::btree_map::IntoIter;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, Dir, FileType};
use rustix::io::Errno;
use tandem_contract::{BlobListing, BlobMeta, BlobPage, Bucket, Result};

use super::folder::OPEN_FOLDERS;
use super::names::{self, Name};
use super::{Root, folder, io_error, trailer};
use tandem_blobs::{Offer, Page};

/// Entries of a folder that are held at once. A folder with more is read again for the next ones,
/// so that a listing of a huge one needs little memory.
const WINDOW: usize = 4096;

/// Folders that hold the rest of a long name are nested no deeper for any key.
const CONTINUATIONS: usize = 32;

/// Lists a page of a bucket.
pub(crate) fn list(root: &Root, bucket: &Bucket, listing: BlobListing) -> Result<BlobPage> {
    let mut page = Page::new(listing)?;
    let mut walk = Walk { root, frames: Vec::new() };
    walk.enter(String::new(), vec![names::bucket(bucket.as_str())], None);
    while let Some((key, entry)) = walk.next(&page)? {
        let Entry { names, file } = entry;
        match file {
            None if page.wants_below(&key) => {
                if let Some(folder) = walk.find(&names)? {
                    walk.enter(key, names, Some(folder));
                }
            }
            None => {}
            Some(file) => match page.offer(&key, || walk.look(&names, &file, &key))? {
                Offer::Done => {}
                Offer::Folded(prefix) => walk.leave(&prefix),
                Offer::Full => break,
            },
        }
    }
    Ok(page.finish())
}

/// A walk, with the folders that lead to where it is.
struct Walk<'r> {
    root: &'r Root,
    frames: Vec<Frame>,
}

/// A folder that is being walked through.
struct Frame {
    /// What all keys in it start with.
    key: String,
    /// Its place in the folder of the frame before.
    names: Vec<String>,
    /// Closed while the walk is far below.
    folder: Option<OwnedFd>,
    entries: IntoIter<String, Entry>,
    state: State,
}

enum State {
    /// Nothing has been read yet.
    New,
    /// There are entries after this one.
    More(String),
    /// All that is left is in `entries`.
    Last,
}

/// What is in a folder, by the part of the key that it stands for, with `/` for a folder. Byte
/// order of these is the order of the keys.
type Entries = BTreeMap<String, Entry>;

struct Entry {
    /// Folders to pass below that of the frame.
    names: Vec<String>,
    /// The name of the file, for an object.
    file: Option<String>,
}

impl Walk<'_> {
    fn enter(&mut self, key: String, names: Vec<String>, folder: Option<OwnedFd>) {
        self.frames.push(Frame {
            key,
            names,
            folder,
            entries: Entries::new().into_iter(),
            state: State::New,
        });
        if let Some(far) = self.frames.len().checked_sub(OPEN_FOLDERS + 1) {
            self.frames[far].folder = None;
        }
    }

    /// Leaves every folder that holds nothing but keys that start with `prefix`.
    fn leave(&mut self, prefix: &str) {
        while self.frames.pop_if(|frame| frame.key.starts_with(prefix)).is_some() {}
    }

    /// The next key, or start of keys, and what stands for it.
    fn next(&mut self, page: &Page) -> Result<Option<(String, Entry)>> {
        while let Some(frame) = self.frames.last_mut() {
            if let Some((part, entry)) = frame.entries.next() {
                return Ok(Some((format!("{}{part}", frame.key), entry)));
            }
            let after = match std::mem::replace(&mut frame.state, State::Last) {
                State::New => None,
                State::More(after) => Some(after),
                State::Last => {
                    self.frames.pop();
                    continue;
                }
            };
            self.refill(page, after.as_deref())?;
        }
        Ok(None)
    }

    /// Reads the next entries of the last folder.
    fn refill(&mut self, page: &Page, after: Option<&str>) -> Result<()> {
        let Some(folder) = self.find(&[])? else { return Ok(()) };
        let Some(frame) = self.frames.last_mut() else { return Ok(()) };
        let mut window = Window { key: &frame.key, page, after, entries: Entries::new(), cut: false };
        window.read(&folder, &[], None)?;
        let Window { entries, cut, .. } = window;
        if let Some((last, _)) = entries.last_key_value().filter(|_| cut) {
            frame.state = State::More(last.clone());
        }
        frame.entries = entries.into_iter();
        Ok(())
    }

    /// Opens the folder at `names` in the last one.
    fn find(&mut self, names: &[String]) -> Result<Option<OwnedFd>> {
        if self.frames.last().is_some_and(|frame| frame.folder.is_none()) {
            let path: Vec<String> = self.frames.iter().flat_map(|frame| frame.names.clone()).collect();
            let folder = folder::find(&self.root.folder, &path)?;
            if let Some(frame) = self.frames.last_mut() {
                frame.folder = folder;
            }
        }
        match self.frames.last().and_then(|frame| frame.folder.as_ref()) {
            Some(folder) => folder::find(folder, names),
            None => Ok(None),
        }
    }

    /// What a listing tells of an object; `None` when it has gone, or is not an object after all.
    fn look(&mut self, names: &[String], file: &str, key: &str) -> Result<Option<BlobMeta>> {
        let Some(folder) = self.find(names)? else { return Ok(None) };
        let Some((open, length)) = folder::open_file(&folder, file)? else { return Ok(None) };
        match trailer::read(&open, length) {
            Ok((trailer, size)) => {
                let meta = trailer.into_meta(key.to_owned(), size);
                // As the stores do whose listings do not tell: a function sees no difference.
                Ok(Some(BlobMeta { content_type: None, metadata: BTreeMap::new(), ..meta }))
            }
            Err(error) => {
                tracing::warn!(key, file, %error, "a file in the blob store's folder is not listed");
                Ok(None)
            }
        }
    }
}

/// The first entries of a folder after a point that a page may want.
struct Window<'w> {
    /// What all keys in the folder start with.
    key: &'w str,
    page: &'w Page,
    after: Option<&'w str>,
    entries: Entries,
    cut: bool,
}

impl Window<'_> {
    /// Reads a folder; with `written`, one that holds the rest of names that start so.
    fn read(&mut self, folder: &OwnedFd, names: &[String], written: Option<&str>) -> Result<()> {
        let failed = |error: Errno| io_error("read a folder", &error.into());
        for entry in Dir::read_from(folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            let kind = match entry.file_type() {
                FileType::Unknown => match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                    Err(_) => continue,
                },
                kind => kind,
            };
            let below = || [names, &[name.to_owned()]].concat();
            match (kind, names::read(name, written)) {
                (FileType::RegularFile, Some(Name::Object(part))) => {
                    self.insert(part, Entry { names: names.to_vec(), file: Some(name.to_owned()) });
                }
                (FileType::Directory, Some(Name::Folder(part))) => {
                    self.insert(part + "/", Entry { names: below(), file: None });
                }
                (FileType::Directory, Some(Name::Continues(start))) if names.len() < CONTINUATIONS => {
                    if let Some(folder) = folder::find(folder, &[name.to_owned()])? {
                        self.read(&folder, &below(), Some(&start))?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn insert(&mut self, part: String, entry: Entry) {
        let key = format!("{}{part}", self.key);
        let wanted = match entry.file {
            Some(_) => self.page.wants(&key),
            None => self.page.wants_below(&key),
        };
        if wanted && self.after.is_none_or(|after| part.as_str() > after) {
            self.entries.insert(part, entry);
            if self.entries.len() > WINDOW {
                self.entries.pop_last();
                self.cut = true;
            }
        }
    }
}

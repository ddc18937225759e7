//! Writing, copying and deleting.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::os::fd::OwnedFd;

use rustix::fs::AtFlags;
use rustix::io::Errno;
use sha2::{Digest, Sha256};
use tandem_contract::{BlobMeta, Bucket, Condition, Error, Result};

use super::folder::{self, Lock};
use super::names::Place;
use super::staged::Staged;
use super::trailer::{self, Trailer};
use super::{Root, io_error};
use tandem_blobs::checks::{self, Description};

/// Bits of the SHA-256 that make an entity tag, in bytes: a collision by chance is out of reach.
const ETAG_BYTES: usize = 16;
/// How often a folder is made again that others remove as empty before anything is in it.
const ATTEMPTS: usize = 100;

/// An object on its way. Dropped before it is published, it leaves nothing behind.
pub(crate) struct Draft {
    staged: Staged,
    hash: Sha256,
    size: u64,
}

impl Draft {
    /// An empty object.
    pub(crate) fn new(root: &Root) -> Result<Self> {
        let staged = Staged::create(&root.staging, &*root.entropy)?;
        Ok(Self { staged, hash: Sha256::new(), size: 0 })
    }

    /// Adds bytes.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.hash.update(bytes);
        self.size += bytes.len() as u64;
        self.staged.file().write_all(bytes).map_err(|error| io_error("write", &error))
    }

    /// Makes it the object `key`.
    ///
    /// # Errors
    /// `Conflict` when `condition` does not hold.
    pub(crate) fn publish(
        self,
        root: &Root,
        bucket: &Bucket,
        key: String,
        description: Description,
        condition: &Condition,
    ) -> Result<BlobMeta> {
        let Description { content_type, metadata } = description;
        let etag = etag(self.hash);
        let trailer = Trailer { etag, modified: trailer::nanos(root.clock.wall()), content_type, metadata };
        root.finish(self.staged, &trailer, &Root::place(bucket, &key), condition)?;
        Ok(trailer.into_meta(key, self.size))
    }
}

impl Root {
    /// Copies an object; `false` when there is none.
    pub(crate) fn copy(&self, bucket: &Bucket, from: &str, to: String) -> Result<bool> {
        let Some(found) = self.open_object(bucket, from)? else { return Ok(false) };
        let staged = Staged::create(&self.staging, &*self.entropy)?;
        // The kernel copies, where it can without moving a byte through this process.
        let copied = io::copy(&mut io::Read::take(&found.file, found.size), &mut staged.file())
            .map_err(|error| io_error("copy", &error))?;
        if copied != found.size {
            return Err(Error::internal("an object's file became shorter while it was copied"));
        }
        let trailer = Trailer { modified: trailer::nanos(self.clock.wall()), ..found.trailer };
        self.finish(staged, &trailer, &Self::place(bucket, &to), &Condition::None)?;
        Ok(true)
    }

    /// Deletes an object; no error when there is none.
    pub(crate) fn delete(&self, bucket: &Bucket, key: &str) -> Result<()> {
        let place = Self::place(bucket, key);
        let Some(folder) = folder::find(&self.folder, &place.folders)? else { return Ok(()) };
        let lock = Lock::wait(&folder)?;
        match rustix::fs::unlinkat(&folder, &place.file, AtFlags::empty()) {
            Ok(()) => {}
            Err(Errno::NOENT | Errno::ISDIR) => return Ok(()),
            Err(error) => return Err(io_error("delete", &error.into())),
        }
        drop(lock);
        self.flush(&folder)?;
        folder::prune(&self.folder, &place.folders)
    }

    /// Ends a file with its trailer and moves it into place.
    fn finish(
        &self,
        mut staged: Staged,
        trailer: &Trailer,
        place: &Place,
        condition: &Condition,
    ) -> Result<()> {
        staged.file().write_all(&trailer.to_bytes()?).map_err(|error| io_error("write", &error))?;
        if self.sync {
            staged.file().sync_data().map_err(|error| io_error("flush", &error))?;
        }
        for _ in 0..ATTEMPTS {
            let folder = folder::make(&self.folder, &place.folders, self.sync)?;
            let lock = Lock::wait(&folder)?;
            check_condition(&folder, &place.file, condition)?;
            match staged.place(&folder, &place.file) {
                Ok(()) => {
                    drop(lock);
                    return self.flush(&folder);
                }
                // Removed as empty between the two calls.
                Err(Errno::NOENT) => {}
                Err(error) => return Err(io_error("put an object in place", &error.into())),
            }
        }
        Err(io_error("put an object in place", &Errno::NOENT.into()))
    }

    fn flush(&self, folder: &OwnedFd) -> Result<()> {
        if self.sync {
            rustix::fs::fsync(folder).map_err(|error| io_error("flush a folder", &error.into()))?;
        }
        Ok(())
    }
}

fn check_condition(folder: &OwnedFd, file: &str, condition: &Condition) -> Result<()> {
    let holds = match condition {
        Condition::None => return Ok(()),
        Condition::Absent => match rustix::fs::statat(folder, file, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => false,
            Err(Errno::NOENT) => true,
            Err(error) => return Err(io_error("find", &error.into())),
        },
        Condition::Matches(etag) => match folder::open_file(folder, file)? {
            Some((file, length)) => trailer::read(&file, length)?.0.etag == *etag,
            None => false,
        },
    };
    if holds { Ok(()) } else { Err(checks::conflict(condition)) }
}

fn etag(hash: Sha256) -> String {
    hash.finalize().iter().take(ETAG_BYTES).fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

//! Files on their way: written in a folder of their own and moved into place when they are whole.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::{AtFlags, Dir, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use tandem_contract::{Entropy, Result};

use super::folder::FILE_MODE;
use super::io_error;

/// The folder of files on their way; no bucket starts with a dot.
pub(crate) const STAGING: &str = ".staging";

/// A file that vanishes when it is dropped, unless it was [`Staged::placed`].
///
/// Its descriptor holds a lock for as long as it is open, by which [`sweep`] knows the files of
/// writers that are alive.
pub(crate) struct Staged {
    folder: Arc<OwnedFd>,
    name: String,
    file: File,
    placed: bool,
}

impl Staged {
    /// Makes an empty file.
    pub(crate) fn create(folder: &Arc<OwnedFd>, entropy: &dyn Entropy) -> Result<Self> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        loop {
            let mut random = [0; 16];
            entropy.fill(&mut random)?;
            let name = format!("{:032x}", u128::from_be_bytes(random));
            let file = match rustix::fs::openat(&**folder, &name, flags, FILE_MODE) {
                Ok(file) => File::from(file),
                Err(Errno::EXIST) => continue,
                Err(error) => return Err(io_error("make a file", &error.into())),
            };
            let staged = Self { folder: Arc::clone(folder), name, file, placed: false };
            let locked = rustix::fs::flock(&staged.file, FlockOperation::NonBlockingLockExclusive);
            // Another process that opens the store may have swept the file before it was locked.
            let kept = rustix::fs::fstat(&staged.file).is_ok_and(|stat| stat.st_nlink > 0);
            match locked {
                Ok(()) if kept => return Ok(staged),
                Ok(()) | Err(Errno::WOULDBLOCK) => {}
                Err(error) => return Err(io_error("lock a file", &error.into())),
            }
        }
    }

    /// The file.
    pub(crate) const fn file(&self) -> &File {
        &self.file
    }

    /// Moves it to `name` in `folder`, over what is there.
    pub(crate) fn place(&mut self, folder: &OwnedFd, name: &str) -> rustix::io::Result<()> {
        rustix::fs::renameat(&*self.folder, &self.name, folder, name)?;
        self.placed = true;
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.placed {
            // What cannot be removed now is swept at the next start.
            let _ = rustix::fs::unlinkat(&*self.folder, &self.name, AtFlags::empty());
        }
    }
}

/// Removes the files that writers left behind when their process ended.
pub(crate) fn sweep(folder: &OwnedFd) -> Result<()> {
    let failed = |error: Errno| io_error("sweep the folder of unfinished writes", &error.into());
    for entry in Dir::read_from(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let alive = rustix::fs::openat(folder, name, flags, Mode::empty())
            .and_then(|file| rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive))
            .is_err_and(|error| error == Errno::WOULDBLOCK);
        if !alive {
            match rustix::fs::unlinkat(folder, name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT | Errno::ISDIR | Errno::PERM) => {}
                Err(error) => return Err(failed(error)),
            }
        }
    }
    Ok(())
}

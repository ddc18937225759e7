//! Folders, reached name by name from the root's descriptor and never through a symbolic link, so
//! that nothing planted in the root leads out of it.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use tandem_contract::Result;

use super::io_error;

/// Folders and files belong to the server alone.
pub(crate) const FOLDER_MODE: Mode = Mode::RWXU;
/// See [`FOLDER_MODE`].
pub(crate) const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);

const FOLDER_FLAGS: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// `NONBLOCK` so that a planted pipe cannot hold a thread.
const FILE_FLAGS: OFlags =
    OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::NONBLOCK);

/// Folders of one path that are held open at once. Keys nest deeper than a process may open files;
/// past this, a folder is opened again from the root.
pub(crate) const OPEN_FOLDERS: usize = 32;

/// How often a folder is made again after another process removed it as empty.
const ATTEMPTS: usize = 100;

/// Opens the folder at `names` below `root`; `None` when there is none.
pub(crate) fn find(root: &OwnedFd, names: &[String]) -> Result<Option<OwnedFd>> {
    let mut folder = None;
    for name in names {
        let parent = folder.as_ref().unwrap_or(root);
        match rustix::fs::openat(parent, name, FOLDER_FLAGS, Mode::empty()) {
            Ok(child) => folder = Some(child),
            Err(error) if is_absent(error) => return Ok(None),
            Err(error) => return Err(io_error("open a folder", &error.into())),
        }
    }
    match folder {
        Some(folder) => Ok(Some(folder)),
        None => root.try_clone().map(Some).map_err(|error| io_error("open a folder", &error)),
    }
}

/// Opens the folder at `names` below `root`, makes those that are missing, and with `sync` sees
/// to it that they survive a power cut.
pub(crate) fn make(root: &OwnedFd, names: &[String], sync: bool) -> Result<OwnedFd> {
    for _ in 0..ATTEMPTS {
        match try_make(root, names, sync) {
            Ok(folder) => return Ok(folder),
            Err(Errno::NOENT) => {}
            Err(error) => return Err(io_error("make a folder", &error.into())),
        }
    }
    Err(io_error("make a folder", &Errno::NOENT.into()))
}

fn try_make(root: &OwnedFd, names: &[String], sync: bool) -> rustix::io::Result<OwnedFd> {
    let mut folder = rustix::io::fcntl_dupfd_cloexec(root, 0)?;
    for name in names {
        let child = match rustix::fs::openat(&folder, name, FOLDER_FLAGS, Mode::empty()) {
            Err(Errno::NOENT) => {
                match rustix::fs::mkdirat(&folder, name, FOLDER_MODE) {
                    Ok(()) if sync => rustix::fs::fsync(&folder)?,
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(error) => return Err(error),
                }
                rustix::fs::openat(&folder, name, FOLDER_FLAGS, Mode::empty())?
            }
            opened => opened?,
        };
        folder = child;
    }
    Ok(folder)
}

/// Opens the file `name` in `folder`, with its length; `None` when there is none.
pub(crate) fn open_file(folder: impl AsFd, name: &str) -> Result<Option<(File, u64)>> {
    let file = match rustix::fs::openat(folder, name, FILE_FLAGS, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(error) if is_absent(error) => return Ok(None),
        Err(error) => return Err(io_error("open", &error.into())),
    };
    let metadata = file.metadata().map_err(|error| io_error("read", &error))?;
    Ok(metadata.is_file().then_some((file, metadata.len())))
}

/// Removes the folders at `names` that are empty, innermost first, but for the bucket's own.
pub(crate) fn prune(root: &OwnedFd, names: &[String]) -> Result<()> {
    let mut end = names.len();
    while end > 1 {
        let start = end.saturating_sub(OPEN_FOLDERS).max(1);
        // `parents[n]` holds the folder `names[start + n]`, down to the first that has gone.
        let mut parents: Vec<_> = find(root, &names[..start])?.into_iter().collect();
        for name in &names[start..end - 1] {
            let Some(parent) = parents.last() else { break };
            match rustix::fs::openat(parent, name, FOLDER_FLAGS, Mode::empty()) {
                Ok(child) => parents.push(child),
                Err(error) if is_absent(error) => break,
                Err(error) => return Err(io_error("open a folder", &error.into())),
            }
        }
        for (parent, name) in parents.iter().zip(&names[start..end]).rev() {
            match rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR) {
                Ok(()) | Err(Errno::NOENT) => {}
                // Not empty, or not to be removed: then those around it are not empty either.
                Err(_) => return Ok(()),
            }
        }
        end = start;
    }
    Ok(())
}

/// Keeps others, in this process and any other, from changing the files of a folder. The lock
/// belongs to this one opening of it.
pub(crate) struct Lock<'f>(&'f OwnedFd);

impl<'f> Lock<'f> {
    /// Waits for the lock.
    pub(crate) fn wait(folder: &'f OwnedFd) -> Result<Self> {
        rustix::io::retry_on_intr(|| rustix::fs::flock(folder, FlockOperation::LockExclusive))
            .map_err(|error| io_error("lock a folder", &error.into()))?;
        Ok(Self(folder))
    }
}

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        // Closing the folder releases the lock too, a moment later.
        let _ = rustix::fs::flock(self.0, FlockOperation::Unlock);
    }
}

/// Nothing there that could be an object: no file, or something in its way that is none of ours.
fn is_absent(error: Errno) -> bool {
    matches!(error, Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NXIO)
}

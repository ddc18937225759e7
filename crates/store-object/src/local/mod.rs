//! Objects in a folder.
//!
//! # Layout
//!
//! ```text
//! data/objects/
//!   .staging/             files on their way; swept when a store opens
//!   default/              a bucket
//!     photos+/cat.jpg     the object photos/cat.jpg: its bytes, then its trailer
//! ```
//!
//! The module `names` tells how keys become names, `trailer` what follows the bytes. Files are
//! never changed in place: a reader that has one open reads that version to its end, whatever
//! happens to the key meanwhile.
//!
//! # Writes
//!
//! A write goes to a file of its own in `.staging` and is renamed into place when it is whole, so
//! there is either the old object or the new one, bytes and metadata. Conditions are checked and
//! the rename done under a lock on the folder (`flock`), which holds between processes too.
//!
//! With `sync`, the default, file and folder are flushed to the disk before a write returns: well
//! under a millisecond on a disk whose write cache survives power loss, several on others. Without
//! it a power cut, though no crash of the process, may lose the latest writes; an object that was
//! torn by it is known by its missing trailer.
//!
//! # Entity tags
//!
//! The first 128 bits of the SHA-256 of the bytes, in hex: the same bytes have the same tag, also
//! in a copy.

mod blobs;
mod folder;
mod names;
mod read;
mod staged;
mod trailer;
mod walk;
mod write;

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use async_trait::async_trait;
use rustix::fs::{Mode, OFlags};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tandem_contract::{
    BackendFactory, BlobStore, Bucket, Clock, Entropy, Error, ErrorKind, OpenContext, Result,
};

use blobs::LocalBlobs;
use folder::Lock;
use staged::{STAGING, Staged};
use tandem_blobs::STORE;

/// Keeps objects as files in a folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LocalConfig {
    /// The folder; made when it does not exist.
    pub root: PathBuf,
    /// Flush every write to the disk before it counts as done. Off, writes are faster, and a power
    /// cut may lose the latest.
    pub sync: bool,
}

impl Default for LocalConfig {
    fn default() -> Self {
        Self { root: PathBuf::from("data/objects"), sync: true }
    }
}

/// Opens the blob store `local`.
#[derive(Clone, Copy, Debug)]
pub struct LocalFactory;

#[async_trait]
impl BackendFactory<dyn BlobStore> for LocalFactory {
    const NAME: &'static str = "local";
    type Config = LocalConfig;

    /// Opens the folder and removes what writers that died left in it.
    ///
    /// # Errors
    /// `InvalidArgument` that names `storage.local.root` when the folder cannot be made, read,
    /// written or locked.
    async fn open(config: LocalConfig, context: OpenContext) -> Result<Arc<dyn BlobStore>> {
        blocking(move || {
            let root = context.base.join(&config.root);
            match Root::open(&root, config.sync, context) {
                Ok(root) => Ok(Arc::new(LocalBlobs::new(root)) as Arc<dyn BlobStore>),
                Err(error) => Err(unusable(&root, &error)),
            }
        })
        .await
    }
}

/// An open store.
pub(crate) struct Root {
    path: PathBuf,
    folder: OwnedFd,
    staging: Arc<OwnedFd>,
    sync: bool,
    closed: AtomicBool,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl Root {
    fn open(path: &Path, sync: bool, context: OpenContext) -> Result<Self> {
        std::fs::create_dir_all(path).map_err(|error| io_error("make the folder", &error))?;
        // The root itself may be a link: whoever wrote the config says where it is.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::open(path, flags, Mode::empty())
            .map_err(|error| io_error("open the folder", &error.into()))?;
        let staging = Arc::new(folder::make(&folder, &[STAGING.to_owned()], sync)?);
        staged::sweep(&staging)?;
        let OpenContext { clock, entropy, .. } = context;
        let closed = AtomicBool::new(false);
        let root = Self { path: path.to_owned(), folder, staging, sync, closed, clock, entropy };
        root.check()?;
        Ok(root)
    }

    /// Finds out whether the folder is still the one that was opened and can be written and locked.
    fn check(&self) -> Result<()> {
        let opened = rustix::fs::fstat(&self.folder);
        let there = rustix::fs::stat(&self.path);
        match (opened, there) {
            (Ok(opened), Ok(there)) if (opened.st_dev, opened.st_ino) == (there.st_dev, there.st_ino) => {}
            (Err(error), _) | (_, Err(error)) => return Err(io_error("find the folder", &error.into())),
            _ => {
                return Err(Error::unavailable(
                    STORE,
                    "the folder was replaced by another; restart to use that one",
                ));
            }
        }
        drop(Lock::wait(&self.staging)?);
        Staged::create(&self.staging, &*self.entropy).map(drop)
    }

    /// The names of the folders that lead to an object, from the root, and the name of its file.
    fn place(bucket: &Bucket, key: &str) -> names::Place {
        let mut place = names::place(key);
        place.folders.insert(0, names::bucket(bucket.as_str()));
        place
    }
}

/// Runs file operations on a thread that may block.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(Error::internal)?
}

/// An error of the file system while Tandem was about to `act`.
pub(crate) fn io_error(act: &str, error: &io::Error) -> Error {
    let detail = format!("local: cannot {act}: {error}");
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Error::new(ErrorKind::StoreUnavailable, "The blob store has no space left").with_detail(detail)
        }
        _ => Error::unavailable(STORE, detail),
    }
}

fn unusable(root: &Path, error: &Error) -> Error {
    let reason = error.detail().unwrap_or_else(|| error.message());
    let reason = reason.strip_prefix("local: ").unwrap_or(reason);
    let message = format!("storage.local.root: the folder {} cannot be used: {reason}", root.display());
    Error::new(ErrorKind::InvalidArgument, message)
}

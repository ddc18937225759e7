//! One open file, shared by every store of this process that uses it.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Weak};
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use tandem_contract::{Error, ErrorKind, OpenContext, Result};
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, sleep, timeout};

use crate::SqliteConfig;
use crate::error::Role;
use crate::lane::{Lane, Lease};

/// How long a statement waits for a lock that another process holds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long opening may take.
const OPEN_TIMEOUT: Duration = Duration::from_secs(5);
/// How long closing waits for work under way.
const CLOSE_GRACE: Duration = Duration::from_secs(10);

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// Files that are open, by canonical path. Two sets of connections on one file would wait for each
/// other's locks by polling; one set hands the writer on in order.
static OPEN: LazyLock<Mutex<HashMap<PathBuf, Weak<Database>>>> = LazyLock::new(Mutex::default);

/// The connections to one file and what its watchers share.
pub(crate) struct Database {
    path: PathBuf,
    config: SqliteConfig,
    pub(crate) writer: Arc<Lane>,
    pub(crate) readers: Arc<Lane>,
    /// The last `function_changes.seq` that this process knows of: where new watchers begin.
    pub(crate) change_horizon: AtomicI64,
    /// Wakes this process's watchers after a publish or delete.
    pub(crate) function_wake: watch::Sender<()>,
    handles: AtomicUsize,
}

impl Database {
    /// The file that `cloud.sql` works on: `NAME.sql.db` beside `NAME.db`.
    pub(crate) fn sql_path(&self) -> PathBuf {
        let mut name = self.path.file_stem().map(OsString::from).unwrap_or_default();
        name.push(".sql.db");
        self.path.with_file_name(name)
    }

    /// Whether commits wait for the disk anyway.
    pub(crate) fn always_full(&self) -> bool {
        self.config.synchronous == crate::Synchronous::Full
    }

    pub(crate) fn readers_wanted(&self) -> u32 {
        self.config.readers
    }

    async fn close(&self) {
        self.readers.close(CLOSE_GRACE).await;
        // Last, so that the connection that may write is the one that folds the log into the file.
        self.writer.close(CLOSE_GRACE).await;
        self.function_wake.send_replace(());
    }
}

/// One store's hold on a [`Database`]. The last one that closes closes the file.
pub(crate) struct Handle {
    database: Arc<Database>,
    closed: AtomicBool,
    role: Role,
}

impl Handle {
    /// Opens the file, or joins those who have it open.
    pub(crate) async fn open(config: SqliteConfig, context: &OpenContext, role: Role) -> Result<Self> {
        config.check()?;
        let database = timeout(OPEN_TIMEOUT, find_or_open(config, &context.base, role))
            .await
            .map_err(|_| role.timed_out("the file did not open within five seconds"))??;
        Ok(Self { database, closed: AtomicBool::new(false), role })
    }

    /// The database.
    ///
    /// # Errors
    /// `StoreUnavailable` once this store is closed.
    pub(crate) fn database(&self) -> Result<&Arc<Database>> {
        if self.closed.load(Ordering::Acquire) {
            return Err(self.role.unavailable("it is closed"));
        }
        Ok(&self.database)
    }

    pub(crate) async fn reader(&self, wait: Duration) -> Result<Lease> {
        self.database()?.readers.lease(wait).await.map_err(|error| self.role.error(error))
    }

    pub(crate) async fn writer(&self, wait: Duration) -> Result<Lease> {
        self.database()?.writer.lease(wait).await.map_err(|error| self.role.error(error))
    }

    pub(crate) async fn close(&self) {
        if self.release() {
            self.database.close().await;
        }
    }

    /// Lets go; `true` for the last holder.
    fn release(&self) -> bool {
        !self.closed.swap(true, Ordering::AcqRel) && self.database.handles.fetch_sub(1, Ordering::AcqRel) == 1
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.release();
    }
}

async fn find_or_open(config: SqliteConfig, base: &Path, role: Role) -> Result<Arc<Database>> {
    let path = canonical(&base.join(&config.path), role).await?;
    let mut open = OPEN.lock().await;
    open.retain(|_, database| database.strong_count() > 0);
    if let Some(database) = open.get(&path).and_then(Weak::upgrade)
        && !database.writer.is_closed()
        && join(&database)
    {
        if database.config.readers != config.readers || database.config.synchronous != config.synchronous {
            database.handles.fetch_sub(1, Ordering::AcqRel);
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                "Functions and documents share one SQLite file: sqlite.readers and sqlite.synchronous \
                 must be the same for both",
            ));
        }
        return Ok(database);
    }
    let database = Arc::new(connect(config, path.clone(), role).await?);
    open.insert(path, Arc::downgrade(&database));
    Ok(database)
}

/// Adds a holder, unless the last one is just letting go.
fn join(database: &Database) -> bool {
    let one_more = |holders: usize| (holders > 0).then_some(holders + 1);
    database.handles.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more).is_ok()
}

/// Makes the folder, and resolves links so that two spellings of one file are one key.
async fn canonical(path: &Path, role: Role) -> Result<PathBuf> {
    let failed = |error: std::io::Error| {
        Error::new(role.unavailable("").kind(), format!("Cannot open sqlite.path {}", path.display()))
            .with_detail(error)
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    tokio::fs::create_dir_all(folder).await.map_err(failed)?;
    match tokio::fs::canonicalize(path).await {
        Ok(path) => Ok(path),
        Err(_) => {
            let folder = tokio::fs::canonicalize(folder).await.map_err(failed)?;
            Ok(folder.join(path.file_name().unwrap_or_default()))
        }
    }
}

async fn connect(config: SqliteConfig, path: PathBuf, role: Role) -> Result<Database> {
    let options = connect_options(&path).synchronous(config.synchronous.into());
    let writer = Lane::new(options.clone(), 1);
    let readers = Lane::new(options.pragma("query_only", "ON"), config.readers);
    let failed = |error: sqlx::Error| role.error(error);
    let mut lease = writer.lease(OPEN_TIMEOUT).await.map_err(failed)?;
    migrate(&mut lease, role).await?;
    let horizon: i64 = sqlx::query_scalar("SELECT coalesce(max(seq), 0) FROM function_changes")
        .fetch_one(lease.connection().map_err(failed)?)
        .await
        .map_err(failed)?;
    drop(lease);
    Ok(Database {
        path,
        config,
        writer,
        readers,
        change_horizon: AtomicI64::new(horizon),
        function_wake: watch::Sender::new(()),
        handles: AtomicUsize::new(1),
    })
}

/// What every connection of this crate has in common.
pub(crate) fn connect_options(path: &Path) -> SqliteConnectOptions {
    const LOG_BYTES: &str = "67108864";
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(BUSY_TIMEOUT)
        .pragma("journal_size_limit", LOG_BYTES)
        // In KiB: the inner pages of indexes. The system keeps the others once for all connections.
        .pragma("cache_size", "-512")
        .pragma("temp_store", "MEMORY")
        .statement_cache_capacity(128)
}

/// Brings the file up to date. When another process does the same at this moment, one of the two
/// fails on a table that is already there, and then finds the work done.
async fn migrate(lease: &mut Lease, role: Role) -> Result<()> {
    let give_up = Instant::now() + OPEN_TIMEOUT / 2;
    loop {
        let connection = lease.connection().map_err(|error| role.error(error))?;
        // Not `run`: the compiler cannot see that its future is `Send`.
        match MIGRATIONS.run_direct(None, connection, false).await {
            Ok(()) => return Ok(()),
            Err(error) if Instant::now() >= give_up => {
                return Err(
                    role.unavailable(&format!("the database could not be brought up to date: {error}"))
                );
            }
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
    }
}

//! `cloud.sql`: statements of functions, on a file of their own beside the store's, so that no
//! statement can reach functions or documents.

mod guard;
mod value;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bson::{Bson, Document};
use futures_util::TryStreamExt;
use sqlx::AssertSqlSafe;
use tandem_contract::{Error, ErrorKind, Result};
use tokio::time::timeout;

use crate::database::{Database, connect_options};
use crate::error::Role;
use crate::lane::{Lane, Lease};

const ROLE: Role = Role::Documents;
/// How long a statement may wait for a connection, and how long it may run.
const WAIT: Duration = Duration::from_secs(30);
/// Bytes of results that one statement may return.
const MAX_RESULT: usize = 64 << 20;
/// Steps of SQLite's machine between two looks at whether anyone still waits for the result.
const STEPS: i32 = 10_000;

/// The file, opened by the first statement.
pub(crate) struct SqlFile {
    lane: Arc<Lane>,
}

impl SqlFile {
    pub(crate) fn beside(database: &Database) -> Self {
        let options = connect_options(&database.sql_path()).statement_cache_capacity(0);
        Self { lane: Lane::new(options, database.readers_wanted()) }
    }

    /// Runs one statement and returns its rows.
    ///
    /// # Errors
    /// `InvalidArgument` for a statement that SQLite does not understand, for more than one, and for
    /// parameters that do not fit; `NotSupported` for a statement that reaches beyond the file.
    pub(crate) async fn run(&self, text: &str, parameters: Vec<Bson>) -> Result<Vec<Document>> {
        let expected = guard::check(text)?;
        if expected != parameters.len() {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                format!("The statement has {expected} parameters, {} were given", parameters.len()),
            ));
        }
        let mut arguments = sqlx::sqlite::SqliteArguments::default();
        for (at, parameter) in parameters.into_iter().enumerate() {
            value::bind(&mut arguments, at, parameter)?;
        }
        let mut lease = self.lane.lease(WAIT).await.map_err(sql_error)?;
        lease.mark_busy();
        let stop = StopOnDrop(Arc::new(AtomicBool::new(false)));
        let rows = timeout(WAIT, fetch(&mut lease, text, arguments, &stop.0))
            .await
            .map_err(|_| ROLE.timed_out("the statement ran for more than 30 seconds"))??;
        lease.mark_idle();
        Ok(rows)
    }

    pub(crate) async fn close(&self) {
        self.lane.close(Duration::from_secs(1)).await;
    }
}

async fn fetch(
    lease: &mut Lease,
    text: &str,
    arguments: sqlx::sqlite::SqliteArguments,
    stop: &Arc<AtomicBool>,
) -> Result<Vec<Document>> {
    let connection = lease.connection().map_err(sql_error)?;
    let stop = Arc::clone(stop);
    let mut handle = connection.lock_handle().await.map_err(sql_error)?;
    handle.set_progress_handler(STEPS, move || !stop.load(Ordering::Relaxed));
    drop(handle);
    // `guard` has read the text; it runs on a file that holds nothing but what such texts made.
    let query = sqlx::query_with(AssertSqlSafe(text), arguments).persistent(false);
    let mut rows = query.fetch(connection);
    let (mut documents, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.try_next().await.map_err(sql_error)? {
        let (document, size) = value::document(&row)?;
        bytes += size;
        if bytes > MAX_RESULT {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                format!("The result has more than {} MiB: select less, or use LIMIT", MAX_RESULT >> 20),
            ));
        }
        documents.push(document);
    }
    Ok(documents)
}

/// Interrupts the statement when nobody waits for it any more.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// SQLite's word on the caller's own statement and data is for the caller.
fn sql_error(error: sqlx::Error) -> Error {
    /// `SQLITE_ERROR`, `SQLITE_TOOBIG`, `SQLITE_CONSTRAINT`, `SQLITE_MISMATCH`, `SQLITE_RANGE`.
    const CALLERS: [u32; 5] = [1, 18, 19, 20, 25];
    let of_caller = error.as_database_error().filter(|database| {
        let code = database.code().and_then(|code| code.parse::<u32>().ok());
        code.is_some_and(|code| CALLERS.contains(&(code & 0xff)))
    });
    let Some(text) = of_caller.map(|database| format!("SQL: {}", database.message())) else {
        return ROLE.error(error);
    };
    match ROLE.error(error).kind() {
        ErrorKind::DuplicateKey => Error::new(ErrorKind::DuplicateKey, text),
        _ => Error::new(ErrorKind::InvalidArgument, text),
    }
}

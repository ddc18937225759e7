//! One server and schema, shared by every store of this process that uses them.

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Weak};
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use tandem_contract::{Error, ErrorKind, OpenContext, Result};
use tokio::sync::{Mutex, watch};
use tokio::time::timeout;

use crate::PostgresConfig;
use crate::error::{Role, UNIQUE_VIOLATION, code};
use crate::pool::{Lease, Pool};

/// How long opening may take, as the contract says.
const OPEN_TIMEOUT: Duration = Duration::from_secs(5);
/// How long closing waits for work under way.
const CLOSE_GRACE: Duration = Duration::from_secs(10);

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// What is open, by URL and schema.
static OPEN: LazyLock<Mutex<Open>> = LazyLock::new(Mutex::default);
type Open = HashMap<(String, String), Weak<Database>>;

/// The connections to one schema.
pub(crate) struct Database {
    pub(crate) config: PostgresConfig,
    pub(crate) pool: Arc<Pool>,
    /// Becomes true when the last store closes.
    pub(crate) closing: watch::Sender<bool>,
    handles: AtomicUsize,
}

impl Database {
    async fn close(&self) {
        self.closing.send_replace(true);
        self.pool.close(CLOSE_GRACE).await;
    }
}

/// One store's hold on a [`Database`]. The last one that closes closes the connections.
pub(crate) struct DatabaseHandle {
    database: Arc<Database>,
    closed: AtomicBool,
    role: Role,
}

impl DatabaseHandle {
    /// Connects and brings the schema up to date, or joins those who have.
    pub(crate) async fn open(config: PostgresConfig, context: &OpenContext, role: Role) -> Result<Self> {
        config.check()?;
        let database = timeout(OPEN_TIMEOUT, find_or_open(config, context, role))
            .await
            .map_err(|_| role.timed_out("the server did not answer within five seconds"))??;
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

    /// A connection.
    ///
    /// # Errors
    /// `StoreUnavailable` when there is none in time.
    pub(crate) async fn lease(&self, wait: Option<Duration>) -> Result<Lease> {
        self.database()?.pool.lease(wait).await.map_err(|error| self.role.error(error))
    }

    /// Runs `work` for at most `limit`, and no longer than the server gives signs of life.
    ///
    /// # Errors
    /// `StoreUnavailable` after that time; what `work` reports.
    pub(crate) async fn guard<T>(
        &self,
        limit: Option<Duration>,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let pool = &self.database()?.pool;
        let guarded = pool.health.guard(work);
        let done = match limit {
            Some(limit) => timeout(limit, guarded)
                .await
                .map_err(|_| self.role.timed_out(&format!("after {} ms", limit.as_millis())))?,
            None => guarded.await,
        };
        done.unwrap_or_else(|| Err(self.role.unavailable("the server does not answer")))
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

impl Drop for DatabaseHandle {
    fn drop(&mut self) {
        self.release();
    }
}

async fn find_or_open(config: PostgresConfig, context: &OpenContext, role: Role) -> Result<Arc<Database>> {
    let key = (config.url.expose().to_owned(), config.schema.clone());
    let mut open = OPEN.lock().await;
    open.retain(|_, database| database.strong_count() > 0);
    if let Some(database) = open.get(&key).and_then(Weak::upgrade)
        && !database.pool.is_closed()
        && join(&database)
    {
        if database.config != config {
            database.handles.fetch_sub(1, Ordering::AcqRel);
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                "Functions and documents share one Postgres schema: every setting of postgres must be the \
                 same for both",
            ));
        }
        return Ok(database);
    }
    let options = config.options()?;
    prepare(&options, &config, role).await?;
    let database = Arc::new(Database {
        pool: Pool::new(options, &config, Arc::clone(&context.entropy)),
        config,
        closing: watch::Sender::new(false),
        handles: AtomicUsize::new(1),
    });
    open.insert(key, Arc::downgrade(&database));
    Ok(database)
}

/// Adds a holder, unless the last one is just letting go.
fn join(database: &Database) -> bool {
    let one_more = |holders: usize| (holders > 0).then_some(holders + 1);
    database.handles.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more).is_ok()
}

/// Makes the schema and brings it up to date. Processes that start together take turns.
async fn prepare(options: &PgConnectOptions, config: &PostgresConfig, role: Role) -> Result<()> {
    let mut connection = options.connect().await.map_err(|error| match code(&error) {
        "28P01" | "28000" | "3D000" => Error::new(
            ErrorKind::StoreUnavailable,
            "Postgres refuses the connection: check user, password and database of postgres.url",
        )
        .with_detail(error),
        _ => role.error(error),
    })?;
    let schema = &config.schema;
    let known = "SELECT to_regnamespace($1) IS NOT NULL";
    let there: bool = sqlx::query_scalar(known)
        .bind(schema)
        .fetch_one(&mut connection)
        .await
        .map_err(|error| role.error(error))?;
    if !there {
        // The settings allow no name that would need quotes.
        let make = AssertSqlSafe(format!("CREATE SCHEMA IF NOT EXISTS {schema}"));
        match sqlx::query(make).execute(&mut connection).await {
            Ok(_) => {}
            // Another process made it at this moment.
            Err(error) if code(&error) == UNIQUE_VIOLATION => {}
            Err(error) => {
                return Err(Error::new(
                    role.unavailable("").kind(),
                    format!("Postgres has no schema {schema:?} and does not let one be made: make it, or grant CREATE on the database"),
                )
                .with_detail(error));
            }
        }
    }
    // Not `run`: the compiler cannot see that its future is `Send`. The migrator holds an advisory
    // lock of the database.
    MIGRATIONS.run_direct(None, &mut connection, false).await.map_err(|error| match error {
        MigrateError::Execute(error) => role.error(error),
        error => role.unavailable(&format!("the schema could not be brought up to date: {error}")),
    })?;
    // The server ends it anyway.
    let _ = connection.close().await;
    Ok(())
}

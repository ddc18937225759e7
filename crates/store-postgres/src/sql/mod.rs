//! `cloud.sql`: statements of functions, in a schema of their own beside the store's, over
//! connections of their own.

mod bind;
mod guard;
mod numeric;
mod value;

use std::sync::Arc;
use std::time::Duration;

use bson::{Bson, Document};
use futures_util::TryStreamExt;
use sqlx::postgres::PgArguments;
use sqlx::{AssertSqlSafe, Either, Executor, SqlSafeStr, Statement};
use tandem_contract::{Error, ErrorKind, Result};
use tokio::sync::OnceCell;

use crate::PostgresConfig;
use crate::database::{Database, DatabaseHandle};
use crate::error::{Role, UNIQUE_VIOLATION, code, is_of_connection, postgres};
use crate::pool::{Lease, Pool};

const ROLE: Role = Role::Documents;
/// How long a statement may take.
const LIMIT: Duration = Duration::from_secs(30);
/// Bytes of results that one statement may return.
const MAX_RESULT: usize = 64 << 20;

/// The schema, made by the first statement.
pub(crate) struct SqlDatabase {
    pool: Arc<Pool>,
    schema: String,
    /// The store's own, which no statement may name.
    hidden: String,
    role: Option<String>,
    prepared: OnceCell<()>,
}

impl SqlDatabase {
    /// # Errors
    /// `InvalidArgument` for settings that cannot work.
    pub(crate) fn beside(database: &Database) -> Result<Self> {
        let config: &PostgresConfig = &database.config;
        let schema = config.sql_schema();
        let mut options = config.sql_options()?;
        if let Some(role) = &config.sql_role {
            options = options.options([("role", role)]);
        }
        Ok(Self {
            pool: Pool::new(options, config, Arc::clone(&database.pool.entropy)),
            schema,
            hidden: config.schema.clone(),
            role: config.sql_role.clone(),
            prepared: OnceCell::new(),
        })
    }

    /// Runs one statement and returns its rows.
    ///
    /// # Errors
    /// `InvalidArgument` for a statement that Postgres does not understand, for more than one, and
    /// for parameters that do not fit; `NotSupported` for a statement that reaches beyond the schema.
    pub(crate) async fn run(
        &self,
        store: &DatabaseHandle,
        text: &str,
        parameters: Vec<Bson>,
    ) -> Result<Vec<Document>> {
        store.database()?;
        let expected = guard::check(text, &self.hidden)?;
        if expected != parameters.len() {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                format!("The statement has {expected} parameters, {} were given", parameters.len()),
            ));
        }
        self.prepared.get_or_try_init(|| self.prepare(store)).await?;
        let guarded = self.pool.health.guard(self.run_on_lease(text, &parameters));
        match tokio::time::timeout(LIMIT, guarded).await {
            Ok(Some(result)) => result,
            Ok(None) => Err(ROLE.unavailable("the server does not answer")),
            Err(_) => Err(ROLE.timed_out("the statement ran for more than 30 seconds")),
        }
    }

    /// Makes the schema with the store's own rights.
    async fn prepare(&self, store: &DatabaseHandle) -> Result<()> {
        let mut lease = store.lease(None).await?;
        let schema = &self.schema;
        // The settings allow no name that would need quotes.
        let mut text = format!("CREATE SCHEMA IF NOT EXISTS {schema};");
        if let Some(role) = &self.role {
            text.push_str(&format!("GRANT USAGE, CREATE ON SCHEMA {schema} TO {role};"));
        }
        let made = match lease.connection() {
            Ok(connection) => sqlx::raw_sql(AssertSqlSafe(text)).execute(connection).await.map(drop),
            Err(error) => Err(error),
        };
        match lease.settle(made) {
            Ok(()) => Ok(()),
            // Another process made it at this moment.
            Err(error) if code(&error) == UNIQUE_VIOLATION => Ok(()),
            Err(error) => Err(ROLE.error(error)),
        }
    }

    async fn run_on_lease(&self, text: &str, parameters: &[Bson]) -> Result<Vec<Document>> {
        let mut lease = self.pool.lease(None).await.map_err(|error| ROLE.error(error))?;
        let result = match fetch(&mut lease, text, parameters).await {
            // A table was changed since the connection first met the statement.
            Err(Fault::Driver(error)) if is_old_plan(&error) => {
                let connection = lease.connection().map_err(sql_error)?;
                sqlx::Connection::clear_cached_statements(connection).await.map_err(sql_error)?;
                fetch(&mut lease, text, parameters).await
            }
            result => result,
        };
        match result {
            Ok(rows) => {
                lease.mark_fit();
                Ok(rows)
            }
            Err(Fault::Driver(error)) => {
                match is_of_connection(&error) {
                    true => lease.give_up(),
                    false => lease.mark_fit(),
                }
                Err(sql_error(error))
            }
            // The statement may still run: dropped like this, the connection stops it.
            Err(Fault::Refused(error)) => Err(error),
        }
    }

    pub(crate) async fn close(&self) {
        self.pool.close(Duration::from_secs(1)).await;
    }
}

enum Fault {
    Driver(sqlx::Error),
    Refused(Error),
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        Self::Driver(error)
    }
}

async fn fetch(lease: &mut Lease, text: &str, parameters: &[Bson]) -> Result<Vec<Document>, Fault> {
    let connection = lease.connection()?;
    // `guard` has read the text; the server takes one statement at a time here, and says what types
    // it expects.
    let text = AssertSqlSafe(text.to_owned()).into_sql_str();
    let statement = connection.prepare(text).await?;
    let mut arguments = PgArguments::default();
    if let Some(Either::Left(types)) = statement.parameters() {
        for (at, (parameter, expected)) in parameters.iter().zip(types).enumerate() {
            bind::bind(&mut arguments, at, parameter, expected).map_err(Fault::Refused)?;
        }
    }
    let mut rows = statement.query_with(arguments).fetch(connection);
    let (mut documents, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.try_next().await? {
        let (document, size) = value::document(&row).map_err(Fault::Refused)?;
        bytes += size;
        if bytes > MAX_RESULT {
            return Err(Fault::Refused(Error::new(
                ErrorKind::InvalidArgument,
                format!("The result has more than {} MiB: select less, or use LIMIT", MAX_RESULT >> 20),
            )));
        }
        documents.push(document);
    }
    Ok(documents)
}

fn is_old_plan(error: &sqlx::Error) -> bool {
    const FEATURE_NOT_SUPPORTED: &str = "0A000";
    code(error) == FEATURE_NOT_SUPPORTED
        && postgres(error).is_some_and(|error| error.message().contains("plan"))
}

/// Postgres' word on the caller's own statement and data is for the caller.
fn sql_error(error: sqlx::Error) -> Error {
    /// Classes of data, constraints, syntax and names, features, sizes, rights and raised errors
    /// (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).
    const CALLERS: [&str; 8] = ["21", "22", "23", "42", "0A", "54", "P0", "44"];
    let Some(of_server) = postgres(&error) else { return ROLE.error(error) };
    let class = of_server.code().get(..2).unwrap_or_default();
    let text = format!("SQL: {}", of_server.message());
    match of_server.code() {
        UNIQUE_VIOLATION => Error::new(ErrorKind::DuplicateKey, text),
        "40001" | "40P01" => Error::new(ErrorKind::Conflict, text),
        _ if CALLERS.contains(&class) => Error::new(ErrorKind::InvalidArgument, text),
        _ => ROLE.error(error),
    }
}

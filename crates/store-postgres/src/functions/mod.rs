//! The function store: one row a function; triggers number its versions and tell who listens.

mod row;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use tandem_contract::{
    ChangeStream, Clock, Error, ErrorKind, Expected, Function, FunctionDraft, FunctionPage, FunctionStore,
    OpenContext, Result, Revision,
};

use crate::PostgresConfig;
use crate::database::DatabaseHandle;
use crate::error::{Role, is_of_connection};
use crate::pool::Lease;

const ROLE: Role = Role::Functions;
/// How long a call may take. What a function store does is small.
const LIMIT: Duration = Duration::from_secs(30);
/// How often a read is tried, each time on another connection.
const TRIES: u32 = 3;

/// A [`FunctionStore`] on Postgres.
pub struct PostgresFunctionStore {
    handle: DatabaseHandle,
    clock: Arc<dyn Clock>,
    closing: tokio::sync::watch::Sender<bool>,
}

impl PostgresFunctionStore {
    /// Connects and brings the schema up to date, or joins the stores of this process that have.
    ///
    /// # Errors
    /// `InvalidArgument` for a setting that cannot work, `StoreUnavailable` for a server that does
    /// not answer within five seconds or refuses.
    pub async fn open(config: PostgresConfig, context: &OpenContext) -> Result<Self> {
        let handle = DatabaseHandle::open(config, context, ROLE).await?;
        let closing = tokio::sync::watch::Sender::new(false);
        Ok(Self { handle, clock: Arc::clone(&context.clock), closing })
    }

    async fn put_now(
        &self,
        lease: &mut Lease,
        draft: &FunctionDraft,
        expected: Expected,
    ) -> sqlx::Result<Result<Function>> {
        let connection = lease.connection()?;
        // Waits for the disk even where the server is set not to.
        sqlx::raw_sql("BEGIN; SET LOCAL synchronous_commit = on").execute(&mut *connection).await?;
        let held = row::lock(connection, draft.name.as_str()).await?;
        if let Err(error) = check_expected(draft.name.as_str(), expected, held.revision) {
            sqlx::raw_sql("ROLLBACK").execute(connection).await?;
            return Ok(Err(error));
        }
        let now = row::to_millis(self.clock.wall());
        let created_at = held.created_at.unwrap_or(now);
        let revision = row::write(connection, draft, held.revision.is_some(), created_at, now).await?;
        sqlx::raw_sql("COMMIT").execute(connection).await?;
        Ok(Ok(row::stored(draft, revision, created_at, now)))
    }
}

/// Runs a read, and again when its connection turns out to be broken: reads are safe to repeat.
macro_rules! read {
    ($self:ident, $connection:ident => $work:expr) => {
        $self
            .handle
            .guard(Some(LIMIT), async {
                let mut tries = 1;
                loop {
                    let mut lease = $self.handle.lease(None).await?;
                    let result = match lease.connection() {
                        Ok($connection) => $work.await,
                        Err(error) => Err(error),
                    };
                    match lease.settle(result) {
                        Ok(value) => return Ok(value),
                        Err(error) if is_of_connection(&error) && tries < TRIES => tries += 1,
                        Err(error) => return Err(ROLE.error(error)),
                    }
                }
            })
            .await
    };
}

#[async_trait]
impl FunctionStore for PostgresFunctionStore {
    async fn get(&self, name: &str) -> Result<Option<Function>> {
        if name.contains('\0') {
            return Ok(None);
        }
        read!(self, connection => row::read(connection, name))
    }

    async fn list(&self, after: Option<&str>, limit: usize) -> Result<FunctionPage> {
        if !(1..=1000).contains(&limit) {
            return Err(Error::new(ErrorKind::InvalidArgument, "limit must be 1 to 1000"));
        }
        let after = after.unwrap_or_default().replace('\0', "");
        let mut functions = read!(self, connection => row::page(connection, &after, limit + 1))?;
        let more = functions.len() > limit;
        functions.truncate(limit);
        let next = functions.last().filter(|_| more).map(|last| last.name.clone());
        Ok(FunctionPage { functions, next })
    }

    async fn put(&self, draft: FunctionDraft, expected: Expected) -> Result<Function> {
        row::check_text(&draft)?;
        let work = async {
            let mut lease = self.handle.lease(None).await?;
            match self.put_now(&mut lease, &draft, expected).await {
                Ok(result) => {
                    lease.mark_fit();
                    result
                }
                Err(error) => {
                    if is_of_connection(&error) {
                        lease.give_up();
                    }
                    Err(match ROLE.error(error) {
                        // Another tool wrote the row at this moment.
                        error if error.kind() == ErrorKind::DuplicateKey => conflict(&draft, error),
                        error => error,
                    })
                }
            }
        };
        self.handle.guard(Some(LIMIT), work).await
    }

    async fn delete(&self, name: &str) -> Result<bool> {
        if name.contains('\0') {
            return Ok(false);
        }
        let work = async {
            let mut lease = self.handle.lease(None).await?;
            let result = match lease.connection() {
                Ok(connection) => row::delete(connection, name).await,
                Err(error) => Err(error),
            };
            lease.settle(result).map_err(|error| ROLE.error(error))
        };
        self.handle.guard(Some(LIMIT), work).await
    }

    fn watch(&self) -> ChangeStream {
        match self.handle.database() {
            Ok(database) => watch::follow(database, self.closing.subscribe()),
            Err(_) => futures_util::stream::empty().boxed(),
        }
    }

    async fn ping(&self) -> Result<()> {
        read!(self, connection => row::ping(connection))
    }

    async fn close(&self) {
        self.closing.send_replace(true);
        self.handle.close().await;
    }
}

fn check_expected(name: &str, expected: Expected, held: Option<Revision>) -> Result<()> {
    let wanted = match expected {
        Expected::Any => return Ok(()),
        Expected::Absent => None,
        Expected::Revision(revision) => Some(revision),
    };
    if wanted == held {
        return Ok(());
    }
    let word = |revision: Option<Revision>| match revision {
        Some(revision) => format!("revision {revision}"),
        None => "no such function".to_owned(),
    };
    Err(Error::new(
        ErrorKind::Conflict,
        format!("Function {name:?} was changed meanwhile: expected {}, found {}", word(wanted), word(held)),
    ))
}

fn conflict(draft: &FunctionDraft, error: Error) -> Error {
    let name = draft.name.as_str();
    Error::new(ErrorKind::Conflict, format!("Function {name:?} was changed meanwhile")).with_detail(error)
}

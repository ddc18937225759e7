//! Transactions that functions opened.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mongodb::ClientSession;
use mongodb::error::UNKNOWN_TRANSACTION_COMMIT_RESULT;
use mongodb::options::{Acknowledgment, ReadConcern, WriteConcern};
use parking_lot::Mutex as SyncMutex;
use tandem_contract::{Error, ErrorKind, Result, Target, TransactionId};
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::{Instant, sleep, timeout};

use super::{Inner, ROLE};
use crate::error::BACKEND;

/// How long an operation without a timeout of its own may take.
pub(super) const DEFAULT_WAIT: Duration = Duration::from_secs(30);
/// How long `begin` may take.
pub(super) const BEGIN_WAIT: Duration = Duration::from_secs(2);
/// How long a transaction may stay open, as the contract says; the server's own limit is the same.
const TRANSACTION_LIMIT: Duration = Duration::from_secs(60);
/// How long a commit is repeated whose result is not known. A commit may be repeated safely.
const COMMIT_WAIT: Duration = Duration::from_secs(2);

/// A transaction that a function opened.
pub(super) struct OpenTransaction {
    pub(super) session: ClientSession,
    /// An operation is under way. Still so when the next one comes: it was cancelled.
    busy: bool,
    /// The server ended the transaction, because of this.
    ended: Option<Error>,
}

/// The part of an operation that runs inside a transaction.
pub(super) struct Inside(OwnedMutexGuard<OpenTransaction>);

impl Inside {
    pub(super) fn session(&mut self) -> &mut ClientSession {
        &mut self.0.session
    }

    /// The server aborts a transaction when one of its operations fails.
    pub(super) fn leave(mut self, error: Option<&Error>) {
        self.0.busy = false;
        if let Some(error) = error {
            self.0.ended = Some(error.clone());
        }
    }
}

/// The open transactions of a store, by id.
#[derive(Default)]
pub(super) struct Transactions {
    open: SyncMutex<HashMap<TransactionId, Arc<Mutex<OpenTransaction>>>>,
    last: AtomicU64,
}

impl Transactions {
    fn remove(&self, id: TransactionId) -> Option<Arc<Mutex<OpenTransaction>>> {
        self.open.lock().remove(&id)
    }
}

impl Inner {
    /// Runs `work` with the session of the target's transaction, where it is part of one.
    pub(super) async fn inside(&self, target: &Target) -> Result<Option<Inside>> {
        let Some(id) = target.transaction else { return Ok(None) };
        let open = self.transactions.open.lock().get(&id).cloned().ok_or_else(|| not_open(id))?;
        let mut open = timeout(target.timeout.unwrap_or(DEFAULT_WAIT), open.lock_owned())
            .await
            .map_err(|_| ROLE.timed_out("another operation of the transaction is still running"))?;
        if std::mem::replace(&mut open.busy, true) && open.ended.is_none() {
            open.ended = Some(ROLE.timed_out("an operation of the transaction was cancelled"));
        }
        match &open.ended {
            None => Ok(Some(Inside(open))),
            Some(error) => Err(ended(error)),
        }
    }

    pub(super) async fn begin(self: &Arc<Self>) -> Result<TransactionId> {
        if !self.has_transactions {
            return Err(Error::not_supported("transactions without a replica set", BACKEND));
        }
        let mut session = self
            .connection
            .run(Some(BEGIN_WAIT), async { self.connection.client().start_session().await })
            .await?;
        let concern = WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build();
        session
            .start_transaction()
            .read_concern(ReadConcern::snapshot())
            .write_concern(concern)
            .await
            .map_err(|error| ROLE.error(error))?;
        let id = self.transactions.last.fetch_add(1, Ordering::Relaxed) + 1;
        let open = Arc::new(Mutex::new(OpenTransaction { session, busy: false, ended: None }));
        self.transactions.open.lock().insert(id, open);
        let inner = Arc::downgrade(self);
        tokio::spawn(async move {
            sleep(TRANSACTION_LIMIT).await;
            if let Some(inner) = inner.upgrade() {
                inner.abort(id).await;
            }
        });
        Ok(id)
    }

    pub(super) async fn commit(&self, id: TransactionId) -> Result<()> {
        let open = self.transactions.remove(id).ok_or_else(|| not_open(id))?;
        let mut open = open.lock().await;
        if open.busy && open.ended.is_none() {
            open.ended = Some(ROLE.timed_out("an operation of the transaction was cancelled"));
        }
        if let Some(error) = open.ended.clone() {
            self.abort_session(&mut open.session).await;
            return Err(ended(&error));
        }
        let started = Instant::now();
        let commit = async {
            loop {
                match open.session.commit_transaction().await {
                    Err(error)
                        if error.contains_label(UNKNOWN_TRANSACTION_COMMIT_RESULT)
                            && started.elapsed() < COMMIT_WAIT =>
                    {
                        sleep(Duration::from_millis(50)).await;
                    }
                    result => return result,
                }
            }
        };
        self.connection.run(Some(DEFAULT_WAIT), commit).await
    }

    pub(super) async fn abort(&self, id: TransactionId) {
        if let Some(open) = self.transactions.remove(id) {
            let mut open = open.lock().await;
            self.abort_session(&mut open.session).await;
        }
    }

    /// Aborts whatever is open: the store closes.
    pub(super) async fn abort_all(&self) {
        let open: Vec<_> = self.transactions.open.lock().drain().map(|(_, open)| open).collect();
        for transaction in open {
            let mut open = transaction.lock().await;
            self.abort_session(&mut open.session).await;
        }
    }

    /// The server ends by itself what cannot be aborted.
    async fn abort_session(&self, session: &mut ClientSession) {
        let aborted =
            self.connection.run(Some(BEGIN_WAIT), async { session.abort_transaction().await }).await;
        if let Err(error) = aborted {
            tracing::debug!(%error, "a transaction was not aborted");
        }
    }
}

/// What the operations after the one that failed are told. A transaction that lost may be tried
/// again; of others the first error is the reason.
fn ended(error: &Error) -> Error {
    match error.kind() {
        ErrorKind::Conflict | ErrorKind::StoreUnavailable => error.clone(),
        _ => Error::new(
            ErrorKind::InvalidArgument,
            format!("The transaction was aborted because an operation in it failed: {}", error.message()),
        ),
    }
}

fn not_open(id: TransactionId) -> Error {
    Error::new(
        ErrorKind::Conflict,
        format!(
            "Transaction {id} is not open: it was committed or aborted, or aborted by the store because it \
             was open for more than {} seconds",
            TRANSACTION_LIMIT.as_secs()
        ),
    )
}

//! Follows the notifications that the triggers of `functions` send. The work is done while the
//! stream is polled and stops when it is dropped.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use sqlx::postgres::{PgConnectOptions, PgListener, PgNotification, PgPoolOptions};
use tandem_contract::{Change, ChangeStream};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::database::Database;

/// Pause between two attempts to connect.
const PAUSE: Duration = Duration::from_millis(250);
/// How often a silent connection is asked whether it still is one: a server that stalls, or a
/// network that drops packets, closes nothing.
const LOOK: Duration = Duration::from_secs(3);
/// How long anything may take on the connection.
const PATIENCE: Duration = Duration::from_secs(2);

/// Changes until `closing` or the database's own sign becomes true.
pub(super) fn follow(database: &Database, closing: watch::Receiver<bool>) -> ChangeStream {
    let watcher = Watcher {
        options: database.pool.options().clone(),
        channel: format!("functions_{}", database.config.schema),
        listener: None,
        failed: false,
        closing,
        all_closing: database.closing.subscribe(),
    };
    stream::unfold(watcher, |mut watcher| async move {
        let change = watcher.next().await?;
        Some((change, watcher))
    })
    .boxed()
}

struct Watcher {
    options: PgConnectOptions,
    channel: String,
    listener: Option<PgListener>,
    /// The last attempt to connect failed: it is not told again.
    failed: bool,
    closing: watch::Receiver<bool>,
    all_closing: watch::Receiver<bool>,
}

impl Watcher {
    async fn next(&mut self) -> Option<Change> {
        let (mut closing, mut all_closing) = (self.closing.clone(), self.all_closing.clone());
        if *closing.borrow() || *all_closing.borrow() {
            return None;
        }
        tokio::select! {
            change = self.change() => Some(change),
            _ = closing.changed() => None,
            _ = all_closing.changed() => None,
        }
    }

    async fn change(&mut self) -> Change {
        loop {
            let Some(listener) = &mut self.listener else {
                self.connect().await;
                // What happened until now nobody told.
                return Change::Resync;
            };
            match timeout(LOOK, listener.try_recv()).await {
                Ok(Ok(Some(notification))) => return read(&notification),
                Ok(Ok(None) | Err(_)) => self.listener = None,
                Err(_) => {
                    let look = sqlx::query("SELECT 1").execute(&mut *listener);
                    if !matches!(timeout(PATIENCE, look).await, Ok(Ok(_))) {
                        self.listener = None;
                    }
                }
            }
        }
    }

    async fn connect(&mut self) {
        loop {
            match timeout(PATIENCE, self.listen()).await {
                Ok(Ok(listener)) => {
                    self.listener = Some(listener);
                    self.failed = false;
                    return;
                }
                failure => {
                    if !self.failed {
                        let error = match failure {
                            Ok(Err(error)) => error.to_string(),
                            _ => "the server does not answer".to_owned(),
                        };
                        tracing::warn!(%error, "cannot follow the changes of functions; trying again");
                    }
                    self.failed = true;
                    sleep(PAUSE).await;
                }
            }
        }
    }

    async fn listen(&self) -> sqlx::Result<PgListener> {
        // The driver's listener takes its connection from a pool; this one holds no other.
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(PATIENCE)
            .max_lifetime(None)
            .idle_timeout(None)
            .connect_with(self.options.clone())
            .await?;
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.eager_reconnect(false);
        listener.listen(&self.channel).await?;
        Ok(listener)
    }
}

fn read(notification: &PgNotification) -> Change {
    let payload = notification.payload();
    match payload.split_at_checked(1) {
        Some(("P", name)) => Change::Published(name.to_owned()),
        Some(("D", name)) => Change::Deleted(name.to_owned()),
        _ => Change::Resync,
    }
}

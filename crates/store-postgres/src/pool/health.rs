//! Tells a server that is slow from one that is gone.
//!
//! A statement may rightly take long, and a connection to a server that stalled looks no different.
//! So while anybody waits, a connection of its own asks for a sign of life; when none comes,
//! everybody who waits is told, and whoever comes is refused at once until the server answers.

use std::future::Future;
use std::sync::Weak;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnection;
use sqlx::{ConnectOptions, Connection};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::{Pool, no_answer};
use crate::error::{is_of_connection, postgres};

/// Pause between two looks. With [`PATIENCE`] it stays below the two seconds in which a call must
/// learn that the server is gone.
const PAUSE: Duration = Duration::from_millis(300);
/// How long a sign of life may take.
const PATIENCE: Duration = Duration::from_millis(1100);

/// What is known of the server.
pub(crate) struct Health {
    down: AtomicBool,
    fell: Notify,
    waiting: AtomicUsize,
    start: Instant,
    /// Milliseconds from `start` to the last answer of any kind.
    answered: AtomicU64,
}

impl Health {
    pub(super) fn new() -> Self {
        Self {
            down: AtomicBool::new(false),
            fell: Notify::new(),
            waiting: AtomicUsize::new(0),
            start: Instant::now(),
            answered: AtomicU64::new(0),
        }
    }

    /// # Errors
    /// `Io` while the server is known to be gone.
    pub(super) fn check(&self) -> sqlx::Result<()> {
        match self.down.load(Ordering::Acquire) {
            true => Err(no_answer("waiting for it to come back")),
            false => Ok(()),
        }
    }

    /// Runs `work`, and gives it up when the server goes away meanwhile.
    pub(crate) async fn guard<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        struct Waiting<'a>(&'a AtomicUsize);
        impl Drop for Waiting<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::AcqRel);
            }
        }
        self.waiting.fetch_add(1, Ordering::AcqRel);
        let _waiting = Waiting(&self.waiting);
        let fell = self.fell.notified();
        tokio::select! {
            biased;
            done = work => {
                self.answered();
                Some(done)
            }
            () = fell => None,
        }
    }

    fn answered(&self) {
        let now = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.answered.store(now, Ordering::Release);
    }

    fn answered_within(&self, time: Duration) -> bool {
        let now = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let ago = now.saturating_sub(self.answered.load(Ordering::Acquire));
        u128::from(ago) < time.as_millis()
    }

    /// The server is gone.
    pub(super) fn lost(&self, error: &sqlx::Error) {
        if !self.down.swap(true, Ordering::AcqRel) {
            tracing::warn!(%error, "Postgres does not answer");
        }
        self.fell.notify_waiters();
    }

    fn back(&self) {
        if self.down.swap(false, Ordering::AcqRel) {
            tracing::info!("Postgres answers again");
        }
    }
}

/// Asks for signs of life until the pool is gone or closed.
pub(super) async fn watch_forever(pool: Weak<Pool>) {
    let mut connection = None;
    loop {
        sleep(PAUSE).await;
        let Some(pool) = pool.upgrade().filter(|pool| !pool.is_closed()) else { return };
        let health = &pool.health;
        let down = health.down.load(Ordering::Acquire);
        if !down && health.waiting.load(Ordering::Acquire) == 0 {
            continue;
        }
        match timeout(PATIENCE, look(&pool, &mut connection))
            .await
            .unwrap_or_else(|_| Err(no_answer("a look")))
        {
            Ok(()) => health.back(),
            Err(error) => {
                connection = None;
                // It may be this connection alone that broke: then the next look tells.
                if !down && health.answered_within(PATIENCE) {
                    continue;
                }
                pool.renew();
                health.lost(&error);
            }
        }
    }
}

async fn look(pool: &Pool, held: &mut Option<PgConnection>) -> sqlx::Result<()> {
    if let Some(connection) = held
        && connection.ping().await.is_ok()
    {
        return Ok(());
    }
    *held = None;
    match pool.options.connect().await {
        Ok(mut connection) => {
            let alive = connection.ping().await;
            *held = Some(connection);
            alive
        }
        // A server that has no connection to spare is alive.
        Err(error) if postgres(&error).is_some() && !is_of_connection(&error) => Ok(()),
        Err(error) => Err(error),
    }
}

//! Connections that are handed out one holder at a time, in order of asking.
//!
//! A pool of the driver's own asks the server for a sign of life whenever a connection comes back,
//! a second round trip for every call. Here a connection whose holder said that it is fit is free
//! again the moment it is dropped; any other is set right or closed in the background
//! ([`rescue`]). Connections that break are not looked at before use: [`health`] finds out and
//! every one that is older is dropped.

mod health;
mod rescue;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection};
use tandem_contract::Entropy;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};

pub(crate) use self::health::Health;
pub(crate) use self::rescue::cancel;
use crate::PostgresConfig;
use crate::error::is_of_connection;

/// How long connecting is tried again while a server refuses, as one does that restarts.
const CONNECT_PATIENCE: Duration = Duration::from_millis(700);
/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// After so long without use a connection may have broken unnoticed.
const QUIET: Duration = Duration::from_secs(1);

/// A bounded set of connections to one server.
pub(crate) struct Pool {
    options: PgConnectOptions,
    limits: Limits,
    idle: Mutex<Vec<Held>>,
    permits: Arc<Semaphore>,
    /// Connections of an older generation are not used again.
    generation: AtomicU64,
    pub(crate) health: Health,
    pub(crate) entropy: Arc<dyn Entropy>,
}

struct Limits {
    connections: u32,
    wait: Duration,
    connect: Duration,
    idle: Duration,
    lifetime: Duration,
}

/// An open connection.
struct Held {
    connection: PgConnection,
    /// The server's number of it, to cancel what it runs.
    backend: i32,
    generation: u64,
    born: Instant,
    used: Instant,
}

impl Pool {
    /// No connection is made yet. Must be called inside a runtime: it starts the health check.
    pub(crate) fn new(
        options: PgConnectOptions,
        config: &PostgresConfig,
        entropy: Arc<dyn Entropy>,
    ) -> Arc<Self> {
        let limits = Limits {
            connections: config.connections,
            wait: config.connection_wait.get(),
            connect: config.connect_timeout.get(),
            idle: config.idle_timeout.get(),
            lifetime: config.max_lifetime.get(),
        };
        let pool = Arc::new(Self {
            options,
            permits: Arc::new(Semaphore::new(limits.connections as usize)),
            limits,
            idle: Mutex::default(),
            generation: AtomicU64::new(0),
            health: Health::new(),
            entropy,
        });
        tokio::spawn(health::watch_forever(Arc::downgrade(&pool)));
        pool
    }

    /// A connection, within the time that the settings allow and `wait` when that is less.
    ///
    /// # Errors
    /// `PoolTimedOut` when none became free, `PoolClosed` once the pool is closed, `Io` when the
    /// server cannot be reached.
    pub(crate) async fn lease(self: &Arc<Self>, wait: Option<Duration>) -> sqlx::Result<Lease> {
        self.health.check()?;
        let wait = wait.map_or(self.limits.wait, |wait| wait.min(self.limits.wait));
        let permit = match Arc::clone(&self.permits).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => timeout(wait, Arc::clone(&self.permits).acquire_owned())
                .await
                .map_err(|_| sqlx::Error::PoolTimedOut)?
                .map_err(|_| sqlx::Error::PoolClosed)?,
        };
        let held = match self.take_living().await {
            Some(held) => held,
            None => self.connect_patiently().await?,
        };
        Ok(Lease { held: Some(held), pool: Arc::clone(self), fit: false, permit: Some(permit) })
    }

    /// A connection that nobody used for a while is asked first: what a write sends on one that
    /// broke unnoticed could not be repeated.
    async fn take_living(&self) -> Option<Held> {
        let mut held = self.take_idle()?;
        if held.used.elapsed() > QUIET
            && !matches!(timeout(self.limits.connect, held.connection.ping()).await, Ok(Ok(())))
        {
            self.renew();
            return None;
        }
        Some(held)
    }

    fn take_idle(&self) -> Option<Held> {
        let mut idle = self.idle.lock();
        let generation = self.generation.load(Ordering::Acquire);
        let (limits, now) = (&self.limits, Instant::now());
        let fit = |held: &Held| {
            held.generation == generation
                && now.duration_since(held.used) < limits.idle
                && now.duration_since(held.born) < limits.lifetime
        };
        // The one that was used last comes first; what is left at the bottom grows old and goes.
        if idle.first().is_some_and(|oldest| !fit(oldest)) {
            idle.retain(fit);
        }
        idle.pop()
    }

    /// A new connection. Connecting is safe to repeat, so a server that refuses is asked again, by
    /// each caller at another moment.
    async fn connect_patiently(&self) -> sqlx::Result<Held> {
        let (start, mut pause) = (Instant::now(), Duration::from_millis(25));
        loop {
            let error = match self.connect().await {
                Ok(held) => return Ok(held),
                Err(error) => error,
            };
            let waits = is_of_connection(&error) && start.elapsed() + pause < CONNECT_PATIENCE;
            if !waits || self.permits.is_closed() {
                if is_of_connection(&error) {
                    self.health.lost(&error);
                }
                return Err(error);
            }
            sleep(self.jitter(pause)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn connect(&self) -> sqlx::Result<Held> {
        let generation = self.generation.load(Ordering::Acquire);
        let connect = async {
            let mut connection = self.options.connect().await?;
            let backend = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut connection).await?;
            Ok::<_, sqlx::Error>((connection, backend))
        };
        let (connection, backend) =
            timeout(self.limits.connect, connect).await.map_err(|_| no_answer("connecting"))??;
        let now = Instant::now();
        Ok(Held { connection, backend, generation, born: now, used: now })
    }

    /// Half of `pause` and a random part of the other half.
    pub(crate) fn jitter(&self, pause: Duration) -> Duration {
        let mut byte = [0];
        // Without randomness the pause is merely the same for all.
        let _ = self.entropy.fill(&mut byte);
        pause / 2 + pause / 2 * u32::from(byte[0]) / 255
    }

    /// How connections are made.
    pub(crate) const fn options(&self) -> &PgConnectOptions {
        &self.options
    }

    /// No connection that is open now is used again.
    fn renew(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.idle.lock().clear();
    }

    fn give_back(&self, mut held: Held) {
        if held.generation != self.generation.load(Ordering::Acquire) || self.permits.is_closed() {
            return;
        }
        held.used = Instant::now();
        self.idle.lock().push(held);
    }

    /// Waits for holders, at most `grace`, and closes every connection.
    pub(crate) async fn close(&self, grace: Duration) {
        let all = Arc::clone(&self.permits).acquire_many_owned(self.limits.connections);
        // Those who still hold one after that time find it closed.
        let _held = timeout(grace, all).await;
        self.permits.close();
        let idle = std::mem::take(&mut *self.idle.lock());
        for held in idle {
            // The server ends it anyway once the socket is closed.
            let _ = timeout(Duration::from_secs(1), held.connection.close()).await;
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.permits.is_closed()
    }
}

/// One connection for one holder. Unless the holder says that it is fit for the next one, it is
/// taken to be inside a statement or a transaction when it is dropped.
pub(crate) struct Lease {
    held: Option<Held>,
    pool: Arc<Pool>,
    fit: bool,
    permit: Option<OwnedSemaphorePermit>,
}

impl Lease {
    /// The connection.
    ///
    /// # Errors
    /// `WorkerCrashed` once it was given up.
    pub(crate) fn connection(&mut self) -> sqlx::Result<&mut PgConnection> {
        match &mut self.held {
            Some(held) => Ok(&mut held.connection),
            None => Err(sqlx::Error::WorkerCrashed),
        }
    }

    /// The next holder may have the connection as it is.
    pub(crate) fn mark_fit(&mut self) {
        self.fit = true;
    }

    /// Passes the result of a statement outside of any transaction on. The connection is fit
    /// afterwards, unless it broke.
    pub(crate) fn settle<T>(&mut self, result: sqlx::Result<T>) -> sqlx::Result<T> {
        match &result {
            Err(error) if is_of_connection(error) => self.give_up(),
            _ => self.fit = true,
        }
        result
    }

    /// The connection broke: others of its time may have, too.
    pub(crate) fn give_up(&mut self) {
        self.fit = false;
        if let Some(held) = self.held.take()
            && held.generation == self.pool.generation.load(Ordering::Acquire)
        {
            self.pool.renew();
        }
    }

    /// The server's number of the connection.
    pub(crate) fn backend(&self) -> Option<i32> {
        self.held.as_ref().map(|held| held.backend)
    }

    pub(crate) fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(held) = self.held.take() else { return };
        if self.fit {
            self.pool.give_back(held);
        } else {
            rescue::in_background(Arc::clone(&self.pool), held, self.permit.take());
        }
    }
}

fn no_answer(what: &str) -> sqlx::Error {
    sqlx::Error::Io(std::io::Error::new(
        std::io::ErrorKind::TimedOut,
        format!("{what}: the server does not answer"),
    ))
}

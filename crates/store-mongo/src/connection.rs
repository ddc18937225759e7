//! The driver's clients, shared by the stores of one process that have the same settings, and
//! what tells a slow answer from none.

use std::collections::HashMap;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Weak};
use std::time::Duration;

use bson::doc;
use mongodb::Client;
use mongodb::options::{Acknowledgment, ClientOptions};
use parking_lot::Mutex;
use tandem_contract::Result;
use tokio::runtime::{Handle, Id};
use tokio::time::{Instant, sleep, timeout};

use crate::MongoConfig;
use crate::error::Role;

/// How long an operation waits for its answer before the server is asked whether it is there, and
/// between two such questions. With `PROBE` it makes less than the two seconds after which a
/// store that went away has to be reported.
const PATIENCE: Duration = Duration::from_millis(400);
/// How long a server that is there may take to say so.
const PROBE: Duration = Duration::from_millis(1000);
/// How long `open` may take, of the contract's five seconds.
const OPEN: Duration = Duration::from_millis(4500);

/// How long the last store that closes waits for cursors and sessions to end.
const CLOSE: Duration = Duration::from_millis(500);

type Shared = HashMap<(String, Id), Weak<Clients>>;

static CLIENTS: LazyLock<Mutex<Shared>> = LazyLock::new(Mutex::default);

/// One store's use of the shared clients.
pub(crate) struct Connection {
    clients: Arc<Clients>,
    role: Role,
    closed: AtomicBool,
}

struct Clients {
    main: Client,
    /// Has connections of its own: a pool that is used up must not look like a server that is gone.
    probe: Client,
    /// When the last probe ended, and whether it was answered.
    probed: tokio::sync::Mutex<Option<(Instant, bool)>>,
    /// Stores that have not been closed.
    open: AtomicUsize,
}

impl Connection {
    /// Joins or makes the clients for `config` and waits for a sign of life.
    pub(crate) async fn open(config: &MongoConfig, role: Role) -> Result<Self> {
        let options = config.options().await?;
        let key = (format!("{} {:?}", config.url.expose(), pool_settings(config)), Handle::current().id());
        let clients = Clients::shared(key, options, role)?;
        clients.open.fetch_add(1, Ordering::AcqRel);
        let connection = Self { clients, role, closed: AtomicBool::new(false) };
        let admin = connection.clients.main.database("admin");
        let ping = async { admin.run_command(doc! { "ping": 1 }).await };
        let opened = match timeout(OPEN, ping).await {
            Ok(answer) => answer.map(drop).map_err(|error| role.error(error)),
            Err(_) => Err(role.unavailable("it did not answer while opening")),
        };
        if opened.is_err() {
            connection.close().await;
        }
        opened.map(|()| connection)
    }

    pub(crate) fn client(&self) -> &Client {
        &self.clients.main
    }

    /// Waits for `work`, for `limit` at most, and only as long as the server shows that it lives.
    pub(crate) async fn run<T>(
        &self,
        limit: Option<Duration>,
        work: impl Future<Output = mongodb::error::Result<T>>,
    ) -> Result<T> {
        if self.is_closed() {
            return Err(self.role.unavailable("it is closed"));
        }
        let (work, limit) = (pin!(work), limit.unwrap_or(Duration::MAX));
        tokio::select! {
            biased;
            done = work => done.map_err(|error| self.role.error(error)),
            () = self.unanswered() => Err(self.role.unavailable("it stopped answering")),
            () = sleep(limit) => Err(self.role.timed_out(&format!("after {} ms", limit.as_millis()))),
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Ends this store's use; the last one closes the connections.
    pub(crate) async fn close(&self) {
        if self.closed.swap(true, Ordering::AcqRel) {
            return;
        }
        if self.clients.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.clients.shut_down().await;
        }
    }

    /// Ends when the server no longer answers.
    async fn unanswered(&self) {
        loop {
            sleep(PATIENCE).await;
            if !self.clients.lives().await {
                return;
            }
        }
    }
}

impl Clients {
    fn shared(key: (String, Id), options: ClientOptions, role: Role) -> Result<Arc<Self>> {
        let mut all = CLIENTS.lock();
        all.retain(|_, clients| clients.strong_count() > 0);
        if let Some(clients) = all.get(&key).and_then(Weak::upgrade)
            && clients.open.load(Ordering::Acquire) > 0
        {
            return Ok(clients);
        }
        let clients = Arc::new(Self::new(options).map_err(|error| role.error(error))?);
        all.insert(key, Arc::downgrade(&clients));
        Ok(clients)
    }

    fn new(mut options: ClientOptions) -> mongodb::error::Result<Self> {
        let mut probe = options.clone();
        (probe.max_pool_size, probe.min_pool_size) = (Some(2), None);
        probe.server_selection_timeout = Some(PROBE);
        let mut concern = options.write_concern.take().unwrap_or_default();
        concern.w.get_or_insert(Acknowledgment::Majority);
        concern.journal.get_or_insert(true);
        options.write_concern = Some(concern);
        Ok(Self {
            main: Client::with_options(options)?,
            probe: Client::with_options(probe)?,
            probed: tokio::sync::Mutex::default(),
            open: AtomicUsize::new(0),
        })
    }

    /// Lets cursors and sessions that were dropped end in the server, but does not wait for those
    /// that somebody still holds.
    async fn shut_down(&self) {
        let _ = timeout(CLOSE, self.main.clone().shutdown()).await;
        self.main.clone().shutdown().immediate(true).await;
        self.probe.clone().shutdown().immediate(true).await;
    }

    /// Asks the server for a sign of life; those who ask at the same time share the answer.
    async fn lives(&self) -> bool {
        let mut probed = self.probed.lock().await;
        if let Some((when, answered)) = *probed
            && when.elapsed() < PATIENCE / 2
        {
            return answered;
        }
        let admin = self.probe.database("admin");
        let ping = async { admin.run_command(doc! { "ping": 1 }).await };
        let answered = matches!(timeout(PROBE, ping).await, Ok(Ok(_)));
        *probed = Some((Instant::now(), answered));
        answered
    }
}

fn pool_settings(config: &MongoConfig) -> impl std::fmt::Debug {
    (config.max_connections, config.min_connections, config.connect_timeout, config.idle_timeout)
}

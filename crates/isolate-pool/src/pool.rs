use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use dashmap::DashMap;
use parking_lot::Mutex;
use tandem_contract::{EngineLimits, EngineMetrics, Error, Host, Invocation, Outcome, Program, Result};
use tokio::sync::Notify;

use crate::counters::Counters;
use crate::group::{Group, GroupKey};
use crate::handle::Handle;
use crate::isolate::IsolateFactory;
use crate::life_cycle;
use crate::queue::Queue;

/// The isolates of one engine.
pub struct IsolatePool<F: IsolateFactory> {
    shared: Arc<Shared<F>>,
}

/// What the pool and its threads have in common.
pub(crate) struct Shared<F> {
    pub(crate) factory: F,
    pub(crate) host: Arc<dyn Host>,
    pub(crate) limits: EngineLimits,
    pub(crate) concurrency: u32,
    pub(crate) tokio: tokio::runtime::Handle,
    pub(crate) groups: DashMap<GroupKey, Arc<Group>>,
    pub(crate) state: Mutex<State>,
    pub(crate) waiting: AtomicUsize,
    pub(crate) counters: Counters,
    pub(crate) closing: AtomicBool,
    pub(crate) idle: Notify,
    pub(crate) epoch: Instant,
    this: OnceLock<Weak<Self>>,
}

/// What changes when isolates come and go.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) resident: Vec<(Arc<Group>, Arc<Handle>)>,
    pub(crate) spare: Vec<Arc<Handle>>,
    pub(crate) queue: Queue,
}

/// Told whenever an invocation leaves an isolate, and when an isolate is lost.
pub(crate) trait Releases: Send + Sync {
    fn released(&self);
    /// The isolate's thread can never go on: nothing must wait for it any more.
    fn lost(&self, handle: &Arc<Handle>);
}

impl<F: IsolateFactory> IsolatePool<F> {
    /// A pool whose isolates call `host`. Must be made inside a tokio runtime.
    ///
    /// # Errors
    /// `Internal` when a thread cannot be started.
    pub fn new(factory: F, limits: EngineLimits, host: Arc<dyn Host>) -> Result<Self> {
        let shared = Arc::new(Shared {
            factory,
            host,
            limits,
            concurrency: u32::try_from(limits.concurrency).unwrap_or(u32::MAX >> 1).max(1),
            tokio: tokio::runtime::Handle::current(),
            groups: DashMap::new(),
            state: Mutex::default(),
            waiting: AtomicUsize::new(0),
            counters: Counters::default(),
            closing: AtomicBool::new(false),
            idle: Notify::new(),
            epoch: Instant::now(),
            this: OnceLock::new(),
        });
        shared.this.get_or_init(|| Arc::downgrade(&shared));
        shared.prepare_spares();
        let watched = Arc::downgrade(&shared);
        std::thread::Builder::new()
            .name("tandem-watchdog".into())
            .spawn(move || life_cycle::watch(&watched))
            .map_err(Error::internal)?;
        Ok(Self { shared })
    }

    /// See [`JsEngine::invoke`](tandem_contract::JsEngine::invoke).
    pub fn invoke(
        &self,
        program: Arc<Program>,
        invocation: Arc<Invocation>,
    ) -> impl Future<Output = Outcome> + Send + use<F> {
        Arc::clone(&self.shared).invoke(program, invocation)
    }

    /// See [`JsEngine::retire`](tandem_contract::JsEngine::retire).
    pub fn retire(&self, name: &str, keep_hash: Option<&str>) {
        let outdated: Vec<GroupKey> = self
            .shared
            .groups
            .iter()
            .filter(|group| &*group.key().name == name && Some(&*group.key().hash) != keep_hash)
            .map(|group| group.key().clone())
            .collect();
        for key in outdated {
            if let Some((_, group)) = self.shared.groups.remove(&key) {
                group.retire();
            }
        }
    }

    /// What the pool counted so far.
    pub fn metrics(&self) -> EngineMetrics {
        self.shared.counters.metrics()
    }

    /// The engine's own part.
    pub fn factory(&self) -> &F {
        &self.shared.factory
    }

    /// See [`JsEngine::shutdown`](tandem_contract::JsEngine::shutdown).
    pub fn shutdown(&self, grace: Duration) -> impl Future<Output = ()> + Send + use<F> {
        Arc::clone(&self.shared).shutdown(grace)
    }
}

impl<F: IsolateFactory> Shared<F> {
    /// For threads and tasks that keep the pool; `None` while it is being dropped.
    pub(crate) fn this(&self) -> Option<Arc<Self>> {
        self.this.get().and_then(Weak::upgrade)
    }
}

impl<F: IsolateFactory> Releases for Shared<F> {
    fn released(&self) {
        Counters::subtract(&self.counters.in_flight);
        if self.closing.load(Ordering::Relaxed) {
            self.idle.notify_waiters();
        }
        self.serve_queue();
    }

    fn lost(&self, handle: &Arc<Handle>) {
        if handle.condemn() {
            self.condemn(handle);
        }
    }
}

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use dashmap::DashMap;
use parking_lot::Mutex;
use tandem_contract::{
    EngineLimits, EngineMetrics, Error, ErrorKind, Host, Invocation, Outcome, Program, Result,
};
use tokio::sync::{Notify, oneshot};

use crate::counters::Counters;
use crate::driver::Driver;
use crate::group::{Group, GroupKey};
use crate::handle::Handle;
use crate::in_flight::InFlight;
use crate::isolate::IsolateFactory;
use crate::mailbox::Event;
use crate::processor_time;
use crate::thread::{self, End};
use crate::watchdog::{self, Verdict};

/// Isolates kept ready for functions that have none.
const SPARE: usize = 2;
/// Address space of a thread beyond the stack that scripts may use, for the engine's own frames.
const NATIVE_STACK: usize = 1 << 20;
/// A function gets another isolate when its least busy one has been at one event for so long.
const BUSY: Duration = Duration::from_millis(2);

/// The isolates of one engine.
pub struct IsolatePool<F: IsolateFactory> {
    shared: Arc<Shared<F>>,
}

struct Shared<F> {
    factory: F,
    host: Arc<dyn Host>,
    limits: EngineLimits,
    concurrency: u32,
    tokio: tokio::runtime::Handle,
    groups: DashMap<GroupKey, Arc<Group>>,
    state: Mutex<State>,
    waiting: AtomicUsize,
    counters: Counters,
    closing: AtomicBool,
    idle: Notify,
    epoch: Instant,
    this: OnceLock<Weak<Self>>,
}

/// What changes when isolates come and go.
#[derive(Default)]
struct State {
    resident: Vec<(Arc<Group>, Arc<Handle>)>,
    spare: Vec<Arc<Handle>>,
    queue: VecDeque<Waiter>,
}

struct Waiter {
    program: Arc<Program>,
    found: oneshot::Sender<Reservation>,
}

/// A place in an isolate on its way to who waits for it; given back if nobody takes it.
struct Reservation(Option<Arc<Handle>>);

impl Drop for Reservation {
    fn drop(&mut self) {
        if let Some(handle) = self.0.take() {
            handle.leave();
        }
    }
}

/// Told whenever an invocation leaves an isolate.
pub(crate) trait Releases: Send + Sync {
    fn released(&self);
}

pub(crate) fn timeout_error() -> Error {
    Error::new(ErrorKind::FunctionTimeout, "The function did not finish in time")
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
            .spawn(move || watch(&watched))
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
    async fn shutdown(self: Arc<Self>, grace: Duration) {
        self.closing.store(true, Ordering::Release);
        self.state.lock().queue.clear();
        let drained = async {
            loop {
                let notified = self.idle.notified();
                if self.counters.in_flight.load(Ordering::Acquire) == 0 {
                    return;
                }
                // Woken at every release; the period covers one that came in between.
                let _ = tokio::time::timeout(Duration::from_millis(50), notified).await;
            }
        };
        // Past the grace what is left is stopped below.
        let _ = tokio::time::timeout(grace, drained).await;
        let handles: Vec<_> = {
            let mut state = self.state.lock();
            let spare = std::mem::take(&mut state.spare);
            state.resident.iter().map(|(_, handle)| Arc::clone(handle)).chain(spare).collect()
        };
        for handle in handles {
            let left: Vec<_> = handle.table.lock().values().cloned().collect();
            for in_flight in left {
                in_flight.stop(Error::new(ErrorKind::ShuttingDown, "The server is shutting down"));
                handle.mailbox.push(Event::Stop(in_flight.slot));
            }
            handle.retire();
        }
    }

    async fn invoke(self: Arc<Self>, program: Arc<Program>, invocation: Arc<Invocation>) -> Outcome {
        let deadline = tokio::time::Instant::from_std(invocation.input.deadline);
        let handle = match tokio::time::timeout_at(deadline, self.acquire(&program, &invocation)).await {
            Ok(Ok(handle)) => handle,
            Ok(Err(error)) => return unstarted(&invocation, error),
            Err(_) => return unstarted(&invocation, timeout_error()),
        };
        Counters::add(&self.counters.in_flight);
        let (reply, answered) = oneshot::channel();
        let in_flight = Arc::new(InFlight::new(handle.new_slot(), invocation, reply));
        handle.mailbox.push(Event::Start(Arc::clone(&in_flight)));
        let mut guard = StopOnDrop { handle, in_flight: Some(in_flight) };
        let mut answered = answered;
        let outcome = tokio::time::timeout_at(deadline, &mut answered).await;
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(_) => {
                guard.stop(timeout_error());
                answered.await
            }
        };
        match (outcome, guard.in_flight.take()) {
            (Ok(outcome), _) => outcome,
            (Err(_), Some(in_flight)) => {
                unstarted(&in_flight.invocation, Error::internal("an isolate ended without an answer"))
            }
            (Err(_), None) => Outcome {
                result: Err(Error::internal("an isolate ended without an answer")),
                logs: Vec::new(),
                dropped_logs: 0,
                elapsed: Duration::ZERO,
            },
        }
    }

    /// Finds or makes an isolate for `program` with a place reserved in it.
    async fn acquire(&self, program: &Arc<Program>, invocation: &Invocation) -> Result<Arc<Handle>> {
        if self.closing.load(Ordering::Acquire) && invocation.input.depth == 0 {
            return Err(Error::new(ErrorKind::ShuttingDown, "The server is shutting down"));
        }
        let nested = invocation.input.depth > 0;
        let key = GroupKey::of(program);
        if let Some(group) = self.groups.get(&key)
            && let Some(handle) = group.enter(self.concurrency, self.limits.isolates_per_function, BUSY)
        {
            Counters::add(&self.counters.hits);
            return Ok(handle);
        }
        Counters::add(&self.counters.misses);
        let found = {
            let mut state = self.state.lock();
            if let Some(handle) = self.find_or_make(&mut state, program, &key, nested)? {
                return Ok(handle);
            }
            if state.queue.len() >= self.limits.queue {
                return Err(Error::new(ErrorKind::Overloaded, "Too many invocations wait for an isolate"));
            }
            let (found, receiver) = oneshot::channel();
            state.queue.push_back(Waiter { program: Arc::clone(program), found });
            self.waiting.store(state.queue.len(), Ordering::Release);
            receiver
        };
        let reservation = found.await.ok().and_then(|mut reservation| reservation.0.take());
        reservation.ok_or_else(|| Error::new(ErrorKind::ShuttingDown, "The server is shutting down"))
    }

    /// `nested` calls may exceed the limits on isolates: whoever waits for them holds one.
    fn find_or_make(
        &self,
        state: &mut State,
        program: &Arc<Program>,
        key: &GroupKey,
        nested: bool,
    ) -> Result<Option<Arc<Handle>>> {
        let group = Arc::clone(&self.groups.entry(key.clone()).or_insert_with(|| Arc::new(Group::default())));
        let own = group.len();
        if nested || own < self.limits.isolates_per_function {
            // Another may have made one while this waited for the lock.
            if let Some(handle) = group.enter(self.concurrency, own, BUSY) {
                return Ok(Some(handle));
            }
            if state.resident.len() < self.limits.isolates || self.evict(state) || nested {
                return self.make(state, program, &group).map(Some);
            }
        }
        Ok(group.enter(self.concurrency, 0, BUSY))
    }

    fn make(&self, state: &mut State, program: &Arc<Program>, group: &Arc<Group>) -> Result<Arc<Handle>> {
        let spare = std::iter::from_fn(|| state.spare.pop()).find(|handle| handle.enter(1));
        let handle = match spare {
            Some(handle) => {
                Counters::subtract(&self.counters.spare);
                handle
            }
            None => self.spawn(1)?,
        };
        handle.mailbox.push(Event::Load(Arc::clone(program)));
        group.add(Arc::clone(&handle));
        state.resident.push((Arc::clone(group), Arc::clone(&handle)));
        self.counters.isolates.store(state.resident.len() as u64, Ordering::Relaxed);
        self.prepare_spares_later();
        Ok(handle)
    }

    /// Retires the least recently used idle isolate.
    fn evict(&self, state: &mut State) -> bool {
        loop {
            let oldest = state
                .resident
                .iter()
                .enumerate()
                .filter(|(_, (_, handle))| handle.load() == Some(0))
                .min_by_key(|(_, (_, handle))| handle.last_used());
            let Some((index, (group, handle))) = oldest else { return false };
            if handle.retire_if_idle() {
                group.remove(handle);
                state.resident.swap_remove(index);
                Counters::add(&self.counters.evicted);
                return true;
            }
        }
    }

    /// Starts a thread with a blank isolate and `load` places reserved.
    fn spawn(&self, load: u32) -> Result<Arc<Handle>> {
        let handle = Arc::new(Handle::new(self.epoch, load));
        let Some(shared) = self.this.get().and_then(Weak::upgrade) else {
            return Err(Error::new(ErrorKind::ShuttingDown, "The server is shutting down"));
        };
        let owned = Arc::clone(&handle);
        std::thread::Builder::new()
            .name("tandem-isolate".into())
            .stack_size(self.limits.stack + NATIVE_STACK)
            .spawn(move || shared.run_thread(&owned))
            .map_err(Error::internal)?;
        Counters::add(&self.counters.created);
        Ok(handle)
    }

    fn run_thread(self: Arc<Self>, handle: &Arc<Handle>) {
        let releases: Arc<dyn Releases> = Arc::clone(&self) as _;
        let driver =
            Rc::new(Driver::new(Arc::clone(handle), Arc::clone(&self.host), self.tokio.clone(), releases));
        let end = thread::run(&self.factory, handle, driver);
        match end {
            Ok(End::Discarded) => Counters::add(&self.counters.discarded),
            Ok(End::Idle | End::Condemned) => {}
            Err(error) => tracing::error!(%error, "an isolate could not be made"),
        }
        self.forget(handle);
    }

    /// Takes an isolate that ended or was given up out of the pool.
    fn forget(&self, handle: &Arc<Handle>) {
        {
            let mut state = self.state.lock();
            if let Some(index) = state.resident.iter().position(|(_, other)| Arc::ptr_eq(other, handle)) {
                let (group, _) = state.resident.swap_remove(index);
                group.remove(handle);
            }
            state.spare.retain(|other| !Arc::ptr_eq(other, handle));
            self.counters.isolates.store(state.resident.len() as u64, Ordering::Relaxed);
            self.counters.spare.store(state.spare.len() as u64, Ordering::Relaxed);
            // Under the lock, so that no group goes between its making and its first isolate.
            self.groups.retain(|_, group| !group.is_empty());
        }
        self.serve_queue();
    }

    fn prepare_spares_later(&self) {
        if let Some(shared) = self.this.get().and_then(Weak::upgrade) {
            self.tokio.spawn(async move { shared.prepare_spares() });
        }
    }

    fn prepare_spares(&self) {
        let mut state = self.state.lock();
        while state.spare.len() < SPARE && !self.closing.load(Ordering::Acquire) {
            match self.spawn(0) {
                Ok(handle) => {
                    state.spare.push(handle);
                    Counters::add(&self.counters.spare);
                }
                Err(error) => {
                    tracing::warn!(%error, "no isolate could be prepared ahead");
                    return;
                }
            }
        }
    }

    /// Gives places that became free to those who wait, in order; who cannot be served does not
    /// hold up who can.
    fn serve_queue(&self) {
        if self.waiting.load(Ordering::Acquire) == 0 {
            return;
        }
        let mut state = self.state.lock();
        let mut kept = VecDeque::new();
        while let Some(waiter) = state.queue.pop_front() {
            if waiter.found.is_closed() {
                continue;
            }
            let key = GroupKey::of(&waiter.program);
            match self.find_or_make(&mut state, &waiter.program, &key, false) {
                Ok(Some(handle)) => {
                    // Dropped, and so given back, if the waiter has gone.
                    drop(waiter.found.send(Reservation(Some(handle))));
                }
                Ok(None) => kept.push_back(waiter),
                Err(error) => tracing::error!(%error, "an isolate could not be started"),
            }
        }
        self.waiting.store(kept.len(), Ordering::Release);
        state.queue = kept;
    }

    fn inspect_all(&self) {
        let handles: Vec<_> =
            self.state.lock().resident.iter().map(|(_, handle)| Arc::clone(handle)).collect();
        for handle in handles {
            if watchdog::inspect(&handle, self.limits.stop_grace) == Verdict::Condemned && handle.condemn() {
                self.condemn(&handle);
            }
        }
    }

    fn condemn(&self, handle: &Arc<Handle>) {
        Counters::add(&self.counters.condemned);
        if let Some(thread) = handle.thread.get() {
            processor_time::give_way(*thread);
        }
        let left: Vec<_> = handle.table.lock().drain().map(|(_, in_flight)| in_flight).collect();
        for in_flight in left {
            Counters::subtract(&self.counters.in_flight);
            in_flight.stop(Error::new(
                ErrorKind::CpuLimit,
                "Another invocation of this function did not yield, and its isolate was given up",
            ));
        }
        self.forget(handle);
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
}

/// Stops an invocation that nobody waits for any more.
struct StopOnDrop {
    handle: Arc<Handle>,
    in_flight: Option<Arc<InFlight>>,
}

impl StopOnDrop {
    fn stop(&self, error: Error) {
        if let Some(in_flight) = &self.in_flight {
            in_flight.stop(error);
            self.handle.mailbox.push(Event::Stop(in_flight.slot));
        }
    }
}

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.stop(Error::new(ErrorKind::FunctionTimeout, "The caller went away"));
    }
}

fn unstarted(invocation: &Invocation, error: Error) -> Outcome {
    invocation.finish();
    let (logs, dropped_logs) = invocation.console.take();
    Outcome { result: Err(error), logs, dropped_logs, elapsed: Duration::ZERO }
}

fn watch<F: IsolateFactory>(pool: &Weak<Shared<F>>) {
    while let Some(pool) = pool.upgrade() {
        pool.inspect_all();
        drop(pool);
        std::thread::sleep(watchdog::PERIOD);
    }
}

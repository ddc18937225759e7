//! How isolates come and go.

use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tandem_contract::{Error, ErrorKind, Program, Result};

use crate::counters::Counters;
use crate::driver::Driver;
use crate::group::Group;
use crate::handle::Handle;
use crate::isolate::IsolateFactory;
use crate::mailbox::Event;
use crate::pool::{Releases, Shared, State};
use crate::scheduling;
use crate::thread::{self, End};
use crate::watchdog::{self, Verdict};

/// Isolates kept ready for functions that have none.
const SPARE: usize = 2;
/// Address space of a thread beyond the stack that scripts may use, for the engine's own frames.
const NATIVE_STACK: usize = 1 << 20;

impl<F: IsolateFactory> Shared<F> {
    pub(crate) fn make(
        &self,
        state: &mut State,
        program: &Arc<Program>,
        group: &Arc<Group>,
    ) -> Result<Arc<Handle>> {
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
    pub(crate) fn evict(&self, state: &mut State) -> bool {
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
        let Some(shared) = self.this() else {
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
    pub(crate) fn forget(&self, handle: &Arc<Handle>) {
        drop(handle.mailbox.close());
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
        if let Some(shared) = self.this() {
            self.tokio.spawn(async move { shared.prepare_spares() });
        }
    }

    pub(crate) fn prepare_spares(&self) {
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

    pub(crate) fn inspect_all(&self) {
        let handles: Vec<_> =
            self.state.lock().resident.iter().map(|(_, handle)| Arc::clone(handle)).collect();
        for handle in handles {
            if watchdog::inspect(&handle, self.limits.stop_grace) == Verdict::Condemned && handle.condemn() {
                self.condemn(&handle);
            }
        }
    }

    pub(crate) fn condemn(&self, handle: &Arc<Handle>) {
        Counters::add(&self.counters.condemned);
        if let Some(thread) = handle.thread.get() {
            scheduling::give_way(*thread);
        }
        let begun: Vec<_> = handle.table.lock().drain().map(|(_, in_flight)| in_flight).collect();
        let queued = handle.mailbox.close().into_iter().filter_map(|event| match event {
            Event::Start(in_flight) => Some(in_flight),
            _ => None,
        });
        for in_flight in begun.into_iter().chain(queued) {
            Counters::subtract(&self.counters.in_flight);
            in_flight.stop(Error::new(
                ErrorKind::CpuLimit,
                "Another invocation of this function did not yield, and its isolate was given up",
            ));
        }
        self.forget(handle);
    }

    pub(crate) async fn shutdown(self: Arc<Self>, grace: Duration) {
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
}

pub(crate) fn watch<F: IsolateFactory>(pool: &Weak<Shared<F>>) {
    while let Some(pool) = pool.upgrade() {
        pool.inspect_all();
        drop(pool);
        std::thread::sleep(watchdog::PERIOD);
    }
}

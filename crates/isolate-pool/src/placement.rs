use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tandem_contract::{Error, ErrorKind, Invocation, Program, Result};

use crate::counters::Counters;
use crate::group::{Group, GroupKey};
use crate::handle::Handle;
use crate::isolate::IsolateFactory;
use crate::pool::{Shared, State};
use crate::queue::Reservation;

/// A function gets another isolate when its least busy one has computed for so long without a rest, or
/// has been at one event for so long: much longer than a thread waits for a processor on a busy
/// machine, since module state is not shared.
const BEHIND: Duration = Duration::from_millis(20);

impl<F: IsolateFactory> Shared<F> {
    /// Finds or makes an isolate for `program` with a place reserved in it.
    pub(crate) async fn acquire(
        &self,
        program: &Arc<Program>,
        invocation: &Invocation,
    ) -> Result<Arc<Handle>> {
        if self.closing.load(Ordering::Acquire) && invocation.input.depth == 0 {
            return Err(Error::new(ErrorKind::ShuttingDown, "The server is shutting down"));
        }
        let nested = invocation.input.depth > 0;
        let key = GroupKey::of(program);
        if let Some(group) = self.groups.get(&key)
            && let Some(handle) = group.enter(self.concurrency, self.limits.isolates_per_function, BEHIND)
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
            if state.queue.len() >= self.limits.queue && state.queue.count() >= self.limits.queue {
                return Err(Error::new(ErrorKind::Overloaded, "Too many invocations wait for an isolate"));
            }
            let found = state.queue.wait(Arc::clone(program));
            self.waiting.store(state.queue.len(), Ordering::Release);
            found
        };
        let handle = found.await.ok().and_then(Reservation::take);
        handle.ok_or_else(|| Error::new(ErrorKind::ShuttingDown, "The server is shutting down"))
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
            if let Some(handle) = group.enter(self.concurrency, self.limits.isolates_per_function, BEHIND) {
                return Ok(Some(handle));
            }
            if state.resident.len() < self.limits.isolates || self.evict(state) || nested {
                return self.make(state, program, &group).map(Some);
            }
        }
        Ok(group.enter(self.concurrency, 0, BEHIND))
    }

    /// Gives places that became free to those who wait.
    pub(crate) fn serve_queue(&self) {
        if self.waiting.load(Ordering::Acquire) == 0 {
            return;
        }
        let mut state = self.state.lock();
        let mut queue = std::mem::take(&mut state.queue);
        queue.serve(|program| self.find_or_make(&mut state, program, &GroupKey::of(program), false));
        self.waiting.store(queue.len(), Ordering::Release);
        state.queue = queue;
    }
}

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use tandem_contract::{Program, Result};
use tokio::sync::oneshot;

use crate::handle::Handle;

/// Invocations that wait for a place in an isolate: a lane for each program, in the order they came.
/// A place that becomes free serves one of a lane at most, so that looking for who takes it costs
/// as much as there are programs waiting, not invocations.
#[derive(Default)]
pub(crate) struct Queue {
    lanes: VecDeque<Lane>,
}

struct Lane {
    program: Arc<Program>,
    waiters: VecDeque<oneshot::Sender<Reservation>>,
}

/// A place in an isolate on its way to who waits for it; given back if nobody takes it.
pub(crate) struct Reservation(Option<Arc<Handle>>);

impl Queue {
    /// How many wait. Those that gave up are forgotten here.
    pub(crate) fn count(&mut self) -> usize {
        for lane in &mut self.lanes {
            lane.waiters.retain(|waiter| !waiter.is_closed());
        }
        self.lanes.retain(|lane| !lane.waiters.is_empty());
        self.len()
    }

    /// How many wait, those that gave up meanwhile included.
    pub(crate) fn len(&self) -> usize {
        self.lanes.iter().map(|lane| lane.waiters.len()).sum()
    }

    /// Waits for a place for `program`; the channel closes when there will be none.
    pub(crate) fn wait(&mut self, program: Arc<Program>) -> oneshot::Receiver<Reservation> {
        let (found, receiver) = oneshot::channel();
        match self.lanes.iter_mut().find(|lane| Arc::ptr_eq(&lane.program, &program)) {
            Some(lane) => lane.waiters.push_back(found),
            None => self.lanes.push_back(Lane { program, waiters: VecDeque::from([found]) }),
        }
        receiver
    }

    /// Hands out what `find` reserves, a place to each lane in turn; who cannot be served does not
    /// hold up who can.
    pub(crate) fn serve(&mut self, mut find: impl FnMut(&Arc<Program>) -> Result<Option<Arc<Handle>>>) {
        // Another lane comes first each time.
        if self.lanes.len() > 1 {
            self.lanes.rotate_left(1);
        }
        loop {
            let mut served = false;
            for _ in 0..self.lanes.len() {
                let Some(mut lane) = self.lanes.pop_front() else { break };
                served |= lane.serve(&mut find);
                if !lane.waiters.is_empty() {
                    self.lanes.push_back(lane);
                }
            }
            if !served {
                break;
            }
        }
    }

    /// Sends everybody away.
    pub(crate) fn clear(&mut self) {
        self.lanes.clear();
    }
}

impl Lane {
    /// Serves the first who still waits; whether it could.
    fn serve(&mut self, find: &mut impl FnMut(&Arc<Program>) -> Result<Option<Arc<Handle>>>) -> bool {
        while let Some(waiter) = self.waiters.pop_front() {
            if waiter.is_closed() {
                continue;
            }
            match find(&self.program) {
                Ok(Some(handle)) => {
                    // Dropped, and so given back, if the waiter has gone.
                    drop(waiter.send(Reservation(Some(handle))));
                    return true;
                }
                Ok(None) => {
                    self.waiters.push_front(waiter);
                    return false;
                }
                Err(error) => tracing::error!(%error, "an isolate could not be started"),
            }
        }
        false
    }
}

impl Reservation {
    pub(crate) fn take(mut self) -> Option<Arc<Handle>> {
        self.0.take()
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if let Some(handle) = self.0.take() {
            handle.leave(Instant::now());
        }
    }
}

use std::collections::VecDeque;
use std::sync::Arc;

use tandem_contract::{Program, Result};
use tokio::sync::oneshot;

use crate::handle::Handle;

/// Invocations that wait for a place in an isolate, in the order they came.
#[derive(Default)]
pub(crate) struct Queue {
    waiters: VecDeque<Waiter>,
}

struct Waiter {
    program: Arc<Program>,
    found: oneshot::Sender<Reservation>,
}

/// A place in an isolate on its way to who waits for it; given back if nobody takes it.
pub(crate) struct Reservation(Option<Arc<Handle>>);

impl Queue {
    pub(crate) fn len(&self) -> usize {
        self.waiters.len()
    }

    /// Waits for a place for `program`; the channel closes when there will be none.
    pub(crate) fn wait(&mut self, program: Arc<Program>) -> oneshot::Receiver<Reservation> {
        let (found, receiver) = oneshot::channel();
        self.waiters.push_back(Waiter { program, found });
        receiver
    }

    /// Hands out what `find` reserves; who cannot be served does not hold up who can.
    pub(crate) fn serve(&mut self, mut find: impl FnMut(&Arc<Program>) -> Result<Option<Arc<Handle>>>) {
        let mut kept = VecDeque::new();
        while let Some(waiter) = self.waiters.pop_front() {
            if waiter.found.is_closed() {
                continue;
            }
            match find(&waiter.program) {
                Ok(Some(handle)) => {
                    // Dropped, and so given back, if the waiter has gone.
                    drop(waiter.found.send(Reservation(Some(handle))));
                }
                Ok(None) => kept.push_back(waiter),
                Err(error) => tracing::error!(%error, "an isolate could not be started"),
            }
        }
        self.waiters = kept;
    }

    /// Sends everybody away.
    pub(crate) fn clear(&mut self) {
        self.waiters.clear();
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
            handle.leave();
        }
    }
}

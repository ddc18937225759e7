use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::{Condvar, Mutex, MutexGuard};
use tandem_contract::{HostValue, Program};

use crate::in_flight::InFlight;
use crate::relay::Turn;

/// What other threads tell an isolate's thread.
pub(crate) enum Event {
    /// Decides what the isolate runs.
    Load(Arc<Program>),
    /// Starts an invocation.
    Start(Arc<InFlight>),
    /// Answers a host call.
    Settle { slot: u32, call: u32, result: tandem_contract::Result<HostValue> },
    /// A host call that waits for another isolate may go on.
    Relay(Turn),
    /// The invocation was answered from outside: drop what is left of it.
    Stop(u32),
    /// Nothing happened but something may have changed: look at the handle's state.
    Wake,
}

/// The queue of one isolate's thread. Its length is bounded by the invocations in flight and the
/// host calls that they have open.
#[derive(Default)]
pub(crate) struct Mailbox {
    state: Mutex<State>,
    arrived: Condvar,
}

#[derive(Default)]
struct State {
    events: VecDeque<Event>,
    waiting: bool,
    closed: bool,
}

impl Mailbox {
    pub(crate) fn push(&self, event: Event) {
        self.add(self.state.lock(), event);
    }

    /// Drops the event once nobody is going to take it.
    pub(crate) fn push_open(&self, event: Event) {
        let state = self.state.lock();
        if state.closed {
            drop(state);
            drop(event);
        } else {
            self.add(state, event);
        }
    }

    fn add(&self, mut state: MutexGuard<'_, State>, event: Event) {
        state.events.push_back(event);
        if state.waiting {
            state.waiting = false;
            drop(state);
            self.arrived.notify_one();
        }
    }

    /// Tells that nobody takes events any more; those left are the caller's.
    pub(crate) fn close(&self) -> VecDeque<Event> {
        let mut state = self.state.lock();
        state.closed = true;
        std::mem::take(&mut state.events)
    }

    /// Takes all events into `into`; `false` when there are none.
    pub(crate) fn take(&self, into: &mut VecDeque<Event>) -> bool {
        let mut state = self.state.lock();
        std::mem::swap(&mut state.events, into);
        !into.is_empty()
    }

    /// Takes all events into `into`; waits for one until `deadline` if there is none.
    pub(crate) fn wait(&self, into: &mut VecDeque<Event>, deadline: Option<Instant>) {
        let mut state = self.state.lock();
        while state.events.is_empty() {
            state.waiting = true;
            match deadline {
                None => self.arrived.wait(&mut state),
                Some(deadline) => {
                    if self.arrived.wait_until(&mut state, deadline).timed_out() {
                        state.waiting = false;
                        return;
                    }
                }
            }
        }
        std::mem::swap(&mut state.events, into);
    }
}

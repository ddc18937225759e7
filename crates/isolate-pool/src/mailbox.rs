use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};
use tandem_contract::{HostValue, Program, Result};

use crate::in_flight::InFlight;

/// What other threads tell an isolate's thread.
pub(crate) enum Event {
    /// Decides what the isolate runs.
    Load(Arc<Program>),
    /// Starts an invocation.
    Start(Arc<InFlight>),
    /// Answers a host call.
    Settle { slot: u32, call: u32, result: Result<HostValue> },
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
}

impl Mailbox {
    pub(crate) fn push(&self, event: Event) {
        let mut state = self.state.lock();
        state.events.push_back(event);
        if state.waiting {
            state.waiting = false;
            drop(state);
            self.arrived.notify_one();
        }
    }

    /// Takes all events into `into`; waits for one until `deadline` if there is none.
    pub(crate) fn take(&self, into: &mut VecDeque<Event>, deadline: Option<Instant>) {
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

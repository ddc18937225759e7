//! One invocation, from its place in an isolate to its outcome.

use std::sync::Arc;
use std::time::Duration;

use tandem_contract::{Error, ErrorKind, Invocation, Outcome, Program};
use tokio::sync::oneshot;

use crate::counters::Counters;
use crate::handle::Handle;
use crate::in_flight::InFlight;
use crate::isolate::IsolateFactory;
use crate::mailbox::Event;
use crate::pool::Shared;

impl<F: IsolateFactory> Shared<F> {
    pub(crate) async fn invoke(
        self: Arc<Self>,
        program: Arc<Program>,
        invocation: Arc<Invocation>,
    ) -> Outcome {
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

pub(crate) fn timeout_error() -> Error {
    Error::new(ErrorKind::FunctionTimeout, "The function did not finish in time")
}

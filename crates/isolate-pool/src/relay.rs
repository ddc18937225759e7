use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures_core::future::BoxFuture;
use parking_lot::Mutex;
use tandem_contract::{HostValue, Result};

use crate::handle::Handle;
use crate::mailbox::Event;
use crate::panics::poll_caught;

/// How long a thread may have been at one event for a call to wait for it.
const SOON: Duration = Duration::from_millis(2);

/// A host call that waits for another isolate. Its future is polled on the thread that waits for
/// the answer, which saves the way through a worker of the runtime; a thread that is busy or gone
/// leaves it to one.
pub(crate) struct Relay {
    slot: u32,
    call: u32,
    future: Mutex<Option<BoxFuture<'static, Result<HostValue>>>>,
    handle: Arc<Handle>,
    tokio: tokio::runtime::Handle,
    /// Whether somebody is going to poll it.
    woken: AtomicBool,
}

impl Relay {
    /// Starts `future` on the calling thread, which is the isolate's.
    pub(crate) fn start(
        slot: u32,
        call: u32,
        future: BoxFuture<'static, Result<HostValue>>,
        handle: Arc<Handle>,
        tokio: tokio::runtime::Handle,
    ) {
        let future = Mutex::new(Some(future));
        let relay = Arc::new(Self { slot, call, future, handle, tokio, woken: AtomicBool::new(true) });
        if let Some(answer) = relay.poll() {
            relay.handle.mailbox.push_open(answer);
        }
    }

    /// Polls it; what it answers is an event of its isolate.
    fn poll(self: &Arc<Self>) -> Option<Event> {
        self.woken.store(false, Ordering::Release);
        let _guard = self.tokio.enter();
        let waker = Waker::from(Arc::clone(self));
        match self.poll_future(&mut Context::from_waker(&waker)) {
            Poll::Ready(answer) => answer,
            Poll::Pending => None,
        }
    }

    /// `Ready(None)` once it has answered.
    fn poll_future(&self, context: &mut Context<'_>) -> Poll<Option<Event>> {
        let mut place = self.future.lock();
        let Some(future) = place.as_mut() else { return Poll::Ready(None) };
        poll_caught(future.as_mut(), context).map(|result| {
            *place = None;
            Some(Event::Settle { slot: self.slot, call: self.call, result })
        })
    }

    /// Leaves it to a worker of the runtime.
    fn hand_over(self: Arc<Self>) {
        let tokio = self.tokio.clone();
        tokio.spawn(async move {
            if let Some(answer) = std::future::poll_fn(|context| self.poll_future(context)).await {
                self.handle.mailbox.push_open(answer);
            }
        });
    }
}

impl Wake for Relay {
    fn wake(self: Arc<Self>) {
        if self.woken.swap(true, Ordering::AcqRel) {
            return;
        }
        let handle = Arc::clone(&self.handle);
        let turn = Turn(Some(self));
        if handle.busy().is_none_or(|(time, _)| time <= SOON) {
            handle.mailbox.push_open(Event::Relay(turn));
        }
    }
}

/// The thread's turn to poll a relay. Dropped unused, it leaves the relay to a worker.
pub(crate) struct Turn(Option<Arc<Relay>>);

impl Turn {
    pub(crate) fn slot(&self) -> u32 {
        self.0.as_ref().map_or(0, |relay| relay.slot)
    }

    /// See [`Relay::poll`].
    pub(crate) fn take(mut self) -> Option<Event> {
        self.0.take().and_then(|relay| relay.poll())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(relay) = self.0.take() {
            relay.hand_over();
        }
    }
}

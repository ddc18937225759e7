use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rustc_hash::{FxHashMap, FxHashSet};
use tandem_contract::{
    Error, ErrorKind, Host, HostArgs, HostValue, Invocation, Level, OpSpec, Reply, Result,
};
use tokio::sync::mpsc;

use crate::call::timeout_error;
use crate::handle::{Handle, InterruptFlag};
use crate::in_flight::InFlight;
use crate::isolate::LOCAL_OPS;
use crate::mailbox::Event;
use crate::panics::{caught, poll_caught};
use crate::pool::Releases;
use crate::relay::Relay;
use crate::reply_stream::{self, ReplyStream};

/// What an isolate reaches while its code runs: the host, timers, and the way to answer. Belongs
/// to the isolate's thread.
pub struct Driver {
    handle: Arc<Handle>,
    host: Arc<dyn Host>,
    tokio: tokio::runtime::Handle,
    releases: Arc<dyn Releases>,
    slots: RefCell<FxHashMap<u32, Slot>>,
    timers: RefCell<BinaryHeap<Reverse<Timer>>>,
    cancelled: RefCell<FxHashSet<(u32, u32)>>,
    next_call: Cell<u32>,
}

struct Slot {
    in_flight: Arc<InFlight>,
    stream: Option<mpsc::Sender<Result<Bytes>>>,
}

/// When, then in the order they were set; the slot and the call that it settles.
type Timer = (Instant, u32, u32);

impl Driver {
    pub(crate) fn new(
        handle: Arc<Handle>,
        host: Arc<dyn Host>,
        tokio: tokio::runtime::Handle,
        releases: Arc<dyn Releases>,
    ) -> Self {
        Self {
            handle,
            host,
            tokio,
            releases,
            slots: RefCell::default(),
            timers: RefCell::default(),
            cancelled: RefCell::default(),
            next_call: Cell::new(0),
        }
    }

    /// The op table as scripts see it: the host's own, then [`LOCAL_OPS`].
    pub fn ops(&self) -> impl Iterator<Item = &OpSpec> {
        self.host.ops().iter().chain(&LOCAL_OPS)
    }

    /// Where the engine reads that running code has to end.
    pub fn interrupt(&self) -> Arc<InterruptFlag> {
        Arc::clone(&self.handle.interrupt)
    }

    /// The invocation in `slot`, while it is in flight.
    pub fn invocation(&self, slot: u32) -> Option<Arc<Invocation>> {
        self.slots.borrow().get(&slot).map(|slot| Arc::clone(&slot.in_flight.invocation))
    }

    /// Runs a synchronous operation for `slot`.
    ///
    /// # Errors
    /// Whatever the operation refuses; `InvalidArgument` when the invocation is over.
    pub fn sync(&self, slot: u32, op: u32, args: HostArgs) -> Result<HostValue> {
        let invocation = self.invocation(slot).ok_or_else(over)?;
        caught(|| self.host.call_sync(&invocation, op, args))
    }

    /// Starts an asynchronous operation for `slot`; its answer comes to
    /// [`Isolate::settle`](crate::Isolate::settle) with the number returned.
    ///
    /// # Errors
    /// `InvalidArgument` when the invocation is over.
    pub fn call(&self, slot: u32, op: u32, args: HostArgs) -> Result<u32> {
        let invocation = self.invocation(slot).filter(|invocation| !invocation.is_over()).ok_or_else(over)?;
        let call = self.new_call();
        let local = usize::try_from(op).ok().and_then(|op| op.checked_sub(self.host.ops().len()));
        let handle = Arc::clone(&self.handle);
        if local == Some(0) {
            let sender = self.slots.borrow().get(&slot).and_then(|slot| slot.stream.clone());
            self.tokio.spawn(async move {
                let result = write_reply(sender, args).await;
                handle.mailbox.push_open(Event::Settle { slot, call, result });
            });
        } else if self.host.is_relay(op) {
            let _guard = self.tokio.enter();
            let future = self.host.call(&invocation, op, args);
            Relay::start(slot, call, future, handle, self.tokio.clone());
        } else {
            // The future is made where it runs and ends: memory that one thread takes and another frees
            // costs more.
            let host = Arc::clone(&self.host);
            self.tokio.spawn(async move {
                let mut future = pin!(async { host.call(&invocation, op, args).await });
                let result = poll_fn(|context| poll_caught(future.as_mut(), context)).await;
                handle.mailbox.push_open(Event::Settle { slot, call, result });
            });
        }
        Ok(call)
    }

    /// Settles a call of `slot` after a while.
    ///
    /// # Errors
    /// `InvalidArgument` when the invocation is over.
    pub fn sleep(&self, slot: u32, duration: Duration) -> Result<u32> {
        if !self.slots.borrow().contains_key(&slot) {
            return Err(over());
        }
        let call = self.new_call();
        self.timers.borrow_mut().push(Reverse((Instant::now() + duration, call, slot)));
        Ok(call)
    }

    /// Forgets a call of [`Self::sleep`].
    pub fn cancel(&self, slot: u32, call: u32) {
        let mut timers = self.timers.borrow_mut();
        let mut cancelled = self.cancelled.borrow_mut();
        cancelled.insert((slot, call));
        // Keeps both bounded by the timers that are really pending.
        if cancelled.len() > 64 && cancelled.len() > timers.len() / 2 {
            timers.retain(|Reverse((_, call, slot))| !cancelled.contains(&(*slot, *call)));
            cancelled.clear();
        }
    }

    /// Adds a line to the log of `slot`.
    pub fn print(&self, slot: u32, level: Level, text: &str) {
        if let Some(slot) = self.slots.borrow().get(&slot) {
            slot.in_flight.invocation.console.print(level, text);
        }
    }

    /// Answers `slot`, which is then over. What a function throws after its deadline is what the
    /// deadline did to it: a callee's time runs out at the same moment as its caller's.
    pub fn finish(&self, slot: u32, result: Result<Reply>) {
        let Some(removed) = self.remove(slot) else { return };
        let invocation = &removed.in_flight.invocation;
        invocation.finish();
        let now = Instant::now();
        let is_late = now >= invocation.input.deadline;
        let result = result.map_err(|error| match error.kind() {
            ErrorKind::FunctionError if is_late => timeout_error(),
            _ => error,
        });
        // Its place is free when the client knows: this thread may wait for a processor in between, and
        // the client's next call would find the isolate busy.
        self.release(now);
        removed.in_flight.answer(result, now);
    }

    /// Answers `slot` with a head; the body follows through the operation `reply.write`.
    pub fn begin_stream(&self, slot: u32, status: u16, headers: Vec<(String, String)>) {
        let mut slots = self.slots.borrow_mut();
        let Some(entry) = slots.get_mut(&slot) else { return };
        let (sender, receiver) = reply_stream::channel();
        entry.stream = Some(sender);
        let body =
            ReplyStream::new(receiver, Arc::clone(&entry.in_flight), Arc::clone(&self.handle), &self.tokio);
        let reply = Reply::Stream { status, headers, body: Box::pin(body) };
        entry.in_flight.answer(Ok(reply), Instant::now());
    }

    /// Ends the body of `slot`, which is then over; with an error the client sees it cut off.
    pub fn end_stream(&self, slot: u32, error: Option<String>) {
        let Some(removed) = self.remove(slot) else { return };
        removed.in_flight.invocation.finish();
        if let (Some(message), Some(stream)) = (error, removed.stream) {
            self.tokio.spawn(async move {
                // Nobody may be reading any more.
                let _ = stream.send(Err(Error::new(ErrorKind::FunctionError, message))).await;
            });
        }
        self.release(Instant::now());
    }

    /// Answers everything in flight with `error` and gives the isolate's thread up, which must not
    /// return from what it is in: for an engine that cannot go on and would end the process.
    pub fn lose(&self, error: &Error) {
        // Before anybody is answered: a caller's next call must not come here.
        self.handle.retire();
        self.fail_all(|| error.clone());
        self.releases.lost(&self.handle);
    }

    pub(crate) fn begin(&self, in_flight: Arc<InFlight>) {
        in_flight.begin();
        self.handle.table.lock().insert(in_flight.slot, Arc::clone(&in_flight));
        self.slots.borrow_mut().insert(in_flight.slot, Slot { in_flight, stream: None });
    }

    /// Drops a slot that was answered from outside; `false` when it is gone already.
    pub(crate) fn drop_stopped(&self, slot: u32) -> bool {
        let removed = self.remove(slot).is_some();
        if removed {
            self.release(Instant::now());
        }
        removed
    }

    /// Answers everything in flight with errors that `error` makes.
    pub(crate) fn fail_all(&self, error: impl Fn() -> Error) {
        let slots: Vec<u32> = self.slots.borrow().keys().copied().collect();
        for slot in slots {
            self.finish(slot, Err(error()));
        }
    }

    pub(crate) fn in_flight(&self, slot: u32) -> Option<Arc<InFlight>> {
        self.slots.borrow().get(&slot).map(|slot| Arc::clone(&slot.in_flight))
    }

    /// When the next timer is due.
    pub(crate) fn next_timer(&self) -> Option<Instant> {
        self.timers.borrow().peek().map(|Reverse((due, _, _))| *due)
    }

    /// A timer that is due, as its slot and call.
    pub(crate) fn due_timer(&self, now: Instant) -> Option<(u32, u32)> {
        let mut timers = self.timers.borrow_mut();
        let slots = self.slots.borrow();
        let mut cancelled = self.cancelled.borrow_mut();
        while let Some(Reverse((due, call, slot))) = timers.peek().copied() {
            if due > now {
                return None;
            }
            timers.pop();
            if !cancelled.remove(&(slot, call)) && slots.contains_key(&slot) {
                return Some((slot, call));
            }
        }
        None
    }

    fn new_call(&self) -> u32 {
        let call = self.next_call.get().wrapping_add(1).max(1);
        self.next_call.set(call);
        call
    }

    fn remove(&self, slot: u32) -> Option<Slot> {
        self.handle.table.lock().remove(&slot);
        let removed = self.slots.borrow_mut().remove(&slot);
        if self.slots.borrow().is_empty() {
            // Timers of invocations that are over wake nobody.
            self.timers.borrow_mut().clear();
            self.cancelled.borrow_mut().clear();
        }
        removed
    }

    fn release(&self, now: Instant) {
        // Whoever condemned the thread has released everything it held.
        if !self.handle.is_condemned() {
            self.handle.leave(now);
            self.releases.released();
        }
    }

    /// Sets whom running code works for.
    pub(crate) fn set_running(&self, slot: u32) {
        self.handle.interrupt.running().store(slot, Ordering::Relaxed);
    }
}

fn over() -> Error {
    Error::new(
        ErrorKind::InvalidArgument,
        "The invocation is over: await what the function starts before it returns",
    )
}

async fn write_reply(sender: Option<mpsc::Sender<Result<Bytes>>>, args: HostArgs) -> Result<HostValue> {
    let closed = || Error::new(ErrorKind::Conflict, "The client reads no further");
    let sender = sender.ok_or_else(closed)?;
    sender.send(Ok(args.bytes.unwrap_or_default())).await.map_err(|_| closed())?;
    Ok(HostValue::Undefined)
}

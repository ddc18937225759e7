//! Who may run now, who waits, and who is refused.
//!
//! Functions share the places by dynamic thresholds (Choudhury and Hahne, 1998): a function may
//! hold so many times the places that are still free. One that is flooded with slow calls thereby
//! leaves some free for the others, and the more functions are busy, the less each may hold. The
//! same goes for the places in the queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tandem_contract::{Error, ErrorKind, Result};
use tokio::sync::{Notify, oneshot};

use super::share::{Lanes, Share, Shares};

/// Marks the number in flight once no more are admitted.
const CLOSED: usize = 1 << (usize::BITS - 1);

/// What bounds admission.
#[derive(Clone, Debug, PartialEq)]
pub struct AdmissionLimits {
    /// Invocations at once.
    pub capacity: usize,
    /// Invocations that may wait.
    pub queue: usize,
    /// How long they may wait.
    pub longest_wait: Duration,
    /// How many times the free places a function of weight 1 may hold; 0 for any number.
    pub factor: f64,
    /// Weights of functions that do not have weight 1.
    pub weights: Vec<(String, f64)>,
}

/// Gives places to invocations: so many at once, so many more waiting, the rest refused.
pub struct Admission {
    limits: AdmissionLimits,
    shares: Shares,
    in_flight: AtomicUsize,
    waiting: AtomicUsize,
    lanes: parking_lot::Mutex<Lanes<oneshot::Sender<Permit>>>,
    left: Notify,
}

/// A place; given back when dropped.
pub struct Permit {
    admission: Arc<Admission>,
    share: Arc<Share>,
    /// Whether its drop looks for those that wait.
    serves: bool,
}

impl Admission {
    /// Nobody is in flight yet.
    pub fn new(limits: AdmissionLimits) -> Arc<Self> {
        let mut limits = limits;
        limits.capacity = limits.capacity.clamp(1, CLOSED >> 1);
        Arc::new(Self {
            shares: Shares::new(&limits.weights),
            limits,
            in_flight: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            lanes: parking_lot::Mutex::default(),
            left: Notify::new(),
        })
    }

    /// The share of the function `name`: the same for all its versions.
    pub fn share(&self, name: &str) -> Arc<Share> {
        self.shares.of(name)
    }

    /// Takes a place for a function, waiting for one if there is room in the queue.
    ///
    /// # Errors
    /// `Overloaded` when the queue is full or the wait was too long, `ShuttingDown` once
    /// [`Self::close`] was called, also for those that wait.
    pub async fn admit(self: &Arc<Self>, share: &Arc<Share>) -> Result<Permit> {
        // Those of the same function that wait come first.
        if share.waiting() == 0
            && let Some(permit) = self.enter(share)
        {
            return Ok(permit);
        }
        if self.is_closed() {
            return Err(shutting_down());
        }
        self.wait(share).await
    }

    fn enter(self: &Arc<Self>, share: &Arc<Share>) -> Option<Permit> {
        let mut in_flight = self.in_flight.load(Ordering::SeqCst);
        loop {
            // Past the capacity too when closed.
            let free = self.limits.capacity.checked_sub(in_flight).filter(|free| *free > 0)?;
            if !share.may_hold_more(share.in_flight(), free, self.limits.factor) {
                return None;
            }
            let entered = self.in_flight.compare_exchange_weak(
                in_flight,
                in_flight + 1,
                Ordering::SeqCst,
                Ordering::SeqCst,
            );
            match entered {
                Ok(_) => {
                    share.enter();
                    return Some(Permit { admission: self.clone(), share: share.clone(), serves: true });
                }
                Err(now) => in_flight = now,
            }
        }
    }

    async fn wait(self: &Arc<Self>, share: &Arc<Share>) -> Result<Permit> {
        let Some(waiting) = Waiting::enter(self, share) else { return Err(overloaded()) };
        let turn = {
            let mut lanes = self.lanes.lock();
            // A place may have become free before this one was known to wait. Whoever gives back
            // a place looks for those that wait afterwards, so that one of both sees the other.
            if share.waiting() == 1
                && let Some(permit) = self.enter(share)
            {
                return Ok(permit);
            }
            if self.is_closed() {
                return Err(shutting_down());
            }
            let (sender, turn) = oneshot::channel();
            waiting.at.set(Some(lanes.push(share, sender)));
            turn
        };
        match tokio::time::timeout(self.limits.longest_wait, turn).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_closed)) => Err(shutting_down()),
            Err(_elapsed) => Err(overloaded()),
        }
    }

    /// Gives free places to those that wait: next comes the function that holds the least for its
    /// weight, and of its invocations the one that has waited longest.
    fn serve(self: &Arc<Self>) {
        if self.waiting.load(Ordering::SeqCst) == 0 {
            return;
        }
        let mut lanes = self.lanes.lock();
        while let Some((turn, permit)) = lanes.next(|share| self.enter(share)) {
            if let Err(mut permit) = turn.send(permit) {
                // It gave up meanwhile. Its place goes to the next, under the lock held here.
                permit.serves = false;
            }
        }
    }

    /// Invocations that hold a place.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed) & !CLOSED
    }

    /// Invocations that wait for one.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Whether no more are admitted.
    pub fn is_closed(&self) -> bool {
        self.in_flight.load(Ordering::Relaxed) & CLOSED != 0
    }

    /// Admits no more; those that wait are refused, those in flight go on.
    pub fn close(&self) {
        self.in_flight.fetch_or(CLOSED, Ordering::SeqCst);
        self.lanes.lock().clear();
        self.left.notify_waiters();
    }

    /// Returns once no invocation holds a place.
    pub async fn drained(&self) {
        loop {
            let left = self.left.notified();
            tokio::pin!(left);
            // Registered before looking, or the last permit's drop could pass unseen between.
            left.as_mut().enable();
            if self.in_flight() == 0 {
                return;
            }
            left.await;
        }
    }

    fn give_back(&self, share: &Share) {
        share.leave();
        let before = self.in_flight.fetch_sub(1, Ordering::SeqCst);
        if before & CLOSED != 0 {
            self.left.notify_waiters();
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.admission.give_back(&self.share);
        if self.serves {
            self.admission.serve();
        }
    }
}

/// A place in the queue; given back when dropped, as waiting futures may be.
struct Waiting<'a> {
    admission: &'a Admission,
    share: &'a Arc<Share>,
    /// Its number in its lane.
    at: std::cell::Cell<Option<u64>>,
}

impl<'a> Waiting<'a> {
    fn enter(admission: &'a Admission, share: &'a Arc<Share>) -> Option<Self> {
        let before = admission.waiting.fetch_add(1, Ordering::SeqCst);
        let mine = share.wait();
        let waiting = Self { admission, share, at: std::cell::Cell::new(None) };
        let free = admission.limits.queue.checked_sub(before).filter(|free| *free > 0)?;
        share.may_hold_more(mine, free, admission.limits.factor).then_some(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.share.stop_waiting();
        self.admission.waiting.fetch_sub(1, Ordering::SeqCst);
        if let Some(at) = self.at.get() {
            self.admission.lanes.lock().remove(self.share, at);
        }
    }
}

fn overloaded() -> Error {
    Error::new(ErrorKind::Overloaded, "Too many invocations at once: try again later")
}

fn shutting_down() -> Error {
    Error::new(ErrorKind::ShuttingDown, "The server is shutting down: try again later")
}

#[cfg(test)]
#[path = "admit_tests.rs"]
mod tests;

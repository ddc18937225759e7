use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tandem_contract::{Error, ErrorKind, Result};
use tokio::sync::{Notify, Semaphore, TryAcquireError};

/// Gives places to invocations: so many at once, so many more waiting, the rest refused.
pub struct Admission {
    places: Semaphore,
    capacity: usize,
    waiting: AtomicUsize,
    queue: usize,
    longest_wait: Duration,
    left: Notify,
}

/// A place; given back when dropped.
pub struct Permit {
    admission: Arc<Admission>,
}

impl Admission {
    /// `capacity` invocations at once, `queue` waiting for at most `longest_wait`.
    pub fn new(capacity: usize, queue: usize, longest_wait: Duration) -> Arc<Self> {
        let capacity = capacity.clamp(1, Semaphore::MAX_PERMITS);
        Arc::new(Self {
            places: Semaphore::new(capacity),
            capacity,
            waiting: AtomicUsize::new(0),
            queue,
            longest_wait,
            left: Notify::new(),
        })
    }

    /// Takes a place, waiting for one if there is room in the queue.
    ///
    /// # Errors
    /// `Overloaded` when the queue is full or the wait was too long, `ShuttingDown` once
    /// [`Self::close`] was called, also for those that wait.
    pub async fn admit(self: &Arc<Self>) -> Result<Permit> {
        match self.places.try_acquire() {
            Ok(place) => {
                place.forget();
                Ok(Permit { admission: self.clone() })
            }
            Err(TryAcquireError::Closed) => Err(shutting_down()),
            Err(TryAcquireError::NoPermits) => self.wait().await,
        }
    }

    async fn wait(self: &Arc<Self>) -> Result<Permit> {
        let Some(_waiting) = Waiting::enter(self) else { return Err(overloaded()) };
        match tokio::time::timeout(self.longest_wait, self.places.acquire()).await {
            Ok(Ok(place)) => {
                place.forget();
                Ok(Permit { admission: self.clone() })
            }
            Ok(Err(_closed)) => Err(shutting_down()),
            Err(_elapsed) => Err(overloaded()),
        }
    }

    /// Invocations that hold a place.
    pub fn in_flight(&self) -> usize {
        self.capacity.saturating_sub(self.places.available_permits())
    }

    /// Invocations that wait for one.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Whether no more are admitted.
    pub fn is_closed(&self) -> bool {
        self.places.is_closed()
    }

    /// Admits no more; those that wait are refused, those in flight go on.
    pub fn close(&self) {
        self.places.close();
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
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.admission.places.add_permits(1);
        if self.admission.places.is_closed() {
            self.admission.left.notify_waiters();
        }
    }
}

/// A place in the queue; given back when dropped, as waiting futures may be.
struct Waiting<'a>(&'a Admission);

impl<'a> Waiting<'a> {
    fn enter(admission: &'a Admission) -> Option<Self> {
        let before = admission.waiting.fetch_add(1, Ordering::Relaxed);
        let waiting = Self(admission);
        (before < admission.queue).then_some(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

fn overloaded() -> Error {
    Error::new(ErrorKind::Overloaded, "Too many invocations at once: try again later")
}

fn shutting_down() -> Error {
    Error::new(ErrorKind::ShuttingDown, "The server is shutting down: try again later")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(result: Result<Permit>) -> Option<ErrorKind> {
        result.err().map(|error| error.kind())
    }

    #[tokio::test]
    async fn beyond_the_queue_is_refused_and_a_dropped_permit_serves_the_next() {
        let admission = Admission::new(1, 1, Duration::from_secs(30));
        let first = admission.admit().await.unwrap();
        let second = tokio::spawn({
            let admission = admission.clone();
            async move { admission.admit().await.map(drop) }
        });
        while admission.waiting() == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(kind(admission.admit().await), Some(ErrorKind::Overloaded));
        drop(first);
        second.await.unwrap().unwrap();
        assert_eq!((admission.in_flight(), admission.waiting()), (0, 0));
    }

    #[tokio::test]
    async fn a_wait_ends() {
        let admission = Admission::new(1, 1, Duration::from_millis(1));
        let _held = admission.admit().await.unwrap();
        assert_eq!(kind(admission.admit().await), Some(ErrorKind::Overloaded));
        assert_eq!(admission.waiting(), 0);
    }

    #[tokio::test]
    async fn closing_refuses_those_who_wait_and_drains_those_in_flight() {
        let admission = Admission::new(1, 8, Duration::from_secs(30));
        let held = admission.admit().await.unwrap();
        let waiter = tokio::spawn({
            let admission = admission.clone();
            async move { kind(admission.admit().await) }
        });
        while admission.waiting() == 0 {
            tokio::task::yield_now().await;
        }
        admission.close();
        assert_eq!(waiter.await.unwrap(), Some(ErrorKind::ShuttingDown));
        assert_eq!(kind(admission.admit().await), Some(ErrorKind::ShuttingDown));
        let drained = tokio::spawn({
            let admission = admission.clone();
            async move { admission.drained().await }
        });
        tokio::task::yield_now().await;
        assert!(!drained.is_finished());
        drop(held);
        drained.await.unwrap();
    }
}

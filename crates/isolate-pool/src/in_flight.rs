use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tandem_contract::{Error, ErrorKind, Invocation, Outcome, Reply};
use tokio::sync::oneshot;

/// An invocation in an isolate, shared by the isolate's thread, the watchdog and whoever waits.
pub(crate) struct InFlight {
    /// Its place in the isolate; never 0, never used twice.
    pub(crate) slot: u32,
    pub(crate) invocation: Arc<Invocation>,
    reply: Mutex<Option<oneshot::Sender<Outcome>>>,
    started: OnceLock<Instant>,
    processor_time: AtomicU64,
    stopped: AtomicBool,
}

impl InFlight {
    pub(crate) const fn new(slot: u32, invocation: Arc<Invocation>, reply: oneshot::Sender<Outcome>) -> Self {
        Self {
            slot,
            invocation,
            reply: Mutex::new(Some(reply)),
            started: OnceLock::new(),
            processor_time: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
        }
    }

    pub(crate) fn begin(&self) {
        self.started.get_or_init(Instant::now);
    }

    /// Adds to the processor time it has used.
    pub(crate) fn charge(&self, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.processor_time.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// Whether it has used up its processor time, `running` more than was charged so far included.
    pub(crate) fn exceeds_processor_time(&self, running: Duration) -> bool {
        let charged = Duration::from_nanos(self.processor_time.load(Ordering::Relaxed));
        charged + running > self.invocation.input.cpu_time
    }

    /// Stops it for having used up its processor time.
    pub(crate) fn stop_for_processor_time(&self) {
        let limit = self.invocation.input.cpu_time;
        self.stop(Error::new(
            ErrorKind::CpuLimit,
            format!("The function used more than {limit:?} of processor time"),
        ));
    }

    /// Sends the answer, the first time only.
    pub(crate) fn answer(&self, result: Result<Reply, Error>, now: Instant) {
        let Some(reply) = self.reply.lock().take() else { return };
        let (logs, dropped_logs) = self.invocation.console.take();
        let elapsed =
            self.started.get().map_or(Duration::ZERO, |started| now.saturating_duration_since(*started));
        // Whoever waited may have gone; the answer is theirs to lose.
        let _ = reply.send(Outcome { result, logs, dropped_logs, elapsed });
    }

    /// Answers with `error` from outside the isolate and refuses what it still asks for.
    pub(crate) fn stop(&self, error: Error) {
        self.stopped.store(true, Ordering::Release);
        self.invocation.finish();
        self.answer(Err(error), Instant::now());
    }

    /// Whether it was stopped from outside: code that still runs for it must end.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }
}

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use crate::in_flight::InFlight;
use crate::mailbox::{Event, Mailbox};

const RETIRED: u32 = 1 << 31;

/// Tells running code to end. Engines read it wherever they can stop.
#[derive(Default)]
pub struct InterruptFlag {
    target: AtomicU32,
    running: AtomicU32,
    nudge: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

impl std::fmt::Debug for InterruptFlag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { target, running, .. } = self;
        f.debug_struct("InterruptFlag")
            .field("target", target)
            .field("running", running)
            .finish_non_exhaustive()
    }
}

impl InterruptFlag {
    /// Whether the code that runs now has to end.
    pub fn is_raised(&self) -> bool {
        let target = self.target.load(Ordering::Relaxed);
        target != 0 && target == self.running.load(Ordering::Relaxed)
    }

    /// The slot of the code that runs now, 0 for none. Scripts write it through its address when
    /// they switch from one invocation to another.
    pub const fn running(&self) -> &AtomicU32 {
        &self.running
    }

    /// Sets what makes running code look: for an engine whose code does not read the flag by
    /// itself. It is called from another thread while code runs, must not block, and has the
    /// isolate's own thread write [`Self::running`] and end the code if the flag is raised. Only
    /// the first one counts.
    pub fn set_nudge(&self, nudge: impl Fn() + Send + Sync + 'static) {
        self.nudge.get_or_init(|| Box::new(nudge));
    }

    /// Makes running code look, if it does not do so by itself.
    pub(crate) fn nudge(&self) {
        if let Some(nudge) = self.nudge.get() {
            nudge();
        }
    }

    fn raise(&self, slot: u32) {
        self.target.store(slot, Ordering::Relaxed);
        self.nudge();
    }

    pub(crate) fn clear(&self) {
        self.target.store(0, Ordering::Relaxed);
    }
}

/// What other threads know of an isolate.
pub(crate) struct Handle {
    pub(crate) mailbox: Mailbox,
    pub(crate) interrupt: Arc<InterruptFlag>,
    /// Invocations in flight, with [`RETIRED`] once it takes no more.
    load: AtomicU32,
    next_slot: AtomicU32,
    condemned: AtomicBool,
    /// Its current event goes on for an invocation that is over.
    stuck: AtomicBool,
    /// Nanoseconds since `epoch` of the last release; for the least recently used.
    last_used: AtomicU64,
    /// Nanoseconds since `epoch` at which the thread began its current event, 0 while it waits.
    busy_since: AtomicU64,
    /// Processor time of the thread, in nanoseconds, when it began its current event.
    busy_processor_time: AtomicU64,
    /// Processor time of the thread, in nanoseconds, since it last had nothing to do; settled now and
    /// then.
    without_rest: AtomicU64,
    pub(crate) thread: OnceLock<rustix::thread::Pid>,
    pub(crate) table: Mutex<FxHashMap<u32, Arc<InFlight>>>,
    /// When the watchdog first asked the running code to end, and for which slot.
    pub(crate) interrupted: Mutex<Option<(u32, Instant)>>,
    epoch: Instant,
}

impl Handle {
    /// A handle with `load` invocations already reserved.
    pub(crate) fn new(epoch: Instant, load: u32) -> Self {
        Self {
            mailbox: Mailbox::default(),
            interrupt: Arc::new(InterruptFlag::default()),
            load: AtomicU32::new(load),
            next_slot: AtomicU32::new(1),
            condemned: AtomicBool::new(false),
            stuck: AtomicBool::new(false),
            last_used: AtomicU64::new(0),
            busy_since: AtomicU64::new(0),
            busy_processor_time: AtomicU64::new(0),
            without_rest: AtomicU64::new(0),
            thread: OnceLock::new(),
            table: Mutex::default(),
            interrupted: Mutex::new(None),
            epoch,
        }
    }

    /// Nanoseconds from `epoch` to `time`, never 0.
    fn since_epoch(&self, time: Instant) -> u64 {
        let elapsed = time.saturating_duration_since(self.epoch);
        u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX).max(1)
    }

    pub(crate) fn new_slot(&self) -> u32 {
        loop {
            let slot = self.next_slot.fetch_add(1, Ordering::Relaxed);
            if slot != 0 {
                return slot;
            }
        }
    }

    /// Invocations in flight; `None` once it takes no more, and while it may be about to be given up.
    pub(crate) fn load(&self) -> Option<u32> {
        let load = self.load.load(Ordering::Relaxed);
        (load & RETIRED == 0 && !self.stuck.load(Ordering::Relaxed)).then_some(load)
    }

    /// Reserves a place for one more invocation if fewer than `most` are in flight.
    pub(crate) fn enter(&self, most: u32) -> bool {
        self.load
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, |load| {
                (load & RETIRED == 0 && load < most).then_some(load + 1)
            })
            .is_ok()
    }

    /// Gives the place back.
    pub(crate) fn leave(&self, now: Instant) {
        self.last_used.store(self.since_epoch(now), Ordering::Relaxed);
        let before = self.load.fetch_sub(1, Ordering::AcqRel);
        if before == RETIRED | 1 {
            self.mailbox.push(Event::Wake);
        }
    }

    /// Takes no more invocations; it ends once it is idle. `true` the first time.
    pub(crate) fn retire(&self) -> bool {
        let first = self.load.fetch_or(RETIRED, Ordering::AcqRel) & RETIRED == 0;
        self.mailbox.push(Event::Wake);
        first
    }

    /// Retires it if nothing is in flight.
    pub(crate) fn retire_if_idle(&self) -> bool {
        let idle = self.load.compare_exchange(0, RETIRED, Ordering::AcqRel, Ordering::Relaxed).is_ok();
        if idle {
            self.mailbox.push(Event::Wake);
        }
        idle
    }

    pub(crate) fn is_retired(&self) -> bool {
        self.load.load(Ordering::Relaxed) & RETIRED != 0
    }

    /// Whether the thread has nothing left to do.
    pub(crate) fn is_finished(&self) -> bool {
        self.load.load(Ordering::Acquire) == RETIRED || self.is_condemned()
    }

    pub(crate) fn last_used(&self) -> u64 {
        self.last_used.load(Ordering::Relaxed)
    }

    pub(crate) fn begin_event(&self, now: Instant, processor_time: Duration) {
        let used = u64::try_from(processor_time.as_nanos()).unwrap_or(u64::MAX);
        self.busy_processor_time.store(used, Ordering::Relaxed);
        self.busy_since.store(self.since_epoch(now), Ordering::Release);
    }

    pub(crate) fn end_event(&self) {
        self.busy_since.store(0, Ordering::SeqCst);
        self.stuck.store(false, Ordering::SeqCst);
    }

    /// Until the current event ends nobody else should be sent here.
    pub(crate) fn mark_stuck(&self) {
        self.stuck.store(true, Ordering::SeqCst);
        if self.busy_since.load(Ordering::SeqCst) == 0 {
            // It ended meanwhile.
            self.stuck.store(false, Ordering::Relaxed);
        }
    }

    /// How long the thread has been at its current event, and its processor time when it began.
    pub(crate) fn busy(&self) -> Option<(Duration, Duration)> {
        let since = self.busy_since.load(Ordering::Acquire);
        let used = self.busy_processor_time.load(Ordering::Relaxed);
        (since != 0).then(|| {
            let busy_for = self.since_epoch(Instant::now()).saturating_sub(since);
            (Duration::from_nanos(busy_for), Duration::from_nanos(used))
        })
    }

    /// Notes how much processor time the thread has used since it last had nothing to do.
    pub(crate) fn set_without_rest(&self, used: Duration) {
        let used = u64::try_from(used.as_nanos()).unwrap_or(u64::MAX);
        self.without_rest.store(used, Ordering::Relaxed);
    }

    /// Whether what arrives waits for longer than `limit`: the thread has computed for so long
    /// without a rest, or has been at one event for so long. The first is processor time, since a
    /// thread that others keep from a processor would gain nothing by company.
    pub(crate) fn is_behind(&self, limit: Duration) -> bool {
        u128::from(self.without_rest.load(Ordering::Relaxed)) > limit.as_nanos()
            || self.busy().is_some_and(|(time, _)| time > limit)
    }

    /// The invocation that the running code belongs to.
    pub(crate) fn running(&self) -> Option<Arc<InFlight>> {
        let slot = self.interrupt.running().load(Ordering::Relaxed);
        self.table.lock().get(&slot).cloned()
    }

    /// Asks the code that runs for `slot` to end.
    pub(crate) fn interrupt(&self, slot: u32) {
        self.interrupt.raise(slot);
    }

    /// Gives the thread up. `true` the first time.
    pub(crate) fn condemn(&self) -> bool {
        self.load.fetch_or(RETIRED, Ordering::AcqRel);
        !self.condemned.swap(true, Ordering::AcqRel)
    }

    pub(crate) fn is_condemned(&self) -> bool {
        self.condemned.load(Ordering::Acquire)
    }
}

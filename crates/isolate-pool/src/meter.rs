//! The processor time of an isolate's thread, shared out among the invocations that it worked for.
//!
//! Asking the system takes a quarter of a microsecond, as long as some events. So events are timed
//! by the clock, which costs a tenth of that, and what the system says is shared out over several.

use std::sync::Arc;
use std::time::Duration;

use crate::in_flight::InFlight;
use crate::processor_time;

/// Time on the clock after which the system is asked.
const LONGEST: Duration = Duration::from_millis(1);
/// Events after which the system is asked.
const MOST: usize = 64;

/// Belongs to the thread whose time it measures.
pub(crate) struct Meter {
    /// What the system said last.
    read: Duration,
    /// Time on the clock of the events since.
    elapsed: Duration,
    /// What the thread had used when it last had nothing to do.
    rested: Duration,
    shares: Vec<(Arc<InFlight>, Duration)>,
}

impl Meter {
    pub(crate) fn start() -> Self {
        let read = processor_time::of_this_thread();
        Self { read, elapsed: Duration::ZERO, rested: read, shares: Vec::new() }
    }

    /// Leaves out what the thread has used since the last event was settled: it had nothing to do.
    pub(crate) fn leave_out(&mut self) {
        self.read = processor_time::of_this_thread();
        self.rest();
    }

    /// Processor time that the thread has used, to within [`LONGEST`].
    pub(crate) fn estimate(&self) -> Duration {
        self.read + self.elapsed
    }

    /// Notes that the thread has nothing to do. To be called when everything is settled.
    pub(crate) const fn rest(&mut self) {
        self.rested = self.read;
    }

    /// Processor time that the thread has used since it last had nothing to do, to within [`LONGEST`].
    pub(crate) const fn without_rest(&self) -> Duration {
        self.read.saturating_sub(self.rested)
    }

    /// Adds an event that took `elapsed` on the clock. `true` when it is time to settle.
    pub(crate) fn add(&mut self, in_flight: Option<Arc<InFlight>>, elapsed: Duration) -> bool {
        self.elapsed += elapsed;
        self.shares.extend(in_flight.map(|in_flight| (in_flight, elapsed)));
        self.elapsed >= LONGEST || self.shares.len() >= MOST
    }

    /// Charges every invocation its share. Gives those that have used up their time.
    pub(crate) fn settle(&mut self) -> Vec<Arc<InFlight>> {
        if self.elapsed.is_zero() {
            return Vec::new();
        }
        let now = processor_time::of_this_thread();
        let used = now.saturating_sub(self.read).as_secs_f64() / self.elapsed.as_secs_f64();
        (self.read, self.elapsed) = (now, Duration::ZERO);
        let charged = self.shares.drain(..).map(|(in_flight, elapsed)| {
            in_flight.charge(elapsed.mul_f64(used));
            in_flight
        });
        charged.filter(|in_flight| in_flight.exceeds_processor_time(Duration::ZERO)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_no_invocation_are_settled_too() {
        let mut meter = Meter::start();
        assert!(meter.add(None, Duration::from_secs(5)));
        assert!(meter.settle().is_empty());
        assert!(meter.estimate() <= processor_time::of_this_thread());
    }
}

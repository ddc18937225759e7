use std::time::{Instant, SystemTime};

/// Where time comes from. Passed in, so that tests can hold it still.
pub trait Clock: Send + Sync + 'static {
    /// Time that only goes forward, for deadlines and durations.
    fn monotonic(&self) -> Instant;
    /// The time of day, for timestamps and expiry.
    fn wall(&self) -> SystemTime;
}

/// The machine's own clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn monotonic(&self) -> Instant {
        Instant::now()
    }

    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// Where randomness comes from. Passed in, so that tests can repeat a run.
pub trait Entropy: Send + Sync + 'static {
    /// Fills `out` with bytes fit for secrets.
    ///
    /// # Errors
    /// `Internal` if the source fails.
    fn fill(&self, out: &mut [u8]) -> crate::Result<()>;
}

/// The operating system's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, out: &mut [u8]) -> crate::Result<()> {
        getrandom::fill(out).map_err(crate::Error::internal)
    }
}

use std::collections::BTreeMap;
use std::time::Duration;

/// What a run counted, and what went wrong.
#[derive(Default)]
pub(crate) struct Tally {
    /// Answers by code.
    pub(crate) codes: BTreeMap<String, u64>,
    pub(crate) times: Vec<Duration>,
    pub(crate) failures: Vec<String>,
    /// Failures past those that are kept.
    dropped: u64,
}

/// Failures that are told in full.
const KEPT: usize = 20;

impl Tally {
    pub(crate) fn answered(&mut self, code: String, took: Duration) {
        *self.codes.entry(code).or_default() += 1;
        self.times.push(took);
    }

    pub(crate) fn failed(&mut self, failure: String) {
        if self.failures.len() < KEPT { self.failures.push(failure) } else { self.dropped += 1 }
    }

    pub(crate) fn merge(&mut self, other: Self) {
        for (code, count) in other.codes {
            *self.codes.entry(code).or_default() += count;
        }
        self.times.extend(other.times);
        self.dropped += other.dropped;
        other.failures.into_iter().for_each(|failure| self.failed(failure));
    }

    pub(crate) fn count(&self, code: &str) -> u64 {
        self.codes.get(code).copied().unwrap_or(0)
    }

    pub(crate) fn total(&self) -> u64 {
        self.codes.values().sum()
    }

    /// The time within which `percent` of the answers came.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let mut times = self.times.clone();
        times.sort_unstable();
        let at = (times.len() * percent / 100).min(times.len().saturating_sub(1));
        times.get(at).copied().unwrap_or_default()
    }

    /// # Errors
    /// What went wrong.
    pub(crate) fn verdict(self) -> Result<(), String> {
        if self.failures.is_empty() {
            return Ok(());
        }
        let more = if self.dropped > 0 { format!("\n  and {} more", self.dropped) } else { String::new() };
        Err(format!("what must hold does not:\n  {}{more}", self.failures.join("\n  ")))
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let codes: Vec<String> = self.codes.iter().map(|(code, count)| format!("{code} {count}")).collect();
        let (middle, most) = (self.percentile(50), self.percentile(99));
        write!(f, "{} answers ({}), p50 {middle:.1?}, p99 {most:.1?}", self.total(), codes.join(", "))
    }
}

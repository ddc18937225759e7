use std::collections::BTreeMap;
use std::time::Duration;

/// What a run counted, and what went wrong.
#[derive(Default)]
pub(crate) struct Tally {
    /// How long answers took, by code.
    times: BTreeMap<String, Vec<Duration>>,
    pub(crate) failures: Vec<String>,
    /// Failures past those that are kept.
    dropped: u64,
}

/// Failures that are told in full.
const KEPT: usize = 20;

impl Tally {
    pub(crate) fn answered(&mut self, code: String, took: Duration) {
        self.times.entry(code).or_default().push(took);
    }

    pub(crate) fn failed(&mut self, failure: String) {
        if self.failures.len() < KEPT { self.failures.push(failure) } else { self.dropped += 1 }
    }

    pub(crate) fn merge(&mut self, other: Self) {
        for (code, times) in other.times {
            self.times.entry(code).or_default().extend(times);
        }
        self.dropped += other.dropped;
        other.failures.into_iter().for_each(|failure| self.failed(failure));
    }

    pub(crate) fn count(&self, code: &str) -> usize {
        self.times.get(code).map_or(0, Vec::len)
    }

    pub(crate) fn total(&self) -> usize {
        self.times.values().map(Vec::len).sum()
    }

    /// The time within which `percent` of the answers came.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        percentile(self.times.values().flatten(), percent)
    }

    /// The time within which `percent` of the answers with `code` came.
    pub(crate) fn percentile_of(&self, code: &str, percent: usize) -> Duration {
        percentile(self.times.get(code).into_iter().flatten(), percent)
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

fn percentile<'a>(times: impl Iterator<Item = &'a Duration>, percent: usize) -> Duration {
    let mut times: Vec<_> = times.copied().collect();
    times.sort_unstable();
    let at = (times.len() * percent / 100).min(times.len().saturating_sub(1));
    times.get(at).copied().unwrap_or_default()
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let codes: Vec<String> =
            self.times.iter().map(|(code, times)| format!("{code} {}", times.len())).collect();
        let (middle, most) = (self.percentile(50), self.percentile(99));
        write!(f, "{} answers ({}), p50 {middle:.1?}, p99 {most:.1?}", self.total(), codes.join(", "))
    }
}

//! The full log lines of recent invocations, in memory.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;

/// Bytes of lines kept, whatever the number of invocations: one of them may hold 256 lines of
/// 32 KiB, and a thousand of those would be 8 GiB.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// One invocation, over.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its place among all records since the start, from 1; given by [`LogRing::push`].
    pub sequence: u64,
    /// Shared by an invocation over HTTP and all that it calls with `cloud.invoke`.
    pub request_id: Arc<str>,
    /// The function's name.
    pub function: Arc<str>,
    /// 0 for a call over HTTP, one more for each `cloud.invoke`.
    pub depth: u32,
    /// `OK`, the error's code, or `CANCELLED` when the caller went away.
    pub code: &'static str,
    /// The HTTP status; `None` when a function called or the caller went away.
    pub status: Option<u16>,
    /// When it started.
    pub time: SystemTime,
    /// How long it ran.
    pub elapsed: Duration,
    /// Its lines, oldest first.
    pub lines: Arc<[String]>,
    /// How many lines before them were dropped.
    pub dropped: u64,
}

impl Record {
    fn size(&self) -> usize {
        self.lines.iter().map(|line| line.len() + size_of::<String>()).sum()
    }
}

/// What to look for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Query<'a> {
    /// Only invocations of this function.
    pub function: Option<&'a str>,
    /// Only those with a greater sequence.
    pub after: Option<u64>,
    /// At most so many.
    pub limit: usize,
}

/// Keeps the newest records; the oldest goes first. Its lock is held for a push or a copy of
/// references, never while lines are encoded.
pub struct LogRing {
    keep: usize,
    state: Mutex<State>,
}

struct State {
    records: VecDeque<Record>,
    bytes: usize,
    sequence: u64,
}

impl LogRing {
    /// Keeps at most `keep` records, and at most 64 MiB of lines.
    pub fn new(keep: usize) -> Self {
        let records = VecDeque::with_capacity(keep.min(1024));
        Self { keep, state: Mutex::new(State { records, bytes: 0, sequence: 0 }) }
    }

    /// Adds a record.
    pub fn push(&self, mut record: Record) {
        let size = record.size();
        let mut evicted = Vec::new();
        let mut state = self.state.lock();
        state.sequence += 1;
        record.sequence = state.sequence;
        if self.keep == 0 {
            return;
        }
        while state.records.len() >= self.keep
            || (state.bytes + size > MAX_BYTES && !state.records.is_empty())
        {
            let Some(oldest) = state.records.pop_front() else { break };
            state.bytes -= oldest.size();
            evicted.push(oldest);
        }
        state.bytes += size;
        state.records.push_back(record);
        // Lines are freed after the lock is: `evicted` was declared before the guard.
        drop(state);
    }

    /// The records of one request, in the order in which they ended.
    pub fn of_request(&self, request_id: &str) -> Vec<Record> {
        let state = self.state.lock();
        state.records.iter().filter(|record| *record.request_id == *request_id).cloned().collect()
    }

    /// Records that match, newest first. With `after`, the oldest `limit` of those that are newer,
    /// so that a reader who comes back with the greatest sequence it saw misses none.
    pub fn find(&self, query: Query<'_>) -> Vec<Record> {
        let state = self.state.lock();
        let wanted = |record: &&Record| query.function.is_none_or(|function| *record.function == *function);
        match query.after {
            None => state.records.iter().rev().filter(wanted).take(query.limit).cloned().collect(),
            Some(after) => {
                let start = state.records.partition_point(|record| record.sequence <= after);
                let newer = state.records.range(start..).filter(wanted).take(query.limit);
                let mut found: Vec<Record> = newer.cloned().collect();
                found.reverse();
                found
            }
        }
    }

    /// The sequence of the newest record, 0 before the first.
    pub fn newest(&self) -> u64 {
        self.state.lock().sequence
    }

    /// Records held.
    pub fn len(&self) -> usize {
        self.state.lock().records.len()
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: &str, function: &str, line: &str) -> Record {
        Record {
            sequence: 0,
            request_id: id.into(),
            function: function.into(),
            depth: 0,
            code: "OK",
            status: Some(200),
            time: SystemTime::UNIX_EPOCH,
            elapsed: Duration::ZERO,
            lines: vec![line.to_owned()].into(),
            dropped: 0,
        }
    }

    fn ids(records: &[Record]) -> Vec<&str> {
        records.iter().map(|record| &*record.request_id).collect()
    }

    #[test]
    fn keeps_the_newest_and_answers_newest_first() {
        let ring = LogRing::new(3);
        for id in ["a", "b", "c", "d"] {
            ring.push(record(id, if id == "c" { "other" } else { "f" }, "line"));
        }
        assert_eq!(ids(&ring.find(Query { limit: 9, ..Query::default() })), ["d", "c", "b"]);
        assert_eq!(ids(&ring.find(Query { limit: 1, function: Some("f"), after: None })), ["d"]);
        assert!(ring.of_request("a").is_empty());
    }

    #[test]
    fn following_with_a_small_limit_misses_none() {
        let ring = LogRing::new(100);
        for id in 0..10 {
            ring.push(record(&id.to_string(), "f", ""));
        }
        let (mut after, mut seen) = (0, Vec::new());
        loop {
            let found = ring.find(Query { after: Some(after), limit: 3, function: None });
            let Some(newest) = found.first() else { break };
            after = newest.sequence;
            seen.extend(found.iter().rev().map(|record| record.request_id.to_string()));
        }
        assert_eq!(seen, (0..10).map(|id| id.to_string()).collect::<Vec<_>>());
    }

    #[test]
    fn bytes_are_bounded_too() {
        let ring = LogRing::new(100);
        let long = "x".repeat(MAX_BYTES / 2 + 1);
        ring.push(record("a", "f", &long));
        ring.push(record("b", "f", &long));
        assert_eq!(ids(&ring.find(Query { limit: 9, ..Query::default() })), ["b"]);
    }
}

//! Every open connection: what it is doing and since when, so that one task can close those that
//! keep a client's promise too slowly, without a timer for each.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// How often connections are looked at. Their times are counted in it, so that reading the clock
/// is not part of answering a request.
const TICK: Duration = Duration::from_millis(250);

/// What bounds connections.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Connections at once.
    pub(super) most: usize,
    /// From the first byte of a head to its last; also that of a TLS handshake.
    pub(super) head: Duration,
    /// For an answer that the client does not take.
    pub(super) answer: Duration,
    /// Until the next request.
    pub(super) idle: Duration,
}

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Phase {
    /// It waits for a request.
    Idle,
    /// A head has begun.
    Head,
    /// A request is being answered.
    Busy,
}

/// Why a connection was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closed {
    /// Its head did not come to an end.
    SlowHead,
    /// Anything else: nobody waits for an answer.
    Quietly,
}

/// One connection.
pub(super) struct Connection {
    ticks: Arc<AtomicU64>,
    phase: AtomicU8,
    /// The tick at which the phase began.
    since: AtomicU64,
    /// The tick since which the client has taken nothing, plus one; 0 while it takes.
    stalled: AtomicU64,
    slow_head: AtomicBool,
    close: Notify,
    /// Woken when the connection becomes idle.
    pub(super) idle: AtomicWaker,
}

impl Connection {
    fn enter(&self, phase: Phase) {
        self.since.store(self.ticks.load(Ordering::Relaxed), Ordering::Relaxed);
        self.phase.store(phase as u8, Ordering::Release);
    }

    /// A byte of a head came.
    pub(super) fn head_began(&self) {
        if self.phase.load(Ordering::Relaxed) == Phase::Idle as u8 {
            self.enter(Phase::Head);
        }
    }

    /// A request is with its handler.
    pub(super) fn request_began(&self) {
        self.phase.store(Phase::Busy as u8, Ordering::Release);
    }

    /// The last of an answer is on its way.
    pub(super) fn answered(&self) {
        self.enter(Phase::Idle);
        self.idle.wake();
    }

    pub(super) fn is_busy(&self) -> bool {
        self.phase.load(Ordering::Acquire) == Phase::Busy as u8
    }

    /// The client took something: an idle connection that is still sending is not idle.
    pub(super) fn wrote(&self) {
        if self.stalled.load(Ordering::Relaxed) != 0 {
            self.stalled.store(0, Ordering::Relaxed);
        }
        if self.phase.load(Ordering::Relaxed) == Phase::Idle as u8 {
            self.since.store(self.ticks.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }

    /// The client takes nothing.
    pub(super) fn blocked(&self) {
        if self.stalled.load(Ordering::Relaxed) == 0 {
            self.stalled.store(self.ticks.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        }
    }

    pub(super) fn is_blocked(&self) -> bool {
        self.stalled.load(Ordering::Relaxed) != 0
    }

    /// Resolves when the connection is to be closed.
    pub(super) async fn to_be_closed(&self) -> Closed {
        self.close.notified().await;
        if self.slow_head.load(Ordering::Relaxed) { Closed::SlowHead } else { Closed::Quietly }
    }

    fn overdue(&self, now: u64, patience: Patience) -> bool {
        let past = |since: u64, limit: Duration| TICK.saturating_mul(elapsed(now, since)) > limit;
        let since = self.since.load(Ordering::Relaxed);
        let stalled = self.stalled.load(Ordering::Relaxed);
        if stalled > 0 && past(stalled - 1, patience.answer) {
            return true;
        }
        match self.phase.load(Ordering::Acquire) {
            phase if phase == Phase::Head as u8 && past(since, patience.head) => {
                self.slow_head.store(true, Ordering::Relaxed);
                true
            }
            phase => phase == Phase::Idle as u8 && past(since, patience.idle),
        }
    }
}

fn elapsed(now: u64, since: u64) -> u32 {
    u32::try_from(now.saturating_sub(since)).unwrap_or(u32::MAX)
}

/// All connections of a server.
pub(super) struct Table {
    ticks: Arc<AtomicU64>,
    open: Mutex<HashMap<u64, Arc<Connection>>>,
    next: AtomicU64,
    patience: Patience,
    expired: AtomicU64,
    refused: AtomicU64,
}

/// A place in the table; given back when dropped.
pub(super) struct Entry {
    table: Arc<Table>,
    key: u64,
    pub(super) connection: Arc<Connection>,
}

impl Table {
    pub(super) fn new(patience: Patience) -> Arc<Self> {
        Arc::new(Self {
            ticks: Arc::default(),
            open: Mutex::default(),
            next: AtomicU64::new(0),
            patience,
            expired: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        })
    }

    /// A place for a new connection. When there is none, the connection that has been idle longest
    /// makes room; `None` when none is idle.
    pub(super) fn enter(self: &Arc<Self>) -> Option<Entry> {
        let mut open = self.open.lock();
        if open.len() >= self.patience.most && !Self::close_longest_idle(&mut open) {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        let key = self.next.fetch_add(1, Ordering::Relaxed);
        let connection = Arc::new(Connection {
            ticks: self.ticks.clone(),
            phase: AtomicU8::new(Phase::Idle as u8),
            since: AtomicU64::new(self.ticks.load(Ordering::Relaxed)),
            stalled: AtomicU64::new(0),
            slow_head: AtomicBool::new(false),
            close: Notify::new(),
            idle: AtomicWaker::new(),
        });
        open.insert(key, connection.clone());
        Some(Entry { table: self.clone(), key, connection })
    }

    /// Closes the connection that has been idle longest, for a file that is needed elsewhere.
    pub(super) fn make_room(&self) {
        Self::close_longest_idle(&mut self.open.lock());
    }

    /// It leaves the table at once: its place is free, whenever its task notices.
    fn close_longest_idle(open: &mut HashMap<u64, Arc<Connection>>) -> bool {
        let is_idle = |connection: &Connection| {
            connection.phase.load(Ordering::Acquire) == Phase::Idle as u8 && !connection.is_blocked()
        };
        let longest = open
            .iter()
            .filter(|(_, connection)| is_idle(connection))
            .min_by_key(|(key, connection)| (connection.since.load(Ordering::Relaxed), **key))
            .map(|(key, _)| *key);
        let Some(connection) = longest.and_then(|key| open.remove(&key)) else { return false };
        connection.close.notify_one();
        true
    }

    /// Counts time and closes what is overdue, for ever.
    pub(super) async fn watch(&self) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let now = self.ticks.fetch_add(1, Ordering::Relaxed) + 1;
            for connection in self.open.lock().values() {
                if connection.overdue(now, self.patience) {
                    self.expired.fetch_add(1, Ordering::Relaxed);
                    connection.close.notify_one();
                }
            }
        }
    }

    /// Connections that are open, were refused, and were closed for being slow or idle.
    pub(super) fn figures(&self) -> [u64; 3] {
        let open = self.open.lock().len() as u64;
        [open, self.refused.load(Ordering::Relaxed), self.expired.load(Ordering::Relaxed)]
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.table.open.lock().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience {
        most: 2,
        head: Duration::from_secs(1),
        answer: Duration::from_secs(2),
        idle: Duration::from_secs(3),
    };

    #[test]
    fn each_phase_has_its_own_patience() {
        let table = Table::new(PATIENCE);
        let entry = table.enter().unwrap();
        let overdue = |ticks: u64| entry.connection.overdue(ticks, PATIENCE);
        assert!(!overdue(12) && overdue(13));
        entry.connection.head_began();
        assert!(!overdue(4) && overdue(5));
        entry.connection.request_began();
        assert!(!overdue(1_000_000));
        entry.connection.blocked();
        assert!(!overdue(8) && overdue(9));
        entry.connection.wrote();
        assert!(!overdue(1_000_000));
        entry.connection.answered();
        assert!(overdue(13));
    }

    #[test]
    fn the_longest_idle_makes_room_and_the_busy_do_not() {
        let table = Table::new(PATIENCE);
        let first = table.enter().unwrap();
        table.ticks.store(5, Ordering::Relaxed);
        let second = table.enter().unwrap();
        second.connection.request_began();
        let third = table.enter().unwrap();
        third.connection.request_began();
        assert!(table.enter().is_none(), "all are busy");
        assert_eq!(table.figures(), [2, 1, 0]);
        drop(first);
        assert!(table.enter().is_none(), "the place of the first was given away already");
        drop(third);
        assert!(table.enter().is_some());
    }
}

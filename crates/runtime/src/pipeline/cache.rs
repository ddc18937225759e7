use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use dashmap::DashMap;
use parking_lot::Mutex;
use tandem_contract::{Program, Result};

use super::Share;
use super::assemble::Assembled;
use super::unit::Unit;
use crate::metrics::FunctionMetrics;

/// How long "no such function" is believed without asking the store again. The change feed ends
/// it earlier; this covers a feed that lost its connection.
const ABSENT_FOR: Duration = Duration::from_secs(1);

/// A function that is ready to run, or known not to be.
pub struct Entry {
    /// Its name.
    pub name: Arc<str>,
    /// The upper-case methods it takes; empty means all.
    pub methods: Vec<String>,
    /// What the engine runs: `FunctionNotCompiled` if it was stored without compiled text,
    /// `FunctionError` for an import that is missing or leads back to itself.
    pub program: Result<Arc<Program>>,
    /// Where its invocations are counted.
    pub metrics: Arc<FunctionMetrics>,
    /// What it holds of the places for invocations.
    pub share: Arc<Share>,
    pub(super) depends: Vec<Arc<str>>,
    last_used: AtomicU64,
}

impl Entry {
    pub(super) fn new(
        unit: &Unit,
        assembled: Assembled,
        metrics: Arc<FunctionMetrics>,
        share: Arc<Share>,
    ) -> Self {
        let Assembled { program, depends } = assembled;
        let (name, methods) = (unit.name.clone(), unit.methods.clone());
        Self { name, methods, program, metrics, share, depends, last_used: AtomicU64::new(0) }
    }
}

/// What the cache knows of a name.
pub(super) enum Hit {
    Found(Arc<Entry>),
    Absent,
    Unknown,
}

enum Slot {
    Found(Arc<Entry>),
    Absent { since: Instant },
}

/// Functions by name. Reading takes a shard's read lock and nothing else; whoever installs or
/// invalidates takes `changes`, so that nothing read from the store before a change is installed
/// after it.
pub(super) struct Cache {
    slots: DashMap<Arc<str>, Slot>,
    units: DashMap<Arc<str>, Arc<Unit>>,
    changes: Mutex<()>,
    epoch: AtomicU64,
    started: Instant,
    capacity: usize,
}

impl Cache {
    pub(super) fn new(capacity: usize, started: Instant) -> Self {
        Self {
            slots: DashMap::new(),
            units: DashMap::new(),
            changes: Mutex::new(()),
            epoch: AtomicU64::new(0),
            started,
            capacity: capacity.max(1),
        }
    }

    pub(super) fn get(&self, name: &str, now: Instant) -> Hit {
        let Some(slot) = self.slots.get(name) else { return Hit::Unknown };
        match slot.value() {
            Slot::Found(entry) => {
                entry.last_used.store(self.tick(now), Ordering::Relaxed);
                Hit::Found(entry.clone())
            }
            Slot::Absent { since } if now.saturating_duration_since(*since) < ABSENT_FOR => Hit::Absent,
            Slot::Absent { .. } => Hit::Unknown,
        }
    }

    pub(super) fn unit(&self, name: &str) -> Option<Arc<Unit>> {
        self.units.get(name).map(|unit| unit.value().clone())
    }

    pub(super) fn units(&self) -> Vec<Arc<Unit>> {
        self.units.iter().map(|unit| unit.value().clone()).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Names that were looked up and not there, or imported and not there.
    pub(super) fn missing(&self) -> HashSet<Arc<str>> {
        let mut names = HashSet::new();
        for slot in &self.slots {
            match slot.value() {
                Slot::Absent { .. } => {
                    names.insert(slot.key().clone());
                }
                Slot::Found(entry) => {
                    let missing = entry.depends.iter().filter(|name| !self.units.contains_key(*name));
                    names.extend(missing.cloned());
                }
            }
        }
        names
    }

    /// Whether anything cached depends on `name`.
    pub(super) fn concerns(&self, name: &str) -> bool {
        self.units.contains_key(name)
            || self.slots.contains_key(name)
            || self.slots.iter().any(|slot| depends(slot.value(), name))
    }

    /// Identifies the state of the store as far as it is known. Take it before reading the store.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::SeqCst)
    }

    /// Installs what was read since `epoch`; `false`, and nothing installed, when something
    /// changed meanwhile.
    pub(super) fn install(
        &self,
        epoch: u64,
        name: &Arc<str>,
        entry: Option<Arc<Entry>>,
        units: Vec<Arc<Unit>>,
        now: Instant,
    ) -> bool {
        let _changes = self.changes.lock();
        if self.epoch() != epoch {
            return false;
        }
        for unit in units {
            self.units.insert(unit.name.clone(), unit);
        }
        let slot = match entry {
            Some(entry) => {
                entry.last_used.store(self.tick(now), Ordering::Relaxed);
                Slot::Found(entry)
            }
            None => Slot::Absent { since: now },
        };
        self.slots.insert(name.clone(), slot);
        if self.slots.len() > self.capacity {
            self.evict();
        }
        true
    }

    /// Replaces the unit `name` with what was read since `epoch` and drops every program that
    /// depends on it; `false`, and nothing changed, when something else changed meanwhile.
    pub(super) fn replace(&self, epoch: u64, name: &str, unit: Option<Arc<Unit>>) -> bool {
        let _changes = self.changes.lock();
        if self.epoch() != epoch {
            return false;
        }
        self.forget(name);
        if let Some(unit) = unit {
            self.units.insert(unit.name.clone(), unit);
        }
        true
    }

    /// Drops all that depends on `name`.
    pub(super) fn invalidate(&self, name: &str) {
        let _changes = self.changes.lock();
        self.forget(name);
    }

    fn forget(&self, name: &str) {
        self.epoch.fetch_add(1, Ordering::SeqCst);
        self.units.remove(name);
        self.slots.remove(name);
        self.slots.retain(|_, slot| !depends(slot, name));
    }

    /// Drops a tenth, the least recently used, so that the scan is paid once for many inserts.
    fn evict(&self) {
        let mut ages: Vec<(u64, Arc<str>)> = self
            .slots
            .iter()
            .map(|slot| {
                let used = match slot.value() {
                    Slot::Found(entry) => entry.last_used.load(Ordering::Relaxed),
                    Slot::Absent { since } => self.tick(*since),
                };
                (used, slot.key().clone())
            })
            .collect();
        let surplus = ages.len().saturating_sub(self.capacity) + self.capacity / 10;
        if surplus < ages.len() {
            ages.select_nth_unstable(surplus);
            ages.truncate(surplus);
        }
        for (_, name) in ages {
            self.slots.remove(&name);
        }
        let mut used = HashSet::new();
        for slot in &self.slots {
            if let Slot::Found(entry) = slot.value() {
                used.extend(entry.depends.iter().cloned());
            }
        }
        self.units.retain(|name, _| used.contains(name));
    }

    fn tick(&self, now: Instant) -> u64 {
        let micros = now.saturating_duration_since(self.started).as_micros();
        u64::try_from(micros).unwrap_or(u64::MAX)
    }
}

fn depends(slot: &Slot, name: &str) -> bool {
    match slot {
        Slot::Found(entry) => entry.depends.iter().any(|dependency| **dependency == *name),
        Slot::Absent { .. } => false,
    }
}

//! What functions hold of the places for invocations, and who of them is next.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use dashmap::DashMap;

/// Shares kept before those that nobody uses are dropped.
const KEPT: usize = 8192;

/// What one function holds.
#[derive(Debug)]
pub struct Share {
    weight: f64,
    in_flight: AtomicUsize,
    waiting: AtomicUsize,
}

impl Share {
    const fn new(weight: f64) -> Self {
        Self { weight, in_flight: AtomicUsize::new(0), waiting: AtomicUsize::new(0) }
    }

    /// Whether the function may hold more than `held` places while so many are `free`.
    #[expect(clippy::cast_precision_loss, reason = "numbers of places are far below 2^52")]
    pub(super) fn may_hold_more(&self, held: usize, free: usize, factor: f64) -> bool {
        factor == 0.0 || (held as f64) < factor * self.weight * free as f64
    }

    /// Invocations that run.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Invocations that wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    pub(super) fn enter(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn leave(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    /// One more waits; how many did before.
    pub(super) fn wait(&self) -> usize {
        self.waiting.fetch_add(1, Ordering::SeqCst)
    }

    pub(super) fn stop_waiting(&self) {
        self.waiting.fetch_sub(1, Ordering::SeqCst);
    }

    #[expect(clippy::cast_precision_loss, reason = "numbers of places are far below 2^52")]
    fn held_for_its_weight(&self) -> f64 {
        self.in_flight() as f64 / self.weight
    }
}

/// The shares of all functions, by name.
pub(super) struct Shares {
    shares: DashMap<String, Arc<Share>>,
    weights: Vec<(String, f64)>,
}

impl Shares {
    pub(super) fn new(weights: &[(String, f64)]) -> Self {
        Self { shares: DashMap::new(), weights: weights.to_vec() }
    }

    pub(super) fn of(&self, name: &str) -> Arc<Share> {
        if let Some(share) = self.shares.get(name) {
            return share.value().clone();
        }
        if self.shares.len() >= KEPT {
            // Whatever is held elsewhere is in use, or may be at once.
            self.shares.retain(|_, share| Arc::strong_count(share) > 1);
        }
        let weight =
            self.weights.iter().find(|(weighted, _)| weighted == name).map_or(1.0, |(_, weight)| *weight);
        self.shares.entry(name.to_owned()).or_insert_with(|| Arc::new(Share::new(weight))).value().clone()
    }
}

/// Those that wait, by function, each function's in order of arrival.
pub(super) struct Lanes<T> {
    lanes: Vec<Lane<T>>,
    numbers: u64,
}

struct Lane<T> {
    share: Arc<Share>,
    waiting: VecDeque<(u64, T)>,
}

impl<T> Default for Lanes<T> {
    fn default() -> Self {
        Self { lanes: Vec::new(), numbers: 0 }
    }
}

impl<T> Lanes<T> {
    /// Puts one at the end of its function's lane and gives it a number.
    pub(super) fn push(&mut self, share: &Arc<Share>, waiting: T) -> u64 {
        self.numbers += 1;
        let entry = (self.numbers, waiting);
        match self.lanes.iter_mut().find(|lane| Arc::ptr_eq(&lane.share, share)) {
            Some(lane) => lane.waiting.push_back(entry),
            None => self.lanes.push(Lane { share: share.clone(), waiting: VecDeque::from([entry]) }),
        }
        self.numbers
    }

    /// The first of the function that holds the least for its weight, with what `enter` gives
    /// that function. Where that one may not enter, none may: the others hold more.
    pub(super) fn next<P>(&mut self, enter: impl FnOnce(&Arc<Share>) -> Option<P>) -> Option<(T, P)> {
        let held = |lane: &Lane<T>| lane.share.held_for_its_weight();
        let least =
            self.lanes.iter().enumerate().min_by(|(_, one), (_, other)| held(one).total_cmp(&held(other)));
        let at = least?.0;
        let lane = self.lanes.get_mut(at)?;
        let entered = enter(&lane.share)?;
        let (_, waiting) = lane.waiting.pop_front()?;
        if lane.waiting.is_empty() {
            self.lanes.swap_remove(at);
        }
        Some((waiting, entered))
    }

    /// Takes out the one with this number, if it is still there.
    pub(super) fn remove(&mut self, share: &Arc<Share>, number: u64) {
        let Some(at) = self.lanes.iter().position(|lane| Arc::ptr_eq(&lane.share, share)) else { return };
        let Some(lane) = self.lanes.get_mut(at) else { return };
        // Numbers only grow along a lane.
        if let Ok(found) = lane.waiting.binary_search_by_key(&number, |(number, _)| *number) {
            lane.waiting.remove(found);
        }
        if lane.waiting.is_empty() {
            self.lanes.swap_remove(at);
        }
    }

    /// Forgets everybody.
    pub(super) fn clear(&mut self) {
        self.lanes.clear();
    }
}

//! Wrong tokens, counted by the address that sent them.

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Addresses remembered. Beyond that the ones closest to being forgotten make room.
const ADDRESSES: usize = 4096;

/// Addresses among which one makes room.
const NEIGHBOURS: usize = 8;

/// The time in which the allowed number may be sent.
const WINDOW: u64 = 60_000;

/// Bits of a slot that hold a time, in milliseconds: enough for 34 years.
const TIME_BITS: u32 = 40;
const TIME: u64 = (1 << TIME_BITS) - 1;

/// Who may not try again yet.
///
/// A slot holds 24 bits of an address's hash and the time at which its failures are forgotten,
/// which each failure moves on by a share of the window (the generic cell rate algorithm). All is
/// atomic: a request with the right token reads one number, unless somebody is being refused.
pub(super) struct Failures {
    slots: Box<[AtomicU64]>,
    hasher: RandomState,
    started: Instant,
    /// Milliseconds by which one failure moves an address on; 0 when there is no limit.
    cost: u64,
    /// Until when some address is refused.
    latest: AtomicU64,
    counted: AtomicU64,
}

impl Failures {
    /// `per_minute` failures of an address a minute; 0 for no limit.
    pub(super) fn new(per_minute: u32, now: Instant) -> Self {
        Self {
            slots: (0..ADDRESSES).map(|_| AtomicU64::new(0)).collect(),
            hasher: RandomState::new(),
            started: now,
            cost: if per_minute == 0 { 0 } else { (WINDOW / u64::from(per_minute)).max(1) },
            latest: AtomicU64::new(0),
            counted: AtomicU64::new(0),
        }
    }

    /// Whether nobody is refused, now or in the past.
    pub(super) fn is_quiet(&self) -> bool {
        self.latest.load(Ordering::Relaxed) == 0
    }

    /// How long `address` has to wait; `None` when it may try.
    pub(super) fn wait(&self, address: IpAddr, now: Instant) -> Option<Duration> {
        let now = self.milliseconds(now);
        if now >= self.latest.load(Ordering::Relaxed) {
            return None;
        }
        let (start, tag) = self.place(address);
        let slots = self.slots.get(start..start + NEIGHBOURS)?;
        let found =
            slots.iter().map(|slot| slot.load(Ordering::Relaxed)).find(|slot| slot >> TIME_BITS == tag)?;
        let wait = (found & TIME).saturating_sub(now + WINDOW);
        (wait > 0).then(|| Duration::from_millis(wait))
    }

    /// Counts a failure of `address`.
    pub(super) fn count(&self, address: IpAddr, now: Instant) {
        self.counted.fetch_add(1, Ordering::Relaxed);
        if self.cost == 0 {
            return;
        }
        let now = self.milliseconds(now);
        let (start, tag) = self.place(address);
        let Some(slots) = self.slots.get(start..start + NEIGHBOURS) else { return };
        loop {
            let values: Vec<u64> = slots.iter().map(|slot| slot.load(Ordering::Relaxed)).collect();
            let known = values.iter().position(|value| value >> TIME_BITS == tag && *value != 0);
            let oldest = values.iter().enumerate().min_by_key(|(_, value)| **value & TIME).map(|(at, _)| at);
            let Some(at) = known.or(oldest) else { return };
            let before = if known.is_some() { values[at] & TIME } else { 0 };
            // An address cannot move on further than it is refused for.
            let after = (before.max(now) + self.cost).min(now + WINDOW + self.cost);
            let value = tag << TIME_BITS | (after & TIME);
            if slots[at].compare_exchange(values[at], value, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
                if after > now + WINDOW {
                    self.latest.fetch_max(after - WINDOW, Ordering::Relaxed);
                }
                return;
            }
        }
    }

    /// Wrong tokens so far.
    pub(super) fn counted(&self) -> u64 {
        self.counted.load(Ordering::Relaxed)
    }

    fn milliseconds(&self, now: Instant) -> u64 {
        // From one on: a slot that is 0 is empty.
        u64::try_from(now.saturating_duration_since(self.started).as_millis()).unwrap_or(TIME).min(TIME / 2)
            + 1
    }

    /// The first of the slots that an address may be in, and its tag.
    fn place(&self, address: IpAddr) -> (usize, u64) {
        let hash = match address.to_canonical() {
            IpAddr::V4(address) => self.hasher.hash_one(address),
            // Whoever has one address of IPv6 has its whole network.
            IpAddr::V6(address) => self.hasher.hash_one(u128::from(address) >> 64),
        };
        let group = usize::try_from(hash & 0xffff).unwrap_or(0) % (ADDRESSES / NEIGHBOURS);
        (group * NEIGHBOURS, hash >> TIME_BITS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_may_fail_so_often_a_minute() {
        let start = Instant::now();
        let failures = Failures::new(30, start);
        let (bad, good) = (address("10.0.0.1"), address("10.0.0.2"));
        for _ in 0..30 {
            assert_eq!(failures.wait(bad, start), None);
            failures.count(bad, start);
        }
        failures.count(bad, start);
        assert!(failures.wait(bad, start).is_some_and(|wait| wait <= Duration::from_secs(2)));
        assert_eq!(failures.wait(good, start), None);
        assert!(failures.wait(address("::ffff:10.0.0.1"), start).is_some());
        let later = start + Duration::from_secs(3);
        assert_eq!(failures.wait(bad, later), None);
        failures.count(bad, later);
        failures.count(bad, later);
        assert!(failures.wait(bad, later).is_some());
        assert_eq!(failures.wait(bad, start + Duration::from_secs(120)), None);
    }

    #[test]
    fn a_flood_does_not_lock_an_address_out_for_longer() {
        let start = Instant::now();
        let failures = Failures::new(30, start);
        for _ in 0..100_000 {
            failures.count(address("10.0.0.1"), start);
        }
        assert!(failures.wait(address("10.0.0.1"), start).unwrap() <= Duration::from_secs(2));
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one() {
        let start = Instant::now();
        let failures = Failures::new(5, start);
        for n in 0..6 {
            failures.count(address(&format!("2001:db8::{n}")), start);
        }
        assert!(failures.wait(address("2001:db8::ffff"), start).is_some());
        assert_eq!(failures.wait(address("2001:db8:0:1::1"), start), None);
    }

    #[test]
    fn many_addresses_take_no_more_room_and_no_limit_refuses_nobody() {
        let start = Instant::now();
        let failures = Failures::new(1, start);
        for n in 0..100_000_u32 {
            failures.count(IpAddr::from(n.to_be_bytes()), start);
        }
        assert_eq!(failures.slots.len(), ADDRESSES);
        let unlimited = Failures::new(0, start);
        for _ in 0..1000 {
            unlimited.count(address("10.0.0.1"), start);
        }
        assert!(unlimited.is_quiet() && unlimited.counted() == 1000);
    }
}

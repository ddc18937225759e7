use std::cell::RefCell;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use http::HeaderMap;
use tandem_contract::{Clock, Entropy};
use uuid::Builder;

use super::REQUEST_ID;

/// Random bytes of one id: 74 bits are used.
const PER_ID: usize = 10;

/// Ids made from one call of the generator, which is a system call.
const IDS_PER_FILL: usize = 256;

/// Gives requests their ids.
pub(super) struct RequestIds {
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

/// Randomness to come. On the heap, since every thread of the process has room for one, and most
/// are isolates' threads, which make no ids.
struct Pool {
    bytes: Vec<u8>,
    used: usize,
}

thread_local! {
    static POOL: RefCell<Pool> = const { RefCell::new(Pool { bytes: Vec::new(), used: 0 }) };
}

impl RequestIds {
    /// Ids from this clock and this randomness.
    pub(super) fn new(clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { clock, entropy }
    }

    /// The caller's id if it is 1 to 128 visible ASCII characters, else a new UUIDv7.
    pub(super) fn of(&self, headers: &HeaderMap) -> Arc<str> {
        match headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()) {
            Some(id) if is_valid(id) => id.into(),
            _ => self.make(),
        }
    }

    fn make(&self) -> Arc<str> {
        let age = self.clock.wall().duration_since(UNIX_EPOCH).unwrap_or_default();
        let millis = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        let id = Builder::from_unix_timestamp_millis(millis, &self.random()).into_uuid();
        let mut buffer = [0; uuid::fmt::Hyphenated::LENGTH];
        Arc::from(&*id.hyphenated().encode_lower(&mut buffer))
    }

    fn random(&self) -> [u8; PER_ID] {
        POOL.with_borrow_mut(|pool| {
            if pool.used + PER_ID > pool.bytes.len() {
                pool.bytes.resize(PER_ID * IDS_PER_FILL, 0);
                if let Err(error) = self.entropy.fill(&mut pool.bytes) {
                    // An id names a request and guards nothing: the old bytes will do.
                    tracing::error!(%error, "no fresh randomness for request ids");
                }
                pool.used = 0;
            }
            let mut id = [0; PER_ID];
            id.copy_from_slice(&pool.bytes[pool.used..pool.used + PER_ID]);
            pool.used += PER_ID;
            id
        })
    }
}

fn is_valid(id: &str) -> bool {
    (1..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use tandem_contract::{SystemClock, SystemEntropy};

    use super::*;

    #[test]
    fn the_callers_or_a_new_one() {
        let ids = RequestIds::new(Arc::new(SystemClock), Arc::new(SystemEntropy));
        let of = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, HeaderValue::from_str(value).unwrap());
            ids.of(&headers).to_string()
        };
        assert_eq!(of("abc-123"), "abc-123");
        assert_eq!(of(&"x".repeat(128)), "x".repeat(128));
        for refused in ["", "a b", &"x".repeat(129)] {
            assert_eq!(uuid::Uuid::parse_str(&of(refused)).unwrap().get_version_num(), 7);
        }
        let many: std::collections::HashSet<_> = (0..10_000).map(|_| ids.make()).collect();
        assert_eq!(many.len(), 10_000);
    }
}

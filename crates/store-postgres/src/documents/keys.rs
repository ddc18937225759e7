//! Keys as Postgres can index them: its B-trees take no entry above a third of a page.

use sha2::{Digest, Sha256};
use tandem_documents::store::{KeyRange, after_prefix};

/// The longest key that is held whole, in bytes. The limit is 2704
/// (<https://www.postgresql.org/docs/current/btree-implementation.html>), of which the entry's other
/// parts take some.
const LONGEST: usize = 2000;
/// What is kept of a longer one; a digest of the whole follows it.
const PREFIX: usize = LONGEST - 32;

/// A key as it is stored, and whether it was cut. Keys that differ stay different.
pub(super) fn stored(key: Vec<u8>) -> (Vec<u8>, bool) {
    if key.len() <= LONGEST {
        return (key, false);
    }
    let digest = Sha256::digest(&key);
    let mut cut = key;
    cut.truncate(PREFIX);
    cut.extend_from_slice(&digest);
    (cut, true)
}

/// The range of stored keys that holds every stored key of `range`, and perhaps others that share
/// their first bytes with its ends.
pub(super) fn stored_range(range: &KeyRange) -> KeyRange {
    let lower = range.lower.get(..PREFIX).unwrap_or(&range.lower).to_vec();
    let upper = match range.upper.get(..PREFIX) {
        Some(prefix) if range.upper.len() > PREFIX => after_prefix(prefix),
        _ => range.upper.clone(),
    };
    KeyRange { lower, upper }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key() -> impl Strategy<Value = Vec<u8>> {
        // Long runs of few values, so that keys differ late.
        (
            0..4_u8,
            prop::sample::select(vec![3, PREFIX - 1, PREFIX, PREFIX + 1, LONGEST, LONGEST + 1, 2500]),
            0..4_u8,
        )
            .prop_map(|(first, length, last)| {
                let mut key = vec![9; length];
                key[0] = first / 3 + 9;
                *key.last_mut().unwrap() = last;
                key
            })
    }

    proptest! {
        #[test]
        fn a_range_holds_what_it_should(key in key(), lower in key(), upper in key()) {
            let range = stored_range(&KeyRange { lower: lower.clone(), upper: upper.clone() });
            if lower <= key && key < upper {
                let (stored, _) = stored(key);
                prop_assert!(range.lower <= stored && stored < range.upper);
            }
        }

        #[test]
        fn different_keys_stay_different(one in key(), two in key()) {
            prop_assert_eq!(one == two, stored(one).0 == stored(two).0);
        }
    }
}

//! The behaviour suite of the port `BlobStore`. A backend runs it with one line,
//! `tandem_blobs::behavior_suite!(open)`, where `open` makes an empty [`Subject`], or `None` when
//! there is none to be had, and a guard that outlives it.

#![doc(hidden)]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a suite fails by panicking")]

pub mod cases;
mod conditions;
mod listing;
mod properties;
mod reading;
mod removing;
mod renamed;

use std::ops::Deref;
use std::sync::Arc;

use tandem_contract::BlobStore;

pub use renamed::Renamed;

/// A store under test, and what the server behind it is known to lack: there the suite asks for a
/// refusal that says so, instead of the behaviour.
#[derive(Clone)]
pub struct Subject {
    store: Arc<dyn BlobStore>,
    /// Writes with a condition.
    pub conditions: bool,
    /// An object `d` beside the objects `d/…`.
    pub beside_folders: bool,
    /// Keys of 1024 bytes, whatever is in them.
    pub long_keys: bool,
    /// What an object holds and what describes it change together.
    pub whole_versions: bool,
    /// How many random steps a property is tried with.
    pub rounds: usize,
}

impl From<Arc<dyn BlobStore>> for Subject {
    /// A store that lacks nothing.
    fn from(store: Arc<dyn BlobStore>) -> Self {
        Self {
            store,
            conditions: true,
            beside_folders: true,
            long_keys: true,
            whole_versions: true,
            rounds: 200,
        }
    }
}

impl Deref for Subject {
    type Target = dyn BlobStore;

    fn deref(&self) -> &Self::Target {
        &*self.store
    }
}

/// Runs every case on the stores that `$open` makes, as tests in a module of that name.
#[macro_export]
macro_rules! behavior_suite {
    ($open:ident) => {
        mod $open {
            use super::$open;

            $crate::behavior_tests!($open:
                bytes_come_back, streams_come_back, an_empty_object_is_an_object, defaults_and_metadata,
                bad_metadata_is_refused, what_is_not_there, replacing, keys_keep_every_character,
                bad_keys_are_refused, a_key_beside_its_folder, buckets_are_apart, wrong_lengths_leave_nothing,
                failing_streams_leave_nothing, dropped_writes_leave_nothing, failed_writes_keep_the_old_object,
                absent_writes_once, one_of_many_absent_writes_wins, matching_writes, one_of_many_matching_writes_wins,
                a_condition_that_fails_changes_nothing, large_conditional_writes, ranges, bad_ranges_are_refused,
                reads_come_in_pieces, a_read_keeps_its_version, concurrent_writes_are_whole, deleting,
                deleting_more_than_a_request_holds, copying, copying_onto_itself, etags_follow_content,
                times_go_forward, listing_in_byte_order, listing_tells_size_and_etag, prefixes_are_characters,
                delimiters_fold, folders_are_listed_lazily, pages_hold_the_limit, pages_survive_changes,
                listings_that_were_left_are_not_gone_on_with, pages_of_a_folder_begin_with_its_own_key,
                many_keys_page_by_page, bad_listings_are_refused, presigning, pinging, closing,
                any_key_comes_back, listings_match_a_model,
            );
        }
    };
}

/// One test for each case named.
#[macro_export]
#[doc(hidden)]
macro_rules! behavior_tests {
    ($open:ident: $($case:ident),* $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            let (store, _guard) = $open().await;
            if let Some(store) = Into::<Option<$crate::suite::Subject>>::into(store) {
                $crate::suite::cases::$case(store).await;
            }
        }
    )*};
}

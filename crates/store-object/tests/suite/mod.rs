//! The behaviour suite of the port `BlobStore`. A backend runs it with one line,
//! `behavior_suite!(open)`, where `open` makes an empty store and a guard that outlives it. The
//! backends of other crates include this folder by `#[path]`.

pub(crate) mod cases;
mod conditions;
mod listing;
mod properties;
mod reading;
mod removing;

/// Runs every case on the stores that `$open` makes, as tests in a module of that name.
macro_rules! behavior_suite {
    ($open:ident) => {
        mod $open {
            use super::{cases, $open};

            crate::suite::tests!($open:
                bytes_come_back, streams_come_back, an_empty_object_is_an_object, defaults_and_metadata,
                bad_metadata_is_refused, what_is_not_there, replacing, keys_keep_every_character,
                bad_keys_are_refused, a_key_beside_its_folder, buckets_are_apart, wrong_lengths_leave_nothing,
                failing_streams_leave_nothing, dropped_writes_leave_nothing, failed_writes_keep_the_old_object,
                absent_writes_once, one_of_many_absent_writes_wins, matching_writes, one_of_many_matching_writes_wins,
                a_condition_that_fails_changes_nothing, ranges, bad_ranges_are_refused, reads_come_in_pieces,
                a_read_keeps_its_version, concurrent_writes_are_whole, deleting, copying, copying_onto_itself,
                etags_follow_content, times_go_forward, listing_in_byte_order, listing_tells_size_and_etag,
                prefixes_are_characters, delimiters_fold, folders_are_listed_lazily, pages_hold_the_limit,
                pages_survive_changes, many_keys_page_by_page, bad_listings_are_refused, presigning, pinging,
                closing, any_key_comes_back, listings_match_a_model,
            );
        }
    };
}

/// One test for each case named.
macro_rules! tests {
    ($open:ident: $($case:ident),* $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            let (store, _guard) = $open().await;
            cases::$case(store).await;
        }
    )*};
}

pub(crate) use {behavior_suite, tests};

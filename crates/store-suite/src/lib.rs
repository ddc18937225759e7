//! What every document store must do, beside what its own tests look at. A store that keeps the
//! contract passes each of these functions; [`document_tests!`] makes tests of all of them.
//! [`certificates`] is for tests of any store that is reached over TLS.
#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test fails by panicking")]

pub mod bulk;
pub mod certificates;
pub mod common;
pub mod documents;
pub mod indexes;
pub mod pushdown;
pub mod transactions;

use std::sync::Arc;

use async_trait::async_trait;
use tandem_contract::DocumentStore;

/// Where a test's documents are: empty at first, its own, and gone afterwards.
#[async_trait]
pub trait Place: Send + Sync {
    /// A store on them; each call opens another one.
    async fn documents(&self) -> Arc<dyn DocumentStore>;
}

/// Makes a test of each function of the suite. `$place` is an async function that makes a
/// [`Place`], or nothing where there is no server: it says so itself.
#[macro_export]
macro_rules! document_tests {
    ($place:path) => {
        $crate::document_tests!($place,
            documents: a_document_without_id_gets_an_object_id_as_its_first_field, every_type_comes_back_as_it_was, a_collection_that_does_not_exist_reads_as_empty, names_of_collections_are_checked, find_filters_sorts_skips_limits_and_projects, a_long_answer_streams_in_insertion_order_while_others_write, many_open_cursors_do_not_hold_the_readers, count_and_distinct, updates_tell_what_they_did, an_upsert_inserts_when_nothing_matches, find_and_modify_returns_the_version_asked_for, pipelines_start_in_the_store_and_join_other_collections, sixty_four_writers_lose_no_increment, limits_on_size_are_kept;
            bulk: an_ordered_insert_stops_at_the_first_failure, a_failed_operation_undoes_itself_only, an_update_of_many_that_fails_changes_nothing;
            indexes: indexes_are_made_once_listed_and_dropped, a_unique_index_refuses_a_second_key_with_mongodbs_words, of_many_that_insert_the_same_unique_key_one_wins, inserts_of_the_same_moment_succeed_or_fail_each_by_itself, an_index_on_documents_that_clash_is_refused_whole, sparse_and_partial_indexes_leave_documents_out, explain_tells_what_keys_answer, arrays_are_found_by_their_elements_once, the_documents_of_one_key_come_whole_and_in_order;
            transactions: what_is_not_committed_is_seen_inside_only, an_abort_undoes_everything_and_may_come_twice, a_transaction_that_is_over_says_so, a_stream_of_a_transaction_ends_with_it, an_operation_that_fails_inside_undoes_itself_only;
        );

        #[test]
        fn an_index_never_changes_an_answer() {
            $crate::pushdown::an_index_never_changes_an_answer(|| Box::pin($place()));
        }
    };
    ($place:path, $($module:ident: $($name:ident),*;)*) => {
        $(mod $module {
            $(#[tokio::test]
            async fn $name() {
                let Some(place) = $place().await else { return };
                $crate::$module::$name(&place).await;
            })*
        })*
    };
}

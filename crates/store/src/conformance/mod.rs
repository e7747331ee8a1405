//! The conformance suite that every engine must pass.
//!
//! An engine's tests implement [`Subject`] and call [`conformance_tests!`](crate::conformance_tests): each property
//! becomes a test of its own. Time plays no part in them.
#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a panic is the verdict of a test")]

mod concurrency;
mod conditions;
mod refusals;
mod scans;
mod transfer;
mod versions;

pub use concurrency::*;
pub use conditions::*;
pub use refusals::*;
pub use scans::*;
pub use transfer::*;
pub use versions::*;

use crate::{Batch, Condition, Limits, Range, Store, TableId, Version};
use async_trait::async_trait;
use std::sync::Arc;

/// An engine as the suite sees it: something that can be closed and opened again.
#[async_trait]
pub trait Subject: Send {
    /// The engine.
    type Store: Store;

    /// Opens the store: an empty one at the first call, afterwards with all that was durable when it was closed.
    async fn open(&mut self) -> Arc<Self::Store>;

    /// Stops the engine as a clean shutdown does. No other handle exists.
    async fn close(&mut self, store: Arc<Self::Store>);

    /// What the engine takes.
    fn limits(&self) -> Limits {
        Limits::default()
    }
}

/// Makes a `#[tokio::test]` of each property of the suite; the expression gives a fresh [`Subject`].
#[macro_export]
macro_rules! conformance_tests {
    ($subject:expr) => {
        $crate::conformance_tests! { @each ($subject)
            a_row_is_read_back_as_it_was_put
            a_scan_is_in_the_order_of_the_keys_bytes
            a_scan_keeps_to_prefix_and_borders
            a_scan_in_pages_meets_every_row_once
            a_scan_stays_within_its_table
            keys_of_all_ones_have_borders_too
            a_commit_goes_through_if_and_only_if_its_condition_holds
            one_failed_condition_stops_the_whole_commit
            a_requirement_is_checked_and_writes_nothing
            deleting_what_is_not_there_is_no_error
            a_commit_replaces_and_deletes_rows_of_several_tables
            every_commit_has_a_greater_version
            a_version_never_returns_with_a_row_made_anew
            versions_go_on_growing_after_reopening
            what_was_committed_is_there_after_reopening
            a_repeated_key_is_refused_and_nothing_is_written
            a_record_over_a_limit_is_refused_and_nothing_is_written
            records_of_every_size_up_to_the_limit_are_kept
            the_engines_own_table_is_refused
            of_many_that_put_an_absent_row_one_wins
            of_many_that_change_the_same_version_one_wins
            concurrent_increments_lose_none
            a_requirement_fences_concurrent_writers
            nobody_sees_half_a_commit
            whoever_lost_a_race_finds_the_winners_row
            an_export_has_every_row_once_in_order_and_in_bounded_pages
            no_commit_lies_within_an_export
            an_export_ends_when_its_sink_fails
            an_import_brings_back_rows_versions_and_their_order
            an_import_into_a_store_with_rows_is_refused
            an_import_of_the_engines_own_rows_is_given_up
            an_import_with_the_same_row_twice_is_given_up
            an_import_out_of_order_is_given_up
            an_import_with_a_row_of_the_future_is_given_up
            an_import_with_a_row_above_the_limits_is_given_up
            an_import_ends_when_its_source_fails
        }
    };
    (@each ($subject:expr) $($property:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $property() {
                $crate::conformance::$property(&mut $subject).await;
            }
        )*
    };
}

const TABLE: TableId = TableId(40);
const BELOW: TableId = TableId(39);
const ABOVE: TableId = TableId(41);

fn put(table: TableId, key: &[u8], condition: Condition, value: impl Into<bytes::Bytes>) -> Batch {
    let mut batch = Batch::new();
    batch.put(table, key.to_vec(), condition, value);
    batch
}

async fn commit(store: &impl Store, batch: Batch) -> Version {
    store.commit(batch).await.expect("this commit must go through")
}

async fn value(store: &impl Store, key: &[u8]) -> Option<Vec<u8>> {
    store.get(TABLE, key).await.expect("this read must go through").map(|row| row.value.to_vec())
}

async fn keys(store: &impl Store, table: TableId, range: &Range, limit: usize) -> Vec<Vec<u8>> {
    let rows = store.scan(table, range, limit).await.expect("this scan must go through");
    rows.iter().map(|row| row.key.to_vec()).collect()
}

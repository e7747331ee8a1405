//! What the walk tells of rows that were taken out whole, and of marks that were cleared.

use crate::walks::{findings, peopled};
use audit::Finding as BookFinding;
use records::{Key as _, tables};
use repair::{Finding, RowFault, SlotFault};
use std::{fs, sync::Arc};
use store::{Batch, Condition, Store, TableId};

/// Removes every row of these tables whose key names this subject.
async fn without_rows(store: &Arc<store::memory::MemoryStore>, tables: &[TableId], subject: &[u8]) {
    let mut batch = Batch::new();
    for (table, key, _) in store.dump() {
        if tables.contains(&table) && key.windows(subject.len()).any(|part| part == subject) {
            batch.delete(table, key, Condition::Any);
        }
    }
    store.commit(batch).await.unwrap();
}

#[tokio::test]
async fn a_ready_enrollment_that_is_not_its_users_current_one_is_told() {
    let (house, store, open) = peopled().await;
    let user = open.enrollment(1).await.unwrap().row.user.unwrap();
    let mut batch = Batch::new();
    batch.delete(tables::USERS, (user,).encode(), Condition::Any);
    store.commit(batch).await.unwrap();
    let told = findings(&house, open).await;
    assert!(matches!(told[..], [Finding::Row(_, RowFault::NotCurrent)]), "{told:?}");
}

#[tokio::test]
async fn a_burnt_slot_without_its_tombstone_is_told_unless_it_was_given_back() {
    let (house, store, open) = peopled().await;
    let given_back = open.slot(7).await;
    open.vault.give_back(given_back).await.unwrap();
    let subject = open.key(4).0;
    let tables = [tables::ENROLLMENTS, tables::ENROLLMENTS_BY_USER, tables::ENROLLMENTS_BY_STATE];
    without_rows(&store, &tables, subject.as_bytes()).await;
    let told = findings(&house, open).await;
    assert!(matches!(told[..], [Finding::Slot(_, SlotFault::TombstoneGone)]), "{told:?}");
}

#[tokio::test]
async fn at_rest_a_held_record_whose_slot_is_not_marked_is_told() {
    let (house, _, open) = peopled().await;
    let mut one = open.enrollment(1).await.unwrap();
    one.row.hold = true;
    let mut commit = open.records.commit();
    open.register.update_enrollment(&mut commit, &one).await.unwrap();
    commit.submit().await.unwrap();
    assert_eq!(findings(&house, open).await, [Finding::Slot(0, SlotFault::HoldDiffers)]);
}

#[tokio::test]
async fn a_book_that_is_gone_with_its_anchor_is_told_and_refuses_the_start() {
    let (house, store, open) = peopled().await;
    let mut batch = Batch::new();
    for (table, key, _) in store.dump() {
        if (50..=55).contains(&table.0) {
            batch.delete(table, key, Condition::Any);
        }
    }
    store.commit(batch).await.unwrap();
    fs::remove_file(house.at("slots/anchor")).unwrap();
    assert_eq!(findings(&house, open).await, [Finding::Audit(BookFinding::Missing { position: 1 })]);
    let refused = house.open_over(store as Arc<dyn Store>).await;
    let why = refused.unwrap_err();
    assert!(why.contains("position 1"), "{why}");
}

#[tokio::test]
async fn a_rebuild_that_the_book_knows_of_has_its_record_or_that_is_told() {
    let (house, store, open) = peopled().await;
    let row = register::RecoveryRow {
        since: model::Clock::now(&house.clock),
        kind: register::RecoveryKind::Book,
        reauth_blocked_until: model::Clock::now(&house.clock),
        acknowledged_at: None,
        lost: Vec::new(),
    };
    let mut commit = open.records.commit();
    open.register.put_recovery(&mut commit, None, &row);
    commit.submit().await.unwrap();
    let (why, by) = (audit::NewEpoch::Accepted, audit::Actor::Operator);
    audit::begin_epoch(&open.records, &house.at("slots/anchor"), why, by, 0, row.since).await.unwrap();
    let records = open.records.clone();
    drop(open);
    let whole = house.verify_over(Ok(records.clone())).await;
    assert!(whole.clean, "{:?}", whole.findings);
    let mut batch = Batch::new();
    for (table, key, _) in store.dump() {
        if table == tables::RECOVERY {
            batch.delete(table, key, Condition::Any);
        }
    }
    store.commit(batch).await.unwrap();
    let told = house.verify_over(Ok(records)).await.findings;
    assert!(matches!(told[..], [Finding::Row(_, RowFault::RecoveryGone)]), "{told:?}");
}

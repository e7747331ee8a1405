//! What somebody with access to the disk can do to the chain, and how it shows.

use super::{House, write};
use crate::{
    Finding, Head,
    chain::{self, CHAIN, HEAD, HEAD_KEY},
};
use records::{Key as _, tables};
use store::{Batch, Condition, Store as _, Versioned};

async fn findings(house: &House) -> Vec<Finding> {
    crate::verify(&house.records, &house.anchor()).await.unwrap().findings
}

async fn ten() -> House {
    let house = House::new();
    let book = house.open().await.unwrap();
    write(&house, &book, 10).await;
    book.close().await.unwrap();
    assert_eq!(findings(&house).await, []);
    house
}

#[tokio::test]
async fn an_edited_entry_is_found_at_its_position() {
    let house = ten().await;
    let row = house.row(tables::AUDIT, 4).await.unwrap();
    for byte in 0..row.value.len() {
        let mut value = row.value.to_vec();
        value[byte] ^= 1;
        house.put_row(tables::AUDIT, 4, Versioned { value: value.into(), ..row.clone() });
        assert_eq!(findings(&house).await, [Finding::Changed { position: 4 }], "byte {byte}");
    }
}

#[tokio::test]
async fn a_deleted_entry_is_found_at_its_position() {
    let house = ten().await;
    house.delete_row(tables::AUDIT, 4).await;
    assert_eq!(findings(&house).await, [Finding::Missing { position: 4 }]);
}

#[tokio::test]
async fn swapped_entries_are_found_at_both_positions() {
    let house = ten().await;
    let (four, seven) =
        (house.row(tables::AUDIT, 4).await.unwrap(), house.row(tables::AUDIT, 7).await.unwrap());
    house.put_row(tables::AUDIT, 4, seven);
    house.put_row(tables::AUDIT, 7, four);
    assert_eq!(findings(&house).await, [Finding::Changed { position: 4 }, Finding::Changed { position: 7 }]);
}

#[tokio::test]
async fn entries_moved_up_over_a_deleted_one_are_found() {
    let house = ten().await;
    for position in 4..10 {
        let next = house.row(tables::AUDIT, position + 1).await.unwrap();
        house.put_row(tables::AUDIT, position, next);
    }
    house.delete_row(tables::AUDIT, 10).await;
    let found = findings(&house).await;
    assert_eq!(found.len(), 7);
    assert_eq!(found[6], Finding::Missing { position: 10 });
}

#[tokio::test]
async fn entries_swapped_by_somebody_who_can_seal_them_anew_do_not_follow() {
    let house = ten().await;
    // The insider has the keys of records and entries, but lets the links stand: each entry opens where it is now.
    let (mut four, mut seven) = (entry(&house, 4).await, entry(&house, 7).await);
    std::mem::swap(&mut four.at, &mut seven.at);
    for (position, forged) in [(4, four), (7, seven)] {
        let link = CHAIN.get(&house.records, &(position,)).await.unwrap().unwrap().value.link;
        let mut commit = house.records.commit();
        let mut before = Head { position: position - 1, ..Head::genesis(&house.records) };
        chain::append(&mut commit, &mut before, &forged).unwrap();
        house.delete_row(tables::AUDIT, position).await;
        commit.submit().await.unwrap();
        relink(&house, position, link).await;
    }
    assert_eq!(
        findings(&house).await,
        [Finding::Relinked { position: 4 }, Finding::Relinked { position: 7 }]
    );
}

#[tokio::test]
async fn entries_swapped_by_somebody_with_the_key_of_records_alone_do_not_open() {
    let house = ten().await;
    let four = CHAIN.get(&house.records, &(4,)).await.unwrap().unwrap();
    let seven = CHAIN.get(&house.records, &(7,)).await.unwrap().unwrap();
    let mut commit = house.records.commit();
    commit.update(&CHAIN, &(4,), &four, &seven.value);
    commit.update(&CHAIN, &(7,), &seven, &four.value);
    commit.submit().await.unwrap();
    assert_eq!(findings(&house).await, [Finding::Changed { position: 4 }, Finding::Changed { position: 7 }]);
}

async fn entry(house: &House, position: u64) -> crate::Entry {
    let row = CHAIN.get(&house.records, &(position,)).await.unwrap().unwrap();
    chain::open(&house.records, position, &row.value).unwrap().1
}

async fn relink(house: &House, position: u64, link: chain::Link) {
    let read = CHAIN.get(&house.records, &(position,)).await.unwrap().unwrap();
    let row = chain::ChainRow { link, ..read.value.clone() };
    let mut commit = house.records.commit();
    commit.update(&CHAIN, &(position,), &read, &row);
    commit.submit().await.unwrap();
}

#[tokio::test]
async fn an_end_that_was_cut_off_is_found_even_with_the_heads_old_record_put_back() {
    let house = House::new();
    let book = house.open().await.unwrap();
    write(&house, &book, 8).await;
    let old_head = house.store.inner().get(tables::AUDIT_HEAD, &HEAD_KEY.encode()).await.unwrap().unwrap();
    write(&house, &book, 2).await;
    house.clock.advance(crate::ANCHOR_EVERY);
    book.close().await.unwrap();
    house.delete_row(tables::AUDIT, 9).await;
    house.delete_row(tables::AUDIT, 10).await;
    assert_eq!(findings(&house).await, [Finding::Missing { position: 9 }, Finding::Missing { position: 10 }]);
    house.store.inner().tamper(tables::AUDIT_HEAD, &HEAD_KEY.encode(), old_head);
    // Whoever forgets the index of people shows it even without the anchor.
    let index = Finding::IndexWrong { position: 10 };
    assert_eq!(findings(&house).await, [index, Finding::TailCut { head: 8, anchor: 10 }]);
}

#[tokio::test]
async fn an_old_head_before_entries_that_are_still_there_is_found() {
    let house = House::new();
    let book = house.open().await.unwrap();
    write(&house, &book, 8).await;
    book.close().await.unwrap();
    let old_head = house.store.inner().get(tables::AUDIT_HEAD, &HEAD_KEY.encode()).await.unwrap().unwrap();
    write(&house, &book, 1).await;
    house.store.inner().tamper(tables::AUDIT_HEAD, &HEAD_KEY.encode(), old_head);
    assert_eq!(findings(&house).await, [Finding::BehindTheEnd { position: 9 }]);
}

#[tokio::test]
async fn a_head_that_was_changed_or_forged_is_found() {
    let house = ten().await;
    let key = HEAD_KEY.encode();
    let row = house.store.inner().get(tables::AUDIT_HEAD, &key).await.unwrap().unwrap();
    let mut value = row.value.to_vec();
    value[20] ^= 1;
    house.store.inner().tamper(tables::AUDIT_HEAD, &key, Versioned { value: value.into(), ..row.clone() });
    assert_eq!(findings(&house).await, [Finding::HeadChanged]);
    house.store.inner().tamper(tables::AUDIT_HEAD, &key, row);
    let read = HEAD.get(&house.records, &HEAD_KEY).await.unwrap().unwrap();
    let mut commit = house.records.commit();
    commit.update(&HEAD, &HEAD_KEY, &read, &Head { link: Head::genesis(&house.records).link, ..read.value });
    commit.submit().await.unwrap();
    assert_eq!(findings(&house).await, [Finding::HeadChanged]);
}

#[tokio::test]
async fn entries_of_another_vault_are_found() {
    let (ours, theirs) = (ten().await, ten().await);
    let theirs = House::on(theirs.store.inner().snapshot(), theirs.folder.clone(), 2);
    let batch = {
        let mut batch = Batch::new();
        batch.delete(tables::AUDIT_HEAD, HEAD_KEY.encode(), Condition::Any);
        (1..=10_u64).for_each(|n| batch.delete(tables::AUDIT, n.to_be_bytes().to_vec(), Condition::Any));
        batch
    };
    theirs.store.commit(batch).await.unwrap();
    std::fs::remove_file(theirs.anchor()).unwrap();
    let book = theirs.open().await.unwrap();
    write(&theirs, &book, 10).await;
    let foreign = theirs.row(tables::AUDIT, 5).await.unwrap();
    ours.put_row(tables::AUDIT, 5, foreign);
    assert_eq!(findings(&ours).await, [Finding::Changed { position: 5 }]);
}

#[tokio::test]
async fn damage_behind_the_anchor_keeps_the_service_from_starting() {
    let house = House::new();
    let book = house.open().await.unwrap();
    write(&house, &book, 5).await;
    // The anchor is at 0: whatever comes after it is checked at the start.
    house.delete_row(tables::AUDIT, 3).await;
    let error = house.crash().open().await.unwrap_err();
    assert_eq!(error, crate::AuditError::Damaged { position: 3 });
    assert!(error.to_string().contains("facemap-vault verify"));
}

#[tokio::test]
async fn verification_while_entries_are_appended_finds_nothing() {
    let house = House::new();
    let book = house.open().await.unwrap();
    for _ in 0..20 {
        let (report, ()) = tokio::join!(book.verify(), write(&house, &book, 10));
        assert!(report.unwrap().is_clean());
    }
}

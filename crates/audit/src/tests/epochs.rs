//! A rebuild or restore begins a new epoch: the chain goes on over the border, and a forged border is found.

use super::{House, begin, note, write};
use crate::{
    Action, Actor, AuditError, Finding, Head, NewEpoch, begin_epoch, border,
    chain::{self, BORDER_KEY, CHAIN, HEAD, HEAD_KEY},
};
use model::Clock as _;
use records::{Key as _, tables};
use std::fs;
use store::{Batch, Condition, Store as _, memory::MemoryStore};

async fn findings(house: &House) -> Vec<Finding> {
    crate::verify(&house.records, &house.anchor()).await.unwrap().findings
}

async fn begun(house: &House, why: NewEpoch, at_least: u64) -> crate::Border {
    let now = house.clock.now();
    begin_epoch(&house.records, &house.anchor(), why, Actor::Operator, at_least, now).await.unwrap()
}

/// A store of five entries that was copied at three and is brought back.
async fn restored() -> (House, crate::Border) {
    let house = House::new();
    let book = house.open().await.unwrap();
    write(&house, &book, 3).await;
    let old = house.crash();
    write(&house, &book, 2).await;
    book.close().await.unwrap();
    assert_eq!(old.open().await.unwrap_err(), AuditError::AnchorAhead { head: 3, anchor: 5 });
    let border = begun(&old, NewEpoch::Restored, 1).await;
    (old, border)
}

#[tokio::test]
async fn a_restored_store_opens_in_a_new_epoch_that_names_the_lost_end() {
    let (house, border) = restored().await;
    assert_eq!((border.head.epoch, border.head.position, border.kept), (2, 4, 3));
    assert_eq!(border.old.map(|old| (old.epoch, old.position)), Some((1, 5)));
    let book = house.open().await.unwrap();
    write(&house, &book, 3).await;
    book.close().await.unwrap();
    assert_eq!(findings(&house).await, []);
    assert_eq!(book.head().await.unwrap().epoch, 2);
    let page = book.entries(3, None, &crate::Filter::default(), 10).await.unwrap();
    assert_eq!(page.items[0].entry.action, Action::EpochBegun);
    assert_eq!(border::old_head(&page.items[0].entry), border.old);
    assert_eq!(page.items.iter().map(|item| item.epoch).collect::<Vec<_>>(), [2; 4]);
    let epochs = book.entries(0, Some(3), &crate::Filter::default(), 10).await.unwrap();
    assert_eq!(epochs.items.iter().map(|item| item.epoch).collect::<Vec<_>>(), [1; 3]);
    // Once more, over two borders.
    let again = house.crash();
    assert_eq!(begun(&again, NewEpoch::Restored, 9).await.head.epoch, 9);
    let book = again.open().await.unwrap();
    assert!(book.verify().await.unwrap().is_clean());
}

#[tokio::test]
async fn a_rebuilt_store_begins_with_the_border() {
    let house = House::new();
    let book = house.open().await.unwrap();
    write(&house, &book, 3).await;
    let _open = book.begin(begin(1)).await.unwrap();
    book.close().await.unwrap();
    let old = book.head().await.unwrap();
    let new = House::on(MemoryStore::new(), house.folder.clone(), 1);
    let border = begun(&new, NewEpoch::Rebuilt, 1).await;
    assert_eq!((border.head.epoch, border.head.position, border.old), (2, 1, Some(old)));
    let book = new.open().await.unwrap();
    write(&new, &book, 3).await;
    book.close().await.unwrap();
    assert_eq!(findings(&new).await, []);
    // The old store is no longer the one.
    assert_eq!(house.crash().open().await.unwrap_err(), AuditError::AnchorDiffers { position: 4 });
}

#[tokio::test]
async fn without_an_anchor_or_with_a_strangers_the_new_epoch_names_no_old_end() {
    for bytes in [None, Some(&b"not an anchor"[..])] {
        let house = House::new();
        let book = house.open().await.unwrap();
        write(&house, &book, 2).await;
        fs::remove_file(house.anchor()).unwrap();
        if let Some(bytes) = bytes {
            fs::write(house.anchor(), bytes).unwrap();
        }
        let house = house.crash();
        assert_eq!(begun(&house, NewEpoch::Restored, 5).await.old, None);
        let book = house.open().await.unwrap();
        assert_eq!(book.head().await.unwrap().epoch, 5);
        assert!(book.verify().await.unwrap().is_clean());
    }
}

#[tokio::test]
async fn a_process_that_ended_between_the_border_and_its_anchor_opens() {
    let house = House::new();
    let book = house.open().await.unwrap();
    write(&house, &book, 3).await;
    let old = house.crash();
    write(&house, &book, 2).await;
    book.close().await.unwrap();
    let anchored = fs::read(house.anchor()).unwrap();
    begun(&old, NewEpoch::Restored, 1).await;
    fs::write(house.anchor(), anchored).unwrap();
    assert_eq!(findings(&old).await, []);
    let book = old.open().await.unwrap();
    assert!(book.verify().await.unwrap().is_clean());
}

#[tokio::test]
async fn a_border_that_was_taken_out_or_moved_is_found() {
    let (house, border) = restored().await;
    let book = house.open().await.unwrap();
    write(&house, &book, 3).await;
    book.close().await.unwrap();
    let row = house.row(tables::AUDIT, border.head.position).await.unwrap();
    house.delete_row(tables::AUDIT, 4).await;
    assert_eq!(findings(&house).await, [Finding::Missing { position: 4 }]);
    house.put_row(tables::AUDIT, 5, row.clone());
    house.put_row(tables::AUDIT, 4, row);
    assert_eq!(findings(&house).await, [Finding::Changed { position: 5 }]);
}

/// Puts an entry behind the head with all keys of the vault, as an insider would.
async fn forge(house: &House, epoch: u64, entry: crate::Note) {
    let read = HEAD.get(&house.records, &HEAD_KEY).await.unwrap().unwrap();
    let border = HEAD.get(&house.records, &BORDER_KEY).await.unwrap();
    let mut head = Head { epoch, ..read.value };
    let mut commit = house.records.commit();
    chain::append(&mut commit, &mut head, &crate::Entry::note(house.clock.now(), entry)).unwrap();
    commit.update(&HEAD, &HEAD_KEY, &read, &head);
    commit.upsert(&HEAD, &BORDER_KEY, border.as_ref(), &head);
    commit.submit().await.unwrap();
}

#[tokio::test]
async fn an_epoch_that_begins_without_its_entry_or_in_the_middle_of_another_is_found() {
    let epoch_begun = || crate::Note::general(Action::EpochBegun, Actor::System);
    let whole = || epoch_begun().with("why", "restored").with("epoch", 2).with("kept", 2);
    let forged = [
        (2, note(1)),
        (1, whole()),
        (2, epoch_begun()),
        (2, whole().with("kept", 1)),
        (3, whole()),
        (0, note(1)),
        (0, whole().with("epoch", 0)),
    ];
    for (epoch, entry) in forged {
        let house = House::new();
        let book = house.open().await.unwrap();
        write(&house, &book, 2).await;
        forge(&house, epoch, entry.clone()).await;
        let found = findings(&house).await;
        assert!(found.contains(&Finding::Border { position: 3 }), "{epoch} {entry:?}: {found:?}");
        let error = house.crash().open().await.unwrap_err();
        assert_eq!(error, AuditError::Damaged { position: 3 }, "{epoch} {entry:?}");
    }
    let house = House::new();
    let book = house.open().await.unwrap();
    write(&house, &book, 2).await;
    forge(&house, 2, whole()).await;
    assert_eq!(findings(&house).await, [], "the forger above fails for the right reason");
}

#[tokio::test]
async fn a_border_that_contradicts_what_it_kept_is_found() {
    let house = House::new();
    let book = house.open().await.unwrap();
    write(&house, &book, 2).await;
    let genesis = Head::genesis(&house.records);
    let entry = crate::Note::general(Action::EpochBegun, Actor::System).with("epoch", 2).with("kept", 2);
    let entry = entry.with("old-epoch", 1).with("old-position", 1).with("old-link", genesis.link);
    forge(&house, 2, entry).await;
    assert_eq!(findings(&house).await, [Finding::Border { position: 3 }]);
}

#[tokio::test]
async fn the_record_of_where_the_epoch_begins_is_held_against_the_chain() {
    let (house, _) = restored().await;
    let key = BORDER_KEY.encode();
    let row = house.store.inner().get(tables::AUDIT_HEAD, &key).await.unwrap().unwrap();
    let mut batch = Batch::new();
    batch.delete(tables::AUDIT_HEAD, key.clone(), Condition::Any);
    house.store.commit(batch).await.unwrap();
    assert_eq!(findings(&house).await, [Finding::HeadChanged]);
    house.store.inner().tamper(tables::AUDIT_HEAD, &key, row);
    assert_eq!(findings(&house).await, []);
}

#[tokio::test]
async fn rows_of_the_first_version_without_an_epoch_are_of_the_first_one() {
    let json = r#"{"link":"0000000000000000000000000000000000000000000000000000000000000000","sealed":""}"#;
    let row: chain::ChainRow = serde_json::from_str(json).unwrap();
    assert_eq!(row.epoch, 1);
    let house = House::new();
    assert!(CHAIN.get(&house.records, &(1,)).await.unwrap().is_none());
}

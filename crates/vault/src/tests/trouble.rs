//! What is in the way of an open vault, and when it passes.

use super::{Home, subject};
use crate::{SlotKind, VaultError};
use powercut::SmallDisk;

#[tokio::test]
async fn a_sync_that_failed_is_in_the_way_for_good() {
    let home = Home::new();
    let vault = home.open().await;
    let slot = vault.prepare(SlotKind::Facemap, subject(1)).await.unwrap();
    assert!(vault.trouble().is_none());
    vault.fail_sync(1);
    assert!(matches!(vault.burn(slot).await, Err(VaultError::Poisoned)));
    assert!(matches!(vault.trouble(), Some(VaultError::Poisoned)));
    assert!(
        matches!(vault.view(slot).await, Err(VaultError::Poisoned)),
        "what was written is not shown either"
    );
    assert!(matches!(vault.prepare(SlotKind::Facemap, subject(2)).await, Err(VaultError::Poisoned)));
    drop(vault);
    assert!(home.open().await.trouble().is_none());
}

#[tokio::test]
async fn a_slot_file_that_cannot_grow_says_so_before_it_must_and_grows_when_there_is_room() {
    let Some(disk) = SmallDisk::new_or_explain(4 * 1024 * 1024) else { return };
    let home = Home::on(&disk.path());
    let vault = home.open().await;
    // The file has grown once now, and has room for many more.
    vault.prepare(SlotKind::Facemap, subject(1)).await.unwrap();
    disk.fill().unwrap();
    let mut taken = 1;
    let refused = loop {
        let is_in_the_way = vault.trouble();
        match vault.prepare(SlotKind::Facemap, subject(1)).await {
            Ok(_) => assert!(is_in_the_way.is_none(), "{taken}"),
            Err(error) => {
                assert!(matches!(is_in_the_way, Some(VaultError::NoSpace)), "{taken}: {is_in_the_way:?}");
                break error;
            }
        }
        taken += 1;
        assert!(taken < 5000, "it does not run full");
    };
    assert!(matches!(refused, VaultError::NoSpace) && taken > 100, "{taken}: {refused}");
    assert!(vault.contents_lack_space(1) && !vault.contents_lack_space(0));
    disk.free().unwrap();
    assert!(vault.trouble().is_none() && !vault.contents_lack_space(1));
    vault.prepare(SlotKind::Facemap, subject(1)).await.unwrap();
}

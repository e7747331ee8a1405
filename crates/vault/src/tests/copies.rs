//! Copies of the slot file.

use super::{Home, contains, inspect::finds, subject, vaulted};
use crate::{
    Inspection, SlotKind, Step, VaultError,
    fault::Faults,
    sector::{SECRET_AT, Sector, WRAPPED_AT},
    slot_file::GROWTH,
};
use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};
use tokio::task::JoinSet;

/// As whoever makes a backup lays it down.
fn copy_place(home: &Home) -> PathBuf {
    let folder = home.folder.join("backup");
    fs::create_dir_all(&folder).unwrap();
    folder.join("slots")
}

#[tokio::test]
async fn a_copy_of_a_running_vault_is_whole_private_and_can_be_inspected_beside_it() {
    let home = Home::new();
    let vault = home.open().await;
    let (one, burnt) = (vaulted(&vault, 1, 300).await, vaulted(&vault, 2, 300).await);
    vault.burn(burnt.slot).await.unwrap();
    let to = copy_place(&home);
    vault.copy_slots(&to).await.unwrap();
    assert_eq!(fs::read(&to).unwrap(), fs::read(home.slot_file()).unwrap());
    assert_eq!(fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(matches!(vault.copy_slots(&to).await, Err(VaultError::Exists { .. })), "nothing is replaced");
    let paths = crate::VaultPaths { slots_dir: to.parent().unwrap().to_owned(), ..home.paths() };
    let inspection = Inspection::open(paths, home.provider.clone(), home.keys.clone()).await.unwrap();
    finds(&inspection, &one).await;
    assert!(matches!(inspection.check(burnt.slot).await, Err(VaultError::Burnt)));
    assert!(vault.copy_slots(Path::new("/nowhere/at/all")).await.is_err());
    vaulted(&vault, 3, 300).await;
}

#[tokio::test]
async fn what_changes_while_a_copy_is_made_is_in_it_whole_and_a_growth_too() {
    let home = Home::new();
    let vault = home.open().await;
    let mut tasks = JoinSet::new();
    for _ in 0..GROWTH {
        let vault = vault.clone();
        tasks.spawn(async move { vault.prepare(SlotKind::InboxEpoch, subject(1)).await.unwrap() });
    }
    let slots = tasks.join_all().await;
    let (burnt, held) = (slots[3], slots[700]);
    let inner = std::sync::Arc::downgrade(&vault.0);
    vault.at_step(Step::Copied, move || {
        let inner = inner.upgrade().unwrap();
        let change = |slot, change: &dyn Fn(&mut Sector)| {
            let change = |sector: &mut Sector| {
                change(sector);
                Ok(true)
            };
            inner.slots.change(slot, || Ok(()), change).unwrap();
        };
        change(burnt, &|sector| sector.burn(inner.now(), &*inner.rng));
        change(held, &|sector| sector.hold = true);
        let prepared = |index, generation| {
            let kind = SlotKind::InboxEpoch;
            Sector::prepared(index, generation, kind, &subject(2), inner.now(), &*inner.rng)
        };
        assert_eq!(inner.slots.take(&Faults::default(), prepared).unwrap().index, GROWTH, "the file grew");
    });
    let secret = home.sector(burnt)[SECRET_AT..WRAPPED_AT].to_vec();
    let to = copy_place(&home);
    vault.copy_slots(&to).await.unwrap();
    let copy = fs::read(&to).unwrap();
    assert!(copy == fs::read(home.slot_file()).unwrap(), "the copy is what the file is now");
    assert!(!contains(&copy, &secret), "what was burnt meanwhile is burnt in the copy");
}

#[tokio::test]
async fn a_copy_cut_short_leaves_no_file_and_the_next_one_is_whole() {
    let home = Home::new();
    let vault = home.open().await;
    vaulted(&vault, 1, 300).await;
    let to = copy_place(&home);
    vault.fail_at(Some(Step::Copied));
    vault.copy_slots(&to).await.unwrap_err();
    assert!(!to.exists());
    vault.fail_at(None);
    vault.copy_slots(&to).await.unwrap();
    assert_eq!(fs::read(&to).unwrap(), fs::read(home.slot_file()).unwrap());
}

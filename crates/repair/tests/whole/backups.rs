//! Backups: what is in them, what is not, and whom a restore brings back.

use crate::{
    house::{HORIZON, House, Open, face, user},
    rebuilds::{content_files, fs_copy},
};
use model::{AuthenticationState, EnrollmentState as S};
use register::RecoveryKind;
use repair::{RepairError, RestoreOrder, Unwatched};
use seal::{HeldKeys, MemoryProvider};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use vault::{Inspection, VaultPaths};

/// 1 and 2 ready, 3 vaulted, 4 waiting, 5 purged. Backed up to `backup` and `backup-slots`.
async fn backed_up() -> House {
    let house = House::new();
    let open = house.open().await.unwrap();
    open.enroll(1, 1, S::Ready).await;
    open.enroll(2, 2, S::Ready).await;
    open.enroll(3, 3, S::Vaulted).await;
    open.enroll(4, 4, S::AwaitingUser).await;
    open.enroll(5, 5, S::Ready).await;
    open.purge(5).await;
    open.authenticate(1, AuthenticationState::Passed).await;
    open.authenticate(2, AuthenticationState::Initiated).await;
    house.backup(&open, "backup", Some("backup-slots")).await.unwrap();
    house.close(open).await;
    house
}

/// Loses store and contents; the slots too, if so asked.
fn lose(house: &House, slots_too: bool) {
    fs::remove_dir_all(house.at("data")).unwrap();
    fs::create_dir(house.at("data")).unwrap();
    if slots_too {
        fs::remove_dir_all(house.at("slots")).unwrap();
        fs::create_dir(house.at("slots")).unwrap();
    }
}

async fn all_is_back(house: &House) -> Open {
    let report = house.verify().await;
    assert!(report.clean, "{:?}", report.findings);
    let open = house.open().await.unwrap();
    let states = [Some(S::Ready), Some(S::Ready), Some(S::Vaulted), Some(S::AwaitingUser), Some(S::Purged)];
    for (number, state) in (1..).zip(states) {
        assert_eq!(open.state(number).await, state, "{number}");
    }
    for number in 1..=3 {
        assert_eq!(open.facemap(number).await.unwrap(), face(number));
    }
    assert_eq!(open.register.current_enrollment(&user(2)).await.unwrap().unwrap().key, open.key(2));
    let recovery = open.register.recovery().await.unwrap().unwrap().value;
    assert!(recovery.kind == RecoveryKind::Restore && recovery.forbids_destruction());
    open
}

#[tokio::test]
async fn a_restore_brings_back_people_authentications_and_the_book() {
    let house = backed_up().await;
    lose(&house, true);
    house.restore(&house.at("backup"), Some(house.at("backup-slots/slots"))).await.unwrap();
    let open = all_is_back(&house).await;
    let passed = open.register.authentications_of_user(&user(1), None, None, 9).await.unwrap();
    assert_eq!(passed[0].row.state, AuthenticationState::Passed);
    assert!(passed[0].private.is_some());
    let opened = open.register.authentications_of_user(&user(2), None, None, 9).await.unwrap();
    assert_eq!(opened[0].row.state, AuthenticationState::Expired, "no window is open any more");
    assert!(open.register.window(open.key(2)).await.unwrap().is_none());
    let entries = open.audit.entries(0, None, &audit::Filter::default(), 99).await.unwrap().items;
    assert!(entries.iter().any(|listed| listed.entry.action == audit::Action::Vaulted), "the old chain");
    assert!(entries.iter().any(|listed| listed.entry.action == audit::Action::EpochBegun), "and a new one");
    house.close(open).await;
}

/// Everything in the folder is tried with every key there is.
#[tokio::test]
async fn a_backup_without_slots_brings_back_no_facemap() {
    let house = backed_up().await;
    let open = house.open().await.unwrap();
    house.backup(&open, "alone", None).await.unwrap();
    let slots: Vec<_> = {
        let (mut views, mut from) = (Vec::new(), Some(0));
        while let Some(start) = from {
            let page = open.vault.slots(start).await.unwrap();
            views.extend(page.views);
            from = page.next;
        }
        views
    };
    house.close(open).await;
    let raw = all_bytes(&house.at("alone"));
    let slot_file = fs::read(house.at("slots/slots")).unwrap();
    for view in &slots {
        let sector = &slot_file[512 * (view.slot.index as usize + 1)..][..512];
        // Secret and wrapped key, whole or in part.
        for piece in sector[80..400].chunks(16).filter(|piece| piece.iter().any(|byte| *byte != 0)) {
            assert!(!contains(&raw, piece), "a piece of slot {}", view.slot.index);
        }
    }
    for number in 1..=5 {
        assert!(!contains(&raw, &face(number)[..24]));
    }
    // All keys, every id, and a slot file of the same vault whose slots are somebody else's by now.
    let other = house.at("other");
    fs::create_dir_all(&other).unwrap();
    let mut sectors = slot_file.clone();
    for view in &slots {
        let at = 512 * (view.slot.index as usize + 1);
        sectors[at + 80..at + 112].fill(0);
    }
    fs::write(other.join("slots"), &sectors).unwrap();
    let paths = VaultPaths { slots_dir: other, content_dir: house.at("alone/content") };
    let (provider, keys) = (Arc::new(MemoryProvider::new(7)), Arc::new(HeldKeys::for_tests(7)));
    let inspection = Inspection::open(paths, provider, keys).await.unwrap();
    for found in inspection.check_many(slots.iter().map(|view| view.slot).collect()).await {
        assert!(found.is_err(), "a facemap opened without its slot");
    }
    // And the command itself says so.
    drop(inspection);
    lose(&house, true);
    let refused = house.restore(&house.at("alone"), None).await;
    assert!(
        matches!(&refused, Err(RepairError::Refused(why)) if why.contains("without slots")),
        "{refused:?}"
    );
}

#[tokio::test]
async fn who_was_purged_after_the_backup_stays_purged_beside_the_live_slot_file() {
    let house = backed_up().await;
    let open = house.open().await.unwrap();
    open.purge(1).await;
    house.close(open).await;
    lose(&house, false);
    // The old copy of the slots is not even looked at.
    let refused = house.restore(&house.at("backup"), Some(house.at("backup-slots/slots"))).await;
    assert!(
        matches!(&refused, Err(RepairError::Refused(why)) if why.contains("live one wins")),
        "{refused:?}"
    );
    house.restore(&house.at("backup"), None).await.unwrap();
    let report = house.verify().await;
    assert!(report.clean, "{:?}", report.findings);
    let open = house.open().await.unwrap();
    assert_eq!((open.state(1).await, open.state(2).await), (Some(S::Purged), Some(S::Ready)));
    assert!(open.facemap(1).await.is_err());
    assert!(open.register.authentications_of_user(&user(1), None, None, 9).await.unwrap().is_empty());
    house.close(open).await;
    assert_eq!(content_files(&house).len(), 2, "the content of the purged one was not put back");
    assert!(!contains(&all_bytes(&house.at("data")), b"order-1"));
}

/// Records that are newer than the slots: the tombstone burns the slot before anything else.
#[tokio::test]
async fn a_tombstone_in_the_records_burns_the_slot_of_an_older_copy() {
    let house = backed_up().await;
    let open = house.open().await.unwrap();
    open.purge(1).await;
    house.backup(&open, "later", None).await.unwrap();
    house.close(open).await;
    lose(&house, true);
    let done = house.restore(&house.at("later"), Some(house.at("backup-slots/slots"))).await.unwrap();
    assert_eq!(done.burnt, 1);
    let open = house.open().await.unwrap();
    assert_eq!(open.state(1).await, Some(S::Purged));
    assert!(open.facemap(1).await.is_err());
    assert_eq!(open.facemap(2).await.unwrap(), face(2));
    house.close(open).await;
    // Not even with the content file of the older backup in its place.
    let report = house.verify().await;
    assert!(report.clean, "{:?}", report.findings);
}

#[tokio::test]
async fn a_hold_and_a_replacement_that_only_the_records_know_are_in_force_with_an_older_copy_of_the_slots() {
    let house = backed_up().await;
    let open = house.open().await.unwrap();
    let mut found = open.enrollment(1).await.unwrap();
    open.vault.set_hold(found.row.slot, true).await.unwrap();
    found.row.hold = true;
    let mut replaced = open.enrollment(3).await.unwrap();
    open.vault.mark_replaced(replaced.row.slot, true).await.unwrap();
    replaced.row.replaced_by = Some(open.key(1));
    let mut commit = open.records.commit();
    open.register.update_enrollment(&mut commit, &found).await.unwrap();
    open.register.update_enrollment(&mut commit, &replaced).await.unwrap();
    commit.submit().await.unwrap();
    house.backup(&open, "later", None).await.unwrap();
    house.close(open).await;
    lose(&house, true);
    let done = house.restore(&house.at("later"), Some(house.at("backup-slots/slots"))).await.unwrap();
    for what in ["1 holds were known", "1 enrollments were replaced"] {
        assert!(done.rebuilt.lost.iter().any(|line| line.starts_with(what)), "{:?}", done.rebuilt.lost);
    }
    let open = house.open().await.unwrap();
    let found = open.enrollment(1).await.unwrap();
    assert!(found.row.hold, "the record");
    assert!(open.vault.view(found.row.slot).await.unwrap().hold, "the slot");
    let replaced = open.enrollment(3).await.unwrap();
    assert!(replaced.row.replaced_by.is_some());
    assert!(open.vault.view(replaced.row.slot).await.unwrap().replaced);
    house.close(open).await;
}

#[tokio::test]
async fn a_restore_that_is_refused_after_it_wrote_says_so_and_goes_on_when_it_is_settled() {
    let house = backed_up().await;
    let open = house.open().await.unwrap();
    open.enroll(6, 6, S::Ready).await;
    house.close(open).await;
    lose(&house, false);
    let refused = house.restore(&house.at("backup"), None).await.unwrap_err();
    assert!(matches!(&refused, RepairError::Late(_)), "{refused:?}");
    let told = refused.to_string();
    assert!(told.contains("data/content") && told.contains("repeat the same command"), "{told}");
    assert!(!told.contains("nothing was changed") && !content_files(&house).is_empty(), "{told}");
    let order = RestoreOrder { from: house.at("backup"), slots: None, give_up_damaged: true };
    repair::restore(&house.ground(), &order, &Unwatched, |_| Ok(())).await.unwrap();
    house.close(all_is_back(&house).await).await;
}

#[tokio::test]
async fn slots_older_than_the_horizon_are_refused() {
    let house = backed_up().await;
    lose(&house, true);
    house.clock.advance(HORIZON + Duration::from_secs(1));
    let refused = house.restore(&house.at("backup"), Some(house.at("backup-slots/slots"))).await;
    assert!(
        matches!(&refused, Err(RepairError::Refused(why)) if why.contains("31 days") || why.contains("30 days")),
        "{refused:?}"
    );
    assert_eq!(
        all_bytes(&house.at("data")).len() + all_bytes(&house.at("slots")).len(),
        0,
        "nothing was changed"
    );
}

/// One byte of any file of either folder.
#[tokio::test]
async fn a_backup_with_one_byte_changed_is_refused_and_nothing_is_changed() {
    let house = backed_up().await;
    lose(&house, true);
    let mut files = files_of(&house.at("backup"));
    files.extend(files_of(&house.at("backup-slots")));
    assert!(files.len() >= 10, "{files:?}");
    for file in files {
        let whole = fs::read(&file).unwrap();
        for at in [0, whole.len() / 3, whole.len() - 1] {
            let mut changed = whole.clone();
            changed[at] ^= 0x20;
            fs::write(&file, &changed).unwrap();
            let refused = house.restore(&house.at("backup"), Some(house.at("backup-slots/slots"))).await;
            assert!(matches!(&refused, Err(RepairError::Backup(_))), "{} {at}: {refused:?}", file.display());
            assert!(files_of(&house.at("data")).is_empty() && files_of(&house.at("slots")).is_empty());
        }
        fs::remove_file(&file).unwrap();
        assert!(house.restore(&house.at("backup"), Some(house.at("backup-slots/slots"))).await.is_err());
        fs::write(&file, &whole).unwrap();
    }
    house.restore(&house.at("backup"), Some(house.at("backup-slots/slots"))).await.unwrap();
    house.close(all_is_back(&house).await).await;
}

#[tokio::test]
async fn a_restore_over_existing_data_is_refused_and_nothing_is_changed() {
    let house = backed_up().await;
    let before = (files_of(&house.at("data/content")), fs::read(house.at("slots/slots")).unwrap());
    let refused = house.restore(&house.at("backup"), None).await;
    assert!(
        matches!(&refused, Err(RepairError::Refused(why)) if why.contains("store with records")),
        "{refused:?}"
    );
    fs::remove_dir_all(house.at("data/db")).unwrap();
    let refused = house.restore(&house.at("backup"), None).await;
    assert!(
        matches!(&refused, Err(RepairError::Refused(why)) if why.contains("content files")),
        "{refused:?}"
    );
    assert_eq!((files_of(&house.at("data/content")), fs::read(house.at("slots/slots")).unwrap()), before);
}

#[tokio::test]
async fn folders_that_a_backup_must_not_have_are_refused() {
    let house = House::new();
    let open = house.open().await.unwrap();
    for (to, slots) in [
        ("data/backup", None),
        ("slots/backup", None),
        ("data/../data/x", None),
        ("b", Some("b")),
        ("b", Some("b/slots")),
        ("b/records", Some("b")),
        ("b", Some("slots/x")),
    ] {
        let refused = house.backup(&open, to, slots).await;
        assert!(matches!(refused, Err(RepairError::Refused(_))), "{to} {slots:?}: {refused:?}");
    }
    fs::create_dir(house.at("full")).unwrap();
    fs::write(house.at("full/file"), "x").unwrap();
    assert!(matches!(house.backup(&open, "full", None).await, Err(RepairError::Refused(_))));
    assert!(!house.at("b").exists() && !house.at("b.partial").exists());
    house.close(open).await;
}

#[tokio::test]
async fn what_stands_under_the_unfinished_name_and_is_no_backup_is_left_alone() {
    let house = House::new();
    let open = house.open().await.unwrap();
    fs::create_dir(house.at("b.partial")).unwrap();
    fs::write(house.at("b.partial/photo"), "somebody's").unwrap();
    let refused = house.backup(&open, "b", None).await;
    assert!(matches!(&refused, Err(RepairError::Refused(why)) if why.contains("b.partial")), "{refused:?}");
    assert_eq!(fs::read(house.at("b.partial/photo")).unwrap(), b"somebody's");
    // Our own, from before an interruption, is cleared.
    fs::write(house.at("b.partial/unfinished-backup"), "").unwrap();
    house.backup(&open, "b", None).await.unwrap();
    assert!(!house.at("b.partial").exists() && !house.at("b/unfinished-backup").exists());
    house.close(open).await;
}

#[tokio::test]
async fn a_folder_may_be_named_with_a_slash_a_link_or_be_there_and_a_mount_point_is_refused_at_once() {
    let house = House::new();
    let open = house.open().await.unwrap();
    house.backup(&open, "slash/", Some("slash-slots/")).await.unwrap();
    fs::create_dir(house.at("empty")).unwrap();
    house.backup(&open, "empty/", None).await.unwrap();
    fs::create_dir(house.at("real")).unwrap();
    std::os::unix::fs::symlink(house.at("real"), house.at("link")).unwrap();
    house.backup(&open, "link", None).await.unwrap();
    for folder in ["slash", "empty", "real"] {
        assert!(house.at(folder).join("manifest.json").is_file(), "{folder}");
    }
    assert!(house.at("slash-slots/slots").is_file());
    // A file system of its own that every Linux has.
    let refused = house.backup(&open, "/proc", None).await;
    assert!(matches!(refused, Err(RepairError::Refused(_))), "{refused:?}");
    house.close(open).await;
}

#[tokio::test]
async fn interrupted_at_any_step_a_restore_is_run_again_and_completes() {
    let origin = backed_up().await;
    for (slots_too, steps) in [(true, 13), (false, 12)] {
        for kill_at in 0.. {
            let house = House::empty();
            for folder in ["backup", "backup-slots", "slots"] {
                fs_copy(&origin.at(folder), &house.at(folder));
            }
            lose(&house, slots_too);
            house.clock.advance(Duration::from_mins(1));
            let slots = slots_too.then(|| house.at("backup-slots/slots"));
            let order =
                RestoreOrder { from: house.at("backup"), slots: slots.clone(), give_up_damaged: false };
            let done = AtomicUsize::new(0);
            let interrupted = repair::restore(&house.ground(), &order, &Unwatched, |_| {
                let step = done.fetch_add(1, Ordering::Relaxed);
                if step == kill_at { Err(RepairError::Refused("killed".into())) } else { Ok(()) }
            })
            .await;
            if interrupted.is_ok() {
                assert_eq!(kill_at, steps, "each step was tried");
                break;
            }
            house.clock.advance(Duration::from_secs(5));
            // Somebody tries to start the service on it.
            assert!(house.open().await.is_err(), "step {kill_at}");
            house.restore(&house.at("backup"), slots).await.unwrap_or_else(|e| panic!("step {kill_at}: {e}"));
            house.close(all_is_back(&house).await).await;
            assert!(!house.at("data/db.backup").exists(), "no copy of records is left");
        }
    }
}

fn files_of(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() { files.extend(files_of(&entry.path())) } else { files.push(entry.path()) }
    }
    files.sort();
    files
}

fn all_bytes(folder: &Path) -> Vec<u8> {
    files_of(folder).iter().flat_map(|file| fs::read(file).unwrap()).collect()
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

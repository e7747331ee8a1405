//! A store made anew: what comes back, what does not, and that it may be interrupted anywhere.

use crate::house::{House, Open, WINDOW, face, user};
use audit::{Action, Filter};
use model::{AuthenticationState, Clock as _, EnrollmentState as S};
use register::RecoveryKind;
use repair::{RebuildOrder, RebuildStep, RepairError, Unwatched};
use std::{
    fs,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

/// Ready: 1, 2 (whom 6 replaced), 6. Vaulted: 3. Waiting: 4. Purged: 5. Held: 1.
async fn peopled() -> House {
    let house = House::new();
    let open = house.open().await.unwrap();
    open.enroll(1, 1, S::Ready).await;
    open.enroll(2, 2, S::Ready).await;
    open.enroll(3, 3, S::Vaulted).await;
    open.enroll(4, 4, S::AwaitingUser).await;
    open.enroll(5, 5, S::Ready).await;
    open.purge(5).await;
    open.enroll(6, 2, S::Ready).await;
    let (mut two, six) = (open.enrollment(2).await.unwrap(), open.enrollment(6).await.unwrap());
    two.row.replaced_by = Some(six.key);
    let mut one = open.enrollment(1).await.unwrap();
    one.row.hold = true;
    let mut commit = open.records.commit();
    open.register.update_enrollment(&mut commit, &two).await.unwrap();
    open.register.update_enrollment(&mut commit, &one).await.unwrap();
    commit.submit().await.unwrap();
    open.vault.mark_replaced(two.row.slot, true).await.unwrap();
    open.vault.set_hold(one.row.slot, true).await.unwrap();
    open.authenticate(1, AuthenticationState::Passed).await;
    house.close(open).await;
    assert!(house.verify().await.clean);
    house
}

/// Damages the store so that it does not open.
fn damage(house: &House) {
    let path = house.at("data/db/db");
    let mut bytes = fs::read(&path).unwrap();
    bytes[30..60].fill(0x5a);
    fs::write(&path, bytes).unwrap();
    for entry in fs::read_dir(house.at("data/db")).unwrap().flatten() {
        if entry.file_name().to_string_lossy().starts_with("snap.") {
            fs::remove_file(entry.path()).unwrap();
        }
    }
}

async fn all_is_back(house: &House) -> Open {
    let report = house.verify().await;
    assert!(report.clean, "{:?}", report.findings);
    let open = house.open().await.unwrap();
    assert_eq!(open.state(1).await, Some(S::Ready));
    assert_eq!(open.state(3).await, Some(S::Vaulted));
    assert_eq!(open.state(4).await, None, "what had no facemap is lost");
    for number in [1, 2, 3, 6] {
        assert_eq!(open.facemap(number).await.unwrap(), face(number));
    }
    let five = open.enrollment(5).await.unwrap();
    assert!(five.row.state == S::Purged && five.private.is_none());
    let current = open.register.current_enrollment(&user(2)).await.unwrap().unwrap();
    assert_eq!(current.key, open.key(6), "the one that took the other's place");
    assert_eq!(open.enrollment(2).await.unwrap().row.replaced_by, Some(open.key(6)));
    assert!(open.enrollment(1).await.unwrap().row.hold);
    let one = open.enrollment(1).await.unwrap().private.unwrap();
    assert_eq!(
        (one.user_reference, one.customer_internal_reference),
        (Some(user(1)), Some("order-1".into()))
    );
    open
}

#[tokio::test]
async fn people_states_holds_replacements_and_tombstones_come_back_from_slots_and_contents() {
    let house = peopled().await;
    damage(&house);
    assert!(house.open().await.unwrap_err().contains("rebuild-index"));
    let done = house.rebuild(false).await.unwrap();
    assert_eq!((done.rebuilt.ready, done.rebuilt.vaulted, done.rebuilt.tombstones), (3, 1, 1));
    assert!(done.old_store.unwrap().exists(), "the old store is never deleted");
    let lost = done.rebuilt.lost.join("\n");
    for what in ["1 transactions were under way", "holds are in force", "callbacks", "released again"] {
        assert!(lost.contains(what), "{lost}");
    }
    let open = all_is_back(&house).await;
    let recovery = open.register.recovery().await.unwrap().unwrap().value;
    assert_eq!((recovery.kind, recovery.acknowledged_at), (RecoveryKind::Rebuild, None));
    assert_eq!(recovery.blocked_for(house.clock.now()), Some(WINDOW));
    assert!(recovery.forbids_destruction() && recovery.lost == done.rebuilt.lost);
    assert_eq!(recovery.blocked_for(house.clock.now() + WINDOW), None);
    let page = open.audit.entries(0, None, &Filter::default(), 9).await.unwrap();
    assert_eq!(page.items[0].entry.action, Action::EpochBegun);
    assert!(page.items[0].entry.details.get("old-link").is_some(), "the old chain's end is named");
    house.close(open).await;
}

#[tokio::test]
async fn the_store_from_before_does_not_start_any_more() {
    let house = peopled().await;
    let before = house.at("copy");
    fs_copy(&house.at("data/db"), &before);
    house.rebuild(true).await.unwrap();
    fs::rename(house.at("data/db"), house.at("new")).unwrap();
    fs_copy(&before, &house.at("data/db"));
    let why = house.open().await.unwrap_err();
    assert!(why.contains("epoch") && why.contains("rebuild-index"), "{why}");
    assert!(!house.verify().await.clean);
}

#[tokio::test]
async fn a_store_with_nothing_wrong_is_left_alone() {
    let house = peopled().await;
    let refused = house.rebuild(false).await;
    assert!(matches!(&refused, Err(RepairError::Refused(why)) if why.contains("--force")), "{refused:?}");
    let open = house.open().await.unwrap();
    assert_eq!(open.state(4).await, Some(S::AwaitingUser), "nothing was changed");
    house.close(open).await;
}

#[tokio::test]
async fn what_a_rebuild_does_not_mend_is_no_reason_for_one() {
    let house = peopled().await;
    fs::write(house.at("data/content/stray"), "a file of somebody").unwrap();
    assert!(!house.verify().await.clean);
    let refused = house.rebuild(false).await;
    assert!(matches!(&refused, Err(RepairError::Refused(why)) if why.contains("verify")), "{refused:?}");
    let open = house.open().await.unwrap();
    assert_eq!(open.state(4).await, Some(S::AwaitingUser), "nothing was changed");
    house.close(open).await;
}

/// Whatever a kill leaves after any step, the service does not start on it, and the same command completes.
#[tokio::test]
async fn interrupted_at_any_step_it_is_run_again_and_completes() {
    for kill_at in 0.. {
        let house = peopled().await;
        let steps = AtomicUsize::new(0);
        let order = RebuildOrder { force: true, give_up_damaged: false };
        let interrupted = repair::rebuild_index(&house.ground(), order, &Unwatched, |_| {
            let step = steps.fetch_add(1, Ordering::Relaxed);
            if step == kill_at { Err(RepairError::Refused("killed".into())) } else { Ok(()) }
        })
        .await;
        if interrupted.is_ok() {
            assert_eq!(kill_at, 5, "each step was tried");
            break;
        }
        house.clock.advance(Duration::from_secs(5));
        let raised = kill_at >= 2;
        match house.open().await {
            Ok(open) => {
                assert!(!raised, "step {kill_at}: the old store starts under a new epoch");
                house.close(open).await;
            }
            Err(why) => assert!(raised && why.contains("rebuild-index"), "step {kill_at}: {why}"),
        }
        house.rebuild(true).await.unwrap();
        let open = all_is_back(&house).await;
        house.close(open).await;
    }
    // Between the two moves of folders there is no store; it is not founded anew.
    let house = peopled().await;
    fs::rename(house.at("data/db"), house.at("data/db.damaged")).unwrap();
    assert!(house.open().await.unwrap_err().contains("rebuild-index"));
    house.rebuild(false).await.unwrap();
    house.close(all_is_back(&house).await).await;
}

#[tokio::test]
async fn damage_to_a_slot_or_a_content_is_refused_until_somebody_gives_it_up() {
    let house = peopled().await;
    damage(&house);
    // The slots of person 2 and, by its content, of person 3.
    flip(&house.at("slots/slots"), 512 * 2 + 100);
    let ids: Vec<_> = content_files(&house);
    let before = fs::read(house.at("slots/slots")).unwrap();
    let refused = house.rebuild(false).await;
    assert!(
        matches!(&refused, Err(RepairError::Refused(why)) if why.contains("give-up-damaged")),
        "{refused:?}"
    );
    assert_eq!(fs::read(house.at("slots/slots")).unwrap(), before, "nothing was changed");
    assert_eq!(content_files(&house), ids);
    let order = RebuildOrder { force: false, give_up_damaged: true };
    let done = repair::rebuild_index(&house.ground(), order, &Unwatched, |_| Ok(())).await.unwrap();
    assert!(
        done.rebuilt.lost.iter().any(|line| line.contains("slot 1 was given up")),
        "{:?}",
        done.rebuilt.lost
    );
    let aside = done.unclaimed.unwrap();
    assert_eq!(fs::read_dir(aside).unwrap().count(), 1, "its content is kept, apart");
    assert!(house.verify().await.clean);
    let open = house.open().await.unwrap();
    assert_eq!(open.state(2).await, None);
    assert_eq!(open.facemap(1).await.unwrap(), face(1));
    house.close(open).await;
}

#[tokio::test]
async fn a_damaged_header_of_the_slot_file_is_written_anew() {
    let house = peopled().await;
    damage(&house);
    flip(&house.at("slots/slots"), 36);
    let header_epoch = house.clock.now().as_second();
    house.rebuild(false).await.unwrap();
    let open = all_is_back(&house).await;
    assert!(open.vault.epoch() > u64::try_from(header_epoch).unwrap(), "above whatever it was");
    house.close(open).await;
}

#[tokio::test]
async fn a_held_person_is_not_given_up_whatever_is_ordered() {
    let house = peopled().await;
    let open = house.open().await.unwrap();
    let slot = open.enrollment(1).await.unwrap().row.slot;
    house.close(open).await;
    let id = slot.facemap.to_string();
    fs::remove_file(house.at("data/content").join(&id[..2]).join(&id)).unwrap();
    let order = RebuildOrder { force: true, give_up_damaged: true };
    let refused = repair::rebuild_index(&house.ground(), order, &Unwatched, |_: RebuildStep| Ok(())).await;
    assert!(matches!(&refused, Err(RepairError::Refused(why)) if why.contains("on hold")), "{refused:?}");
}

pub(crate) fn fs_copy(from: &std::path::Path, to: &std::path::Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs_copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn flip(path: &std::path::Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

pub(crate) fn content_files(house: &House) -> Vec<std::path::PathBuf> {
    let folders = fs::read_dir(house.at("data/content")).unwrap().flatten();
    let mut files: Vec<_> =
        folders.flat_map(|folder| fs::read_dir(folder.path()).unwrap().flatten().map(|f| f.path())).collect();
    files.sort();
    files
}

//! One enrollment is destroyed.

use crate::house::{House, face, reference, seconds, transaction, until, user};
use audit::{Action, Outcome, Part};
use custody::CustodyError;
use jumio::scripted::Endpoint;
use model::{
    AuthenticationId, AuthenticationState, Clock as _, EnrollmentOrigin, EnrollmentState as S, FacemapBytes,
    Timestamp, rng::SeededRng,
};
use queue::{JobKey, Kind, testing};
use receipt::{JumioState, StatementKind};
use register::{EnrollmentPrivate, EnrollmentRow, UserRow, WindowRow, WindowState};
use serde_json::Value;
use store::faulty::CommitFault;
use vault::{SlotKind, SlotStatus, Step, VaultError};

fn content_files(house: &House) -> usize {
    let mut files = 0;
    let mut folders = vec![house.dir.path().join("content")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files += 1 }
        }
    }
    files
}

#[tokio::test]
async fn a_purge_destroys_slot_and_content_and_says_so_in_a_receipt_that_checks() {
    let house = House::new().await;
    let slot = house.enroll(1).await;
    *house.inbox.bodies.lock().unwrap() = 3;
    let view = house.purge(1).await.unwrap();
    assert_eq!(house.now().vault.view(slot).await.unwrap().status, SlotStatus::Burnt);
    assert_eq!(content_files(&house), 0);
    let left = house.enrollment(1).await;
    assert_eq!((left.row.state, left.row.user, left.private), (S::Purged, None, None));
    let found = house.register().authentications_to_purge(house.key(1), 10).await.unwrap();
    assert!(found.is_empty());
    assert_eq!(*house.inbox.asked.lock().unwrap(), [(reference(1), vec![transaction(1)])]);

    let statement = house.checked(view.receipt.as_ref().unwrap());
    assert_eq!(statement.kind, StatementKind::Purge);
    assert_eq!(statement.subject, Some(house.key(1).0.to_string()));
    assert_eq!(statement.generation, Some(slot.generation));
    let destroyed = statement.destroyed;
    assert_eq!((destroyed.enrollments, destroyed.content_bytes), (1, face(1).len() as u64));
    assert_eq!((destroyed.authentications, destroyed.inbox_bodies), (1, 3));
    assert_eq!(
        (statement.reason.as_str(), statement.case_reference.as_deref()),
        ("erasure-request", Some("CASE-4711"))
    );
    assert_eq!((statement.by.kind.as_str(), statement.by.name.as_deref()), ("token", Some("dpo")));
    assert_eq!(statement.backup_horizon.days, 30);
    assert!(statement.simulated);
    assert_eq!(view.jumio_deletion, JumioState::Done);
    assert_eq!(statement.jumio_deletion.evidence.authentications, [(404, 1)].into());
}

#[tokio::test]
async fn the_book_has_the_begin_before_and_the_end_after_and_the_receipt_names_its_place() {
    let house = House::new().await;
    house.enroll(1).await;
    let view = house.purge(1).await.unwrap();
    let statement = house.checked(view.receipt.as_ref().unwrap());
    let book = house.book().await;
    let purge: Vec<_> = book.iter().filter(|listed| listed.entry.action == Action::Purge).collect();
    assert_eq!(purge.len(), 2);
    assert_eq!((purge[0].entry.part, purge[0].entry.outcome), (Part::Begin, None));
    assert_eq!(purge[1].entry.outcome, Some(Outcome::Done));
    assert_eq!(statement.audit.begin, Some(purge[0].position));
    assert!(statement.audit.position >= purge[0].position);
    assert_eq!(purge[0].entry.subject, Some(house.key(1).0));
    let reason: Vec<_> = purge[1].entry.details.iter().collect();
    assert!(
        reason.contains(&("reason", "erasure-request")) && reason.contains(&("caseReference", "CASE-4711"))
    );
}

#[tokio::test]
async fn asked_again_it_answers_with_the_same_receipt_and_does_nothing() {
    let mut house = House::new().await;
    house.enroll(1).await;
    let first = house.purge(1).await.unwrap();
    let commits = house.store.commits();
    assert_eq!(house.purge(1).await.unwrap(), first);
    assert_eq!(house.store.commits(), commits, "nothing was written");
    house.restart().await;
    assert_eq!(house.purge(1).await.unwrap().receipt, first.receipt);
}

#[tokio::test]
async fn an_unknown_reference_is_unknown_and_nothing_is_written() {
    let house = House::new().await;
    let commits = house.store.commits();
    assert!(matches!(house.purge(9).await, Err(CustodyError::UnknownEnrollment)));
    assert_eq!(house.store.commits(), commits);
}

#[tokio::test]
async fn what_is_held_is_refused_before_anything() {
    let house = House::new().await;
    let by_slot = house.enroll(1).await;
    house.enroll(2).await;
    house.now().vault.set_hold(by_slot, true).await.unwrap();
    house.edit(2, |held| held.row.hold = true).await;
    let commits = house.store.commits();
    for number in [1, 2] {
        assert!(matches!(house.purge(number).await, Err(CustodyError::Held)));
        assert_eq!(house.state(number).await, S::Ready);
    }
    assert_eq!(house.store.commits(), commits, "not even the book");
    house.now().vault.set_hold(by_slot, false).await.unwrap();
    house.purge(1).await.unwrap();
}

#[tokio::test]
async fn without_the_book_nothing_happens() {
    let house = House::new().await;
    let slot = house.enroll(1).await;
    house.store.fail_commit(1, CommitFault::NoSpace);
    assert!(matches!(house.purge(1).await, Err(CustodyError::Audit(_))));
    assert_eq!(house.state(1).await, S::Ready);
    assert_eq!(house.now().vault.view(slot).await.unwrap().status, SlotStatus::Live);
    testing::assert_no_jobs_left(&house.now().queue).await;
    assert!(house.inbox.asked.lock().unwrap().is_empty());
    house.purge(1).await.unwrap();
}

#[tokio::test]
async fn while_a_recovery_is_not_acknowledged_nothing_is_destroyed() {
    let house = House::new().await;
    house.enroll(1).await;
    let mut recovery = register::RecoveryRow {
        since: house.clock.now(),
        kind: register::RecoveryKind::Rebuild,
        reauth_blocked_until: house.clock.now(),
        acknowledged_at: None,
        lost: Vec::new(),
    };
    let mut commit = house.register().records().commit();
    house.register().put_recovery(&mut commit, None, &recovery);
    commit.submit().await.unwrap();
    assert!(matches!(house.purge(1).await, Err(CustodyError::RecoveryNotAcknowledged)));
    assert_eq!(house.state(1).await, S::Ready);
    recovery.acknowledged_at = Some(house.clock.now());
    let read = house.register().recovery().await.unwrap();
    let mut commit = house.register().records().commit();
    house.register().put_recovery(&mut commit, read.as_ref(), &recovery);
    commit.submit().await.unwrap();
    house.purge(1).await.unwrap();
}

#[tokio::test]
async fn a_purge_that_was_interrupted_waits_for_the_recovery_to_be_acknowledged() {
    let mut house = House::new().await;
    let slot = house.enroll(1).await;
    *house.inbox.fails.lock().unwrap() = true;
    house.purge(1).await.unwrap_err();
    *house.inbox.fails.lock().unwrap() = false;
    let recovery = register::RecoveryRow {
        since: house.clock.now(),
        kind: register::RecoveryKind::Restore,
        reauth_blocked_until: house.clock.now(),
        acknowledged_at: None,
        lost: Vec::new(),
    };
    let mut commit = house.register().records().commit();
    house.register().put_recovery(&mut commit, None, &recovery);
    commit.submit().await.unwrap();
    house.restart().await;
    house.pass(seconds(600)).await;
    assert_eq!(house.now().vault.view(slot).await.unwrap().status, SlotStatus::Live);
    let read = house.register().recovery().await.unwrap();
    let acknowledged = register::RecoveryRow { acknowledged_at: Some(house.clock.now()), ..recovery };
    let mut commit = house.register().records().commit();
    house.register().put_recovery(&mut commit, read.as_ref(), &acknowledged);
    commit.submit().await.unwrap();
    house.pass(seconds(1800)).await;
    assert_eq!(house.state(1).await, S::Purged);
}

#[tokio::test]
async fn of_many_callers_one_destroys_and_all_get_the_same_receipt() {
    let house = House::new().await;
    house.enroll(1).await;
    let callers: Vec<_> = (0..20).map(|_| house.purging(1)).collect();
    let mut receipts = Vec::new();
    for caller in callers {
        receipts.push(caller.await.unwrap().unwrap().receipt.unwrap());
    }
    receipts.dedup();
    assert_eq!(receipts.len(), 1);
    let book = house.book().await;
    assert_eq!(book.iter().filter(|listed| listed.entry.action == Action::Purge).count(), 2);
}

#[tokio::test]
async fn it_waits_for_whoever_has_the_facemap_in_hand_and_goes_on_without_its_caller() {
    let house = House::new().await;
    let slot = house.enroll(1).await;
    let inside = house.now().vault.enter(slot).await.unwrap();
    let caller = house.purging(1);
    let closed = async {
        while !matches!(house.now().vault.enter(slot).await, Err(VaultError::Closing)) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(seconds(30), closed).await.unwrap();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(house.state(1).await, S::Purging);
    assert_eq!(house.now().vault.view(slot).await.unwrap().status, SlotStatus::Live, "it waits");
    let second = house.purging(1);
    caller.abort();
    drop(inside);
    assert!(second.await.unwrap().unwrap().receipt.is_some());
    assert_eq!(house.state(1).await, S::Purged);
}

#[tokio::test]
async fn a_facemap_that_is_just_being_put_is_destroyed_with_the_rest() {
    let house = House::new().await;
    let slot = house.enroll_as(1, 1, S::Fetching, |_| {}).await;
    let stale = house.enrollment(1).await;
    let (there, reached) = std::sync::mpsc::channel();
    let (go, gate) = std::sync::mpsc::channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    house.now().vault.at_step(Step::ContentDurable, move || {
        there.send(()).unwrap();
        gate.lock().unwrap().recv().unwrap();
    });
    let vault = house.now().vault.clone();
    let putting =
        tokio::spawn(async move { vault.put(slot, &reference(1), b"", FacemapBytes::new(face(1))).await });
    until("the content is on the disk", || reached.try_recv().is_ok()).await;
    let commits = house.store.commits();
    let purging = house.purging(1);
    until("the purge has begun", || house.store.commits() >= commits + 2).await;
    go.send(()).unwrap();
    purging.await.unwrap().unwrap();
    putting.await.unwrap().unwrap();
    assert_eq!(content_files(&house), 0);
    assert_eq!(house.now().vault.view(slot).await.unwrap().status, SlotStatus::Burnt);
    // What the fetching step commits now comes too late.
    let mut commit = house.register().records().commit();
    let late = house.register().update_enrollment(&mut commit, &stale).await;
    assert!(late.is_err() || commit.submit().await.is_err());
    let again = house.now().vault.put(slot, &reference(1), b"", FacemapBytes::new(face(1))).await;
    assert!(matches!(again, Err(VaultError::Burnt)));
}

#[tokio::test]
async fn every_state_can_be_destroyed_and_only_what_is_surely_ours_is_deleted_at_jumio() {
    let states = [
        (S::AwaitingUser, true),
        (S::Received, true),
        (S::Confirming, true),
        (S::Fetching, true),
        (S::Vaulted, true),
        (S::Ready, false),
        (S::Abandoned, true),
        (S::Ineligible, true),
        (S::Failed, true),
        (S::Foreign, false),
    ];
    for (state, is_deleted) in states {
        let house = House::new().await;
        let slot = house.enroll_as(1, 1, state, |_| {}).await;
        let view = house.purge(1).await.unwrap();
        assert_eq!(house.now().vault.view(slot).await.unwrap().status, SlotStatus::Burnt, "{state}");
        assert_eq!(house.state(1).await, S::Purged, "{state}");
        assert_eq!(house.jumio.count(Endpoint::DeleteScan), usize::from(is_deleted), "{state}");
        assert_eq!(view.jumio_deletion, JumioState::Done, "{state}");
        testing::assert_no_jobs_left(&house.now().queue).await;
    }
}

#[tokio::test]
async fn what_only_a_callback_named_or_another_user_owns_is_not_deleted_at_jumio() {
    let cases: [fn(&mut EnrollmentRow); 2] = [
        |row| row.origin = EnrollmentOrigin::Callback,
        |row| {
            row.state = S::Ineligible;
            row.reasons = vec![register::IneligibleReason::UserReferenceDiffers];
        },
    ];
    for edit in cases {
        let house = House::new().await;
        house.enroll_as(1, 1, S::Received, edit).await;
        let view = house.purge(1).await.unwrap();
        assert_eq!(house.jumio.count(Endpoint::DeleteScan), 0);
        let statement = house.checked(view.receipt.as_ref().unwrap());
        assert!(statement.jumio_deletion.evidence.original_not_asked);
    }
}

#[tokio::test]
async fn open_windows_are_withdrawn_whatever_their_state() {
    let by = AuthenticationId::random(&SeededRng::new(5));
    let at = Timestamp::from_second(2_000_000_000).unwrap();
    let states = [
        WindowState::Free,
        WindowState::Claimed { by, process: 1, since: at, replaces: None },
        WindowState::Posting { by, process: 1, since: at, replaces: None },
        WindowState::Initiated { by, until: at },
        WindowState::Unknown { by, settled_at: at },
    ];
    for state in states {
        let house = House::new().await;
        house.enroll(1).await;
        let open = house.authenticate(1, Some(7), AuthenticationState::Initiated).await;
        let unknown = house.authenticate(1, None, AuthenticationState::Unknown).await;
        let mut commit = house.register().records().commit();
        let row = WindowRow { state, ..WindowRow::free() };
        house.register().put_window(&mut commit, house.key(1), None, &row);
        for id in [open, unknown] {
            for kind in [Kind::Authentication, Kind::AuthenticationDeletion] {
                let job = JobKey::new(kind, &id);
                house.now().queue.schedule(&mut commit, &job, house.clock.now(), Value::Null).await.unwrap();
            }
        }
        let job = JobKey::new(Kind::Enrollment, &house.key(1));
        house.now().queue.schedule(&mut commit, &job, house.clock.now(), Value::Null).await.unwrap();
        commit.submit().await.unwrap();
        // Somebody has the enrollment's step in hand: what it commits comes too late.
        let lease = house.now().queue.lease_due(&[Kind::Enrollment], seconds(60)).await.unwrap().unwrap();
        let view = house.purge(1).await.unwrap();
        assert!(house.register().window(house.key(1)).await.unwrap().is_none());
        let mut late = house.register().records().commit();
        lease.complete(&mut late).await.unwrap_err();
        let statement = house.checked(view.receipt.as_ref().unwrap());
        assert_eq!((statement.destroyed.authentications, statement.jumio_deletion.unnamed), (3, 1));
        house.drive().await;
        testing::assert_no_jobs_left(&house.now().queue).await;
    }
}

#[tokio::test]
async fn the_user_is_free_and_the_next_vaulted_enrollment_gets_its_chance_in_the_same_commit() {
    let house = House::new().await;
    house.enroll(1).await;
    house.enroll_as(2, 1, S::Vaulted, |_| {}).await;
    house.purge(1).await.unwrap();
    let user_key = house.register().records().user_key(&user(1));
    assert!(house.register().user(user_key).await.unwrap().is_none(), "a row that names nothing goes");
    assert_eq!(testing::jobs_left(&house.now().queue).await.len(), 1, "the other's step");
    let woken = house.now().queue.lease_due(&[Kind::Enrollment], seconds(60)).await.unwrap().unwrap();
    assert_eq!(*woken.key(), JobKey::new(Kind::Enrollment, &house.key(2)));
    assert_eq!(house.state(2).await, S::Vaulted);
}

#[tokio::test]
async fn a_claim_of_another_enrollment_stays() {
    let house = House::new().await;
    house.enroll(1).await;
    house.enroll_as(2, 1, S::Vaulted, |_| {}).await;
    let register = house.register();
    let user_key = register.records().user_key(&user(1));
    let read = register.user(user_key).await.unwrap().unwrap();
    let mut commit = register.records().commit();
    let claimed = UserRow { claimed: Some(house.key(2)), ..read.value.clone() };
    register.put_user(&mut commit, user_key, Some(&read), &claimed);
    commit.submit().await.unwrap();
    house.purge(1).await.unwrap();
    let left = register.user(user_key).await.unwrap().unwrap().value;
    assert_eq!(left, UserRow { current: None, claimed: Some(house.key(2)) });
}

#[tokio::test]
async fn nothing_brings_a_purged_person_back_and_a_new_onboarding_is_possible() {
    let house = House::new().await;
    house.enroll(1).await;
    house.purge(1).await.unwrap();
    let (register, vault) = (house.register(), &house.now().vault);
    // What a late callback, an announcement, a replay and an import do: a row under the reference's key.
    let slot = vault.prepare(SlotKind::Facemap, house.key(1).0).await.unwrap();
    let row = EnrollmentRow::new(S::Received, EnrollmentOrigin::Callback, house.clock.now(), slot, None);
    let private = EnrollmentPrivate {
        reference: reference(1),
        user_reference: None,
        customer_internal_reference: None,
        attestation: None,
        contents: None,
        replaced_by: None,
    };
    let mut commit = register.records().commit();
    register.insert_enrollment(&mut commit, row, &private).await.unwrap();
    assert!(commit.submit().await.unwrap_err().is_conflict());
    assert_eq!(house.state(1).await, S::Purged);
    house.enroll_as(2, 1, S::Ready, |_| {}).await;
    assert_eq!(house.state(2).await, S::Ready);
}

#[tokio::test]
async fn a_row_that_names_somebody_elses_slot_destroys_nothing() {
    let house = House::new().await;
    let other = house.enroll(2).await;
    house.enroll_as(1, 1, S::Received, |row| row.slot = other).await;
    assert!(matches!(house.purge(1).await, Err(CustodyError::Damaged)));
    assert_eq!(house.now().vault.view(other).await.unwrap().status, SlotStatus::Live);
    assert_eq!(house.state(2).await, S::Ready);
}

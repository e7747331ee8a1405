//! Bringing in what is known already, or purged, or being changed meanwhile.

use crate::{
    house::{House, callback, reference},
    import::{FACE, attested, begun, bring, plain, usable_slots},
    jumio::Scan,
};
use ::jumio::ScanState;
use ingest::{Accept, IngestConfig, IngestError};
use model::{EnrollmentOrigin, EnrollmentState, FacemapBytes};
use queue::testing::assert_no_jobs_left;
use records::Commit;
use register::{EnrollmentFilter, EnrollmentPrivate};
use std::{sync::Mutex, time::Duration};
use tokio::runtime::Handle;
use vault::{SlotStatus, Step};

#[tokio::test]
async fn the_same_again_changes_nothing_and_anything_else_is_refused() {
    let house = House::new().await;
    bring(&house, &attested(1, "ines"), FACE).await.unwrap();
    let (commits, asked) = (house.store.commits(), house.jumio.journal().len());
    let again = bring(&house, &attested(1, "ines"), FACE).await.unwrap();
    assert!(again.already && again.view.state == EnrollmentState::Ready);
    assert_eq!((house.store.commits(), house.jumio.journal().len()), (commits, asked));
    assert!(matches!(bring(&house, &attested(1, "ines"), b"other").await, Err(IngestError::ContentDiffers)));
    assert!(matches!(
        bring(&house, &attested(1, "juan"), FACE).await,
        Err(IngestError::UserReferenceDiffers)
    ));
    assert_eq!((begun(&house.book().await), usable_slots(&house).await, house.contents()), (1, 1, 1));
}

#[tokio::test]
async fn two_at_the_same_time_store_one() {
    let house = House::new().await;
    let import = attested(1, "ines");
    let (one, two) = tokio::join!(bring(&house, &import, FACE), bring(&house, &import, FACE));
    let already = [one.unwrap().already, two.unwrap().already];
    assert_eq!(already.iter().filter(|already| **already).count(), 1);
    assert_eq!((usable_slots(&house).await, house.contents()), (1, 1));
    assert_eq!(house.facemap(1).await, FACE);
    let book = house.book().await;
    let ended = book.iter().filter(|entry| entry.starts_with("Imported Some")).count();
    assert_eq!(begun(&book), ended, "every begin has its end");
}

async fn tombstone(house: &House, number: u8) {
    let mut found = house.enrollment(number).await;
    house.now().vault.burn(found.row.slot).await.unwrap();
    found.row.enter(EnrollmentState::Purged, house.time());
    found.private = None;
    let register = &house.now().register;
    let mut commit = register.records().commit();
    register.update_enrollment(&mut commit, &found).await.unwrap();
    commit.submit().await.unwrap();
}

#[tokio::test]
async fn nobody_who_was_purged_comes_back() {
    let house = House::new().await;
    house.announce(1, "ines").await;
    tombstone(&house, 1).await;
    let refused = bring(&house, &attested(1, "ines"), FACE).await;
    assert!(matches!(refused, Err(IngestError::Purged)));
    assert_eq!((house.state(1).await, usable_slots(&house).await), (EnrollmentState::Purged, 0));
    assert_eq!(house.jumio.journal().len(), 0);
}

/// The first commit of a purge of `number`, not submitted yet: of an enrollment that is known, or that is announced and
/// purged in one go.
async fn purge_to_come(house: &House, number: u8, was_known: bool) -> Commit {
    let register = &house.now().register;
    let mut commit = register.records().commit();
    if was_known {
        let mut found = house.enrollment(number).await;
        found.row.enter(EnrollmentState::Purging, house.time());
        register.update_enrollment(&mut commit, &found).await.unwrap();
        return commit;
    }
    house.announce(number + 1, "ines").await;
    let other = house.enrollment(number + 1).await;
    let mut row = other.row.clone();
    row.enter(EnrollmentState::Purging, house.time());
    let private = EnrollmentPrivate { reference: reference(number), ..other.private.unwrap() };
    register.insert_enrollment(&mut commit, row, &private).await.unwrap();
    commit
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_purge_that_comes_between_the_question_and_the_commit_wins() {
    for was_known in [true, false] {
        let house = House::new().await;
        if was_known {
            house.announce(1, "ines").await;
        }
        let purge = Mutex::new(Some(purge_to_come(&house, 1, was_known).await));
        let before = usable_slots(&house).await;
        let runtime = Handle::current();
        house.now().vault.at_step(Step::ContentDurable, move || {
            if let Some(purge) = purge.lock().unwrap().take() {
                runtime.block_on(purge.submit()).unwrap();
            }
        });
        let refused = bring(&house, &attested(1, "ines"), FACE).await;
        assert!(matches!(refused, Err(IngestError::Purged)), "{refused:?}");
        assert_eq!(house.state(1).await, EnrollmentState::Purging);
        assert_eq!((usable_slots(&house).await, house.contents()), (before, 0));
        assert!(house.book().await.contains(&"Imported Some(Refused)".to_owned()));
    }
}

#[tokio::test]
async fn an_enrollment_without_a_facemap_is_taken_over_and_its_slot_burnt() {
    let by_callback = IngestConfig { accept: Accept::All, ..IngestConfig::default() };
    for state in ["awaiting-user", "abandoned", "foreign", "failed", "confirming"] {
        let house = House::with(by_callback.clone()).await;
        house.announce(1, "ines").await;
        let mut found = house.enrollment(1).await;
        found.row.enter(EnrollmentState::parse(state).unwrap(), house.time());
        found.row.trouble = Some("unknown-at-jumio".into());
        let old = found.row.slot;
        let mut commit = house.now().register.records().commit();
        house.now().register.update_enrollment(&mut commit, &found).await.unwrap();
        commit.submit().await.unwrap();

        let imported = bring(&house, &attested(1, "ines"), FACE).await.unwrap();
        assert_eq!((imported.view.state, imported.view.trouble), (EnrollmentState::Ready, None), "{state}");
        assert_eq!(house.now().vault.view(old).await.unwrap().status, SlotStatus::Burnt);
        assert_eq!((usable_slots(&house).await, house.facemap(1).await), (1, FACE.to_vec()));
        house.drive_for(Duration::from_hours(1)).await;
        assert_no_jobs_left(&house.now().queue).await;
        let listed = house.ingest().list(&EnrollmentFilter::default(), 10).await.unwrap();
        assert_eq!(listed.items.len(), 1);
    }
}

#[tokio::test]
async fn what_jumio_found_wanting_is_not_taken_over() {
    let house = House::new().await;
    house.jumio.holds(reference(1), Scan { validity: Some(false), ..Scan::approved("ines", FACE) });
    house.announce(1, "ines").await;
    house.drive().await;
    assert_eq!(house.state(1).await, EnrollmentState::Ineligible);
    // Then the original went.
    house.jumio.loses(reference(1));
    let refused = bring(&house, &attested(1, "ines"), FACE).await;
    assert!(matches!(refused, Err(IngestError::NotEligible { .. })));
}

#[tokio::test]
async fn a_callbacks_enrollment_that_is_brought_in_is_ours_from_then_on() {
    let house = House::with(IngestConfig { accept: Accept::All, ..IngestConfig::default() }).await;
    house.receive(&callback(reference(1), "ines")).await;
    house.jumio.holds(reference(1), Scan { state: ScanState::Pending, ..Scan::approved("ines", FACE) });
    house.drive().await;
    assert_eq!(house.view(1).await.origin, EnrollmentOrigin::Callback);
    house.jumio.holds(reference(1), Scan::approved("ines", FACE));
    let view = bring(&house, &plain(1, "ines"), FACE).await.unwrap().view;
    assert_eq!((view.state, view.origin), (EnrollmentState::Vaulted, EnrollmentOrigin::Announced));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fetch_under_way_cannot_put_its_bytes_under_what_was_brought_in() {
    let house = std::sync::Arc::new(House::new().await);
    house.announce(1, "ines").await;
    let slot = house.enrollment(1).await.row.slot;
    let (fetcher, runtime, done) = (house.clone(), Handle::current(), std::sync::Once::new());
    house.now().vault.at_step(Step::ContentDurable, move || {
        done.call_once(|| {
            let vault = fetcher.now().vault.clone();
            let _put = runtime.spawn(async move {
                vault.put(slot, &reference(1), b"", FacemapBytes::new(b"another face".to_vec())).await
            });
        });
    });
    bring(&house, &attested(1, "ines"), FACE).await.unwrap();
    assert_eq!(house.facemap(1).await, FACE);
}

#[tokio::test]
async fn a_held_enrollment_that_is_taken_over_stays_held() {
    let house = House::new().await;
    house.announce(1, "ines").await;
    let mut found = house.enrollment(1).await;
    house.now().vault.set_hold(found.row.slot, true).await.unwrap();
    found.row.hold = true;
    let mut commit = house.now().register.records().commit();
    house.now().register.update_enrollment(&mut commit, &found).await.unwrap();
    commit.submit().await.unwrap();
    assert!(bring(&house, &attested(1, "ines"), FACE).await.unwrap().view.hold);
    let slot = house.enrollment(1).await.row.slot;
    assert!(house.now().vault.view(slot).await.unwrap().hold);
    assert_eq!(usable_slots(&house).await, 1);
}

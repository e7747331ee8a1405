//! The process ends at every point of an import, and the next one goes on.

use crate::{
    house::{House, reference},
    import::{FACE, attested, bring, usable_slots},
    jumio::Scan,
};
use model::EnrollmentState;
use queue::testing::assert_no_jobs_left;
use std::time::Duration;
use store::faulty::CommitFault;
use vault::SlotKind;

/// A house in which the reference is unknown, or announced and gone at Jumio, or still at Jumio.
async fn house(kind: u8) -> House {
    let house = House::new().await;
    match kind {
        1 => drop(house.announce(1, "ines").await),
        2 => house.jumio.holds(reference(1), Scan::approved("ines", FACE)),
        _ => {}
    }
    house
}

async fn is_as_it_should_be(house: &mut House, kind: u8) {
    bring(house, &attested(1, "ines"), FACE).await.unwrap();
    assert_eq!(
        (usable_slots(house).await, house.contents()),
        (1, 1),
        "what was left goes with the next import"
    );
    house.drive_for(Duration::from_mins(5)).await;
    if kind == 2 {
        house.release(1).await.unwrap();
        house.drive_for(Duration::from_mins(5)).await;
    }
    let view = house.view(1).await;
    assert_eq!((view.state, view.current), (EnrollmentState::Ready, true));
    assert_eq!(house.facemap(1).await, FACE);
    house.drive_for(Duration::from_hours(1)).await;
    assert_no_jobs_left(&house.now().queue).await;
    // Nothing contradicts, also a day later.
    house.clock.advance(Duration::from_hours(25));
    house.restart().await;
    assert_eq!((usable_slots(house).await, house.contents()), (1, 1));
    let slots = house.now().vault.slots(0).await.unwrap().views;
    assert!(slots.iter().all(|view| view.kind != SlotKind::Facemap || !view.hold));
    let book = house.book().await;
    let entries = |what: &str| book.iter().filter(|entry| entry.starts_with(what)).count();
    assert_eq!(entries("Imported None"), entries("Imported Some"), "every begin has its end");
    assert_eq!(entries("EnrollmentReady"), 1);
}

#[tokio::test]
async fn an_import_that_ends_before_or_after_any_commit_is_done_once() {
    for kind in 0..3 {
        for fault in [CommitFault::AmbiguousBefore, CommitFault::AmbiguousAfter, CommitFault::Conflict] {
            for nth in 1.. {
                let mut house = house(kind).await;
                house.store.fail_commit(nth, fault);
                let before = house.store.commits();
                let _ended = bring(&house, &attested(1, "ines"), FACE).await;
                let was_reached = house.store.commits() >= before + nth;
                house.restart().await;
                is_as_it_should_be(&mut house, kind).await;
                if !was_reached {
                    assert!(nth > 2, "the faults were reached: {nth}");
                    break;
                }
            }
        }
    }
}

#[tokio::test]
async fn an_import_that_ends_at_any_step_of_the_vault_is_done_once() {
    for kind in 0..3 {
        for step in vault::STEPS {
            let mut house = house(kind).await;
            house.now().vault.fail_at(Some(step));
            let _ended = bring(&house, &attested(1, "ines"), FACE).await;
            house.restart().await;
            is_as_it_should_be(&mut house, kind).await;
        }
    }
}

//! What strangers invent takes a fifth of the questions to Jumio at most, and holds nobody up. So does what they say
//! again about a transaction that they know, once Jumio has denied it.

use crate::{
    house::{House, callback, reference},
    jumio::Scan,
};
use ::jumio::ScanState;
use ingest::{Accept, CallbackOutcome, IngestConfig, TokenScope};
use model::EnrollmentState;
use queue::Limit;
use std::time::Duration;

/// 75 questions in five seconds, as Jumio allows.
const LIMIT: Limit = Limit { count: 75, within: Duration::from_secs(5) };

#[tokio::test]
async fn invented_references_get_a_fifth_and_the_known_come_first() {
    let house =
        House::with_both(IngestConfig { accept: Accept::All, ..IngestConfig::default() }, LIMIT).await;
    for number in 0..200 {
        house.receive(&callback(reference(number), "nobody")).await;
    }
    house.drive().await;
    // Every invented reference costs two questions: for its details, and then for its status.
    let strangers = house.jumio.calls("details") + house.jumio.calls("status");
    assert_eq!(strangers, 15, "{:?}", house.jumio.journal());
    // Somebody who was announced finds all the rest.
    for number in 201..215 {
        house.onboard(number, "ines").await;
    }
    house.drive().await;
    for number in 201..215 {
        assert_eq!(house.state(number).await, EnrollmentState::Vaulted, "{number}");
    }
}

#[tokio::test]
async fn a_stranger_that_jumio_confirms_is_none_any_more() {
    let limit = Limit { count: 5, within: Duration::from_hours(1) };
    let house =
        House::with_both(IngestConfig { accept: Accept::All, ..IngestConfig::default() }, limit).await;
    house.jumio.holds(reference(1), Scan::approved("ines", b"the face of ines"));
    house.receive(&callback(reference(1), "ines")).await;
    house.drive().await;
    // One question of the fifth for the details; the facemap is fetched from what is everybody's.
    assert_eq!(house.state(1).await, EnrollmentState::Vaulted);
    house.receive(&callback(reference(2), "nobody")).await;
    house.drive().await;
    assert_eq!(house.view(2).await.trouble.as_deref(), Some("jumio-budget"));
    // Announced, it is nobody's invention.
    house.onboard(2, "malik").await;
    house.drive().await;
    assert_eq!(house.state(2).await, EnrollmentState::Vaulted);
}

/// Somebody who is not done yet, and is known to strangers.
async fn pending(house: &House, number: u8) {
    house.jumio.holds(reference(number), Scan::pending("paula"));
    house.announce(number, "paula").await;
    house.drive().await;
}

fn questions(house: &House) -> usize {
    house.jumio.calls("details") + house.jumio.calls("status")
}

#[tokio::test]
async fn whoever_repeats_what_jumio_denied_gets_a_fifth_and_an_honest_onboarding_goes_on() {
    let house = House::with_retrievals(LIMIT).await;
    for number in 1..=3 {
        pending(&house, number).await;
    }
    let before = questions(&house);
    for _ in 0..60 {
        for number in 1..=3 {
            house.receive(&callback(reference(number), "paula")).await;
        }
        house.drive().await;
    }
    // Each of them once, for it might have been true; then what strangers get.
    assert_eq!(questions(&house) - before, 3 + 15, "{:?}", house.jumio.journal());
    for number in 1..=3 {
        assert_eq!(house.state(number).await, EnrollmentState::AwaitingUser, "it waits for its person");
    }
    for number in 10..20 {
        house.onboard(number, "ines").await;
    }
    house.drive().await;
    for number in 10..20 {
        assert_eq!(house.state(number).await, EnrollmentState::Vaulted, "{number}");
    }
}

#[tokio::test]
async fn lies_about_an_onboarding_keep_it_neither_from_its_schedule_nor_from_a_later_hint() {
    // Strangers get one question an hour.
    let limit = Limit { count: 9, within: Duration::from_hours(1) };
    let house = House::with_retrievals(limit).await;
    pending(&house, 1).await;
    house.receive(&callback(reference(1), "paula")).await;
    house.drive().await;
    let before = questions(&house);
    house.drive_for(Duration::from_secs(30)).await;
    for _ in 0..70 {
        house.receive(&callback(reference(1), "paula")).await;
        house.drive_for(Duration::from_secs(1)).await;
    }
    // One for the strangers, and those of the schedule: at 40, 60 and 100 seconds.
    assert_eq!(questions(&house) - before, 1 + 3, "{:?}", house.jumio.journal());
    house.jumio.change(reference(1), |scan| scan.state = ScanState::Done);
    house.drive_for(Duration::from_secs(61)).await;
    assert_eq!(house.state(1).await, EnrollmentState::Vaulted, "at 160 seconds");

    let house = House::with_retrievals(LIMIT).await;
    pending(&house, 1).await;
    for _ in 0..3 {
        house.receive(&callback(reference(1), "paula")).await;
        house.drive().await;
    }
    house.jumio.change(reference(1), |scan| scan.state = ScanState::Done);
    house.receive(&callback(reference(1), "paula")).await;
    house.drive().await;
    assert_eq!(house.state(1).await, EnrollmentState::Vaulted, "a true hint after three false ones");
}

#[tokio::test]
async fn what_comes_with_the_transactions_own_token_is_no_strangers() {
    let limit = Limit { count: 9, within: Duration::from_hours(1) };
    let house = House::with_retrievals(limit).await;
    let intent = [7; 16];
    pending(&house, 1).await;
    let mut known = house.enrollment(1).await;
    known.row.callback_intent = Some(intent);
    let mut commit = house.now().register.records().commit();
    house.now().register.update_enrollment(&mut commit, &known).await.unwrap();
    commit.submit().await.unwrap();
    for _ in 0..2 {
        house.receive(&callback(reference(1), "paula")).await;
        house.drive().await;
    }
    house.jumio.change(reference(1), |scan| scan.state = ScanState::Done);
    house.receive(&callback(reference(1), "paula")).await;
    house.drive().await;
    assert_eq!(house.state(1).await, EnrollmentState::AwaitingUser, "the strangers' part is spent");
    let own = TokenScope::Verification(intent);
    let id = house.ingest().receive(&callback(reference(1), "paula"), own, None).await.unwrap();
    house.drive().await;
    assert_eq!(house.outcome(id).await, Some(CallbackOutcome::Received));
    assert_eq!(house.state(1).await, EnrollmentState::Vaulted);
}

#[tokio::test]
async fn a_lie_about_one_that_was_given_up_is_asked_about_once_and_then_from_the_strangers_part() {
    let house = House::with_retrievals(LIMIT).await;
    pending(&house, 1).await;
    house.jumio.change(reference(1), |scan| scan.state = ScanState::TokenExpired);
    house.drive_for(Duration::from_mins(2)).await;
    assert_eq!(house.state(1).await, EnrollmentState::Abandoned);
    let before = questions(&house);
    for _ in 0..60 {
        house.receive(&callback(reference(1), "paula")).await;
        house.drive().await;
    }
    assert_eq!(questions(&house) - before, 1 + 15, "{:?}", house.jumio.journal());
    assert_eq!(house.state(1).await, EnrollmentState::Abandoned);
    let given_up = house.book().await.iter().filter(|line| line.starts_with("EnrollmentAbandoned")).count();
    assert_eq!(given_up, 2, "lies fill no pages");
    // True at last: it comes back.
    house.jumio.change(reference(1), |scan| scan.state = ScanState::Done);
    house.clock.advance(Duration::from_secs(6));
    house.receive(&callback(reference(1), "paula")).await;
    house.drive().await;
    assert_eq!(house.state(1).await, EnrollmentState::Vaulted);
}

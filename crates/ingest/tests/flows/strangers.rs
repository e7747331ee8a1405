//! What strangers invent takes a fifth of the questions to Jumio at most, and holds nobody up.

use crate::{
    house::{House, callback, reference},
    jumio::Scan,
};
use ingest::{Accept, IngestConfig};
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

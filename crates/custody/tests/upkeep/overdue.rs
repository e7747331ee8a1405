//! A hold whose time is over holds nobody any more, also before the next round.

use crate::{
    house::{House, reference},
    keep::{days, hold_order, is_held, upkeep},
};
use custody::CustodyError;
use jiff::SignedDuration;
use model::{Clock as _, EnrollmentState as S};
use records::tables;
use std::time::Duration;
use store::{Batch, Condition, Store as _};

async fn held_for(house: &House, number: u64, span: Duration) {
    let until = house.clock.now() + span;
    house.custody().hold(&reference(number), hold_order(Some(until))).await.unwrap();
}

#[tokio::test]
async fn whoever_orders_a_purge_after_the_end_of_a_hold_does_not_wait_for_the_next_round() {
    let house = House::new().await;
    house.enroll(1).await;
    held_for(&house, 1, Duration::from_mins(30)).await;
    upkeep(&house).await;
    house.clock.advance(Duration::from_mins(29));
    assert!(matches!(house.purge(1).await, Err(CustodyError::Held)), "not before");
    house.clock.advance(Duration::from_mins(2));
    house.purge(1).await.unwrap();
    assert_eq!(house.state(1).await, S::Purged);
}

#[tokio::test]
async fn on_a_clock_that_is_not_believed_a_hold_lasts() {
    let house = House::new().await;
    house.enroll(1).await;
    house.enroll(2).await;
    held_for(&house, 1, Duration::from_mins(30)).await;
    upkeep(&house).await;
    house.jumio.be_ahead(SignedDuration::from_hours(-3));
    house.clock.advance(days(2));
    assert!(matches!(house.purge(1).await, Err(CustodyError::Held)), "Jumio says that it is earlier");
    assert!(is_held(&house, 1).await);
}

#[tokio::test]
async fn one_that_does_not_open_keeps_no_other_held() {
    let house = House::new().await;
    for number in 1..=3 {
        house.enroll(number).await;
        held_for(&house, number, Duration::from_mins(30)).await;
    }
    for number in 1..=2 {
        use records::Key as _;
        let key = (house.key(number),).encode();
        let read = house.store.get(tables::ENROLLMENTS, &key).await.unwrap().unwrap();
        let mut batch = Batch::new();
        batch.put(tables::ENROLLMENTS, key, Condition::Version(read.version), b"no record".to_vec());
        house.store.commit(batch).await.unwrap();
    }
    house.custody().start_upkeep().await.unwrap();
    house.pass(Duration::from_hours(3)).await;
    assert!(!is_held(&house, 3).await);
}

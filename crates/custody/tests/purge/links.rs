//! What the company has sent to a person, and how often that person was sent to Jumio, goes with the person.

use crate::house::{House, reference, user};
use audit::Actor;
use model::{Clock as _, EnrollmentState, LinkId, LinkState, rng::SeededRng};
use queue::{JobKey, Kind, testing};
use register::{AttemptsRow, LinkPrivate, LinkRow};
use serde_json::Value;

/// A link of an enrollment, with its job.
async fn link(house: &House, number: u64, seed: u64) -> LinkId {
    let register = house.register();
    let found = house.enrollment(number).await;
    let (id, now) = (LinkId::random(&SeededRng::new(seed)), house.clock.now());
    let row = LinkRow {
        state: LinkState::Open,
        since: now,
        created_at: now,
        expires_at: now,
        enrollment: found.key,
        slot: found.row.slot,
        user: found.row.user.unwrap(),
        private: None,
        pressed_at: None,
        authentications: Vec::new(),
        results: 0,
        item: None,
    };
    let private = LinkPrivate {
        id,
        user_reference: found.private.unwrap().user_reference.unwrap(),
        enrollment_reference: reference(number),
        purpose: Some("Confirm your transfer".to_owned()),
        success_url: None,
        error_url: None,
        locale: None,
        request_reference: None,
    };
    let mut commit = register.records().commit();
    register.insert_link(&mut commit, row, &private).await.unwrap();
    let job = JobKey::new(Kind::LinkExpiry, &id);
    house.now().queue.schedule(&mut commit, &job, now, Value::Null).await.unwrap();
    commit.submit().await.unwrap();
    id
}

async fn tried(house: &House, number: u64) {
    let register = house.register();
    let mut commit = register.records().commit();
    let row = AttemptsRow { at: vec![house.clock.now()], locked_at: None };
    register.put_attempts(&mut commit, register.records().user_key(&user(number)), None, &row);
    commit.submit().await.unwrap();
}

async fn attempts(house: &House, number: u64) -> bool {
    let key = house.register().records().user_key(&user(number));
    house.register().attempts(key).await.unwrap().is_some()
}

#[tokio::test]
async fn a_purge_takes_every_link_and_the_attempts_along_and_nobody_elses() {
    let house = House::new().await;
    for number in 1..=2 {
        house.enroll(number).await;
        tried(&house, number).await;
    }
    // More than one page of them.
    let mut gone = Vec::new();
    for seed in 0..130 {
        gone.push(link(&house, 1, seed).await);
    }
    let stays = link(&house, 2, 1000).await;
    house.purge(1).await.unwrap();
    let register = house.register();
    for id in gone {
        assert!(register.link(id).await.unwrap().is_none());
    }
    assert!(register.links_of_user(&user(1), None, 10).await.unwrap().is_empty());
    assert!(register.links_to_purge(house.key(1), 10).await.unwrap().is_empty());
    assert!(register.link(stays).await.unwrap().unwrap().private.is_some());
    let left: Vec<_> = testing::jobs_left(&house.now().queue).await;
    let links: Vec<_> = left.into_iter().filter(|job| job.kind() == Kind::LinkExpiry).collect();
    assert_eq!(links, [JobKey::new(Kind::LinkExpiry, &stays)]);
    assert_eq!((attempts(&house, 1).await, attempts(&house, 2).await), (false, true));
}

#[tokio::test]
async fn whoever_has_another_enrollment_gets_no_new_chances_by_a_purge() {
    let house = House::new().await;
    house.enroll(1).await;
    house.enroll_as(2, 1, EnrollmentState::Vaulted, |_| {}).await;
    tried(&house, 1).await;
    house.purge(1).await.unwrap();
    assert!(attempts(&house, 1).await);
    house.purge(2).await.unwrap();
    assert!(!attempts(&house, 1).await, "the last one takes them along");
}

#[tokio::test]
async fn the_dossier_shows_what_was_sent_to_the_person_and_nobody_elses() {
    let house = House::new().await;
    for number in 1..=2 {
        house.enroll(number).await;
        link(&house, number, number).await;
        tried(&house, number).await;
    }
    let page = house.custody().dossier(&user(1), Actor::System).await.unwrap();
    assert_eq!((page.links.len(), page.attempts.len(), page.cut.links), (1, 1, false));
    let one = &page.links[0];
    assert_eq!((one.link_id, one.state), (LinkId::random(&SeededRng::new(1)), LinkState::Open));
    assert_eq!(one.purpose.as_deref(), Some("Confirm your transfer"));
    house.purge(1).await.unwrap();
    let page = house.custody().dossier(&user(1), Actor::System).await.unwrap();
    assert!(page.links.is_empty() && page.attempts.is_empty());
}

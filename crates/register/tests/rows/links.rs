//! Links open in their own row, slot and name only, and are gone with the slot.

use crate::house::{House, reference, user};
use model::{Clock as _, EnrollmentState::Ready, LinkId, LinkState, rng::SeededRng};
use records::{Key as _, Table, UserKey, tables};
use register::{Enrollment, LinkPrivate, LinkRow, RegisterError};
use store::Versioned;

static LINKS: Table<(LinkId,), LinkRow> = Table::new(tables::LINKS, "links");

async fn link(house: &House, of: &Enrollment, number: u64) -> LinkId {
    let (id, now) = (LinkId::random(&SeededRng::new(number)), house.clock.now());
    let row = LinkRow {
        state: LinkState::Open,
        since: now,
        created_at: now,
        expires_at: now,
        enrollment: of.key,
        slot: of.row.slot,
        user: house.register.records().user_key(&user(number)),
        private: None,
        pressed_at: None,
        authentications: Vec::new(),
        results: 0,
        item: None,
    };
    let private = LinkPrivate {
        id,
        user_reference: user(number),
        enrollment_reference: reference(number),
        purpose: None,
        success_url: None,
        error_url: None,
        locale: None,
        request_reference: None,
    };
    let mut commit = house.register.records().commit();
    house.register.insert_link(&mut commit, row, &private).await.unwrap();
    commit.submit().await.unwrap();
    id
}

async fn two() -> (House, [Enrollment; 2], [LinkId; 2]) {
    let house = House::new().await;
    let (one, two) = (house.enroll(1, 1, Ready).await, house.enroll(2, 2, Ready).await);
    let links = [link(&house, &one, 1).await, link(&house, &two, 2).await];
    (house, [one, two], links)
}

/// Writes a row anew, as somebody with the records' key could.
async fn rewrite(house: &House, id: LinkId, edit: impl FnOnce(&mut LinkRow)) {
    let records = house.register.records();
    let read = LINKS.get(records, &(id,)).await.unwrap().unwrap();
    let mut row = read.value.clone();
    edit(&mut row);
    let mut commit = records.commit();
    commit.update(&LINKS, &(id,), &read, &row);
    commit.submit().await.unwrap();
}

fn stored(house: &House, id: LinkId) -> Versioned {
    let key = (id,).encode();
    house.store.dump().into_iter().find(|row| row.0 == tables::LINKS && row.1 == key).unwrap().2
}

#[tokio::test]
async fn a_link_in_anothers_place_or_with_anothers_fields_leads_to_nobody() {
    let (house, [one, two], [first, second]) = two().await;
    let own = house.register.link(first).await.unwrap().unwrap();
    assert_eq!(own.private.unwrap().user_reference, user(1));
    let row = LINKS.get(house.register.records(), &(second,)).await.unwrap().unwrap().value;

    rewrite(&house, first, |link| link.private.clone_from(&row.private)).await;
    assert!(matches!(house.register.link(first).await, Err(RegisterError::Damaged)), "another's fields");
    rewrite(&house, first, |link| (link.slot, link.enrollment) = (two.row.slot, two.key)).await;
    assert!(matches!(house.register.link(first).await, Err(RegisterError::Damaged)), "and slot");
    rewrite(&house, first, |link| {
        link.private.clone_from(&own.row.private);
        (link.slot, link.enrollment) = (one.row.slot, one.key);
    })
    .await;
    assert!(house.register.link(first).await.is_ok());
    for edit in [
        (|link: &mut LinkRow, row: &LinkRow| link.user = row.user) as fn(&mut LinkRow, &LinkRow),
        |link, row| link.enrollment = row.enrollment,
    ] {
        rewrite(&house, first, |link| edit(link, &row)).await;
        assert!(matches!(house.register.link(first).await, Err(RegisterError::WrongPerson)));
        rewrite(&house, first, |link| (link.user, link.enrollment) = (own.row.user, own.row.enrollment))
            .await;
    }
    house.store.tamper(tables::LINKS, &(first,).encode(), stored(&house, second));
    assert!(house.register.link(first).await.is_err(), "another's row");
}

#[tokio::test]
async fn an_index_that_names_anothers_link_is_an_error() {
    let (house, _, [first, _]) = two().await;
    assert_eq!(house.register.links_of_user(&user(1), None, 10).await.unwrap().len(), 1);
    let other: UserKey = house.register.records().user_key(&user(2));
    rewrite(&house, first, |link| link.user = other).await;
    assert!(house.register.links_of_user(&user(1), None, 10).await.is_err());
}

#[tokio::test]
async fn burning_the_slot_reaches_every_copy_of_a_link() {
    let (house, [one, _], [first, second]) = two().await;
    let kept = stored(&house, first);
    house.vault.burn(one.row.slot).await.unwrap();
    house.store.tamper(tables::LINKS, &(first,).encode(), kept);
    assert!(house.register.link(first).await.unwrap().unwrap().private.is_none());
    assert!(house.register.link(second).await.unwrap().unwrap().private.is_some());
}

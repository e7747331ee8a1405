//! Acts on keys: whatever happens meanwhile, everything opens, and no key goes that something needs.

#![expect(clippy::unwrap_used, reason = "helpers of tests: what cannot be set up fails the test")]

mod house;
mod rewrap;

use audit::{Action, Outcome, Part};
use custody::{CustodyError, HeldKeysShelf, KeyUse, KeyView};
use house::{House, admin};
use seal::{HeldKeys, KeyId, KeyProvider as _, ProviderError};
use std::time::Duration;

#[tokio::test]
async fn the_list_says_what_lies_under_each_key() {
    let house = House::new().await;
    house.vaulted(1).await;
    let old = house.active();
    let new = house.provider.rotate().await.unwrap();
    for number in [2, 3] {
        house.vaulted(number).await;
    }
    let list = house.keys().list().await.unwrap();
    assert_eq!(list.provider, "memory");
    let wrapping = |id| {
        let (active, slots) = if id == old { (false, 1) } else { (true, 2) };
        KeyView::Wrapping { id, active, present: true, slots, held_keys: id == old }
    };
    let mut ids = [old, new];
    ids.sort();
    assert_eq!(list.items[..2], ids.map(wrapping));
    let uses: Vec<_> = house.shelf.file().keys.iter().map(|key| key.purpose.clone()).collect();
    let listed: Vec<_> = list.items[2..]
        .iter()
        .map(|key| match key {
            KeyView::Held { purpose, .. } => purpose.clone(),
            KeyView::Wrapping { .. } => panic!("a third wrapping key"),
        })
        .collect();
    assert_eq!(listed, uses);
    assert!(listed.contains(&"records".to_owned()) && listed.contains(&"receipts".to_owned()));
    // A key that slots name and the provider has lost is on the list, and not hidden.
    house.provider.remove(old).await.unwrap();
    let list = house.keys().list().await.unwrap();
    let missing = KeyView::Wrapping { id: old, active: false, present: false, slots: 1, held_keys: true };
    assert!(list.items.contains(&missing));
}

#[tokio::test]
async fn a_rotation_is_written_down_and_the_held_keys_lie_under_the_new_key() {
    let mut house = House::new().await;
    let person = house.vaulted(1).await;
    let old = house.active();
    let rotated = house.keys().rotate(admin()).await.unwrap();
    assert_eq!((rotated.previous, rotated.id), (old, house.active()));
    assert!(rotated.held_keys_rewrapped);
    assert_eq!(house.under(old).await, Some((1, false)));
    assert_eq!(house.under(rotated.id).await, Some((0, true)));
    let book = house.book(Action::KeyRotated).await;
    assert_eq!(book.len(), 2);
    assert_eq!((&book[0].0, &book[0].2), (&Part::Begin, &vec![format!("previous={old}")]));
    assert_eq!(book[1].1, Some(Outcome::Done));
    assert!(book[1].2.contains(&format!("key={}", rotated.id)));
    house.restart().await;
    assert!(house.opens(&person).await);
}

#[tokio::test]
async fn a_rotation_that_cannot_be_written_down_does_not_happen() {
    let mut house = House::new().await;
    let old = house.active();
    house.store.set_no_space(true);
    assert!(matches!(house.keys().rotate(admin()).await, Err(CustodyError::Audit(_))));
    assert!(matches!(house.keys().remove(old, admin()).await, Err(CustodyError::KeyNeeded { .. })));
    let other = house.provider.rotate().await.unwrap();
    house.shelf_under(other).await;
    assert!(matches!(house.keys().remove(old, admin()).await, Err(CustodyError::Audit(_))));
    house.store.set_no_space(false);
    assert_eq!(house.provider.ids().len(), 2);
    house.restart().await;
    assert_eq!(house.active(), other);
}

#[tokio::test]
async fn a_provider_that_is_away_makes_no_key_and_the_book_says_that_nobody_knows() {
    let house = House::new().await;
    let old = house.active();
    house.provider.inner.go_away();
    let refused = house.keys().rotate(admin()).await.unwrap_err();
    assert!(matches!(&refused, CustodyError::Keys(ProviderError::Unavailable(_))), "{refused}");
    assert!(refused.is_retryable());
    house.provider.inner.come_back();
    assert_eq!(house.active(), old);
    assert_eq!(house.book(Action::KeyRotated).await[1].1, Some(Outcome::Unknown));
}

#[tokio::test]
async fn a_key_goes_only_when_nothing_needs_it() {
    let mut house = House::new().await;
    let person = house.vaulted(1).await;
    let old = house.active();
    let needed = async |house: &House, id: KeyId| match house.keys().remove(id, admin()).await {
        Err(CustodyError::KeyNeeded { id: of, by }) if of == id => by,
        other => panic!("{other:?}"),
    };
    assert_eq!(needed(&house, old).await, KeyUse::Active);
    // The held keys stay where they are while the shelf is stuck: that alone keeps the key.
    house.shelf.stick(true);
    assert!(!house.keys().rotate(admin()).await.unwrap().held_keys_rewrapped);
    assert_eq!(needed(&house, old).await, KeyUse::HeldKeys);
    house.shelf.stick(false);
    house.shelf_under(house.active()).await;
    assert_eq!(needed(&house, old).await, KeyUse::Slots { slots: 1 });
    assert!(needed(&house, old).await.to_string().contains("keys rewrap"));
    for key in house.shelf.file().keys {
        assert_eq!(needed(&house, key.id).await, KeyUse::Held { purpose: key.purpose });
    }
    let stranger = KeyId::from_bytes([1; 8]);
    let unknown = house.keys().remove(stranger, admin()).await;
    assert!(matches!(unknown, Err(CustodyError::UnknownKey(id)) if id == stranger));
    assert!(house.opens(&person).await, "nothing was removed so far");

    house.keys().rewrap(admin()).await.unwrap();
    house.drive().await;
    house.keys().remove(old, admin()).await.unwrap();
    assert_eq!(house.provider.ids(), [house.active()]);
    let book = house.book(Action::KeyRemoved).await;
    assert_eq!(book.last().unwrap().1, Some(Outcome::Done));
    assert_eq!(book.iter().filter(|entry| entry.1 == Some(Outcome::Done)).count(), 1);
    house.restart().await;
    assert!(house.opens(&person).await);
}

#[tokio::test]
async fn a_burnt_slot_needs_no_key() {
    let house = House::new().await;
    let person = house.vaulted(1).await;
    let old = house.active();
    house.keys().rotate(admin()).await.unwrap();
    house.now().vault.burn(person.slot).await.unwrap();
    house.keys().remove(old, admin()).await.unwrap();
}

#[tokio::test]
async fn a_facemap_that_is_being_put_keeps_the_key_that_was_active_when_it_was_wrapped() {
    let house = House::new().await;
    let old = house.active();
    house.provider.close();
    let vault = house.now().vault.clone();
    let slot = vault.prepare(vault::SlotKind::Facemap, seal::Pseudonym::from_bytes([1; 32])).await.unwrap();
    let (enrollment, facemap) = (house::reference(1), vec![1; 2000]);
    let putting = {
        let (vault, facemap) = (vault.clone(), model::FacemapBytes::new(facemap.clone()));
        tokio::spawn(async move { vault.put(slot, &enrollment, b"", facemap).await })
    };
    house.provider.reached().await;
    // Wrapped under the old key, and in no slot yet. The old key is not active any more, and no slot names it.
    let new = house.provider.rotate().await.unwrap();
    let held = house.shelf.file().rewrapped(&house.provider.inner).await.unwrap();
    HeldKeysShelf::store(&*house.shelf, held).await.unwrap();
    assert_eq!(house.active(), new);
    let mut removing = Box::pin(house.keys().remove(old, admin()));
    let early = tokio::time::timeout(Duration::from_millis(300), &mut removing).await;
    assert!(early.is_err(), "it did not wait: {early:?}");
    house.provider.open();
    let contents = putting.await.unwrap().unwrap();
    let refused = removing.await.unwrap_err();
    assert!(matches!(refused, CustodyError::KeyNeeded { by: KeyUse::Slots { slots: 1 }, .. }), "{refused}");
    vault.make_live(slot).await.unwrap();
    let person = house::Person { enrollment, slot, contents, facemap };
    assert!(house.opens(&person).await);
}

#[tokio::test]
async fn a_slot_that_is_being_rewrapped_keeps_the_key_that_it_comes_under() {
    let house = House::new().await;
    let person = house.vaulted(1).await;
    let between = house.keys().rotate(admin()).await.unwrap().id;
    house.keys().rewrap(admin()).await.unwrap();
    house.provider.close();
    let rewrapping = house.one_page();
    let removing = async {
        // Rewrapped under a key that is not active any more, and not in its slot yet.
        house.provider.reached().await;
        house.provider.rotate().await.unwrap();
        let held = house.shelf.file().rewrapped(&house.provider.inner).await.unwrap();
        HeldKeysShelf::store(&*house.shelf, held).await.unwrap();
        let mut removing = Box::pin(house.keys().remove(between, admin()));
        let early = tokio::time::timeout(Duration::from_millis(300), &mut removing).await;
        assert!(early.is_err(), "it did not wait: {early:?}");
        house.provider.open();
        removing.await
    };
    let ((), removed) = tokio::join!(rewrapping, removing);
    assert!(matches!(removed, Err(CustodyError::KeyNeeded { .. })), "{removed:?}");
    assert!(house.opens(&person).await);
}

#[tokio::test]
async fn an_act_whose_caller_goes_away_comes_to_its_end() {
    let house = House::new().await;
    let old = house.active();
    {
        let mut rotation = Box::pin(house.keys().rotate(admin()));
        // Polled once, so that it has begun, and dropped.
        let first = std::future::poll_fn(|context| std::task::Poll::Ready(rotation.as_mut().poll(context)));
        assert!(first.await.is_pending());
    }
    let ended = async {
        while house.book(Action::KeyRotated).await.len() < 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), ended).await.unwrap();
    assert_ne!(house.active(), old);
}

#[tokio::test]
async fn acts_on_keys_wait_for_one_another_and_the_last_key_is_never_lost() {
    let house = House::new().await;
    let person = house.vaulted(1).await;
    let (first, second) = tokio::join!(house.keys().rotate(admin()), house.keys().rotate(admin()));
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(second.previous, first.id);
    let (rotated, removed) =
        tokio::join!(house.keys().rotate(admin()), house.keys().remove(second.id, admin()));
    // Whichever came first: the held keys open.
    rotated.unwrap();
    let _ = removed;
    assert!(HeldKeys::open(&*house.provider, &house.shelf.file()).await.is_ok());
    assert!(house.opens(&person).await);
}

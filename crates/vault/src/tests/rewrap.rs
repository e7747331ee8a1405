//! Other wrapping keys.

use super::{Home, Person, enrollment, opens, subject, vaulted};
use crate::{
    Damage, SlotKind, SlotRef, SlotStatus, Step, Vault, VaultError,
    sector::{SECRET_AT, SECTOR, WRAPPED_AT},
};
use async_trait::async_trait;
use model::FacemapBytes;
use seal::{KeyId, KeyProvider, MemoryProvider, Place, ProviderError};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

fn wrapped(sector: &[u8; SECTOR]) -> &[u8] {
    &sector[WRAPPED_AT..WRAPPED_AT + usize::from(u16::from_be_bytes([sector[112], sector[113]]))]
}

fn key_of(home: &Home, slot: SlotRef) -> KeyId {
    home.provider.key_of(wrapped(&home.sector(slot))).unwrap()
}

async fn three(vault: &Vault) -> Vec<Person> {
    let mut people = Vec::new();
    for number in 1..4 {
        people.push(vaulted(vault, number, 1000).await);
    }
    people
}

#[tokio::test]
async fn a_rewrap_brings_every_data_key_under_the_active_key_and_leaves_nothing_of_the_old_wrapping() {
    let home = Home::new();
    let vault = home.open().await;
    let people = three(&vault).await;
    let prepared = vault.prepare(SlotKind::Facemap, subject(9)).await.unwrap();
    let contents = vault.put(prepared, &enrollment(9), b"", FacemapBytes::new(vec![9; 90])).await.unwrap();
    let old = home.provider.active();
    let before: Vec<_> = people.iter().map(|person| home.sector(person.slot)).collect();
    assert_eq!(vault.wrapping_keys().await.unwrap(), BTreeMap::from([(old, 4)]));
    let new = home.provider.rotate().await.unwrap();
    let done = vault.rewrap(0).await.unwrap();
    assert_eq!((done.slots, done.damaged.len(), done.next), (4, 0, None));
    assert_eq!(vault.wrapping_keys().await.unwrap(), BTreeMap::from([(new, 4)]));
    for sector in &before {
        for piece in wrapped(sector).chunks_exact(8).skip(2) {
            assert!(!home.has_on_disk(piece));
        }
    }
    home.provider.remove(old).await.unwrap();
    for person in &people {
        assert_eq!(key_of(&home, person.slot), new);
        assert!(opens(&vault, person).await.unwrap());
    }
    vault.make_live(prepared).await.unwrap();
    vault.open_facemap(prepared, &enrollment(9), &contents).await.unwrap();
    assert_eq!(vault.rewrap(0).await.unwrap().slots, 0, "what is under the active key is left alone");
}

#[tokio::test]
async fn a_rewrap_changes_the_wrapped_key_and_nothing_else() {
    let home = Home::new();
    let vault = home.open().await;
    let person = vaulted(&vault, 1, 1000).await;
    vault.set_hold(person.slot, true).await.unwrap();
    vault.mark_original_deleted(person.slot).await.unwrap();
    vault.mark_replaced(person.slot, true).await.unwrap();
    let before = home.sector(person.slot);
    home.provider.rotate().await.unwrap();
    vault.rewrap(0).await.unwrap();
    let after = home.sector(person.slot);
    assert_eq!(after[..WRAPPED_AT], before[..WRAPPED_AT], "status, flags, secret");
    assert_ne!(wrapped(&after), wrapped(&before));
}

#[tokio::test]
async fn slots_without_a_data_key_and_burnt_ones_name_no_key_and_are_left_alone() {
    let home = Home::new();
    let vault = home.open().await;
    let burnt = vaulted(&vault, 1, 100).await;
    vault.burn(burnt.slot).await.unwrap();
    vault.prepare(SlotKind::Facemap, subject(2)).await.unwrap();
    let epoch = vault.prepare(SlotKind::InboxEpoch, subject(3)).await.unwrap();
    vault.make_live(epoch).await.unwrap();
    let before = home.bytes();
    home.provider.rotate().await.unwrap();
    assert_eq!(vault.rewrap(0).await.unwrap().slots, 0);
    assert!(vault.wrapping_keys().await.unwrap().is_empty());
    assert_eq!(home.bytes(), before);
}

#[tokio::test]
async fn a_slot_whose_wrapping_is_damaged_stops_no_other_and_is_named() {
    let home = Home::new();
    let vault = home.open().await;
    let people = three(&vault).await;
    let mut sector = home.sector(people[1].slot);
    sector[WRAPPED_AT + 120] ^= 1;
    super::recompute(&vault, &mut sector);
    home.write_sector(people[1].slot.index, &sector);
    home.provider.rotate().await.unwrap();
    let done = vault.rewrap(0).await.unwrap();
    assert_eq!((done.slots, done.damaged), (2, vec![people[1].slot]));
    assert_eq!(home.sector(people[1].slot), sector);
}

#[tokio::test]
async fn without_the_provider_nothing_is_changed_and_later_it_goes_on() {
    let home = Home::new();
    let vault = home.open().await;
    let people = three(&vault).await;
    home.provider.rotate().await.unwrap();
    home.provider.go_away();
    let before = home.bytes();
    assert!(vault.rewrap(0).await.unwrap_err().is_retryable());
    assert_eq!(home.bytes(), before);
    home.provider.come_back();
    assert_eq!(vault.rewrap(0).await.unwrap().slots, 3);
    assert!(opens(&vault, &people[0]).await.unwrap());
}

#[tokio::test]
async fn a_rewrap_cut_short_leaves_every_slot_openable_with_both_keys_there() {
    let home = Home::new();
    let vault = home.open().await;
    let people = three(&vault).await;
    home.provider.rotate().await.unwrap();
    vault.fail_at(Some(Step::Rewrapped));
    vault.rewrap(0).await.unwrap_err();
    drop(vault);
    let vault = home.open().await;
    for person in &people {
        assert!(opens(&vault, person).await.unwrap());
    }
    vault.rewrap(0).await.unwrap();
    assert_eq!(vault.wrapping_keys().await.unwrap(), BTreeMap::from([(home.provider.active(), 3)]));
}

/// Where a call waits for the test: the test is told that it got there, and says when it goes on.
type Pause = Mutex<Option<(oneshot::Sender<()>, oneshot::Receiver<()>)>>;

async fn wait(pause: &Pause) {
    let pause = pause.lock().unwrap().take();
    if let Some((began, go_on)) = pause {
        began.send(()).unwrap();
        go_on.await.unwrap();
    }
}

/// Stops the next call that comes there: answers when it has come, and lets it go on.
fn pause(pause: &Pause) -> (oneshot::Receiver<()>, oneshot::Sender<()>) {
    let ((began, has_begun), (go_on, goes_on)) = (oneshot::channel(), oneshot::channel());
    *pause.lock().unwrap() = Some((began, goes_on));
    (has_begun, go_on)
}

/// What goes wrong with the provider.
#[derive(Clone, Copy, PartialEq)]
enum Spoil {
    Nothing,
    /// It wraps, and nobody can unwrap what it made.
    Unopenable,
    /// It wraps something else than it was given.
    SomethingElse,
}

/// A provider that wraps badly once it is told to, or waits for the test in the middle of an unwrapping.
struct Odd {
    inner: Arc<MemoryProvider>,
    spoil: Mutex<Spoil>,
    /// Before the next unwrapping.
    pause: Pause,
    /// Behind the next wrapping.
    pause_wrapped: Pause,
}

#[async_trait]
impl KeyProvider for Odd {
    fn name(&self) -> &'static str {
        "odd"
    }
    fn active(&self) -> KeyId {
        self.inner.active()
    }
    async fn wrap(&self, place: &Place<'_>, plaintext: &[u8]) -> Result<Vec<u8>, ProviderError> {
        let spoil = *self.spoil.lock().unwrap();
        let mut plaintext = plaintext.to_vec();
        if spoil == Spoil::SomethingElse {
            plaintext[0] ^= 1;
        }
        let mut wrapped = self.inner.wrap(place, &plaintext).await?;
        wait(&self.pause_wrapped).await;
        if spoil == Spoil::Unopenable {
            wrapped[120] ^= 1;
        }
        Ok(wrapped)
    }
    async fn unwrap(&self, place: &Place<'_>, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, ProviderError> {
        wait(&self.pause).await;
        self.inner.unwrap(place, wrapped).await
    }
    fn key_of(&self, wrapped: &[u8]) -> Result<KeyId, ProviderError> {
        self.inner.key_of(wrapped)
    }
    fn ids(&self) -> Vec<KeyId> {
        self.inner.ids()
    }
    async fn rotate(&self) -> Result<KeyId, ProviderError> {
        self.inner.rotate().await
    }
    async fn remove(&self, id: KeyId) -> Result<(), ProviderError> {
        self.inner.remove(id).await
    }
}

async fn with_odd_provider(home: &Home) -> (Vault, Arc<Odd>) {
    let odd = Arc::new(Odd {
        inner: home.provider.clone(),
        spoil: Mutex::new(Spoil::Nothing),
        pause: Mutex::default(),
        pause_wrapped: Mutex::default(),
    });
    (home.open_with(odd.clone()).await, odd)
}

#[tokio::test]
async fn a_new_wrapping_that_does_not_give_back_the_key_never_takes_the_place_of_the_old_one() {
    for spoil in [Spoil::Unopenable, Spoil::SomethingElse] {
        let home = Home::new();
        let (vault, odd) = with_odd_provider(&home).await;
        let person = vaulted(&vault, 1, 1000).await;
        home.provider.rotate().await.unwrap();
        *odd.spoil.lock().unwrap() = spoil;
        let before = home.sector(person.slot);
        assert!(matches!(vault.rewrap(0).await, Err(VaultError::Keys(_))));
        assert_eq!(home.sector(person.slot), before);
        assert!(opens(&vault, &person).await.unwrap());
    }
}

#[tokio::test]
async fn a_slot_that_is_burnt_while_it_is_rewrapped_ends_burnt() {
    let home = Home::new();
    let (vault, odd) = with_odd_provider(&home).await;
    let person = vaulted(&vault, 1, 1000).await;
    home.provider.rotate().await.unwrap();
    let (has_begun, go_on) = pause(&odd.pause);
    let rewrap = tokio::spawn({
        let vault = vault.clone();
        async move { vault.rewrap(0).await }
    });
    has_begun.await.unwrap();
    let burn = tokio::spawn({
        let vault = vault.clone();
        async move { vault.burn(person.slot).await }
    });
    // The burning has its chance to come in between.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    go_on.send(()).unwrap();
    rewrap.await.unwrap().unwrap();
    burn.await.unwrap().unwrap();
    let (sector, view) = (home.sector(person.slot), vault.view(person.slot).await.unwrap());
    assert_eq!(view.status, SlotStatus::Burnt);
    assert!(home.provider.key_of(&sector[WRAPPED_AT..WRAPPED_AT + 200]).is_err(), "random to the last byte");
}

#[tokio::test]
async fn a_facemap_that_is_opened_while_its_old_key_goes_opens() {
    let home = Home::new();
    let (vault, odd) = with_odd_provider(&home).await;
    let person = vaulted(&vault, 1, 1000).await;
    let old = home.provider.active();
    home.provider.rotate().await.unwrap();
    let (has_begun, go_on) = pause(&odd.pause);
    let opened = tokio::spawn({
        let (vault, slot, enrollment, contents) =
            (vault.clone(), person.slot, person.enrollment, person.contents);
        async move { vault.open_facemap(slot, &enrollment, &contents).await }
    });
    has_begun.await.unwrap();
    assert_eq!(vault.rewrap(0).await.unwrap().slots, 1);
    home.provider.remove(old).await.unwrap();
    go_on.send(()).unwrap();
    assert_eq!(opened.await.unwrap().unwrap().expose(), person.facemap);
}

#[tokio::test]
async fn two_rewraps_at_the_same_time_and_puts_beside_them_lose_nothing() {
    let home = Home::new();
    let vault = home.open().await;
    let mut people = three(&vault).await;
    home.provider.rotate().await.unwrap();
    let rewraps: Vec<_> = (0..2)
        .map(|_| {
            let vault = vault.clone();
            tokio::spawn(async move { vault.rewrap(0).await.unwrap().slots })
        })
        .collect();
    for number in 4..8 {
        people.push(vaulted(&vault, number, 1000).await);
    }
    let mut slots = 0;
    for rewrap in rewraps {
        slots += rewrap.await.unwrap();
    }
    assert_eq!(slots, 3, "each slot once");
    for person in &people {
        assert!(opens(&vault, person).await.unwrap());
    }
}

#[tokio::test]
async fn a_slot_that_does_not_name_its_key_keeps_the_count_from_being_believed() {
    let home = Home::new();
    let vault = home.open().await;
    let people = three(&vault).await;
    let mut sector = home.sector(people[0].slot);
    sector[WRAPPED_AT] ^= 0xff;
    super::recompute(&vault, &mut sector);
    home.write_sector(people[0].slot.index, &sector);
    assert!(matches!(vault.wrapping_keys().await, Err(VaultError::Damaged(Damage::DataKey))));
    assert_ne!(sector[SECRET_AT..WRAPPED_AT], [0; 36], "the rest of the sector is as it was");
}

#[tokio::test]
async fn a_key_that_is_not_named_is_needed_by_no_put_that_is_under_way_either() {
    let home = Home::new();
    let (vault, odd) = with_odd_provider(&home).await;
    let slot = vault.prepare(SlotKind::Facemap, subject(1)).await.unwrap();
    let old = home.provider.active();
    let (is_wrapped, go_on) = pause(&odd.pause_wrapped);
    let put = tokio::spawn({
        let vault = vault.clone();
        async move { vault.put(slot, &enrollment(1), b"", FacemapBytes::new(vec![1; 50])).await }
    });
    is_wrapped.await.unwrap();
    home.provider.rotate().await.unwrap();
    vault.rewrap(0).await.unwrap();
    let asked = tokio::spawn({
        let vault = vault.clone();
        async move { vault.wrapping_keys().await }
    });
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    go_on.send(()).unwrap();
    assert_eq!(asked.await.unwrap().unwrap(), BTreeMap::from([(old, 1)]));
    put.await.unwrap().unwrap();
    assert_eq!(vault.rewrap(0).await.unwrap().slots, 1, "and the next rewrap brings it along");
}

//! Held keys open with the keys that the vault was made with, whole and in their places, or not at all.

#![expect(clippy::unwrap_used, reason = "helpers of tests: what cannot be set up fails the test")]

use model::rng::SeededRng;
use seal::{
    HeldKeys, HeldKeysFile, KeyId, KeyProvider, Keyring, MemoryProvider, Place, ProviderError, Purpose,
    SealError, SealingKey,
};

const PLACE: Place<'_> = Place { table: "t", record: b"r", field: "f", generation: 0 };

async fn made() -> (MemoryProvider, HeldKeys, HeldKeysFile) {
    let provider = MemoryProvider::new(1);
    let (held, file) = HeldKeys::create(&provider, &SeededRng::new(2)).await.unwrap();
    (provider, held, file)
}

/// What all keys together make of a fixed input: equal only if the keys are.
fn fingerprint(held: &HeldKeys) -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = [held.records(), held.inbox(), held.audit(), held.persons()]
        .map(|key| key.seal(&SeededRng::new(0), Purpose::Record, &PLACE, b"x"))
        .into();
    all.push(held.pseudonyms().of("user", b"x").as_bytes().to_vec());
    all.push(held.callback_tokens().tag("x", b"x").to_vec());
    all.push(held.links().tag("x", b"x").to_vec());
    all.push(held.receipts().sign(b"x").to_vec());
    all.push(held.audit_links().tag("x", b"x").to_vec());
    all
}

#[tokio::test]
async fn they_come_back_as_they_were_made_and_no_two_are_alike() {
    let (provider, held, file) = made().await;
    let text = serde_json::to_string(&file).unwrap();
    let again = HeldKeys::open(&provider, &serde_json::from_str(&text).unwrap()).await.unwrap();
    assert_eq!(fingerprint(&held), fingerprint(&again));
    let mut prints = fingerprint(&held);
    // Without the parts that hold the key id.
    prints.iter_mut().take(4).for_each(|envelope| drop(envelope.drain(..42)));
    prints.sort();
    prints.dedup();
    assert_eq!(prints.len(), 9);
}

#[tokio::test]
async fn other_wrapping_keys_are_not_the_keys_this_vault_was_made_with() {
    let (_, _, file) = made().await;
    let refused = HeldKeys::open(&MemoryProvider::new(9), &file).await.unwrap_err();
    assert_eq!(refused, SealError::NotTheseKeys);
    assert!(!refused.is_retryable());
    assert!(refused.to_string().contains("these are not the keys this vault was made with"));
}

#[tokio::test]
async fn a_provider_that_is_away_is_told_apart_from_the_wrong_one() {
    let (provider, _, file) = made().await;
    provider.go_away();
    assert!(HeldKeys::open(&provider, &file).await.unwrap_err().is_retryable());
    provider.come_back();
    assert!(HeldKeys::open(&provider, &file).await.is_ok());
}

#[tokio::test]
async fn exchanged_renamed_missing_and_repeated_entries_are_refused() {
    let (provider, _, file) = made().await;
    let open = async |change: &dyn Fn(&mut HeldKeysFile)| {
        let mut file = file.clone();
        change(&mut file);
        HeldKeys::open(&provider, &file).await.unwrap_err()
    };
    let exchanged = open(&|file| {
        let first = file.keys[0].wrapped.clone();
        file.keys[0].wrapped = std::mem::replace(&mut file.keys[1].wrapped, first);
    });
    assert_eq!(exchanged.await, SealError::NotTheseKeys);
    let renamed = open(&|file| {
        let first = file.keys[0].purpose.clone();
        file.keys[0].purpose = std::mem::replace(&mut file.keys[1].purpose, first);
    });
    assert_eq!(renamed.await, SealError::NotTheseKeys);
    let missing = open(&|file| drop(file.keys.pop()));
    assert_eq!(missing.await, SealError::DamagedHeldKeys("a key is missing"));
    let repeated = open(&|file| file.keys.push(file.keys[0].clone()));
    assert_eq!(repeated.await, SealError::DamagedHeldKeys("a key is there twice"));
    let strange = open(&|file| "mystery".clone_into(&mut file.keys[0].purpose));
    assert_eq!(strange.await, SealError::DamagedHeldKeys("a key has an unknown use"));
    let garbled = open(&|file| file.keys[0].wrapped.insert(0, '!'));
    assert_eq!(garbled.await, SealError::DamagedHeldKeys("a key is not in base64"));
}

#[tokio::test]
async fn a_later_format_is_refused_before_anything_is_opened() {
    let (provider, _, mut file) = made().await;
    let calls = provider.calls();
    file.version += 1;
    let refused = HeldKeys::open(&provider, &file).await.unwrap_err();
    assert_eq!(refused, SealError::NewerHeldKeys { found: 3, known: 2 });
    assert_eq!(provider.calls(), calls);
}

#[tokio::test]
async fn what_a_provider_wrapped_opens_at_its_place_only() {
    let provider = MemoryProvider::new(1);
    let wrapped = provider.wrap(&PLACE, b"a key").await.unwrap();
    assert_eq!(provider.key_of(&wrapped), Ok(provider.active()));
    assert_eq!(**provider.unwrap(&PLACE, &wrapped).await.unwrap(), *b"a key");
    let elsewhere = Place { generation: 1, ..PLACE };
    assert_eq!(provider.unwrap(&elsewhere, &wrapped).await, Err(ProviderError::Refused));
    assert_eq!(provider.unwrap(&PLACE, b"something else").await, Err(ProviderError::NotWrapped));
    let stranger = MemoryProvider::new(2);
    assert_eq!(stranger.unwrap(&PLACE, &wrapped).await, Err(ProviderError::UnknownKey(provider.active())));
}

#[test]
fn a_keyring_unwraps_with_every_key_and_wraps_with_the_active_one() {
    let rng = SeededRng::new(4);
    let [old, new] = [(); 2].map(|()| SealingKey::generate(&rng));
    let wrapped = old.seal(&rng, Purpose::WrappingLayer, &PLACE, b"x");
    let (old_id, new_id) = (old.id(), new.id());
    let keyring = Keyring::new(new_id, [old, new]).unwrap();
    assert_eq!(**keyring.unwrap(&PLACE, &wrapped).unwrap(), *b"x");
    assert_eq!(Keyring::key_of(&wrapped), Ok(old_id));
    assert_eq!(Keyring::key_of(&keyring.wrap(&rng, &PLACE, b"x")), Ok(new_id));
}

#[test]
fn a_keyring_without_its_active_key_or_with_one_id_twice_is_refused() {
    let key = || SealingKey::generate(&SeededRng::new(4));
    let stranger = KeyId::from_bytes([0; 8]);
    assert_eq!(Keyring::new(stranger, [key()]).unwrap_err(), SealError::NoActiveKey(stranger));
    assert_eq!(Keyring::new(key().id(), [key(), key()]).unwrap_err(), SealError::RepeatedKey(key().id()));
}

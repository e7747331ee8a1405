//! Keys that change: the ring follows, the held keys come under the new one, and signatures stay what they are.

use async_trait::async_trait;
use model::{hex, rng::SeededRng};
use ring::signature::{ED25519, UnparsedPublicKey};
use seal::{
    HeldKeys, KeyId, KeyProvider, Keyring, MemoryProvider, Place, ProviderError, SealError, SealingKey,
    SigningKey, SymmetricKey,
};
use zeroize::Zeroizing;

const PLACE: Place<'_> = Place { table: "t", record: b"r", field: "f", generation: 0 };

#[test]
fn a_keyring_takes_a_new_key_and_lets_an_old_one_go_but_never_the_active_one() {
    let rng = SeededRng::new(1);
    let [first, second] = [(); 2].map(|()| SealingKey::generate(&rng));
    let (old, new) = (first.id(), second.id());
    let keyring = Keyring::new(old, [first]).unwrap();
    let before = keyring.wrap(&rng, &PLACE, b"x");
    keyring.activate(second).unwrap();
    let mut ids = [old, new];
    ids.sort();
    assert_eq!((keyring.active(), keyring.ids()), (new, ids.to_vec()));
    assert_eq!(**keyring.unwrap(&PLACE, &before).unwrap(), *b"x");
    assert_eq!(Keyring::key_of(&keyring.wrap(&rng, &PLACE, b"x")), Ok(new));
    let twice = SealingKey::new(old, SymmetricKey::generate(&rng));
    assert_eq!(keyring.activate(twice), Err(SealError::RepeatedKey(old)));
    assert_eq!(keyring.remove(new), Err(ProviderError::ActiveKey(new)));
    assert_eq!(keyring.remove(old), Ok(()));
    assert_eq!(keyring.unwrap(&PLACE, &before), Err(ProviderError::UnknownKey(old)));
    assert_eq!(keyring.remove(old), Err(ProviderError::NoSuchKey(old)));
}

#[tokio::test]
async fn held_keys_wrapped_anew_are_the_same_keys_under_the_active_one() {
    let provider = MemoryProvider::new(1);
    let (held, file) = HeldKeys::create(&provider, &SeededRng::new(2)).await.unwrap();
    let old = provider.active();
    let new = provider.rotate().await.unwrap();
    assert_eq!(file.wrapping_keys(&provider), Ok(vec![old]));
    let anew = file.rewrapped(&provider).await.unwrap();
    assert_eq!(anew.wrapping_keys(&provider), Ok(vec![new]));
    provider.remove(old).await.unwrap();
    assert_eq!(HeldKeys::open(&provider, &file).await.unwrap_err(), SealError::NotTheseKeys);
    let again = HeldKeys::open(&provider, &anew).await.unwrap();
    assert_eq!(again.receipts().public(), held.receipts().public());
    assert_eq!(again.audit_links().tag("x", b"y"), held.audit_links().tag("x", b"y"));
    assert_eq!(again.pseudonyms().of("x", b"y"), held.pseudonyms().of("x", b"y"));
}

#[tokio::test]
async fn held_keys_that_say_not_under_which_key_they_lie_are_damaged_and_not_needless() {
    let provider = MemoryProvider::new(1);
    let (_, file) = HeldKeys::create(&provider, &SeededRng::new(2)).await.unwrap();
    let mut garbled = file.clone();
    garbled.keys[3].wrapped.insert(0, '!');
    let damaged = SealError::DamagedHeldKeys("a key is not in base64");
    assert_eq!(garbled.wrapping_keys(&provider), Err(damaged.clone()));
    assert_eq!(garbled.rewrapped(&provider).await, Err(damaged));
    let mut foreign = file.clone();
    foreign.keys[3].wrapped = "AAAA".to_owned();
    assert_eq!(foreign.wrapping_keys(&provider), Err(ProviderError::NotWrapped.into()));
    let mut later = file;
    later.version += 1;
    assert_eq!(later.wrapping_keys(&provider), Err(SealError::NewerHeldKeys { found: 3, known: 2 }));
}

/// A provider that wraps something else than what it was given.
struct Liar(MemoryProvider);

#[async_trait]
impl KeyProvider for Liar {
    fn name(&self) -> &'static str {
        "liar"
    }

    fn active(&self) -> KeyId {
        self.0.active()
    }

    async fn wrap(&self, place: &Place<'_>, plaintext: &[u8]) -> Result<Vec<u8>, ProviderError> {
        self.0.wrap(place, &vec![0; plaintext.len()]).await
    }

    async fn unwrap(&self, place: &Place<'_>, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, ProviderError> {
        self.0.unwrap(place, wrapped).await
    }

    fn key_of(&self, wrapped: &[u8]) -> Result<KeyId, ProviderError> {
        self.0.key_of(wrapped)
    }

    fn ids(&self) -> Vec<KeyId> {
        self.0.ids()
    }

    async fn rotate(&self) -> Result<KeyId, ProviderError> {
        self.0.rotate().await
    }

    async fn remove(&self, id: KeyId) -> Result<(), ProviderError> {
        self.0.remove(id).await
    }
}

#[tokio::test]
async fn what_is_wrapped_anew_and_does_not_open_as_it_was_replaces_nothing() {
    let (_, file) = HeldKeys::create(&MemoryProvider::new(1), &SeededRng::new(2)).await.unwrap();
    let refused = file.rewrapped(&Liar(MemoryProvider::new(1))).await;
    assert_eq!(refused, Err(ProviderError::Refused.into()));
}

#[test]
fn signatures_are_those_of_rfc_8032_and_anybody_can_check_them() {
    // RFC 8032, 7.1, test 2: its secret, public key, message and signature.
    let seed: [u8; 32] =
        hex::decode("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb").unwrap();
    let public: [u8; 32] =
        hex::decode("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c").unwrap();
    let signature = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
                     085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";
    let id = KeyId::from_bytes([1; 8]);
    let key = SigningKey::from_seed(id, &SymmetricKey::from_slice(&seed).unwrap());
    assert_eq!((key.id(), key.public()), (id, public));
    let signed = key.sign(&[0x72]);
    assert_eq!(hex::encode(&signed), signature);
    let anybody = UnparsedPublicKey::new(&ED25519, key.public());
    assert!(anybody.verify(&[0x72], &signed).is_ok());
    assert!(anybody.verify(&[0x73], &signed).is_err());
    assert!(!format!("{key:?}").contains(&hex::encode(&seed[..4])));
}

#[test]
fn the_associated_data_are_part_of_the_format() {
    let place = Place { table: "ab", record: b"c", field: "", generation: 0x0102 };
    let data = place.associated_data(KeyId::from_bytes([9; 8]));
    let parts: [&[u8]; 7] = [&[1], &[1], &[9; 8], b"ab", b"c", b"", &[0, 0, 0, 0, 0, 0, 1, 2]];
    let expected: Vec<u8> =
        parts.iter().flat_map(|part| [&(part.len() as u64).to_be_bytes()[..], *part].concat()).collect();
    assert_eq!(data, expected);
}

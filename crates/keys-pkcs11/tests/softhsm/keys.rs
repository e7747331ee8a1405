//! Keys that are made, found again, changed and removed.

use crate::house::{House, PIN, module, with_a_token};
use cryptoki::{
    context::Pkcs11,
    mechanism::Mechanism,
    object::{Attribute, AttributeType, KeyType, ObjectClass},
    session::{Session, UserType},
    types::AuthPin,
};
use keys_pkcs11::{Pkcs11Config, Pkcs11Error, Pkcs11Provider};
use seal::{HeldKeys, KeyId, KeyProvider, Place, ProviderError, SystemRng};
use std::sync::Arc;

const PLACE: Place<'_> = Place { table: "slots", record: b"1", field: "data-key", generation: 1 };

/// A session beside the provider's, in the same process.
fn beside() -> Session {
    let context = Pkcs11::new(module().unwrap()).unwrap();
    for slot in context.get_slots_with_token().unwrap() {
        if context.get_token_info(slot).unwrap().label() == crate::house::TOKEN {
            let session = context.open_rw_session(slot).unwrap();
            // The provider has logged this process in already.
            let _already = session.login(UserType::User, Some(&AuthPin::new(PIN.into())));
            return session;
        }
    }
    panic!("the token is not there")
}

fn key_template(label: &str, id: &[u8]) -> Vec<Attribute> {
    vec![
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::KeyType(KeyType::AES),
        Attribute::Token(true),
        Attribute::ValueLen(32.into()),
        Attribute::Label(label.into()),
        Attribute::Id(id.to_vec()),
        Attribute::Private(true),
        Attribute::Encrypt(true),
        Attribute::Decrypt(true),
    ]
}

fn put_by_hand(label: &str, id: &[u8], sensitive: bool) {
    let mut template = key_template(label, id);
    template.extend([Attribute::Sensitive(sensitive), Attribute::Extractable(!sensitive)]);
    beside().generate_key(&Mechanism::AesKeyGen, &template).unwrap();
}

#[test]
fn it_does_what_every_provider_must() {
    with_a_token("keys::it_does_what_every_provider_must", async |house: House| {
        seal::conformance::provider(&house.create().await.unwrap()).await;
    });
}

#[test]
fn a_key_cannot_leave_the_token_nor_be_changed() {
    with_a_token("keys::a_key_cannot_leave_the_token_nor_be_changed", async |house: House| {
        let provider = house.create().await.unwrap();
        let session = beside();
        let label = format!("facemap-vault-{}", provider.active());
        let found = session.find_objects(&[Attribute::Label(label.into())]).unwrap();
        assert_eq!(found.len(), 1);
        let wanted = [
            Attribute::Sensitive(true),
            Attribute::AlwaysSensitive(true),
            Attribute::Extractable(false),
            Attribute::NeverExtractable(true),
            Attribute::Local(true),
            Attribute::Private(true),
            Attribute::Modifiable(false),
            Attribute::Wrap(false),
            Attribute::Unwrap(false),
        ];
        let types: Vec<_> = wanted.iter().map(Attribute::attribute_type).collect();
        assert_eq!(session.get_attributes(found[0], &types).unwrap(), wanted);
        let value = session.get_attributes(found[0], &[AttributeType::Value]).unwrap_or_default();
        assert!(
            value.iter().all(|attribute| !matches!(attribute, Attribute::Value(bytes) if !bytes.is_empty()))
        );
        assert!(session.update_attributes(found[0], &[Attribute::Label("other".into())]).is_err());
    });
}

#[test]
fn what_was_rotated_is_found_again_by_the_next_process() {
    with_a_token("keys::what_was_rotated_is_found_again_by_the_next_process", async |house: House| {
        let provider = house.create().await.unwrap();
        let first = provider.wrap(&PLACE, b"first").await.unwrap();
        for _ in 0..12 {
            provider.rotate().await.unwrap();
        }
        let (active, ids) = (provider.active(), provider.ids());
        assert_eq!(ids.len(), 13);
        drop(provider);
        let provider = house.open().await.unwrap();
        assert_eq!((provider.active(), provider.ids()), (active, ids));
        assert_eq!(*provider.unwrap(&PLACE, &first).await.unwrap(), b"first");
        // Held keys of a vault go through it like any other value.
        let (_, file) = HeldKeys::create(&provider, &SystemRng::new()).await.unwrap();
        HeldKeys::open(&provider, &file).await.unwrap();
    });
}

/// Whether it is the last call that counts or the ids: both of them see the same active key.
#[test]
fn two_that_rotate_at_the_same_moment_agree_afterwards() {
    with_a_token("keys::two_that_rotate_at_the_same_moment_agree_afterwards", async |house: House| {
        let one = house.create().await.unwrap();
        let other = house.open().await.unwrap();
        for _ in 0..8 {
            let both = tokio::join!(one.rotate(), other.rotate());
            for outcome in [both.0, both.1] {
                assert!(matches!(outcome, Ok(_) | Err(ProviderError::ChangedElsewhere)), "{outcome:?}");
            }
            let fresh = house.open().await.unwrap();
            let wrapped = fresh.wrap(&PLACE, b"v").await.unwrap();
            for provider in [&one, &other] {
                assert_eq!(*provider.unwrap(&PLACE, &wrapped).await.unwrap(), b"v");
                assert!(provider.ids().contains(&fresh.active()));
                let outcome = provider.remove(fresh.active()).await;
                assert_eq!(outcome, Err(ProviderError::ActiveKey(fresh.active())));
                assert_eq!(provider.active(), fresh.active());
            }
        }
    });
}

#[test]
fn a_second_vault_and_a_token_without_keys_are_refused() {
    with_a_token("keys::a_second_vault_and_a_token_without_keys_are_refused", async |house: House| {
        assert!(matches!(house.open().await, Err(Pkcs11Error::NoKeys)));
        let provider = house.create().await.unwrap();
        assert!(matches!(house.create().await, Err(Pkcs11Error::Exists(id)) if id == provider.active()));
        assert_eq!(house.open().await.unwrap().ids(), [provider.active()]);
    });
}

#[test]
fn other_objects_are_left_alone_and_impostors_are_refused() {
    with_a_token("keys::other_objects_are_left_alone_and_impostors_are_refused", async |house: House| {
        let provider = house.create().await.unwrap();
        let active = provider.active();
        put_by_hand("somebody else's", b"17", true);
        assert_eq!(house.open().await.unwrap().ids(), [active]);
        // A key that can leave the token, though it says the right things of itself: it would have become the active one.
        let id = KeyId::from_bytes([1; 8]);
        let bytes = [[1; 8], 99_u64.to_be_bytes()].concat();
        put_by_hand(&format!("facemap-vault-{id}"), &bytes, false);
        assert!(matches!(house.open().await, Err(Pkcs11Error::ForeignKey { .. })));
        assert!(provider.rotate().await.is_err());
        assert_eq!(provider.active(), active);
    });
}

#[test]
fn two_keys_of_the_same_label_are_refused() {
    with_a_token("keys::two_keys_of_the_same_label_are_refused", async |house: House| {
        let provider = house.create().await.unwrap();
        let bytes = [*provider.active().as_bytes(), 1_u64.to_be_bytes()].concat();
        put_by_hand(&format!("facemap-vault-{}", provider.active()), &bytes, true);
        assert!(matches!(house.open().await, Err(Pkcs11Error::RepeatedKey(_))));
    });
}

#[test]
fn tokens_are_told_apart_by_their_label() {
    with_a_token("keys::tokens_are_told_apart_by_their_label", async |house: House| {
        house.add_token("another");
        house.create().await.unwrap();
        let missing = Pkcs11Config { token_label: "missing".into(), ..house.config() };
        let opened = Pkcs11Provider::open(missing, Arc::new(SystemRng::new())).await;
        assert!(
            matches!(&opened, Err(error @ Pkcs11Error::NoToken { .. }) if error.is_retryable()),
            "{opened:?}"
        );
        let another = Pkcs11Config { token_label: "another".into(), ..house.config() };
        let opened = Pkcs11Provider::open(another, Arc::new(SystemRng::new())).await;
        assert!(matches!(opened, Err(Pkcs11Error::NoKeys)), "{opened:?}");
    });
}

#[test]
fn two_tokens_of_the_same_label_are_refused() {
    with_a_token("keys::two_tokens_of_the_same_label_are_refused", async |house: House| {
        house.add_token(crate::house::TOKEN);
        assert!(matches!(house.create().await, Err(Pkcs11Error::SeveralTokens { count: 2, .. })));
    });
}

#[tokio::test]
async fn a_library_that_is_not_there_is_named() {
    let config = Pkcs11Config::new("/nowhere/libhsm.so", "t", "/nowhere/pin");
    let error = Pkcs11Provider::open(config, Arc::new(SystemRng::new())).await.unwrap_err();
    assert!(matches!(error, Pkcs11Error::NotLoaded { .. }) && !error.is_retryable());
    assert!(error.to_string().contains("/nowhere/libhsm.so"), "{error}");
}

//! What every key provider must do: called from the tests of each of them.
#![expect(clippy::unwrap_used, reason = "a panic is the verdict of a test")]

use crate::{KeyId, KeyProvider, Place, ProviderError};

const PLACE: Place<'_> = Place { table: "slots", record: b"record 1", field: "data-key", generation: 7 };
/// What a slot has room for around a data key in its slot layer.
const MOST_WRAPPED: usize = 364;
/// A data key in its slot layer.
const LAYER_BYTES: usize = 160;

fn layer(byte: u8) -> Vec<u8> {
    (0..LAYER_BYTES).map(|at| byte ^ u8::try_from(at % 251).unwrap()).collect()
}

/// Runs all of it. The provider has been made just now: it has one key. It has others afterwards.
pub async fn provider(provider: &dyn KeyProvider) {
    what_is_wrapped_is_unwrapped_and_fits(provider).await;
    nothing_opens_at_another_place(provider).await;
    no_changed_bit_opens(provider).await;
    other_bytes_are_not_wrapped(provider).await;
    many_at_once_each_get_their_own(provider).await;
    let oldest = a_rotation_leaves_old_values_readable(provider).await;
    a_removed_key_opens_nothing_and_the_active_one_stays(provider, oldest).await;
}

async fn what_is_wrapped_is_unwrapped_and_fits(provider: &dyn KeyProvider) {
    for plaintext in [layer(1), vec![0; 32], vec![9]] {
        let wrapped = provider.wrap(&PLACE, &plaintext).await.unwrap();
        assert!(wrapped.len() <= MOST_WRAPPED, "{} bytes", wrapped.len());
        assert_eq!(provider.key_of(&wrapped).unwrap(), provider.active());
        assert_eq!(*provider.unwrap(&PLACE, &wrapped).await.unwrap(), plaintext);
        assert!(!wrapped.windows(plaintext.len().max(8)).any(|window| window == plaintext));
    }
    let twice =
        [provider.wrap(&PLACE, b"same").await.unwrap(), provider.wrap(&PLACE, b"same").await.unwrap()];
    assert_ne!(twice[0], twice[1], "the same value wrapped twice looks different");
}

async fn nothing_opens_at_another_place(provider: &dyn KeyProvider) {
    let wrapped = provider.wrap(&PLACE, &layer(2)).await.unwrap();
    let others = [
        Place { table: "slot", ..PLACE },
        Place { table: "held-keys", ..PLACE },
        Place { record: b"record 2", ..PLACE },
        Place { record: b"", ..PLACE },
        Place { field: "other-key", ..PLACE },
        Place { generation: 6, ..PLACE },
        Place { generation: 8, ..PLACE },
        // The same characters, divided in another way.
        Place { table: "slotsr", record: b"ecord 1", ..PLACE },
    ];
    for other in others {
        assert_eq!(provider.unwrap(&other, &wrapped).await, Err(ProviderError::Refused), "{other:?}");
    }
    assert_eq!(
        *provider.unwrap(&PLACE, &wrapped).await.unwrap(),
        layer(2),
        "it still opens where it belongs"
    );
}

async fn no_changed_bit_opens(provider: &dyn KeyProvider) {
    let wrapped = provider.wrap(&PLACE, &layer(3)).await.unwrap();
    for at in 0..wrapped.len() {
        let mut changed = wrapped.clone();
        changed[at] ^= 1 << (at % 8);
        let outcome = provider.unwrap(&PLACE, &changed).await;
        let refused = matches!(
            outcome,
            Err(ProviderError::Refused | ProviderError::NotWrapped | ProviderError::UnknownKey(_))
        );
        assert!(refused, "byte {at}: {:?}", outcome.map(|_| "it opened"));
    }
    for cut in [1, 16, wrapped.len() / 2] {
        assert!(provider.unwrap(&PLACE, &wrapped[..wrapped.len() - cut]).await.is_err());
    }
    assert!(provider.unwrap(&PLACE, &[wrapped, vec![0]].concat()).await.is_err());
}

async fn other_bytes_are_not_wrapped(provider: &dyn KeyProvider) {
    for other in [b"".as_slice(), b"x", &[0; 200], &[0xff; 200]] {
        assert_eq!(provider.key_of(other), Err(ProviderError::NotWrapped));
        assert_eq!(provider.unwrap(&PLACE, other).await, Err(ProviderError::NotWrapped));
    }
}

/// Providers share sessions and connections among their callers.
async fn many_at_once_each_get_their_own(provider: &dyn KeyProvider) {
    let one = |byte: u8| async move {
        let record = [byte; 4];
        let place = Place { record: &record, ..PLACE };
        let wrapped = provider.wrap(&place, &layer(byte)).await.unwrap();
        assert_eq!(*provider.unwrap(&place, &wrapped).await.unwrap(), layer(byte));
    };
    futures_util::future::join_all((0..64).map(one)).await;
}

/// Returns the oldest key and a value under it.
async fn a_rotation_leaves_old_values_readable(provider: &dyn KeyProvider) -> (KeyId, Vec<u8>) {
    let mut wrapped: Vec<(KeyId, Vec<u8>)> = Vec::new();
    for round in 0..3 {
        let before = provider.active();
        wrapped.push((before, provider.wrap(&PLACE, &layer(round)).await.unwrap()));
        let id = provider.rotate().await.unwrap();
        assert_ne!(id, before);
        assert_eq!(provider.active(), id);
        assert!(provider.ids().contains(&before) && provider.ids().contains(&id), "{:?}", provider.ids());
        assert!(provider.ids().is_sorted());
        let new = provider.wrap(&PLACE, &layer(99)).await.unwrap();
        assert_eq!(provider.key_of(&new).unwrap(), id);
        assert_eq!(*provider.unwrap(&PLACE, &new).await.unwrap(), layer(99));
    }
    for (round, (id, wrapped)) in (0..).zip(&wrapped) {
        assert_eq!(provider.key_of(wrapped).unwrap(), *id);
        assert_eq!(*provider.unwrap(&PLACE, wrapped).await.unwrap(), layer(round));
    }
    wrapped.swap_remove(0)
}

/// The oldest one: there are providers that remove keys in their order only.
async fn a_removed_key_opens_nothing_and_the_active_one_stays(
    provider: &dyn KeyProvider,
    (old, wrapped): (KeyId, Vec<u8>),
) {
    let active = provider.active();
    let current = provider.wrap(&PLACE, &layer(5)).await.unwrap();
    assert_eq!(provider.remove(active).await, Err(ProviderError::ActiveKey(active)));
    let unknown = KeyId::from_bytes([0xee; 8]);
    assert_eq!(provider.remove(unknown).await, Err(ProviderError::NoSuchKey(unknown)));
    provider.remove(old).await.unwrap();
    assert!(!provider.ids().contains(&old));
    assert_eq!(provider.unwrap(&PLACE, &wrapped).await, Err(ProviderError::UnknownKey(old)));
    assert_eq!(provider.remove(old).await, Err(ProviderError::NoSuchKey(old)));
    assert_eq!(provider.active(), active);
    assert_eq!(*provider.unwrap(&PLACE, &current).await.unwrap(), layer(5));
}

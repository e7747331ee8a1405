//! Against the real OpenBao server.

use crate::support::{PLACE, config, put_token, token_file};
use keys_transit::{TestServer, TransitError, TransitProvider};
use seal::{KeyProvider as _, Place, ProviderError};
use serde_json::json;
use std::{path::PathBuf, sync::Arc};
use tempfile::TempDir;

struct Stage {
    bao: TestServer,
    provider: TransitProvider,
    token: String,
    token_file: PathBuf,
    _dir: TempDir,
}

/// A server and a provider with a token that may do everything that the engine lets a provider do.
async fn stage() -> Option<Stage> {
    let bao = TestServer::start()?;
    let token = bao.managing_token();
    let (dir, token_file) = token_file(&token);
    let provider = TransitProvider::open(&config(&bao.address(), token_file.clone())).await.unwrap();
    Some(Stage { bao, provider, token, token_file, _dir: dir })
}

fn is_unavailable<T: std::fmt::Debug>(answer: Result<T, ProviderError>, says: &str) {
    match answer {
        Err(ProviderError::Unavailable(text)) => assert!(text.contains(says), "{text}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn it_does_what_every_provider_must() {
    let Some(stage) = stage().await else { return };
    seal::conformance::provider(&stage.provider).await;
}

#[tokio::test]
async fn what_is_wrapped_opens_at_its_place_and_at_no_other() {
    let Some(stage) = stage().await else { return };
    let Stage { provider, bao, .. } = &stage;
    let key = [0x5a; 160];
    let wrapped = provider.wrap(&PLACE, &key).await.unwrap();
    assert!(wrapped.len() <= 364, "a slot takes 364 bytes, not {}", wrapped.len());
    assert_eq!(provider.unwrap(&PLACE, &wrapped).await.unwrap().as_slice(), key);
    assert_eq!(provider.key_of(&wrapped), Ok(provider.active()));
    for elsewhere in [
        Place { table: "contents", ..PLACE },
        Place { record: b"somebody else", ..PLACE },
        Place { field: "other", ..PLACE },
        Place { generation: 8, ..PLACE },
    ] {
        assert_eq!(provider.unwrap(&elsewhere, &wrapped).await.unwrap_err(), ProviderError::Refused);
    }
    for at in 0..wrapped.len() {
        let mut changed = wrapped.clone();
        changed[at] ^= 1;
        let refused = provider.unwrap(&PLACE, &changed).await.unwrap_err();
        assert!(!matches!(refused, ProviderError::Unavailable(_)), "byte {at}: {refused}");
    }
    // The engine itself was asked: nothing of the key is at hand here.
    assert_eq!(bao.ask("GET", "transit/keys/facemap-vault", &json!(null)).1["data"]["latest_version"], 1);
}

#[tokio::test]
async fn a_new_version_wraps_and_the_old_one_opens_until_it_is_removed() {
    let Some(stage) = stage().await else { return };
    let Stage { provider, bao, token_file, .. } = &stage;
    let first = provider.active();
    let of_first = provider.wrap(&PLACE, b"under the first").await.unwrap();
    let second = provider.rotate().await.unwrap();
    assert!(second != first && provider.active() == second);
    let of_second = provider.wrap(&PLACE, b"under the second").await.unwrap();
    assert_eq!(provider.key_of(&of_second), Ok(second));
    let third = provider.rotate().await.unwrap();
    assert_eq!(provider.unwrap(&PLACE, &of_first).await.unwrap().as_slice(), b"under the first");
    let mut all = vec![first, second, third];
    all.sort_unstable();
    assert_eq!(provider.ids(), all);

    assert_eq!(provider.remove(third).await, Err(ProviderError::ActiveKey(third)));
    assert!(
        matches!(provider.remove(second).await, Err(ProviderError::Unsupported(_))),
        "the first is older"
    );
    let nobody = seal::KeyId::from_bytes([7; 8]);
    assert_eq!(provider.remove(nobody).await, Err(ProviderError::NoSuchKey(nobody)));
    assert_eq!(provider.unwrap(&PLACE, &of_first).await.unwrap().as_slice(), b"under the first");

    provider.remove(first).await.unwrap();
    let kept = bao.ask("GET", "transit/keys/facemap-vault", &json!(null)).1;
    assert_eq!(kept["data"]["min_available_version"], 2, "the engine has destroyed it: {kept}");
    assert_eq!(provider.unwrap(&PLACE, &of_first).await.unwrap_err(), ProviderError::UnknownKey(first));
    assert_eq!(provider.remove(first).await, Err(ProviderError::NoSuchKey(first)));
    assert_eq!(provider.unwrap(&PLACE, &of_second).await.unwrap().as_slice(), b"under the second");
    provider.remove(second).await.unwrap();
    assert_eq!(provider.ids(), [third]);

    // At the next start the versions bear the same names.
    let again = TransitProvider::open(&config(&bao.address(), token_file.clone())).await.unwrap();
    assert_eq!((again.active(), again.ids()), (third, vec![third]));
}

#[tokio::test]
async fn a_rotation_over_there_is_noticed_by_the_next_wrapping() {
    let Some(stage) = stage().await else { return };
    let Stage { provider, bao, .. } = &stage;
    let first = provider.active();
    bao.must("POST", "transit/keys/facemap-vault/rotate", &json!(null));
    let wrapped = provider.wrap(&PLACE, b"a key").await.unwrap();
    let active = provider.active();
    assert_ne!(active, first);
    assert_eq!(provider.key_of(&wrapped), Ok(active));
    assert_eq!(provider.ids().len(), 2);
}

#[tokio::test]
async fn a_removal_that_was_cut_off_is_finished_by_the_next() {
    let Some(stage) = stage().await else { return };
    let Stage { provider, bao, .. } = &stage;
    let first = provider.active();
    provider.rotate().await.unwrap();
    // What the first of the two steps leaves behind: the version opens nothing, and is still there.
    let floor = json!({ "min_decryption_version": 2, "min_encryption_version": 2 });
    bao.must("POST", "transit/keys/facemap-vault/config", &floor);
    provider.remove(first).await.unwrap();
    let kept = bao.ask("GET", "transit/keys/facemap-vault", &json!(null)).1;
    assert_eq!(kept["data"]["min_available_version"], 2, "{kept}");
}

#[tokio::test]
async fn a_token_for_work_alone_does_not_change_the_key_and_that_is_no_engine_gone() {
    let Some(stage) = stage().await else { return };
    let Stage { provider, bao, token_file, .. } = &stage;
    let first = provider.active();
    provider.rotate().await.unwrap();
    put_token(token_file, &bao.working_token());
    for refused in [provider.rotate().await.err(), provider.remove(first).await.err()] {
        match refused {
            Some(ProviderError::NotChanged(text)) => assert!(text.contains("403"), "{text}"),
            other => panic!("{other:?}"),
        }
    }
    let wrapped = provider.wrap(&PLACE, b"a key").await.unwrap();
    assert_eq!(provider.unwrap(&PLACE, &wrapped).await.unwrap().as_slice(), b"a key");
}

#[tokio::test]
async fn an_engine_that_goes_away_is_unavailable_and_works_when_it_is_back() {
    let Some(mut stage) = stage().await else { return };
    let Stage { provider, bao, token_file, .. } = &mut stage;
    let wrapped = provider.wrap(&PLACE, b"a key").await.unwrap();
    bao.stop();
    is_unavailable(provider.unwrap(&PLACE, &wrapped).await, "no answer");
    is_unavailable(provider.wrap(&PLACE, b"a key").await, "no answer");
    let opened = TransitProvider::open(&config(&bao.address(), token_file.clone())).await;
    assert!(opened.unwrap_err().is_retryable());
    bao.restart();
    assert_eq!(provider.unwrap(&PLACE, &wrapped).await.unwrap().as_slice(), b"a key");

    bao.seal();
    is_unavailable(provider.unwrap(&PLACE, &wrapped).await, "answered 503: it is sealed");
    bao.unseal();
    assert_eq!(provider.unwrap(&PLACE, &wrapped).await.unwrap().as_slice(), b"a key");
}

#[tokio::test]
async fn a_revoked_token_is_an_engine_away_until_the_file_holds_another() {
    let Some(stage) = stage().await else { return };
    let Stage { provider, bao, token, token_file, .. } = &stage;
    let wrapped = provider.wrap(&PLACE, b"a key").await.unwrap();
    bao.revoke(token);
    is_unavailable(provider.unwrap(&PLACE, &wrapped).await, "answered 403");
    is_unavailable(provider.wrap(&PLACE, b"a key").await, "answered 403");
    let told = format!("{:?} {provider:?}", provider.rotate().await);
    assert!(!told.contains(token.as_str()), "{told}");
    put_token(token_file, &bao.working_token());
    assert_eq!(provider.unwrap(&PLACE, &wrapped).await.unwrap().as_slice(), b"a key");
}

#[tokio::test]
async fn a_deleted_key_makes_no_value_look_tampered_with() {
    let Some(stage) = stage().await else { return };
    let Stage { provider, bao, .. } = &stage;
    let wrapped = provider.wrap(&PLACE, b"a key").await.unwrap();
    bao.must("POST", "transit/keys/facemap-vault/config", &json!({ "deletion_allowed": true }));
    bao.must("DELETE", "transit/keys/facemap-vault", &json!(null));
    is_unavailable(provider.unwrap(&PLACE, &wrapped).await, "answered 404");
}

#[tokio::test]
async fn a_key_that_cannot_be_used_is_refused_at_the_start() {
    let Some(stage) = stage().await else { return };
    let Stage { bao, token_file, .. } = &stage;
    for (name, of) in [
        ("other-type", json!({ "type": "chacha20-poly1305" })),
        ("signing", json!({ "type": "ed25519" })),
        ("derived", json!({ "type": "aes256-gcm96", "derived": true })),
    ] {
        bao.must("POST", &format!("transit/keys/{name}"), &of);
        let mut config = config(&bao.address(), token_file.clone());
        config.key = name.to_owned();
        let refused = TransitProvider::open(&config).await.unwrap_err();
        assert!(matches!(refused, TransitError::WrongKey(_)) && !refused.is_retryable(), "{name}: {refused}");
    }
    let mut missing = config(&bao.address(), token_file.clone());
    missing.key = "nobody-made-it".to_owned();
    let away = TransitProvider::open(&missing).await.unwrap_err();
    assert!(away.is_retryable() && away.to_string().contains("404"), "{away}");
}

#[tokio::test]
async fn many_at_once_each_get_their_own() {
    let Some(stage) = stage().await else { return };
    let provider = Arc::new(stage.provider);
    let tasks: Vec<_> = (0..200_u64)
        .map(|n| {
            let provider = Arc::clone(&provider);
            tokio::spawn(async move {
                let place = Place { generation: n, ..PLACE };
                let wrapped = provider.wrap(&place, &n.to_be_bytes()).await.unwrap();
                assert_eq!(provider.unwrap(&place, &wrapped).await.unwrap().as_slice(), n.to_be_bytes());
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

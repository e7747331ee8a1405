//! Against a server that answers what no engine should, and against the ways to it.

use crate::support::{PLACE, Scripted, answer, config, put_token, token_file};
use keys_transit::{TransitError, TransitProvider};
use seal::{KeyProvider as _, ProviderError};
use serde_json::{Value, json};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

const TOKEN: &str = "s.never-to-be-seen";

fn key_answer() -> Option<String> {
    let key = json!({ "data": { "type": "aes256-gcm96", "derived": false, "latest_version": 1,
        "min_decryption_version": 1, "min_encryption_version": 0, "keys": { "1": 1 } } });
    answer(200, &key.to_string())
}

/// "Encrypts" by putting zeros around the plaintext: 12 in front, 16 behind. With `bound` it remembers for what.
fn plain_engine(bound: bool) -> impl Fn(&str, &str) -> Option<String> + Send + Sync + 'static {
    let known = std::sync::Mutex::new(String::new());
    move |line, body| {
        let body: Value = serde_json::from_str(body).unwrap_or_default();
        let associated = body["associated_data"].as_str().unwrap_or_default().to_owned();
        if line.contains("/encrypt/") {
            *known.lock().unwrap() = associated;
            // 12 bytes, a multiple of three, so that the texts can be put together.
            let inner = body["plaintext"].as_str().unwrap();
            let padded = format!("vault:v1:{}{inner}{}AAAAAA==", "A".repeat(16), "A".repeat(16));
            return answer(200, &json!({ "data": { "ciphertext": padded } }).to_string());
        }
        if line.contains("/decrypt/") {
            if bound && *known.lock().unwrap() != associated {
                return answer(400, "{}");
            }
            let text = body["ciphertext"].as_str().unwrap().strip_prefix("vault:v1:").unwrap();
            let inner = &text[16..text.len() - 24];
            return answer(200, &json!({ "data": { "plaintext": inner } }).to_string());
        }
        key_answer()
    }
}

#[tokio::test]
async fn an_engine_that_drops_the_place_is_refused_at_the_start() {
    let (_dir, token) = token_file(TOKEN);
    let old = Scripted::start(plain_engine(false)).await;
    let refused = TransitProvider::open(&config(&old.address, token.clone())).await.unwrap_err();
    assert!(matches!(refused, TransitError::Unbound) && !refused.is_retryable(), "{refused}");
    let new = Scripted::start(plain_engine(true)).await;
    TransitProvider::open(&config(&new.address, token)).await.unwrap();
}

#[tokio::test]
async fn every_status_means_away_and_tells_no_secret() {
    let (_dir, token) = token_file(TOKEN);
    for status in [201, 301, 307, 401, 403, 404, 405, 412, 429, 472, 473, 500, 502, 503] {
        let server = Scripted::start(move |_, _| answer(status, "{\"errors\":[\"echo\"]}")).await;
        let error = TransitProvider::open(&config(&server.address, token.clone())).await.unwrap_err();
        assert!(error.is_retryable() && error.to_string().contains(&status.to_string()), "{status}: {error}");
        let told = format!("{error} {error:?}");
        assert!(!told.contains(TOKEN) && !told.contains("echo") && !told.contains(&server.address), "{told}");
        let heard = server.heard.lock().unwrap();
        assert_eq!(heard.len(), 1, "a redirect is not followed");
        assert!(heard[0].contains(TOKEN) && heard[0].starts_with("GET /v1/transit/keys/facemap-vault "));
    }
}

#[tokio::test]
async fn an_answer_to_something_else_opens_nothing() {
    let (_dir, token) = token_file(TOKEN);
    let turn = Arc::new(AtomicU32::new(0));
    let at = Arc::clone(&turn);
    let engine = plain_engine(true);
    let server = Scripted::start(move |line, body| {
        if at.load(Ordering::SeqCst) == 0 || line.contains("/keys/") {
            return engine(line, body);
        }
        let data = match at.fetch_add(1, Ordering::SeqCst) {
            1 => json!({ "data": { "plaintext": "AAAA" } }),
            2 => json!({ "data": { "plaintext": "!" } }),
            3 => json!({ "data": {} }),
            4 => json!({ "data": { "ciphertext": "vault:v1:AAAA" } }),
            5 => json!([]),
            _ => Value::Null,
        };
        answer(200, &data.to_string())
    })
    .await;
    let provider = TransitProvider::open(&config(&server.address, token)).await.unwrap();
    let wrapped = provider.wrap(&PLACE, b"a data key..").await.unwrap();
    assert_eq!(provider.unwrap(&PLACE, &wrapped).await.unwrap().as_slice(), b"a data key..");
    turn.store(1, Ordering::SeqCst);
    for n in 1..=6 {
        let opened = provider.unwrap(&PLACE, &wrapped).await;
        assert!(matches!(opened, Err(ProviderError::Unavailable(_))), "{n}: {opened:?}");
    }
    turn.store(4, Ordering::SeqCst);
    for _ in 4..=6 {
        assert!(matches!(provider.wrap(&PLACE, b"a data key..").await, Err(ProviderError::Unavailable(_))));
    }
}

#[tokio::test]
async fn silence_and_endless_answers_end() {
    let (_dir, token) = token_file(TOKEN);
    let silent = Scripted::start(|_, _| Some(String::new())).await;
    let mut config = config(&silent.address, token);
    config.timeout = Duration::from_millis(300);
    let begin = Instant::now();
    assert!(TransitProvider::open(&config).await.unwrap_err().is_retryable());
    assert!(begin.elapsed() < Duration::from_millis(1400), "{:?}", begin.elapsed());
    let huge =
        Scripted::start(|_, _| Some("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n{".to_owned()))
            .await;
    config.address.clone_from(&huge.address);
    assert!(TransitProvider::open(&config).await.unwrap_err().to_string().contains("larger"));
}

#[tokio::test]
async fn a_connection_that_was_closed_while_idle_costs_nobody_an_answer() {
    let (_dir, token) = token_file(TOKEN);
    let (cut, engine) = (Arc::new(AtomicU32::new(0)), plain_engine(true));
    let cuts = Arc::clone(&cut);
    let server = Scripted::start(move |line, body| {
        let cuts_this =
            cuts.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        if cuts_this { None } else { engine(line, body) }
    })
    .await;
    let provider = TransitProvider::open(&config(&server.address, token)).await.unwrap();
    let wrapped = provider.wrap(&PLACE, b"a data key..").await.unwrap();
    cut.store(1, Ordering::SeqCst);
    assert_eq!(provider.unwrap(&PLACE, &wrapped).await.unwrap().as_slice(), b"a data key..");
    // One that cuts off everything is away, and is not asked for ever.
    cut.store(u32::MAX, Ordering::SeqCst);
    assert!(matches!(provider.unwrap(&PLACE, &wrapped).await, Err(ProviderError::Unavailable(_))));
    assert!(u32::MAX - cut.load(Ordering::SeqCst) <= 2);
}

#[tokio::test]
async fn the_namespace_and_the_new_token_are_sent() {
    let (_dir, token) = token_file(TOKEN);
    let server = Scripted::start(plain_engine(true)).await;
    let mut config = config(&server.address, token.clone());
    config.namespace = Some("teams/bank".to_owned());
    let provider = TransitProvider::open(&config).await.unwrap();
    put_token(&token, "s.the-next");
    provider.wrap(&PLACE, b"a data key..").await.unwrap();
    let heard = server.heard.lock().unwrap();
    let lowered: Vec<_> = heard.iter().map(|request| request.to_lowercase()).collect();
    assert!(lowered.iter().all(|request| request.contains("x-vault-namespace: teams/bank\r\n")));
    assert!(lowered[0].contains(&format!("authorization: bearer {TOKEN}\r\n")));
    assert!(lowered.last().unwrap().contains("authorization: bearer s.the-next\r\n"));
}

#[tokio::test]
async fn the_engine_is_the_one_that_the_authority_names() {
    let (dir, token) = token_file(TOKEN);
    let certified = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let server = Scripted::start(plain_engine(true)).await.behind_tls(&certified).await;
    let mut config = config(&server.address, token);
    let ca_file = dir.path().join("ca.pem");
    std::fs::write(&ca_file, certified.cert.pem()).unwrap();
    config.ca_file = Some(ca_file.clone());
    TransitProvider::open(&config).await.unwrap();

    let other = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(&ca_file, other.cert.pem()).unwrap();
    server.heard.lock().unwrap().clear();
    let stranger = TransitProvider::open(&config).await.unwrap_err();
    assert!(stranger.is_retryable() && stranger.to_string().contains("TLS"), "{stranger}");
    assert!(server.heard.lock().unwrap().is_empty(), "a stranger hears no token");
    std::fs::write(&ca_file, "no certificate").unwrap();
    assert!(!TransitProvider::open(&config).await.unwrap_err().is_retryable());
}

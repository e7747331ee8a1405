//! A receipt is checked with the public key alone, and nothing of a changed one is believed.

#![expect(clippy::unwrap_used, reason = "helpers of tests: what cannot be set up fails the test")]

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use model::rng::SeededRng;
use receipt::{
    AuditPlace, BackupHorizon, By, Destroyed, Evidence, HOW, JumioDeletion, JumioState, PublicKey,
    ReceiptError, Statement, StatementKind, VERSION, check, fingerprint, jwk, sign, verified,
};
use seal::{HeldKeys, KeyId, SigningKey, SymmetricKey};

/// RFC 8037, appendix A.2 and A.4: public key, and a compact JWS under it.
const RFC_KEY: &str = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
const RFC_JWS: &str = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIb\
QR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

fn key(seed: u64) -> SigningKey {
    let rng = SeededRng::new(seed);
    SigningKey::from_seed(KeyId::random(&rng), &SymmetricKey::generate(&rng))
}

fn statement() -> Statement {
    let at = "2026-11-21T12:00:00Z".parse().unwrap();
    Statement {
        version: VERSION,
        kind: StatementKind::Purge,
        vault: "00".repeat(16),
        simulated: true,
        subject: Some("ab".repeat(32)),
        generation: Some(7),
        destroyed: Destroyed { enrollments: 1, content_bytes: 200_000, authentications: 2, inbox_bodies: 1 },
        how: HOW.to_owned(),
        ordered_at: at,
        at,
        by: By { kind: "token".into(), id: Some("tok1".into()), name: Some("dpo".into()) },
        reason: "erasure-request".into(),
        case_reference: Some("CASE-1".into()),
        backup_horizon: BackupHorizon { days: 30, until: at },
        jumio_deletion: JumioDeletion {
            state: JumioState::Done,
            deleted_at: Some(at),
            found_gone_at: None,
            left: 0,
            unnamed: 0,
            evidence: Evidence { original: [(200, 1)].into(), ..Evidence::default() },
        },
        audit: AuditPlace { epoch: 1, begin: Some(3), resumed: None, position: 3, link: "cd".repeat(32) },
        batch: None,
        follows: None,
    }
}

fn jws(key: &SigningKey, header: &str, payload: &[u8]) -> String {
    let signed =
        format!("{}.{}", BASE64_URL_SAFE_NO_PAD.encode(header), BASE64_URL_SAFE_NO_PAD.encode(payload));
    let signature = BASE64_URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

#[test]
fn the_example_of_rfc_8037_verifies_and_no_byte_of_it_can_change() {
    let key: PublicKey = RFC_KEY.parse().unwrap();
    assert_eq!(verified(RFC_JWS, &key).unwrap(), b"Example of Ed25519 signing");
    assert_eq!(check(RFC_JWS, &key), Err(ReceiptError::Statement), "it is no statement of ours");
}

#[test]
fn what_was_signed_is_read_back_with_the_public_key_alone() {
    let key = key(1);
    let text = sign(&key, &statement()).unwrap();
    let from_jwk: PublicKey = serde_json::to_string(&jwk(&key)).unwrap().parse().unwrap();
    let from_base64: PublicKey = base64::prelude::BASE64_STANDARD.encode(key.public()).parse().unwrap();
    for public in [from_jwk, from_base64, PublicKey::of(&key)] {
        assert_eq!(check(&text, &public), Ok(statement()));
    }
}

#[test]
fn a_byte_changed_anywhere_is_refused() {
    let key = key(1);
    let public = PublicKey::of(&key);
    for (text, public) in
        [(sign(&key, &statement()).unwrap(), public), (RFC_JWS.to_owned(), RFC_KEY.parse().unwrap())]
    {
        for at in 0..text.len() {
            for other in [b'A', b'B', b'_', b'.', b'=', b' ', b'\n', text.as_bytes()[at] ^ 1] {
                let mut bytes = text.clone().into_bytes();
                if bytes[at] == other {
                    continue;
                }
                bytes[at] = other;
                let Ok(changed) = String::from_utf8(bytes) else { continue };
                assert!(verified(&changed, &public).is_err(), "byte {at} as {other}");
            }
        }
        for cut in 0..text.len() {
            assert!(verified(&text[..cut], &public).is_err(), "cut at {cut}");
        }
        for longer in ["\n", " ", ".", "A", "="] {
            assert!(verified(&format!("{text}{longer}"), &public).is_err());
            assert!(verified(&format!("{longer}{text}"), &public).is_err());
        }
    }
}

#[test]
fn another_vaults_key_is_refused_by_name_and_without_one() {
    let text = sign(&key(1), &statement()).unwrap();
    assert_eq!(check(&text, &PublicKey::of(&key(2))), Err(ReceiptError::OtherKey));
    assert_eq!(check(&text, &PublicKey::from_bytes(key(2).public())), Err(ReceiptError::Signature));
    let held = HeldKeys::for_tests(3);
    assert!(check(&text, &PublicKey::of(held.receipts())).is_err());
}

#[test]
fn the_header_chooses_nothing() {
    let key = key(1);
    let public = PublicKey::from_bytes(key.public());
    let payload = serde_json::to_vec(&statement()).unwrap();
    assert!(check(&jws(&key, r#"{"alg":"EdDSA"}"#, &payload), &public).is_ok());
    for header in [
        r#"{"alg":"none"}"#,
        r#"{"alg":"HS256"}"#,
        r#"{"alg":"eddsa"}"#,
        r#"{"typ":"facemap-vault-receipt+jwt"}"#,
        r#"{"alg":"EdDSA","typ":"JWT"}"#,
        r#"{"alg":"EdDSA","crit":["exp"]}"#,
        r#"{"alg":"EdDSA","jwk":{"kty":"OKP"}}"#,
        r#"{"alg":"EdDSA","alg":"none"}"#,
        "[]",
        "",
    ] {
        assert_eq!(check(&jws(&key, header, &payload), &public), Err(ReceiptError::Header), "{header}");
    }
}

#[test]
fn a_statement_of_another_version_or_with_more_in_it_is_not_read() {
    let key = key(1);
    let public = PublicKey::of(&key);
    let newer = Statement { version: VERSION + 1, ..statement() };
    assert_eq!(check(&sign(&key, &newer).unwrap(), &public), Err(ReceiptError::Statement));
    let mut more = serde_json::to_value(statement()).unwrap();
    more["exonerates"] = true.into();
    let text = jws(&key, r#"{"alg":"EdDSA"}"#, more.to_string().as_bytes());
    assert_eq!(check(&text, &public), Err(ReceiptError::Statement));
}

#[test]
fn no_key_but_an_ed25519_public_one_is_read_and_a_private_one_is_named_as_such() {
    let private =
        r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","d":"nW"}"#;
    assert_eq!(private.parse::<PublicKey>(), Err(ReceiptError::PrivateKey));
    for text in [
        "",
        "{}",
        "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHUR",
        r#"{"kty":"OKP","crv":"X25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
        r#"{"kty":"RSA","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
        r#"{"kty":"OKP","crv":"Ed25519","x":"11qY"}"#,
        r#"{"kty":"OKP","crv":"Ed25519"}"#,
        r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":7}"#,
    ] {
        assert_eq!(text.parse::<PublicKey>(), Err(ReceiptError::PublicKey), "{text}");
    }
}

/// Keys under which a signature without any secret is found for some text: all the points of small order, and the
/// spellings of them that are not reduced.
#[test]
fn a_key_under_which_anybody_can_sign_is_no_key() {
    use ring::signature::{ED25519, UnparsedPublicKey};
    let hex = |text: &str| -> [u8; 32] { model::hex::decode(text).unwrap() };
    let top = |first: &str| hex(&format!("{first}{}7f", "ff".repeat(30)));
    let ys = [
        [0; 32],
        hex(&format!("01{}", "00".repeat(31))),
        hex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
        hex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
        top("ec"),
        top("ed"),
        top("ee"),
    ];
    // R is the neutral point and S is zero.
    let mut forged = [0; 64];
    forged[0] = 1;
    let mut taken = 0;
    for (y, sign) in ys.iter().flat_map(|y| [(y, 0), (y, 0x80)]) {
        let mut bytes = *y;
        bytes[31] |= sign;
        let text = |n: u32| format!("e30.{n}");
        let key = UnparsedPublicKey::new(&ED25519, bytes);
        let broken = (0..256).find(|n| key.verify(text(*n).as_bytes(), &forged).is_ok());
        taken += u32::from(broken.is_some());
        let base64 = base64::prelude::BASE64_STANDARD.encode(bytes);
        let jwk =
            format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{}"}}"#, BASE64_URL_SAFE_NO_PAD.encode(bytes));
        for spelled in [base64, jwk] {
            assert_eq!(spelled.parse::<PublicKey>(), Err(ReceiptError::PublicKey), "{bytes:x?}");
        }
        // The payload that it is found for is a text of our header's form.
        let header = BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"EdDSA"}"#);
        let signature = BASE64_URL_SAFE_NO_PAD.encode(forged);
        for n in 0..256_u32 {
            let payload = BASE64_URL_SAFE_NO_PAD.encode(n.to_be_bytes());
            let jws = format!("{header}.{payload}.{signature}");
            assert_eq!(verified(&jws, &PublicKey::from_bytes(bytes)), Err(ReceiptError::PublicKey));
        }
    }
    assert!(taken >= 8, "the library itself lets {taken} of these through");
}

#[test]
fn a_jwk_that_is_for_something_else_is_no_key_for_receipts() {
    let with = |more: &str| RFC_KEY.replace('}', more).parse::<PublicKey>();
    for more in [r#","use":"enc"}"#, r#","use":7}"#, r#","alg":"ECDH-ES"}"#, r#","key_ops":["sign"]}"#] {
        assert_eq!(with(more), Err(ReceiptError::PublicKey), "{more}");
    }
    for more in
        [r#","use":"sig"}"#, r#","alg":"EdDSA"}"#, r#","alg":"Ed25519"}"#, r#","key_ops":["verify"]}"#]
    {
        assert!(with(more).is_ok(), "{more}");
    }
}

#[test]
fn a_fingerprint_tells_order_and_borders() {
    let of = |receipts: &[&str]| fingerprint(receipts.iter().copied());
    assert_ne!(of(&["a", "b"]), of(&["b", "a"]));
    assert_ne!(of(&["ab"]), of(&["a", "b"]));
    // SHA-256 of "abc\n".
    assert_eq!(of(&["abc"]), "edeaaff3f1774ad2888673770c6d64097e391bc362d7d6fb34982ddf0efd18cb");
}

//! What is kept of an answer goes with everybody whom it names.

use super::*;
use actix_web::web::Bytes;
use model::{EnrollmentOrigin, UserReference, clock::MockClock, rng::SeededRng};
use queue::Idempotency;
use records::Records;
use register::{EnrollmentPrivate, EnrollmentRow, UserRow};
use seal::{HeldKeys, MemoryProvider};
use serde_json::json;
use std::sync::Arc;
use store::memory::MemoryStore;
use tempfile::TempDir;
use vault::{Mode, SlotKind, Vault, VaultPaths};

struct House {
    register: Register,
    vault: Arc<Vault>,
    book: Idempotency,
    _dir: TempDir,
}

fn reference(number: u8) -> EnrollmentRef {
    format!("00000000-0000-4000-8000-0000000000{number:02x}").parse().unwrap()
}

fn user(number: u8) -> UserReference {
    format!("user-{number}").parse().unwrap()
}

impl House {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let paths =
            VaultPaths { slots_dir: dir.path().join("slots"), content_dir: dir.path().join("content") };
        Vault::create(&paths, Mode::Simulated, &SeededRng::new(1)).unwrap();
        let clock = Arc::new(MockClock::at("2026-11-21T12:00:00Z"));
        let (keys, rng) = (Arc::new(HeldKeys::for_tests(1)), Arc::new(SeededRng::new(2)));
        let provider = Arc::new(MemoryProvider::new(3));
        let opened = Vault::open(paths, Mode::Simulated, provider, keys.clone(), rng.clone(), clock.clone());
        let vault = Arc::new(opened.await.unwrap().0);
        let records = Records::new(Arc::new(MemoryStore::new()), keys, rng);
        let book = Idempotency::new(records.clone(), clock, true);
        Self { register: Register::new(records, vault.clone()), vault, book, _dir: dir }
    }

    /// Somebody, in this state.
    async fn enroll(&self, number: u8, state: EnrollmentState) -> SlotRef {
        let records = self.register.records();
        let (key, user_key) = (records.enrollment_key(&reference(number)), records.user_key(&user(number)));
        let slot = self.vault.prepare(SlotKind::Facemap, key.0).await.unwrap();
        let now = "2026-11-21T12:00:00Z".parse().unwrap();
        let row = EnrollmentRow::new(state, EnrollmentOrigin::Started, now, slot, Some(user_key));
        let private = EnrollmentPrivate {
            reference: reference(number),
            user_reference: Some(user(number)),
            customer_internal_reference: None,
            contents: None,
            replaced_by: None,
            attestation: None,
        };
        let mut commit = records.commit();
        self.register.insert_enrollment(&mut commit, row, &private).await.unwrap();
        let current = UserRow { current: Some(key), claimed: None };
        self.register.put_user(&mut commit, user_key, None, &current);
        commit.submit().await.unwrap();
        slot
    }

    fn keyed(&self) -> KeyedRequest {
        self.book.request("backend", "/v1/x", "key")
    }

    async fn seal(&self, status: u16, path: &str, asked: &Value, answer: &Value) -> Finished {
        let status = StatusCode::from_u16(status).unwrap();
        let (head, _) = HttpResponse::build(status).content_type("application/json").finish().into_parts();
        let (asked, answer) = (asked.to_string(), Bytes::from(answer.to_string()));
        seal(&self.register, &self.keyed(), path, asked.as_bytes(), &head, &answer).await
    }

    async fn open(&self, finished: &Finished) -> Opened {
        open(&self.register, &self.keyed(), finished.answer.as_ref().unwrap()).await.unwrap()
    }

    fn keys(&self, numbers: &[u8]) -> Vec<EnrollmentKey> {
        let mut keys: Vec<_> =
            numbers.iter().map(|n| self.register.records().enrollment_key(&reference(*n))).collect();
        keys.sort_unstable();
        keys
    }
}

fn is_gone(opened: &Opened) -> bool {
    matches!(opened, Opened::Gone)
}

#[tokio::test]
async fn an_answer_opens_as_it_was_until_anybody_whom_it_names_is_burnt() {
    let house = House::new().await;
    house.enroll(1, EnrollmentState::Ready).await;
    let slot = house.enroll(2, EnrollmentState::Vaulted).await;
    let answer =
        json!({ "items": [{ "enrollmentTransactionReference": reference(1) }, { "other": reference(2) }] });
    let kept = house.seal(201, "/v1/x", &json!({}), &answer).await;
    assert_eq!(kept.about, house.keys(&[1, 2]));
    let Opened::Answer(opened) = house.open(&kept).await else { panic!("gone") };
    assert_eq!((opened.status, opened.headers[0].1.as_str()), (201, "application/json"));
    assert_eq!(BASE64_STANDARD.decode(opened.body).unwrap(), answer.to_string().as_bytes());
    house.vault.burn(slot).await.unwrap();
    assert!(is_gone(&house.open(&kept).await), "every copy of the row is worth nothing now");
}

#[tokio::test]
async fn what_rests_says_nothing_of_the_answer() {
    let house = House::new().await;
    house.enroll(1, EnrollmentState::Ready).await;
    let answer = json!({ "enrollmentTransactionReference": reference(1), "redirectUrl": "https://secret" });
    let kept = house.seal(201, "/v1/x", &json!({}), &answer).await.answer.unwrap();
    for told in ["secret", "redirectUrl", &BASE64_STANDARD.encode("redirectUrl")[..12], "201"] {
        assert!(!kept.contains(told), "{kept}");
    }
    assert!(!kept.contains(&reference(1).to_string()));
}

#[tokio::test]
async fn an_answer_opens_for_its_own_request_only() {
    let house = House::new().await;
    house.enroll(1, EnrollmentState::Ready).await;
    let kept = house.seal(200, "/v1/x", &json!({}), &json!({ "a": reference(1) })).await.answer.unwrap();
    let other = house.book.request("backend", "/v1/x", "another key");
    assert!(open(&house.register, &other, &kept).await.is_err());
}

#[tokio::test]
async fn whom_an_answer_is_about_is_found_in_it_in_the_path_or_in_the_request() {
    let house = House::new().await;
    let slot = house.enroll(1, EnrollmentState::Ready).await;
    let path = format!("/v1/enrollments/{}/release", reference(1));
    let asked = json!({ "userReference": "user-1" });
    for (path, asked, answer) in [
        (path.as_str(), &json!({}), json!({ "state": "ready" })),
        ("/v1/links", &asked, json!({ "url": "https://vault.example.com/r/secret" })),
        (
            "/v1/links",
            &json!({}),
            json!({ "userReference": "user-1", "url": "https://vault.example.com/r/secret" }),
        ),
    ] {
        let kept = house.seal(200, path, asked, &answer).await;
        assert_eq!(kept.about, house.keys(&[1]), "{path} {asked} {answer}");
        assert!(!is_gone(&house.open(&kept).await));
    }
    let kept = house.seal(200, "/v1/links", &asked, &json!({ "url": "u" })).await;
    house.vault.burn(slot).await.unwrap();
    assert!(is_gone(&house.open(&kept).await));
}

#[tokio::test]
async fn an_answer_about_nobody_is_kept_as_it_is() {
    let house = House::new().await;
    let kept = house.seal(202, "/v1/keys/rewrap", &json!({}), &json!({ "slots": 7 })).await;
    assert_eq!(kept.about, []);
    assert!(!is_gone(&house.open(&kept).await));
    // A refusal names nobody, whatever the request has named.
    house.enroll(1, EnrollmentState::Ready).await;
    let path = format!("/v1/enrollments/{}/release", reference(1));
    let kept =
        house.seal(409, &path, &json!({ "userReference": "user-1" }), &json!({ "code": "held" })).await;
    assert_eq!((kept.about, kept.answer.is_some()), (vec![], true));
}

#[tokio::test]
async fn what_names_somebody_who_has_no_slot_or_too_many_is_not_kept() {
    let house = House::new().await;
    house.enroll(1, EnrollmentState::Purging).await;
    for number in 2..8 {
        house.enroll(number, EnrollmentState::Ready).await;
    }
    let many: Vec<_> = (2..8).map(reference).collect();
    let unknown: Vec<_> = (100..130).map(reference).collect();
    for answer in
        [json!({ "a": reference(1) }), json!({ "userReference": "nobody-here" }), json!(many), json!(unknown)]
    {
        let kept = house.seal(200, "/v1/x", &json!({}), &answer).await;
        assert_eq!((kept.status, kept.answer, kept.about), (200, None, vec![]), "{answer}");
    }
}

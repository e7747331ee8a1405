//! People in a register, for the tests.

use base64::{Engine as _, prelude::BASE64_STANDARD_NO_PAD};
use model::{
    AuthenticationId, AuthenticationState, Channel, Clock as _, EnrollmentOrigin, EnrollmentRef,
    EnrollmentState, FacemapBytes, Rng, Timestamp, UserReference, clock::MockClock, rng::SeededRng,
};
use records::{EnrollmentKey, Records};
use register::{
    Authentication, AuthenticationPrivate, AuthenticationRow, Enrollment, EnrollmentPrivate, EnrollmentRow,
    Register, Sealed,
};
use seal::{HeldKeys, MemoryProvider};
use std::{path::Path, sync::Arc, time::Duration};
use store::memory::MemoryStore;
use tempfile::TempDir;
use vault::{Mode, SlotKind, SlotRef, Survey, Vault, VaultPaths};

pub(crate) struct House {
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) clock: MockClock,
    pub(crate) register: Register,
    pub(crate) vault: Arc<Vault>,
    pub(crate) survey: Survey,
    pub(crate) dir: TempDir,
}

pub(crate) fn reference(number: u64) -> EnrollmentRef {
    format!("00000000-0000-4000-8000-{number:012x}").parse().unwrap()
}

pub(crate) fn user(number: u64) -> UserReference {
    format!("user-{number}").parse().unwrap()
}

pub(crate) fn paths(dir: &Path) -> VaultPaths {
    VaultPaths { slots_dir: dir.join("slots"), content_dir: dir.join("content") }
}

pub(crate) async fn open_vault(dir: &Path, mode: Mode) -> (Arc<Vault>, Survey) {
    let rng: Arc<dyn Rng> = Arc::new(SeededRng::new(3));
    let (provider, keys) = (Arc::new(MemoryProvider::new(7)), Arc::new(HeldKeys::for_tests(7)));
    let clock = Arc::new(MockClock::at("2026-11-21T12:00:00Z"));
    let (vault, survey) = Vault::open(paths(dir), mode, provider, keys, rng, clock).await.unwrap();
    (Arc::new(vault), survey)
}

pub(crate) fn register_over(store: Arc<MemoryStore>, vault: Arc<Vault>, keys: u64) -> Register {
    let rng: Arc<dyn Rng> = Arc::new(SeededRng::new(5));
    Register::new(Records::new(store, Arc::new(HeldKeys::for_tests(keys)), rng), vault)
}

impl House {
    pub(crate) async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Vault::create(&paths(dir.path()), Mode::Simulated, &SeededRng::new(1)).unwrap();
        let (vault, survey) = open_vault(dir.path(), Mode::Simulated).await;
        let store = Arc::new(MemoryStore::new());
        let register = register_over(store.clone(), vault.clone(), 7);
        let clock = MockClock::at("2026-11-21T12:00:00Z");
        Self { store, clock, register, vault, survey, dir }
    }

    pub(crate) fn key(&self, number: u64) -> EnrollmentKey {
        self.register.records().enrollment_key(&reference(number))
    }

    /// An enrollment of user `of`; a second later than the one before.
    pub(crate) async fn enroll(&self, number: u64, of: u64, state: EnrollmentState) -> Enrollment {
        self.clock.advance(Duration::from_secs(1));
        let key = self.key(number);
        let slot = self.vault.prepare(SlotKind::Facemap, key.0).await.unwrap();
        let facemap = FacemapBytes::new(number.to_be_bytes().to_vec());
        let contents = self.vault.put(slot, &reference(number), b"", facemap).await.unwrap();
        let private = EnrollmentPrivate {
            reference: reference(number),
            user_reference: Some(user(of)),
            customer_internal_reference: Some("shop-1".into()),
            contents: Some(contents),
            replaced_by: None,
            attestation: None,
        };
        let user_key = self.register.records().user_key(&user(of));
        let row =
            EnrollmentRow::new(state, EnrollmentOrigin::Announced, self.clock.now(), slot, Some(user_key));
        let mut commit = self.register.records().commit();
        self.register.insert_enrollment(&mut commit, row, &private).await.unwrap();
        commit.submit().await.unwrap();
        self.enrollment(number).await
    }

    pub(crate) async fn enrollment(&self, number: u64) -> Enrollment {
        self.register.enrollment(&reference(number)).await.unwrap().unwrap()
    }

    pub(crate) async fn update(&self, enrollment: &Enrollment) -> Result<(), records::RecordsError> {
        let mut commit = self.register.records().commit();
        self.register.update_enrollment(&mut commit, enrollment).await.unwrap();
        commit.submit().await
    }

    pub(crate) async fn enter(&self, number: u64, state: EnrollmentState) {
        self.clock.advance(Duration::from_secs(1));
        let mut enrollment = self.enrollment(number).await;
        enrollment.row.enter(state, self.clock.now());
        self.update(&enrollment).await.unwrap();
    }

    /// An authentication of that enrollment, with this reference of Jumio's.
    pub(crate) async fn authenticate(&self, enrollment: &Enrollment, number: u64) -> Authentication {
        let id = self.begin(enrollment, number).await;
        self.name(id, number).await.unwrap();
        self.register.authentication(id).await.unwrap().unwrap()
    }

    /// An authentication of that enrollment, without a reference of Jumio's.
    pub(crate) async fn begin(&self, enrollment: &Enrollment, number: u64) -> AuthenticationId {
        self.clock.advance(Duration::from_secs(1));
        let (id, person) =
            (AuthenticationId::random(&SeededRng::new(number)), enrollment.private.as_ref().unwrap());
        let private = AuthenticationPrivate {
            id,
            reference: None,
            enrollment_reference: person.reference,
            user_reference: person.user_reference.clone().unwrap(),
            redirect_url: Some("https://acme.netverify.com/web?token=1".into()),
            success_url: None,
            error_url: None,
            locale: None,
            token_lifetime_minutes: None,
            request_reference: None,
        };
        let row = authentication_row(enrollment, self.clock.now());
        let mut commit = self.register.records().commit();
        self.register.insert_authentication(&mut commit, row, &private).await.unwrap();
        commit.submit().await.unwrap();
        id
    }

    /// Gives an authentication this reference of Jumio's.
    pub(crate) async fn name(&self, id: AuthenticationId, number: u64) -> Result<(), records::RecordsError> {
        let mut found = self.register.authentication(id).await.unwrap().unwrap();
        found.private.as_mut().unwrap().reference = Some(reference(number).to_string().parse().unwrap());
        let mut commit = self.register.records().commit();
        self.register.update_authentication(&mut commit, &found).await.unwrap();
        commit.submit().await
    }

    /// Fields about a person, sealed as only somebody with the slot's secret could.
    pub(crate) async fn forged(
        &self,
        slot: SlotRef,
        field: &str,
        record: &[u8],
        fields: &impl serde::Serialize,
    ) -> Sealed {
        let key = self.vault.person_key(slot).await.unwrap();
        let envelope = key.seal(&SeededRng::new(9), record, field, &serde_json::to_vec(fields).unwrap());
        serde_json::from_value(BASE64_STANDARD_NO_PAD.encode(envelope).into()).unwrap()
    }
}

fn authentication_row(enrollment: &Enrollment, now: Timestamp) -> AuthenticationRow {
    AuthenticationRow {
        state: AuthenticationState::Initiating,
        since: now,
        created_at: now,
        channel: Channel::Mobile,
        enrollment: enrollment.key,
        slot: enrollment.row.slot,
        user: enrollment.row.user.unwrap(),
        transaction: None,
        private: None,
        initiated_at: None,
        window_ends_at: None,
        redirect_expires_at: None,
        completed_at: None,
        redeemed_at: None,
        polls: 0,
        asked_at: None,
        refused_status: None,
        batch: false,
        links: Vec::new(),
        items: Vec::new(),
    }
}

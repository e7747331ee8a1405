//! A house with people, on real files, for the tests.

use async_trait::async_trait;
use audit::{Action, Actor, Audit, Note};
use model::{
    AuthenticationId, AuthenticationState, Channel, Clock as _, EnrollmentOrigin, EnrollmentRef,
    EnrollmentState, FacemapBytes, Rng, UserReference, clock::MockClock, rng::SeededRng,
};
use records::{EnrollmentKey, Records, Shape};
use register::{
    AuthenticationPrivate, AuthenticationRow, Enrollment, EnrollmentPrivate, EnrollmentRow, FacemapNote,
    Register, UserRow,
};
use repair::{
    Engine, Ground, RebuildOrder, RepairError, Report, RestoreOrder, Slots, Unwatched, VerifyParts, verify,
};
use seal::{HeldKeys, MemoryProvider};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};
use store::{Store, StoreError, memory::MemoryStore};
use store_sled::{SledConfig, SledStore};
use tempfile::TempDir;
use vault::{Contents, Mode, SlotKind, SlotRef, Vault, VaultPaths};

pub(crate) const WINDOW: Duration = Duration::from_mins(15);
pub(crate) const HORIZON: Duration = Duration::from_hours(30 * 24);

/// What marks a facemap in raw files.
pub(crate) fn face(number: u64) -> Vec<u8> {
    format!("the face of person number {number:06} ").into_bytes().repeat(40)
}

pub(crate) fn reference(number: u64) -> EnrollmentRef {
    format!("00000000-0000-4000-8000-{number:012x}").parse().unwrap()
}

pub(crate) fn user(number: u64) -> UserReference {
    format!("user-{number}").parse().unwrap()
}

pub(crate) fn shapes() -> Vec<Shape> {
    let mut shapes = register::shapes();
    shapes.extend(audit::shapes());
    shapes
}

/// sled, and which folders are open.
#[derive(Default)]
pub(crate) struct Sled(Mutex<HashMap<PathBuf, Arc<SledStore>>>);

#[async_trait]
impl Engine for Sled {
    async fn open(&self, folder: &Path) -> Result<Arc<dyn Store>, StoreError> {
        let mut settings = SledConfig::new(folder);
        settings.min_free_bytes = 0;
        let store = tokio::task::spawn_blocking(|| SledStore::open(settings)).await.unwrap()?;
        let store = Arc::new(store);
        self.0.lock().unwrap().insert(folder.to_owned(), Arc::clone(&store));
        Ok(store)
    }

    async fn close(&self, folder: &Path) {
        let store = self.0.lock().unwrap().remove(folder);
        if let Some(store) = store {
            store.close().await;
        }
    }
}

/// The folders of a house, and who can open them.
pub(crate) struct House {
    pub(crate) dir: TempDir,
    pub(crate) clock: MockClock,
    pub(crate) engine: Arc<Sled>,
    seed: u64,
}

/// The rooms of a house, open.
pub(crate) struct Open {
    pub(crate) records: Records,
    pub(crate) register: Register,
    pub(crate) vault: Arc<Vault>,
    pub(crate) audit: Audit,
    pub(crate) clock: MockClock,
}

impl House {
    pub(crate) fn new() -> Self {
        let house = Self::empty();
        Vault::create(&house.paths(), Mode::Simulated, &SeededRng::new(1)).unwrap();
        house
    }

    /// Without slots and contents.
    pub(crate) fn empty() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("data")).unwrap();
        let clock = MockClock::at("2026-11-21T12:00:00Z");
        Self { dir, clock, engine: Arc::new(Sled::default()), seed: 100 }
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn paths(&self) -> VaultPaths {
        VaultPaths { slots_dir: self.at("slots"), content_dir: self.at("data/content") }
    }

    pub(crate) fn ground(&self) -> Ground {
        Ground {
            engine: Arc::clone(&self.engine) as Arc<dyn Engine>,
            db: self.at("data/db"),
            paths: self.paths(),
            anchor: self.at("slots/anchor"),
            mode: Mode::Simulated,
            provider: Arc::new(MemoryProvider::new(7)),
            keys: Arc::new(HeldKeys::for_tests(7)),
            shapes,
            kept_jobs: Vec::new(),
            window: WINDOW,
            slot_backup_horizon: HORIZON,
            clock: Arc::new(self.clock.clone()),
            rng: Arc::new(SeededRng::new(self.seed + u64::try_from(self.clock.now().as_second()).unwrap())),
        }
    }

    /// As the service opens it, on sled.
    pub(crate) async fn open(&self) -> Result<Open, String> {
        let store = self.engine.open(&self.at("data/db")).await.map_err(|e| e.to_string())?;
        let opened = self.open_over(store).await;
        if opened.is_err() {
            self.engine.close(&self.at("data/db")).await;
        }
        opened
    }

    pub(crate) async fn open_over(&self, store: Arc<dyn Store>) -> Result<Open, String> {
        let ground = self.ground();
        let (provider, keys) = (Arc::clone(&ground.provider), Arc::clone(&ground.keys));
        let (rng, clock): (Arc<dyn Rng>, Arc<MockClock>) =
            (Arc::clone(&ground.rng), Arc::new(self.clock.clone()));
        let opening = Vault::open(self.paths(), Mode::Simulated, provider, keys, rng, clock.clone());
        let (vault, survey) = opening.await.map_err(|e| e.to_string())?;
        let vault = Arc::new(vault);
        let records = ground.records(store);
        let register = Register::new(records.clone(), Arc::clone(&vault));
        register.check_identity(&survey).await.map_err(|e| e.to_string())?;
        let audit =
            Audit::open(records.clone(), ground.anchor.clone(), clock).await.map_err(|e| e.to_string())?;
        Ok(Open { records, register, vault, audit, clock: self.clock.clone() })
    }

    /// As the service closes it.
    pub(crate) async fn close(&self, open: Open) {
        open.audit.close().await.unwrap();
        drop(open);
        self.engine.close(&self.at("data/db")).await;
    }

    /// The walk, offline.
    pub(crate) async fn verify(&self) -> Report {
        let ground = self.ground();
        let records = ground.engine.open(&ground.db).await.map(|store| ground.records(store));
        let report = self.verify_over(records).await;
        ground.engine.close(&ground.db).await;
        report
    }

    pub(crate) async fn verify_over(&self, records: Result<Records, StoreError>) -> Report {
        let ground = self.ground();
        let slots = ground.inspect().await.map(|slots| Arc::new(slots) as Arc<dyn Slots>);
        let parts = VerifyParts {
            records: records.map(Some),
            slots,
            shapes: shapes(),
            anchor: ground.anchor,
            clock: ground.clock,
            pause: None,
        };
        verify(parts, &Unwatched).await.unwrap()
    }

    pub(crate) async fn rebuild(&self, force: bool) -> Result<repair::RebuildDone, RepairError> {
        let order = RebuildOrder { force, give_up_damaged: false };
        repair::rebuild_index(&self.ground(), order, &Unwatched, |_| Ok(())).await
    }

    pub(crate) async fn restore(
        &self,
        from: &Path,
        slots: Option<PathBuf>,
    ) -> Result<repair::RestoreDone, RepairError> {
        let order = RestoreOrder { from: from.to_owned(), slots, give_up_damaged: false };
        repair::restore(&self.ground(), &order, &Unwatched, |_| Ok(())).await
    }

    pub(crate) async fn backup(
        &self,
        open: &Open,
        name: &str,
        slots: Option<&str>,
    ) -> Result<(), RepairError> {
        let ground = self.ground();
        let parts = repair::BackupParts {
            records: open.records.clone(),
            vault: Arc::clone(&open.vault),
            audit: open.audit.clone(),
            content_dir: ground.paths.content_dir.clone(),
            own_folders: vec![self.at("data"), self.at("slots")],
            to: self.at(name),
            slots_to: slots.map(|name| self.at(name)),
            actor: Actor::Operator,
            clock: Arc::clone(&ground.clock),
            rng: Arc::clone(&ground.rng),
        };
        repair::backup(&parts, &Unwatched).await.map(drop)
    }
}

/// A house in memory but for slots and contents.
pub(crate) async fn in_memory() -> (House, Arc<MemoryStore>, Open) {
    let house = House::new();
    let store = Arc::new(MemoryStore::new());
    let open = house.open_over(Arc::clone(&store) as Arc<dyn Store>).await.unwrap();
    (house, store, open)
}

impl Open {
    pub(crate) fn key(&self, number: u64) -> EnrollmentKey {
        self.records.enrollment_key(&reference(number))
    }

    pub(crate) async fn slot(&self, number: u64) -> SlotRef {
        self.vault.prepare(SlotKind::Facemap, self.key(number).0).await.unwrap()
    }

    /// A person in this state, as the flows leave them; `of` is the user.
    pub(crate) async fn enroll(&self, number: u64, of: u64, state: EnrollmentState) {
        self.clock.advance(Duration::from_secs(1));
        let (slot, now) = (self.slot(number).await, self.clock.now());
        let user_key = self.records.user_key(&user(of));
        let mut row = EnrollmentRow::new(state, EnrollmentOrigin::Started, now, slot, Some(user_key));
        let has_facemap = matches!(state, EnrollmentState::Vaulted | EnrollmentState::Ready);
        let mut private = EnrollmentPrivate {
            reference: reference(number),
            user_reference: Some(user(of)),
            customer_internal_reference: Some(format!("order-{number}")),
            contents: None,
            replaced_by: None,
            attestation: None,
        };
        if has_facemap {
            let contents = self.put(slot, number, &row, &private).await;
            private.contents = Some(contents);
            row.facemap_bytes = Some(contents.bytes);
            row.vaulted_at = Some(now);
        }
        if state == EnrollmentState::Ready {
            row.released_at = Some(now);
            row.original_deleted_at = Some(now);
        }
        let mut commit = self.records.commit();
        self.register.insert_enrollment(&mut commit, row, &private).await.unwrap();
        if state == EnrollmentState::Ready {
            let read = self.register.user(user_key).await.unwrap();
            let row = UserRow { current: Some(self.key(number)), claimed: None };
            self.register.put_user(&mut commit, user_key, read.as_ref(), &row);
        }
        self.audit.note(&mut commit, Note::about(Action::Vaulted, self.key(number).0, Actor::System));
        commit.submit().await.unwrap();
        if has_facemap {
            self.vault.make_live(slot).await.unwrap();
        }
        if state == EnrollmentState::Ready {
            self.vault.mark_original_deleted(slot).await.unwrap();
        }
        self.audit.append_pending().await.unwrap();
    }

    async fn put(
        &self,
        slot: SlotRef,
        number: u64,
        row: &EnrollmentRow,
        private: &EnrollmentPrivate,
    ) -> Contents {
        let note = FacemapNote::of(row, private).unwrap().to_bytes();
        self.vault.put(slot, &reference(number), &note, FacemapBytes::new(face(number))).await.unwrap()
    }

    pub(crate) async fn enrollment(&self, number: u64) -> Option<Enrollment> {
        self.register.enrollment(&reference(number)).await.unwrap()
    }

    pub(crate) async fn state(&self, number: u64) -> Option<EnrollmentState> {
        self.enrollment(number).await.map(|found| found.row.state)
    }

    /// Opens a facemap as an authentication would.
    pub(crate) async fn facemap(&self, number: u64) -> Result<Vec<u8>, String> {
        let found = self.enrollment(number).await.ok_or("nobody")?;
        let private = found.private.ok_or("purged")?;
        let contents = private.contents.ok_or("no facemap")?;
        let opened = self.vault.open_facemap(found.row.slot, &private.reference, &contents).await;
        opened.map(|facemap| facemap.expose().to_vec()).map_err(|error| error.to_string())
    }

    /// Purges as the flow does: row, slot, content, tombstone.
    pub(crate) async fn purge(&self, number: u64) {
        let mut found = self.enrollment(number).await.unwrap();
        let (slot, user) = (found.row.slot, found.row.user);
        found.row.enter(EnrollmentState::Purging, self.clock.now());
        let mut commit = self.records.commit();
        self.register.update_enrollment(&mut commit, &found).await.unwrap();
        if let Some(user) = user {
            let read = self.register.user(user).await.unwrap();
            if let Some(read) = read.filter(|read| read.value.current == Some(found.key)) {
                self.register.put_user(&mut commit, user, Some(&read), &UserRow::default());
            }
        }
        commit.submit().await.unwrap();
        self.vault.burn(slot).await.unwrap();
        self.vault.destroy_content(slot).await.unwrap();
        let gone = self.enrollment(number).await.unwrap();
        let mut commit = self.records.commit();
        self.register.tombstone(&mut commit, &gone, self.clock.now()).await.unwrap();
        commit.submit().await.unwrap();
    }

    /// An authentication that Jumio has.
    pub(crate) async fn authenticate(&self, number: u64, state: AuthenticationState) -> AuthenticationId {
        self.clock.advance(Duration::from_secs(1));
        let enrollment = self.enrollment(number).await.unwrap();
        let person = enrollment.private.as_ref().unwrap();
        let id = AuthenticationId::random(&SeededRng::new(number + 1000));
        let private = AuthenticationPrivate {
            id,
            reference: Some(reference(number + 1000).to_string().parse().unwrap()),
            enrollment_reference: person.reference,
            user_reference: person.user_reference.clone().unwrap(),
            redirect_url: None,
            success_url: None,
            error_url: None,
            locale: None,
            token_lifetime_minutes: None,
            request_reference: None,
        };
        let now = self.clock.now();
        let row = AuthenticationRow {
            state,
            since: now,
            created_at: now,
            channel: Channel::Mobile,
            enrollment: enrollment.key,
            slot: enrollment.row.slot,
            user: enrollment.row.user.unwrap(),
            transaction: None,
            private: None,
            initiated_at: Some(now),
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
        };
        let mut commit = self.records.commit();
        self.register.insert_known_authentication(&mut commit, row, &private).await.unwrap();
        commit.submit().await.unwrap();
        id
    }
}

impl std::fmt::Debug for Open {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Open(..)")
    }
}

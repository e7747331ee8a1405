//! A facemap of one person never leaves for another, whatever is exchanged between them: by somebody who can write the
//! disk, and even by somebody who has the key of the records.

use crate::house::{House, Process, asks, config, face, reference, user};
use async_trait::async_trait;
use audit::Actor;
use jumio::scripted::Started;
use model::{AuthenticationId, rng::SeededRng};
use queue::Limit;
use reauth::AuthenticationRequest;
use records::{Commit, EnrollmentKey, Key as _, Record, Table, TransactionKey, UserKey, tables};
use register::{AuthenticationRow, EnrollmentRow, UserRow, WindowRow};
use std::sync::{Arc, Mutex};
use store::{Batch, Range, Row, Store, StoreError, TableId, Version, Versioned, memory::MemoryStore};

const PEOPLE: u64 = 6;
const ROUNDS: u64 = 2000;

static ENROLLMENTS: Table<(EnrollmentKey,), EnrollmentRow> = Table::new(tables::ENROLLMENTS, "enrollments");
static USERS: Table<(UserKey,), UserRow> = Table::new(tables::USERS, "users");
static WINDOWS: Table<(EnrollmentKey,), WindowRow> = Table::new(tables::WINDOWS, "windows");
static AUTHENTICATIONS: Table<(AuthenticationId,), AuthenticationRow> =
    Table::new(tables::AUTHENTICATIONS, "authentications");
static BY_TRANSACTION: Table<(TransactionKey,), AuthenticationId> =
    Table::new(tables::AUTHENTICATIONS_BY_TRANSACTION, "authentications-by-transaction");

/// A store that is another one from one moment to the next.
struct Swapped(Mutex<Arc<MemoryStore>>);

impl Swapped {
    fn now(&self) -> Arc<MemoryStore> {
        Arc::clone(&self.0.lock().unwrap())
    }

    fn swap(&self, store: MemoryStore) {
        *self.0.lock().unwrap() = Arc::new(store);
    }
}

#[async_trait]
impl Store for Swapped {
    async fn get(&self, table: TableId, key: &[u8]) -> Result<Option<Versioned>, StoreError> {
        self.now().get(table, key).await
    }

    async fn scan(&self, table: TableId, range: &Range, limit: usize) -> Result<Vec<Row>, StoreError> {
        self.now().scan(table, range, limit).await
    }

    async fn commit(&self, batch: Batch) -> Result<Version, StoreError> {
        self.now().commit(batch).await
    }

    async fn export(&self, sink: Box<dyn store::ExportSink>) -> Result<store::Transferred, StoreError> {
        self.now().export(sink).await
    }

    async fn import(
        &self,
        last: Version,
        source: Box<dyn store::ImportSource>,
    ) -> Result<store::Transferred, StoreError> {
        self.now().import(last, source).await
    }
}

/// Everybody is enrolled; half of them have an open transaction.
async fn populated() -> House {
    let house = House::with(config(), vec![Limit::per_second(1_000_000)]).await;
    for number in 1..=PEOPLE {
        house.enroll(number).await;
        if number % 2 == 0 {
            house.ask(asks(number)).await.unwrap();
        }
    }
    house
}

/// What Jumio was sent is everybody's own, and what anybody is told is theirs.
async fn nobody_gets_another(house: &House, process: &Process, numbers: [u64; 2], round: u64) -> usize {
    let mut answered = 0;
    for number in numbers {
        let named = AuthenticationRequest { enrollment: Some(reference(number)), ..asks(number) };
        for request in [asks(number), named] {
            let Ok(answer) = process.reauth.initiate(request, Actor::System).await else { continue };
            answered += 1;
            let view = answer.authentication;
            assert_eq!(view.user_reference, Some(user(number)), "round {round}");
            assert_eq!(view.enrollment_transaction_reference, Some(reference(number)), "round {round}");
            let told = view.authentication_transaction_reference;
            let own = |sent: &&Started| Some(sent.reference) == told;
            let sent = house.started().iter().find(own).unwrap().request.enrollment;
            assert_eq!(sent, reference(number), "round {round}");
        }
        for view in process.reauth.list(&user(number), None, None, 10).await.unwrap_or_default() {
            assert_eq!(view.user_reference, Some(user(number)), "round {round}");
        }
    }
    answered
}

fn everything_sent_is_its_owners(house: &House) {
    for sent in house.started() {
        let owner = (1..=PEOPLE).find(|number| reference(*number) == sent.request.enrollment).unwrap();
        assert_eq!(sent.facemap, face(owner), "a facemap left for another enrollment");
        assert_eq!(sent.request.user_reference, Some(user(owner)), "a facemap left for another user");
    }
}

fn two(rng: &SeededRng) -> [u64; 2] {
    let first = 1 + rng.below(PEOPLE);
    let second = 1 + (first + rng.below(PEOPLE - 1)) % PEOPLE;
    [first, second]
}

/// Exchanges or copies whole stored values, moves index rows, cuts and flips: what a writer of the disk can do.
fn disturb(store: &MemoryStore, rng: &SeededRng) {
    let dump = store.dump();
    let any = |rng: &SeededRng| dump[usize::try_from(rng.below(dump.len() as u64)).unwrap()].clone();
    let (table, key, value) = any(rng);
    let alike: Vec<_> = dump.iter().filter(|row| row.0 == table && row.1 != key).collect();
    if alike.is_empty() {
        return;
    }
    let other = alike[usize::try_from(rng.below(alike.len() as u64)).unwrap()].clone();
    match rng.below(5) {
        0 => {
            store.tamper(table, &key, other.2.clone());
            store.tamper(table, &other.1, value);
        }
        1 => store.tamper(table, &key, other.2),
        // The head of one key and the tail of another: an index row that points from one person to the other.
        2 => {
            let cut = usize::try_from(rng.below(key.len() as u64)).unwrap();
            let mut mixed = key[..cut].to_vec();
            mixed.extend(other.1.get(cut..).unwrap_or_default());
            store.tamper(table, &mixed, value);
        }
        3 => {
            let mut bytes = value.value.to_vec();
            if !bytes.is_empty() {
                let at = usize::try_from(rng.below(bytes.len() as u64)).unwrap();
                bytes[at] ^= 1 << rng.below(8);
            }
            store.tamper(table, &key, Versioned { version: value.version, value: bytes.into() });
        }
        _ => {
            let elsewhere = any(rng);
            store.tamper(table, &key, Versioned { version: Version(rng.below(40)), ..elsewhere.2 });
        }
    }
}

#[tokio::test]
async fn whatever_is_exchanged_in_the_store_no_facemap_leaves_for_another() {
    let house = populated().await;
    let base = house.store.inner().snapshot();
    let store = Arc::new(Swapped(Mutex::new(Arc::new(base.snapshot()))));
    let process = house.reopened(store.clone()).await;
    let mut answered = 0;
    for round in 0..ROUNDS {
        let rng = SeededRng::new(round);
        store.swap(base.snapshot());
        for _ in 0..=rng.below(3) {
            disturb(&store.now(), &rng);
        }
        answered += nobody_gets_another(&house, &process, two(&rng), round).await;
    }
    everything_sent_is_its_owners(&house);
    assert!(answered > 1000, "most people can still be authenticated: {answered}");
}

/// Two rows of a table, and what is done with them.
async fn pair<K, V>(process: &Process, table: &Table<K, V>, keys: [K; 2], change: impl FnOnce(&mut V, &mut V))
where
    K: records::Key,
    V: serde::Serialize + serde::de::DeserializeOwned + Clone,
{
    let records = process.register.records();
    let read = |key| table.get(records, key);
    let (Some(a), Some(b)) = (read(&keys[0]).await.unwrap(), read(&keys[1]).await.unwrap()) else { return };
    let (mut first, mut second) = (a.value.clone(), b.value.clone());
    change(&mut first, &mut second);
    let mut commit: Commit = records.commit();
    let mut put = |key: &K, read: &Record<V>, value: &V| commit.update(table, key, read, value);
    put(&keys[0], &a, &first);
    put(&keys[1], &b, &second);
    commit.submit().await.unwrap();
}

/// Exchanges parts of rows and seals them anew: what the key of the records allows, without the slots' secrets.
async fn forge(house: &House, process: &Process, [a, b]: [u64; 2], rng: &SeededRng) {
    let records = process.register.records();
    let enrollments = [(house.key(a),), (house.key(b),)];
    let parts = rng.below(64);
    let part = |bit: u32| parts & (1 << bit) != 0;
    pair(process, &ENROLLMENTS, enrollments, |x, y| {
        if part(0) {
            std::mem::swap(&mut x.private, &mut y.private);
        }
        if part(1) {
            std::mem::swap(&mut x.slot, &mut y.slot);
        }
        if part(2) {
            std::mem::swap(&mut x.user, &mut y.user);
        }
        if part(3) {
            std::mem::swap(&mut x.facemap_bytes, &mut y.facemap_bytes);
        }
    })
    .await;
    if part(4) {
        let users = [a, b].map(|number| (records.user_key(&user(number)),));
        pair(process, &USERS, users, std::mem::swap).await;
    }
    if part(5) {
        pair(process, &WINDOWS, [(house.key(a),), (house.key(b),)], std::mem::swap).await;
    }
    let found = async |number| {
        let key = house.key(number);
        let ids = process.register.authentications_of(key, model::Timestamp::MIN, 1).await.unwrap();
        ids.first().copied()
    };
    let (Some(x), Some(y)) = (found(a).await, found(b).await) else { return };
    let parts = rng.below(64);
    let part = |bit: u32| parts & (1 << bit) != 0;
    pair(process, &AUTHENTICATIONS, [(x,), (y,)], |x, y| {
        if part(0) {
            std::mem::swap(&mut x.private, &mut y.private);
        }
        if part(1) {
            std::mem::swap(&mut x.slot, &mut y.slot);
        }
        if part(2) {
            std::mem::swap(&mut x.enrollment, &mut y.enrollment);
        }
        if part(3) {
            std::mem::swap(&mut x.user, &mut y.user);
        }
        if part(4) {
            std::mem::swap(&mut x.transaction, &mut y.transaction);
        }
    })
    .await;
    if part(5) {
        let sent = house.started();
        let of = |number| sent.iter().find(|sent| sent.request.enrollment == reference(number)).unwrap();
        let keys = [a, b].map(|number| (records.transaction_key(&of(number).reference),));
        pair(process, &BY_TRANSACTION, keys, std::mem::swap).await;
    }
}

#[tokio::test]
async fn not_even_the_records_key_makes_a_facemap_leave_for_another() {
    let house = populated().await;
    let base = house.store.inner().snapshot();
    let store = Arc::new(Swapped(Mutex::new(Arc::new(base.snapshot()))));
    let process = house.reopened(store.clone()).await;
    for round in 0..ROUNDS {
        let rng = SeededRng::new(round ^ 0xf00d);
        store.swap(base.snapshot());
        let people = two(&rng);
        forge(&house, &process, people, &rng).await;
        nobody_gets_another(&house, &process, people, round).await;
    }
    everything_sent_is_its_owners(&house);
}

/// An index row that leads from one user to another's enrollment leads to nobody; to another's authentication it is an
/// error.
#[tokio::test]
async fn an_index_row_that_leads_to_somebody_else_shows_nobody_else() {
    let house = populated().await;
    let store = Arc::new(house.store.inner().snapshot());
    let process = house.reopened(store.clone()).await;
    let (one, two) = (user(1), house.key(2));
    let stranger = house.register().records().user_key(&one);
    let since = house.enrollment(2).await.row.created_at;
    let row = Versioned { version: Version(1), value: Vec::new().into() };
    store.tamper(tables::ENROLLMENTS_BY_USER, &(stranger, since, two).encode(), row.clone());
    let id = house.reauth().list(&user(2), None, None, 1).await.unwrap()[0].authentication_id;
    store.tamper(tables::AUTHENTICATIONS_BY_USER, &(stranger, since, id).encode(), row);
    let filter = register::EnrollmentFilter { user: Some(one.clone()), ..Default::default() };
    let listed = process.register.enrollments(&filter, 10).await.unwrap();
    assert_eq!(listed.iter().map(|found| found.key).collect::<Vec<_>>(), [house.key(1)]);
    process.reauth.list(&one, None, None, 10).await.unwrap_err();
}

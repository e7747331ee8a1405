//! Tables, indexes and commits over a store in memory.

#![expect(clippy::unwrap_used, reason = "helpers of tests: what cannot be set up fails the test")]

use model::{Rng, rng::SeededRng};
use records::{Commit, Index, Key as _, Record, Records, RecordsError, Table};
use seal::HeldKeys;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use store::{
    Range, Store, StoreError, TableId, Version, Versioned,
    faulty::{CommitFault, FaultyStore},
    memory::MemoryStore,
};

static THINGS: Table<(u64,), Thing> = Table::new(TableId(200), "things");
static OTHERS: Table<(u64,), Thing> = Table::new(TableId(201), "others");
static BY_KIND: Index<(u8, u64)> = Index::new(TableId(202));

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Thing {
    says: String,
}

fn thing(says: &str) -> Thing {
    Thing { says: says.to_owned() }
}

fn over(store: Arc<dyn Store>, seed: u64) -> Records {
    let rng: Arc<dyn Rng> = Arc::new(SeededRng::new(seed));
    Records::new(store, Arc::new(HeldKeys::for_tests(seed)), rng)
}

fn empty() -> (Arc<MemoryStore>, Records) {
    let store = Arc::new(MemoryStore::new());
    (store.clone(), over(store, 1))
}

async fn insert(records: &Records, key: u64, says: &str) -> Record<Thing> {
    let mut commit = records.commit();
    commit.insert(&THINGS, &(key,), &thing(says));
    commit.submit().await.unwrap();
    get(records, key).await.unwrap()
}

async fn get(records: &Records, key: u64) -> Option<Record<Thing>> {
    THINGS.get(records, &(key,)).await.unwrap()
}

async fn says(records: &Records, key: u64) -> Option<String> {
    get(records, key).await.map(|read| read.value.says)
}

fn stored(store: &MemoryStore, table: TableId, key: u64) -> Versioned {
    let key = (key,).encode();
    store.dump().into_iter().find(|row| row.0 == table && row.1 == key).unwrap().2
}

fn damaged() -> RecordsError {
    RecordsError::Damaged { table: "things" }
}

const THING: TableId = TableId(200);

#[tokio::test]
async fn what_was_committed_is_read_back_and_changes_are_conditional_on_what_was_read() {
    let (_store, records) = empty();
    let read = insert(&records, 1, "one").await;
    assert_eq!(says(&records, 2).await, None);
    let mut commit = records.commit();
    commit.update(&THINGS, &(1,), &read, &thing("uno"));
    commit.submit().await.unwrap();
    assert_eq!(says(&records, 1).await.as_deref(), Some("uno"));
    let changes: [fn(&mut Commit, &Record<Thing>); 5] = [
        |commit, read| commit.update(&THINGS, &(1,), read, &thing("eins")),
        |commit, read| commit.upsert(&THINGS, &(1,), Some(read), &thing("eins")),
        |commit, read| commit.remove(&THINGS, &(1,), read),
        |commit, read| commit.require(&THINGS, &(1,), Some(read)),
        |commit, _| commit.insert(&THINGS, &(1,), &thing("eins")),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut commit = records.commit();
        change(&mut commit, &read);
        let error = commit.submit().await.unwrap_err();
        assert!(error.is_conflict() && error.is_retryable(), "change {number}");
    }
    assert_eq!(says(&records, 1).await.as_deref(), Some("uno"));
    let read = get(&records, 1).await.unwrap();
    let mut commit = records.commit();
    commit.require::<(u64,), Thing>(&THINGS, &(2,), None);
    commit.remove(&THINGS, &(1,), &read);
    commit.submit().await.unwrap();
    assert_eq!(says(&records, 1).await, None);
}

#[tokio::test]
async fn a_commit_is_all_or_nothing() {
    let (store, records) = empty();
    insert(&records, 1, "one").await;
    let before = store.dump();
    let mut commit = records.commit();
    commit.insert(&THINGS, &(2,), &thing("two"));
    commit.index(&BY_KIND, &(7, 2));
    commit.insert(&THINGS, &(1,), &thing("again"));
    assert!(commit.submit().await.unwrap_err().is_conflict());
    assert_eq!(store.dump(), before);
}

#[tokio::test]
async fn a_commit_that_is_dropped_writes_nothing() {
    let (store, records) = empty();
    let mut commit = records.commit();
    commit.insert(&THINGS, &(1,), &thing("one"));
    drop(commit);
    assert_eq!(store.dump(), []);
}

#[tokio::test]
async fn wakers_run_once_everything_is_durable_and_not_otherwise() {
    let store = Arc::new(FaultyStore::new(MemoryStore::new()));
    let records = over(store.clone(), 1);
    let woken = Arc::new(AtomicUsize::new(0));
    for (fault, wakes) in [(Some(CommitFault::NoSpace), 0), (Some(CommitFault::Conflict), 0), (None, 1)] {
        if let Some(fault) = fault {
            store.fail_commit(1, fault);
        }
        let mut commit = records.commit();
        commit.insert(&THINGS, &(1,), &thing("one"));
        let (seen, behind) = (Arc::clone(&woken), Arc::clone(&store));
        commit.after_durable(move || {
            assert!(!behind.inner().dump().is_empty(), "woken before it was durable");
            seen.fetch_add(1, Ordering::SeqCst);
        });
        assert_eq!(commit.submit().await.is_ok(), fault.is_none());
        assert_eq!(woken.load(Ordering::SeqCst), wakes);
    }
}

#[tokio::test]
async fn a_moved_or_swapped_record_does_not_open() {
    let (store, records) = empty();
    insert(&records, 1, "one").await;
    insert(&records, 2, "two").await;
    let (one, two) = (stored(&store, THING, 1), stored(&store, THING, 2));
    store.tamper(THING, &(1_u64,).encode(), two.clone());
    store.tamper(THING, &(2_u64,).encode(), one.clone());
    for key in [1, 2] {
        assert_eq!(THINGS.get(&records, &(key,)).await.unwrap_err(), damaged());
    }
    assert_eq!(THINGS.scan(&records, &Range::default(), 10).await.unwrap_err(), damaged());
    store.tamper(TableId(201), &(1_u64,).encode(), one.clone());
    let elsewhere = OTHERS.get(&records, &(1,)).await.unwrap_err();
    assert_eq!(elsewhere, RecordsError::Damaged { table: "others" });
    store.tamper(THING, &(1_u64,).encode(), one);
    assert_eq!(says(&records, 1).await.as_deref(), Some("one"));
}

/// The revision is bound: an older value does not open as the newer one, nor the other way round.
#[tokio::test]
async fn a_value_opens_only_at_its_own_revision() {
    let (store, records) = empty();
    let read = insert(&records, 1, "old").await;
    let old = stored(&store, THING, 1);
    let mut commit = records.commit();
    commit.update(&THINGS, &(1,), &read, &thing("new"));
    commit.submit().await.unwrap();
    let new = stored(&store, THING, 1);
    assert_eq!(
        (old.value[..8].to_vec(), new.value[..8].to_vec()),
        (1_u64.to_be_bytes().into(), 2_u64.to_be_bytes().into())
    );
    for (head, tail) in [(&new, &old), (&old, &new)] {
        let mixed = [&head.value[..8], &tail.value[8..]].concat();
        store.tamper(THING, &(1_u64,).encode(), Versioned { version: new.version, value: mixed.into() });
        assert_eq!(THINGS.get(&records, &(1,)).await.unwrap_err(), damaged());
    }
}

#[tokio::test]
async fn no_byte_of_a_record_can_be_changed_and_none_be_missing() {
    let (store, records) = empty();
    insert(&records, 1, "one").await;
    let good = stored(&store, THING, 1);
    let put = |bytes: Vec<u8>| {
        store.tamper(THING, &(1_u64,).encode(), Versioned { version: Version(1), value: bytes.into() });
    };
    for at in 0..good.value.len() {
        let mut bytes = good.value.to_vec();
        bytes[at] ^= 1;
        put(bytes);
        assert_eq!(THINGS.get(&records, &(1,)).await.unwrap_err(), damaged(), "byte {at}");
        put(good.value[..at].to_vec());
        assert_eq!(THINGS.get(&records, &(1,)).await.unwrap_err(), damaged(), "{at} bytes");
    }
}

#[tokio::test]
async fn other_keys_open_nothing_and_the_store_shows_nothing() {
    let (store, records) = empty();
    insert(&records, 1, "a secret of somebody").await;
    let bytes = stored(&store, THING, 1).value;
    assert!(!bytes.windows(6).any(|window| window == b"secret"));
    let error = THINGS.get(&over(store, 2), &(1,)).await.unwrap_err();
    assert_eq!(error, damaged());
    assert!(error.to_string().contains("verify") && !error.is_conflict() && !error.is_retryable());
}

#[tokio::test]
async fn a_scan_keeps_to_its_range_order_and_limit() {
    let (store, records) = empty();
    for key in [5, 300, 1, 70_000, 2] {
        insert(&records, key, &key.to_string()).await;
    }
    let keys = async |range: Range, limit| {
        let rows = THINGS.scan(&records, &range, limit).await.unwrap();
        rows.into_iter().map(|((key,), _)| key).collect::<Vec<_>>()
    };
    assert_eq!(keys(Range::default(), 10).await, [1, 2, 5, 300, 70_000]);
    assert_eq!(keys(Range::default(), 2).await, [1, 2]);
    let after = Some((2_u64,).encode());
    assert_eq!(keys(Range { after: after.clone(), ..Range::default() }, 10).await, [5, 300, 70_000]);
    let before = Some((300_u64,).encode());
    assert_eq!(keys(Range { after, before, ..Range::default() }, 10).await, [5]);
    store.tamper(THING, b"no key", Versioned { version: Version(1), value: Vec::new().into() });
    assert_eq!(THINGS.scan(&records, &Range::default(), 10).await.unwrap_err(), damaged());
}

#[tokio::test]
async fn an_index_gives_its_keys_page_by_page() {
    let (store, records) = empty();
    let mut commit = records.commit();
    for (kind, n) in [(1, 9), (2, 3), (2, 1), (2, 2), (3, 0)] {
        commit.index(&BY_KIND, &(kind, n));
    }
    commit.submit().await.unwrap();
    let first = BY_KIND.keys(&records, (2_u8,).encode(), None, 2).await.unwrap();
    assert_eq!(first, [(2, 1), (2, 2)]);
    let rest = BY_KIND.keys(&records, (2_u8,).encode(), first.last(), 2).await.unwrap();
    assert_eq!(rest, [(2, 3)]);
    let mut commit = records.commit();
    commit.unindex(&BY_KIND, &(2, 2));
    commit.submit().await.unwrap();
    assert_eq!(BY_KIND.keys(&records, (2_u8,).encode(), None, 9).await.unwrap(), [(2, 1), (2, 3)]);
    let stray = Versioned { version: Version(1), value: Vec::new().into() };
    store.tamper(TableId(202), &[2, 0], stray);
    let error = BY_KIND.keys(&records, (2_u8,).encode(), None, 9).await.unwrap_err();
    assert_eq!(error, RecordsError::Damaged { table: "index" });
}

#[tokio::test]
async fn a_value_that_cannot_be_written_fails_the_whole_commit() {
    static MAPS: Table<(u64,), BTreeMap<(u8, u8), u8>> = Table::new(TableId(203), "maps");
    let (store, records) = empty();
    let mut commit = records.commit();
    commit.insert(&THINGS, &(1,), &thing("one"));
    commit.insert(&MAPS, &(1,), &BTreeMap::from([((1, 2), 3)]));
    assert_eq!(commit.submit().await.unwrap_err(), RecordsError::Encoding { table: "maps" });
    assert_eq!(store.dump(), []);
}

#[tokio::test]
async fn naming_a_row_twice_in_a_commit_is_a_mistake_that_writes_nothing() {
    let (store, records) = empty();
    let mut commit = records.commit();
    commit.insert(&THINGS, &(1,), &thing("one"));
    commit.insert(&THINGS, &(1,), &thing("two"));
    assert_eq!(commit.submit().await.unwrap_err(), RecordsError::Store(StoreError::RepeatedKey));
    assert_eq!(store.dump(), []);
}

#[test]
fn nothing_in_the_store_names_a_person_and_no_two_kinds_of_names_meet() {
    let (_store, records) = empty();
    let text = "00000000-0000-4000-8000-000000000001";
    let enrollment = records.enrollment_key(&text.parse().unwrap());
    let transaction = records.transaction_key(&text.parse().unwrap());
    let user = records.user_key(&text.parse().unwrap());
    assert_eq!(HashSet::from([enrollment.0, transaction.0, user.0]).len(), 3);
    let bytes = (user,).encode();
    assert!(!bytes.windows(4).any(|window| text.as_bytes().windows(4).any(|part| part == window)));
    assert_ne!(over(Arc::new(MemoryStore::new()), 2).user_key(&text.parse().unwrap()), user, "keyed");
    assert_eq!(over(Arc::new(MemoryStore::new()), 1).user_key(&text.parse().unwrap()), user);
}

#[test]
fn no_two_tables_have_the_same_number() {
    let source = include_str!("../src/tables.rs");
    let numbers: Vec<&str> =
        source.lines().filter_map(|line| line.split_once("= TableId(")?.1.strip_suffix(");")).collect();
    let distinct: HashSet<_> = numbers.iter().collect();
    assert!(numbers.len() > 20 && !distinct.contains(&"0"), "0 belongs to the engines");
    assert_eq!(distinct.len(), numbers.len());
}

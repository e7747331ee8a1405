//! A facemap of one person never opens for another, whatever bytes are exchanged on the disk: slots, contents, rows of
//! the store, and older states of each.

use crate::house::{Answer, House, Journal, Start, below, free_port};
use model::rng::SeededRng;
use sandbox::{Endpoint, Judgement};
use serde_json::json;
use std::{
    collections::BTreeMap,
    fs,
    ops::Range,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// Exchanges, each from the disk as it was, with a start and two re-authentications after it.
const EXCHANGES: u64 = 200;
const WORKERS: u64 = 3;
const SEED: u64 = 1789;
/// Longest time for all of them.
const PATIENCE: Duration = Duration::from_secs(120);

const SECTOR: usize = 512;
/// The pieces of a sector that somebody who knows the format would exchange: status, kind, flags, generation, id,
/// subject, time, secret, wrapped key.
const SECTOR_PIECES: [Range<usize>; 9] =
    [8..9, 9..10, 10..12, 16..24, 24..40, 40..72, 72..80, 80..112, 112..480];
/// The pieces of a content file: id, generation, length, sealed header, envelope.
const CONTENT_PIECES: [Range<usize>; 5] = [16..32, 32..40, 40..48, 48..230, 230..usize::MAX];

/// One of the two people.
#[derive(Clone)]
struct Person {
    user: &'static str,
    reference: String,
    digest: String,
}

/// The disk at two moments: before the release, and in the end.
struct Disk {
    early: PathBuf,
    late: PathBuf,
    people: [Person; 2],
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_exchanged_on_the_disk_nobody_gets_anothers_facemap() {
    let (house, disk) = stage().await;
    let house = Arc::new(house);
    let disk = Arc::new(disk);
    let begin = Instant::now();
    let next = Arc::new(AtomicU64::new(0));
    let mut workers = tokio::task::JoinSet::new();
    for n in 0..WORKERS {
        let (house, disk, next) = (Arc::clone(&house), Arc::clone(&disk), Arc::clone(&next));
        workers.spawn(async move {
            let mut outcomes = BTreeMap::new();
            let dir = house.dir.with_file_name(format!("exchange-{n}"));
            let start = Start {
                config: dir.join("config.toml"),
                log: dir.with_extension("log"),
                public: free_port(),
                private: free_port(),
                settings: house.start.settings.clone(),
            };
            loop {
                let round = next.fetch_add(1, Ordering::Relaxed);
                if round >= EXCHANGES {
                    return outcomes;
                }
                let rng = SeededRng::new(SEED + round);
                copy(&disk.late, &dir);
                let what = exchange(&disk, &dir, &rng);
                let outcome =
                    try_out(&house, &start, &disk.people, &format!("exchange {round}: {what}")).await;
                *outcomes.entry((what, outcome)).or_insert(0_u64) += 1;
            }
        });
    }
    let mut all: BTreeMap<(String, Outcome), u64> = BTreeMap::new();
    for outcomes in workers.join_all().await {
        for (key, count) in outcomes {
            *all.entry(key).or_default() += count;
        }
    }
    let count =
        |outcome| all.iter().filter(|((_, had), _)| *had == outcome).map(|(_, count)| count).sum::<u64>();
    let [refused, failed, harmless] = [Outcome::Refused, Outcome::Failed, Outcome::Harmless].map(count);
    println!(
        "{EXCHANGES} exchanges in {:?}: {refused} refused at the start, {failed} refused when used, {harmless} without effect",
        begin.elapsed()
    );
    for ((what, outcome), count) in &all {
        println!("  {count:3} {what}: {outcome:?}");
    }
    assert!(begin.elapsed() < PATIENCE);
    // Else nothing was exchanged.
    assert!(refused > 0 && failed > 0 && refused + failed > EXCHANGES / 2);
}

/// Two people with facemaps of one length, and their disk at two moments.
async fn stage() -> (House, Disk) {
    let mut house = House::new().await;
    let mut people = Vec::new();
    for user in ["user-anna", "user-berta"] {
        let judgement = Judgement { facemap_bytes: Some(3000), ..Judgement::default() };
        let reference = house.begin(user).await;
        let finished = house.sandbox.control.finish_verification(&reference, judgement).await.unwrap();
        house.reaches(&reference, "vaulted").await;
        people.push(Person { user, reference, digest: finished.facemap_digest.unwrap() });
    }
    assert_ne!(people[0].digest, people[1].digest);
    house.settles().await;
    house.stop().await;
    let (early, late) = (house.dir.with_file_name("early"), house.dir.with_file_name("late"));
    copy(&house.dir, &early);
    house.start().await;
    for person in &people {
        house.release(&person.reference).await;
        house.reaches(&person.reference, "ready").await;
    }
    house.settles().await;
    house.stop().await;
    copy(&house.dir, &late);
    let people = <[Person; 2]>::try_from(people).ok().unwrap();
    (house, Disk { early, late, people })
}

/// Makes a folder the copy of another.
fn copy(from: &Path, to: &Path) {
    if to.exists() {
        fs::remove_dir_all(to).unwrap();
    }
    fs::create_dir(to).unwrap();
    fs::set_permissions(to, fs::metadata(from).unwrap().permissions()).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() { copy(&path, &target) } else { drop(fs::copy(&path, &target).unwrap()) }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// The vault did not start.
    Refused,
    /// It started, and at least one of the two could not be re-authenticated.
    Failed,
    /// Both were re-authenticated, each with their own facemap.
    Harmless,
}

/// Starts a vault on the disk as it is now and re-authenticates both.
async fn try_out(house: &House, start: &Start, people: &[Person; 2], what: &str) -> Outcome {
    let before = house.sandbox.control.journal(0).next;
    let mut vault = start.spawn();
    let api = format!("http://127.0.0.1:{}", start.private);
    let begin = Instant::now();
    loop {
        if let Some(ended) = vault.ended() {
            let said = start.said();
            assert_eq!(ended.code(), Some(1), "{what}: {said}");
            let told = said.lines().rev().find(|line| line.starts_with("error: ")).unwrap_or_default();
            let advice = ["verify", "restore", "rebuild-index", "right keys"];
            assert!(advice.iter().any(|word| told.contains(word)), "{what}: says nothing to do: {told}");
            fs::remove_file(&start.log).unwrap();
            return Outcome::Refused;
        }
        let look = house.http.get(format!("{api}/readyz")).timeout(Duration::from_millis(500));
        if Answer::of(look).await.is_ok_and(|answer| answer.status == 200) {
            break;
        }
        assert!(begin.elapsed() < Duration::from_secs(15), "{what}: {}", start.said());
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    let mut outcome = Outcome::Harmless;
    for person in people {
        let body = json!({ "userReference": person.user, "channel": "mobile" });
        let request = house.http.post(format!("{api}/v1/authentications")).json_body(&body);
        let answer = house.ask(crate::house::Role::App, request).await;
        if answer.status == 201 {
            let named = answer.str("enrollmentTransactionReference");
            assert_eq!(named, person.reference, "{what}: another enrollment for {}", person.user);
        } else {
            outcome = Outcome::Failed;
            assert!(answer.status >= 400, "{what}: {}", answer.text);
        }
        let seen = house.http.get(format!("{api}/v1/enrollments/{}", person.reference));
        let seen = house.ask(crate::house::Role::App, seen).await;
        if seen.status == 200 {
            assert_eq!(seen.str("userReference"), person.user, "{what}: {}", seen.text);
        }
    }
    vault.kill();
    fs::remove_file(&start.log).unwrap();
    let journal = Journal(house.sandbox.control.journal(before).entries);
    for entry in journal.requests().filter(|entry| entry.endpoint == Endpoint::InitiateAuthentication) {
        let enrollment = entry.note.enrollment.as_deref();
        let owner = people.iter().find(|person| Some(person.reference.as_str()) == enrollment);
        let digest = entry.note.facemap_digest.as_deref();
        assert_eq!(
            digest,
            owner.map(|person| person.digest.as_str()),
            "{what}: another person's facemap: {entry:?}"
        );
    }
    outcome
}

trait JsonBody {
    fn json_body(self, body: &serde_json::Value) -> Self;
}

impl JsonBody for reqwest::RequestBuilder {
    fn json_body(self, body: &serde_json::Value) -> Self {
        self.header("Content-Type", "application/json").body(body.to_string())
    }
}

/// Exchanges something; says what kind of thing.
fn exchange(disk: &Disk, dir: &Path, rng: &SeededRng) -> String {
    match rng.below(10) {
        0 => contents_whole(dir, rng),
        1 => content_pieces(dir, rng),
        2 => sectors_whole(dir, rng),
        3 => sector_pieces(dir, rng),
        4 | 5 => rows(dir, rng),
        6 => older(disk, dir, rng),
        7 => {
            // Everything that makes up one place: what its slot says, and the file behind it.
            sector_pieces(dir, rng);
            content_pieces(dir, rng);
            "sector and content pieces".to_owned()
        }
        8 => {
            sectors_whole(dir, rng);
            rows(dir, rng);
            "sectors and rows".to_owned()
        }
        _ => {
            contents_whole(dir, rng);
            sector_pieces(dir, rng);
            rows(dir, rng);
            "contents, sector pieces and rows".to_owned()
        }
    }
}

fn coin(rng: &SeededRng) -> bool {
    rng.below(2) == 0
}

/// The content files: of the first person, of the second.
fn contents(dir: &Path) -> [PathBuf; 2] {
    let files: Vec<_> = below(&dir.join("data/content")).into_iter().filter(|path| path.is_file()).collect();
    files.try_into().unwrap()
}

fn contents_whole(dir: &Path, rng: &SeededRng) -> String {
    let [one, other] = contents(dir);
    let [first, second] = [&one, &other].map(|path| fs::read(path).unwrap());
    fs::write(&one, &second).unwrap();
    if coin(rng) {
        fs::write(&other, &first).unwrap();
    }
    "whole contents".to_owned()
}

/// Some pieces of the one's content, or any range of it, become the other's.
fn content_pieces(dir: &Path, rng: &SeededRng) -> String {
    let [mut to, mut from] = contents(dir);
    if coin(rng) {
        std::mem::swap(&mut to, &mut from);
    }
    let (mut bytes, donor) = (fs::read(&to).unwrap(), fs::read(&from).unwrap());
    if coin(rng) {
        for piece in some(&CONTENT_PIECES, rng) {
            let piece = piece.start..piece.end.min(bytes.len());
            bytes[piece.clone()].copy_from_slice(&donor[piece]);
        }
    } else {
        let start = below_usize(rng, bytes.len() - 1);
        let end = start + 1 + below_usize(rng, bytes.len() - start);
        let piece = start..end.min(bytes.len());
        bytes[piece.clone()].copy_from_slice(&donor[piece]);
    }
    fs::write(&to, bytes).unwrap();
    "content pieces".to_owned()
}

fn below_usize(rng: &SeededRng, end: usize) -> usize {
    usize::try_from(rng.below(end as u64)).unwrap()
}

/// At least one of these.
fn some(pieces: &[Range<usize>], rng: &SeededRng) -> Vec<Range<usize>> {
    let sure = below_usize(rng, pieces.len());
    pieces
        .iter()
        .enumerate()
        .filter(|(n, _)| *n == sure || coin(rng))
        .map(|(_, piece)| piece.clone())
        .collect()
}

/// Changes the slot file with the places of the two live slots of facemaps.
fn edit_slots(dir: &Path, change: impl FnOnce(&mut Vec<u8>, [usize; 2])) {
    let path = dir.join("slots/slots");
    let mut bytes = fs::read(&path).unwrap();
    let live = |n: &usize| bytes[n * SECTOR + 8] == b'L' && bytes[n * SECTOR + 9] == 1;
    let places: Vec<_> = (1..bytes.len() / SECTOR).filter(live).map(|n| n * SECTOR).collect();
    change(&mut bytes, places.try_into().unwrap());
    fs::write(&path, bytes).unwrap();
}

/// Makes a sector's checksum right again: it needs no key.
fn repair(bytes: &mut [u8], place: usize) {
    let vault = bytes[16..32].to_vec();
    let checked = [&vault, &bytes[place..place + 480]].concat();
    let checksum = ring::digest::digest(&ring::digest::SHA256, &checked);
    bytes[place + 480..place + SECTOR].copy_from_slice(checksum.as_ref());
}

fn sectors_whole(dir: &Path, rng: &SeededRng) -> String {
    let (both, repaired) = (coin(rng), rng.below(4) > 0);
    edit_slots(dir, |bytes, [one, other]| {
        let (first, second) = (bytes[one..one + SECTOR].to_vec(), bytes[other..other + SECTOR].to_vec());
        let index = |sector: &[u8]| sector[12..16].to_vec();
        bytes[one..one + SECTOR].copy_from_slice(&second);
        if both {
            bytes[other..other + SECTOR].copy_from_slice(&first);
        }
        if repaired {
            bytes[one + 12..one + 16].copy_from_slice(&index(&first));
            bytes[other + 12..other + 16].copy_from_slice(&index(&second));
            repair(bytes, one);
            repair(bytes, other);
        }
    });
    format!("whole sectors{}", if repaired { ", repaired" } else { "" })
}

fn sector_pieces(dir: &Path, rng: &SeededRng) -> String {
    edit_slots(dir, |bytes, [mut to, mut from]| {
        if coin(rng) {
            std::mem::swap(&mut to, &mut from);
        }
        for piece in some(&SECTOR_PIECES, rng) {
            let donor = bytes[from + piece.start..from + piece.end].to_vec();
            let old = bytes[to + piece.start..to + piece.end].to_vec();
            bytes[to + piece.start..to + piece.end].copy_from_slice(&donor);
            if coin(rng) {
                bytes[from + piece.start..from + piece.end].copy_from_slice(&old);
            }
        }
        repair(bytes, to);
        repair(bytes, from);
    });
    "sector pieces".to_owned()
}

fn open(dir: &Path) -> sled::Db {
    sled::Config::new().path(dir.join("data/db")).flush_every_ms(None).open().unwrap()
}

/// The values of two rows of one table change places, or the one becomes the other.
fn rows(dir: &Path, rng: &SeededRng) -> String {
    let db = open(dir);
    let mut tables: BTreeMap<u8, Vec<(sled::IVec, sled::IVec)>> = BTreeMap::new();
    for row in db.iter() {
        let (key, value) = row.unwrap();
        tables.entry(key[0]).or_default().push((key, value));
    }
    // Table 0 is the engine's own; index rows hold nothing.
    tables.retain(|table, rows| *table != 0 && rows.iter().filter(|(_, value)| value.len() > 16).count() > 1);
    // Mostly the tables that say who is whose: enrollments and users.
    let all: Vec<u8> = tables.keys().copied().collect();
    let persons: Vec<u8> = all.iter().copied().filter(|table| matches!(table, 10 | 13)).collect();
    let choice = if rng.below(4) > 0 { &persons } else { &all };
    let table = choice[below_usize(rng, choice.len())];
    let rows = &tables[&table];
    let one = below_usize(rng, rows.len());
    let other = (one + 1 + below_usize(rng, rows.len() - 1)) % rows.len();
    db.insert(&rows[one].0, &rows[other].1).unwrap();
    if coin(rng) {
        db.insert(&rows[other].0, &rows[one].1).unwrap();
    }
    db.flush().unwrap();
    format!("rows of table {table}")
}

/// Something as it was before the release: a content, the slot file, a row, or the whole store.
fn older(disk: &Disk, dir: &Path, rng: &SeededRng) -> String {
    match rng.below(4) {
        0 => {
            fs::copy(disk.early.join("slots/slots"), dir.join("slots/slots")).unwrap();
            "older slots".to_owned()
        }
        1 => {
            copy(&disk.early.join("data/db"), &dir.join("data/db"));
            "older store".to_owned()
        }
        2 => {
            copy(&disk.early.join("data/content"), &dir.join("data/content"));
            contents_whole(dir, rng);
            "older contents, exchanged".to_owned()
        }
        _ => {
            let scratch = dir.with_extension("early");
            copy(&disk.early, &scratch);
            let (old, db) = (open(&scratch), open(dir));
            for row in old.iter() {
                let (key, value) = row.unwrap();
                if matches!(key[0], 10 | 13) && coin(rng) {
                    db.insert(key, value).unwrap();
                }
            }
            db.flush().unwrap();
            "older rows".to_owned()
        }
    }
}

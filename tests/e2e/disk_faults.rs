//! A disk that fails, or runs full, under the real program: nothing is said to be done that is not, what was said stays
//! so, repeating a request harms nobody, the service says what is wrong, and goes on once the disk does.

mod town;

use crate::house::{Answer, House, LOOK_EVERY, Libfiu, PATIENCE, Role, run, tail};
use model::rng::SeededRng;
use powercut::SmallDisk;
use sandbox::Judgement;
use serde_json::json;
use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};
use town::Town;

/// People who are on their way in, of each round; half of the people who are there are to be purged.
const NEW: usize = 4;
const THERE: usize = 2;
/// The latest moment of a fault after the load has begun.
const LATEST: Duration = Duration::from_millis(250);

const EIO: i32 = 5;
const ENOSPC: i32 = 28;

/// What is to be seen of a fault for as long as it lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shows {
    /// No commit is durable: the process ends by itself and says why, and until then nothing is acknowledged.
    EndOfTheStore,
    /// No slot is durable: the process ends by itself and says why, and until then nobody comes in and nobody is purged.
    EndOfTheSlots,
    /// It stays, and what could not be done is done later.
    Delay,
}

/// The calls that write what counts: of sled (`pwrite`, `sync_file_range`), of the committer (`fsync`), of the slots
/// (`pwrite`, `fdatasync`), of contents and anchor (`open`, `fsync`, `rename`).
const FAULTS: [(&str, i32, Shows); 9] = [
    ("posix/io/sync/fsync", EIO, Shows::EndOfTheStore),
    ("posix/io/sync/fsync", ENOSPC, Shows::EndOfTheStore),
    ("linux/io/sync_file_range", EIO, Shows::EndOfTheStore),
    ("posix/io/rw/pwrite", EIO, Shows::EndOfTheStore),
    ("posix/io/rw/pwrite", ENOSPC, Shows::EndOfTheStore),
    ("posix/io/sync/fdatasync", EIO, Shows::EndOfTheSlots),
    ("posix/io/sync/fdatasync", ENOSPC, Shows::EndOfTheSlots),
    ("posix/io/dir/rename", EIO, Shows::Delay),
    ("posix/io/dir/rename", ENOSPC, Shows::Delay),
];

/// People who are through at Jumio and have not been called back, and people who are there.
async fn grow(house: &House, name: &str) -> (Vec<String>, Vec<String>) {
    let (mut coming, mut there) = (Vec::new(), Vec::new());
    for n in 0..NEW {
        let reference = house.begin(&format!("new-{name}-{n}")).await;
        let judgement = Judgement { send_callback: false, facemap_bytes: Some(5000), ..Judgement::default() };
        house.sandbox.control.finish_verification(&reference, judgement).await.unwrap();
        coming.push(reference);
    }
    for n in 0..THERE {
        there.push(house.enrolled(&format!("there-{name}-{n}"), b"a face").await.0);
    }
    (coming, there)
}

/// A callback that says no more than whom it is about.
fn hint(reference: &str) -> [(&'static str, &str); 2] {
    [("callBackType", "NETVERIFYID"), ("jumioIdScanReference", reference)]
}

/// After the fault, and a restart if it ended the process: everything acknowledged is there and comes to its end, and
/// what was refused can be asked for again.
async fn nothing_is_lost(house: &House, town: &Town, coming: &[String], there: &[String]) {
    let (called_back, released, purged) = {
        let known = town.known.lock().unwrap();
        (known.called_back.clone(), known.released.clone(), known.purged.clone())
    };
    for reference in coming {
        if !called_back.contains(reference) {
            assert_eq!(house.callback(&hint(reference)).await, 200);
        }
        if !released.contains(reference) {
            house.release(reference).await;
        }
        let seen = house.reaches(reference, "ready").await;
        assert!(!seen.str("releasedAt").is_empty());
    }
    for reference in &there[..THERE / 2] {
        let path = format!("/v1/enrollments/{reference}?reason=erasure-request");
        let again = house.ask(Role::Admin, house.http.delete(house.api(&path))).await;
        assert_eq!(again.status, 200, "{}", again.text);
        if let Some(receipt) = purged.get(reference) {
            assert_eq!(again.str("receipt"), receipt, "another receipt");
        }
        house.reaches(reference, "purged").await;
    }
    for reference in &there[THERE / 2..] {
        assert_eq!(house.enrollment(reference).await.str("state"), "ready");
    }
}

/// Whoever is there can be used: the facemap opens.
async fn everybody_opens(house: &House, users: &[String]) {
    for user in users {
        let answer = house.authenticate(user).await;
        assert!(matches!(answer.status, 200 | 201), "{user}: {}", answer.text);
    }
}

/// `verify` has nothing to say.
fn is_clean(house: &House) {
    let told = run(&["verify", "--config", house.start.config.to_str().unwrap()]);
    let said = [told.stdout.clone(), told.stderr.clone()].concat();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&said));
}

/// Waits for `/readyz` to be so, or for the end of the process.
async fn looks(house: &mut House, what: &str, is_so: impl Fn(&Answer) -> bool) -> Answer {
    let begin = Instant::now();
    loop {
        if let Ok(seen) = Answer::of(house.http.get(house.api("/readyz"))).await
            && is_so(&seen)
        {
            return seen;
        }
        assert!(house.vault.as_mut().unwrap().ended().is_none(), "it ended: {}", tail(&house.start.said()));
        assert!(begin.elapsed() < PATIENCE, "not {what}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Once somebody was refused because of the slots, `/readyz` says nothing else any more.
async fn says_so_until_it_ends(house: &mut House, town: &Town) {
    let begin = Instant::now();
    while house.vault.as_mut().unwrap().ended().is_none() {
        assert!(begin.elapsed() < PATIENCE, "it goes on with slots that are not durable");
        let is_refused = town.refused.load(Ordering::SeqCst) > 0;
        if let Ok(seen) = Answer::of(house.http.get(house.api("/readyz"))).await
            && is_refused
        {
            assert_eq!(seen.status, 503, "{}", seen.text);
            assert!(seen.body["troubles"].to_string().contains("slots: the slot file"), "{}", seen.text);
        }
    }
}

/// What the process has said in the end.
fn last_word(house: &House) -> String {
    let said = house.start.said();
    said.lines().rev().find(|line| line.starts_with("error: ")).unwrap_or_default().to_owned()
}

/// One fault at a random moment of the load, and what follows.
async fn round(house: &mut House, fiu: &Libfiu, town: &Town, number: usize, rng: &SeededRng) {
    let (point, errno, shows) = FAULTS[number % FAULTS.len()];
    let (coming, there) = grow(house, &number.to_string()).await;
    let stop = Arc::default();
    town.refused.store(0, Ordering::Relaxed);
    let clients = town.load(house, &coming, &there[..THERE / 2], &stop);
    // The random moment itself.
    tokio::time::sleep(Duration::from_micros(rng.below(u64::try_from(LATEST.as_micros()).unwrap()))).await;
    fiu.enable(house.vault.as_ref().unwrap(), point, errno);
    town.is_on.store(true, Ordering::SeqCst);
    if shows == Shows::Delay {
        tokio::time::sleep(LATEST).await;
        assert!(fiu.disable(house.vault.as_ref().unwrap(), point), "{point} ends the process");
    } else {
        if shows == Shows::EndOfTheSlots {
            says_so_until_it_ends(house, town).await;
        }
        let ended = house.vault.as_mut().unwrap().end().await;
        let error = last_word(house);
        assert_eq!(ended.code(), Some(1), "{point} {errno}: {error}");
        let (about, remedy) = match shows {
            Shows::EndOfTheSlots => ("slot file", "check the disk"),
            _ => ("store", "restart"),
        };
        assert!(error.contains(about) && error.contains(remedy), "{point} {errno}: {error}");
        println!("{point} {errno}: {} refused, then {error}", town.refused.load(Ordering::Relaxed));
    }
    stop.store(true, Ordering::Relaxed);
    clients.join_all().await;
    town.is_on.store(false, Ordering::SeqCst);
    let in_spite: Vec<_> = std::mem::take(&mut town.known.lock().unwrap().in_spite);
    let never: &[&str] = match shows {
        Shows::EndOfTheStore => &["callback", "release", "purge", "begin"],
        Shows::EndOfTheSlots => &["purge", "begin"],
        Shows::Delay => &[],
    };
    assert!(!in_spite.iter().any(|act| never.contains(act)), "{point} {errno}: acknowledged {in_spite:?}");
    if shows != Shows::Delay {
        house.start().await;
    }
    looks(house, "ready again", |seen| seen.status == 200).await;
    nothing_is_lost(house, town, &coming, &there).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_fails_at_any_moment_acknowledges_nothing_and_loses_nothing_acknowledged() {
    let environment = |name: &str| std::env::var(name).ok().map(|value| value.parse::<u64>().unwrap());
    let rounds = environment("FACEMAP_VAULT_DISK_ROUNDS").unwrap_or(FAULTS.len() as u64);
    let seed = environment("FACEMAP_VAULT_DISK_SEED").unwrap_or(28);
    println!("{rounds} rounds with seed {seed}");
    let mut house = House::set_up(&[], None).await;
    let Some(fiu) = Libfiu::new_or_explain(&mut house) else { return };
    let (town, rng) = (Town::new(), SeededRng::new(seed));
    house.start().await;
    let mut users = Vec::new();
    for number in 0..usize::try_from(rounds).unwrap() {
        round(&mut house, &fiu, &town, number, &rng).await;
        users.extend((0..NEW).map(|n| format!("new-{number}-{n}")));
        users.extend((THERE / 2..THERE).map(|n| format!("there-{number}-{n}")));
    }
    everybody_opens(&house, &users).await;
    house.stop().await;
    is_clean(&house);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_cannot_be_read_ends_the_process_and_the_next_one_has_everything() {
    let mut house = House::set_up(&[], None).await;
    let Some(fiu) = Libfiu::new_or_explain(&mut house) else { return };
    house.start().await;
    let mut people = Vec::new();
    for n in 0..4 {
        people.push(house.enrolled(&format!("user-{n}"), b"a face").await.0);
    }
    // A process that has just begun has most of its rows on the disk.
    house.stop().await;
    house.start().await;
    fiu.enable(house.vault.as_ref().unwrap(), "posix/io/rw/pread", EIO);
    let stop = Arc::default();
    let clients = Town::new().load(&house, &people, &[], &stop);
    let ended = house.vault.as_mut().unwrap().end().await;
    stop.store(true, Ordering::Relaxed);
    clients.join_all().await;
    let error = last_word(&house);
    assert_eq!(ended.code(), Some(1), "{error}");
    let is_the_disk = ["could not be read", "Input/output error"].iter().any(|word| error.contains(word));
    let tells = ["restart", "check the disk"].iter().any(|word| error.contains(word));
    assert!(is_the_disk && tells, "{error}");
    house.start().await;
    for reference in &people {
        assert_eq!(house.enrollment(reference).await.str("state"), "ready");
    }
    everybody_opens(&house, &["user-0".to_owned(), "user-3".to_owned()]).await;
    house.stop().await;
    is_clean(&house);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_refused_named_and_passed_over_without_a_restart() {
    let Some(disk) = SmallDisk::new_or_explain(64 * 1024 * 1024) else { return };
    let mut house = House::set_up(&[], Some(&disk.path())).await;
    house.start().await;
    let (coming, there) = grow(&house, "full").await;
    let process = house.vault.as_ref().unwrap().id();
    disk.fill().unwrap();
    let seen = looks(&mut house, "full", |seen| seen.status == 503).await;
    assert_eq!(seen.str("reason"), "store-unavailable");
    assert!(seen.body["troubles"].to_string().contains("too little free space"), "{}", seen.text);
    let (town, stop) = (Town::new(), Arc::default());
    town.is_on.store(true, Ordering::SeqCst);
    let clients = town.load(&house, &coming, &there[..THERE / 2], &stop);
    let begin = Instant::now();
    while town.refused.load(Ordering::Relaxed) < 40 {
        assert!(begin.elapsed() < PATIENCE, "it is not refused");
        tokio::time::sleep(LOOK_EVERY).await;
    }
    stop.store(true, Ordering::Relaxed);
    clients.join_all().await;
    assert_eq!(town.known.lock().unwrap().in_spite, Vec::<&str>::new(), "acknowledged on a full disk");
    assert!(!house.get("/v1/status").await.body["troubles"].as_array().unwrap().is_empty());
    assert_eq!(house.enrollment(&there[0]).await.str("state"), "ready", "a refused purge has done nothing");
    disk.free().unwrap();
    let seen = looks(&mut house, "ready again", |seen| seen.status == 200).await;
    assert_eq!(seen.body["troubles"], json!([]));
    assert_eq!(house.vault.as_ref().unwrap().id(), process);
    nothing_is_lost(&house, &town, &coming, &there).await;
    everybody_opens(&house, &["new-full-0".to_owned(), "there-full-1".to_owned()]).await;
    house.stop().await;
    is_clean(&house);
}

/// Nothing is kept free here, so that it is a write which meets the end of the disk: sled's, a content's, the anchor's.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_runs_full_during_a_write_is_passed_over_without_a_restart() {
    const TIMES: usize = 3;
    let Some(disk) = SmallDisk::new_or_explain(64 * 1024 * 1024) else { return };
    let mut house = House::set_up(&[("STORE__MIN_FREE_BYTES", "0")], Some(&disk.path())).await;
    house.start().await;
    let (town, mut users) = (Town::new(), Vec::new());
    for time in 0..TIMES {
        let (coming, there) = grow(&house, &time.to_string()).await;
        let (process, stop) = (house.vault.as_ref().unwrap().id(), Arc::default());
        let clients = town.load(&house, &coming, &there[..THERE / 2], &stop);
        disk.fill().unwrap();
        tokio::time::sleep(LATEST).await;
        disk.free().unwrap();
        stop.store(true, Ordering::Relaxed);
        clients.join_all().await;
        looks(&mut house, "ready again", |seen| seen.status == 200).await;
        for reference in &coming {
            assert_eq!(house.callback(&hint(reference)).await, 200, "it does not go on");
        }
        assert_eq!(house.vault.as_ref().unwrap().id(), process);
        // What was under way and could not be put back waits for the end of its lease, or for the next start.
        house.stop().await;
        house.start().await;
        nothing_is_lost(&house, &town, &coming, &there).await;
        users.extend((0..NEW).map(|n| format!("new-{time}-{n}")));
    }
    everybody_opens(&house, &users).await;
    house.stop().await;
    is_clean(&house);
}

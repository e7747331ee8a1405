//! What is refused at the start, and in which words.

use super::{TABLE, config, put};
use crate::{
    SledStore,
    layout::{FORMAT, FORMAT_KEY},
    patience,
};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    thread,
    time::{Duration, Instant},
};
use store::{Condition, Store, StoreError};

fn refusal(folder: &Path) -> String {
    match SledStore::open(config(folder)) {
        Err(StoreError::Unusable(why)) => why,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

async fn filled(folder: &Path) {
    let store = SledStore::open(config(folder)).unwrap();
    for n in 0..200 {
        store.commit(put(&format!("key {n}"), Condition::Absent, "v")).await.unwrap();
    }
    store.close().await;
}

fn raw(folder: &Path) -> sled::Db {
    sled::Config::new().path(folder.join("db")).flush_every_ms(None).open().unwrap()
}

#[tokio::test]
async fn a_second_opener_is_told_that_the_store_is_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let first = SledStore::open(config(folder.path())).unwrap();
    let why = refusal(folder.path());
    assert!(why.contains("another process has it open"), "{why}");
    first.commit(put("k", Condition::Absent, "v")).await.unwrap();
}

#[tokio::test]
async fn a_store_of_a_newer_format_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path()).await;
    let db = raw(folder.path());
    db.insert(FORMAT_KEY, &(FORMAT + 1).to_be_bytes()).unwrap();
    drop(db);
    let why = refusal(folder.path());
    assert!(why.contains("newer version") && why.contains("install that version again"), "{why}");
    assert!(!why.contains("rebuild-index"), "nothing is to be rebuilt here: {why}");
    assert_eq!(raw(folder.path()).len(), 202);
}

#[tokio::test]
async fn somebody_elses_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let db = raw(folder.path());
    db.insert("theirs", "v").unwrap();
    drop(db);
    assert!(refusal(folder.path()).contains("did not write"));
}

#[tokio::test]
async fn anything_in_blobs_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path()).await;
    fs::write(folder.path().join("db/blobs/17"), "large").unwrap();
    let why = refusal(folder.path());
    assert!(why.contains("`blobs` is not empty") && why.contains("rebuild-index"), "{why}");
}

/// sled alone opens each of these, with some or all rows gone.
#[tokio::test]
async fn a_damaged_cut_off_or_missing_database_is_refused_naming_rebuild_index() {
    let damages: [fn(&mut Vec<u8>); 4] = [
        |bytes| bytes[30..60].fill(0x5a),
        |bytes| {
            let half = bytes.len() / 2;
            bytes[half..half + 30].fill(0x5a);
        },
        |bytes| bytes.truncate(bytes.len() / 2),
        Vec::clear,
    ];
    for (at, damage) in damages.into_iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        filled(folder.path()).await;
        // Its snapshot would hide some of the damage until a row is read.
        for entry in fs::read_dir(folder.path().join("db")).unwrap().map(Result::unwrap) {
            if entry.file_name().to_str().unwrap().starts_with("snap.") {
                fs::remove_file(entry.path()).unwrap();
            }
        }
        let path = folder.path().join("db/db");
        let mut bytes = fs::read(&path).unwrap();
        damage(&mut bytes);
        fs::write(&path, bytes).unwrap();
        let why = refusal(folder.path());
        assert!(why.contains("rebuild-index"), "damage {at}: {why}");
    }
}

/// The first opening may end at any moment, the next one goes on from there.
#[tokio::test]
async fn a_first_opening_that_was_interrupted_is_no_damage() {
    let folder = tempfile::tempdir().unwrap();
    drop(raw(folder.path()));
    drop(SledStore::open(config(folder.path())).unwrap());
    fs::remove_file(folder.path().join("db/mark")).unwrap();
    drop(SledStore::open(config(folder.path())).unwrap());
    assert_eq!(fs::read_to_string(folder.path().join("db/mark")).unwrap(), "0\n");
}

#[test]
fn an_opening_that_hangs_or_panics_is_refused_naming_rebuild_index() {
    let began = Instant::now();
    let (release, held) = std::sync::mpsc::channel::<()>();
    let hanging = patience::within(Duration::from_millis(50), move || {
        let _released = held.recv();
        Ok(())
    });
    assert!(began.elapsed() < Duration::from_secs(20), "nobody waits for it to the end");
    drop(release);
    let panicking = patience::within(Duration::from_secs(20), || -> Result<(), _> { panic!("as sled does") });
    for outcome in [hanging, panicking] {
        match outcome {
            Err(StoreError::Unusable(why)) => {
                assert!(why.contains("facemap-vault verify") && why.contains("rebuild-index"), "{why}");
                assert!(why.contains("slots and facemaps were not touched"), "{why}");
            }
            other => panic!("expected a refusal, got {other:?}"),
        }
    }
}

#[test]
fn a_slow_disk_gets_its_time_and_a_dead_one_is_told() {
    let patience = Duration::from_secs(1);
    let steady = patience::watched(patience, move |progress| {
        // The time is the subject here: each step is well within the patience, all of them are not.
        for _ in 0..8 {
            thread::sleep(patience / 5);
            progress.send(()).unwrap();
        }
        Ok(())
    });
    assert!(steady.unwrap() > patience);
    let patience = Duration::from_millis(50);
    let began = Instant::now();
    let (release, held) = std::sync::mpsc::channel::<()>();
    let dead = patience::watched(patience, move |progress| {
        progress.send(()).unwrap();
        let _released = held.recv();
        Ok(())
    });
    assert!(began.elapsed() < Duration::from_secs(20), "nobody waits for it to the end");
    drop(release);
    let unreadable = patience::watched(patience, |_| Err(std::io::Error::other("a bad sector")));
    for (outcome, said) in [(dead, "its disk has given nothing"), (unreadable, "a bad sector")] {
        match outcome {
            Err(StoreError::Unusable(why)) => assert!(why.contains(said), "{why}"),
            other => panic!("expected a refusal, got {other:?}"),
        }
    }
}

#[test]
fn keys_longer_than_the_tree_can_take_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path());
    config.limits.key_bytes = 513;
    assert!(matches!(SledStore::open(config), Err(StoreError::Unusable(_))));
}

#[tokio::test]
async fn only_the_owner_may_look_into_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path());
    config.path = folder.path().join("several/levels/down");
    let store = SledStore::open(config.clone()).unwrap();
    assert_eq!(fs::metadata(&config.path).unwrap().permissions().mode() & 0o777, 0o700);
    store.commit(put("k", Condition::Absent, "v")).await.unwrap();
    assert!(store.get(TABLE, b"k").await.unwrap().is_some());
}

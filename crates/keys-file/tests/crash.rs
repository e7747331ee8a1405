//! The process is killed and the power goes while keys change: the folder opens, and nothing that was wrapped is lost.

#![expect(clippy::unwrap_used, reason = "helpers of tests: what cannot be set up fails the test")]

use base64::{Engine as _, engine::general_purpose::STANDARD};
use keys_file::{FileProvider, create_held_keys, load_held_keys, load_held_keys_file, store_held_keys};
use powercut::Disk;
use seal::{KeyProvider, Place, SystemRng};
use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
};
use tokio::runtime::Runtime;

const PLACE: Place<'_> = Place { table: "slots", record: b"1", field: "data-key", generation: 1 };
const FOLDER: &str = "KEYS_FILE_CHANGING";
const ROUNDS: usize = 30;
/// Keys that stay beside the active one, so that what was said last always opens.
const KEPT: usize = 3;

/// One at a time: a child that is just being started has our files open, and with them the folder's lock.
static ALONE: Mutex<()> = Mutex::new(());

fn open(folder: &Path) -> FileProvider {
    FileProvider::open(folder, Arc::new(SystemRng::new())).unwrap()
}

/// Rotates, says what it wrapped under the new key, wraps the held keys anew, and removes the oldest key.
async fn one_change(folder: &Path, provider: &FileProvider, order: &mut Vec<seal::KeyId>) -> Vec<u8> {
    order.push(provider.rotate().await.unwrap());
    let wrapped = provider.wrap(&PLACE, b"a data key").await.unwrap();
    let anew = load_held_keys_file(folder).unwrap().rewrapped(provider).await.unwrap();
    store_held_keys(folder, &anew).unwrap();
    if order.len() > KEPT {
        provider.remove(order.remove(0)).await.unwrap();
    }
    wrapped
}

/// Not a test: the process that the test below starts.
#[tokio::test]
async fn changing() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let provider = open(&folder);
    let mut order: Vec<_> = provider.ids().into_iter().filter(|id| *id != provider.active()).collect();
    order.push(provider.active());
    loop {
        let wrapped = one_change(&folder, &provider, &mut order).await;
        let mut out = std::io::stdout();
        writeln!(out, "wrapped {}", STANDARD.encode(wrapped)).unwrap();
        out.flush().unwrap();
    }
}

fn start(folder: &Path) -> (Child, BufReader<ChildStdout>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "changing", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(child.stdout.take().unwrap());
    (child, said)
}

/// What was said last. The child may have said more than was asked for before it died.
fn last_wrapped(lines: &[String]) -> Vec<u8> {
    let last = lines.iter().rev().find_map(|line| line.strip_prefix("wrapped ")).unwrap();
    STANDARD.decode(last).unwrap()
}

#[test]
fn a_process_that_is_killed_while_it_changes_keys_leaves_a_folder_in_which_everything_opens() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let runtime = Runtime::new().unwrap();
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("keys");
    let provider = FileProvider::create(&folder, Arc::new(SystemRng::new())).unwrap();
    let held = runtime.block_on(create_held_keys(&folder, &provider, &SystemRng::new())).unwrap();
    for round in 0..ROUNDS {
        let (mut child, said) = start(&folder);
        let mut lines = said.lines().map_while(Result::ok);
        let mut seen: Vec<_> = lines.by_ref().take(3 + round % 5).collect();
        // A moment of another length each time, somewhere within the next change.
        for spin in 0..round * 40_000 {
            std::hint::black_box(spin);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // Whole lines only: the last one may have been cut off.
        seen.extend(lines.filter(|line| line.ends_with("==") || !line.starts_with("wrapped ")));
        let left = open(&folder);
        let opened = runtime.block_on(left.unwrap(&PLACE, &last_wrapped(&seen)));
        assert_eq!(**opened.unwrap(), *b"a data key", "round {round}");
        let again = runtime.block_on(load_held_keys(&folder, &left)).unwrap();
        assert_eq!(again.receipts().public(), held.receipts().public(), "round {round}");
    }
}

#[test]
fn what_a_change_of_keys_answered_is_there_after_a_power_cut() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(mut disk) = Disk::new_or_explain(16 * 1024 * 1024) else { return };
    let folder = disk.path().join("keys");
    let provider = FileProvider::create(&folder, Arc::new(SystemRng::new())).unwrap();
    let runtime = Runtime::new().unwrap();
    let held = runtime.block_on(create_held_keys(&folder, &provider, &SystemRng::new())).unwrap();
    drop((runtime, provider));
    // The power goes the moment that the last of one, two or three steps has answered.
    for steps in [1, 2, 3, 1, 2, 3] {
        let runtime = Runtime::new().unwrap();
        let (wrapped, new, gone) = runtime.block_on(async {
            let provider = open(&folder);
            let old = provider.active();
            let new = provider.rotate().await.unwrap();
            let wrapped = provider.wrap(&PLACE, b"a data key").await.unwrap();
            if steps > 1 {
                let anew = load_held_keys_file(&folder).unwrap().rewrapped(&provider).await.unwrap();
                store_held_keys(&folder, &anew).unwrap();
            }
            if steps > 2 {
                provider.remove(old).await.unwrap();
            }
            (wrapped, new, (steps > 2).then_some(old))
        });
        disk.cut_power().unwrap();
        // Waits for all blocking work, so that no file is open any more.
        drop(runtime);
        disk.restore_power().unwrap();
        let runtime = Runtime::new().unwrap();
        let left = open(&folder);
        assert_eq!(left.active(), new, "after {steps} steps");
        let opened = runtime.block_on(left.unwrap(&PLACE, &wrapped));
        assert_eq!(**opened.unwrap(), *b"a data key", "after {steps} steps");
        let again = runtime.block_on(load_held_keys(&folder, &left)).unwrap();
        assert_eq!(again.receipts().public(), held.receipts().public(), "after {steps} steps");
        if steps > 1 {
            let wrapping = load_held_keys_file(&folder).unwrap().wrapping_keys(&left).unwrap();
            assert_eq!(wrapping, [new], "after {steps} steps");
        }
        if let Some(gone) = gone {
            assert!(!left.ids().contains(&gone), "after {steps} steps");
            assert!(!folder.join(format!("wrapping-{gone}.key")).exists(), "after {steps} steps");
        }
    }
}

#[test]
fn a_removed_key_is_not_on_the_raw_disk_any_more() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(mut disk) = Disk::new_or_explain(16 * 1024 * 1024) else { return };
    let folder = disk.path().join("keys");
    let runtime = Runtime::new().unwrap();
    let provider = FileProvider::create(&folder, Arc::new(SystemRng::new())).unwrap();
    let old = provider.active();
    let key = fs::read(folder.join(format!("wrapping-{old}.key"))).unwrap();
    let on_disk = |disk: &Disk| {
        let raw = fs::read(disk.image()).unwrap();
        raw.windows(key.len()).any(|window| window == key)
    };
    runtime.block_on(provider.rotate()).unwrap();
    disk.unmount().unwrap();
    assert!(on_disk(&disk), "else the test sees nothing");
    disk.restore_power().unwrap();
    runtime.block_on(provider.remove(old)).unwrap();
    disk.cut_power().unwrap();
    drop(runtime);
    disk.unmount().unwrap();
    assert!(!on_disk(&disk));
}

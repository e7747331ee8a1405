//! How long a store takes to open, and how its reading is spread over that time: what the limit of an opening rests on.
//!
//! `open_time fill FOLDER MEGABYTES BYTES` fills a store with rows of that many bytes; `open_time open FOLDER` opens it
//! and prints the seconds, the bytes read, and the longest time without any progress of the process's reading and writing;
//! `open_time export FOLDER` hands all rows to a sink that only counts, and prints how long commits would have waited.
#![expect(clippy::unwrap_used, reason = "a measurement that cannot run has nothing better to say")]

use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};
use store::{Batch, Condition, ExportSink, Store, TableId, TableRow, Version};
use store_sled::{SledConfig, SledStore};

fn bytes_moved() -> u64 {
    let io = fs::read_to_string("/proc/self/io").unwrap();
    let counter = |line: &str| line.split_once(": ").map(|(_, count)| count.parse::<u64>().unwrap());
    io.lines().filter(|line| line.starts_with("rchar") || line.starts_with("wchar")).filter_map(counter).sum()
}

fn config(folder: &str) -> SledConfig {
    SledConfig { min_free_bytes: 0, open_timeout: Duration::from_mins(10), ..SledConfig::new(folder) }
}

async fn fill(folder: &str, megabytes: u64, bytes: u64) {
    let store = SledStore::open(config(folder)).unwrap();
    for group in 0..megabytes * 4 {
        let mut batch = Batch::new();
        for n in 0..(256 * 1024) / bytes {
            let spread = (group * 1_000_000 + n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let key = [spread.to_be_bytes(), n.to_be_bytes()].concat();
            batch.put(TableId(1), key, Condition::Any, vec![7; usize::try_from(bytes).unwrap()]);
        }
        store.commit(batch).await.unwrap();
    }
    store.close().await;
}

fn open(folder: &str) {
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let (mut last, mut since, mut longest) = (bytes_moved(), Instant::now(), Duration::ZERO);
            while !ended.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_millis(10));
                let now = bytes_moved();
                // Reading the counter is itself read.
                if now > last + 4096 {
                    since = Instant::now();
                }
                longest = longest.max(since.elapsed());
                last = now;
            }
            longest
        });
        let (before, began) = (bytes_moved(), Instant::now());
        let store = SledStore::open(config(folder)).unwrap();
        let (took, moved) = (began.elapsed(), bytes_moved() - before);
        ended.store(true, Ordering::SeqCst);
        let longest = watch.join().unwrap();
        println!("{took:?} for {} MB, longest time without progress {longest:?}", moved / 1_000_000);
        drop(store);
    });
}

struct Counts;

impl ExportSink for Counts {
    fn begin(&mut self, _: Version) -> Result<(), String> {
        Ok(())
    }

    fn rows(&mut self, _: Vec<TableRow>) -> Result<(), String> {
        Ok(())
    }
}

async fn export(folder: &str) {
    let store = SledStore::open(config(folder)).unwrap();
    let began = Instant::now();
    let done = store.export(Box::new(Counts)).await.unwrap();
    let took = began.elapsed();
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("no peak known");
    println!("{took:?} for {} rows of {} MB, {peak}", done.rows, done.bytes / 1_000_000);
}

#[tokio::main]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["fill", folder, megabytes, bytes] => {
            fill(folder, megabytes.parse().unwrap(), bytes.parse().unwrap()).await;
        }
        ["open", folder] => open(folder),
        ["export", folder] => export(folder).await,
        _ => {
            eprintln!("usage: open_time fill FOLDER MEGABYTES BYTES | open_time open|export FOLDER");
            std::process::exit(64);
        }
    }
}

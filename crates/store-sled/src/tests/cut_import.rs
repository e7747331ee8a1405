//! An import whose process is killed, or whose disk loses its power: what is left is empty, whole, or not opened.

use super::{TABLE, config};
use crate::SledStore;
use bytes::Bytes;
use powercut::Disk;
use std::{
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use store::{ImportSource, Range, Store, StoreError, TableRow, Version, Versioned};

const FOLDER: &str = "STORE_SLED_IMPORT";
const PAGES: u64 = 30;
const PAGE: u64 = 64;
const LAST: Version = Version(1_000_000);

/// Tells of each page that it gives.
struct Telling(u64);

impl ImportSource for Telling {
    fn rows(&mut self) -> Result<Option<Vec<TableRow>>, String> {
        if self.0 == PAGES {
            return Ok(None);
        }
        io::stdout().write_all(format!("page {}\n", self.0).as_bytes()).map_err(|error| error.to_string())?;
        let row = |n: u64| TableRow {
            table: TABLE,
            key: Bytes::copy_from_slice(&n.to_be_bytes()),
            // Every page is several batches, and some rows are in parts.
            value: Versioned {
                version: Version(n),
                value: vec![7; if n.is_multiple_of(16) { 40_000 } else { 6000 }].into(),
            },
        };
        let first = self.0 * PAGE;
        self.0 += 1;
        Ok(Some((first..first + PAGE).map(row).collect()))
    }
}

/// Not a test: the process that the tests below start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn importer() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let store = SledStore::open(config(&PathBuf::from(folder))).unwrap();
    let outcome = store.import(LAST, Box::new(Telling(0))).await;
    let said = if outcome.is_ok() { "imported\n" } else { "given up\n" };
    io::stdout().write_all(said.as_bytes()).unwrap();
    // Stays as it is until it is killed.
    std::future::pending::<()>().await;
}

/// Runs an import until it has said so much, then does `end` to it and kills it. Whether it was done by then.
fn interrupted(folder: &Path, said: &str, end: impl FnOnce()) -> bool {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "tests::cut_import::importer", "--nocapture"]).env(FOLDER, folder);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let (mut line, mut imported) = (String::new(), false);
    while line.trim_end() != said {
        line.clear();
        assert_ne!(lines.read_line(&mut line).unwrap(), 0, "the importer has ended by itself");
        imported |= line == "imported\n";
    }
    end();
    child.kill().unwrap();
    child.wait().unwrap();
    line.clear();
    while lines.read_line(&mut line).unwrap() > 0 {
        imported |= line == "imported\n";
        line.clear();
    }
    imported
}

/// Rows of the store that is left; none if it is refused.
async fn left(folder: &Path) -> Option<usize> {
    match SledStore::open(config(folder)) {
        Ok(store) => {
            let rows = store.scan(TABLE, &Range::default(), usize::MAX).await.unwrap();
            store.close().await;
            Some(rows.len())
        }
        Err(StoreError::Unusable(why)) => {
            assert!(why.contains("not finished") || why.contains("rebuild-index"), "{why}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

fn whole() -> usize {
    usize::try_from(PAGES * PAGE).unwrap()
}

fn check(round: &str, imported: bool, left: Option<usize>) {
    if imported {
        assert_eq!(left, Some(whole()), "{round}: it was said to be there");
    } else {
        assert!(matches!(left, None | Some(0)) || left == Some(whole()), "{round}: {left:?} rows are shown");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_import_is_empty_whole_or_not_opened() {
    for said in ["page 0", "page 1", "page 7", "page 18", "page 29", "imported"] {
        let folder = tempfile::tempdir().unwrap();
        let imported = interrupted(folder.path(), said, || ());
        check(said, imported, left(folder.path()).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_without_power_is_empty_whole_or_not_opened() {
    for said in ["page 1", "page 18", "page 29", "imported"] {
        let Some(mut disk) = Disk::new_or_explain(96 * 1024 * 1024) else { return };
        let imported = interrupted(&disk.path(), said, || disk.cut_power().unwrap());
        disk.restore_power().unwrap();
        check(said, imported, left(&disk.path()).await);
    }
}

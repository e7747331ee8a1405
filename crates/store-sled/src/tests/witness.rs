//! A process of its own that commits and says what was acknowledged, and the check of what is left when it died.
//!
//! Each of its writers commits row after row, in two tables at once, and deletes its row of `KEPT` commits ago along with
//! it. So a writer's rows are always the last `KEPT` numbers in a row, the same in both tables; the last one is the last
//! acknowledged, or the one behind that.

use super::config;
use crate::{
    SledStore,
    disk::{Disk, RealDisk},
};
use std::{
    collections::BTreeMap,
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::Arc,
};
use store::{Batch, Condition, Range, Store, StoreError, TableId};

const TABLES: [TableId; 2] = [TableId(20), TableId(21)];
const WRITERS: u8 = 8;
const KEPT: u64 = 8;
const FOLDER: &str = "STORE_SLED_WITNESS";
const WITHOUT_SYNC: &str = "STORE_SLED_WITHOUT_SYNC";

/// A disk that says it had synced: what the engine would be without its own `fsync`.
struct Liar(RealDisk);

impl Disk for Liar {
    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        self.0.free_bytes()
    }
}

fn key(writer: u8, n: u64) -> Vec<u8> {
    [&[writer], n.to_be_bytes().as_slice()].concat()
}

/// Mostly small, now and then in parts.
fn value(writer: u8, n: u64) -> Vec<u8> {
    let size = if n.is_multiple_of(16) { 9000 } else { 300 };
    n.to_be_bytes().iter().chain(&[writer]).copied().cycle().take(size).collect()
}

/// The rows of one table, by writer.
async fn rows(store: &SledStore, table: TableId) -> Result<BTreeMap<u8, Vec<u64>>, StoreError> {
    let mut found: BTreeMap<u8, Vec<u64>> = BTreeMap::new();
    for row in store.scan(table, &Range::default(), usize::MAX).await? {
        let n = u64::from_be_bytes(row.key[1..].try_into().unwrap());
        assert_eq!(row.value.value, value(row.key[0], n), "the value of row {n} is not what was put");
        found.entry(row.key[0]).or_default().push(n);
    }
    Ok(found)
}

/// Not a test: the process that the tests below start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn witness() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let lying = std::env::var_os(WITHOUT_SYNC).is_some();
    let disk = |real| -> Arc<dyn Disk> { if lying { Arc::new(Liar(real)) } else { Arc::new(real) } };
    let store = Arc::new(SledStore::open_on(config(&PathBuf::from(folder)), disk).unwrap());
    let found = rows(&store, TABLES[0]).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let store = Arc::clone(&store);
        let last = found.get(&writer).and_then(|numbers| numbers.last()).copied().unwrap_or(0);
        tasks.spawn(async move {
            for n in last + 1.. {
                let mut batch = Batch::new();
                for table in TABLES {
                    batch.put(table, key(writer, n), Condition::Absent, value(writer, n));
                    if n > KEPT {
                        batch.delete(table, key(writer, n - KEPT), Condition::Any);
                    }
                }
                match store.commit(batch).await {
                    // One write each, so that no line is torn.
                    Ok(_) => {
                        io::stdout().write_all(format!("acknowledged {writer} {n}\n").as_bytes()).unwrap();
                    }
                    Err(error) => return eprintln!("writer {writer} stops at {n}: {error}"),
                }
            }
        });
    }
    tasks.join_all().await;
    // Stays as it is until it is killed, as a service does that has noticed that its disk is gone.
    std::io::stdout().write_all(b"stopped\n").unwrap();
    std::future::pending::<()>().await;
}

/// A running witness.
pub(super) struct Witness {
    child: Child,
    lines: BufReader<ChildStdout>,
    /// The last acknowledged number of each writer.
    pub(super) acknowledged: BTreeMap<u8, u64>,
}

impl Witness {
    pub(super) fn start(folder: &Path, with_sync: bool) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "tests::witness::witness", "--nocapture"]).env(FOLDER, folder);
        if !with_sync {
            command.env(WITHOUT_SYNC, "1");
        }
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines, acknowledged: BTreeMap::new() }
    }

    /// Reads on until so many more commits were acknowledged, or no more come.
    pub(super) fn wait_for(&mut self, mut commits: u64) {
        let mut line = String::new();
        while commits > 0 {
            line.clear();
            assert_ne!(self.lines.read_line(&mut line).unwrap(), 0, "the witness has ended by itself");
            commits -= u64::from(self.note(&line));
        }
    }

    /// Reads on until the writers have noticed that nothing goes any more.
    pub(super) fn wait_until_stopped(&mut self) {
        let mut line = String::new();
        while line != "stopped\n" {
            line.clear();
            assert_ne!(self.lines.read_line(&mut line).unwrap(), 0, "the witness has ended by itself");
            self.note(&line);
        }
    }

    /// `kill -9`, and then whatever it had said before.
    pub(super) fn kill(mut self) -> BTreeMap<u8, u64> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let mut line = String::new();
        while self.lines.read_line(&mut line).unwrap() > 0 {
            self.note(&line);
            line.clear();
        }
        std::mem::take(&mut self.acknowledged)
    }

    fn note(&mut self, line: &str) -> bool {
        let mut words = line.trim_end_matches('\n').split(' ');
        let parsed = (words.next(), words.next().map(str::parse), words.next().map(str::parse));
        let (Some("acknowledged"), Some(Ok(writer)), Some(Ok(n))) = parsed else { return false };
        // A killed process may leave a torn last line, which can only look like a smaller number.
        let last = self.acknowledged.entry(writer).or_insert(n);
        *last = n.max(*last);
        true
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        // Also when a test panics. An error means that it has ended already.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

/// What is wrong with what is left, if anything is.
pub(super) async fn losses(folder: &Path, acknowledged: &BTreeMap<u8, u64>) -> Result<(), String> {
    let store = SledStore::open(config(folder)).map_err(|error| error.to_string())?;
    let mut tables = Vec::new();
    for table in TABLES {
        tables.push(rows(&store, table).await.map_err(|error| error.to_string())?);
    }
    store.close().await;
    if tables[0] != tables[1] {
        return Err("half a commit is there".into());
    }
    for (writer, acknowledged) in acknowledged {
        let numbers = tables[0].get(writer).map_or(&[][..], Vec::as_slice);
        let last = numbers.last().copied().unwrap_or(0);
        if last != *acknowledged && last != acknowledged + 1 {
            return Err(format!(
                "writer {writer}: {acknowledged} was acknowledged, the last one there is {last}"
            ));
        }
        let expected: Vec<u64> = (last.saturating_sub(KEPT) + 1..=last).collect();
        if numbers != expected {
            return Err(format!("writer {writer}: {numbers:?} are there instead of {expected:?}"));
        }
    }
    Ok(())
}

//! A store that fails where a test tells it to.

use crate::{
    Batch, ExportSink, ImportSource, Range, Row, Store, StoreError, TableId, Transferred, Version, Versioned,
};
use async_trait::async_trait;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::sync::oneshot;

/// How a commit fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitFault {
    /// [`StoreError::Ambiguous`], and nothing was written. The engine is poisoned until [`FaultyStore::restart`].
    AmbiguousBefore,
    /// [`StoreError::Ambiguous`], and all of it was written. The engine is poisoned until [`FaultyStore::restart`].
    AmbiguousAfter,
    /// [`StoreError::NoSpace`]: nothing was written, the engine goes on.
    NoSpace,
    /// [`StoreError::Conflict`] although the conditions may hold: somebody else was faster. Nothing was written.
    Conflict,
}

#[derive(Debug, Default)]
struct Plan {
    commits: u64,
    reads: u64,
    commit_faults: BTreeMap<u64, CommitFault>,
    read_faults: BTreeSet<u64>,
    corrupt: Option<TableId>,
    pauses: BTreeMap<u64, Pause>,
    no_space: bool,
    poisoned: bool,
}

/// The store's end of a pause.
#[derive(Debug)]
struct Pause {
    reached: oneshot::Sender<()>,
    go: oneshot::Receiver<()>,
}

/// A commit that waits: whoever has this may change what it is conditional on.
#[derive(Debug)]
pub struct Paused {
    reached: oneshot::Receiver<()>,
    go: oneshot::Sender<()>,
}

impl Paused {
    /// Waits until the commit is there. False when nobody will ever make it.
    pub async fn reached(&mut self) -> bool {
        (&mut self.reached).await.is_ok()
    }

    /// Lets it go on.
    pub fn go(self) {
        // A commit that is not there yet does not wait any more.
        let _ = self.go.send(());
    }
}

/// A store in front of another one, which it lets fail as planned.
///
/// Positions count from 1, beginning with the next call after the plan was made, so that a test need not know what
/// happened before.
#[derive(Debug, Default)]
pub struct FaultyStore<S> {
    inner: S,
    plan: Mutex<Plan>,
}

impl<S: Store> FaultyStore<S> {
    /// A store that does not fail yet.
    #[must_use]
    pub fn new(inner: S) -> Self {
        Self { inner, plan: Mutex::default() }
    }

    /// The store behind it.
    pub const fn inner(&self) -> &S {
        &self.inner
    }

    /// Lets the `nth` commit from now on fail. May be called several times, for several commits.
    pub fn fail_commit(&self, nth: u64, fault: CommitFault) {
        let mut plan = self.plan();
        let at = plan.commits + nth;
        plan.commit_faults.insert(at, fault);
    }

    /// Lets the `nth` commit from now on wait until the test says so.
    pub fn pause_commit(&self, nth: u64) -> Paused {
        let (reached, is_reached) = oneshot::channel();
        let (go, may_go) = oneshot::channel();
        let mut plan = self.plan();
        let at = plan.commits + nth;
        plan.pauses.insert(at, Pause { reached, go: may_go });
        Paused { reached: is_reached, go }
    }

    /// Lets the `nth` read (get, scan or export) from now on fail with [`StoreError::Io`].
    pub fn fail_read(&self, nth: u64) {
        let mut plan = self.plan();
        let at = plan.reads + nth;
        plan.read_faults.insert(at);
    }

    /// Lets every read of this table fail with [`StoreError::Corrupt`] from now on.
    pub fn corrupt(&self, table: TableId) {
        self.plan().corrupt = Some(table);
    }

    /// Refuses every commit for want of space until it is called with `false`.
    pub fn set_no_space(&self, no_space: bool) {
        self.plan().no_space = no_space;
    }

    /// What a restart of the process does: the poison is gone, and so is every plan. What was committed stays.
    pub fn restart(&self) {
        let mut plan = self.plan();
        *plan = Plan { commits: plan.commits, reads: plan.reads, ..Plan::default() };
    }

    /// Commits asked for so far, failed ones included.
    pub fn commits(&self) -> u64 {
        self.plan().commits
    }

    /// Reads asked for so far, failed ones included.
    pub fn reads(&self) -> u64 {
        self.plan().reads
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn before_read(&self) -> Result<(), StoreError> {
        let mut plan = self.plan();
        plan.reads += 1;
        let at = plan.reads;
        if plan.poisoned {
            return Err(poisoned());
        }
        if plan.read_faults.remove(&at) { Err(StoreError::Io("a planned fault".into())) } else { Ok(()) }
    }

    fn read_of(&self, table: TableId) -> Result<(), StoreError> {
        self.before_read()?;
        if self.plan().corrupt == Some(table) {
            return Err(StoreError::Corrupt("a planned fault".into()));
        }
        Ok(())
    }

    async fn before_commit(&self) -> Result<Option<CommitFault>, StoreError> {
        let (at, pause) = {
            let mut plan = self.plan();
            plan.commits += 1;
            let at = plan.commits;
            (at, plan.pauses.remove(&at))
        };
        if let Some(Pause { reached, go }) = pause {
            // A test that does not wait does not keep the commit waiting either.
            let _ = reached.send(());
            let _ = go.await;
        }
        let mut plan = self.plan();
        if plan.poisoned {
            return Err(poisoned());
        }
        if plan.no_space {
            return Err(StoreError::NoSpace);
        }
        let fault = plan.commit_faults.remove(&at);
        plan.poisoned = matches!(fault, Some(CommitFault::AmbiguousBefore | CommitFault::AmbiguousAfter));
        Ok(fault)
    }
}

fn poisoned() -> StoreError {
    StoreError::Poisoned("a planned fault".into())
}

fn ambiguous() -> StoreError {
    StoreError::Ambiguous("a planned fault".into())
}

#[async_trait]
impl<S: Store> Store for FaultyStore<S> {
    async fn get(&self, table: TableId, key: &[u8]) -> Result<Option<Versioned>, StoreError> {
        self.read_of(table)?;
        self.inner.get(table, key).await
    }

    async fn scan(&self, table: TableId, range: &Range, limit: usize) -> Result<Vec<Row>, StoreError> {
        self.read_of(table)?;
        self.inner.scan(table, range, limit).await
    }

    async fn commit(&self, batch: Batch) -> Result<Version, StoreError> {
        match self.before_commit().await? {
            None => self.inner.commit(batch).await,
            Some(CommitFault::AmbiguousBefore) => Err(ambiguous()),
            // A commit that conflicts on a dying engine is as unknown to its caller as one that was written.
            Some(CommitFault::AmbiguousAfter) => {
                let _unknown = self.inner.commit(batch).await;
                Err(ambiguous())
            }
            Some(CommitFault::NoSpace) => Err(StoreError::NoSpace),
            Some(CommitFault::Conflict) => Err(StoreError::Conflict),
        }
    }

    /// An export counts as one read.
    async fn export(&self, sink: Box<dyn ExportSink>) -> Result<Transferred, StoreError> {
        self.before_read()?;
        self.inner.export(sink).await
    }

    /// An import counts as one commit.
    async fn import(&self, last: Version, source: Box<dyn ImportSource>) -> Result<Transferred, StoreError> {
        match self.before_commit().await? {
            None => self.inner.import(last, source).await,
            Some(CommitFault::AmbiguousBefore) => Err(ambiguous()),
            Some(CommitFault::AmbiguousAfter) => {
                let _unknown = self.inner.import(last, source).await;
                Err(ambiguous())
            }
            Some(CommitFault::NoSpace) => Err(StoreError::NoSpace),
            Some(CommitFault::Conflict) => Err(StoreError::Conflict),
        }
    }

    fn trouble(&self) -> Option<StoreError> {
        let plan = self.plan();
        if plan.poisoned {
            Some(poisoned())
        } else if plan.no_space {
            Some(StoreError::NoSpace)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Condition, memory::MemoryStore};

    const TABLE: TableId = TableId(7);

    fn put(key: &str) -> Batch {
        let mut batch = Batch::new();
        batch.put(TABLE, key.into(), Condition::Absent, "value");
        batch
    }

    async fn has(store: &impl Store, key: &str) -> bool {
        store.get(TABLE, key.as_bytes()).await.unwrap().is_some()
    }

    #[tokio::test]
    async fn a_commit_that_fails_before_its_effect_leaves_nothing_behind() {
        let store = FaultyStore::new(MemoryStore::new());
        store.fail_commit(2, CommitFault::AmbiguousBefore);
        store.commit(put("first")).await.unwrap();
        assert_eq!(store.commit(put("second")).await, Err(ambiguous()));
        store.restart();
        assert!(has(&store, "first").await);
        assert!(!has(&store, "second").await);
    }

    #[tokio::test]
    async fn a_commit_that_fails_after_its_effect_is_there_after_the_restart() {
        let store = FaultyStore::new(MemoryStore::new());
        store.fail_commit(1, CommitFault::AmbiguousAfter);
        assert_eq!(store.commit(put("first")).await, Err(ambiguous()));
        store.restart();
        assert!(has(&store, "first").await);
    }

    #[tokio::test]
    async fn after_an_ambiguous_commit_nothing_goes_until_the_restart() {
        let store = FaultyStore::new(MemoryStore::new());
        store.fail_commit(1, CommitFault::AmbiguousBefore);
        store.commit(put("first")).await.unwrap_err();
        assert_eq!(store.commit(put("second")).await, Err(poisoned()));
        assert_eq!(store.get(TABLE, b"first").await, Err(poisoned()));
        assert_eq!(store.scan(TABLE, &Range::default(), 1).await, Err(poisoned()));
        assert_eq!(store.trouble(), Some(poisoned()));
        store.restart();
        assert_eq!(store.trouble(), None);
        store.commit(put("second")).await.unwrap();
        assert_eq!(store.commits(), 3);
    }

    #[tokio::test]
    async fn want_of_space_writes_nothing_and_passes() {
        let store = FaultyStore::new(MemoryStore::new());
        store.set_no_space(true);
        assert_eq!(store.commit(put("first")).await, Err(StoreError::NoSpace));
        assert_eq!(store.trouble(), Some(StoreError::NoSpace));
        store.set_no_space(false);
        assert!(!has(&store, "first").await);
        store.fail_commit(1, CommitFault::NoSpace);
        assert_eq!(store.commit(put("first")).await, Err(StoreError::NoSpace));
        store.fail_commit(1, CommitFault::Conflict);
        assert_eq!(store.commit(put("first")).await, Err(StoreError::Conflict));
        store.commit(put("first")).await.unwrap();
    }

    #[tokio::test]
    async fn the_planned_read_fails_and_no_other() {
        let store = FaultyStore::new(MemoryStore::new());
        store.fail_read(2);
        store.get(TABLE, b"k").await.unwrap();
        assert!(matches!(store.scan(TABLE, &Range::default(), 1).await, Err(StoreError::Io(_))));
        store.get(TABLE, b"k").await.unwrap();
        assert_eq!(store.reads(), 3);
    }

    #[tokio::test]
    async fn exports_and_imports_meet_planned_faults_too() {
        struct Nothing;
        impl ExportSink for Nothing {
            fn begin(&mut self, _: Version) -> Result<(), String> {
                Ok(())
            }
            fn rows(&mut self, _: Vec<crate::TableRow>) -> Result<(), String> {
                Ok(())
            }
        }
        impl ImportSource for Nothing {
            fn rows(&mut self) -> Result<Option<Vec<crate::TableRow>>, String> {
                Ok(None)
            }
        }
        let store = FaultyStore::new(MemoryStore::new());
        store.fail_read(1);
        assert!(matches!(store.export(Box::new(Nothing)).await, Err(StoreError::Io(_))));
        assert_eq!(store.export(Box::new(Nothing)).await.unwrap().rows, 0);
        store.fail_commit(1, CommitFault::NoSpace);
        assert_eq!(store.import(Version(5), Box::new(Nothing)).await, Err(StoreError::NoSpace));
        store.fail_commit(1, CommitFault::AmbiguousAfter);
        assert_eq!(store.import(Version(5), Box::new(Nothing)).await, Err(ambiguous()));
        assert_eq!(store.export(Box::new(Nothing)).await, Err(poisoned()));
        store.restart();
        assert_eq!(store.commit(put("first")).await, Ok(Version(6)));
    }
}

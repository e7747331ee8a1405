//! A disk whose syncs a test holds back, lets go and lets fail.

use super::config;
use crate::{
    SledConfig, SledStore,
    disk::{Disk, RealDisk},
};
use std::{
    io,
    path::Path,
    sync::{Arc, Condvar, Mutex, MutexGuard},
    time::{Duration, Instant},
};

const BOUND: Duration = Duration::from_secs(20);

#[derive(Debug, Default)]
struct State {
    held: bool,
    /// Syncs that go through although the gate is held.
    passes: u64,
    waiting: bool,
    failing: bool,
    syncs: u64,
    free: Option<u64>,
}

pub(super) struct Gate {
    real: RealDisk,
    state: Mutex<State>,
    changed: Condvar,
}

impl Gate {
    pub(super) fn open(folder: &Path) -> (Arc<SledStore>, Arc<Self>) {
        Self::open_with(folder, |_| ())
    }

    pub(super) fn open_with(
        folder: &Path,
        change: impl FnOnce(&mut SledConfig),
    ) -> (Arc<SledStore>, Arc<Self>) {
        let mut config = config(folder);
        change(&mut config);
        let mut gate = None;
        let store = SledStore::open_on(config, |real| {
            let new = Arc::new(Self { real, state: Mutex::default(), changed: Condvar::new() });
            gate = Some(Arc::clone(&new));
            new
        });
        (Arc::new(store.unwrap()), gate.unwrap())
    }

    /// From now on a sync waits.
    pub(super) fn hold(&self) {
        self.state().held = true;
    }

    /// Waits until the committer stands before its sync: all is written, nothing is durable.
    pub(super) fn wait_for_a_sync(&self) {
        let (state, timeout) =
            self.changed.wait_timeout_while(self.state(), BOUND, |state| !state.waiting).unwrap();
        drop(state);
        assert!(!timeout.timed_out(), "no sync came");
    }

    /// Lets the waiting sync and all later ones go.
    pub(super) fn release(&self) {
        self.state().held = false;
        self.changed.notify_all();
    }

    /// Lets the waiting sync go, and holds the next one.
    pub(super) fn hold_the_next(&self) {
        let mut state = self.state();
        state.passes = 1;
        state.waiting = false;
        self.changed.notify_all();
    }

    /// Lets every sync fail.
    pub(super) fn fail(&self) {
        self.state().failing = true;
    }

    pub(super) fn set_free(&self, bytes: u64) {
        self.state().free = Some(bytes);
    }

    pub(super) fn syncs(&self) -> u64 {
        self.state().syncs
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl Disk for Gate {
    fn sync(&self) -> io::Result<()> {
        let mut state = self.state();
        state.syncs += 1;
        state.waiting = true;
        self.changed.notify_all();
        let blocked = |state: &mut State| state.held && state.passes == 0;
        let (mut state, _) = self.changed.wait_timeout_while(state, BOUND, blocked).unwrap();
        state.passes = state.passes.saturating_sub(1);
        state.waiting = false;
        if state.failing { Err(io::Error::other("the test says so")) } else { self.real.sync() }
    }

    fn free_bytes(&self) -> io::Result<u64> {
        self.state().free.map_or_else(|| self.real.free_bytes(), Ok)
    }
}

/// Waits, for a bounded time, until a future that nothing tells us about has got as far as it can.
pub(super) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < BOUND, "{what} did not happen");
        tokio::task::yield_now().await;
    }
}

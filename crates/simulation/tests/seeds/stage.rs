//! The stage on which the flows run: one thread, one order, the same for the same seed.
//!
//! The flows run on tokio's own current-thread runtime. What makes it repeatable: whatever touches the store or Jumio
//! waits at a gate until the scheduler lets it go, one at a time; and the only thread for blocking work (the vault's
//! files, the anchor) is plugged while tasks are polled, so that no file operation ever ends in the middle of a poll.
//! A crash drops the runtime with everything in it, as the end of a process does.

use crate::dice::Dice;
use std::{
    future::poll_fn,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    task::{Poll, Waker},
};
use tokio::{
    runtime::{Builder, Runtime},
    sync::oneshot,
    task::JoinHandle,
};

/// Somebody who waits to be let go.
struct Waiting {
    task: u64,
    what: String,
    go: oneshot::Sender<()>,
}

#[derive(Default)]
struct Gate {
    waiting: Vec<Waiting>,
    /// Whoever was let go last, and goes on.
    going: Option<u64>,
    /// Whoever goes on is not stopped again.
    in_peace: bool,
}

/// Where tasks wait before and after whatever outlives the process. Only the one that was let go last passes without
/// being stopped: whoever else was woken meanwhile, in whatever order, stops at its first gate.
pub(crate) struct Gates {
    gate: Mutex<Gate>,
    dice: Arc<Dice>,
}

impl Gates {
    pub(crate) fn new(dice: Arc<Dice>) -> Self {
        Self { gate: Mutex::default(), dice }
    }

    fn lock(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits to be let go. Whoever goes on is stopped in one of so many cases, and not at all in peace.
    pub(crate) async fn pass(&self, one_in: usize, what: impl FnOnce() -> String) {
        let task = own_number();
        let turn = {
            let mut gate = self.lock();
            let goes_on = gate.going == Some(task);
            if goes_on && (gate.in_peace || !self.dice.one_in(one_in)) {
                return;
            }
            let (go, turn) = oneshot::channel();
            gate.waiting.push(Waiting { task, what: what(), go });
            turn
        };
        // Nobody is let go by an error: the sender goes only together with the process.
        let _ = turn.await;
    }

    /// Stops nobody who goes on, from now on, or everybody again.
    pub(crate) fn be_in_peace(&self, in_peace: bool) {
        self.lock().in_peace = in_peace;
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        let mut gate = self.lock();
        gate.waiting.retain(|waiting| !waiting.go.is_closed());
        // The order in which a watch wakes several is tokio's own; the order in which they began is the run's.
        gate.waiting.sort_by_key(|waiting| waiting.task);
        gate.waiting.len()
    }

    /// Lets one of them go, and says which.
    pub(crate) fn let_go(&self, nth: usize) -> String {
        let mut gate = self.lock();
        let Waiting { task, what, go } = gate.waiting.remove(nth);
        gate.going = Some(task);
        let _ = go.send(());
        what
    }

    fn clear(&self) {
        let mut gate = self.lock();
        gate.waiting.clear();
        gate.going = None;
    }
}

/// Tasks are numbered in the order in which they began.
fn own_number() -> u64 {
    tokio::task::try_id().map_or(0, |id| id.to_string().parse().expect("a task's id is a number"))
}

/// What the runtime tells when nothing is left to poll.
#[derive(Default)]
struct Idle {
    is_idle: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Idle {
    fn reached(&self) {
        self.is_idle.store(true, Ordering::SeqCst);
        if let Some(waker) = self.waker.lock().unwrap_or_else(PoisonError::into_inner).take() {
            waker.wake();
        }
    }

    async fn wait(&self) {
        self.is_idle.store(false, Ordering::SeqCst);
        poll_fn(|context| {
            if self.is_idle.swap(false, Ordering::SeqCst) {
                return Poll::Ready(());
            }
            *self.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

/// One process: its runtime, and the plug in its blocking thread.
pub(crate) struct Stage {
    runtime: Runtime,
    idle: Arc<Idle>,
    plug: mpsc::Sender<()>,
    blocking_ended: mpsc::Receiver<()>,
    gates: Arc<Gates>,
}

impl Stage {
    pub(crate) fn new(gates: Arc<Gates>) -> Self {
        let idle = Arc::new(Idle::default());
        let told = Arc::clone(&idle);
        let (ended, blocking_ended) = mpsc::channel();
        let runtime = Builder::new_current_thread()
            .enable_time()
            .max_blocking_threads(1)
            .on_thread_park(move || told.reached())
            .on_thread_stop(move || {
                let _ = ended.send(());
            })
            .build()
            .expect("a runtime");
        let plug = plugged(&runtime);
        Self { runtime, idle, plug, blocking_ended, gates }
    }

    /// Begins a task.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.runtime.spawn(task)
    }

    /// Polls until nothing moves any more but what waits at a gate, for the clock, or for another task. With `cut`, stops
    /// before that many-th group of file operations, and says so.
    pub(crate) fn settle(&mut self, mut cut: Option<usize>) -> bool {
        loop {
            self.runtime.block_on(self.idle.wait());
            if cut == Some(0) {
                return true;
            }
            cut = cut.map(|left| left - 1);
            self.do_blocking_work();
            if self.runtime.metrics().global_queue_depth() == 0 {
                return false;
            }
        }
    }

    /// Lets the blocking thread do what it was given until now, and nothing later. Nothing is polled meanwhile.
    fn do_blocking_work(&mut self) {
        let next = plug(&self.runtime);
        // The old plug goes; the thread is at the new one when all work between them is done.
        self.plug = next.0;
        next.1.recv().expect("the blocking thread is there");
    }

    /// What became of a task that has ended; `None` while it goes on.
    pub(crate) fn ended<T>(&self, task: &mut JoinHandle<T>) -> Option<Result<T, String>> {
        if !task.is_finished() {
            return None;
        }
        let ended = self.runtime.block_on(task);
        Some(ended.map_err(|error| format!("a task died: {error}")))
    }

    /// The end of the process, wherever it is. File operations that were asked for and not begun are never done with
    /// `mid`, and done otherwise.
    pub(crate) fn crash(mut self, mid: bool) {
        if !mid {
            self.do_blocking_work();
        }
        let Self { runtime, plug, blocking_ended, gates, .. } = self;
        runtime.shutdown_background();
        gates.clear();
        drop(plug);
        // Whatever the process held of its files is given back when its last thread is gone.
        let _ = blocking_ended.recv();
    }
}

fn plug(runtime: &Runtime) -> (mpsc::Sender<()>, mpsc::Receiver<()>) {
    let (plug, pulled) = mpsc::channel::<()>();
    let (ready, is_ready) = mpsc::channel();
    runtime.spawn_blocking(move || {
        let _ = ready.send(());
        let _ = pulled.recv();
    });
    (plug, is_ready)
}

fn plugged(runtime: &Runtime) -> mpsc::Sender<()> {
    let (plug, ready) = plug(runtime);
    ready.recv().expect("the blocking thread is there");
    plug
}

//! Ending in order: first softly, then hard; and ending at all when a part of the process has died.

use model::Clock;
use std::{collections::HashMap, future::Future, sync::Arc, time::Duration};
use thiserror::Error;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{mpsc, watch},
    task::{self, JoinSet},
};

/// How far the end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Everything runs.
    Running,
    /// Nothing new is taken; what is under way is finished.
    Soft,
    /// Stop now.
    Hard,
}

/// Tells a task how far the end has come.
#[derive(Debug, Clone)]
pub(crate) struct Ending(watch::Receiver<Phase>);

impl Ending {
    /// The phase now.
    pub(crate) fn phase(&self) -> Phase {
        *self.0.borrow()
    }

    /// Returns once the end has come as far as `phase`.
    pub(crate) async fn reached(&self, phase: Phase) {
        // A supervisor that is gone is the end as well.
        drop(self.0.clone().wait_for(|now| *now >= phase).await);
    }
}

/// What ends a task early.
pub(crate) type TaskError = Box<dyn std::error::Error + Send + Sync>;

/// Why the process ends with a failure.
#[derive(Debug, Error)]
pub(crate) enum Died {
    /// A task ended although nobody asked it to.
    #[error(
        "the part `{name}` ended although nobody asked it to; the whole process stops, so that it is started anew"
    )]
    Unasked {
        /// The task.
        name: &'static str,
    },
    /// A task ended with an error.
    #[error("the part `{name}` failed: {source}")]
    Failed {
        /// The task.
        name: &'static str,
        /// Why.
        source: TaskError,
    },
    /// A task panicked.
    #[error("the part `{name}` panicked; this is a bug in facemap-vault")]
    Panicked {
        /// The task.
        name: &'static str,
    },
    /// Some tasks did not finish in time.
    #[error(
        "stopped hard, before these parts had finished: {names}; what was acknowledged is durable, and the rest is taken up at the next start"
    )]
    Late {
        /// The tasks.
        names: String,
    },
}

/// Why there was nothing more to wait for.
#[derive(Debug)]
pub(crate) enum Interrupted {
    /// A signal said stop, and everything has ended in order.
    Asked,
    /// A part died, or did not end.
    Died(Died),
}

/// The long-running parts of the process. When one of them dies, all end, and the process with them.
pub(crate) struct Tasks {
    set: JoinSet<Result<(), TaskError>>,
    names: HashMap<task::Id, &'static str>,
    phase: watch::Sender<Phase>,
}

impl Default for Tasks {
    fn default() -> Self {
        Self { set: JoinSet::new(), names: HashMap::new(), phase: watch::Sender::new(Phase::Running) }
    }
}

impl Tasks {
    /// For the tasks, to hear of the end.
    pub(crate) fn ending(&self) -> Ending {
        Ending(self.phase.subscribe())
    }

    /// Starts a part. It must run until [`Phase::Soft`] and end soon after it.
    pub(crate) fn spawn(
        &mut self,
        name: &'static str,
        part: impl Future<Output = Result<(), TaskError>> + Send + 'static,
    ) {
        let handle = self.set.spawn(part);
        self.names.insert(handle.id(), name);
    }

    /// Runs until the end. The first of `signals` ends softly, with `drain` of `clock`'s time for it; a second signal, or
    /// the end of that time, ends hard.
    ///
    /// # Errors
    /// The first [`Died`]: a part ended unasked or failed, or did not finish in time.
    pub(crate) async fn run(
        mut self,
        mut signals: mpsc::Receiver<()>,
        clock: Arc<dyn Clock>,
        drain: Duration,
    ) -> Result<(), Died> {
        let died = tokio::select! {
            Some(()) = signals.recv() => None,
            died = self.next() => died,
        };
        self.end(died, &mut signals, clock, drain).await
    }

    /// Waits for what must be there before anything else, while the parts run that are there already. A signal, or the
    /// death of a part, ends the waiting and the parts.
    ///
    /// # Errors
    /// [`Interrupted`], after the end.
    pub(crate) async fn wait<T>(
        &mut self,
        work: impl Future<Output = T>,
        signals: &mut mpsc::Receiver<()>,
        clock: Arc<dyn Clock>,
        drain: Duration,
    ) -> Result<T, Interrupted> {
        let died = tokio::select! {
            done = work => return Ok(done),
            Some(()) = signals.recv() => None,
            died = self.next() => died,
        };
        match self.end(died, signals, clock, drain).await {
            Ok(()) => Err(Interrupted::Asked),
            Err(died) => Err(Interrupted::Died(died)),
        }
    }

    async fn end(
        &mut self,
        mut died: Option<Died>,
        signals: &mut mpsc::Receiver<()>,
        clock: Arc<dyn Clock>,
        drain: Duration,
    ) -> Result<(), Died> {
        if died.is_none() {
            tracing::info!(
                seconds = drain.as_secs(),
                "asked to stop: nothing new is taken, what is under way is finished"
            );
        }
        if let Some(died) = &died {
            tracing::error!(error = %died, "a part has died, so everything stops");
        }
        self.phase.send_replace(Phase::Soft);
        let deadline = clock.sleep(drain);
        tokio::pin!(deadline);
        let late = loop {
            tokio::select! {
                ended = self.next() => match ended {
                    None if self.set.is_empty() => break false,
                    ended => died = died.or(ended),
                },
                Some(()) = signals.recv() => break true,
                () = &mut deadline => break true,
            }
        };
        self.phase.send_replace(Phase::Hard);
        if late {
            let names = self.names.values().copied().collect::<Vec<_>>().join(", ");
            self.set.shutdown().await;
            died = died.or(Some(Died::Late { names }));
        }
        died.map_or(Ok(()), Err)
    }

    /// Waits for one part to end, and judges that: after the end has begun, ending without an error is what was asked.
    /// When no part is left, that is an unasked end too, unless the end has begun.
    async fn next(&mut self) -> Option<Died> {
        let ending = *self.phase.borrow() >= Phase::Soft;
        let Some(joined) = self.set.join_next_with_id().await else {
            return (!ending).then_some(Died::Unasked { name: "all" });
        };
        let id = match &joined {
            Ok((id, _)) => *id,
            Err(error) => error.id(),
        };
        let name = self.names.remove(&id).unwrap_or("unnamed");
        match joined {
            Ok((_, Ok(()))) if ending => None,
            Ok((_, Ok(()))) => Some(Died::Unasked { name }),
            Ok((_, Err(source))) => Some(Died::Failed { name, source }),
            Err(_) => Some(Died::Panicked { name }),
        }
    }
}

/// SIGTERM and SIGINT of this process.
///
/// # Errors
/// When the handlers cannot be installed.
pub(crate) fn process_signals() -> std::io::Result<mpsc::Receiver<()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (tell, signals) = mpsc::channel(2);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                Some(()) = terminate.recv() => {}
                Some(()) = interrupt.recv() => {}
                else => return,
            }
            if tell.send(()).await.is_err() {
                return;
            }
        }
    });
    Ok(signals)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{SystemClock, clock::MockClock};

    const DRAIN: Duration = Duration::from_secs(30);

    fn clock() -> (MockClock, Arc<dyn Clock>) {
        let clock = MockClock::at("2026-11-21T12:00:00Z");
        (clock.clone(), Arc::new(clock))
    }

    /// Ends when it is asked to.
    async fn obedient(ending: Ending) -> Result<(), TaskError> {
        ending.reached(Phase::Soft).await;
        Ok(())
    }

    async fn stubborn() -> Result<(), TaskError> {
        std::future::pending().await
    }

    /// What would hang without the protection that a test is about fails instead.
    async fn bounded<T>(ends: impl Future<Output = T>) -> T {
        tokio::time::timeout(Duration::from_secs(20), ends).await.expect("it ends by itself")
    }

    #[tokio::test]
    async fn a_signal_lets_everything_finish_and_that_is_no_failure() {
        let (tell, signals) = mpsc::channel(2);
        let mut tasks = Tasks::default();
        tasks.spawn("first", obedient(tasks.ending()));
        tasks.spawn("second", obedient(tasks.ending()));
        tell.send(()).await.unwrap();
        assert!(bounded(tasks.run(signals, clock().1, DRAIN)).await.is_ok());
    }

    #[tokio::test]
    async fn a_part_that_dies_ends_the_others_and_fails_the_process() {
        let (_tell, signals) = mpsc::channel(2);
        let mut tasks = Tasks::default();
        tasks.spawn("healthy", obedient(tasks.ending()));
        tasks.spawn("done", async { Ok(()) });
        let died = bounded(tasks.run(signals, clock().1, DRAIN)).await.unwrap_err();
        assert!(matches!(died, Died::Unasked { name: "done" }), "{died}");

        let (_tell, signals) = mpsc::channel(2);
        let mut tasks = Tasks::default();
        tasks.spawn("failing", async { Err("disk".into()) });
        let died = bounded(tasks.run(signals, clock().1, DRAIN)).await.unwrap_err();
        assert!(matches!(died, Died::Failed { name: "failing", .. }), "{died}");
    }

    #[tokio::test]
    async fn a_panic_fails_the_process_too() {
        let (_tell, signals) = mpsc::channel(2);
        let mut tasks = Tasks::default();
        tasks.spawn("panicking", async { panic!("for the test") });
        let died = bounded(tasks.run(signals, clock().1, DRAIN)).await.unwrap_err();
        assert!(matches!(died, Died::Panicked { name: "panicking" }), "{died}");
    }

    #[tokio::test]
    async fn an_error_while_ending_is_a_failure() {
        let (tell, signals) = mpsc::channel(2);
        let mut tasks = Tasks::default();
        let ending = tasks.ending();
        tasks.spawn("flushing", async move {
            ending.reached(Phase::Soft).await;
            Err("not flushed".into())
        });
        tell.send(()).await.unwrap();
        assert!(matches!(bounded(tasks.run(signals, clock().1, DRAIN)).await, Err(Died::Failed { .. })));
    }

    #[tokio::test]
    async fn a_part_that_does_not_end_is_stopped_at_the_deadline_and_not_before() {
        let (tell, signals) = mpsc::channel(2);
        let (mock, clock) = clock();
        let mut tasks = Tasks::default();
        tasks.spawn("stubborn", stubborn());
        let ending = tasks.ending();
        let running = tokio::spawn(tasks.run(signals, clock, DRAIN));
        tell.send(()).await.unwrap();
        ending.reached(Phase::Soft).await;
        tokio::task::yield_now().await;
        mock.advance(DRAIN.checked_sub(Duration::from_secs(1)).unwrap());
        tokio::task::yield_now().await;
        assert_eq!(ending.phase(), Phase::Soft);
        mock.advance(Duration::from_secs(1));
        let died = bounded(running).await.unwrap().unwrap_err();
        assert!(matches!(&died, Died::Late { names } if names == "stubborn"), "{died}");
    }

    #[tokio::test]
    async fn a_second_signal_stops_hard() {
        let (tell, signals) = mpsc::channel(2);
        let mut tasks = Tasks::default();
        tasks.spawn("stubborn", stubborn());
        tell.send(()).await.unwrap();
        tell.send(()).await.unwrap();
        let ran = bounded(tasks.run(signals, Arc::new(SystemClock), Duration::from_hours(1))).await;
        assert!(matches!(ran, Err(Died::Late { .. })));
    }
}

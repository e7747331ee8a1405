//! Forgetting for a purge: no raw callback about these transactions opens any more, in the store or in any copy of it.
//!
//! A round serves everybody who asked before it began. It ends every epoch that may ever have held a body about their
//! transactions, the current one included.

use crate::{Ingest, IngestError};
use jumio::Subject;
use model::{AuthenticationRef, EnrollmentRef};
use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};
use tokio::sync::{Mutex as AsyncMutex, MutexGuard, oneshot, oneshot::error::TryRecvError};

/// What was forgotten.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Raw callbacks about these transactions that were still in the inbox, waiting or dead. Those that were judged
    /// before had lost their bodies already; what old copies of the store held of them is gone with the epoch.
    pub bodies: u32,
}

/// Somebody who asked, and does not know yet.
struct Asking {
    about: HashSet<Subject>,
    answer: oneshot::Sender<Forgotten>,
}

/// Rounds of closing epochs: one at a time, for all who asked before it began.
#[derive(Default)]
pub(crate) struct Rounds {
    asking: Mutex<Vec<Asking>>,
    running: AsyncMutex<()>,
}

impl Rounds {
    /// Waits until no other round is under way.
    pub(crate) async fn running(&self) -> MutexGuard<'_, ()> {
        self.running.lock().await
    }

    fn ask(&self, about: HashSet<Subject>) -> oneshot::Receiver<Forgotten> {
        let (answer, answered) = oneshot::channel();
        self.asking.lock().unwrap_or_else(PoisonError::into_inner).push(Asking { about, answer });
        answered
    }

    fn take(&self) -> Vec<Asking> {
        std::mem::take(&mut *self.asking.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Ingest {
    /// Once this has answered, no raw callback about these transactions that was received before the call can be opened
    /// any more: not in the store, not in an old segment of it, not in a backup; and no job or dead letter of theirs is
    /// left. Callbacks go on being received meanwhile. Calls at the same time share a round. It may be interrupted
    /// anywhere and repeated.
    ///
    /// What is received during the call or after it is judged later. Once the enrollment is being purged, it meets the
    /// tombstone, and its epoch ends within minutes.
    ///
    /// # Errors
    /// When the store or the vault fails: call again.
    pub async fn forget(
        &self,
        enrollment: &EnrollmentRef,
        authentications: &[AuthenticationRef],
    ) -> Result<Forgotten, IngestError> {
        let mut about: HashSet<Subject> =
            authentications.iter().map(|reference| Subject::Authentication(*reference)).collect();
        about.insert(Subject::Scan(*enrollment));
        loop {
            let mut answered = self.rounds.ask(about.clone());
            let round = tokio::select! {
                biased;
                answer = &mut answered => match answer {
                    Ok(forgotten) => return Ok(forgotten),
                    Err(_) => continue,
                },
                round = self.rounds.running() => round,
            };
            // The round before this one may have served it.
            match answered.try_recv() {
                Ok(forgotten) => return Ok(forgotten),
                Err(TryRecvError::Empty) => {}
                // That round failed, or whoever led it went away.
                Err(TryRecvError::Closed) => continue,
            }
            self.serve(self.rounds.take()).await?;
            drop(round);
            if let Ok(forgotten) = answered.try_recv() {
                return Ok(forgotten);
            }
        }
    }

    /// One round. Who is not answered asks again.
    async fn serve(&self, asking: Vec<Asking>) -> Result<(), IngestError> {
        let about = asking.iter().flat_map(|asking| &asking.about).copied().collect();
        let forgotten = self.round(&about).await?;
        for Asking { about, answer } in asking {
            let is_theirs = |names: &&Vec<Subject>| names.iter().any(|name| about.contains(name));
            let bodies = forgotten.iter().filter(is_theirs).count();
            let bodies = u32::try_from(bodies).unwrap_or(u32::MAX);
            // Who went away asks again, or does not want to know.
            let _gone = answer.send(Forgotten { bodies });
        }
        Ok(())
    }

    async fn round(&self, about: &HashSet<Subject>) -> Result<Vec<Vec<Subject>>, IngestError> {
        let mut rows = self.epochs().await?;
        // Asked after the rows were read: whoever was answered 200 before has said so by now.
        if let Some(held) = self.held_epoch().await.filter(|held| !held.may_hold(about)) {
            rows.retain(|(number, _)| *number != held.number);
        }
        self.close(rows, about).await
    }
}

//! The one thread that writes.

use crate::{
    SledConfig,
    disk::{self, Disk},
    group::Plan,
    mark, open, reserve,
    shared::Shared,
    transfer::{Export, Import},
};
use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};
use store::{Batch, Change, StoreError, Version};
use tokio::sync::{mpsc, oneshot};

/// A commit that waits for its answer.
pub(crate) struct Request {
    pub(crate) batch: Batch,
    pub(crate) answer: oneshot::Sender<Result<Version, StoreError>>,
}

/// What the committer is asked for.
pub(crate) enum Message {
    Commit(Request),
    Alone(Alone),
}

/// What shares its time with no commit: all that came before is finished first, and what comes after waits.
pub(crate) enum Alone {
    Export(Export),
    Import(Import),
    /// Close the database and answer.
    Close(oneshot::Sender<()>),
}

/// Why a group did not become durable.
pub(crate) enum Trouble {
    /// The disk is full, said by a write and not by the sync.
    Full(String),
    /// Anything else: nobody knows what is on the disk.
    Failed(String),
}

pub(crate) struct Committer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) config: SledConfig,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) sequence: u64,
    pub(crate) messages: mpsc::Receiver<Message>,
}

impl Committer {
    /// Works until it is asked to close, all handles are gone, or the disk has failed.
    pub(crate) fn run(mut self) {
        let mut closing = None;
        while closing.is_none() && self.shared.failure().is_none() {
            let Some(first) = self.messages.blocking_recv() else { break };
            let mut group = Vec::new();
            let alone = self.gather(first, &mut group);
            if !group.is_empty() {
                self.settle(group);
            }
            match alone {
                Some(Alone::Export(export)) => self.export(export),
                Some(Alone::Import(import)) => self.import(import),
                Some(Alone::Close(closed)) => closing = Some(closed),
                None => {}
            }
        }
        self.end();
        if let Some(closed) = closing {
            // Whoever asked may have gone; it is closed all the same.
            let _asked = closed.send(());
        }
    }

    /// Takes what waits, up to the group's bounds or to what has to be done alone.
    fn gather(&mut self, first: Message, group: &mut Vec<Request>) -> Option<Alone> {
        let mut bytes = 0;
        let mut next = Some(first);
        while let Some(message) = next.take() {
            match message {
                Message::Alone(alone) => return Some(alone),
                Message::Commit(request) => {
                    bytes += size(&request.batch);
                    group.push(request);
                }
            }
            if group.len() < self.config.group_commits && bytes < self.config.group_bytes {
                next = self.messages.try_recv().ok();
            }
        }
        None
    }

    /// Decides, writes, syncs and answers one group.
    fn settle(&mut self, group: Vec<Request>) {
        let (batches, answers): (Vec<_>, Vec<_>) = group.into_iter().map(|r| (r.batch, r.answer)).unzip();
        self.shared.set_busy(true);
        // A panic inside of sled must not leave callers without an answer, nor the engine with half a group.
        let outcomes = catch_unwind(AssertUnwindSafe(|| self.outcomes(&batches)))
            .unwrap_or_else(|_| self.poison("sled panicked", batches.len()));
        self.shared.set_busy(false);
        for (answer, outcome) in answers.into_iter().zip(outcomes) {
            // A caller that went away does not want to know.
            let _gone = answer.send(outcome);
        }
    }

    fn outcomes(&mut self, batches: &[Batch]) -> Vec<Result<Version, StoreError>> {
        if batches.iter().any(writes) && !self.has_space() {
            return vec![Err(StoreError::NoSpace); batches.len()];
        }
        let Some(db) = self.shared.db() else {
            return self.poison("it was not open", batches.len());
        };
        let mut plan = match Plan::make(&db, self.sequence, batches.iter()) {
            Ok(plan) => plan,
            // Nothing has been written yet.
            Err(error) => return vec![self.shared.ended_by(Err(error)); batches.len()],
        };
        if plan.sequence == self.sequence {
            // Nobody goes through. What the answers rest on was made durable with the group that wrote it.
            return plan.outcomes;
        }
        self.shared.show_before(plan.before());
        let written = self.write(&db, plan.batch());
        drop(db);
        match written {
            Ok(()) => {
                let before = mem::replace(&mut self.sequence, plan.sequence);
                self.shared.show_now();
                if mark::is_due(before, self.sequence) {
                    self.note_sequence();
                }
                mem::take(&mut plan.outcomes)
            }
            Err(Trouble::Full(why)) => self.after_full_disk(&why, plan),
            Err(Trouble::Failed(why)) => self.poison(&why, batches.len()),
        }
    }

    /// Writes a batch and makes it durable.
    pub(crate) fn write(&self, db: &sled::Db, batch: sled::Batch) -> Result<(), Trouble> {
        db.apply_batch(batch).and_then(|()| db.flush()).map_err(|error| match &error {
            sled::Error::Io(io) if open::is_full(io.kind()) => Trouble::Full(error.to_string()),
            _ => Trouble::Failed(error.to_string()),
        })?;
        match disk::has_blobs(&self.config.path) {
            Ok(false) => {}
            Ok(true) => {
                return Err(Trouble::Failed("sled put a value into a file that it never syncs".into()));
            }
            Err(error) => return Err(Trouble::Failed(error.to_string())),
        }
        // A sync that failed for want of space is no better than any other: pages may be gone.
        self.disk.sync().map_err(|error| Trouble::Failed(error.to_string()))
    }

    /// Nothing depends on it but how much damage is noticed at the next start.
    pub(crate) fn note_sequence(&self) {
        if let Err(error) = mark::write(&self.config.path, self.sequence) {
            tracing::warn!(%error, "The store could not note how far it has come.");
        }
    }

    /// Whether there is as much space as is demanded, and the reserve besides: without it nobody could help the store
    /// out of a full disk.
    pub(crate) fn has_space(&self) -> bool {
        let folder = &self.config.path;
        let needed = reserve::needed(folder, self.config.min_free_bytes);
        self.disk.free_bytes().is_ok_and(|free| free >= needed) && reserve::take(folder).is_ok()
    }

    /// sled keeps its first error for good, so it is closed and opened again, with the room of the reserve. It recovers a
    /// batch as a whole or not at all; anything else than that, or a second failure, is the end. Until there is room
    /// for a new reserve, further commits are refused.
    fn after_full_disk(&mut self, why: &str, mut plan: Plan) -> Vec<Result<Version, StoreError>> {
        tracing::warn!("The store's disk ran full during a write. The store is opened again.");
        let count = plan.outcomes.len();
        close(self.shared.take_db());
        if let Err(error) = reserve::release(&self.config.path) {
            return self.poison(&format!("{why}; there was no reserve to go on with: {error}"), count);
        }
        let opened = match open::open(&self.config) {
            Ok(opened) => opened,
            Err(error) => return self.poison(&format!("{why}; afterwards: {error}"), count),
        };
        let landed = plan.landed(&opened.db, opened.sequence);
        // The handle from before would tell of pages that were lost meanwhile, a new one would not.
        if let Err(error) = self.disk.sync() {
            return self.poison(&error.to_string(), count);
        }
        self.sequence = self.sequence.max(opened.sequence);
        match landed {
            Ok(Some(all)) => {
                self.shared.set_db(opened.db);
                self.shared.show_now();
                if all { mem::take(&mut plan.outcomes) } else { vec![Err(StoreError::NoSpace); count] }
            }
            Ok(None) => self.poison("after a full disk it holds half a commit", count),
            Err(error) => self.poison(&error.to_string(), count),
        }
    }

    fn poison(&self, why: &str, count: usize) -> Vec<Result<Version, StoreError>> {
        tracing::error!(
            why,
            "The store could not make a change durable and has stopped. The service must be restarted."
        );
        self.shared.fail(why);
        vec![Err(StoreError::Ambiguous(why.to_owned())); count]
    }

    /// Answers those who came too late, and closes the database.
    fn end(mut self) {
        let failure = self.shared.failure();
        self.shared.fail("it was closed");
        self.messages.close();
        while let Some(message) = self.messages.blocking_recv() {
            match message {
                Message::Commit(request) => {
                    let error = match &failure {
                        Some(StoreError::Poisoned(why)) => StoreError::Ambiguous(why.clone()),
                        _ => StoreError::Poisoned("it was closed".into()),
                    };
                    let _gone = request.answer.send(Err(error));
                }
                Message::Alone(Alone::Close(closed)) => drop(closed.send(())),
                // Whoever waits finds out from the failure above.
                Message::Alone(Alone::Export(_) | Alone::Import(_)) => {}
            }
        }
        let db = self.shared.take_db();
        if failure.is_some() {
            // Closing would sync once more, and a sync after a failed one proves nothing. The process ends soon.
            mem::forget(db);
        } else {
            close(db);
            self.note_sequence();
        }
    }
}

/// sled writes and syncs once more when it is closed, and panics if that fails. All that counts is durable already.
fn close(db: Option<sled::Db>) {
    if catch_unwind(AssertUnwindSafe(move || drop(db))).is_err() {
        tracing::warn!("sled could not be closed cleanly. Nothing acknowledged is concerned.");
    }
}

fn writes(batch: &Batch) -> bool {
    batch.writes.iter().any(|write| write.change != Change::Nothing)
}

fn size(batch: &Batch) -> usize {
    let value = |change: &Change| if let Change::Put(value) = change { value.len() } else { 0 };
    batch.writes.iter().map(|write| write.key.len() + value(&write.change)).sum()
}

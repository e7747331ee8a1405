//! The one appender: gives entries their positions, a group at a time.

use crate::{
    Audit, AuditError, Entry, Head, Stroke,
    book::{PENDING, Waiting},
    chain::{self, HEAD, HEAD_KEY, OPEN},
};
use records::RecordsError;
use std::sync::PoisonError;
use store::Range;

/// Entries of each kind (begins, pending) in one commit. Twice as many, of the largest size, fit into a commit, index rows
/// included.
pub(crate) const GROUP: usize = 96;

/// How often a group is built again when somebody else moved the head. Only an appender of another process can.
const ATTEMPTS: usize = 3;

impl Audit {
    /// Gives every pending entry its position. The background does this by itself; tests do it by hand.
    ///
    /// # Errors
    /// [`AuditError::Unavailable`]: the entries stay pending.
    pub async fn append_pending(&self) -> Result<(), AuditError> {
        let book = self.clone();
        // In a task, so that a caller who is dropped does not leave a group half answered.
        let task = self.inner.runtime.spawn(async move {
            loop {
                if book.append_group().await? < GROUP {
                    return Ok(());
                }
            }
        });
        task.await.unwrap_or(Err(AuditError::Stopped))
    }

    /// Appends one group: what is pending, then the begins that wait. Answers the begins. Returns how many pending
    /// entries were in it.
    pub(crate) async fn append_group(&self) -> Result<usize, AuditError> {
        let _only_one = self.inner.appender.lock().await;
        let begins = self.next_begins();
        let (entries, answers): (Vec<_>, Vec<_>) =
            begins.into_iter().map(|waiting| (waiting.entry, waiting.answer)).unzip();
        match self.append(&entries).await {
            Ok((pending, strokes)) => {
                // The anchor has something to follow. Where nothing was appended there is nobody to wake: the background
                // itself comes by here, and would wake itself for ever.
                let has_grown = pending > 0 || !strokes.is_empty();
                for (answer, stroke) in answers.into_iter().zip(strokes) {
                    // A caller who no longer waits leaves its begin open, as any act that was not finished.
                    let _gone = answer.send(stroke);
                }
                if has_grown {
                    self.inner.wake.notify_one();
                }
                Ok(pending)
            }
            Err(error) => {
                for answer in answers {
                    let _gone = answer.send(Err(error.clone()));
                }
                Err(error)
            }
        }
    }

    fn next_begins(&self) -> Vec<Waiting> {
        let mut waiting = self.inner.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let group = waiting.len().min(GROUP);
        waiting.drain(..group).collect()
    }

    async fn append(&self, begins: &[Entry]) -> Result<(usize, Vec<Result<Stroke, AuditError>>), AuditError> {
        let mut attempt = 1;
        loop {
            match self.try_append(begins).await {
                Err(AuditError::Unavailable(error)) if error.is_conflict() && attempt < ATTEMPTS => {
                    attempt += 1;
                }
                done => return done,
            }
        }
    }

    async fn try_append(
        &self,
        begins: &[Entry],
    ) -> Result<(usize, Vec<Result<Stroke, AuditError>>), AuditError> {
        let records = &self.inner.records;
        let old_head = HEAD.get(records, &HEAD_KEY).await.map_err(AuditError::Unavailable)?;
        let pending =
            PENDING.scan(records, &Range::default(), GROUP).await.map_err(AuditError::Unavailable)?;
        if pending.is_empty() && begins.is_empty() {
            return Ok((0, Vec::new()));
        }
        let mut head = old_head.as_ref().map_or_else(|| Head::genesis(records), |head| head.value);
        let mut commit = records.commit();
        for (key, record) in &pending {
            chain::append(&mut commit, &mut head, &record.value)?;
            commit.remove(&PENDING, key, record);
        }
        let mut positions = Vec::with_capacity(begins.len());
        for entry in begins {
            let position = chain::append(&mut commit, &mut head, entry)?;
            commit.insert(&OPEN, &(position,), entry);
            positions.push(position);
        }
        commit.upsert(&HEAD, &HEAD_KEY, old_head.as_ref(), &head);
        commit.submit().await.map_err(AuditError::Unavailable)?;
        self.inner.grown.send_replace(head.position);
        let mut strokes = Vec::with_capacity(positions.len());
        for position in positions {
            strokes.push(self.stroke(position).await);
        }
        Ok((pending.len(), strokes))
    }

    /// Reads the open begin back: its finish is conditional on it.
    async fn stroke(&self, position: u64) -> Result<Stroke, AuditError> {
        let open = OPEN.get(&self.inner.records, &(position,)).await.map_err(AuditError::Unavailable)?;
        let damaged = AuditError::Unavailable(RecordsError::Damaged { table: "audit-open" });
        Ok(Stroke { position, open: open.ok_or(damaged)? })
    }
}

//! What Jumio may have under a reference that nobody knows: the call that would have told was cut off. Its id is kept for a
//! day. A callback of that time names it, whoever judges callbacks deletes it there, and here the purge takes that over.

use crate::{
    Custody, CustodyError,
    purge::row::{ERASURES, ErasureRow},
};
use audit::{Action, Note};
use model::{AuthenticationId, Timestamp};
use records::{Commit, EnrollmentKey, Record};
use register::UnnamedRow;
use std::time::Duration;

/// How long a callback is waited for.
const WAITED_FOR: Duration = Duration::from_hours(24);

impl Custody {
    /// Notes one that nobody can name at Jumio.
    pub(crate) fn note_unnamed(
        &self,
        commit: &mut Commit,
        erasure: &mut ErasureRow,
        key: EnrollmentKey,
        id: AuthenticationId,
    ) {
        erasure.jumio.unnamed += 1;
        let until = self.now().saturating_add(WAITED_FOR).unwrap_or(Timestamp::MAX);
        let row = UnnamedRow { enrollment: key, until, status: None };
        self.parts.register.put_unnamed(commit, id, None, &row);
    }

    /// Takes over what was named late, and deleted at Jumio. Signs anew what it makes untrue.
    pub(crate) async fn take_late_over(&self, key: EnrollmentKey) -> Result<(), CustodyError> {
        let all = self.parts.register.all_unnamed().await?;
        let named: Vec<_> = all.into_iter().filter(|(_, read)| is_named(read, key)).collect();
        if named.is_empty() {
            return Ok(());
        }
        let read = self.erasure_under_way(key).await?;
        let mut erasure = read.value.clone();
        let mut commit = self.records().commit();
        for (id, row) in &named {
            erasure.jumio.unnamed = erasure.jumio.unnamed.saturating_sub(1);
            if let Some(status) = row.value.status {
                *erasure.jumio.authentications.entry(status).or_default() += 1;
            }
            self.parts.register.remove_unnamed(&mut commit, *id, row);
        }
        if erasure.jumio.done_at.is_some() {
            erasure.jumio.done_at = Some(self.now());
            erasure.jumio_receipt = Some(self.jumio_receipt_of(key, &erasure).await?);
            let note = Note::about(Action::PurgeAtJumio, key.0, erasure.order.actor.clone());
            let note = note.with("late", named.len()).with("unnamed", erasure.jumio.unnamed);
            self.parts.audit.note(&mut commit, note);
            self.tell_done_at_jumio(&mut commit, key, &erasure).await?;
        }
        for order in erasure.orders() {
            self.item_named_late(&mut commit, order, (key, &erasure), named.len() as u64).await?;
        }
        commit.update(&ERASURES, &(key,), &read, &erasure);
        Ok(commit.submit().await?)
    }

    /// Forgets those that no callback is waited for any more. How many.
    pub(crate) async fn forget_unnamed(&self, now: Timestamp) -> Result<u32, CustodyError> {
        let mut forgotten = 0;
        for (id, read) in self.parts.register.all_unnamed().await? {
            if read.value.status.is_some() || read.value.until > now {
                continue;
            }
            let mut commit = self.records().commit();
            self.parts.register.remove_unnamed(&mut commit, id, &read);
            match commit.submit().await {
                // A callback came at this very moment.
                Err(error) if error.is_conflict() => {}
                done => {
                    done?;
                    forgotten += 1;
                }
            }
        }
        Ok(forgotten)
    }
}

fn is_named(read: &Record<UnnamedRow>, key: EnrollmentKey) -> bool {
    read.value.enrollment == key && read.value.status.is_some()
}

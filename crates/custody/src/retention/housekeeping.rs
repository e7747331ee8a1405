//! What is put in order now and then: holds whose time is over end, what Jumio did not name within a day is no longer
//! waited for, and slots that were burnt long ago are made free.

use super::{
    clock::{Clockwork, Looker},
    slots::Tidied,
};
use crate::{Custody, CustodyError};
use audit::Actor;
use jiff::SignedDuration;
use queue::Lease;
use records::EnrollmentKey;
use std::time::Duration;

/// Between two runs.
const EVERY: Duration = Duration::from_hours(1);

impl Custody {
    /// All of it needs the time, so none is done while the clock cannot be believed: that a hold lasts longer and a slot
    /// stays burnt harms nobody.
    pub(crate) async fn handle_housekeeping(&self, lease: &Lease) -> Result<(), CustodyError> {
        self.mark_held_slots().await?;
        let clock = self.look_at_clock(Looker::Housekeeping, lease).await?;
        if clock == Clockwork::Sound {
            let now = self.now();
            let ended = self.end_holds(now).await?;
            let tidied = self.tidy_slots(now).await?;
            let released = self.release_burnt_slots().await?;
            self.forget_unnamed(now).await?;
            if (ended, released, tidied) != (0, 0, Tidied::default()) {
                let Tidied { burnt, marks } = tidied;
                tracing::info!(ended, released, burnt, marks, "holds ended, slots were put in order");
            }
        } else {
            tracing::debug!(
                ?clock,
                "no hold ends and no burnt slot is made free while the clock is in doubt"
            );
        }
        let mut commit = self.records().commit();
        self.again(lease, &mut commit, self.now() + EVERY).await?;
        Ok(commit.submit().await?)
    }

    /// Ends the hold on an enrollment if its time is over and the clock can be believed: whoever orders a purge does not
    /// wait for the next round.
    pub(crate) async fn end_hold_if_over(&self, key: EnrollmentKey) -> Result<(), CustodyError> {
        let until = self.hold_row(key).await?.and_then(|read| read.value.until);
        if until.is_none_or(|until| until > self.now()) || !self.is_clock_sound().await? {
            return Ok(());
        }
        let _one_at_a_time = self.watch.holds.lock().await;
        let again = self.hold_row(key).await?.and_then(|read| read.value.until);
        if again.is_some_and(|until| until <= self.now()) {
            self.end_hold(key, &Actor::System, "until").await?;
        }
        Ok(())
    }

    /// Makes slots free that no backup remembers otherwise any more. Not while a rebuild or restore is unacknowledged: it
    /// may still want to know what was burnt.
    async fn release_burnt_slots(&self) -> Result<u32, CustodyError> {
        match self.refuse_while_recovering().await {
            Err(CustodyError::RecoveryNotAcknowledged) => return Ok(0),
            other => other?,
        }
        let days = i64::from(self.parts.config.slot_backup_horizon_days);
        let Ok(older_than) = self.now().checked_sub(SignedDuration::from_hours(24 * days)) else {
            return Ok(0);
        };
        let (mut from, mut slots) = (Some(0), 0);
        while let Some(sector) = from {
            let page = self.parts.vault.release_burnt(sector, older_than).await?;
            slots += page.slots;
            from = page.next;
        }
        Ok(slots)
    }
}

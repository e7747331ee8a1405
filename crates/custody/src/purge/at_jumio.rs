//! What Jumio still has of a person: the original and the authentications. Deleted at once where somebody waits and Jumio
//! answers, by a durable job otherwise.

use crate::{
    Custody, CustodyError,
    purge::{
        flight::ATTEMPTS,
        row::{AUTHENTICATION, AtJumio, ERASURES, ErasureRow, ORIGINAL, REMOTE, RemoteKey, RemoteRow},
    },
};
use audit::{Action, Note};
use jumio::JumioError;
use queue::{Lane, Lease};
use records::{Commit, EnrollmentKey, Key as _, Record};
use std::time::Duration;
use store::Range;

/// References that one run of the job tries at most; the rest is for the next.
const PER_RUN: usize = 512;
/// References that are read together.
const PER_PAGE: usize = 64;
/// When a deletion is looked at again that came before the end of its purge.
const ONCE_IT_IS_PURGED: Duration = Duration::from_secs(10);
/// How long a deletion waits for its turn in the budget.
const BUDGET_PATIENCE: Duration = Duration::from_secs(2);

/// How a run ended.
enum Ran {
    /// Nothing is left at Jumio.
    Over,
    /// There is more.
    More,
}

impl Custody {
    /// Deletes at Jumio what can be deleted within the configured patience. Whatever is in the way is the job's.
    pub(crate) async fn try_at_jumio(&self, key: EnrollmentKey) {
        let deleting = async {
            loop {
                match self.delete_at_jumio(key, Lane::Verification, None).await {
                    Ok(Ran::More) => {}
                    Ok(Ran::Over) => return Ok(()),
                    Err(error) => return Err(error),
                }
            }
        };
        tokio::select! {
            done = deleting => if let Err(error) = done {
                tracing::info!(enrollment = %key.0, %error, "Jumio did not delete at once; a job goes on with it.");
            },
            () = self.parts.clock.sleep(self.parts.config.jumio_patience) => {}
        }
    }

    pub(crate) async fn handle_jumio_deletion(&self, lease: &Lease) -> Result<(), CustodyError> {
        let key: EnrollmentKey = lease.subject()?;
        let mut erasure = self.erasure(key).await?;
        if erasure.as_ref().is_some_and(|erasure| erasure.value.receipt.is_none()) {
            // A callback was faster than the purge, whose last commit is to come.
            let mut commit = self.records().commit();
            lease.again_at(&mut commit, self.now() + ONCE_IT_IS_PURGED).await?;
            return Ok(commit.submit().await?);
        }
        if erasure.is_some() {
            self.take_late_over(key).await?;
            erasure = self.erasure(key).await?;
        }
        if erasure.is_none_or(|erasure| erasure.value.jumio.done_at.is_some()) {
            let mut commit = self.records().commit();
            lease.complete(&mut commit).await?;
            return Ok(commit.submit().await?);
        }
        match self.delete_at_jumio(key, Lane::Batch, Some(lease)).await? {
            Ran::More => {
                let mut commit = self.records().commit();
                lease.again_at(&mut commit, self.now()).await?;
                Ok(commit.submit().await?)
            }
            Ran::Over => {
                self.burn_remote(key).await?;
                self.finish_at_jumio(key, lease).await
            }
        }
    }

    /// Deletes some of what is left, one after another. One that Jumio refuses holds the others up as little as it can:
    /// they come first, then its refusal is the result.
    async fn delete_at_jumio(
        &self,
        key: EnrollmentKey,
        lane: Lane,
        lease: Option<&Lease>,
    ) -> Result<Ran, CustodyError> {
        let erasure = self.erasure_under_way(key).await?.value;
        // Nothing is left, and the slot may be burnt by now.
        let Some(slot) = erasure.remote_slot.filter(|_| erasure.jumio.left > 0) else {
            return Ok(Ran::Over);
        };
        let slot_key = self.parts.vault.erasure_key(slot).await?;
        let mut range = Range { prefix: (key,).encode(), ..Range::default() };
        let (mut refused, mut tried) = (None, 0);
        while tried < PER_RUN {
            let rows = REMOTE.scan(self.records(), &range, PER_PAGE).await?;
            let Some((last, _)) = rows.last() else { return refused.map_or(Ok(Ran::Over), Err) };
            range.after = Some(last.encode());
            tried += rows.len();
            for (place, read) in rows {
                match self.delete_one(&slot_key, &place, &read, lane).await {
                    Ok(status) => self.deleted(&place, &read, status, lease).await?,
                    Err(CustodyError::Jumio(error)) if !error.is_outage() => {
                        refused = Some(CustodyError::Jumio(error));
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        refused.map_or(Ok(Ran::More), Err)
    }

    /// Asks Jumio for one deletion: its status. That it is not there any more is what was wanted.
    async fn delete_one(
        &self,
        slot_key: &vault::PersonKey,
        place: &RemoteKey,
        read: &Record<RemoteRow>,
        lane: Lane,
    ) -> Result<u16, CustodyError> {
        let permit = self.parts.retrievals.acquire(lane, BUDGET_PATIENCE).await?;
        drop(permit);
        let jumio = &self.parts.jumio;
        let answer = match place.1 {
            ORIGINAL => jumio.delete_scan(read.value.open(slot_key, place)?).await,
            AUTHENTICATION => jumio.delete_authentication(read.value.open(slot_key, place)?).await,
            _ => return Err(CustodyError::Damaged),
        };
        match &answer {
            Err(JumioError::RateLimited { retry_after }) => self.parts.retrievals.penalise(*retry_after),
            Err(error) if error.is_outage() => {}
            Err(JumioError::Guarded { .. } | JumioError::Invalid(_)) => {}
            Ok(()) | Err(_) => {
                self.parts.retrievals.answered();
                self.parts.peer.answered(self.now());
            }
        }
        match answer {
            Ok(()) => Ok(200),
            Err(JumioError::NotFound) => Ok(404),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes one deletion down.
    async fn deleted(
        &self,
        place: &RemoteKey,
        row: &Record<RemoteRow>,
        status: u16,
        lease: Option<&Lease>,
    ) -> Result<(), CustodyError> {
        let read = self.erasure_under_way(place.0).await?;
        let mut erasure = read.value.clone();
        let AtJumio { left, original, authentications, .. } = &mut erasure.jumio;
        *left = left.saturating_sub(1);
        let answers = if place.1 == ORIGINAL { original } else { authentications };
        *answers.entry(status).or_default() += 1;
        let mut commit = self.records().commit();
        commit.remove(&REMOTE, place, row);
        commit.update(&ERASURES, &(place.0,), &read, &erasure);
        if let Some(lease) = lease {
            lease.hold(&mut commit).await?;
        }
        Ok(commit.submit().await?)
    }

    /// Nothing of the person has to be known any more: the references go, in every copy.
    async fn burn_remote(&self, key: EnrollmentKey) -> Result<(), CustodyError> {
        let erasure = self.erasure_under_way(key).await?.value;
        match erasure.remote_slot {
            Some(slot) if erasure.jumio.left == 0 => Ok(self.parts.vault.burn(slot).await?),
            _ => Ok(()),
        }
    }

    async fn finish_at_jumio(&self, key: EnrollmentKey, lease: &Lease) -> Result<(), CustodyError> {
        for _ in 0..ATTEMPTS {
            match self.try_finish_at_jumio(key, lease).await {
                Err(error) if error.is_conflict() => {}
                done => return done,
            }
        }
        Err(CustodyError::Busy)
    }

    async fn try_finish_at_jumio(&self, key: EnrollmentKey, lease: &Lease) -> Result<(), CustodyError> {
        let read = self.erasure_under_way(key).await?;
        let mut erasure = read.value.clone();
        erasure.jumio.done_at = Some(self.now());
        erasure.jumio.trouble = None;
        erasure.remote_slot = None;
        erasure.jumio_receipt = Some(self.jumio_receipt_of(key, &erasure).await?);
        let mut commit = self.records().commit();
        let note = Note::about(Action::PurgeAtJumio, key.0, erasure.order.actor.clone());
        self.parts.audit.note(&mut commit, note.with("unnamed", erasure.jumio.unnamed));
        self.tell_done_at_jumio(&mut commit, key, &erasure).await?;
        for order in erasure.orders() {
            self.item_done_at_jumio(&mut commit, order, (key, &erasure)).await?;
        }
        commit.update(&ERASURES, &(key,), &read, &erasure);
        lease.complete(&mut commit).await?;
        Ok(commit.submit().await?)
    }

    /// Jumio has not deleted for as long as things are tried: whoever looks at the purge sees it, and the dead letter
    /// can be revived.
    pub(crate) async fn give_up_jumio(&self, lease: &Lease, commit: &mut Commit) -> Result<(), CustodyError> {
        let key: EnrollmentKey = lease.subject()?;
        let Some(read) = self.erasure(key).await? else { return Ok(()) };
        let jumio = AtJumio { trouble: Some("given-up".to_owned()), ..read.value.jumio.clone() };
        commit.update(&ERASURES, &(key,), &read, &ErasureRow { jumio, ..read.value.clone() });
        Ok(())
    }
}

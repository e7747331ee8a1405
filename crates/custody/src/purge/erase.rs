//! The steps of an erasure, in their order. Each is durable and may be repeated, so that one that was interrupted
//! anywhere goes on from its first step and comes to the same end.

use crate::{
    Custody, CustodyError,
    purge::{
        ForgetError,
        begin::{Beginning, begin_of},
        flight::ATTEMPTS,
        row::{AUTHENTICATION, ERASURES, ErasureRow, ORIGINAL, REMOTE, RemoteKey, RemoteRow},
        slots::OwnSlot,
    },
};
use audit::{Details, Outcome, Stroke};
use model::{AuthenticationRef, EnrollmentState};
use queue::{Failure, HandlerError, JobKey, Kind, Lease, QueueError};
use records::{Commit, EnrollmentKey, Key as _};
use register::{AuthenticationToPurge, LinkToPurge};
use serde_json::Value;
use store::Range;
use vault::{SlotKind, VaultError};

/// Authentications that are removed in one commit.
const PER_COMMIT: usize = 64;

impl Custody {
    /// Carries an erasure out, or waits for the one that is under way. Without a beginning only one that was begun is.
    pub(crate) async fn carry_out(
        &self,
        key: EnrollmentKey,
        beginning: Option<Beginning>,
    ) -> Result<(), CustodyError> {
        loop {
            let (flight, ticket) = self.flights.enter(key);
            let is_own = ticket.is_some();
            if let Some(ticket) = ticket {
                let (custody, beginning) = (self.clone(), beginning.clone());
                // A task of its own: a caller who goes away leaves nothing half done.
                self.runtime.spawn(async move {
                    let result = custody.erase(key, beginning).await;
                    ticket.land(result);
                });
            }
            match flight.landed().await {
                // The flight was one with another condition, which did not hold.
                Err(CustodyError::NotDue) if !is_own => {}
                landed => return landed,
            }
        }
    }

    pub(crate) async fn handle_erasure(&self, lease: &Lease) -> Result<(), CustodyError> {
        let key: EnrollmentKey = lease.subject()?;
        self.carry_out(key, None).await?;
        // The erasure's last commit takes its job off the desk, whoever has it in hand.
        if lease.is_held().await? {
            let mut commit = self.records().commit();
            lease.complete(&mut commit).await?;
            commit.submit().await?;
        }
        Ok(())
    }

    async fn erase(&self, key: EnrollmentKey, beginning: Option<Beginning>) -> Result<(), CustodyError> {
        let patient = beginning.as_ref().is_some_and(|beginning| beginning.waits_for_jumio);
        let begun = match &beginning {
            Some(beginning) => self.begin_erasure(key, beginning).await?,
            None => None,
        };
        let stroke = match begun {
            Some(stroke) => stroke,
            None => match self.resume(key).await? {
                Some(stroke) => stroke,
                None => return Ok(()),
            },
        };
        let done = self.steps(key, &stroke, patient).await;
        if let Err(error) = &done {
            tracing::warn!(enrollment = %key.0, %error, "a purge was interrupted; it goes on by itself");
            let why = Details::new().with("why", "interrupted");
            if let Err(error) = self.parts.audit.finish_alone(&stroke, Outcome::Failed, why).await {
                tracing::warn!(%error, "an interrupted purge stays open in the audit log until the next start");
            }
        }
        done
    }

    /// Writes down that an erasure goes on. `None`: there is nothing to go on with.
    async fn resume(&self, key: EnrollmentKey) -> Result<Option<Stroke>, CustodyError> {
        let found = self.parts.register.enrollment_to_purge(key).await?;
        let Some(found) = found.filter(|found| found.row.state == EnrollmentState::Purging) else {
            return Ok(None);
        };
        self.refuse_while_recovering().await?;
        let order = self.erasure_under_way(key).await?.value.order;
        Ok(Some(self.parts.audit.begin(begin_of(&found, &order).with("resumed", true)).await?))
    }

    async fn steps(&self, key: EnrollmentKey, stroke: &Stroke, patient: bool) -> Result<(), CustodyError> {
        let slot = self.erasure_under_way(key).await?.value.slot;
        if self.own_slot(slot).await? != OwnSlot::Gone {
            self.parts.vault.drain(slot).await;
            self.collect(key).await?;
            self.forget_callbacks(key).await?;
            // What is put after this is sealed under the slot, and told to nobody once that is burnt.
            self.parts.outbox.forget(key).await.map_err(ForgetError::new)?;
        }
        self.burn_all(key, &self.erasure_under_way(key).await?.value).await?;
        if patient {
            self.try_at_jumio(key).await;
        }
        for _ in 0..ATTEMPTS {
            match self.finish(key, stroke).await {
                Err(error) if error.is_conflict() => {}
                // An import that read the record before the purge began has just taken a slot.
                Err(CustodyError::Vault(error)) if matches!(*error, VaultError::WrongStatus { .. }) => {
                    self.burn_all(key, &self.erasure_under_way(key).await?.value).await?;
                }
                done => return done,
            }
        }
        Err(CustodyError::Busy)
    }

    /// Takes what Jumio still has out of the person's records, page by page, and seals it under a slot of the erasure's
    /// own. The authentications' records go with the same commits.
    async fn collect(&self, key: EnrollmentKey) -> Result<(), CustodyError> {
        let mut conflicts = 0;
        loop {
            match self.collect_page(key).await {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(error) if error.is_conflict() && conflicts < ATTEMPTS => conflicts += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether there may be more.
    async fn collect_page(&self, key: EnrollmentKey) -> Result<bool, CustodyError> {
        let register = &self.parts.register;
        let read = self.erasure_under_way(key).await?;
        let page = register.authentications_to_purge(key, PER_COMMIT).await?;
        let links = register.links_to_purge(key, PER_COMMIT).await?;
        let items = register.items_to_purge(key, PER_COMMIT).await?;
        if page.is_empty() && links.is_empty() && items.is_empty() && !read.value.original_due {
            return Ok(false);
        }
        let mut erasure = read.value.clone();
        let mut commit = self.records().commit();
        if std::mem::take(&mut erasure.original_due) {
            let found = register.enrollment_to_purge(key).await?;
            match found.as_ref().and_then(|found| found.private.as_ref()) {
                Some(person) => {
                    let place = (key, ORIGINAL, key.0);
                    self.collect_one(&mut commit, &mut erasure, place, person.reference.as_bytes()).await?;
                }
                // Its reference does not open any more: nobody can name it at Jumio.
                None => erasure.jumio.unnamed += 1,
            }
        }
        for gone in &page {
            self.collect_authentication(&mut commit, &mut erasure, key, gone).await?;
        }
        for gone in &links {
            self.remove_link(&mut commit, gone).await?;
        }
        for place in &items {
            register.forget_item(&mut commit, key, *place).await?;
        }
        commit.update(&ERASURES, &(key,), &read, &erasure);
        match commit.submit().await {
            Err(error) if error.is_conflict() => {
                if let (None, Some(unnamed)) = (read.value.remote_slot, erasure.remote_slot) {
                    self.parts.vault.burn(unnamed).await?;
                }
                Err(error.into())
            }
            done => Ok(done.map(|()| [page.len(), links.len(), items.len()].contains(&PER_COMMIT))?),
        }
    }

    /// Takes away what the company has sent to the person.
    async fn remove_link(&self, commit: &mut Commit, gone: &LinkToPurge) -> Result<(), CustodyError> {
        self.parts.register.remove_link(commit, gone);
        if gone.is_own() {
            let job = JobKey::new(Kind::LinkExpiry, &gone.id);
            self.parts.queue.cancel(commit, &job).await?;
            self.parts.queue.forget(commit, &job).await?;
        }
        Ok(())
    }

    async fn collect_authentication(
        &self,
        commit: &mut Commit,
        erasure: &mut ErasureRow,
        key: EnrollmentKey,
        gone: &AuthenticationToPurge,
    ) -> Result<(), CustodyError> {
        self.parts.register.remove_authentication(commit, gone).await?;
        if !gone.is_own() {
            return Ok(());
        }
        for kind in [Kind::Authentication, Kind::AuthenticationDeletion] {
            let job = JobKey::new(kind, &gone.id);
            self.parts.queue.cancel(commit, &job).await?;
            self.parts.queue.forget(commit, &job).await?;
        }
        erasure.authentications += 1;
        if gone.is_unnamed() {
            self.note_unnamed(commit, erasure, key, gone.id);
        }
        let Some(reference) = gone.reference else { return Ok(()) };
        let place = (key, AUTHENTICATION, self.records().transaction_key(&reference).0);
        self.collect_one(commit, erasure, place, reference.as_bytes()).await
    }

    async fn collect_one(
        &self,
        commit: &mut Commit,
        erasure: &mut ErasureRow,
        place: RemoteKey,
        reference: &[u8; 16],
    ) -> Result<(), CustodyError> {
        let slot = match erasure.remote_slot {
            Some(slot) => slot,
            None => self.parts.vault.prepare(SlotKind::Erasure, place.0.0).await?,
        };
        erasure.remote_slot = Some(slot);
        let slot_key = self.parts.vault.erasure_key(slot).await?;
        let row = RemoteRow::seal(self, &slot_key, &place, reference);
        let earlier = REMOTE.get(self.records(), &place).await?;
        erasure.jumio.left += u64::from(earlier.is_none());
        commit.upsert(&REMOTE, &place, earlier.as_ref(), &row);
        Ok(())
    }

    /// The raw callbacks go before the slot does: afterwards nobody knows whose they were.
    async fn forget_callbacks(&self, key: EnrollmentKey) -> Result<(), CustodyError> {
        let found = self.parts.register.enrollment_to_purge(key).await?;
        let Some(person) = found.and_then(|found| found.private) else {
            tracing::warn!(enrollment = %key.0, "the reference of a purged person does not open; raw callbacks go with their hour");
            return Ok(());
        };
        let authentications = self.collected_authentications(key).await?;
        let forgotten = self.parts.forget.forget(&person.reference, &authentications).await?;
        if forgotten.bodies == 0 {
            return Ok(());
        }
        for _ in 0..ATTEMPTS {
            let read = self.erasure_under_way(key).await?;
            let mut erasure = read.value.clone();
            erasure.bodies += u64::from(forgotten.bodies);
            let mut commit = self.records().commit();
            commit.update(&ERASURES, &(key,), &read, &erasure);
            match commit.submit().await {
                Err(error) if error.is_conflict() => {}
                done => return Ok(done?),
            }
        }
        Err(CustodyError::Busy)
    }

    async fn collected_authentications(
        &self,
        key: EnrollmentKey,
    ) -> Result<Vec<AuthenticationRef>, CustodyError> {
        let Some(slot) = self.erasure_under_way(key).await?.value.remote_slot else { return Ok(Vec::new()) };
        let slot_key = self.parts.vault.erasure_key(slot).await?;
        let mut range = Range { prefix: (key, AUTHENTICATION).encode(), ..Range::default() };
        let mut references = Vec::new();
        loop {
            let rows = REMOTE.scan(self.records(), &range, PER_COMMIT).await?;
            for (place, read) in &rows {
                references.push(read.value.open(&slot_key, place)?);
            }
            match rows.last() {
                Some((last, _)) if rows.len() == PER_COMMIT => range.after = Some(last.encode()),
                _ => return Ok(references),
            }
        }
    }

    /// The last commit: tombstone, receipt, the job for what Jumio still has, and the end in the book, or none of them.
    async fn finish(&self, key: EnrollmentKey, stroke: &Stroke) -> Result<(), CustodyError> {
        let register = &self.parts.register;
        let found = register.enrollment_to_purge(key).await?.ok_or(CustodyError::Damaged)?;
        let read = self.erasure_under_way(key).await?;
        self.require_burnt(key, &read.value).await?;
        let now = self.now();
        let mut erasure = read.value.clone();
        let mut commit = self.records().commit();
        erasure.purged_at = Some(now);
        if erasure.jumio.left == 0 {
            // As it is in the row that this commit is conditional on: a deletion may just have been written down.
            if let Some(slot) = erasure.remote_slot.take() {
                self.parts.vault.burn(slot).await?;
            }
            erasure.jumio.done_at = Some(now);
        } else {
            let job = JobKey::new(Kind::JumioDeletion, &key);
            self.parts.queue.schedule(&mut commit, &job, now, Value::Null).await?;
        }
        erasure.receipt = Some(self.receipt_of(key, &erasure, stroke).await?);
        let details = Details::new()
            .with("authentications", erasure.authentications)
            .with("inboxBodies", erasure.bodies)
            .with("jumioLeft", erasure.jumio.left);
        erasure.user = None;
        self.parts.audit.finish_with(&mut commit, stroke, Outcome::Done, details);
        register.tombstone(&mut commit, &found, now).await?;
        self.tell_purged(&mut commit, key, &erasure).await?;
        self.parts.queue.cancel(&mut commit, &JobKey::new(Kind::Erasure, &key)).await?;
        commit.update(&ERASURES, &(key,), &read, &erasure);
        Ok(commit.submit().await?)
    }

    /// What a failure means for a job: whose fault it was decides whether its time counts.
    pub(crate) fn failure(&self, error: &CustodyError) -> HandlerError {
        use jumio::JumioError;
        match error {
            _ if error.is_conflict() => HandlerError::Conflict,
            CustodyError::Queue(QueueError::LeaseLost { .. }) => HandlerError::LeaseLost,
            CustodyError::BudgetSpent { retry_after } => {
                HandlerError::Failed(Failure::here("jumio-budget").not_before(*retry_after))
            }
            CustodyError::Jumio(JumioError::RateLimited { retry_after }) => HandlerError::Failed(
                Failure::here("jumio-rate-limit").not_before(retry_after.unwrap_or_default()),
            ),
            CustodyError::Jumio(error) if error.is_outage() => {
                HandlerError::Failed(Failure::peer("jumio-unavailable", &self.parts.peer))
            }
            CustodyError::Jumio(_) => HandlerError::Failed(Failure::item("jumio-refused")),
            CustodyError::SlotDamaged { .. } => HandlerError::Failed(Failure::here("purge-damaged")),
            // Destroying is never given up: whatever is in the way is an operator's to put right.
            _ => HandlerError::Failed(Failure::here("purge-interrupted")),
        }
    }
}

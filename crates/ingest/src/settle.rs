//! Judging a stored callback. It is a hint: it decides which transaction is asked about, and nothing else (DESIGN
//! §3.12).

use crate::{
    Ingest, IngestError,
    inbox::{BY_STATE, CallbackOutcome, INBOX, InboxRow, TokenScope},
};
use audit::{Action, Actor};
use jumio::{AuthenticationCallback, Callback, Subject, VerificationCallback};
use model::{CallbackId, EnrollmentOrigin, EnrollmentState};
use records::{Commit, Record};
use register::{Enrollment, EnrollmentPrivate};
use seal::Pseudonym;

/// What a callback came to.
pub(crate) struct Verdict {
    pub(crate) outcome: CallbackOutcome,
    pub(crate) about: Option<Pseudonym>,
    pub(crate) unknown_values: u32,
}

impl Verdict {
    pub(crate) const fn of(outcome: CallbackOutcome) -> Self {
        Self { outcome, about: None, unknown_values: 0 }
    }
}

/// The transactions that a callback names: the one that it is about, and the onboarding that it belongs to.
pub(crate) fn names(callback: &Callback) -> Vec<Subject> {
    let onboarding = match callback {
        Callback::Authentication(claim) => claim.enrollment.map(Subject::Scan),
        Callback::Verification(_) | Callback::Other => None,
    };
    callback.subject().into_iter().chain(onboarding).collect()
}

impl Ingest {
    /// Judges one callback, and puts the result into a commit. `None` when there is nothing to judge any more.
    pub(crate) async fn settle(&self, id: CallbackId) -> Result<Option<Commit>, IngestError> {
        let Some(read) = INBOX.get(self.records(), &(id,)).await? else { return Ok(None) };
        if read.value.body.is_none() {
            return Ok(None);
        }
        let Some(body) = self.open_body(id, &read.value).await? else {
            let again = INBOX.get(self.records(), &(id,)).await?;
            if again.is_some_and(|again| again.value == read.value) {
                return Err(IngestError::DamagedCallback);
            }
            // It moved to another epoch while it was read.
            return Err(records::RecordsError::Store(store::StoreError::Conflict).into());
        };
        let mut commit = self.records().commit();
        let verdict = self.judge_callback(&mut commit, &read.value, &body).await?;
        self.put_settled(&mut commit, id, &read, &verdict).await?;
        if verdict.outcome == CallbackOutcome::Tombstone {
            // It came too late for the purge, which has burnt what was there.
            self.end_early(&mut commit, read.value.epoch).await?;
        }
        Ok(Some(commit))
    }

    async fn judge_callback(
        &self,
        commit: &mut Commit,
        row: &InboxRow,
        body: &[u8],
    ) -> Result<Verdict, IngestError> {
        let Ok(callback) = jumio::callback::parse(body) else {
            return Ok(Verdict::of(CallbackOutcome::Malformed));
        };
        let about = self.about(&callback);
        let unknown_values = match &callback {
            Callback::Verification(claim) => claim.unknown_values,
            Callback::Authentication(claim) => claim.unknown_values,
            Callback::Other => 0,
        };
        let serves = match callback.subject() {
            Some(subject) => self.serves(row.scope, subject).await?,
            None => true,
        };
        self.delete_late(commit, row.scope, &callback).await?;
        let outcome = match callback {
            // Whatever token it came with: its body is about somebody who was purged.
            _ if self.names_a_tombstone(&callback).await? => CallbackOutcome::Tombstone,
            _ if !serves => CallbackOutcome::WrongToken,
            Callback::Verification(claim) => self.settle_verification(commit, row.scope, &claim).await?,
            Callback::Authentication(claim) => self.settle_authentication(commit, &claim).await?,
            Callback::Other => CallbackOutcome::Foreign,
        };
        Ok(Verdict { outcome, about, unknown_values })
    }

    /// The pseudonym of the transaction that a callback is about.
    pub(crate) fn about(&self, callback: &Callback) -> Option<Pseudonym> {
        callback.subject().map(|subject| match subject {
            Subject::Scan(reference) => self.records().enrollment_key(&reference).0,
            Subject::Authentication(reference) => self.records().transaction_key(&reference).0,
        })
    }

    /// Whether one of the transactions that a callback names is being purged, or was.
    async fn names_a_tombstone(&self, callback: &Callback) -> Result<bool, IngestError> {
        for name in names(callback) {
            let named = match name {
                Subject::Scan(reference) => self.register.enrollment(&reference).await?,
                Subject::Authentication(reference) => {
                    match self.register.authentication_by_reference(&reference).await? {
                        Some(known) => self.register.enrollment_by_key(known.row.enrollment).await?,
                        None => None,
                    }
                }
            };
            if named.is_some_and(|named| is_tombstone(named.row.state)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn settle_verification(
        &self,
        commit: &mut Commit,
        scope: TokenScope,
        claim: &VerificationCallback,
    ) -> Result<CallbackOutcome, IngestError> {
        let Some(mut known) = self.register.enrollment(&claim.reference).await? else {
            if !self.config.adopts(claim.internal_reference.as_deref()) {
                return Ok(CallbackOutcome::Foreign);
            }
            self.adopt(claim).await?;
            return Ok(CallbackOutcome::Adopted);
        };
        match known.row.state {
            EnrollmentState::AwaitingUser | EnrollmentState::Abandoned
                if known.row.hint_denied && !scope.is_of_one_transaction() =>
            {
                self.hear_again(commit, known).await
            }
            EnrollmentState::AwaitingUser | EnrollmentState::Abandoned => {
                let now = self.clock.now();
                known.row.enter(EnrollmentState::Received, now);
                known.row.trouble = None;
                self.register.update_enrollment(commit, &known).await?;
                self.wake_enrollment(commit, known.key, now).await?;
                Ok(CallbackOutcome::Received)
            }
            state if is_tombstone(state) => Ok(CallbackOutcome::Tombstone),
            _ => Ok(CallbackOutcome::AlreadyKnown),
        }
    }

    /// Somebody repeats what Jumio has denied. It may be true by now, so it is looked at, but nothing more: from the
    /// strangers' part of the retrievals, and neither the state nor the schedule moves until Jumio says so.
    async fn hear_again(
        &self,
        commit: &mut Commit,
        mut known: Enrollment,
    ) -> Result<CallbackOutcome, IngestError> {
        if !known.row.hinted {
            known.row.hinted = true;
            self.register.update_enrollment(commit, &known).await?;
            self.wake_enrollment(commit, known.key, self.clock.now()).await?;
        }
        Ok(CallbackOutcome::Followed)
    }

    /// Begins an enrollment that nobody announced, as configured. It is a commit of its own, conditional on there being
    /// none, not even a tombstone; if the settling fails after it, the callback finds it known the next time.
    async fn adopt(&self, claim: &VerificationCallback) -> Result<(), IngestError> {
        let private = EnrollmentPrivate {
            reference: claim.reference,
            // Jumio's retrieval says whose it is; the callback only claims to know.
            user_reference: None,
            customer_internal_reference: None,
            contents: None,
            replaced_by: None,
            attestation: None,
        };
        let (state, origin) = (EnrollmentState::Received, EnrollmentOrigin::Callback);
        self.create(private, state, origin, &Actor::Callback, Action::EnrollmentAnnounced).await
    }

    async fn settle_authentication(
        &self,
        commit: &mut Commit,
        claim: &AuthenticationCallback,
    ) -> Result<CallbackOutcome, IngestError> {
        match self.register.authentication_by_reference(&claim.reference).await? {
            None => Ok(CallbackOutcome::Foreign),
            Some(known) if known.row.state.is_final() => Ok(CallbackOutcome::AlreadyKnown),
            Some(known) => {
                self.wake_authentication(commit, known.id).await?;
                Ok(CallbackOutcome::Followed)
            }
        }
    }

    pub(crate) async fn put_settled(
        &self,
        commit: &mut Commit,
        id: CallbackId,
        read: &Record<InboxRow>,
        verdict: &Verdict,
    ) -> Result<(), IngestError> {
        let mut row = read.value.clone();
        self.drop_body(commit, id, &mut row).await?;
        row.state = verdict.outcome.state();
        row.outcome = Some(verdict.outcome);
        row.about = verdict.about;
        row.unknown_values = verdict.unknown_values;
        row.settled_at = Some(self.clock.now());
        commit.unindex(&BY_STATE, &(read.value.state.number(), row.received_at, id));
        commit.index(&BY_STATE, &(row.state.number(), row.received_at, id));
        commit.update(&INBOX, &(id,), read, &row);
        self.count_callback(commit, verdict.outcome);
        Ok(())
    }

    /// Lays a callback aside that could not be judged for as long as things are tried. Its body is kept.
    pub(crate) async fn bury(&self, commit: &mut Commit, id: CallbackId) -> Result<(), IngestError> {
        let Some(read) = INBOX.get(self.records(), &(id,)).await? else { return Ok(()) };
        if read.value.body.is_none() {
            return Ok(());
        }
        let mut row = read.value.clone();
        row.state = crate::CallbackState::Dead;
        commit.unindex(&BY_STATE, &(read.value.state.number(), row.received_at, id));
        commit.index(&BY_STATE, &(row.state.number(), row.received_at, id));
        commit.update(&INBOX, &(id,), &read, &row);
        Ok(())
    }
}

const fn is_tombstone(state: EnrollmentState) -> bool {
    matches!(state, EnrollmentState::Purging | EnrollmentState::Purged)
}

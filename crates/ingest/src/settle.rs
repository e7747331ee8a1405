//! Judging a stored callback. It is a hint: it decides which transaction is asked about, and nothing else (DESIGN
//! §3.12).

use crate::{
    Ingest, IngestError,
    inbox::{BY_STATE, CallbackOutcome, INBOX, InboxRow},
};
use audit::{Action, Actor};
use jumio::{AuthenticationCallback, Callback, Subject, VerificationCallback};
use model::{CallbackId, EnrollmentOrigin, EnrollmentState};
use records::{Commit, Record};
use register::EnrollmentPrivate;
use seal::Pseudonym;

/// What a callback came to.
struct Verdict {
    outcome: CallbackOutcome,
    about: Option<Pseudonym>,
    unknown_values: u32,
}

impl Ingest {
    /// Judges one callback, and puts the result into a commit. `None` when there is nothing to judge any more.
    pub(crate) async fn settle(&self, id: CallbackId) -> Result<Option<Commit>, IngestError> {
        let Some(read) = INBOX.get(self.records(), &(id,)).await? else { return Ok(None) };
        if read.value.body.is_none() {
            return Ok(None);
        }
        let Some(body) = self.open_body(id, &read.value).await? else {
            // It moved to another epoch while it was read.
            return Err(records::RecordsError::Store(store::StoreError::Conflict).into());
        };
        let mut commit = self.records().commit();
        let verdict = self.judge_callback(&mut commit, &read.value, &body).await?;
        self.put_settled(&mut commit, id, &read, &verdict).await?;
        Ok(Some(commit))
    }

    async fn judge_callback(
        &self,
        commit: &mut Commit,
        row: &InboxRow,
        body: &[u8],
    ) -> Result<Verdict, IngestError> {
        let Ok(callback) = jumio::callback::parse(body) else {
            return Ok(Verdict { outcome: CallbackOutcome::Malformed, about: None, unknown_values: 0 });
        };
        let subject = callback.subject();
        let (about, unknown_values) = match (&callback, subject) {
            (Callback::Verification(claim), Some(Subject::Scan(reference))) => {
                (Some(self.records().enrollment_key(&reference).0), claim.unknown_values)
            }
            (Callback::Authentication(claim), Some(Subject::Authentication(reference))) => {
                (Some(self.records().transaction_key(&reference).0), claim.unknown_values)
            }
            _ => (None, 0),
        };
        let serves = match subject {
            Some(subject) => self.serves(row.scope, subject).await?,
            None => true,
        };
        let outcome = match callback {
            _ if !serves => CallbackOutcome::WrongToken,
            Callback::Verification(claim) => self.settle_verification(commit, &claim).await?,
            Callback::Authentication(claim) => self.settle_authentication(commit, &claim).await?,
            Callback::Other => CallbackOutcome::Foreign,
        };
        Ok(Verdict { outcome, about, unknown_values })
    }

    async fn settle_verification(
        &self,
        commit: &mut Commit,
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
            EnrollmentState::AwaitingUser | EnrollmentState::Abandoned => {
                let now = self.clock.now();
                known.row.enter(EnrollmentState::Received, now);
                known.row.trouble = None;
                self.register.update_enrollment(commit, &known).await?;
                self.wake_enrollment(commit, known.key, now).await?;
                Ok(CallbackOutcome::Received)
            }
            EnrollmentState::Purging | EnrollmentState::Purged => Ok(CallbackOutcome::Tombstone),
            _ => Ok(CallbackOutcome::AlreadyKnown),
        }
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

    async fn put_settled(
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

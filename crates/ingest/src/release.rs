//! Releasing: the company has what it needs and accepts this person (DESIGN §3.13, §3.15).

use crate::{ATTEMPTS, EnrollmentView, Ingest, IngestError, handover::Claim};
use audit::{Action, Actor, Note};
use model::{AuthenticationState, EnrollmentRef, EnrollmentState, UserReference, limits};
use records::EnrollmentKey;
use register::Enrollment;
use std::time::Duration;

/// Authentications of the old enrollment that are looked through for a proof.
const MOST_PROOFS: usize = 1000;
const PROOF_AGE: Duration = Duration::from_secs(limits::REPLACEMENT_PROOF_HOURS.unsigned_abs() * 3600);
/// How long an authentication may take from its begin to its confirmed result: that long before the 24 hours the search
/// begins.
const LONGEST_AUTHENTICATION: Duration = Duration::from_hours(24);

/// A release.
#[derive(Debug, Clone)]
pub struct Release {
    /// The user's current enrollment, whose place this one takes.
    pub replaces: Option<EnrollmentRef>,
    /// Whether an admin asks: then no PASSED is needed.
    pub by_admin: bool,
    /// Who asks.
    pub by: Actor,
}

impl Ingest {
    /// Releases an enrollment: its original may be deleted. May come before the vaulting, and may be repeated.
    ///
    /// # Errors
    /// [`IngestError::Unknown`], [`IngestError::Purged`], [`IngestError::NotEligible`],
    /// [`IngestError::ReplacementNeedsProof`], [`IngestError::ReplacesNotCurrent`].
    pub async fn release(
        &self,
        reference: &EnrollmentRef,
        release: &Release,
    ) -> Result<EnrollmentView, IngestError> {
        for _ in 0..ATTEMPTS {
            let Some(found) = self.register.enrollment(reference).await? else {
                return Err(IngestError::Unknown);
            };
            match self.release_once(found, release).await {
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(error),
                Ok(()) => return self.get(reference).await,
            }
        }
        Err(IngestError::Busy)
    }

    async fn release_once(&self, mut enrollment: Enrollment, release: &Release) -> Result<(), IngestError> {
        match enrollment.row.state {
            EnrollmentState::Purging | EnrollmentState::Purged => return Err(IngestError::Purged),
            EnrollmentState::Ineligible => {
                return Err(IngestError::NotEligible { reasons: enrollment.row.reasons });
            }
            _ => {}
        }
        let replaces = self.checked_replacement(&enrollment, release).await?;
        let is_ready = enrollment.row.state == EnrollmentState::Ready;
        let is_known = enrollment.row.released_at.is_some()
            && (replaces.is_none() || enrollment.row.replaces == replaces);
        if is_known || (is_ready && enrollment.row.released_at.is_some()) {
            return self.look_again(&enrollment).await;
        }
        let now = self.clock.now();
        enrollment.row.released_at.get_or_insert(now);
        enrollment.row.replaces = replaces.or(enrollment.row.replaces);
        enrollment.row.trouble = None;
        let mut commit = self.records().commit();
        self.register.update_enrollment(&mut commit, &enrollment).await?;
        let note = Note::about(Action::Released, enrollment.key.0, release.by.clone());
        let note = note.of_user(enrollment.row.user.map(|user| user.0));
        self.audit.note(&mut commit, note.with("replaces", replaces.is_some()));
        if enrollment.row.state == EnrollmentState::Vaulted {
            self.wake_enrollment(&mut commit, enrollment.key, now).await?;
        }
        Ok(commit.submit().await?)
    }

    /// A repetition changes nothing, but what is vaulted looks again whether it may go on: whoever repeats a request
    /// sees something that waits.
    pub(crate) async fn look_again(&self, enrollment: &Enrollment) -> Result<(), IngestError> {
        if enrollment.row.state != EnrollmentState::Vaulted {
            return Ok(());
        }
        let mut commit = self.records().commit();
        self.wake_enrollment(&mut commit, enrollment.key, self.clock.now()).await?;
        Ok(commit.submit().await?)
    }

    /// What the enrollment may replace, if it is to replace anything. Without `replaces` there must be nothing in its
    /// way, as far as it is known already; the claim before the deletion decides in the end.
    async fn checked_replacement(
        &self,
        enrollment: &Enrollment,
        release: &Release,
    ) -> Result<Option<EnrollmentKey>, IngestError> {
        let own = enrollment.key;
        let user = Self::person(enrollment)?.user_reference.as_ref();
        let current = match user {
            Some(user) => {
                let row = self.user_row(user).await?.1;
                let claim = self.claim_on(&row, enrollment).await?;
                let claimed = row.claimed.filter(|_| matches!(claim, Claim::Held));
                row.current.or(claimed).filter(|key| *key != own)
            }
            None => None,
        };
        let asked = release.replaces.as_ref().map(|old| self.records().enrollment_key(old));
        match (asked, current, user) {
            // Already done: the user's current enrollment is this one, in the place of the one named.
            (Some(asked), None, _) if enrollment.row.replaces == Some(asked) => Ok(Some(asked)),
            (None, None, _) => Ok(None),
            (None, Some(current), _) if enrollment.row.replaces == Some(current) => Ok(Some(current)),
            (None, Some(_), _) => Err(IngestError::ReplacementNeedsProof),
            (Some(asked), Some(current), Some(user)) if asked == current => {
                let is_allowed = release.by_admin
                    || enrollment.row.replaces == Some(asked)
                    || self.has_proof(asked, user).await?;
                if is_allowed { Ok(Some(asked)) } else { Err(IngestError::ReplacementNeedsProof) }
            }
            (Some(_), _, _) => Err(IngestError::ReplacesNotCurrent),
        }
    }

    /// Whether the same user PASSED against the old enrollment within 24 hours.
    async fn has_proof(&self, old: EnrollmentKey, user: &UserReference) -> Result<bool, IngestError> {
        let ready = self.register.enrollment_by_key(old).await?;
        if ready.is_none_or(|old| old.row.state != EnrollmentState::Ready) {
            return Ok(false);
        }
        let oldest = self.clock.now() - PROOF_AGE;
        let user = self.records().user_key(user);
        let ids = self.register.authentications_of(old, oldest - LONGEST_AUTHENTICATION, MOST_PROOFS).await?;
        for id in ids {
            let Some(found) = self.register.authentication(id).await? else { continue };
            let row = found.row;
            let is_proof = row.state == AuthenticationState::Passed
                && row.enrollment == old
                && row.user == user
                && row.completed_at.is_some_and(|completed| completed >= oldest);
            if is_proof {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

//! Starting a verification here: `POST /v1/verifications`.

use crate::{Ingest, IngestError, StartedView, schedule};
use audit::{Action, Actor, Note};
use jumio::{JumioError, NewVerification, Violations};
use model::{EnrollmentOrigin, EnrollmentState, Timestamp};
use register::{EnrollmentPrivate, EnrollmentRow};
use std::time::Duration;
use vault::SlotKind;

impl Ingest {
    /// Starts a verification at Jumio and follows it from then on.
    ///
    /// `request` builds the checked request from the id of this intent, which belongs into the token of the
    /// `callbackUrl`. It runs before anything else: a request against the rules never leaves the house.
    ///
    /// # Errors
    /// [`IngestError::Invalid`] names every broken rule. After [`JumioError::outcome_is_unknown`] Jumio may have
    /// created a transaction; it was handed to nobody, so a new request is safe.
    pub async fn start_verification(
        &self,
        request: impl FnOnce(&[u8; 16]) -> Result<NewVerification, Violations> + Send,
        by: Actor,
    ) -> Result<StartedView, IngestError> {
        let mut intent = [0; 16];
        self.rng.fill(&mut intent);
        let request = request(&intent).map_err(IngestError::Invalid)?;
        // What cannot be stored is not started.
        if let Some(trouble) = self.records().store().trouble() {
            return Err(records::RecordsError::Store(trouble).into());
        }
        self.draw_verification().await?;
        let started = self.initiated(self.jumio.initiate_verification(&request).await)?;
        let now = self.clock.now();
        let person = EnrollmentPrivate {
            reference: started.reference,
            user_reference: Some(request.user_reference().clone()),
            customer_internal_reference: request.customer_internal_reference().map(str::to_owned),
            contents: None,
            replaced_by: None,
            attestation: None,
        };
        let key = self.records().enrollment_key(&started.reference);
        let user = self.records().user_key(request.user_reference());
        let slot = self.vault.prepare(SlotKind::Facemap, key.0).await?;
        let (state, origin) = (EnrollmentState::AwaitingUser, EnrollmentOrigin::Started);
        let mut row = EnrollmentRow::new(state, origin, now, slot, Some(user));
        row.callback_intent = Some(intent);
        row.token_expires_at = request.token_lifetime_minutes().map(|minutes| end_of_token(now, minutes));
        let mut commit = self.records().commit();
        self.register.insert_enrollment(&mut commit, row, &person).await?;
        let note = Note::about(Action::VerificationStarted, key.0, by).of_user(user.0);
        self.audit.note(&mut commit, note);
        self.wake_enrollment(&mut commit, key, schedule::next_poll(&self.config, now, 0, now)).await?;
        match commit.submit().await {
            Ok(()) => {}
            Err(error) if error.is_conflict() => {
                self.vault.give_back(slot).await?;
                let what = "Jumio gave a reference that is already known";
                return Err(JumioError::Malformed { what }.into());
            }
            Err(error) => return Err(error.into()),
        }
        Ok(StartedView {
            transaction_reference: started.reference,
            redirect_url: started.redirect_url,
            timestamp: started.timestamp.unwrap_or(now),
            warnings: request.warnings(),
        })
    }
}

impl Ingest {
    fn initiated<T>(&self, answer: Result<T, JumioError>) -> Result<T, IngestError> {
        match &answer {
            Err(JumioError::RateLimited { retry_after }) => self.budget.penalise(*retry_after),
            Err(error) if error.is_outage() => {}
            Err(JumioError::Guarded { .. } | JumioError::Invalid(_)) => {}
            Ok(_) | Err(_) => self.budget.answered(),
        }
        Ok(answer?)
    }
}

fn end_of_token(now: Timestamp, minutes: u32) -> Timestamp {
    now + Duration::from_secs(u64::from(minutes) * 60)
}

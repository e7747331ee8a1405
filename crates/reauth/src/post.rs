//! The post: budget, book, facemap, the `posting` record, the request to Jumio. What came of it is in `settle`.

use crate::{
    Reauth, error::ReauthError, initiate::until, request::AuthenticationRequest, settle::Sent,
    single_flight::Ticket, view::Initiated, window,
};
use audit::{Action, Actor, Begin, Details, Outcome, Stroke};
use jiff::Timestamp;
use jumio::{Journey, NewAuthentication};
use model::{AuthenticationId, AuthenticationState, FacemapBytes};
use queue::{Lane, Permit};
use records::{Record, RecordsError};
use register::{
    AuthenticationPrivate, AuthenticationRow, Enrollment, EnrollmentPrivate, WindowRow, WindowState,
};
use std::sync::Arc;
use store::StoreError;
use tokio::sync::OwnedSemaphorePermit;

/// The right to post, and everything that the post needs.
pub(crate) struct Claim {
    pub(crate) id: AuthenticationId,
    pub(crate) enrollment: Enrollment,
    pub(crate) person: EnrollmentPrivate,
    pub(crate) request: AuthenticationRequest,
    pub(crate) replaces: Option<AuthenticationId>,
    pub(crate) actor: Actor,
    pub(crate) created_at: Timestamp,
    found: Option<Record<WindowRow>>,
}

impl Claim {
    pub(crate) fn new(
        reauth: &Reauth,
        enrollment: Enrollment,
        found: Option<Record<WindowRow>>,
        request: AuthenticationRequest,
        replaces: Option<AuthenticationId>,
        actor: Actor,
    ) -> Result<Self, ReauthError> {
        let id = AuthenticationId::random(reauth.parts.rng.as_ref());
        let person = enrollment.private.clone().ok_or(ReauthError::Purged)?;
        Ok(Self { id, enrollment, person, request, replaces, actor, created_at: reauth.now(), found })
    }
}

/// What is in hand when the request can be sent.
struct Ready {
    stroke: Stroke,
    facemap: FacemapBytes,
    /// Held until the facemap is wiped.
    place: OwnedSemaphorePermit,
    /// Held until the moment of sending.
    permit: Permit,
}

impl Claim {
    fn private(&self) -> AuthenticationPrivate {
        let mut private = AuthenticationPrivate {
            id: self.id,
            reference: None,
            enrollment_reference: self.person.reference,
            user_reference: self.request.user_reference.clone(),
            redirect_url: None,
            success_url: None,
            error_url: None,
            locale: None,
            token_lifetime_minutes: None,
            request_reference: self.request.request_reference.clone(),
        };
        if let Journey::Web(web) = &self.request.journey {
            private.success_url = web.success_url().map(str::to_owned);
            private.error_url = web.error_url().map(str::to_owned);
            private.locale = web.locale().map(str::to_owned);
            private.token_lifetime_minutes = web.token_lifetime_minutes();
        }
        private
    }
}

impl Reauth {
    /// Claims the window and posts. `None`: somebody else's commit came first, so the caller looks again. Runs as a
    /// task of its own, so that a caller who goes away leaves nothing half done.
    pub(crate) async fn fly(
        self,
        mut claim: Claim,
        ticket: Ticket,
        deadline: Timestamp,
    ) -> Result<Option<Initiated>, ReauthError> {
        let result = match self.claim(&mut claim).await {
            Ok(()) => self.post_claimed(&claim, deadline).await,
            Err(error) => Err(error),
        };
        match result {
            Err(error) if error.is_conflict() => {
                ticket.land(Ok(()));
                Ok(None)
            }
            Err(error) => {
                ticket.land(Err(error.clone()));
                Err(error)
            }
            Ok(answer) => {
                ticket.land(Ok(()));
                Ok(Some(answer))
            }
        }
    }

    async fn claim(&self, claim: &mut Claim) -> Result<(), ReauthError> {
        let register = &self.parts.register;
        let key = claim.enrollment.key;
        let before = claim.found.as_ref().map_or_else(WindowRow::free, |read| read.value.clone());
        let row = window::claim(&before, claim.id, self.parts.process, self.now(), claim.replaces);
        let mut commit = register.records().commit();
        register.put_window(&mut commit, key, claim.found.as_ref(), &row);
        commit.submit().await?;
        Ok(())
    }

    async fn post_claimed(&self, claim: &Claim, deadline: Timestamp) -> Result<Initiated, ReauthError> {
        let Ready { stroke, facemap, place, permit } = match self.make_ready(claim, deadline).await {
            Ok(ready) => ready,
            Err(error) => {
                self.give_window_back(claim, None).await?;
                return Err(error);
            }
        };
        if let Err(error) = self.commit_posting(claim).await {
            // Nothing was sent. A conflict means that the enrollment or its window changed: look again.
            drop(facemap);
            self.give_window_back(claim, Some(&stroke)).await?;
            return Err(error);
        }
        // The last thing before the request: from here on the budget counts it as sent.
        drop(permit);
        let answer = self.parts.jumio.initiate_authentication(&self.metadata(claim), facemap).await;
        drop(place);
        if !matches!(&answer, Err(error) if error.is_outage()) {
            self.parts.peer.answered(self.now());
        }
        match Sent::of(answer) {
            Sent::Created(started) => self.settle_initiated(claim, &stroke, &started).await,
            Sent::NotCreated(error) => self.settle_not_created(claim, &stroke, &error).await,
            Sent::Unknown(error) => self.settle_unknown(claim, &stroke, &error).await,
        }
    }

    /// What must be had before anything is sent: a place in the budget, the begin in the book, the facemap.
    async fn make_ready(&self, claim: &Claim, deadline: Timestamp) -> Result<Ready, ReauthError> {
        let place = tokio::select! {
            // A stopping service takes no more facemaps out.
            place = Arc::clone(&self.facemaps).acquire_owned() => place.map_err(|_closed| ReauthError::Stopping)?,
            () = self.parts.clock.sleep(until(self.now(), deadline)) => {
                return Err(ReauthError::InProgress);
            }
        };
        let wait = until(self.now(), deadline);
        let permit = self.parts.budget.acquire(Lane::Authentication, wait).await?;
        let begin = Begin::about(Action::AuthenticationPosted, claim.enrollment.key.0, claim.actor.clone())
            .with("authentication", claim.id);
        let stroke = self.parts.audit.begin(begin).await?;
        match self.open_facemap(claim).await {
            Ok(facemap) => Ok(Ready { stroke, facemap, place, permit }),
            Err(error) => {
                let why = Details::new().with("why", "facemap-not-opened");
                self.parts.audit.finish_alone(&stroke, Outcome::Failed, why).await?;
                Err(error)
            }
        }
    }

    async fn open_facemap(&self, claim: &Claim) -> Result<FacemapBytes, ReauthError> {
        let row = &claim.enrollment.row;
        let contents = claim.person.contents.as_ref().ok_or(ReauthError::NotReady(row.state))?;
        Ok(self.parts.vault.open_facemap(row.slot, &claim.person.reference, contents).await?)
    }

    /// Commits `posting` and the authentication's row, before the first byte leaves. Demands that the enrollment is
    /// as it was when it was found usable: a purge that began meanwhile wins.
    async fn commit_posting(&self, claim: &Claim) -> Result<(), ReauthError> {
        let register = &self.parts.register;
        let key = claim.enrollment.key;
        let row = AuthenticationRow {
            state: AuthenticationState::Initiating,
            since: claim.created_at,
            created_at: claim.created_at,
            channel: claim.request.journey.channel(),
            enrollment: key,
            slot: claim.enrollment.row.slot,
            user: register.records().user_key(&claim.request.user_reference),
            transaction: None,
            private: None,
            initiated_at: None,
            window_ends_at: None,
            redirect_expires_at: None,
            completed_at: None,
            redeemed_at: None,
            polls: 0,
            asked_at: None,
            refused_status: None,
        };
        let stored = register.window(key).await?;
        let before = stored.as_ref().map_or_else(WindowRow::free, |read| read.value.clone());
        if !matches!(before.state, WindowState::Claimed { by, .. } if by == claim.id) {
            return Err(RecordsError::Store(StoreError::Conflict).into());
        }
        let window = window::post(&before, claim.id, self.parts.process, self.now(), claim.replaces);
        let mut commit = register.records().commit();
        register.require_enrollment(&mut commit, &claim.enrollment);
        register.put_window(&mut commit, key, stored.as_ref(), &window);
        register.insert_authentication(&mut commit, row, &claim.private()).await?;
        commit.submit().await?;
        Ok(())
    }

    fn metadata(&self, claim: &Claim) -> NewAuthentication {
        NewAuthentication {
            enrollment: claim.person.reference,
            user_reference: Some(claim.request.user_reference.clone()),
            callback_url: Some((self.parts.callback_url)(claim.id)),
            journey: claim.request.journey.clone(),
        }
    }
}

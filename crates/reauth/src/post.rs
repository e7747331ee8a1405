//! The post: budget, book, facemap, the `posting` record, the request to Jumio. What came of it is in `settle`.

use crate::{
    Reauth,
    error::ReauthError,
    initiate::{Replacing, until},
    request::AuthenticationRequest,
    settle::Sent,
    single_flight::Ticket,
    view::Initiated,
    window,
};
use audit::{Action, Actor, Begin, Details, Outcome, Stroke};
use jiff::Timestamp;
use jumio::{Journey, JumioError, NewAuthentication};
use model::{AuthenticationId, AuthenticationState, FacemapBytes};
use queue::{Lane, Reservation};
use records::{Record, RecordsError};
use register::{
    AuthenticationPrivate, AuthenticationRow, Enrollment, EnrollmentPrivate, ItemPlace, WindowRow,
    WindowState,
};
use std::sync::Arc;
use store::StoreError;
use tokio::sync::OwnedSemaphorePermit;
use vault::{Entry, VaultError};

/// The right to post, and everything that the post needs.
pub(crate) struct Claim {
    pub(crate) id: AuthenticationId,
    pub(crate) enrollment: Enrollment,
    pub(crate) person: EnrollmentPrivate,
    pub(crate) request: AuthenticationRequest,
    pub(crate) replaces: Option<AuthenticationId>,
    /// Whether what it replaces is a batch's own, which yields and is not counted.
    pub(crate) yielded: bool,
    pub(crate) actor: Actor,
    pub(crate) created_at: Timestamp,
    /// The place in the budget that a batch waited for before it kept anybody out.
    pub(crate) reserved: Option<Reservation>,
    /// The item of a batch that it is made for.
    pub(crate) item: Option<ItemPlace>,
    found: Option<Record<WindowRow>>,
}

impl Claim {
    pub(crate) fn new(
        reauth: &Reauth,
        enrollment: Enrollment,
        found: Option<Record<WindowRow>>,
        request: AuthenticationRequest,
        replaces: Option<Replacing>,
        actor: Actor,
    ) -> Result<Self, ReauthError> {
        let id = AuthenticationId::random(reauth.parts.rng.as_ref());
        let person = enrollment.private.clone().ok_or(ReauthError::Purged)?;
        let created_at = reauth.now();
        let yielded = replaces.is_some_and(|replaced| replaced.yields);
        let replaces = replaces.map(|replaced| replaced.id);
        let (reserved, item) = (None, None);
        Ok(Self {
            id,
            enrollment,
            person,
            request,
            replaces,
            yielded,
            actor,
            created_at,
            reserved,
            item,
            found,
        })
    }
}

/// What is in hand when the request can be sent.
struct Ready {
    stroke: Stroke,
    facemap: FacemapBytes,
    /// Held until the facemap is wiped.
    place: OwnedSemaphorePermit,
    /// Held until the facemap is wiped and the outcome is written down: a purge waits for both.
    entry: Entry,
    /// Its moment is that of the sending.
    place_in_budget: Reservation,
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
        let reserved = claim.reserved.take();
        let result = match self.claim(&mut claim).await {
            Ok(()) => self.post_claimed(&claim, reserved, deadline).await,
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
        // A purge takes the window away for good: none is made again after it.
        register.require_enrollment(&mut commit, &claim.enrollment);
        commit.submit().await?;
        Ok(())
    }

    async fn post_claimed(
        &self,
        claim: &Claim,
        reserved: Option<Reservation>,
        deadline: Timestamp,
    ) -> Result<Initiated, ReauthError> {
        let Ready { stroke, facemap, place, entry, place_in_budget } =
            match self.make_ready(claim, reserved, deadline).await {
                Ok(ready) => ready,
                Err(error) => {
                    self.give_window_back(claim, None).await?;
                    return Err(error);
                }
            };
        if let Err(error) = self.commit_posting(claim).await {
            // Nothing was sent. A conflict means that the enrollment or its window changed: look again.
            drop(facemap);
            drop(entry);
            self.give_window_back(claim, Some(&stroke)).await?;
            return Err(error);
        }
        // The last thing before the request: from here on the budget counts it as sent.
        if let Err(error) = place_in_budget.used().await {
            drop(facemap);
            let unsent = self.settle_unsent(claim, &stroke, error.into()).await;
            drop(entry);
            return Err(unsent);
        }
        let answer = self.parts.jumio.initiate_authentication(&self.metadata(claim), facemap).await;
        drop(place);
        self.heard(&answer);
        let settled = match Sent::of(answer) {
            Sent::Created(started) => self.settle_initiated(claim, &stroke, &started).await,
            Sent::NotCreated(error) => self.settle_not_created(claim, &stroke, &error).await,
            Sent::Unknown(error) => self.settle_unknown(claim, &stroke, &error).await,
        };
        // A purge that waits at the slot must find what Jumio has created, to have it deleted there.
        drop(entry);
        settled
    }

    /// What must be had before anything is sent: a place in the budget, the begin in the book, the facemap.
    async fn make_ready(
        &self,
        claim: &Claim,
        reserved: Option<Reservation>,
        deadline: Timestamp,
    ) -> Result<Ready, ReauthError> {
        let wait = until(self.now(), deadline);
        let place_in_budget = match reserved {
            Some(reserved) => reserved,
            None => self.parts.budget.reserve(Lane::Authentication, wait).await?,
        };
        // After the budget: a batch that waits for its turn holds no place of somebody who stands at the door.
        let place = tokio::select! {
            // A place that is free is taken, also by whoever does not wait at all.
            biased;
            // A stopping service takes no more facemaps out.
            place = Arc::clone(&self.facemaps).acquire_owned() => place.map_err(|_closed| ReauthError::Stopping)?,
            () = self.parts.clock.sleep(until(self.now(), deadline)) => {
                return Err(ReauthError::InProgress);
            }
        };
        let entry = self.parts.vault.enter(claim.enrollment.row.slot).await.map_err(being_purged)?;
        let begin = Begin::about(Action::AuthenticationPosted, claim.enrollment.key.0, claim.actor.clone())
            .of_user(claim.enrollment.row.user.map(|user| user.0))
            .with("authentication", claim.id);
        let stroke = self.parts.audit.begin(begin).await?;
        match self.open_facemap(claim).await {
            Ok(facemap) => Ok(Ready { stroke, facemap, place, entry, place_in_budget }),
            Err(error) => {
                let why = Details::new().with("why", "facemap-not-opened");
                self.parts.audit.finish_alone(&stroke, Outcome::Failed, why).await?;
                Err(error)
            }
        }
    }

    /// What an answer says about Jumio as a whole: that it is there, and that we do not ask too often.
    fn heard<T>(&self, answer: &Result<T, JumioError>) {
        match answer {
            Err(error) if error.is_outage() => {}
            Err(JumioError::RateLimited { .. }) => self.parts.peer.answered(self.now()),
            Ok(_) | Err(_) => {
                self.parts.budget.answered();
                self.parts.peer.answered(self.now());
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
            batch: claim.request.batch,
            links: claim.request.link.into_iter().collect(),
            items: claim.item.into_iter().collect(),
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

/// Nobody enters a slot that a purge has closed or burnt: the record was read a moment too early.
fn being_purged(error: VaultError) -> ReauthError {
    match error {
        VaultError::Closing | VaultError::Burnt => ReauthError::Purged,
        other => other.into(),
    }
}

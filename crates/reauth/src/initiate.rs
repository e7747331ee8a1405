//! A request for an authentication, up to the post: find the enrollment, meet what is open, claim the window.

use crate::{
    Reauth,
    error::ReauthError,
    post::Claim,
    request::{AuthenticationRequest, IfOpen},
    single_flight::Flight,
    view::{AuthenticationView, Initiated},
    window::{self, Finding},
};
use audit::Actor;
use jiff::Timestamp;
use model::{AuthenticationId, EnrollmentRef, EnrollmentState, UserReference};
use queue::Lane;
use register::{Authentication, Enrollment, EnrollmentFilter, ItemPlace, RegisterError, WindowRow};
use std::{sync::atomic::Ordering, time::Duration};

/// Rounds of looking and deciding at most, before a caller is told to come back: more than anybody's patience.
const MOST_ROUNDS: usize = 64;

/// What a request does about an open transaction.
enum Met {
    Answered(Box<Initiated>),
    Replacing(Replacing),
    /// Somebody else's commit came first: look again.
    Overtaken,
}

/// What a request takes the place of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Replacing {
    pub(crate) id: AuthenticationId,
    /// Whether it is a batch's own, that yields by itself.
    pub(crate) yields: bool,
}

/// What a batch has written down about a request before it makes it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ForItem {
    /// The id that its transaction gets.
    pub(crate) id: AuthenticationId,
    /// The item.
    pub(crate) place: ItemPlace,
}

impl Reauth {
    /// Initiates an authentication, or gives out the one that is open. Of all who ask for the same enrollment at the
    /// same time one posts, and all get the same answer. Once begun, the post goes on even if the caller goes away.
    ///
    /// # Errors
    /// [`ReauthError`]; nothing was posted unless it is [`ReauthError::OutcomeUnknown`].
    pub async fn initiate(
        &self,
        request: AuthenticationRequest,
        actor: Actor,
    ) -> Result<Initiated, ReauthError> {
        self.initiate_for(request, actor, None).await
    }

    /// As [`Reauth::initiate`], under an id that was chosen beforehand.
    pub(crate) async fn initiate_for(
        &self,
        request: AuthenticationRequest,
        actor: Actor,
        item: Option<ForItem>,
    ) -> Result<Initiated, ReauthError> {
        self.check_recovery().await?;
        let deadline = self.now() + self.config.wait;
        let mut open_at_first = None;
        for _ in 0..MOST_ROUNDS {
            let enrollment =
                self.usable_enrollment(&request.user_reference, request.enrollment.as_ref()).await?;
            let stored = self.parts.register.window(enrollment.key).await?;
            let row = stored.as_ref().map_or_else(WindowRow::free, |read| read.value.clone());
            let first = *open_at_first.get_or_insert_with(|| window::open(&row));
            let replaces = match window::find(&row, self.parts.process, self.now()) {
                Finding::Free => None,
                Finding::Open(id) => match self.meet_open(id, first, &enrollment, &row, &request).await? {
                    Met::Answered(answer) => {
                        self.deduplicated.fetch_add(1, Ordering::Relaxed);
                        return Ok(*answer);
                    }
                    Met::Replacing(replaced) => Some(replaced),
                    Met::Overtaken => continue,
                },
                Finding::Unsettled(at) => {
                    return Err(ReauthError::OutcomeUnknown { retry_after: until(self.now(), at) });
                }
                Finding::Busy | Finding::Elsewhere => {
                    match self.flights.of(enrollment.key) {
                        Some(flight) => self.wait_for(flight, deadline).await?,
                        // Whoever held it is gone without having said how it ended.
                        None => drop(self.recover(enrollment.key).await?),
                    }
                    continue;
                }
            };
            self.permit(&enrollment, &actor).await?;
            // Whoever asks for this person at the door must not wait for a batch's turn: it is waited for before anybody
            // is kept out. If somebody was faster, the place goes back.
            let reserved = if request.batch {
                Some(self.parts.budget.reserve(Lane::Batch, until(self.now(), deadline)).await?)
            } else {
                None
            };
            let ticket = match self.flights.enter(enrollment.key) {
                Ok(ticket) => ticket,
                Err(flight) => {
                    self.wait_for(flight, deadline).await?;
                    continue;
                }
            };
            let mut claim = Claim::new(self, enrollment, stored, request.clone(), replaces, actor.clone())?;
            claim.reserved = reserved;
            if let Some(item) = item {
                (claim.id, claim.item) = (item.id, Some(item.place));
            }
            let flight = self.runtime.spawn(self.clone().fly(claim, ticket, deadline));
            match flight.await {
                Ok(Ok(Some(answer))) => return Ok(answer),
                Ok(Ok(None)) => {}
                Ok(Err(error)) => return Err(error),
                Err(_panicked) => return Err(ReauthError::InProgress),
            }
        }
        Err(ReauthError::InProgress)
    }

    /// After a rebuild or restore nobody knows what is open at Jumio: for one window nothing is begun (DESIGN §3.7).
    async fn check_recovery(&self) -> Result<(), ReauthError> {
        let recovery = self.parts.register.recovery().await?;
        match recovery.and_then(|read| read.value.blocked_for(self.now())) {
            Some(retry_after) => Err(ReauthError::Recovering { retry_after }),
            None => Ok(()),
        }
    }

    /// The enrollment of a request for this user, if it can be used now.
    pub(crate) async fn usable_enrollment(
        &self,
        user: &UserReference,
        enrollment: Option<&EnrollmentRef>,
    ) -> Result<Enrollment, ReauthError> {
        let register = &self.parts.register;
        let found = match enrollment {
            Some(reference) => register.enrollment(reference).await?,
            None => match register.current_enrollment(user).await? {
                Some(current) => Some(current),
                None => self.newest_enrollment(user).await?,
            },
        };
        // A tombstone names nobody any more: whoever knows its reference is told that it is one.
        if found.as_ref().is_some_and(|found| found.row.state == EnrollmentState::Purged) {
            return Err(ReauthError::Purged);
        }
        let user = register.records().user_key(user);
        // Both references must belong together; a stranger's enrollment is not even told apart from none.
        let enrollment =
            found.filter(|found| found.row.user == Some(user)).ok_or(ReauthError::UnknownEnrollment)?;
        check_usable(&enrollment)?;
        Ok(enrollment)
    }

    async fn newest_enrollment(&self, user: &UserReference) -> Result<Option<Enrollment>, ReauthError> {
        const PAGE: usize = 100;
        let mut filter = EnrollmentFilter { user: Some(user.clone()), ..EnrollmentFilter::default() };
        let mut newest = None;
        loop {
            let page = self.parts.register.enrollments(&filter, PAGE).await?;
            let at_the_end = page.len() < PAGE;
            filter.after = page.last().map(|enrollment| enrollment.key);
            newest = page.into_iter().next_back().or(newest);
            if at_the_end {
                return Ok(newest);
            }
        }
    }

    /// `first` is what was open when the request came in: only that is replaced by a request that another one with the
    /// same parameters has overtaken. Otherwise, of several simultaneous replacements each would end the one before it.
    async fn meet_open(
        &self,
        id: AuthenticationId,
        first: Option<AuthenticationId>,
        enrollment: &Enrollment,
        row: &WindowRow,
        request: &AuthenticationRequest,
    ) -> Result<Met, ReauthError> {
        let now = self.now();
        let open = self.parts.register.authentication(id).await?.ok_or(RegisterError::Damaged)?;
        let private = open.private.as_ref().ok_or(ReauthError::Purged)?;
        if open.row.enrollment != enrollment.key || private.user_reference != request.user_reference {
            return Err(RegisterError::WrongPerson.into());
        }
        let differs = request.differs(&open, private);
        let serves = match request.if_open {
            IfOpen::Reuse => true,
            IfOpen::Tell => differs.is_empty(),
            IfOpen::Replace => differs.is_empty() && first != Some(id),
        };
        let view = AuthenticationView::of(&open, now);
        if serves && open.row.batch && !request.batch {
            return self.adopt(open).await;
        }
        if serves {
            return Ok(Met::Answered(Box::new(Initiated { authentication: view, deduplicated: true })));
        }
        if open.row.batch && !request.batch {
            return Ok(Met::Replacing(Replacing { id, yields: true }));
        }
        if request.if_open == IfOpen::Tell {
            return Err(ReauthError::AuthenticationOpen { open: Box::new(view), differs });
        }
        match window::may_replace(row, now) {
            Ok(()) => Ok(Met::Replacing(Replacing { id, yields: false })),
            Err(at) => Err(ReauthError::TooManyReplacements { retry_after: until(now, at) }),
        }
    }

    /// Hands a batch's own transaction to somebody at the door: from now on it is theirs and yields no more.
    async fn adopt(&self, mut open: Authentication) -> Result<Met, ReauthError> {
        let mut commit = self.parts.register.records().commit();
        open.row.batch = false;
        self.parts.register.update_authentication(&mut commit, &open).await?;
        match commit.submit().await {
            Ok(()) => {
                let authentication = AuthenticationView::of(&open, self.now());
                Ok(Met::Answered(Box::new(Initiated { authentication, deduplicated: true })))
            }
            Err(error) if error.is_conflict() => Ok(Met::Overtaken),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits for another caller's post. `Ok`: look again.
    async fn wait_for(&self, flight: Flight, deadline: Timestamp) -> Result<(), ReauthError> {
        tokio::select! {
            landed = flight.landed() => landed,
            () = self.parts.clock.sleep(until(self.now(), deadline)) => Err(ReauthError::InProgress),
        }
    }
}

/// The time from `now` to `at`; none if it has passed.
pub(crate) fn until(now: Timestamp, at: Timestamp) -> Duration {
    at.duration_since(now).try_into().unwrap_or(Duration::ZERO)
}

fn check_usable(enrollment: &Enrollment) -> Result<(), ReauthError> {
    let row = &enrollment.row;
    match row.state {
        EnrollmentState::Ready if row.replaced_by.is_none() => Ok(()),
        EnrollmentState::Purging | EnrollmentState::Purged => Err(ReauthError::Purged),
        EnrollmentState::Vaulted if row.released_at.is_none() => Err(ReauthError::AwaitingRelease),
        EnrollmentState::AwaitingUser
        | EnrollmentState::Received
        | EnrollmentState::Confirming
        | EnrollmentState::Fetching
        | EnrollmentState::Vaulted => Err(ReauthError::NotReady(row.state)),
        EnrollmentState::Ready
        | EnrollmentState::Abandoned
        | EnrollmentState::Ineligible
        | EnrollmentState::Failed
        | EnrollmentState::Foreign => {
            Err(ReauthError::NotEligible { state: row.state, reasons: row.reasons.clone() })
        }
    }
}

//! A Jumio in memory for the flows' tests. It keeps a journal of every call, in order; answers what a test scripted,
//! once or for ever, for everybody or for one reference; can hold a call until the test lets it go; and otherwise
//! behaves as Jumio does: deletion makes a facemap `NotFound`, and the last authentication of an enrollment makes
//! the earlier ones `EXPIRED`.
//!
//! ```
//! # use jumio::{JumioApi, scripted::{Script, ScriptedJumio, Endpoint, finished_scan}, JumioError};
//! # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
//! # runtime.block_on(async {
//! let jumio = ScriptedJumio::new();
//! let scan = "00000000-0000-0000-0000-000000000001".parse().unwrap();
//! jumio.put_scan(finished_scan(scan, "ines-4711"), Some(b"a facemap"));
//! jumio.script(Endpoint::Facemap, Script::fail(JumioError::Unavailable { what: "connection" }));
//!
//! assert!(jumio.facemap(scan, None).await.is_err());
//! assert_eq!(jumio.facemap(scan, None).await.unwrap().expose(), b"a facemap");
//! jumio.delete_scan(scan).await.unwrap();
//! assert!(jumio.facemap_is_gone(scan).await.unwrap());
//! assert_eq!(jumio.count(Endpoint::Facemap), 2);
//! # });
//! ```

mod script;
mod state;

use script::Outcome;
pub use script::{Endpoint, Gate, Journaled, Script};
pub use state::Started;
use state::World;

use crate::{
    AuthenticationDetails, DateSeen, JumioApi, JumioError, NamedUser, NewAuthentication, NewVerification,
    ScanDetails, ScanState, StartedAuthentication, StartedVerification,
};
use async_trait::async_trait;
use jiff::SignedDuration;
use model::{
    AuthenticationRef, AuthenticationResult, Clock, EnrollmentRef, FacemapBytes, Similarity, Timestamp,
    VerificationStatus,
};
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard},
};
use tokio::sync::watch;

struct Inner {
    world: World,
    scripts: Vec<(Endpoint, Script)>,
    journal: Vec<Journaled>,
    seen: Option<DateSeen>,
    ahead: SignedDuration,
}

/// Jumio in memory. Clones share everything.
#[derive(Clone)]
pub struct ScriptedJumio {
    inner: Arc<Mutex<Inner>>,
    calls: Arc<watch::Sender<usize>>,
    clock: Option<Arc<dyn Clock>>,
}

impl fmt::Debug for ScriptedJumio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedJumio").field("journal", &self.journal()).finish_non_exhaustive()
    }
}

impl Default for ScriptedJumio {
    fn default() -> Self {
        Self::new()
    }
}

impl ScriptedJumio {
    /// A Jumio that knows nobody and answers without dates.
    #[must_use]
    pub fn new() -> Self {
        let (scripts, journal, seen, ahead) = (Vec::new(), Vec::new(), None, SignedDuration::ZERO);
        let inner = Inner { world: World::default(), scripts, journal, seen, ahead };
        Self { inner: Arc::new(Mutex::new(inner)), calls: Arc::new(watch::Sender::new(0)), clock: None }
    }

    /// A Jumio whose answers carry this clock's dates.
    #[must_use]
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        Self { clock: Some(clock), ..Self::new() }
    }

    /// Lets the `Date` of later answers be ahead of the clock by so much, or behind it.
    pub fn be_ahead(&self, ahead: SignedDuration) {
        self.lock().ahead = ahead;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn now(&self) -> Option<Timestamp> {
        self.clock.as_ref().map(|clock| clock.now())
    }

    /// Adds or replaces a scan, with its facemap if it has one.
    ///
    /// # Panics
    /// When `details` names no reference.
    pub fn put_scan(&self, details: ScanDetails, facemap: Option<&[u8]>) {
        self.lock().world.put_scan(details, facemap);
    }

    /// Changes what Jumio says about a scan.
    ///
    /// # Panics
    /// When Jumio has no such scan.
    pub fn edit_scan(&self, scan: EnrollmentRef, edit: impl FnOnce(&mut ScanDetails)) {
        edit(self.lock().world.details_mut(scan));
    }

    /// Ends an authentication with this result.
    ///
    /// # Panics
    /// When Jumio has no such authentication.
    pub fn finish(&self, reference: AuthenticationRef, result: AuthenticationResult) {
        let now = self.now();
        self.edit_authentication(reference, |details| {
            details.result = result;
            details.date = now.or(details.date);
        });
    }

    /// Changes what Jumio says about an authentication.
    ///
    /// # Panics
    /// When Jumio has no such authentication.
    pub fn edit_authentication(
        &self,
        reference: AuthenticationRef,
        edit: impl FnOnce(&mut AuthenticationDetails),
    ) {
        edit(self.lock().world.authentication_mut(reference));
    }

    /// Every authentication that was initiated, in order, superseded ones among them.
    #[must_use]
    pub fn started(&self) -> Vec<Started> {
        self.lock().world.started()
    }

    /// Every verification that was initiated, in order.
    #[must_use]
    pub fn verifications(&self) -> Vec<(EnrollmentRef, NewVerification)> {
        self.lock().world.verifications()
    }

    /// Adds a script. Scripts of an endpoint are used in the order in which they were added, each for one call,
    /// before those that are for ever.
    pub fn script(&self, endpoint: Endpoint, script: Script) {
        self.lock().scripts.push((endpoint, script));
    }

    /// Forgets all scripts that were not used.
    pub fn clear_scripts(&self) {
        self.lock().scripts.clear();
    }

    /// Scripts that nobody has used: a test ends with none, unless they are for ever.
    #[must_use]
    pub fn unused_scripts(&self) -> usize {
        self.lock().scripts.iter().filter(|(_, script)| !script.for_ever).count()
    }

    /// All calls so far, in order.
    #[must_use]
    pub fn journal(&self) -> Vec<Journaled> {
        self.lock().journal.clone()
    }

    /// The calls so far without what they were about.
    #[must_use]
    pub fn endpoints(&self) -> Vec<Endpoint> {
        self.lock().journal.iter().map(|call| call.endpoint).collect()
    }

    /// How often an endpoint was called.
    #[must_use]
    pub fn count(&self, endpoint: Endpoint) -> usize {
        self.lock().journal.iter().filter(|call| call.endpoint == endpoint).count()
    }

    /// Waits until an endpoint has been called so often in all; held calls count.
    pub async fn called(&self, endpoint: Endpoint, times: usize) {
        let mut calls = self.calls.subscribe();
        while self.count(endpoint) < times {
            // The sender lives in self, which this future borrows: it cannot be gone.
            if calls.changed().await.is_err() {
                return;
            }
        }
    }

    /// Journals the call, picks its script, waits at its gate.
    async fn enter(&self, endpoint: Endpoint, reference: Option<String>) -> Outcome {
        let script = {
            let mut inner = self.lock();
            inner.journal.push(Journaled { endpoint, reference: reference.clone() });
            let fits = |(of, script): &(Endpoint, Script)| {
                *of == endpoint && (script.only.is_none() || script.only == reference)
            };
            let once = inner.scripts.iter().position(|entry| fits(entry) && !entry.1.for_ever);
            match once {
                Some(at) => Some(inner.scripts.remove(at).1),
                None => inner.scripts.iter().find(|entry| fits(entry)).map(|(_, script)| script.clone()),
            }
        };
        self.calls.send_modify(|calls| *calls += 1);
        let Some(script) = script else { return Outcome::Act };
        if let Some(mut gate) = script.gate {
            // An error means that the gate is gone, which opens it.
            let _ = gate.wait_for(|open| *open).await;
        }
        script.outcome
    }

    /// Runs a call: `act` is what Jumio does.
    async fn call<T: Send>(
        &self,
        endpoint: Endpoint,
        reference: Option<String>,
        act: impl FnOnce(&mut World, Option<Timestamp>) -> Result<T, JumioError> + Send,
    ) -> Result<T, JumioError> {
        let outcome = self.enter(endpoint, reference).await;
        let now = self.now();
        if let (Some(clock), true) = (&self.clock, outcome.is_answered()) {
            let mut inner = self.lock();
            inner.seen = Some(DateSeen::now(clock.now() + inner.ahead, clock.as_ref()));
        }
        match outcome {
            Outcome::Fail(error) => Err(error),
            Outcome::Act => act(&mut self.lock().world, now),
            Outcome::ActAndFail(error) => act(&mut self.lock().world, now).and(Err(error)),
        }
    }
}

/// A scan that fulfils every condition of seed 003. Change fields for the others.
///
/// # Panics
/// When `user` is no user reference.
#[must_use]
pub fn finished_scan(reference: EnrollmentRef, user: &str) -> ScanDetails {
    ScanDetails {
        reference: Some(reference),
        state: ScanState::Done,
        verification_status: Some(VerificationStatus::ApprovedVerified),
        similarity: Some(Similarity::Match),
        validity: Some(true),
        // Unwrap safety: the panic is documented; this is for tests.
        user_reference: NamedUser::User(user.parse().expect("a user reference")),
        internal_reference: None,
        facemap_href: None,
        date: None,
        unknown_values: 0,
        jumio_date: None,
    }
}

/// A scan that nobody has finished yet.
///
/// # Panics
/// When `user` is no user reference.
#[must_use]
pub fn pending_scan(reference: EnrollmentRef, user: &str) -> ScanDetails {
    ScanDetails {
        state: ScanState::Pending,
        verification_status: None,
        similarity: None,
        validity: None,
        ..finished_scan(reference, user)
    }
}

#[async_trait]
impl JumioApi for ScriptedJumio {
    async fn initiate_verification(
        &self,
        request: &NewVerification,
    ) -> Result<StartedVerification, JumioError> {
        let act = |world: &mut World, now| Ok(world.start_verification(request, now));
        self.call(Endpoint::InitiateVerification, None, act).await
    }

    async fn scan_status(&self, scan: EnrollmentRef) -> Result<ScanState, JumioError> {
        let act = |world: &mut World, _| world.details(scan).map(|details| details.state);
        self.call(Endpoint::ScanStatus, Some(scan.to_string()), act).await
    }

    async fn scan_details(&self, scan: EnrollmentRef) -> Result<ScanDetails, JumioError> {
        let act =
            |world: &mut World, now| Ok(ScanDetails { jumio_date: now, ..world.details(scan)?.clone() });
        self.call(Endpoint::ScanDetails, Some(scan.to_string()), act).await
    }

    async fn facemap(&self, scan: EnrollmentRef, _href: Option<&str>) -> Result<FacemapBytes, JumioError> {
        let act = |world: &mut World, _| world.facemap(scan).map(|bytes| FacemapBytes::new(bytes.to_vec()));
        self.call(Endpoint::Facemap, Some(scan.to_string()), act).await
    }

    async fn facemap_is_gone(&self, scan: EnrollmentRef) -> Result<bool, JumioError> {
        let act = |world: &mut World, _| Ok(world.facemap(scan).is_err());
        self.call(Endpoint::FacemapIsGone, Some(scan.to_string()), act).await
    }

    async fn delete_scan(&self, scan: EnrollmentRef) -> Result<(), JumioError> {
        let act = |world: &mut World, _| world.delete_scan(scan);
        self.call(Endpoint::DeleteScan, Some(scan.to_string()), act).await
    }

    async fn initiate_authentication(
        &self,
        request: &NewAuthentication,
        facemap: FacemapBytes,
    ) -> Result<StartedAuthentication, JumioError> {
        let act = |world: &mut World, now| world.start_authentication(request, &facemap, now);
        self.call(Endpoint::InitiateAuthentication, Some(request.enrollment.to_string()), act).await
    }

    async fn authentication(
        &self,
        reference: AuthenticationRef,
    ) -> Result<AuthenticationDetails, JumioError> {
        let act = |world: &mut World, now| {
            Ok(AuthenticationDetails { jumio_date: now, ..world.authentication(reference)?.clone() })
        };
        self.call(Endpoint::Authentication, Some(reference.to_string()), act).await
    }

    async fn delete_authentication(&self, reference: AuthenticationRef) -> Result<(), JumioError> {
        let act = |world: &mut World, _| world.delete_authentication(reference);
        self.call(Endpoint::DeleteAuthentication, Some(reference.to_string()), act).await
    }

    fn last_date(&self) -> Option<DateSeen> {
        self.lock().seen
    }
}

#[cfg(test)]
mod tests;

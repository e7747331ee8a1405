//! Jumio: the scripted one, behind gates, with outages and lost answers by the dice, and a journal of what it was asked,
//! what it did, and how long the book was at that moment.

use crate::{dice::Dice, stage::Gates, store::GatedStore};
use async_trait::async_trait;
use jumio::{
    AuthenticationDetails, JumioApi, JumioError, NewAuthentication, NewVerification, ScanDetails, ScanState,
    StartedAuthentication, StartedVerification,
    scripted::{Endpoint, ScriptedJumio, finished_scan, pending_scan},
};
use model::{
    AuthenticationRef, AuthenticationResult, Clock as _, EnrollmentRef, FacemapBytes, Similarity, Timestamp,
    UserReference, clock::MockClock,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// One call.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) endpoint: Endpoint,
    /// The enrollment, where it is about one.
    pub(crate) enrollment: Option<EnrollmentRef>,
    /// When, counted in what the scheduler let happen.
    pub(crate) at_step: u64,
    /// Entries of the book when it was made.
    pub(crate) book: u64,
}

/// A facemap that Jumio has accepted for an authentication.
#[derive(Debug, Clone)]
pub(crate) struct Post {
    pub(crate) enrollment: EnrollmentRef,
    pub(crate) user: Option<UserReference>,
    pub(crate) reference: AuthenticationRef,
    pub(crate) at: Timestamp,
    pub(crate) at_step: u64,
    /// When it got a final result, and which.
    pub(crate) ended: Option<(Timestamp, AuthenticationResult)>,
    /// Whether it was deleted.
    pub(crate) is_deleted: bool,
    /// Whether a later one took its place.
    pub(crate) is_superseded: bool,
}

#[derive(Default)]
struct State {
    calls: Vec<Call>,
    posts: Vec<Post>,
    faces: BTreeMap<EnrollmentRef, Vec<u8>>,
    deleted: BTreeSet<EnrollmentRef>,
    wrong: Vec<String>,
    steps: u64,
    faulty: bool,
    faults: u64,
}

/// What happens to a call.
enum Fate {
    Answered,
    /// It never arrives.
    Lost(JumioError),
    /// It is carried out, and nobody hears of it.
    AnswerLost(JumioError),
}

/// Jumio. It outlives every process.
pub(crate) struct Peer {
    jumio: ScriptedJumio,
    store: Arc<GatedStore>,
    gates: Arc<Gates>,
    dice: Arc<Dice>,
    clock: MockClock,
    state: Mutex<State>,
}

impl Peer {
    pub(crate) fn new(store: Arc<GatedStore>, gates: Arc<Gates>, dice: Arc<Dice>, clock: MockClock) -> Self {
        let jumio = ScriptedJumio::with_clock(Arc::new(clock.clone()));
        Self { jumio, store, gates, dice, clock, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody begins an onboarding.
    pub(crate) fn begin_scan(&self, scan: EnrollmentRef, user: &UserReference, face: &[u8]) {
        self.state().faces.insert(scan, face.to_vec());
        self.jumio.put_scan(pending_scan(scan, user.as_str()), None);
    }

    /// The onboarding is finished, and judged.
    pub(crate) fn finish_scan(&self, scan: EnrollmentRef, user: &UserReference, approved: bool) {
        let face = self.state().faces.get(&scan).cloned();
        let mut details = finished_scan(scan, user.as_str());
        details.facemap_href = Some(format!("https://netverify.com/{scan}/facemap"));
        if !approved {
            details.similarity = Some(Similarity::NoMatch);
        }
        self.jumio.put_scan(details, face.as_deref());
    }

    /// The person finishes an authentication, if it is still open. False if it is not.
    pub(crate) fn finish(&self, nth: usize, result: AuthenticationResult) -> bool {
        let now = self.clock.now();
        let mut state = self.state();
        let post = &mut state.posts[nth];
        if post.is_deleted || post.ended.is_some() || now.duration_since(post.at).as_secs() >= WINDOW {
            return false;
        }
        post.ended = Some((now, result));
        self.jumio.finish(post.reference, result);
        true
    }

    /// What Jumio does by itself: nobody passes after fifteen minutes.
    pub(crate) fn expire(&self) {
        let now = self.clock.now();
        let mut state = self.state();
        for post in &mut state.posts {
            if !post.is_deleted && post.ended.is_none() && now.duration_since(post.at).as_secs() >= WINDOW {
                post.ended = Some((now, AuthenticationResult::Expired));
                self.jumio.finish(post.reference, AuthenticationResult::Expired);
            }
        }
    }

    pub(crate) fn has_scan(&self, scan: EnrollmentRef) -> bool {
        let state = self.state();
        state.faces.contains_key(&scan) && !state.deleted.contains(&scan)
    }

    pub(crate) fn posts(&self) -> Vec<Post> {
        self.state().posts.clone()
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    /// Faults that the dice brought about so far.
    pub(crate) fn faults(&self) -> u64 {
        self.state().faults
    }

    /// What should never have come here.
    pub(crate) fn wrong(&self) -> Vec<String> {
        self.state().wrong.clone()
    }

    /// Whether calls may fail from now on.
    pub(crate) fn be_faulty(&self, faulty: bool) {
        self.state().faulty = faulty;
    }

    /// The number of the step that begins.
    pub(crate) fn note(&self, step: u64) {
        self.state().steps = step;
    }

    fn fate(&self, endpoint: Endpoint) -> Fate {
        let mut state = self.state();
        if !state.faulty {
            return Fate::Answered;
        }
        let lost = |what| JumioError::Ambiguous { what, status: None };
        let fate = match self.dice.below(40) {
            0 => Fate::Lost(JumioError::Unavailable { what: "connection" }),
            1 => Fate::Lost(lost("timeout")),
            2 => Fate::AnswerLost(lost("connection lost")),
            3 => Fate::AnswerLost(JumioError::Ambiguous { what: "server error", status: Some(502) }),
            4 => Fate::Lost(JumioError::RateLimited { retry_after: None }),
            5 => Fate::AnswerLost(JumioError::Malformed { what: "not what it should be" }),
            6 | 7 if endpoint == Endpoint::InitiateAuthentication => {
                Fate::AnswerLost(lost("connection lost"))
            }
            8 if endpoint == Endpoint::InitiateAuthentication => {
                Fate::Lost(JumioError::Refused { status: 403 })
            }
            _ => Fate::Answered,
        };
        state.faults += u64::from(!matches!(fate, Fate::Answered));
        fate
    }

    async fn call<T: Send>(
        &self,
        endpoint: Endpoint,
        enrollment: Option<EnrollmentRef>,
        act: impl Future<Output = Result<T, JumioError>> + Send,
    ) -> Result<T, JumioError> {
        let book = self.store.book().await;
        {
            let mut state = self.state();
            let at_step = state.steps;
            state.calls.push(Call { endpoint, enrollment, at_step, book });
        }
        self.gates.pass(1, || format!("{endpoint:?} leaves")).await;
        let answer = match self.fate(endpoint) {
            Fate::Lost(error) => Err(error),
            Fate::Answered => act.await,
            Fate::AnswerLost(error) => act.await.and(Err(error)),
        };
        self.gates.pass(1, || format!("{endpoint:?} answered")).await;
        answer
    }

    fn accept(&self, request: &NewAuthentication, facemap: &[u8], reference: AuthenticationRef) {
        let (now, mut state) = (self.clock.now(), self.state());
        let at_step = state.steps;
        let is_its_own = state.faces.get(&request.enrollment).is_some_and(|face| face == facemap);
        if !is_its_own {
            state.wrong.push(format!("the facemap posted for {} is another person's", request.enrollment));
        }
        // Jumio ends what the enrollment had open.
        for earlier in state.posts.iter_mut().filter(|post| post.enrollment == request.enrollment) {
            if earlier.ended.is_none() {
                earlier.ended = Some((now, AuthenticationResult::Expired));
                earlier.is_superseded = true;
            }
        }
        let (enrollment, user) = (request.enrollment, request.user_reference.clone());
        state.posts.push(Post {
            enrollment,
            user,
            reference,
            at: now,
            at_step,
            ended: None,
            is_deleted: false,
            is_superseded: false,
        });
    }
}

/// Jumio drops the facemap after this time.
pub(crate) const WINDOW: i64 = 900;

#[async_trait]
impl JumioApi for Peer {
    async fn initiate_verification(
        &self,
        request: &NewVerification,
    ) -> Result<StartedVerification, JumioError> {
        let act = self.jumio.initiate_verification(request);
        self.call(Endpoint::InitiateVerification, None, act).await
    }

    async fn scan_status(&self, scan: EnrollmentRef) -> Result<ScanState, JumioError> {
        self.call(Endpoint::ScanStatus, Some(scan), self.jumio.scan_status(scan)).await
    }

    async fn scan_details(&self, scan: EnrollmentRef) -> Result<ScanDetails, JumioError> {
        self.call(Endpoint::ScanDetails, Some(scan), self.jumio.scan_details(scan)).await
    }

    async fn facemap(&self, scan: EnrollmentRef, href: Option<&str>) -> Result<FacemapBytes, JumioError> {
        self.call(Endpoint::Facemap, Some(scan), self.jumio.facemap(scan, href)).await
    }

    async fn facemap_is_gone(&self, scan: EnrollmentRef) -> Result<bool, JumioError> {
        self.call(Endpoint::FacemapIsGone, Some(scan), self.jumio.facemap_is_gone(scan)).await
    }

    async fn delete_scan(&self, scan: EnrollmentRef) -> Result<(), JumioError> {
        let act = async {
            self.jumio.delete_scan(scan).await?;
            self.state().deleted.insert(scan);
            Ok(())
        };
        self.call(Endpoint::DeleteScan, Some(scan), act).await
    }

    async fn initiate_authentication(
        &self,
        request: &NewAuthentication,
        facemap: FacemapBytes,
    ) -> Result<StartedAuthentication, JumioError> {
        let act = async {
            if self.has_scan(request.enrollment) {
                let what =
                    format!("a facemap of {} came before its original was deleted", request.enrollment);
                self.state().wrong.push(what);
            }
            let bytes = facemap.expose().to_vec();
            let started = self.jumio.initiate_authentication(request, facemap).await?;
            self.accept(request, &bytes, started.reference);
            Ok(started)
        };
        self.call(Endpoint::InitiateAuthentication, Some(request.enrollment), act).await
    }

    async fn authentication(
        &self,
        reference: AuthenticationRef,
    ) -> Result<AuthenticationDetails, JumioError> {
        self.call(Endpoint::Authentication, None, self.jumio.authentication(reference)).await
    }

    async fn delete_authentication(&self, reference: AuthenticationRef) -> Result<(), JumioError> {
        let enrollment = self.posts().into_iter().find(|post| post.reference == reference);
        let enrollment = enrollment.map(|post| post.enrollment);
        let act = async {
            self.jumio.delete_authentication(reference).await?;
            let mut state = self.state();
            let deleted = state.posts.iter_mut().filter(|post| post.reference == reference);
            deleted.for_each(|post| post.is_deleted = true);
            Ok(())
        };
        self.call(Endpoint::DeleteAuthentication, enrollment, act).await
    }
}

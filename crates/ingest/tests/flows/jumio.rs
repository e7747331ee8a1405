//! A Jumio that remembers: what it is asked, what it holds, and what was deleted.

use async_trait::async_trait;
use jumio::{
    AuthenticationDetails, JumioApi, JumioError, NamedUser, NewAuthentication, NewVerification, ScanDetails,
    ScanState, StartedAuthentication, StartedVerification,
};
use model::{AuthenticationRef, EnrollmentRef, FacemapBytes, Secret, Similarity, VerificationStatus};
use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard},
};

/// What Jumio holds about one onboarding.
#[derive(Debug, Clone)]
pub(crate) struct Scan {
    pub(crate) state: ScanState,
    pub(crate) status: Option<VerificationStatus>,
    pub(crate) similarity: Option<Similarity>,
    pub(crate) validity: Option<bool>,
    pub(crate) user: NamedUser,
    pub(crate) internal: Option<String>,
    pub(crate) has_link: bool,
    pub(crate) facemap: Option<Vec<u8>>,
    /// Times that the facemap is still shown after the deletion.
    pub(crate) lingers: u32,
    pub(crate) deletions: u32,
    /// What the details say they are about, if it is not what was asked.
    pub(crate) says_it_is: Option<EnrollmentRef>,
}

impl Scan {
    pub(crate) fn approved(user: &str, facemap: &[u8]) -> Self {
        Self {
            state: ScanState::Done,
            status: Some(VerificationStatus::ApprovedVerified),
            similarity: Some(Similarity::Match),
            validity: Some(true),
            user: NamedUser::User(user.parse().unwrap()),
            internal: Some("shop-1".to_owned()),
            has_link: true,
            facemap: Some(facemap.to_vec()),
            lingers: 0,
            deletions: 0,
            says_it_is: None,
        }
    }

    pub(crate) fn pending(user: &str) -> Self {
        Self { state: ScanState::Pending, ..Self::approved(user, b"not yet") }
    }
}

#[derive(Default)]
struct State {
    scans: HashMap<EnrollmentRef, Scan>,
    deleted: Vec<EnrollmentRef>,
    journal: Vec<String>,
    away: Option<JumioError>,
    refuses_deletion: bool,
    lost_answers: VecDeque<&'static str>,
    next: Vec<EnrollmentRef>,
}

#[derive(Default)]
pub(crate) struct TestJumio(Mutex<State>);

impl TestJumio {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(crate) fn holds(&self, reference: EnrollmentRef, scan: Scan) {
        self.state().scans.insert(reference, scan);
    }

    /// As if it had been deleted there.
    pub(crate) fn loses(&self, reference: EnrollmentRef) {
        self.state().scans.remove(&reference);
    }

    pub(crate) fn change(&self, reference: EnrollmentRef, change: impl FnOnce(&mut Scan)) {
        change(self.state().scans.get_mut(&reference).unwrap());
    }

    /// The next verification that is started gets this reference.
    pub(crate) fn will_start(&self, reference: EnrollmentRef) {
        self.state().next.push(reference);
    }

    pub(crate) fn goes_away(&self, error: JumioError) {
        self.state().away = Some(error);
    }

    pub(crate) fn comes_back(&self) {
        self.state().away = None;
    }

    /// The next call of this name is carried out, and its answer gets lost.
    pub(crate) fn loses_answer_of(&self, call: &'static str) {
        self.state().lost_answers.push_back(call);
    }

    pub(crate) fn refuses_deletion(&self) {
        self.state().refuses_deletion = true;
    }

    pub(crate) fn allows_deletion(&self) {
        self.state().refuses_deletion = false;
    }

    pub(crate) fn journal(&self) -> Vec<String> {
        self.state().journal.clone()
    }

    pub(crate) fn calls(&self, name: &str) -> usize {
        self.state().journal.iter().filter(|call| *call == name).count()
    }

    pub(crate) fn effects(&self, reference: EnrollmentRef) -> u32 {
        let state = self.state();
        u32::try_from(state.deleted.iter().filter(|deleted| **deleted == reference).count()).unwrap()
    }

    fn call<T>(
        &self,
        name: &'static str,
        act: impl FnOnce(&mut State) -> Result<T, JumioError>,
    ) -> Result<T, JumioError> {
        let mut state = self.state();
        state.journal.push(name.to_owned());
        if let Some(error) = &state.away {
            return Err(error.clone());
        }
        let answer = act(&mut state);
        if state.lost_answers.front() == Some(&name) {
            state.lost_answers.pop_front();
            return Err(JumioError::Ambiguous { what: "the connection was lost", status: None });
        }
        answer
    }
}

#[async_trait]
impl JumioApi for TestJumio {
    async fn initiate_verification(&self, _: &NewVerification) -> Result<StartedVerification, JumioError> {
        self.call("initiate", |state| {
            let reference = state.next.pop().ok_or(JumioError::Refused { status: 403 })?;
            let redirect_url = Secret::new("https://example.netverify.com/web".into());
            Ok(StartedVerification { reference, redirect_url, timestamp: None, jumio_date: None })
        })
    }

    async fn scan_status(&self, scan: EnrollmentRef) -> Result<ScanState, JumioError> {
        self.call("status", |state| state.scans.get(&scan).map(|s| s.state).ok_or(JumioError::NotFound))
    }

    async fn scan_details(&self, scan: EnrollmentRef) -> Result<ScanDetails, JumioError> {
        self.call("details", |state| {
            let held = state.scans.get(&scan).ok_or(JumioError::NotFound)?;
            Ok(ScanDetails {
                reference: Some(held.says_it_is.unwrap_or(scan)),
                state: held.state,
                verification_status: held.status,
                similarity: held.similarity,
                validity: held.validity,
                user_reference: held.user.clone(),
                internal_reference: held.internal.clone(),
                facemap_href: held.has_link.then(|| "https://netverify.com/facemap".to_owned()),
                date: None,
                unknown_values: 0,
                jumio_date: None,
            })
        })
    }

    async fn facemap(&self, scan: EnrollmentRef, _: Option<&str>) -> Result<FacemapBytes, JumioError> {
        self.call("facemap", |state| {
            let held = state.scans.get(&scan).and_then(|s| s.facemap.clone());
            held.map(FacemapBytes::new).ok_or(JumioError::NotFound)
        })
    }

    async fn facemap_is_gone(&self, scan: EnrollmentRef) -> Result<bool, JumioError> {
        self.call("gone?", |state| {
            if let Some(held) = state.scans.get_mut(&scan) {
                let is_gone = held.facemap.is_none();
                if is_gone && held.lingers > 0 {
                    held.lingers -= 1;
                    return Ok(false);
                }
                return Ok(is_gone);
            }
            Ok(true)
        })
    }

    async fn delete_scan(&self, scan: EnrollmentRef) -> Result<(), JumioError> {
        self.call("DELETE", |state| {
            if state.refuses_deletion {
                return Err(JumioError::Refused { status: 403 });
            }
            let held = state.scans.get_mut(&scan).ok_or(JumioError::NotFound)?;
            if held.facemap.take().is_none() {
                return Err(JumioError::NotFound);
            }
            held.deletions += 1;
            state.deleted.push(scan);
            Ok(())
        })
    }

    async fn initiate_authentication(
        &self,
        _: &NewAuthentication,
        _: FacemapBytes,
    ) -> Result<StartedAuthentication, JumioError> {
        self.call("authenticate", |_| Err(JumioError::Refused { status: 403 }))
    }

    async fn authentication(&self, _: AuthenticationRef) -> Result<AuthenticationDetails, JumioError> {
        self.call("authentication", |_| Err(JumioError::NotFound))
    }

    async fn delete_authentication(&self, _: AuthenticationRef) -> Result<(), JumioError> {
        self.call("delete-authentication", |_| Err(JumioError::NotFound))
    }
}

//! What the scripted Jumio remembers.

use crate::{
    AuthenticationDetails, JumioError, NewAuthentication, NewVerification, ScanDetails,
    StartedAuthentication, StartedVerification, scripted::pending_scan,
};
use model::{
    AuthenticationRef, AuthenticationResult, Channel, EnrollmentRef, FacemapBytes, Secret, Timestamp, limits,
};
use std::{collections::HashMap, fmt};

/// An authentication that was initiated, and what Jumio was sent for it.
#[derive(Clone)]
pub struct Started {
    /// The reference that it got.
    pub reference: AuthenticationRef,
    /// The request.
    pub request: NewAuthentication,
    /// The facemap that came with it: test data.
    pub facemap: Vec<u8>,
}

impl fmt::Debug for Started {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Started").field("reference", &self.reference).finish_non_exhaustive()
    }
}

struct Scan {
    details: ScanDetails,
    facemap: Option<Vec<u8>>,
}

/// Scans and authentications by reference.
#[derive(Default)]
pub(super) struct World {
    scans: HashMap<EnrollmentRef, Scan>,
    authentications: HashMap<AuthenticationRef, AuthenticationDetails>,
    started: Vec<(Started, Option<Timestamp>)>,
    verifications: Vec<(EnrollmentRef, NewVerification)>,
    next: u64,
}

impl World {
    /// A reference that never was: `5ca1ab1e-…` counts up.
    fn reference<T: std::str::FromStr<Err = model::InvalidReference>>(&mut self) -> T {
        self.next += 1;
        // Unwrap safety: twelve hexadecimal digits hold the counter.
        format!("5ca1ab1e-0000-4000-8000-{:012x}", self.next).parse().expect("a counter makes a reference")
    }

    pub(super) fn put_scan(&mut self, details: ScanDetails, facemap: Option<&[u8]>) {
        // Unwrap safety: the panic is documented at ScriptedJumio; this is for tests.
        let reference = details.reference.expect("a scan has a reference");
        self.scans.insert(reference, Scan { details, facemap: facemap.map(<[u8]>::to_vec) });
    }

    pub(super) fn details_mut(&mut self, scan: EnrollmentRef) -> &mut ScanDetails {
        // Unwrap safety: as above.
        &mut self.scans.get_mut(&scan).expect("Jumio has this scan").details
    }

    pub(super) fn authentication_mut(&mut self, reference: AuthenticationRef) -> &mut AuthenticationDetails {
        // Unwrap safety: as above.
        self.authentications.get_mut(&reference).expect("Jumio has this authentication")
    }

    pub(super) fn started(&self) -> Vec<Started> {
        self.started.iter().map(|(started, _)| started.clone()).collect()
    }

    pub(super) fn verifications(&self) -> Vec<(EnrollmentRef, NewVerification)> {
        self.verifications.clone()
    }

    pub(super) fn details(&self, scan: EnrollmentRef) -> Result<&ScanDetails, JumioError> {
        self.scans.get(&scan).map(|scan| &scan.details).ok_or(JumioError::NotFound)
    }

    pub(super) fn facemap(&self, scan: EnrollmentRef) -> Result<&[u8], JumioError> {
        self.scans.get(&scan).and_then(|scan| scan.facemap.as_deref()).ok_or(JumioError::NotFound)
    }

    pub(super) fn delete_scan(&mut self, scan: EnrollmentRef) -> Result<(), JumioError> {
        self.scans.remove(&scan).map(drop).ok_or(JumioError::NotFound)
    }

    pub(super) fn authentication(
        &self,
        reference: AuthenticationRef,
    ) -> Result<&AuthenticationDetails, JumioError> {
        self.authentications.get(&reference).ok_or(JumioError::NotFound)
    }

    pub(super) fn delete_authentication(&mut self, reference: AuthenticationRef) -> Result<(), JumioError> {
        self.authentications.remove(&reference).map(drop).ok_or(JumioError::NotFound)
    }

    pub(super) fn start_verification(
        &mut self,
        request: &NewVerification,
        now: Option<Timestamp>,
    ) -> StartedVerification {
        let reference: EnrollmentRef = self.reference();
        self.put_scan(pending_scan(reference, request.user_reference().as_str()), None);
        self.verifications.push((reference, request.clone()));
        let redirect_url =
            Secret::new(format!("https://scripted.netverify.com/web/v4/app?token={reference}"));
        StartedVerification { reference, redirect_url, timestamp: now, jumio_date: now }
    }

    /// Seed 003: only while the original is deleted, and only the last one of 15 minutes works.
    pub(super) fn start_authentication(
        &mut self,
        request: &NewAuthentication,
        facemap: &FacemapBytes,
        now: Option<Timestamp>,
    ) -> Result<StartedAuthentication, JumioError> {
        if self.scans.contains_key(&request.enrollment) {
            return Err(JumioError::Refused { status: 403 });
        }
        self.supersede(request.enrollment, now);
        let reference: AuthenticationRef = self.reference();
        let details = AuthenticationDetails {
            reference: Some(reference),
            enrollment: Some(request.enrollment),
            user_reference: request.user_reference.clone(),
            result: AuthenticationResult::Created,
            date: now,
            unknown_values: 0,
            jumio_date: None,
        };
        self.authentications.insert(reference, details);
        let started = Started { reference, request: request.clone(), facemap: facemap.expose().to_vec() };
        self.started.push((started, now));
        let redirect_url = match request.journey.channel() {
            Channel::Mobile => None,
            Channel::Web => {
                Some(Secret::new(format!("https://scripted.netverify.com/web/v4/app?token={reference}")))
            }
        };
        Ok(StartedAuthentication { reference, redirect_url, jumio_date: now })
    }

    /// Ends what an enrollment has open. Without a clock everything happens within 15 minutes.
    fn supersede(&mut self, enrollment: EnrollmentRef, now: Option<Timestamp>) {
        let within = |earlier: Option<Timestamp>| match (earlier, now) {
            (Some(earlier), Some(now)) => {
                now.as_second() - earlier.as_second() < i64::from(limits::JUMIO_WINDOW_MINUTES) * 60
            }
            _ => true,
        };
        let earlier = self
            .started
            .iter()
            .filter(|(started, at)| started.request.enrollment == enrollment && within(*at));
        for (started, _) in earlier {
            if let Some(details) = self.authentications.get_mut(&started.reference)
                && !details.result.is_final()
            {
                details.result = AuthenticationResult::Expired;
            }
        }
    }
}

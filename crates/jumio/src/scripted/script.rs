//! What a test lets happen to a call.

use crate::JumioError;
use std::fmt;
use tokio::sync::watch;

/// One call of Jumio, without what it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Endpoint {
    /// [`crate::JumioApi::initiate_verification`].
    InitiateVerification,
    /// [`crate::JumioApi::scan_status`].
    ScanStatus,
    /// [`crate::JumioApi::scan_details`].
    ScanDetails,
    /// [`crate::JumioApi::facemap`].
    Facemap,
    /// [`crate::JumioApi::facemap_is_gone`].
    FacemapIsGone,
    /// [`crate::JumioApi::delete_scan`].
    DeleteScan,
    /// [`crate::JumioApi::initiate_authentication`].
    InitiateAuthentication,
    /// [`crate::JumioApi::authentication`].
    Authentication,
    /// [`crate::JumioApi::delete_authentication`].
    DeleteAuthentication,
}

/// A call that was made. `reference` is the scan's, the enrollment's or the authentication's, as text; an initiate
/// of a verification has none yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journaled {
    /// Which call.
    pub endpoint: Endpoint,
    /// What it was about.
    pub reference: Option<String>,
}

/// What happens to one call, or to all of an endpoint.
#[derive(Debug, Clone)]
pub struct Script {
    pub(super) outcome: Outcome,
    pub(super) gate: Option<watch::Receiver<bool>>,
    pub(super) only: Option<String>,
    pub(super) for_ever: bool,
}

#[derive(Debug, Clone)]
pub(super) enum Outcome {
    /// As Jumio would.
    Act,
    /// Fails, and Jumio has not acted.
    Fail(JumioError),
    /// Fails, although Jumio has acted.
    ActAndFail(JumioError),
}

impl Outcome {
    /// Whether an answer comes back, if only a refusal.
    pub(super) const fn is_answered(&self) -> bool {
        !matches!(
            self,
            Self::Fail(JumioError::Unavailable { .. } | JumioError::Ambiguous { status: None, .. })
                | Self::ActAndFail(
                    JumioError::Unavailable { .. } | JumioError::Ambiguous { status: None, .. }
                )
        )
    }
}

impl Script {
    fn with(outcome: Outcome) -> Self {
        Self { outcome, gate: None, only: None, for_ever: false }
    }

    /// The call goes through. Useful together with [`Self::held`], or between failures.
    #[must_use]
    pub fn act() -> Self {
        Self::with(Outcome::Act)
    }

    /// The call fails, and Jumio has not acted.
    #[must_use]
    pub fn fail(error: JumioError) -> Self {
        Self::with(Outcome::Fail(error))
    }

    /// Jumio acts, and the caller learns `error`: for a lost answer.
    #[must_use]
    pub fn act_and_fail(error: JumioError) -> Self {
        Self::with(Outcome::ActAndFail(error))
    }

    /// Nothing reaches Jumio: safe to repeat.
    #[must_use]
    pub fn unavailable() -> Self {
        Self::fail(JumioError::Unavailable { what: "connection" })
    }

    /// Jumio acts, but the answer is lost.
    #[must_use]
    pub fn answer_lost() -> Self {
        Self::act_and_fail(JumioError::Ambiguous { what: "connection lost", status: None })
    }

    /// The request is lost on the way, which from here looks the same as [`Self::answer_lost`].
    #[must_use]
    pub fn request_lost() -> Self {
        Self::fail(JumioError::Ambiguous { what: "connection lost", status: None })
    }

    /// 429, with or without `Retry-After`.
    #[must_use]
    pub fn rate_limited(retry_after: Option<std::time::Duration>) -> Self {
        Self::fail(JumioError::RateLimited { retry_after })
    }

    /// Jumio refuses with this status.
    #[must_use]
    pub fn refused(status: u16) -> Self {
        Self::fail(JumioError::Refused { status })
    }

    /// Only for calls about this reference.
    #[must_use]
    pub fn only(mut self, reference: &impl fmt::Display) -> Self {
        self.only = Some(reference.to_string());
        self
    }

    /// For every such call from now on, until [`super::ScriptedJumio::clear_scripts`].
    #[must_use]
    pub fn for_ever(mut self) -> Self {
        self.for_ever = true;
        self
    }

    /// The call is journaled and then waits until the [`Gate`] is opened or dropped.
    #[must_use]
    pub fn held(mut self) -> (Self, Gate) {
        let (open, gate) = watch::channel(false);
        self.gate = Some(gate);
        (self, Gate(open))
    }
}

/// Holds calls. Dropping it lets them go, so that a failed test does not hang.
#[derive(Debug)]
pub struct Gate(watch::Sender<bool>);

impl Gate {
    /// Lets the held calls go on.
    pub fn open(&self) {
        self.0.send_replace(true);
    }
}

//! What all rooms of the sandbox share: state, clock, journal; and the one way in which transactions become final.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::watch;

use crate::authentication::{Authentication, AuthenticationResult};
use crate::callback_forms as forms;
use crate::clock::Clock;
use crate::config::SandboxConfig;
use crate::deliver::Delivery;
use crate::endpoint::Endpoint;
use crate::error::SandboxError;
use crate::facemap::Facemap;
use crate::journal::{EntryKind, Journal, Note};
use crate::scan::{Outcome, Scan, Verdict};
use crate::world::World;

pub(crate) struct Core {
    pub(crate) config: SandboxConfig,
    pub(crate) base_url: String,
    pub(crate) clock: Clock,
    pub(crate) journal: Journal,
    pub(crate) client: reqwest::Client,
    pub(crate) stopping: watch::Receiver<bool>,
    world: Mutex<World>,
}

/// What made a transaction final; a word for the journal.
#[derive(Clone, Copy)]
pub(crate) enum By {
    Person,
    Control,
    Time,
    Supersession,
}

impl By {
    fn word(self) -> &'static str {
        match self {
            Self::Person => "by the person",
            Self::Control => "by control",
            Self::Time => "by time",
            Self::Supersession => "by supersession",
        }
    }
}

impl Core {
    pub(crate) fn new(
        config: SandboxConfig,
        base_url: String,
        client: reqwest::Client,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        let mut settings = config.settings.clone();
        if config.callback_url.is_some() {
            settings.callback_url.clone_from(&config.callback_url);
        }
        let world = Mutex::new(World::new(settings));
        Self {
            config,
            base_url,
            clock: Clock::default(),
            journal: Journal::default(),
            client,
            stopping,
            world,
        }
    }

    /// The state. Never held across an await.
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Ends what has reached its time, and sends the callbacks of it.
    pub(crate) fn settle(self: &Arc<Self>) {
        let now = self.now();
        let mut deliveries = Vec::new();
        {
            let mut world = self.world();
            if world.due.is_none_or(|due| due > now) {
                return;
            }
            let scans: Vec<String> = world
                .scans
                .iter()
                .filter(|scan| is_open_scan(scan) && scan.token_until <= now)
                .map(|s| s.reference.clone())
                .collect();
            for reference in scans {
                let judge = |scan: &mut Scan| Ok(scan.judge(Outcome::Abandon));
                deliveries.extend(self.finish_scan(&mut world, &reference, By::Time, judge).ok());
            }
            let late: Vec<String> = world
                .authentications
                .iter()
                .filter(|a| is_open(a) && a.expires_at() <= now)
                .map(|a| a.reference.clone())
                .collect();
            for reference in late {
                let ended = self.finish_authentication(
                    &mut world,
                    &reference,
                    AuthenticationResult::Expired,
                    By::Time,
                );
                deliveries.extend(ended.ok().map(|(_, delivery)| delivery));
            }
            let next_scan =
                world.scans.iter().filter(|scan| is_open_scan(scan)).map(|scan| scan.token_until).min();
            let next =
                world.authentications.iter().filter(|a| is_open(a)).map(Authentication::expires_at).min();
            world.due = next_scan.into_iter().chain(next).min();
        }
        for delivery in deliveries {
            self.deliver_later(delivery);
        }
    }

    /// Makes a verification final and returns its callback. `judge` is asked only if it is not final yet.
    pub(crate) fn finish_scan(
        &self,
        world: &mut World,
        reference: &str,
        by: By,
        judge: impl FnOnce(&mut Scan) -> Result<(Verdict, Option<Facemap>), SandboxError>,
    ) -> Result<Delivery, SandboxError> {
        let now = self.now();
        let portal_url = world.settings.callback_url.clone();
        let scan = world
            .scans
            .get_mut(reference)
            .filter(|scan| !scan.deleted)
            .ok_or(SandboxError::UnknownReference)?;
        if scan.verdict.is_some() {
            return Err(SandboxError::AlreadyFinal);
        }
        let (verdict, facemap) = judge(scan)?;
        scan.finish(verdict, facemap, now);
        let note = Note {
            reference: Some(reference.to_owned()),
            result: scan.verdict.as_ref().map(|verdict| verdict.verification_status.clone()),
            facemap_digest: scan.facemap_digest.clone(),
            detail: Some(by.word().to_owned()),
            ..Note::default()
        };
        self.journal.write(now, EntryKind::Outcome, Endpoint::InitiateVerification, note);
        Ok(self.scan_callback(scan, portal_url.as_deref()))
    }

    /// Makes an authentication final and returns what it became, with its callback.
    pub(crate) fn finish_authentication(
        &self,
        world: &mut World,
        reference: &str,
        picked: AuthenticationResult,
        by: By,
    ) -> Result<(AuthenticationResult, Delivery), SandboxError> {
        let now = self.now();
        let portal_url = world.settings.callback_url.clone();
        let found = world.authentications.get_mut(reference).filter(|one| !one.deleted);
        let one = found.ok_or(SandboxError::UnknownReference)?;
        if one.result.is_some() {
            return Err(SandboxError::AlreadyFinal);
        }
        let result = one.finish(picked, now);
        let note = Note {
            reference: Some(reference.to_owned()),
            enrollment: Some(one.metadata.enrollment.clone()),
            result: Some(result.word().to_owned()),
            detail: Some(by.word().to_owned()),
            ..Note::default()
        };
        self.journal.write(now, EntryKind::Outcome, Endpoint::InitiateAuthentication, note);
        Ok((result, self.authentication_callback(one, portal_url.as_deref())))
    }

    /// The true callback of a verification.
    pub(crate) fn scan_callback(&self, scan: &Scan, portal_url: Option<&str>) -> Delivery {
        let fields = forms::verification(scan, &self.base_url, self.now());
        Delivery::form(scan.order.callback_url.as_deref().or(portal_url), &scan.reference, fields)
    }

    /// The true callback of an authentication.
    pub(crate) fn authentication_callback(&self, one: &Authentication, portal_url: Option<&str>) -> Delivery {
        let fields = forms::authentication(one, &self.base_url, self.now());
        Delivery::form(one.metadata.callback_url.as_deref().or(portal_url), &one.reference, fields)
    }
}

fn is_open_scan(scan: &Scan) -> bool {
    scan.verdict.is_none() && !scan.deleted
}

/// Whether an authentication can still become something.
pub(crate) fn is_open(one: &Authentication) -> bool {
    one.result.is_none() && !one.deleted
}

//! Control from Rust: the same levers that `/_sandbox/` has over HTTP.

use std::sync::Arc;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::authentication::{Authentication, AuthenticationResult, Fit};
use crate::clock::ClockChange;
use crate::config::Settings;
use crate::core::{By, Core};
use crate::deliver::Delivery;
use crate::endpoint::Endpoint;
use crate::error::SandboxError;
use crate::facemap::Facemap;
use crate::faults::Fault;
use crate::journal::JournalPage;
use crate::orders::{CallbackOrder, Finished, Judgement, NewVerification, ResultOrder};
use crate::random;
use crate::scan::{Order, Outcome, Scan, Verdict};
use crate::world::MAX_HELD_BYTES;

/// A handle to a running sandbox. Cheap to clone.
#[derive(Clone)]
pub struct Control {
    pub(crate) core: Arc<Core>,
}

impl std::fmt::Debug for Control {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Control").field("base_url", &self.core.base_url).finish_non_exhaustive()
    }
}

impl Control {
    /// Makes a verification that is finished already, and sends its callback unless told not to.
    ///
    /// # Errors
    ///
    /// A reference that is taken or malformed, a facemap that is no base64 or too large, held bytes at their cap.
    pub async fn add_verification(&self, new: NewVerification) -> Result<Finished, SandboxError> {
        let reference = new.transaction_reference.clone().unwrap_or_else(random::reference);
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if reference.is_empty() || reference.len() > 36 || !reference.bytes().all(fits) {
            return Err(SandboxError::Invalid(
                "transactionReference: 1 to 36 letters, digits and hyphens".to_owned(),
            ));
        }
        let now = self.core.now();
        let delivery = {
            let mut world = self.core.world();
            if world.scans.get(&reference).is_some() {
                return Err(SandboxError::Invalid("transactionReference is taken".to_owned()));
            }
            let order = Order {
                customer_internal_reference: new.customer_internal_reference,
                user_reference: new.user_reference,
                reporting_criteria: new.reporting_criteria,
                callback_url: new.callback_url,
                workflow_id: new.workflow_id,
                ..Order::default()
            };
            let held = world.held_bytes();
            let number = world.next_number();
            let mut scan = Scan::new(reference.clone(), order, number, now);
            let judged = judge(held, &mut scan, &new.judgement)?;
            world.scans.put(&reference, scan);
            self.core.finish_scan(&mut world, &reference, By::Control, |_| Ok(judged))?
        };
        self.finished(&reference, delivery, new.judgement.send_callback).await
    }

    /// Finishes a verification that a person would otherwise finish on its page.
    ///
    /// # Errors
    ///
    /// [`SandboxError::UnknownReference`], [`SandboxError::AlreadyFinal`], or a judgement that makes no sense.
    pub async fn finish_verification(
        &self,
        reference: &str,
        judgement: Judgement,
    ) -> Result<Finished, SandboxError> {
        let delivery = {
            let mut world = self.core.world();
            let held = world.held_bytes();
            let judge = |scan: &mut Scan| judge(held, scan, &judgement);
            self.core.finish_scan(&mut world, reference, By::Control, judge)?
        };
        self.finished(reference, delivery, judgement.send_callback).await
    }

    /// Short for [`Control::finish_verification`] with nothing but an outcome, callback included.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn finish(&self, reference: &str, outcome: Outcome) -> Result<Finished, SandboxError> {
        self.finish_verification(reference, Judgement { outcome, ..Judgement::default() }).await
    }

    /// Ends an authentication and sends its callback unless told not to. Answers what it became: a facemap that is
    /// not the enrollment's cannot pass unless forced, and a superseded one is `EXPIRED` whatever is asked for.
    ///
    /// # Errors
    ///
    /// [`SandboxError::UnknownReference`] or [`SandboxError::AlreadyFinal`].
    pub async fn authentication_result(
        &self,
        reference: &str,
        order: ResultOrder,
    ) -> Result<(AuthenticationResult, Option<u16>), SandboxError> {
        self.core.settle();
        let (result, delivery) = {
            let mut world = self.core.world();
            if let Some(one) = world.authentications.get_mut(reference)
                && order.force
            {
                one.fit = Fit::Enrolled;
            }
            self.core.finish_authentication(&mut world, reference, order.result, By::Control)?
        };
        let status = if order.send_callback { self.core.deliver(delivery).await } else { None };
        Ok((result, status))
    }

    /// Sends any callback, true or not; waits for each answer and returns their statuses.
    ///
    /// # Errors
    ///
    /// An unknown reference, or fields that are neither text nor lists of text.
    pub async fn send_callback(&self, order: CallbackOrder) -> Result<Vec<Option<u16>>, SandboxError> {
        let mut statuses = Vec::new();
        for _ in 0..order.count.clamp(1, 100) {
            let delivery = self.prepare(&order)?;
            statuses.push(self.core.deliver(delivery).await);
        }
        Ok(statuses)
    }

    /// Adds a fault, replacing earlier ones of its endpoint.
    pub fn set_fault(&self, fault: Fault) {
        self.set_faults(vec![fault]);
    }

    /// Adds faults, replacing earlier ones of the endpoints they name. Several of one endpoint act in turn.
    pub fn set_faults(&self, faults: Vec<Fault>) {
        self.core.world().faults.set(faults);
    }

    /// Removes the faults of one endpoint, or all.
    pub fn clear_faults(&self, endpoint: Option<Endpoint>) {
        self.core.world().faults.clear(endpoint);
    }

    /// The faults in force.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        self.core.world().faults.list().to_vec()
    }

    /// Changes the clock; what reaches its time thereby ends at once, with its callbacks on their way.
    ///
    /// # Errors
    ///
    /// When the clock cannot go that far.
    pub fn change_clock(&self, change: &ClockChange) -> Result<Timestamp, SandboxError> {
        let now = self.core.clock.apply(change)?;
        self.core.settle();
        Ok(now)
    }

    /// Moves the clock forward.
    ///
    /// # Errors
    ///
    /// When the clock cannot go that far.
    pub fn advance_clock(&self, by: SignedDuration) -> Result<Timestamp, SandboxError> {
        let millis = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.change_clock(&ClockChange { advance_millis: Some(millis), ..ClockChange::default() })
    }

    /// The sandbox's present.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.core.now()
    }

    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.core.world().settings.clone()
    }

    /// Replaces the settings.
    pub fn set_settings(&self, settings: Settings) {
        self.core.world().settings = settings;
    }

    /// The journal's entries after a position; 0 gives all that are kept.
    #[must_use]
    pub fn journal(&self, after: u64) -> JournalPage {
        self.core.journal.after(after)
    }

    /// Forgets the journal's entries.
    pub fn clear_journal(&self) {
        self.core.journal.clear();
    }

    /// Clock, settings, faults and the newest `limit` transactions of each kind, as `GET /_sandbox/state` tells them.
    #[must_use]
    pub fn state(&self, limit: usize) -> Value {
        self.core.settle();
        let world = self.core.world();
        let skip = |count: usize| count.saturating_sub(limit);
        let scans: Vec<Value> = world.scans.iter().skip(skip(world.scans.len())).map(Scan::summary).collect();
        let authentications: Vec<Value> = world
            .authentications
            .iter()
            .skip(skip(world.authentications.len()))
            .map(Authentication::summary)
            .collect();
        json!({
            "now": self.core.now(),
            "clockFrozen": self.core.clock.is_frozen(),
            "settings": world.settings,
            "faults": world.faults.list(),
            "counts": {"verifications": world.scans.len(), "authentications": world.authentications.len()},
            "verifications": scans,
            "authentications": authentications,
        })
    }

    async fn finished(
        &self,
        reference: &str,
        delivery: Delivery,
        send_callback: bool,
    ) -> Result<Finished, SandboxError> {
        let callback_status = if send_callback { self.core.deliver(delivery).await } else { None };
        let world = self.core.world();
        let scan = world.scans.get(reference).ok_or(SandboxError::UnknownReference)?;
        Ok(Finished {
            transaction_reference: reference.to_owned(),
            verification_status: scan.verdict.as_ref().map(|verdict| verdict.verification_status.clone()),
            facemap_digest: scan.facemap_digest.clone(),
            callback_status,
        })
    }

    fn prepare(&self, order: &CallbackOrder) -> Result<Delivery, SandboxError> {
        let world = self.core.world();
        let portal_url = world.settings.callback_url.as_deref();
        let mut delivery = match &order.reference {
            None => Delivery::form(portal_url, "", Vec::new()),
            Some(reference) => match (world.scans.get(reference), world.authentications.get(reference)) {
                (Some(scan), _) => self.core.scan_callback(scan, portal_url),
                (None, Some(one)) => self.core.authentication_callback(one, portal_url),
                (None, None) => return Err(SandboxError::UnknownReference),
            },
        };
        drop(world);
        order.put_over(&mut delivery.fields)?;
        let named =
            |name: &str| delivery.fields.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone());
        delivery.callback_type = named("callBackType");
        delivery.reference = named("jumioIdScanReference").or_else(|| named("transactionReference"));
        if let Some(url) = &order.callback_url {
            delivery.url = Some(url.clone());
        }
        if let Some(content_type) = &order.content_type {
            delivery.content_type.clone_from(content_type);
        }
        delivery.raw = order.body.clone().map(Bytes::from);
        Ok(delivery)
    }
}

/// The judgement, if the bytes it hands in still fit beside those `held`.
fn judge(
    held: usize,
    scan: &mut Scan,
    judgement: &Judgement,
) -> Result<(Verdict, Option<Facemap>), SandboxError> {
    let (verdict, facemap) = judgement.apply(scan)?;
    let size = facemap.as_ref().map_or(0, Facemap::held_bytes);
    if held + size > MAX_HELD_BYTES {
        return Err(SandboxError::Full);
    }
    Ok((verdict, facemap))
}

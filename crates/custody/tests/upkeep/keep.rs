//! What the tests of this program have in common.

use crate::house::{House, reference};
use audit::{Action, Actor, Listed, Outcome};
use custody::{CustodyConfig, CustodyError, HoldOrder, HoldView, RetentionConfig, RetentionState};
use model::{Clock as _, EnrollmentState, Timestamp};
use std::time::Duration;

pub(crate) const fn days(days: u64) -> Duration {
    Duration::from_hours(24 * days)
}

/// Thirty days idle are enough; half of all may go within a day.
pub(crate) fn retention() -> RetentionConfig {
    RetentionConfig {
        max_age_days: 0,
        max_idle_days: 30,
        sweep_interval: Duration::from_hours(1),
        max_fraction_per_day: 0.5,
    }
}

pub(crate) async fn house(retention: RetentionConfig) -> House {
    House::with(CustodyConfig { retention, ..CustodyConfig::default() }).await
}

/// Somebody who was vaulted so long ago.
pub(crate) async fn vaulted(house: &House, number: u64, ago: Duration) {
    let at = house.clock.now() - ago;
    let edit = |row: &mut register::EnrollmentRow| row.vaulted_at = Some(at);
    house.enroll_as(number, number, EnrollmentState::Ready, edit).await;
}

/// Everybody from `first` to before `end`, vaulted so long ago.
pub(crate) async fn all_vaulted(house: &House, first: u64, end: u64, ago: Duration) {
    for number in first..end {
        vaulted(house, number, ago).await;
    }
}

pub(crate) async fn purged(house: &House, first: u64, end: u64) -> Vec<u64> {
    let mut purged = Vec::new();
    for number in first..end {
        if house.state(number).await == EnrollmentState::Purged {
            purged.push(number);
        }
    }
    purged
}

pub(crate) fn hold_order(until: Option<Timestamp>) -> HoldOrder {
    HoldOrder { case_reference: "CASE-1".parse().unwrap(), until, actor: Actor::token("tok9", "legal") }
}

pub(crate) async fn hold(house: &House, number: u64) -> Result<HoldView, CustodyError> {
    house.custody().hold(&reference(number), hold_order(None)).await
}

pub(crate) async fn release(house: &House, number: u64) -> Result<(), CustodyError> {
    house.custody().release_hold(&reference(number), Actor::token("tok9", "legal")).await
}

/// Row and slot, and both say the same.
pub(crate) async fn is_held(house: &House, number: u64) -> bool {
    let row = house.register().enrollment_row(house.key(number)).await.unwrap().unwrap();
    let slot = house.now().vault.view(row.slot).await.unwrap().hold;
    assert_eq!(row.hold, slot, "row and slot of {number}");
    slot
}

pub(crate) async fn state(house: &House) -> RetentionState {
    house.custody().retention_status().await.unwrap().state
}

/// Lays the jobs down and lets a round run.
pub(crate) async fn upkeep(house: &House) {
    house.custody().start_upkeep().await.unwrap();
    house.drive().await;
}

/// The entries of an action with their outcome and the word `why`.
pub(crate) async fn told(house: &House, action: Action) -> Vec<(Option<Outcome>, Option<String>)> {
    let is = |item: &Listed| item.entry.action == action;
    let told = |item: Listed| (item.entry.outcome, item.entry.details.get("why").map(str::to_owned));
    house.book().await.into_iter().filter(is).map(told).collect()
}

//! What came of items that went. Whoever changes a link or a transaction marks its items in the same commit; here the
//! marks are read, so that nobody at a door ever waits for a batch's counts.

use crate::{Reauth, error::ReauthError};
use model::{AuthenticationState, BatchId, LinkState};
use queue::Lease;
use records::Commit;
use register::{Authentication, Item, ItemOutcome, ItemReason, ItemRow, ItemState, Link};

/// Marks that are read together.
const PAGE: usize = 64;

impl Reauth {
    /// Reads a page of marks. Whether there may be more.
    ///
    /// # Errors
    /// When a record cannot be read or changed; a conflict when somebody came before.
    pub(super) async fn tally(&self, id: BatchId, lease: Option<&Lease>) -> Result<bool, ReauthError> {
        let register = &self.parts.register;
        let changed = register.changed_items(id, PAGE).await?;
        if changed.is_empty() {
            return Ok(false);
        }
        let Some(read) = register.batch(id).await? else { return Ok(false) };
        let mut row = read.value.clone();
        let mut commit = register.records().commit();
        for place in &changed {
            register.unmark_item(&mut commit, *place);
            let Some(mut item) = register.item(*place).await? else { continue };
            self.look_at(&mut commit, &mut item).await?;
            if item.row == *item.before() {
                continue;
            }
            item.row.at = self.now();
            row.counts.take(item.before());
            row.counts.add(&item.row);
            register.update_item(&mut commit, &item);
            row.changed_at = Some(item.row.at);
        }
        register.put_batch(&mut commit, id, Some(&read), &row);
        if let Some(lease) = lease {
            lease.hold(&mut commit).await?;
        }
        commit.submit().await?;
        Ok(changed.len() == PAGE)
    }

    async fn look_at(&self, commit: &mut Commit, item: &mut Item) -> Result<(), ReauthError> {
        let register = &self.parts.register;
        if item.row.enrollment.is_none() && item.before().reason.is_none() {
            purged(&mut item.row);
            item.row.at = self.now();
            return Ok(());
        }
        if let (ItemState::Linked, Some(id)) = (item.row.state, item.row.link) {
            let found = register.link(id).await?;
            let last = match found.as_ref().and_then(|link| link.row.authentications.last()) {
                Some(last) => register.authentication(*last).await?,
                None => None,
            };
            // What changes after this look marks the item again; what changed since it was read is a conflict.
            if let Some(link) = &found {
                register.require_link(commit, link);
            }
            if let Some(last) = &last {
                register.require_authentication(commit, last);
            }
            show_link(&mut item.row, found.as_ref(), last.as_ref());
        } else if let (ItemState::Initiated | ItemState::Deduplicated, Some(id)) =
            (item.row.state, item.row.authentication)
        {
            let found = register.authentication(id).await?;
            if let Some(found) = &found {
                register.require_authentication(commit, found);
            }
            show(&mut item.row, found.as_ref());
        }
        Ok(())
    }
}

fn purged(row: &mut ItemRow) {
    if row.state == ItemState::Queued {
        row.stop(ItemState::Skipped, Some(ItemReason::Purged), row.at);
    } else {
        (row.outcome, row.settled) = (Some(ItemOutcome::Purged), true);
    }
}

/// The outcome of an item that has a transaction.
pub(super) fn show(row: &mut ItemRow, found: Option<&Authentication>) {
    let Some(found) = found else {
        (row.outcome, row.settled) = (Some(ItemOutcome::Purged), true);
        return;
    };
    (row.outcome, row.settled) = (Some(outcome(found.row.state)), is_last(found.row.state));
}

fn show_link(row: &mut ItemRow, link: Option<&Link>, last: Option<&Authentication>) {
    let Some(link) = link else {
        (row.outcome, row.settled) = (Some(ItemOutcome::Purged), true);
        return;
    };
    let of_last = last.map(|last| outcome(last.row.state));
    let last_is_over = last.is_none_or(|last| is_last(last.row.state));
    let (outcome, settled) = match link.row.state {
        LinkState::Open => (ItemOutcome::NotPressed, false),
        LinkState::Pressed => (of_last.unwrap_or(ItemOutcome::Open), false),
        LinkState::Completed => (of_last.unwrap_or(ItemOutcome::Purged), true),
        LinkState::Expired => (of_last.unwrap_or(ItemOutcome::Expired), last_is_over),
        LinkState::Withdrawn => (of_last.unwrap_or(ItemOutcome::Withdrawn), last_is_over),
    };
    (row.outcome, row.settled) = (Some(outcome), settled);
    if outcome == ItemOutcome::Withdrawn {
        row.stop(ItemState::Cancelled, Some(ItemReason::Withdrawn), row.at);
    }
}

const fn outcome(state: AuthenticationState) -> ItemOutcome {
    use AuthenticationState as S;
    match state {
        S::Initiating | S::Initiated => ItemOutcome::Open,
        S::Passed => ItemOutcome::Passed,
        S::Failed => ItemOutcome::Failed,
        S::Invalid => ItemOutcome::Invalid,
        S::Expired => ItemOutcome::Expired,
        S::Superseded => ItemOutcome::Superseded,
        S::Unknown | S::Refused => ItemOutcome::Unknown,
    }
}

const fn is_last(state: AuthenticationState) -> bool {
    !matches!(state, AuthenticationState::Initiating | AuthenticationState::Initiated)
}

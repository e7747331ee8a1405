//! Delivery `link`: an item, its link and the count of both are one commit, so no crash comes between them.

use super::{
    judge::{Verdict, judge},
    pace,
    person::Asked,
    run::Went,
};
use crate::{
    Reauth,
    error::ReauthError,
    links::{LinkPurpose, NewLink},
};
use audit::Actor;
use jumio::Journey;
use model::BatchId;
use queue::Lease;
use records::Commit;
use register::{BatchRow, BatchState, BatchTerms, Item, ItemOutcome, ItemState};

/// Links that are made together.
const PAGE: usize = 48;

impl Reauth {
    /// Makes the links of the next items. A commit that somebody came before is made again, smaller: of many people one
    /// is always just changing.
    pub(super) async fn issue_links(&self, id: BatchId, lease: &Lease) -> Result<Went, ReauthError> {
        let mut page = PAGE;
        loop {
            match self.issue_page(id, lease, page).await {
                Err(error) if error.is_conflict() && page > 1 => page /= 4,
                Err(error) if error.is_conflict() => return Ok(Went::On),
                done => return done,
            }
            page = page.max(1);
        }
    }

    async fn issue_page(&self, id: BatchId, lease: &Lease, most: usize) -> Result<Went, ReauthError> {
        let (register, now) = (&self.parts.register, self.now());
        let Some(read) = register.batch(id).await? else { return Ok(Went::Over) };
        let mut row = read.value.clone();
        if row.state != BatchState::Running {
            return Ok(Went::Over);
        }
        let count = match pace::allowed(&row, now, most) {
            Ok(count) => count,
            Err(next) => return Ok(Went::Later(next)),
        };
        let items = register.items(id, Some(ItemState::Queued), None, count).await?;
        if items.is_empty() {
            return Ok(Went::Over);
        }
        let mut commit = register.records().commit();
        let mut taken = 0;
        let mut went = Went::On;
        for mut item in items {
            match self.give_link(&mut commit, &row, &mut item).await? {
                None => {}
                Some((code, wait)) => {
                    went = self.in_trouble(&mut row, code, wait);
                    break;
                }
            }
            taken += 1;
            row.counts.take(item.before());
            row.counts.add(&item.row);
            register.update_item(&mut commit, &item);
        }
        pace::taken(&mut row, now, taken);
        if taken > 0 && went == Went::On {
            pace::progressed(&mut row, now, taken);
        }
        register.put_batch(&mut commit, id, Some(&read), &row);
        lease.hold(&mut commit).await?;
        commit.submit().await?;
        Ok(went)
    }

    /// Puts an item's link into the commit, or says in its row why there is none. `Some`: nothing can go at the moment.
    async fn give_link(
        &self,
        commit: &mut Commit,
        row: &BatchRow,
        item: &mut Item,
    ) -> Result<Option<(&'static str, Option<std::time::Duration>)>, ReauthError> {
        let now = self.now();
        let actor = serde_json::from_value(row.actor.clone()).unwrap_or(Actor::System);
        let link = match self.asked(item, &row.terms).await {
            Ok(Ok(asked)) => self.make_link(commit, &row.terms, asked, item, actor).await,
            Ok(Err(reason)) => {
                item.row.stop(ItemState::Skipped, Some(reason), now);
                return Ok(None);
            }
            Err(error) => Err(error),
        };
        let error = match link {
            Ok(id) => {
                item.row.state = ItemState::Linked;
                (item.row.link, item.row.outcome, item.row.at) =
                    (Some(id), Some(ItemOutcome::NotPressed), now);
                return Ok(None);
            }
            Err(error) => error,
        };
        match judge(&error) {
            // Somebody else's change: the whole page is built again.
            Verdict::Again | Verdict::AskTheRow => Err(error),
            Verdict::Trouble { code, wait } => Ok(Some((code, wait))),
            Verdict::Over { state, reason, jumio_status } => {
                item.row.stop(state, Some(reason), now);
                item.row.jumio_status = jumio_status;
                Ok(None)
            }
        }
    }

    async fn make_link(
        &self,
        commit: &mut Commit,
        terms: &BatchTerms,
        asked: Asked,
        item: &Item,
        actor: Actor,
    ) -> Result<model::LinkId, ReauthError> {
        // A link follows the user's current enrollment; where the list named another one, it must be usable itself.
        if let Some(named) = &asked.enrollment {
            self.usable_enrollment(&asked.user, Some(named)).await?;
        }
        let Journey::Web(journey) = self.journey_of(terms, asked.locale)? else {
            return Err(ReauthError::NotSent { what: "a link for an app" });
        };
        let purpose = terms.purpose.as_deref().map(str::parse::<LinkPurpose>).transpose();
        let new = NewLink {
            user_reference: asked.user,
            purpose: purpose.map_err(|_| ReauthError::NotSent { what: "a purpose that is none" })?,
            journey,
            expires_at: terms.expires_at,
            request_reference: asked.request_reference,
        };
        Ok(self.prepare_link_for(commit, &new, actor, Some(item.place)).await?.link_id)
    }
}

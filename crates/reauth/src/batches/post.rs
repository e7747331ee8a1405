//! Delivery `transaction`: an item's transaction gets its id before it is posted, in a commit of its own. Whatever happens
//! then, that id says what became of it.

use super::{
    judge::{Verdict, judge},
    pace,
    run::Went,
};
use crate::{
    Reauth,
    error::ReauthError,
    initiate::ForItem,
    request::{AuthenticationRequest, IfOpen},
    service::until_no_conflict,
};
use audit::Actor;
use jiff::Timestamp;
use model::{AuthenticationId, AuthenticationState, BatchId};
use queue::Lease;
use records::Commit;
use register::{Authentication, BatchRow, BatchState, BatchTerms, Item, ItemPlace, ItemReason, ItemState};
use tokio::task::JoinSet;

/// Items in hand at once: enough to keep the budget's lane busy while some of them are still on their way.
const IN_HAND: usize = 8;

/// How long is waited for a post of this process whose batch was laid down and taken up again meanwhile.
const STILL_POSTED: std::time::Duration = std::time::Duration::from_millis(500);

/// Items that one transaction serves at most: it holds a row of the store, and each of them hears its result.
const ITEMS_OF_ONE: usize = 32;

/// What became of an item that was in hand.
#[derive(Debug, Clone)]
struct Landed {
    number: u64,
    id: AuthenticationId,
    end: End,
}

#[derive(Debug, Clone)]
enum End {
    /// A transaction of its own.
    Initiated,
    /// Somebody's that was open already.
    Deduplicated(AuthenticationId),
    /// It does not go, or not now.
    Not(Verdict),
}

/// One commit of the loop.
struct Round {
    taken: Vec<(u64, AuthenticationId)>,
    terms: BatchTerms,
    actor: Actor,
    went: Went,
}

impl Reauth {
    /// Posts items until `end`, until there are none, or until something is in the way. What is in hand is waited for.
    pub(super) async fn post_items(
        &self,
        id: BatchId,
        lease: &Lease,
        end: Timestamp,
    ) -> Result<Went, ReauthError> {
        while !until_no_conflict!(self.take_stock(id, lease))? {
            if self.now() >= end || self.is_stopping() {
                return Ok(Went::Later(self.now()));
            }
            self.parts.clock.sleep(STILL_POSTED).await;
        }
        let mut flights: JoinSet<Landed> = JoinSet::new();
        let mut landed = Vec::new();
        let mut went = Went::On;
        loop {
            let room = if went == Went::On && self.now() < end && !self.is_stopping() {
                IN_HAND - flights.len()
            } else {
                0
            };
            let round = until_no_conflict!(self.round(id, lease, &landed, room))?;
            landed.clear();
            went = went.or(round.went);
            for (number, authentication) in round.taken {
                let flight = self.clone().fly_item(
                    ItemPlace { batch: id, number },
                    authentication,
                    round.terms.clone(),
                    round.actor.clone(),
                );
                flights.spawn_on(flight, &self.runtime);
            }
            let next = tokio::select! {
                next = flights.join_next() => next,
                // The pace allows another one before any has landed.
                () = self.sleep_until(went.next().unwrap_or(end)), if went.next().is_some() && !flights.is_empty() => {
                    went = Went::On;
                    continue;
                }
            };
            let Some(next) = next else { return Ok(went) };
            // A panic leaves the item in hand: the next stock-taking asks its row.
            landed.extend(next.ok());
            while let Some(next) = flights.try_join_next() {
                landed.extend(next.ok());
            }
        }
    }

    async fn sleep_until(&self, at: Timestamp) {
        self.parts.clock.sleep(crate::initiate::until(self.now(), at)).await;
    }

    /// What an earlier run had in hand: the rows of the transactions say what became of it.
    /// `false`: one of them is being posted by this very process.
    async fn take_stock(&self, id: BatchId, lease: &Lease) -> Result<bool, ReauthError> {
        let register = &self.parts.register;
        let Some(read) = register.batch(id).await? else { return Ok(true) };
        if read.value.in_hand.is_empty() {
            return Ok(true);
        }
        let mut landed = Vec::new();
        let mut posted = false;
        for number in &read.value.in_hand {
            let item = register.item(ItemPlace { batch: id, number: *number }).await?;
            let chosen = item.and_then(|item| item.row.authentication);
            // Nothing was chosen, or a purge came between.
            let again = || Landed {
                number: *number,
                id: AuthenticationId::from_bytes([0; 16]),
                end: End::Not(Verdict::Again),
            };
            let found = match chosen {
                Some(chosen) => self.found_again(*number, chosen).await?,
                None => Some(again()),
            };
            posted |= found.is_none();
            landed.extend(found);
        }
        let round = self.round(id, lease, &landed, 0).await?;
        debug_assert!(round.taken.is_empty());
        Ok(!posted)
    }

    /// What became of an item, as the row of its transaction says. `None`: it is being posted. What an earlier process was
    /// posting counts as unknown since the start.
    async fn found_again(&self, number: u64, id: AuthenticationId) -> Result<Option<Landed>, ReauthError> {
        use AuthenticationState as S;
        let over = |state, reason, jumio_status| End::Not(Verdict::Over { state, reason, jumio_status });
        let found = self.parts.register.authentication(id).await?;
        let end = match found.map(|found| (found.row.state, found.row.refused_status)) {
            // Never sent; or Jumio had too much to do, and has surely not created it.
            None | Some((S::Refused, None | Some(429))) => End::Not(Verdict::Again),
            Some((S::Refused, status)) => over(ItemState::Failed, ItemReason::JumioRefused, status),
            Some((S::Unknown, _)) => over(ItemState::Failed, ItemReason::OutcomeUnknown, None),
            Some((S::Initiating, _)) => return Ok(None),
            Some(_) => End::Initiated,
        };
        Ok(Some(Landed { number, id, end }))
    }

    /// One commit: what has landed, and what is taken in hand next.
    async fn round(
        &self,
        id: BatchId,
        lease: &Lease,
        landed: &[Landed],
        room: usize,
    ) -> Result<Round, ReauthError> {
        let (register, now) = (&self.parts.register, self.now());
        let read = register.batch(id).await?.ok_or(ReauthError::UnknownBatch)?;
        let mut row = read.value.clone();
        let actor = serde_json::from_value(row.actor.clone()).unwrap_or(Actor::System);
        let mut round = Round { taken: Vec::new(), terms: row.terms.clone(), actor, went: Went::On };
        let mut commit = register.records().commit();
        for one in landed {
            let went = self.land(&mut commit, &mut row, id, one).await?;
            round.went = round.went.or(went);
        }
        if row.state != BatchState::Running {
            round.went = round.went.or(Went::Over);
        }
        if round.went == Went::On && room > 0 {
            // What has just landed is written by this commit already.
            let landed: Vec<u64> = landed.iter().map(|one| one.number).collect();
            round.went = self.take(&mut commit, &mut row, id, room, &landed, &mut round.taken).await?;
        }
        if landed.is_empty() && round.taken.is_empty() {
            return Ok(round);
        }
        pace::taken(&mut row, now, round.taken.len());
        register.put_batch(&mut commit, id, Some(&read), &row);
        lease.hold(&mut commit).await?;
        commit.submit().await?;
        Ok(round)
    }

    /// Takes the next items in hand.
    async fn take(
        &self,
        commit: &mut Commit,
        row: &mut BatchRow,
        id: BatchId,
        room: usize,
        landed: &[u64],
        taken: &mut Vec<(u64, AuthenticationId)>,
    ) -> Result<Went, ReauthError> {
        let register = &self.parts.register;
        let count = match pace::allowed(row, self.now(), room) {
            Ok(count) => count,
            Err(next) => return Ok(Went::Later(next)),
        };
        // What is in hand is queued still, and stands among the first.
        let most = count + row.in_hand.len() + landed.len();
        let waiting = register.items(id, Some(ItemState::Queued), None, most).await?;
        let is_free = |number| !row.in_hand.contains(&number) && !landed.contains(&number);
        let free = waiting.into_iter().filter(|item| is_free(item.place.number));
        let free: Vec<Item> = free.take(count).collect();
        if free.is_empty() {
            return Ok(if landed.is_empty() { Went::Over } else { Went::On });
        }
        for mut item in free {
            let chosen = AuthenticationId::random(&*self.parts.rng);
            item.row.authentication = Some(chosen);
            register.update_item(commit, &item);
            row.in_hand.push(item.place.number);
            taken.push((item.place.number, chosen));
        }
        Ok(Went::On)
    }

    /// Writes down what became of an item that was in hand.
    async fn land(
        &self,
        commit: &mut Commit,
        row: &mut BatchRow,
        id: BatchId,
        landed: &Landed,
    ) -> Result<Went, ReauthError> {
        let (register, now) = (&self.parts.register, self.now());
        row.in_hand.retain(|number| *number != landed.number);
        let place = ItemPlace { batch: id, number: landed.number };
        let Some(mut item) = register.item(place).await? else { return Ok(Went::On) };
        if item.row.state != ItemState::Queued {
            return Ok(Went::On);
        }
        let mut went = Went::On;
        item.row.at = now;
        match &landed.end {
            // A purge has taken away whatever there was.
            _ if item.row.enrollment.is_none() => {
                item.row.stop(ItemState::Skipped, Some(ItemReason::Purged), now);
            }
            End::Initiated => {
                item.row.state = ItemState::Initiated;
                self.show_outcome(&mut item, landed.id).await?;
            }
            End::Deduplicated(open) => {
                item.row.state = ItemState::Deduplicated;
                item.row.authentication = Some(*open);
                self.join(commit, &mut item, *open).await?;
            }
            End::Not(Verdict::Over { state, reason, jumio_status }) => {
                item.row.stop(*state, Some(*reason), now);
                item.row.jumio_status = *jumio_status;
                if *reason != ItemReason::OutcomeUnknown {
                    item.row.authentication = None;
                }
            }
            End::Not(Verdict::Trouble { code, wait }) => {
                item.row.authentication = None;
                went = self.in_trouble(row, code, *wait);
            }
            End::Not(Verdict::Again | Verdict::AskTheRow) => item.row.authentication = None,
        }
        if item.row.state != ItemState::Queued {
            pace::progressed(row, now, 1);
        }
        row.counts.take(item.before());
        row.counts.add(&item.row);
        register.update_item(commit, &item);
        Ok(went)
    }

    /// The outcome so far. A change that comes a moment later is marked, and seen by the next look.
    async fn show_outcome(&self, item: &mut Item, id: AuthenticationId) -> Result<(), ReauthError> {
        let found = self.parts.register.authentication(id).await?;
        item.row.authentication = Some(id);
        super::tally::show(&mut item.row, found.as_ref());
        Ok(())
    }

    /// The item is that transaction's from now on: its result is the item's too.
    async fn join(
        &self,
        commit: &mut Commit,
        item: &mut Item,
        id: AuthenticationId,
    ) -> Result<(), ReauthError> {
        let found: Option<Authentication> = self.parts.register.authentication(id).await?;
        super::tally::show(&mut item.row, found.as_ref());
        let Some(mut found) = found else { return Ok(()) };
        if found.row.items.contains(&item.place) {
            return Ok(());
        }
        if found.row.items.len() >= ITEMS_OF_ONE {
            // Nobody follows it for this item; it says what was known.
            item.row.settled = true;
            return Ok(());
        }
        found.row.items.push(item.place);
        Ok(self.parts.register.update_authentication(commit, &found).await?)
    }

    /// Asks for one item, and says what came of it.
    async fn fly_item(
        self,
        place: ItemPlace,
        id: AuthenticationId,
        terms: BatchTerms,
        actor: Actor,
    ) -> Landed {
        let end = match self.try_item(place, id, &terms, actor).await {
            Ok(end) => end,
            Err(error) => End::Not(self.verdict_of(id, &error).await),
        };
        Landed { number: place.number, id, end }
    }

    async fn try_item(
        &self,
        place: ItemPlace,
        id: AuthenticationId,
        terms: &BatchTerms,
        actor: Actor,
    ) -> Result<End, ReauthError> {
        let skipped =
            |reason| End::Not(Verdict::Over { state: ItemState::Skipped, reason, jumio_status: None });
        let Some(item) = self.parts.register.item(place).await? else {
            return Ok(skipped(ItemReason::Purged));
        };
        let asked = match self.asked(&item, terms).await? {
            Ok(asked) => asked,
            Err(reason) => return Ok(skipped(reason)),
        };
        let request = AuthenticationRequest {
            journey: self.journey_of(terms, asked.locale)?,
            user_reference: asked.user,
            enrollment: asked.enrollment,
            request_reference: asked.request_reference,
            // Whoever has a transaction open needs no other one.
            if_open: IfOpen::Reuse,
            batch: true,
            link: None,
        };
        let answer = self.initiate_for(request, actor, Some(ForItem { id, place })).await?;
        let is = answer.authentication.authentication_id;
        Ok(if is == id { End::Initiated } else { End::Deduplicated(is) })
    }

    /// What an error means. Whether an unknown outcome is this item's own, or somebody else's that must settle first, the
    /// row of its transaction says.
    async fn verdict_of(&self, id: AuthenticationId, error: &ReauthError) -> Verdict {
        match judge(error) {
            Verdict::AskTheRow => match self.parts.register.authentication(id).await {
                Ok(None) => Verdict::Over {
                    state: ItemState::Skipped,
                    reason: ItemReason::Unsettled,
                    jumio_status: None,
                },
                _ => Verdict::Over {
                    state: ItemState::Failed,
                    reason: ItemReason::OutcomeUnknown,
                    jumio_status: None,
                },
            },
            verdict => verdict,
        }
    }
}

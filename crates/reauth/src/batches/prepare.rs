//! Writing a batch's items down: page by page, so that it needs no more memory for many than for few; seen by nobody
//! until all of them are there.

use super::{
    control::note,
    order::{MOST_ITEMS, NewItem, Who, too_many},
    person::Standing,
};
use crate::{Reauth, error::ReauthError, service::until_no_conflict};
use audit::Actor;
use jumio::Violations;
use model::BatchId;
use queue::{JobKey, Kind};
use records::{Record, RecordsError};
use register::{
    BatchRow, BatchSource, BatchState, BatchTerms, Counts, EnrollmentRow, ItemPlace, ItemPrivate, ItemReason,
    ItemRow,
};
use seal::Pseudonym;
use serde::Serialize;
use serde_json::Value;
use std::{
    collections::{HashSet, VecDeque},
    fmt,
};
use tokio::task::JoinHandle;

/// Items that become durable together. With their indexes they stay well below what the store takes in one group.
const PAGE: usize = 256;
/// Pages that are looked up and written at the same time: as many as there are hands.
const PAGES_AT_ONCE: usize = 2;
/// Enrollments that a filter looks at together.
const FILTER_PAGE: usize = 512;
/// Numbers of unknown and repeated ones that are named in the answer; all of them are among the items.
const NAMED: usize = 100;

/// What was counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counted {
    /// Items to go through: everybody who is known, once.
    pub total: u64,
    /// References of which nothing is known.
    pub unknown: u64,
    /// Repetitions.
    pub repeated: u64,
    /// Of `total`: can be re-authenticated now.
    pub ready: u64,
    /// Of `total`: on its way, not usable yet.
    pub not_ready: u64,
    /// Of `total`: waits for the company's release.
    pub awaiting_release: u64,
    /// Of `total`: will never be usable.
    pub not_eligible: u64,
    /// Of `total`: another enrollment took its place.
    pub replaced: u64,
    /// Of `total`: destroyed.
    pub purged: u64,
    /// Of `total`: does not open. Run `facemap-vault verify`.
    pub damaged: u64,
    /// Of `ready`: under a legal hold, which keeps nobody from being re-authenticated.
    pub held: u64,
    /// The first hundred places or lines of unknown ones.
    pub unknown_at: Vec<u64>,
    /// The first hundred places or lines of repetitions.
    pub repeated_at: Vec<u64>,
}

/// A batch that was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Accepted {
    /// Its id; none for a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_id: Option<BatchId>,
    /// Whether nothing was begun.
    pub dry_run: bool,
    /// What was counted.
    #[serde(flatten)]
    pub counted: Counted,
}

/// One page, done.
#[derive(Default)]
struct Done {
    counted: Counted,
    counts: Counts,
}

/// A batch that is being written. Dropped before its end, it is removed.
pub struct Preparation {
    reauth: Reauth,
    id: BatchId,
    actor: Actor,
    source: BatchSource,
    terms: BatchTerms,
    dry_run: bool,
    /// Its row, once there is one.
    read: Option<Record<BatchRow>>,
    page: Vec<(u64, NewItem)>,
    /// Half of the pseudonyms that were seen: enough to tell them apart.
    seen: HashSet<[u8; 16]>,
    items: u64,
    pages: VecDeque<JoinHandle<Result<Done, ReauthError>>>,
    done: Done,
    is_over: bool,
}

impl Reauth {
    /// Begins to write a batch down.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn prepare_batch(
        &self,
        source: BatchSource,
        terms: BatchTerms,
        dry_run: bool,
        actor: Actor,
    ) -> Result<Preparation, ReauthError> {
        let id = BatchId::random(&*self.parts.rng);
        let mut preparation = Preparation {
            reauth: self.clone(),
            id,
            actor,
            source,
            terms,
            dry_run,
            read: None,
            page: Vec::with_capacity(PAGE),
            seen: HashSet::new(),
            items: 0,
            pages: VecDeque::new(),
            done: Done::default(),
            is_over: false,
        };
        if !dry_run {
            let register = &self.parts.register;
            let mut commit = register.records().commit();
            register.put_batch(&mut commit, id, None, &preparation.row()?);
            commit.submit().await?;
            preparation.read = register.batch(id).await?;
        }
        Ok(preparation)
    }

    /// Removes what an earlier process did not write to its end. How many batches.
    ///
    /// # Errors
    /// When a record cannot be read or removed.
    pub async fn remove_unprepared(&self) -> Result<usize, ReauthError> {
        const BATCHES: usize = 100;
        let (mut removed, mut after) = (0, None);
        loop {
            let page = self.parts.register.batches(after, BATCHES).await?;
            for (id, read) in &page {
                if read.value.state == BatchState::Preparing {
                    self.remove_batch(*id).await?;
                    removed += 1;
                }
            }
            after = page.last().map(|(id, _)| *id);
            if page.len() < BATCHES {
                return Ok(removed);
            }
        }
    }

    /// Takes a batch that was never begun out of the tables, its row last.
    async fn remove_batch(&self, id: BatchId) -> Result<(), ReauthError> {
        while until_no_conflict!(self.remove_page(id))? {}
        Ok(())
    }

    /// Whether there is more.
    async fn remove_page(&self, id: BatchId) -> Result<bool, ReauthError> {
        let register = &self.parts.register;
        let Some(read) = register.batch(id).await? else { return Ok(false) };
        let mut commit = register.records().commit();
        let removed = register.remove_items(&mut commit, id, PAGE).await?;
        if removed == 0 {
            register.remove_batch(&mut commit, id, &read);
        }
        commit.submit().await?;
        Ok(removed > 0)
    }

    /// Looks a page up, and writes it unless it is only counted.
    async fn write_page(
        self,
        id: BatchId,
        page: Vec<(u64, NewItem, bool)>,
        writes: bool,
    ) -> Result<Done, ReauthError> {
        let register = &self.parts.register;
        let mut commit = register.records().commit();
        let mut done = Done::default();
        for (number, item, repeated) in page {
            let place = ItemPlace { batch: id, number };
            let row = self.new_row(place, &item, repeated, &mut done.counted).await?;
            if writes {
                register.insert_item(&mut commit, place, &row);
                done.counts.add(&row);
            }
        }
        if writes {
            commit.submit().await?;
        }
        Ok(done)
    }

    async fn new_row(
        &self,
        place: ItemPlace,
        item: &NewItem,
        repeated: bool,
        counted: &mut Counted,
    ) -> Result<ItemRow, ReauthError> {
        let now = self.now();
        if repeated {
            counted.repeat(place.number);
            return Ok(ItemRow::skipped(now, ItemReason::Repeated));
        }
        let standing = self.standing(&item.who).await?;
        let (key, row) = match standing {
            Standing::Unknown => {
                counted.miss(place.number);
                return Ok(ItemRow::skipped(now, ItemReason::Unknown));
            }
            Standing::Damaged => {
                (counted.total, counted.damaged) = (counted.total + 1, counted.damaged + 1);
                return Ok(ItemRow::skipped(now, ItemReason::Damaged));
            }
            Standing::Found(key, row) => (key, row),
        };
        counted.count(&row);
        if Standing::is_purged(&row) {
            return Ok(ItemRow::skipped(now, ItemReason::Purged));
        }
        let mut queued = ItemRow::queued(now, key, matches!(item.who, Who::User(_)));
        if item.locale.is_some() || item.request_reference.is_some() {
            let private = ItemPrivate {
                place,
                locale: item.locale.clone(),
                request_reference: item.request_reference.clone(),
            };
            self.parts.register.seal_item(&mut queued, row.slot, &private).await?;
        }
        Ok(queued)
    }
}

impl Counted {
    fn repeat(&mut self, number: u64) {
        self.repeated += 1;
        self.repeated_at.push(number);
    }

    fn miss(&mut self, number: u64) {
        self.unknown += 1;
        self.unknown_at.push(number);
    }

    fn count(&mut self, row: &EnrollmentRow) {
        use model::EnrollmentState as S;
        self.total += 1;
        let count = match row.state {
            S::Ready if row.replaced_by.is_some() => &mut self.replaced,
            S::Ready => {
                self.held += u64::from(row.hold);
                &mut self.ready
            }
            S::Vaulted if row.released_at.is_none() => &mut self.awaiting_release,
            S::AwaitingUser | S::Received | S::Confirming | S::Fetching | S::Vaulted => &mut self.not_ready,
            S::Abandoned | S::Ineligible | S::Failed | S::Foreign => &mut self.not_eligible,
            S::Purging | S::Purged => &mut self.purged,
        };
        *count += 1;
    }

    fn join(&mut self, other: Self) {
        self.total += other.total;
        self.unknown += other.unknown;
        self.repeated += other.repeated;
        self.ready += other.ready;
        self.not_ready += other.not_ready;
        self.awaiting_release += other.awaiting_release;
        self.not_eligible += other.not_eligible;
        self.replaced += other.replaced;
        self.purged += other.purged;
        self.damaged += other.damaged;
        self.held += other.held;
        self.unknown_at.extend(other.unknown_at);
        self.unknown_at.truncate(NAMED);
        self.repeated_at.extend(other.repeated_at);
        self.repeated_at.truncate(NAMED);
    }
}

impl Preparation {
    fn row(&self) -> Result<BatchRow, ReauthError> {
        let now = self.reauth.now();
        Ok(BatchRow {
            state: BatchState::Preparing,
            since: now,
            created_at: now,
            source: self.source,
            terms: self.terms.clone(),
            actor: serde_json::to_value(&self.actor)
                .map_err(|_| RecordsError::Encoding { table: "batches" })?,
            total: self.done.counted.total,
            unknown: self.done.counted.unknown,
            repeated: self.done.counted.repeated,
            counts: self.done.counts.clone(),
            in_hand: Vec::new(),
            next_at: None,
            lately: Vec::new(),
            progress_at: None,
            changed_at: None,
            trouble: None,
            cancelled_to: None,
            completed_at: None,
        })
    }

    /// One more item. Its number is its place in the list, or its line in the file.
    ///
    /// # Errors
    /// [`ReauthError::Invalid`] for the first one too many; others when the store cannot be read or written. The batch
    /// is over then.
    pub async fn add(&mut self, number: u64, item: NewItem) -> Result<(), ReauthError> {
        self.items += 1;
        if self.items > MOST_ITEMS {
            let mut violations = Violations::none();
            violations.add("", too_many());
            return Err(ReauthError::Invalid(violations));
        }
        self.page.push((number, item));
        if self.page.len() == PAGE { self.turn_page().await } else { Ok(()) }
    }

    /// Everybody whom the filter lets through.
    ///
    /// # Errors
    /// As [`Preparation::add`].
    pub async fn add_filtered(&mut self, filter: super::BatchFilter) -> Result<(), ReauthError> {
        let (mut after, mut number) = (None, 0);
        loop {
            let page = self.reauth.parts.register.rows(after, FILTER_PAGE).await?;
            for (key, row) in &page {
                if !passes(filter, row) {
                    continue;
                }
                // The person behind a row is opened only where the filter lets it through.
                if let Some(reference) = self.reauth.reference_of(*key).await? {
                    number += 1;
                    self.add(number, Who::Enrollment(reference).into()).await?;
                }
            }
            after = page.last().map(|(key, _)| *key);
            if page.len() < FILTER_PAGE {
                return Ok(());
            }
        }
    }

    async fn turn_page(&mut self) -> Result<(), ReauthError> {
        let page = std::mem::replace(&mut self.page, Vec::with_capacity(PAGE));
        let records = self.reauth.parts.register.records();
        let mut marked = Vec::with_capacity(page.len());
        for (number, item) in page {
            let pseudonym = match &item.who {
                Who::Enrollment(reference) => records.enrollment_key(reference).0,
                Who::User(user) => records.user_key(user).0,
            };
            let repeated = !self.seen.insert(half(&pseudonym));
            marked.push((number, item, repeated));
        }
        while self.pages.len() >= PAGES_AT_ONCE {
            self.wait_for_page().await?;
        }
        let writing = self.reauth.clone().write_page(self.id, marked, !self.dry_run);
        self.pages.push_back(self.reauth.runtime.spawn(writing));
        Ok(())
    }

    async fn wait_for_page(&mut self) -> Result<(), ReauthError> {
        let Some(page) = self.pages.front_mut() else { return Ok(()) };
        let done = page.await.unwrap_or(Err(ReauthError::Stopping));
        drop(self.pages.pop_front());
        let Done { counted, counts } = done?;
        self.done.counted.join(counted);
        self.done.counts.join(&counts);
        Ok(())
    }

    /// All of them are there: the batch begins.
    ///
    /// # Errors
    /// [`ReauthError::TotalDiffers`]; others when the store cannot be written. Nothing was begun.
    pub async fn finish(mut self, expect_total: Option<u64>) -> Result<Accepted, ReauthError> {
        if !self.page.is_empty() {
            self.turn_page().await?;
        }
        while !self.pages.is_empty() {
            self.wait_for_page().await?;
        }
        self.seen = HashSet::new();
        let is = self.done.counted.total;
        if let Some(expected) = expect_total.filter(|expected| *expected != is) {
            return Err(ReauthError::TotalDiffers { expected, is });
        }
        if !self.dry_run {
            self.begin().await?;
        }
        self.is_over = true;
        let batch_id = (!self.dry_run).then_some(self.id);
        Ok(Accepted { batch_id, dry_run: self.dry_run, counted: std::mem::take(&mut self.done.counted) })
    }

    async fn begin(&mut self) -> Result<(), ReauthError> {
        let parts = &self.reauth.parts;
        let mut row = self.row()?;
        row.enter(BatchState::Running, self.reauth.now());
        let mut commit = parts.register.records().commit();
        parts.register.put_batch(&mut commit, self.id, self.read.as_ref(), &row);
        let job = JobKey::new(Kind::Batch, &self.id);
        parts.queue.schedule(&mut commit, &job, self.reauth.now(), Value::Null).await?;
        let note = note(self.id, "ordered", self.actor.clone()).with("total", row.total);
        let note = note.with("delivery", row.terms.delivery).with("source", row.source);
        parts.audit.note(&mut commit, note);
        commit.submit().await?;
        Ok(())
    }
}

/// Whether a filter lets an enrollment through: usable now, and old enough.
fn passes(filter: super::BatchFilter, row: &EnrollmentRow) -> bool {
    let usable = row.state == model::EnrollmentState::Ready && row.replaced_by.is_none();
    let vaulted = row.vaulted_at.unwrap_or(row.created_at);
    let used = row.last_used_at.unwrap_or(vaulted);
    usable
        && filter.vaulted_before.is_none_or(|time| vaulted < time)
        && filter.last_authenticated_before.is_none_or(|time| used < time)
}

fn half(pseudonym: &Pseudonym) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&pseudonym.as_bytes()[..16]);
    half
}

impl Drop for Preparation {
    fn drop(&mut self) {
        if self.is_over || self.dry_run {
            self.pages.iter().for_each(JoinHandle::abort);
            return;
        }
        let (reauth, id) = (self.reauth.clone(), self.id);
        let pages = std::mem::take(&mut self.pages);
        self.reauth.runtime.spawn(async move {
            // What is being written must not come after the removal.
            for page in pages {
                drop(page.await);
            }
            if let Err(error) = reauth.remove_batch(id).await {
                tracing::warn!(batch = %id, %error, "a batch that was not begun is removed at the next start");
            }
        });
    }
}

impl fmt::Debug for Preparation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Preparation").field("id", &self.id).finish_non_exhaustive()
    }
}

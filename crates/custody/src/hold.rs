//! Legal holds: while one is in force nothing destroys the person's data. Re-authentication goes on.
//!
//! The enrollment's row decides, in one commit: a purge that begins at the same moment changes the same row, so one of the
//! two conflicts and sees what the other did. The slot's own mark, for which a rebuild looks, follows the row when a hold
//! is set, and goes before it when one ends. So a slot is marked only while the row says so, a crash in between leaves
//! the row in charge, and [`Custody::mark_held_slots`] puts the mark right after it. Where a commit's end was not known a
//! mark may be left without its row: a release takes it off, and so do the start and the housekeeping.
//!
//! An import may move the row to another slot at any moment, and burns the one before. It marks its own slot as the row
//! says that its commit is conditional on; so whoever finds a slot burnt here reads the row again.

use crate::{CaseReference, Custody, CustodyError};
use audit::{Action, Actor, Begin, Details, Note, Outcome};
use model::{EnrollmentRef, EnrollmentState, Timestamp};
use records::{EnrollmentKey, Index, Key as _, Record, RecordsError, Table, tables};
use register::{Enrollment, EnrollmentFilter};
use serde::{Deserialize, Serialize};
use store::Range;
use vault::VaultError;

/// Their keys alone: counting opens none.
static HELD: Index<(EnrollmentKey,)> = Index::new(tables::HOLDS);
pub(crate) static HOLDS: Table<(EnrollmentKey,), HoldRow> = Table::new(tables::HOLDS, "holds");

/// Tries while others change the same row.
const TRIES: u32 = 16;
/// Holds looked at in one page.
const PAGE: usize = 256;

/// A hold as it rests. A rebuild brings the row's own mark back without it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HoldRow {
    case_reference: CaseReference,
    pub(crate) until: Option<Timestamp>,
    set_at: Timestamp,
    by: Actor,
}

/// A hold that somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldOrder {
    /// The company's number of the case.
    pub case_reference: CaseReference,
    /// When it ends by itself; `None`: when somebody releases it.
    pub until: Option<Timestamp>,
    /// By whom.
    pub actor: Actor,
}

/// A hold as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HoldView {
    /// The company's number of the case. `None` after a rebuild: the mark came back, its story did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub case_reference: Option<CaseReference>,
    /// When it ends by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// When it was set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_at: Option<Timestamp>,
}

impl HoldView {
    const UNTOLD: Self = Self { case_reference: None, until: None, set_at: None };

    fn of(row: HoldRow) -> Self {
        Self { case_reference: Some(row.case_reference), until: row.until, set_at: Some(row.set_at) }
    }
}

impl Custody {
    /// Holds an enrollment, or changes the hold that is on it. In force, in the row and on the slot, once this answers.
    ///
    /// # Errors
    /// [`CustodyError::UnknownEnrollment`], [`CustodyError::Purged`], [`CustodyError::HoldUntilPast`],
    /// [`CustodyError::Audit`]: nothing was changed.
    pub async fn hold(&self, reference: &EnrollmentRef, order: HoldOrder) -> Result<HoldView, CustodyError> {
        if order.until.is_some_and(|until| until <= self.now()) {
            return Err(CustodyError::HoldUntilPast);
        }
        let _one_at_a_time = self.watch.holds.lock().await;
        let found = self.to_hold(reference).await?;
        let key = found.key;
        let mut begin = Begin::about(Action::HoldSet, key.0, order.actor.clone())
            .of_user(found.row.user.map(|user| user.0))
            .with("case", &order.case_reference);
        if let Some(until) = order.until {
            begin = begin.with("until", until);
        }
        let stroke = self.parts.audit.begin(begin).await?;
        let row = HoldRow {
            case_reference: order.case_reference,
            until: order.until,
            set_at: self.now(),
            by: order.actor,
        };
        let mut found = Ok(found);
        for _ in 0..TRIES {
            let done = match found {
                Ok(found) => self.commit_hold(found, &row, &stroke).await,
                Err(error) => Err(error),
            };
            match done {
                Err(error) if error.is_conflict() || error.is_moved() => {
                    found = self.to_hold(reference).await;
                }
                Ok(key) => {
                    // From here on nothing destroys it; the mark is for a rebuild.
                    self.mark_as_row(key).await?;
                    return Ok(HoldView::of(row));
                }
                Err(error) => {
                    let outcome = match &error {
                        CustodyError::Purged | CustodyError::UnknownEnrollment => Outcome::Refused,
                        _ => Outcome::Failed,
                    };
                    self.parts.audit.finish_alone(&stroke, outcome, Details::new()).await?;
                    return Err(error);
                }
            }
        }
        self.parts.audit.finish_alone(&stroke, Outcome::Failed, Details::new()).await?;
        Err(CustodyError::Busy)
    }

    /// Ends a hold. Where there is none nothing happens.
    ///
    /// # Errors
    /// [`CustodyError::UnknownEnrollment`], [`CustodyError::Purged`], [`CustodyError::Audit`]: nothing was changed.
    pub async fn release_hold(&self, reference: &EnrollmentRef, actor: Actor) -> Result<(), CustodyError> {
        let _one_at_a_time = self.watch.holds.lock().await;
        let found = self.to_hold(reference).await?;
        self.end_hold(found.key, &actor, "released").await
    }

    /// The hold on an enrollment, if there is one.
    ///
    /// # Errors
    /// When a record cannot be read.
    pub async fn hold_on(&self, enrollment: &Enrollment) -> Result<Option<HoldView>, CustodyError> {
        if !enrollment.row.hold {
            return Ok(None);
        }
        let row = HOLDS.get(self.records(), &(enrollment.key,)).await?;
        Ok(Some(row.map_or(HoldView::UNTOLD, |read| HoldView::of(read.value))))
    }

    /// How many enrollments are held, counted up to `at_most`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn count_holds(&self, at_most: usize) -> Result<usize, CustodyError> {
        Ok(HELD.keys(self.records(), Vec::new(), None, at_most).await?.len())
    }

    async fn to_hold(&self, reference: &EnrollmentRef) -> Result<Enrollment, CustodyError> {
        for _ in 0..TRIES {
            let found = match self.parts.register.enrollment(reference).await.map_err(CustodyError::from) {
                Err(error) if error.is_moved() => continue,
                found => found?.ok_or(CustodyError::UnknownEnrollment)?,
            };
            return if is_gone(found.row.state) { Err(CustodyError::Purged) } else { Ok(found) };
        }
        Err(CustodyError::Busy)
    }

    async fn commit_hold(
        &self,
        mut found: Enrollment,
        row: &HoldRow,
        stroke: &audit::Stroke,
    ) -> Result<EnrollmentKey, CustodyError> {
        let read = self.hold_row(found.key).await?;
        found.row.hold = true;
        let mut commit = self.records().commit();
        commit.upsert(&HOLDS, &(found.key,), read.as_ref(), row);
        self.parts.register.update_enrollment(&mut commit, &found).await?;
        self.parts.audit.finish(&mut commit, stroke, Outcome::Done);
        commit.submit().await?;
        Ok(found.key)
    }

    /// Ends the hold on an enrollment; the caller has the lock.
    pub(crate) async fn end_hold(
        &self,
        key: EnrollmentKey,
        actor: &Actor,
        why: &'static str,
    ) -> Result<(), CustodyError> {
        for _ in 0..TRIES {
            let read = self.hold_row(key).await?;
            let mut found = match self.parts.register.enrollment_by_key(key).await.map_err(CustodyError::from)
            {
                Err(error) if error.is_moved() => continue,
                found => found?.ok_or(CustodyError::UnknownEnrollment)?,
            };
            if read.is_none() && !found.row.hold {
                return self.end_mark(key, actor).await;
            }
            if is_gone(found.row.state) {
                return Err(CustodyError::Purged);
            }
            // The mark first: a slot that is marked without its row would keep a later purge from ending.
            match self.parts.vault.set_hold(found.row.slot, false).await {
                Err(VaultError::Burnt | VaultError::NoSuchSlot) => continue,
                done => done?,
            }
            found.row.hold = false;
            let mut note = Note::about(Action::HoldReleased, key.0, actor.clone()).with("why", why);
            note = note.of_user(found.row.user.map(|user| user.0));
            let mut commit = self.records().commit();
            if let Some(read) = &read {
                note = note.with("case", &read.value.case_reference);
                commit.remove(&HOLDS, &(key,), read);
            }
            self.parts.register.update_enrollment(&mut commit, &found).await?;
            self.parts.audit.note(&mut commit, note);
            match commit.submit().await {
                Err(error) if error.is_conflict() => {}
                Ok(()) => return Ok(()),
                Err(error) => {
                    // The row says that it is held, so the mark must say so too.
                    self.parts.vault.set_hold(found.row.slot, true).await?;
                    return Err(error.into());
                }
            }
        }
        self.mark_as_row(key).await?;
        Err(CustodyError::Busy)
    }

    /// Takes off a mark that no hold stands behind, so that whoever is not held can be purged.
    async fn end_mark(&self, key: EnrollmentKey, actor: &Actor) -> Result<(), CustodyError> {
        let Some(row) = self.parts.register.enrollment_row(key).await? else { return Ok(()) };
        if is_gone(row.state) || !self.view_put_right(row.slot).await?.is_some_and(|view| view.hold) {
            return Ok(());
        }
        self.tell_of_mark(key, &row, actor).await?;
        self.mark_as_row(key).await
    }

    /// Makes the mark of the slot that the row names what the row says. An import that comes in between marks its own.
    async fn mark_as_row(&self, key: EnrollmentKey) -> Result<(), CustodyError> {
        for _ in 0..TRIES {
            let row = self.parts.register.enrollment_row(key).await?;
            let Some(row) = row.filter(|row| !is_gone(row.state)) else { return Ok(()) };
            match self.parts.vault.set_hold(row.slot, row.hold).await {
                Err(VaultError::Burnt | VaultError::NoSuchSlot) => {}
                done => return Ok(done?),
            }
        }
        Err(CustodyError::Busy)
    }

    pub(crate) async fn hold_row(&self, key: EnrollmentKey) -> Result<Option<Record<HoldRow>>, CustodyError> {
        Ok(HOLDS.get(self.records(), &(key,)).await?)
    }

    /// Marks the slots of all that are held, where a crash has left one without. Returns how many it were.
    ///
    /// # Errors
    /// When a record or a slot cannot be read or written.
    pub(crate) async fn mark_held_slots(&self) -> Result<u32, CustodyError> {
        let mut marked = 0;
        for key in self.held_keys().await? {
            let _one_at_a_time = self.watch.holds.lock().await;
            let row = match self.parts.register.enrollment_row(key).await {
                Ok(row) => row,
                Err(error) if error.is_damage() => {
                    tracing::error!(enrollment = %key.0, %error, "the enrollment of a hold does not open");
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let Some(row) = row.filter(|row| row.hold && !is_gone(row.state)) else { continue };
            match self.view_put_right(row.slot).await? {
                Some(view) if !view.hold => {
                    self.mark_as_row(key).await?;
                    marked += 1;
                }
                Some(_) => {}
                // The row is in charge: nothing destroys it, and everybody else's marks are put right all the same.
                None => tracing::error!(enrollment = %key.0, "the slot of a hold is damaged"),
            }
        }
        Ok(marked)
    }

    /// Ends the holds whose time is over. Returns how many it were.
    ///
    /// # Errors
    /// When a record or a slot cannot be read or written.
    pub(crate) async fn end_holds(&self, now: Timestamp) -> Result<u32, CustodyError> {
        let mut ended = 0;
        for key in self.held_keys().await? {
            let _one_at_a_time = self.watch.holds.lock().await;
            let row = match self.hold_row(key).await {
                Ok(row) => row,
                Err(CustodyError::Records(RecordsError::Damaged { .. })) => continue,
                Err(error) => return Err(error),
            };
            if row.is_some_and(|row| row.value.until.is_some_and(|until| until <= now)) {
                match self.end_hold(key, &Actor::System, "until").await {
                    Ok(()) => ended += 1,
                    // One that does not open keeps nobody else held.
                    Err(error) => {
                        tracing::error!(enrollment = %key.0, %error, "a hold whose time is over could not be ended");
                    }
                }
            }
        }
        Ok(ended)
    }

    /// Everybody who has a hold of which more is known than the mark. There are few.
    async fn held_keys(&self) -> Result<Vec<EnrollmentKey>, CustodyError> {
        let (mut keys, mut after) = (Vec::new(), None);
        loop {
            let range = Range { after, ..Range::default() };
            let rows = self.records().store().scan(tables::HOLDS, &range, PAGE).await;
            let rows = rows.map_err(RecordsError::from)?;
            let Some(last) = rows.last() else { return Ok(keys) };
            after = Some(last.key.to_vec());
            keys.extend(rows.iter().filter_map(|row| <(EnrollmentKey,)>::decode(&row.key)).map(|(key,)| key));
        }
    }

    /// An enrollment with a facemap whose reference can be asked about at Jumio, whoever it is.
    pub(crate) async fn anybody(&self) -> Result<Option<EnrollmentRef>, CustodyError> {
        for state in [EnrollmentState::Ready, EnrollmentState::Vaulted] {
            let filter = EnrollmentFilter { state: Some(state), ..EnrollmentFilter::default() };
            let found = self.parts.register.enrollments(&filter, 1).await?;
            if let Some(person) = found.into_iter().next().and_then(|found| found.private) {
                return Ok(Some(person.reference));
            }
        }
        Ok(None)
    }
}

/// Whether there is nothing left to hold.
pub(crate) const fn is_gone(state: EnrollmentState) -> bool {
    matches!(state, EnrollmentState::Purging | EnrollmentState::Purged)
}

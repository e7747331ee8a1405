//! Rows of the new store.

use super::{
    RebuildParts, RebuildStep, Rebuilt,
    people::{self, Currents, Person},
    plan::{Kept, Plan, Trouble},
};
use crate::{
    RepairError,
    progress::{Progress, Stage},
};
use model::{EnrollmentRef, EnrollmentState, Timestamp};
use records::{EnrollmentKey, RecordsError};
use register::{Register, UserRow, inspect};
use std::collections::{HashMap, HashSet};
use vault::SlotView;

/// Enrollments in one commit.
const GROUP: usize = 64;

/// The writing of a new store.
pub(crate) struct Writing<'a> {
    pub(super) parts: &'a RebuildParts,
    pub(super) register: &'a Register,
    pub(super) now: Timestamp,
    pub(super) done: Rebuilt,
    /// Enrollments that have a row in the new store, and are not gone.
    pub(super) alive: HashSet<EnrollmentKey>,
    /// Enrollments whose purge is under way.
    pub(super) purging: HashSet<EnrollmentKey>,
    pub(super) tombstones: HashSet<EnrollmentKey>,
}

impl<'a> Writing<'a> {
    pub(super) fn new(parts: &'a RebuildParts, register: &'a Register, now: Timestamp) -> Self {
        let done = Rebuilt::default();
        let (alive, purging, tombstones) = (HashSet::new(), HashSet::new(), HashSet::new());
        Self { parts, register, now, done, alive, purging, tombstones }
    }

    /// Everybody: facemaps, users, tombstones, and what a backup knows beyond.
    pub(super) async fn people(
        &mut self,
        plan: &Plan,
        progress: &dyn Progress,
        at: &(impl Fn(RebuildStep) -> Result<(), RepairError> + Send + Sync),
    ) -> Result<(), RepairError> {
        let currents = self.currents(&plan.kept).await?;
        let references: HashMap<EnrollmentKey, EnrollmentRef> = plan
            .kept
            .iter()
            .map(|kept| (self.parts.records.enrollment_key(&kept.found.reference), kept.found.reference))
            .collect();
        for (page, group) in plan.kept.chunks(GROUP).enumerate() {
            self.facemaps(group, &currents, &references).await?;
            progress.at(Stage::Writing, (page * GROUP + group.len()) as u64, Some(plan.kept.len() as u64));
            at(RebuildStep::Written)?;
        }
        self.burnt(plan).await?;
        if let Some(backup) = self.parts.backup.clone() {
            self.take_from_backup(&backup, plan).await?;
        }
        self.users(&currents).await
    }

    /// The person that a whole facemap stands for; `None` when a backup says that the purge is under way.
    async fn person(&self, kept: &Kept) -> Result<Option<Person>, RepairError> {
        let mut person = people::from_slot(&self.parts.records, kept, self.now);
        let Some(backup) = &self.parts.backup else { return Ok(Some(person)) };
        let known = match inspect::enrollment_row_at(backup, person.key).await {
            Ok(known) => known,
            Err(RecordsError::Damaged { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let Some(known) = known else { return Ok(Some(person)) };
        if matches!(known.state, EnrollmentState::Purging | EnrollmentState::Purged) {
            return Ok(None);
        }
        // It had another slot then.
        if known.slot != kept.view.slot {
            return Ok(Some(person));
        }
        let key = self.parts.vault.person_key(kept.view.slot).await?;
        if let Ok(Some(private)) = known.person(backup, person.key, &key) {
            people::enrich(&mut person, known, private, self.now);
        }
        Ok(Some(person))
    }

    async fn currents(&self, kept: &[Kept]) -> Result<Currents, RepairError> {
        let mut currents = Currents::default();
        for kept in kept {
            if let Some(person) = self.person(kept).await? {
                currents.see(&person, kept.view.replaced);
            }
        }
        Ok(currents)
    }

    async fn facemaps(
        &mut self,
        group: &[Kept],
        currents: &Currents,
        references: &HashMap<EnrollmentKey, EnrollmentRef>,
    ) -> Result<(), RepairError> {
        let mut commit = self.parts.records.commit();
        for kept in group {
            let Some(mut person) = self.person(kept).await? else { continue };
            let current = person.row.user.and_then(|user| currents.of(user));
            if kept.view.replaced {
                // By whom is known only if that one is still here; that it was is what counts.
                let by = current.filter(|current| *current != person.key);
                person.row.replaced_by = Some(by.unwrap_or(person.key));
                person.private.replaced_by = by.and_then(|by| references.get(&by).copied());
            } else {
                person.row.replaced_by = None;
                person.private.replaced_by = None;
                if person.row.state == EnrollmentState::Ready && current != Some(person.key) {
                    // Two that are ready, and neither replaced: the later one has to be released in the place of the other.
                    person.row.enter(EnrollmentState::Vaulted, self.now);
                    person.row.released_at = None;
                }
            }
            // Who it was to replace may not be here any more.
            person.row.replaces = None;
            match person.row.state {
                EnrollmentState::Ready => self.done.ready += 1,
                _ => self.done.vaulted += 1,
            }
            self.done.holds += u64::from(person.row.hold);
            self.alive.insert(person.key);
            self.register.insert_enrollment(&mut commit, person.row, &person.private).await?;
        }
        Ok(commit.submit().await?)
    }

    async fn burnt(&mut self, plan: &Plan) -> Result<(), RepairError> {
        for group in plan.tombstones.chunks(GROUP) {
            let mut commit = self.parts.records.commit();
            for stone in group {
                let key = EnrollmentKey(stone.view.subject);
                if self.alive.contains(&key) || !self.tombstones.insert(key) {
                    continue;
                }
                let SlotView { slot, prepared_at, .. } = stone.view;
                self.register.insert_tombstone(&mut commit, key, slot, prepared_at);
                self.done.tombstones += 1;
            }
            commit.submit().await?;
        }
        Ok(())
    }

    async fn users(&mut self, currents: &Currents) -> Result<(), RepairError> {
        let rows: Vec<_> = currents.iter().filter(|(_, key)| self.alive.contains(key)).collect();
        for group in rows.chunks(GROUP) {
            let mut commit = self.parts.records.commit();
            for (user, key) in group {
                let row = UserRow { current: Some(*key), claimed: None };
                self.register.put_user(&mut commit, *user, None, &row);
            }
            commit.submit().await?;
        }
        Ok(())
    }

    /// What is lost, in words.
    pub(super) fn finish(self, plan: &Plan) -> Rebuilt {
        let mut done = self.done;
        let mut lost = Lost(std::mem::take(&mut done.lost));
        lost.0.extend(plan.told.iter().cloned());
        if self.parts.backup.is_some() {
            let since = plan.kept.iter().filter(|kept| !kept.view.original_deleted).count() as u64;
            lost.count(
                since,
                "facemaps are vaulted and not ready; what happened to them since the backup is not known",
            );
        } else {
            lost.without_backup(plan, &done);
        }
        for trouble in &plan.troubles {
            lost.0.push(match trouble {
                Trouble::Sector(index) => format!("slot {index} was given up: nobody knows whose it was"),
                other => format!("given up: {other}"),
            });
        }
        let unclaimed = plan.unclaimed.len() as u64;
        lost.count(
            unclaimed,
            "content files belong to no slot; they were moved aside, and nothing opens them",
        );
        lost.say(
            "callbacks that were not judged, open windows, links that were sent, attempts that were counted, dead letters and \
             idempotent answers are lost",
        );
        lost.say(
            "events that were not delivered are lost, and what could be pulled or replayed: cursors of then are refused; \
             compare the company's records with GET /v1/enrollments",
        );
        done.lost = lost.0;
        done
    }
}

struct Lost(Vec<String>);

impl Lost {
    fn say(&mut self, what: &str) {
        self.0.push(what.to_owned());
    }

    fn count(&mut self, count: u64, what: &str) {
        if count > 0 {
            self.0.push(format!("{count} {what}"));
        }
    }

    /// What only records know.
    fn without_backup(&mut self, plan: &Plan, done: &Rebuilt) {
        self.count(
            plan.unfinished.len() as u64,
            "transactions were under way without a facemap: announce those that matter again (POST /v1/enrollments)",
        );
        self.count(
            done.vaulted,
            "vaulted enrollments have to be released again: whether they were is not known",
        );
        self.count(
            done.holds,
            "holds are in force again, without their case references and end dates: set them again",
        );
        self.count(
            plan.erasures.len() as u64,
            "purges had deletions at Jumio left to do: what they were about is lost; delete there by hand",
        );
        self.say(
            "authentications and their results, the audit entries and purge receipts of the old store, and the times of \
             last use are lost: idleness counts from now on",
        );
        self.say("purges that were ordered and not finished are forgotten: order them again");
    }
}

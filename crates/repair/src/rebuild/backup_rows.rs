//! What a restore takes from the records of a backup beyond the facemaps: tombstones, transactions without a facemap,
//! authentications, purges and their receipts, holds, and the book.

use super::write::Writing;
use crate::{RepairError, rebuild::plan::Plan};
use model::{AuthenticationState, EnrollmentState};
use records::{EnrollmentKey, Records, RecordsError, tables};
use register::{AuthenticationRow, EnrollmentRow, inspect};
use std::collections::HashMap;
use store::{Batch, Condition, Range, Row, TableId};
use vault::{SlotRef, SlotStatus, SlotView};

/// Rows that are read and written in one go.
const PAGE: usize = 128;

/// Tables that are copied row by row, sealed as they are.
const AS_THEY_ARE: [TableId; 11] = [
    tables::ERASURES,
    tables::ERASURE_REMOTE,
    tables::ERASURE_UNNAMED,
    tables::PURGES,
    tables::PURGE_ITEMS,
    tables::HOLDS,
    tables::AUDIT,
    tables::AUDIT_BY_SUBJECT,
    tables::AUDIT_HEAD,
    tables::AUDIT_PENDING,
    tables::AUDIT_OPEN,
];

impl Writing<'_> {
    pub(super) async fn take_from_backup(
        &mut self,
        backup: &Records,
        plan: &Plan,
    ) -> Result<(), RepairError> {
        let views: HashMap<SlotRef, SlotView> = plan
            .unfinished
            .iter()
            .copied()
            .chain(plan.kept.iter().map(|kept| kept.view))
            .chain(plan.tombstones.iter().map(|stone| stone.view))
            .map(|view| (view.slot, view))
            .collect();
        self.enrollments(backup, &views).await?;
        self.authentications(backup).await?;
        for table in AS_THEY_ARE {
            self.copy_table(backup, table).await?;
        }
        self.jobs(backup).await
    }

    /// Enrollments that have no whole facemap here: tombstones, purges under way, transactions on their way.
    async fn enrollments(
        &mut self,
        backup: &Records,
        views: &HashMap<SlotRef, SlotView>,
    ) -> Result<(), RepairError> {
        let mut lost = 0_u64;
        let mut after = None;
        loop {
            let rows = page(backup, tables::ENROLLMENTS, &mut after, PAGE).await?;
            if rows.is_empty() {
                break;
            }
            for stored in rows {
                let Ok((key, row)) = inspect::enrollment_row(backup, &stored.key, &stored.value) else {
                    lost += 1;
                    continue;
                };
                if self.alive.contains(&key) || self.tombstones.contains(&key) {
                    continue;
                }
                lost += u64::from(!self.enrollment(backup, views, key, &row, &stored).await?);
            }
        }
        if lost > 0 {
            self.done.lost.push(format!(
                "{lost} enrollments of the backup have no slot or no facemap any more; they are not restored"
            ));
        }
        Ok(())
    }

    /// Whether the enrollment could be brought back.
    async fn enrollment(
        &mut self,
        backup: &Records,
        views: &HashMap<SlotRef, SlotView>,
        key: EnrollmentKey,
        row: &EnrollmentRow,
        stored: &Row,
    ) -> Result<bool, RepairError> {
        let view = views.get(&row.slot);
        match row.state {
            EnrollmentState::Purged => {
                self.tombstones.insert(key);
                self.done.tombstones += 1;
                self.copy(backup, tables::ENROLLMENTS, stored).await?;
                Ok(true)
            }
            EnrollmentState::Purging => {
                self.purging.insert(key);
                self.copy(backup, tables::ENROLLMENTS, stored).await?;
                Ok(true)
            }
            EnrollmentState::Vaulted | EnrollmentState::Ready => Ok(false),
            _ => {
                let Some(view) = view.filter(|view| view.status != SlotStatus::Burnt) else {
                    return Ok(false);
                };
                let person = self.parts.vault.person_key(view.slot).await?;
                let Ok(Some(mut private)) = row.person(backup, key, &person) else { return Ok(false) };
                private.contents = None;
                private.replaced_by = None;
                let row = EnrollmentRow {
                    hold: view.hold,
                    replaces: None,
                    replaced_by: None,
                    facemap_bytes: None,
                    ..row.clone()
                };
                let mut commit = self.parts.records.commit();
                self.register.insert_enrollment(&mut commit, row, &private).await?;
                commit.submit().await?;
                self.alive.insert(key);
                self.done.others += 1;
                self.done.holds += u64::from(view.hold);
                Ok(true)
            }
        }
    }

    /// Authentications of whoever is still here. No window is open any more, so none of them can still pass.
    async fn authentications(&mut self, backup: &Records) -> Result<(), RepairError> {
        let mut after = None;
        loop {
            let rows = page(backup, tables::AUTHENTICATIONS, &mut after, PAGE).await?;
            if rows.is_empty() {
                return Ok(());
            }
            for stored in rows {
                let Ok((_, row)) = inspect::authentication_row(backup, &stored.key, &stored.value) else {
                    continue;
                };
                if self.purging.contains(&row.enrollment)
                    || row.state.is_final() && self.alive.contains(&row.enrollment)
                {
                    self.copy(backup, tables::AUTHENTICATIONS, &stored).await?;
                } else if self.alive.contains(&row.enrollment) {
                    self.close(backup, &row, &stored).await?;
                }
            }
        }
    }

    async fn close(
        &self,
        backup: &Records,
        row: &AuthenticationRow,
        stored: &Row,
    ) -> Result<(), RepairError> {
        let (id, _) = inspect::authentication_row(backup, &stored.key, &stored.value)?;
        let person = self.parts.vault.person_key(row.slot).await?;
        let Ok(Some(private)) = row.person(backup, id, &person) else { return Ok(()) };
        let mut row = row.clone();
        let closed = match row.state {
            AuthenticationState::Initiated => AuthenticationState::Expired,
            _ => AuthenticationState::Unknown,
        };
        row.enter(closed, self.now);
        let mut commit = self.parts.records.commit();
        self.register.insert_known_authentication(&mut commit, row, &private).await?;
        Ok(commit.submit().await?)
    }

    async fn copy_table(&self, backup: &Records, table: TableId) -> Result<(), RepairError> {
        let mut after = None;
        loop {
            let rows = page(backup, table, &mut after, PAGE).await?;
            if rows.is_empty() {
                return Ok(());
            }
            for batch in rows.chunks(16) {
                let mut copied = Batch::new();
                for row in batch {
                    copied.put(table, row.key.to_vec(), Condition::Absent, row.value.value.clone());
                }
                self.parts.records.store().commit(copied).await?;
            }
        }
    }

    /// Jobs that go on where they were: of transactions that are here, and of purges.
    async fn jobs(&self, backup: &Records) -> Result<(), RepairError> {
        let mut after = None;
        loop {
            let rows = page(backup, tables::JOBS, &mut after, PAGE).await?;
            if rows.is_empty() {
                return Ok(());
            }
            for row in rows {
                if row.key.first().is_some_and(|kind| self.parts.kept_jobs.contains(kind)) {
                    self.copy(backup, tables::JOBS, &row).await?;
                }
            }
        }
    }

    /// Copies a row as it is, with its rows in indexes.
    async fn copy(&self, backup: &Records, table: TableId, row: &Row) -> Result<(), RepairError> {
        let Some(shape) = self.parts.shapes.iter().find(|shape| shape.id() == table) else { return Ok(()) };
        let ties = shape.look(backup, &row.key, &row.value)?;
        let mut batch = Batch::new();
        batch.put(table, row.key.to_vec(), Condition::Absent, row.value.value.clone());
        for (index, key) in ties.indexed {
            // An index with values, such as Jumio's references of authentications, is copied with them.
            let value = backup.store().get(index, &key).await?.map(|stored| stored.value);
            batch.put(index, key, Condition::Any, value.unwrap_or_default());
        }
        self.parts.records.store().commit(batch).await?;
        Ok(())
    }
}

async fn page(
    records: &Records,
    table: TableId,
    after: &mut Option<Vec<u8>>,
    limit: usize,
) -> Result<Vec<Row>, RepairError> {
    let range = Range { after: after.clone(), ..Range::default() };
    let rows = records.store().scan(table, &range, limit).await.map_err(RecordsError::from)?;
    if let Some(last) = rows.last() {
        *after = Some(last.key.to_vec());
    }
    Ok(rows)
}

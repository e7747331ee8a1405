//! Ordering to destroy many: checked against the dry run, written down in full, and only then begun.

use crate::{
    Criterion, Custody, CustodyError, Order, PurgeId,
    purge::many::{
        PurgeItemState, PurgeJobState,
        chosen::{Chosen, Standing},
        row::{ITEMS, ItemRow, PURGES, PurgeRow},
    },
};
use audit::{Action, Note};
use queue::{JobKey, Kind};
use records::Key as _;
use serde_json::Value;
use store::Range;

/// Items that are written or removed in one commit.
const PER_COMMIT: usize = 256;
/// Orders that are looked at together.
const PAGE: usize = 256;

impl Custody {
    /// Orders it. Above `confirm_above` only with the total and the token of a dry run; where they are given they must
    /// fit in any case.
    ///
    /// # Errors
    /// [`CustodyError::ConfirmationNeeded`], [`CustodyError::ConfirmationInvalid`], [`CustodyError::TotalDiffers`],
    /// [`CustodyError::NothingToPurge`], [`CustodyError::RecoveryNotAcknowledged`]: nothing was done.
    pub async fn order_purge(
        &self,
        criterion: &Criterion,
        order: Order,
        expect_total: Option<u64>,
        confirm_token: Option<&str>,
    ) -> Result<PurgeId, CustodyError> {
        self.check_time(criterion)?;
        self.refuse_while_recovering().await?;
        let total = self.count(criterion).await?;
        self.check_confirmed(criterion, total, expect_total, confirm_token)?;
        if total == 0 {
            return Err(CustodyError::NothingToPurge);
        }
        let id = PurgeId::random(&*self.parts.rng);
        match self.write_down(id, criterion, order, total).await {
            Ok(()) => Ok(id),
            Err(error) => {
                // Whatever stays behind is dropped at the next start; it names nobody.
                if let Err(error) = self.drop_order(id).await {
                    tracing::warn!(%error, "an order that was not written down in full is dropped at the next start");
                }
                Err(error)
            }
        }
    }

    async fn count(&self, criterion: &Criterion) -> Result<u64, CustodyError> {
        let mut chosen = Chosen::by(self, criterion);
        let mut total = 0;
        while let Some(page) = chosen.page().await? {
            total += page.iter().filter(|(_, standing)| *standing == Standing::Due).count() as u64;
        }
        Ok(total)
    }

    fn check_confirmed(
        &self,
        criterion: &Criterion,
        total: u64,
        expect_total: Option<u64>,
        confirm_token: Option<&str>,
    ) -> Result<(), CustodyError> {
        if let Some(expected) = expect_total.filter(|expected| *expected != total) {
            return Err(CustodyError::TotalDiffers { expected, is: total });
        }
        if confirm_token.is_some_and(|token| !self.confirms(token, criterion, total)) {
            return Err(CustodyError::ConfirmationInvalid);
        }
        let limit = self.parts.config.confirm_above;
        if total > limit && (expect_total.is_none() || confirm_token.is_none()) {
            return Err(CustodyError::ConfirmationNeeded { total, limit });
        }
        Ok(())
    }

    /// First everybody whom it is about, then the one commit that begins it: an order that was interrupted in between is
    /// none.
    async fn write_down(
        &self,
        id: PurgeId,
        criterion: &Criterion,
        order: Order,
        expected: u64,
    ) -> Result<(), CustodyError> {
        let row = PurgeRow {
            state: PurgeJobState::Ordering,
            criterion: criterion.kind(),
            before: criterion.before(),
            order,
            ordered_at: self.now(),
            finished_at: None,
            total: expected,
            done: 0,
            done_by_others: 0,
            held: 0,
            not_due: 0,
            failed: 0,
            jumio_pending: 0,
            unnamed: 0,
            cursor: None,
            receipt: None,
            jumio_receipt: None,
        };
        let mut commit = self.records().commit();
        commit.insert(&PURGES, &(id,), &row);
        commit.submit().await?;
        let (total, held) = self.write_items(id, criterion).await?;
        if total != expected {
            return Err(CustodyError::TotalDiffers { expected, is: total });
        }
        let read = self.purge_row(id).await?;
        let row = PurgeRow { state: PurgeJobState::Running, held, ..row };
        let mut commit = self.records().commit();
        commit.update(&PURGES, &(id,), &read, &row);
        let note = Note::general(Action::PurgeOrdered, row.order.actor.clone());
        let note = note.with("purge", id).with("criterion", row.criterion.as_str()).with("total", total);
        self.parts.audit.note(&mut commit, note.with("reason", row.order.reason));
        let job = JobKey::new(Kind::Purge, &id);
        self.parts.queue.schedule(&mut commit, &job, self.now(), Value::Null).await?;
        Ok(commit.submit().await?)
    }

    async fn write_items(&self, id: PurgeId, criterion: &Criterion) -> Result<(u64, u64), CustodyError> {
        let (mut total, mut held) = (0, 0);
        let mut chosen = Chosen::by(self, criterion);
        while let Some(page) = chosen.page().await? {
            for part in page.chunks(PER_COMMIT) {
                let mut commit = self.records().commit();
                for (key, standing) in part {
                    let state = match standing {
                        Standing::Already => continue,
                        Standing::Due => PurgeItemState::Pending,
                        Standing::Held => PurgeItemState::Held,
                    };
                    total += u64::from(*standing == Standing::Due);
                    held += u64::from(*standing == Standing::Held);
                    commit.insert(&ITEMS, &(id, *key), &ItemRow::new(state));
                }
                commit.submit().await?;
            }
        }
        Ok((total, held))
    }

    async fn drop_order(&self, id: PurgeId) -> Result<(), CustodyError> {
        let range = Range { prefix: (id,).encode(), ..Range::default() };
        loop {
            let items = ITEMS.scan(self.records(), &range, PER_COMMIT).await?;
            if items.is_empty() {
                break;
            }
            let mut commit = self.records().commit();
            for (key, read) in &items {
                commit.remove(&ITEMS, key, read);
            }
            commit.submit().await?;
        }
        if let Some(read) = PURGES.get(self.records(), &(id,)).await? {
            let mut commit = self.records().commit();
            commit.remove(&PURGES, &(id,), &read);
            commit.submit().await?;
        }
        Ok(())
    }
}

/// Drops what an interrupted order has left. How many there were.
pub(crate) async fn drop_unfinished(custody: &Custody) -> Result<u32, CustodyError> {
    let (mut range, mut dropped) = (Range::default(), 0);
    loop {
        let rows = PURGES.scan(custody.records(), &range, PAGE).await?;
        let Some((last, _)) = rows.last() else { return Ok(dropped) };
        range.after = Some(last.encode());
        for ((id,), read) in &rows {
            if read.value.state == PurgeJobState::Ordering {
                custody.drop_order(*id).await?;
                dropped += 1;
            }
        }
    }
}

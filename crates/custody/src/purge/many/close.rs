//! The end of an order for many: what Jumio had of everybody, and the order's own statements.

use crate::{
    Custody, CustodyError, PurgeId,
    purge::{
        many::{
            PurgeJobState,
            row::{ITEMS, ItemRow, PURGES, PurgeRow},
        },
        row::{AtJumio, ErasureRow},
        statement,
    },
};
use receipt::{Batch, Destroyed, Fingerprint, HOW, Statement, StatementKind, VERSION};
use records::{Commit, EnrollmentKey, Key as _};
use store::Range;
use vault::Mode;

/// Items that are read together.
const PER_PAGE: usize = 512;

/// Somebody's erasure as the commit under way writes it: the store does not know it yet.
pub(crate) type Written<'a> = (EnrollmentKey, &'a ErasureRow);

/// What became of everybody whom an order is about.
#[derive(Default)]
struct Sum {
    /// On this order.
    destroyed: Destroyed,
    /// On whose order ever.
    jumio: AtJumio,
    receipts: Fingerprint,
}

impl Custody {
    /// One of many is deleted at Jumio, in the commit that says so. The last one brings the order's second statement.
    pub(crate) async fn item_done_at_jumio(
        &self,
        commit: &mut Commit,
        id: PurgeId,
        written: Written<'_>,
    ) -> Result<(), CustodyError> {
        let key = written.0;
        let Some(read) = ITEMS.get(self.records(), &(id, key)).await? else { return Ok(()) };
        if !read.value.jumio_pending {
            // It is counted when its page is written down, or not at all.
            commit.require(&ITEMS, &(id, key), Some(&read));
            return Ok(());
        }
        let purge = self.purge_row(id).await?;
        let mut row = purge.value.clone();
        row.jumio_pending = row.jumio_pending.saturating_sub(1);
        if row.state == PurgeJobState::Done && row.jumio_pending == 0 && row.jumio_receipt.is_none() {
            self.follow_up(commit, id, &mut row, written).await?;
        }
        commit.update(&ITEMS, &(id, key), &read, &ItemRow { jumio_pending: false, ..read.value.clone() });
        commit.update(&PURGES, &(id,), &purge, &row);
        Ok(())
    }

    /// What nobody could name at Jumio has become known, and was deleted there: `count` of one of many.
    pub(crate) async fn item_named_late(
        &self,
        commit: &mut Commit,
        id: PurgeId,
        written: Written<'_>,
        count: u64,
    ) -> Result<(), CustodyError> {
        let key = written.0;
        let Some(read) = ITEMS.get(self.records(), &(id, key)).await? else { return Ok(()) };
        commit.require(&ITEMS, &(id, key), Some(&read));
        if !read.value.state.is_done() {
            return Ok(());
        }
        let purge = self.purge_row(id).await?;
        let mut row = purge.value.clone();
        row.unnamed = row.unnamed.saturating_sub(count);
        if row.state == PurgeJobState::Done && row.jumio_pending == 0 {
            self.follow_up(commit, id, &mut row, written).await?;
        }
        commit.update(&PURGES, &(id,), &purge, &row);
        Ok(())
    }

    /// The statement that follows the order's receipt.
    async fn follow_up(
        &self,
        commit: &mut Commit,
        id: PurgeId,
        row: &mut PurgeRow,
        written: Written<'_>,
    ) -> Result<(), CustodyError> {
        row.jumio_receipt = Some(self.order_receipt(id, row, Some(written)).await?);
        self.tell_completed(commit, id, row).await
    }

    /// The order's receipt; with `written` the one that follows it.
    pub(crate) async fn order_receipt(
        &self,
        id: PurgeId,
        row: &PurgeRow,
        written: Option<Written<'_>>,
    ) -> Result<String, CustodyError> {
        let mut sum = self.sum_up(id, written).await?;
        // The row of the order is what the commit is conditional on.
        if row.jumio_pending > 0 {
            sum.jumio.done_at = None;
        }
        let at = row.finished_at.unwrap_or(row.ordered_at);
        let follows = row.receipt.as_deref().filter(|_| written.is_some());
        let statement = Statement {
            version: VERSION,
            kind: StatementKind::PurgeBatch,
            vault: self.parts.vault.id().to_string(),
            simulated: self.parts.vault.mode() == Mode::Simulated,
            subject: None,
            generation: None,
            destroyed: sum.destroyed,
            how: HOW.to_owned(),
            ordered_at: row.ordered_at,
            at,
            by: statement::by(&row.order.actor),
            reason: row.order.reason.as_str().to_owned(),
            case_reference: row.order.case_reference.as_ref().map(ToString::to_string),
            backup_horizon: self.horizon(at),
            jumio_deletion: statement::deletion(&sum.jumio),
            audit: self.place_in_book().await?,
            batch: Some(Batch {
                purge_id: id.to_string(),
                criterion: row.criterion.as_str().to_owned(),
                total: row.total,
                done: row.done,
                done_by_others: row.done_by_others,
                held: row.held,
                not_due: row.not_due,
                failed: row.failed,
                receipts_sha256: sum.receipts.finish(),
            }),
            follows: follows.map(|receipt| receipt::fingerprint([receipt])),
        };
        self.signed(&statement)
    }

    async fn sum_up(&self, id: PurgeId, written: Option<Written<'_>>) -> Result<Sum, CustodyError> {
        let mut range = Range { prefix: (id,).encode(), ..Range::default() };
        let mut sum = Sum::default();
        // Nobody of whom Jumio has something: done when the order was.
        sum.jumio.done_at = Some(self.now());
        let mut last_answer = None;
        loop {
            let items = ITEMS.scan(self.records(), &range, PER_PAGE).await?;
            let Some((last, _)) = items.last() else { break };
            range.after = Some(last.encode());
            for ((_, key), read) in items {
                if !read.value.state.is_done() {
                    continue;
                }
                let written =
                    written.filter(|(written, _)| *written == key).map(|(_, erasure)| erasure.clone());
                let erasure = match written {
                    Some(erasure) => Some(erasure),
                    None => self.erasure(key).await?.map(|erasure| erasure.value),
                };
                let Some(erasure) = erasure else { continue };
                last_answer = last_answer.max(erasure.jumio.done_at.filter(|_| erasure.jumio.has_answers()));
                sum.add(&erasure, id);
            }
        }
        sum.jumio.done_at = sum.jumio.done_at.map(|now| last_answer.unwrap_or(now));
        Ok(sum)
    }
}

impl Sum {
    fn add(&mut self, erasure: &ErasureRow, id: PurgeId) {
        if erasure.purge == Some(id) {
            self.destroyed.enrollments += 1;
            self.destroyed.content_bytes += erasure.content_bytes;
            self.destroyed.authentications += erasure.authentications;
            self.destroyed.inbox_bodies += erasure.bodies;
        }
        erasure.receipt.iter().for_each(|receipt| self.receipts.add(receipt));
        self.jumio.add(&erasure.jumio);
    }
}

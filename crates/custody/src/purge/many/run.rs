//! The job of an order for many: page by page in the order of the pseudonyms, some erasures at a time.

use crate::{
    Custody, CustodyError, PurgeId,
    purge::{
        begin::Beginning,
        flight::ATTEMPTS,
        many::{
            PurgeItemState, PurgeJobState,
            row::{ITEMS, ItemRow, PURGES, PurgeRow},
        },
        row::ERASURES,
    },
};
use futures_util::{StreamExt as _, stream};
use queue::Lease;
use records::{Commit, EnrollmentKey, Key as _, Record};
use store::Range;

/// Those that one run destroys; the next begins behind them.
const PER_RUN: usize = 512;

/// One of those that an order is about, before and after it was tried.
struct Tried {
    key: EnrollmentKey,
    read: Record<ItemRow>,
    /// `None`: it is tried again.
    became: Option<ItemRow>,
}

impl Custody {
    pub(crate) async fn handle_purge(&self, lease: &Lease) -> Result<(), CustodyError> {
        let id: PurgeId = lease.subject()?;
        let Some(read) = PURGES.get(self.records(), &(id,)).await? else { return self.drop_job(lease).await };
        if read.value.state != PurgeJobState::Running {
            return self.drop_job(lease).await;
        }
        let after = read.value.cursor.map(|key| (id, key).encode());
        let range = Range { prefix: (id,).encode(), after, ..Range::default() };
        let items = ITEMS.scan(self.records(), &range, PER_RUN).await?;
        if items.is_empty() {
            return self.until_no_conflict(|| self.finish_order(id, lease)).await;
        }
        let (tried, trouble) = self.try_items(id, &read.value, items).await;
        self.until_no_conflict(|| self.settle_page(id, &tried, trouble.is_none(), lease)).await?;
        trouble.map_or(Ok(()), Err)
    }

    async fn drop_job(&self, lease: &Lease) -> Result<(), CustodyError> {
        let mut commit = self.records().commit();
        lease.complete(&mut commit).await?;
        Ok(commit.submit().await?)
    }

    async fn until_no_conflict<F>(&self, attempt: impl Fn() -> F) -> Result<(), CustodyError>
    where
        F: Future<Output = Result<(), CustodyError>>,
    {
        for _ in 0..ATTEMPTS {
            match attempt().await {
                Err(error) if error.is_conflict() => {}
                done => return done,
            }
        }
        Err(CustodyError::Busy)
    }

    /// Tries those of a page that are not settled yet. The trouble is the first that may pass by itself.
    async fn try_items(
        &self,
        id: PurgeId,
        row: &PurgeRow,
        items: Vec<((PurgeId, EnrollmentKey), Record<ItemRow>)>,
    ) -> (Vec<Tried>, Option<CustodyError>) {
        let pending = items.into_iter().filter(|(_, read)| read.value.state == PurgeItemState::Pending);
        let erasures = pending.map(|((_, key), read)| async move {
            let order = row.order.clone();
            let beginning =
                Beginning { order, purge: Some(id), waits_for_jumio: false, only_if: row.condition() };
            (key, read, self.carry_out(key, Some(beginning)).await)
        });
        let ended: Vec<_> = stream::iter(erasures)
            .buffer_unordered(self.parts.config.erasures_at_once.max(1))
            .collect()
            .await;
        let mut trouble = None;
        let tried = ended
            .into_iter()
            .map(|(key, read, result)| {
                let became = match result {
                    Ok(()) => Some(ItemRow::new(PurgeItemState::Done)),
                    Err(CustodyError::Held) => Some(ItemRow::new(PurgeItemState::Held)),
                    Err(CustodyError::NotDue) => Some(ItemRow::new(PurgeItemState::NotDue)),
                    Err(error) if is_final(&error) => {
                        tracing::error!(enrollment = %key.0, %error, "one of many could not be purged");
                        let trouble = Some("damaged".to_owned());
                        Some(ItemRow { trouble, ..ItemRow::new(PurgeItemState::Failed) })
                    }
                    Err(error) => {
                        trouble.get_or_insert(error);
                        None
                    }
                };
                Tried { key, read, became }
            })
            .collect();
        (tried, trouble)
    }

    /// Writes a page down, and gives the job back if nothing of it has to be tried again.
    async fn settle_page(
        &self,
        id: PurgeId,
        tried: &[Tried],
        is_whole: bool,
        lease: &Lease,
    ) -> Result<(), CustodyError> {
        let read = self.purge_row(id).await?;
        let mut row = read.value.clone();
        let mut commit = self.records().commit();
        for one in tried {
            let Some(became) = &one.became else { continue };
            let mut became = became.clone();
            if became.state == PurgeItemState::Done {
                self.settle_done(&mut commit, id, one.key, &mut row, &mut became).await?;
            }
            match became.state {
                PurgeItemState::Done => row.done += 1,
                PurgeItemState::DoneByOther => row.done_by_others += 1,
                PurgeItemState::Held => row.held += 1,
                PurgeItemState::NotDue => row.not_due += 1,
                PurgeItemState::Failed => row.failed += 1,
                PurgeItemState::Pending => {}
            }
            commit.update(&ITEMS, &(id, one.key), &one.read, &became);
        }
        if is_whole {
            row.cursor = self.end_of_page(id, row.cursor).await?;
            lease.again_at(&mut commit, self.now()).await?;
        } else {
            lease.hold(&mut commit).await?;
        }
        commit.update(&PURGES, &(id,), &read, &row);
        Ok(commit.submit().await?)
    }

    async fn end_of_page(
        &self,
        id: PurgeId,
        cursor: Option<EnrollmentKey>,
    ) -> Result<Option<EnrollmentKey>, CustodyError> {
        let after = cursor.map(|key| (id, key).encode());
        let range = Range { prefix: (id,).encode(), after, ..Range::default() };
        let items = ITEMS.scan(self.records(), &range, PER_RUN).await?;
        Ok(items.last().map(|((_, key), _)| *key).or(cursor))
    }

    /// Says of one that is destroyed on whose order it was, and what Jumio still has, as it is when the commit goes
    /// through. Whoever destroyed it, this order comes to its end at Jumio with it.
    async fn settle_done(
        &self,
        commit: &mut Commit,
        id: PurgeId,
        key: EnrollmentKey,
        row: &mut PurgeRow,
        item: &mut ItemRow,
    ) -> Result<(), CustodyError> {
        let read = self.erasure(key).await?;
        if read.as_ref().is_none_or(|read| read.value.purge != Some(id)) {
            item.state = PurgeItemState::DoneByOther;
        }
        let Some(read) = read else { return Ok(()) };
        let erasure = &read.value;
        item.jumio_pending = erasure.jumio.done_at.is_none();
        row.jumio_pending += u64::from(item.jumio_pending);
        row.unnamed += erasure.jumio.unnamed;
        if erasure.orders().any(|order| order == id) {
            commit.require(&ERASURES, &(key,), Some(&read));
        } else {
            let mut awaited = erasure.clone();
            awaited.awaited_by.push(id);
            commit.update(&ERASURES, &(key,), &read, &awaited);
        }
        Ok(())
    }

    async fn finish_order(&self, id: PurgeId, lease: &Lease) -> Result<(), CustodyError> {
        let read = self.purge_row(id).await?;
        let mut row = read.value.clone();
        row.state = PurgeJobState::Done;
        row.finished_at = Some(self.now());
        row.receipt = Some(self.order_receipt(id, &row, None).await?);
        let mut commit = self.records().commit();
        commit.update(&PURGES, &(id,), &read, &row);
        self.tell_completed(&mut commit, id, &row).await?;
        lease.complete(&mut commit).await?;
        Ok(commit.submit().await?)
    }
}

/// Whether trying again would end in the same way.
fn is_final(error: &CustodyError) -> bool {
    use records::RecordsError;
    use vault::VaultError;
    match error {
        CustodyError::UnknownEnrollment | CustodyError::Damaged | CustodyError::Register(_) => true,
        CustodyError::Records(error) => matches!(error, RecordsError::Damaged { .. }),
        CustodyError::Vault(error) => matches!(**error, VaultError::Damaged(_) | VaultError::NoSuchSlot),
        _ => false,
    }
}

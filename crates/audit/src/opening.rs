//! Opening the book: compare it with its anchor, then bring it up to date.

use crate::{
    Audit, AuditError, Details, Head, Outcome, anchor,
    appender::GROUP,
    book::Inner,
    border,
    chain::{self, CHAIN, Checked, HEAD, HEAD_KEY, OPEN},
};
use model::{Clock, Timestamp};
use records::{Records, RecordsError, tables};
use std::{
    path::PathBuf,
    sync::{Arc, Mutex, atomic::AtomicU64},
};
use store::Range;
use tokio::{
    runtime::Handle,
    sync::{Mutex as AsyncMutex, Notify, watch},
};

/// Rows of the chain that are read at once.
pub(crate) const ROWS: usize = 256;

impl Audit {
    /// Opens the book: compares the chain with its anchor, gives pending entries their positions, closes begins that
    /// an earlier process left open as interrupted, and lets the anchor follow. Call it on the runtime that lives
    /// longest: appends run there.
    ///
    /// A chain that goes on behind its anchor is normal: the anchor follows. Only those entries are checked here;
    /// [`crate::verify`] checks all.
    ///
    /// # Errors
    /// [`AuditError::AnchorAhead`], [`AuditError::AnchorDiffers`], [`AuditError::AnchorMissing`],
    /// [`AuditError::AnchorDamaged`], [`AuditError::Damaged`]: the service must not start.
    /// [`AuditError::AnchorIo`], [`AuditError::Read`], [`AuditError::Unavailable`].
    pub async fn open(
        records: Records,
        anchor_path: impl Into<PathBuf>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, AuditError> {
        let anchor_path = anchor_path.into();
        let runtime = Handle::current();
        let stored = HEAD.get(&records, &HEAD_KEY).await?.map(|head| head.value);
        if stored.is_none() && is_taken_out(&records).await? {
            return Err(AuditError::Damaged { position: 1 });
        }
        let head = stored.unwrap_or_else(|| Head::genesis(&records));
        let anchor = {
            let (records, path) = (records.clone(), anchor_path.clone());
            let read = runtime.spawn_blocking(move || anchor::read(&records, &path)).await;
            read.unwrap_or(Err(AuditError::Stopped))?
        };
        match anchor {
            Some(anchor) => follow(&records, anchor, head).await?,
            None if stored.is_some() => return Err(AuditError::AnchorMissing),
            None => {}
        }
        let inner = Inner {
            records,
            clock,
            anchor_path,
            waiting: Mutex::default(),
            appender: AsyncMutex::new(()),
            wake: Notify::new(),
            anchored: AsyncMutex::new((head, Timestamp::MIN)),
            runtime,
            sequence: AtomicU64::new(0),
            grown: watch::Sender::new(head.position),
            sinks: Mutex::default(),
        };
        let book = Self { inner: Arc::new(inner) };
        // Before the first entry: from then on a missing anchor is damage.
        book.anchor().await?;
        book.close_interrupted().await?;
        book.close().await?;
        Ok(book)
    }

    async fn close_interrupted(&self) -> Result<(), AuditError> {
        let records = &self.inner.records;
        loop {
            let open = OPEN.scan(records, &Range::default(), GROUP).await?;
            if open.is_empty() {
                return Ok(());
            }
            let mut commit = records.commit();
            for ((position,), open) in open {
                let stroke = crate::Stroke { position, open };
                self.finish_with(&mut commit, &stroke, Outcome::Interrupted, Details::new());
            }
            commit.submit().await.map_err(AuditError::Unavailable)?;
        }
    }
}

/// Whether a book without a single entry stands beside records of people: nobody comes in, and nobody goes, without one.
/// It was taken out then, whatever became of its anchor.
pub(crate) async fn is_taken_out(records: &Records) -> Result<bool, RecordsError> {
    let is_empty = async |table| {
        let rows = records.store().scan(table, &Range::default(), 1).await.map_err(RecordsError::from)?;
        Ok::<_, RecordsError>(rows.is_empty())
    };
    // An entry that waits for its position was committed together with what it tells of.
    if !is_empty(tables::AUDIT_PENDING).await? {
        return Ok(false);
    }
    for table in [tables::ENROLLMENTS, tables::ERASURES, tables::HOLDS] {
        if !is_empty(table).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether the chain goes on from the anchor to its head without a break.
async fn follow(records: &Records, anchor: Head, head: Head) -> Result<(), AuditError> {
    if anchor.epoch == head.epoch && anchor.position > head.position {
        return Err(AuditError::AnchorAhead { head: head.position, anchor: anchor.position });
    }
    let mut at =
        known_to(records, anchor).await?.ok_or(AuditError::AnchorDiffers { position: anchor.position })?;
    while at.position < head.position {
        let damaged = AuditError::Damaged { position: at.position + 1 };
        let after = (at.position > 0).then(|| at.position.to_be_bytes().to_vec());
        let rows = CHAIN.scan(records, &Range { after, ..Range::default() }, ROWS).await;
        let rows = rows.map_err(|error| match error {
            RecordsError::Damaged { .. } => damaged.clone(),
            other => AuditError::Read(other),
        })?;
        if rows.is_empty() {
            return Err(damaged);
        }
        for ((position,), row) in rows {
            match chain::check(records, &at, &row.value) {
                Checked::Follows(next, _) if next.position == position => at = next,
                _ => return Err(AuditError::Damaged { position: at.position + 1 }),
            }
        }
    }
    if at == head { Ok(()) } else { Err(AuditError::Damaged { position: head.position + 1 }) }
}

/// The place in the chain from which it goes on behind what the anchor remembers: that place itself; or the latest
/// border, if that is where the old chain is said to have ended. `None`: the chain does not know it.
pub(crate) async fn known_to(records: &Records, anchor: Head) -> Result<Option<Head>, AuditError> {
    if head_at(records, anchor.position).await? == Some(anchor) {
        return Ok(Some(anchor));
    }
    // The process ended after the border was durable and before the anchor followed.
    let border = border::latest(records).await?;
    Ok(border.filter(|(_, entry)| border::old_head(entry) == Some(anchor)).map(|(head, _)| head))
}

/// Epoch and link that the chain has at `position`; `None` when there is no such entry.
async fn head_at(records: &Records, position: u64) -> Result<Option<Head>, AuditError> {
    let row = match CHAIN.get(records, &(position.max(1),)).await {
        Ok(row) => row.map(|row| row.value),
        Err(RecordsError::Damaged { .. }) => return Err(AuditError::Damaged { position: position.max(1) }),
        Err(error) => return Err(error.into()),
    };
    if position == 0 {
        let epoch = row.map_or(chain::FIRST_EPOCH, |first| first.epoch);
        return Ok(Some(Head::before_first(records, epoch)));
    }
    Ok(row.map(|row| Head { epoch: row.epoch, position, link: row.link }))
}

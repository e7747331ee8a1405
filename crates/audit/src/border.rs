//! Where an epoch of the chain ends and the next one begins: after a rebuild or a restore.

use crate::{
    Action, Actor, AuditError, Details, Entry, Head, Note, anchor,
    chain::{self, BORDER_KEY, HEAD, HEAD_KEY, Link},
};
use model::{Timestamp, hex};
use records::{Records, RecordsError};
use std::{fmt, path::Path};

const WHY: &str = "why";
const EPOCH: &str = "epoch";
const KEPT: &str = "kept";
const OLD_EPOCH: &str = "old-epoch";
const OLD_POSITION: &str = "old-position";
const OLD_LINK: &str = "old-link";

/// Why a new epoch begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewEpoch {
    /// The store was made anew from slots and contents: no old entry is left.
    Rebuilt,
    /// An older store was brought back: the entries after its head are lost here.
    Restored,
    /// Nothing was made anew: the chain did not fit its anchor, and somebody said that it is to go on.
    Accepted,
}

impl fmt::Display for NewEpoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rebuilt => "rebuilt",
            Self::Restored => "restored",
            Self::Accepted => "accepted",
        })
    }
}

/// Where one epoch ended and the next one begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Border {
    /// The new epoch's first entry.
    pub head: Head,
    /// The last entry that is still here; 0 when there is none.
    pub kept: u64,
    /// Where the old chain ended as far as its anchor knew; `None` when there was no anchor of this vault.
    pub old: Option<Head>,
}

/// Begins a new epoch of the chain in `records`, which nobody else may have open, and lets the anchor follow. Its first
/// entry says why, how many entries are kept, and where the old chain ended as far as the anchor knew. The epoch is
/// greater than any that the store or the anchor knows, and at least `at_least` (the slot file's, for one).
///
/// It may be repeated after any failure: an epoch without further entries is the least harm.
///
/// # Errors
/// [`AuditError::Read`] when the chain's end does not open: bring another store. [`AuditError::Unavailable`] when the
/// entry did not become durable, [`AuditError::AnchorIo`] when the anchor did not follow; the next start lets it.
pub async fn begin_epoch(
    records: &Records,
    anchor_path: &Path,
    why: NewEpoch,
    actor: Actor,
    at_least: u64,
    now: Timestamp,
) -> Result<Border, AuditError> {
    let old = match anchor::read(records, anchor_path) {
        Ok(old) => old,
        // The anchor of somebody else, or none any more: there is nothing to name.
        Err(AuditError::AnchorDamaged) => None,
        Err(error) => return Err(error),
    };
    let read = HEAD.get(records, &HEAD_KEY).await?;
    let read_border = HEAD.get(records, &BORDER_KEY).await?;
    let kept = read.as_ref().map_or_else(|| Head::genesis(records), |head| head.value);
    let known = kept.epoch.max(old.map_or(0, |old| old.epoch));
    let epoch = known.saturating_add(1).max(at_least);
    let mut details = Details::new().with(WHY, why).with(EPOCH, epoch).with(KEPT, kept.position);
    if let Some(old) = old {
        details =
            details.with(OLD_EPOCH, old.epoch).with(OLD_POSITION, old.position).with(OLD_LINK, old.link);
    }
    let note = Note { details, ..Note::general(Action::EpochBegun, actor) };
    let mut head =
        if kept.position == 0 { Head::before_first(records, epoch) } else { Head { epoch, ..kept } };
    let mut commit = records.commit();
    chain::append(&mut commit, &mut head, &Entry::note(now, note))?;
    commit.upsert(&HEAD, &HEAD_KEY, read.as_ref(), &head);
    commit.upsert(&HEAD, &BORDER_KEY, read_border.as_ref(), &head);
    commit.submit().await.map_err(AuditError::Unavailable)?;
    anchor::write(records, anchor_path, &head)?;
    Ok(Border { head, kept: kept.position, old })
}

/// Whether the first entry of `epoch`, at `position`, says of itself what it is.
pub(crate) fn fits(entry: &Entry, epoch: u64, position: u64) -> bool {
    number(entry, EPOCH) == Some(epoch)
        && number(entry, KEPT).and_then(|kept| kept.checked_add(1)) == Some(position)
}

/// Where the chain before this border ended, as far as the anchor knew.
pub(crate) fn old_head(entry: &Entry) -> Option<Head> {
    let link = entry.details.get(OLD_LINK).and_then(hex::decode)?;
    let (epoch, position) = (number(entry, OLD_EPOCH)?, number(entry, OLD_POSITION)?);
    Some(Head { epoch, position, link: Link::from_bytes(link) })
}

fn number(entry: &Entry, name: &str) -> Option<u64> {
    entry.details.get(name)?.parse().ok()
}

/// The first entry of the epoch in force, if it is not the store's first epoch.
pub(crate) async fn latest(records: &Records) -> Result<Option<(Head, Entry)>, AuditError> {
    let Some(border) = HEAD.get(records, &BORDER_KEY).await?.map(|read| read.value) else { return Ok(None) };
    let damaged = AuditError::Damaged { position: border.position };
    let row = match chain::CHAIN.get(records, &(border.position,)).await {
        Ok(row) => row.ok_or(damaged.clone())?.value,
        Err(RecordsError::Damaged { .. }) => return Err(damaged),
        Err(error) => return Err(error.into()),
    };
    let (_, entry) = chain::open(records, border.position, &row).ok_or(damaged.clone())?;
    let is_it = (row.epoch, row.link) == (border.epoch, border.link) && entry.action == Action::EpochBegun;
    if is_it { Ok(Some((border, entry))) } else { Err(damaged) }
}

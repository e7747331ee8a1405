//! Walking the whole chain.

use crate::{
    Audit, AuditError, Head, anchor,
    chain::{self, CHAIN, ChainRow, Checked, HEAD, HEAD_KEY},
    opening::{ROWS, link_at},
};
use records::{Key as _, Records, RecordsError, tables};
use std::{fmt, path::Path};
use store::Range;

/// Findings that are listed; more are only counted.
const LISTED: usize = 1000;

/// Something that is not as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// The entry does not open in its place: it was edited, or another entry was put here.
    Changed {
        /// Where.
        position: u64,
    },
    /// The entry opens, but does not follow from the one before it: the chain was put together anew.
    Relinked {
        /// Where.
        position: u64,
    },
    /// The entry is gone.
    Missing {
        /// Where.
        position: u64,
    },
    /// There is an entry behind the end of the chain: the head is an older one.
    BehindTheEnd {
        /// Where.
        position: u64,
    },
    /// The chain's end does not open, or is not where the last entry is.
    HeadChanged,
    /// The anchor knows more entries than there are: the end was cut off, or an older store was brought back.
    TailCut {
        /// The chain's last position.
        head: u64,
        /// The anchor's.
        anchor: u64,
    },
    /// The anchor knows another entry at this position.
    AnchorDiffers {
        /// Where.
        position: u64,
    },
    /// There are entries, but no anchor.
    AnchorMissing,
    /// The anchor file is damaged or another vault's.
    AnchorDamaged,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed { position } => {
                write!(f, "audit entry {position} was edited, or another one was put in its place")
            }
            Self::Relinked { position } => {
                write!(f, "audit entry {position} does not follow from the one before it")
            }
            Self::Missing { position } => write!(f, "audit entry {position} is missing"),
            Self::BehindTheEnd { position } => {
                write!(f, "audit entry {position} stands behind the end of the chain")
            }
            Self::HeadChanged => write!(f, "the record of where the audit chain ends was changed"),
            Self::TailCut { head, anchor } => write!(
                f,
                "the audit chain ends at {head}, its anchor is at {anchor}: the end was cut off, or an older store was \
                 brought back"
            ),
            Self::AnchorDiffers { position } => write!(f, "the audit anchor knows another entry {position}"),
            Self::AnchorMissing => write!(f, "the audit anchor file is missing"),
            Self::AnchorDamaged => write!(f, "the audit anchor file is damaged or another vault's"),
        }
    }
}

/// What a walk found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// Where the chain ended when the walk began; `None` when that record does not open.
    pub head: Option<Head>,
    /// Entries looked at.
    pub checked: u64,
    /// What is wrong: the first thousand.
    pub findings: Vec<Finding>,
    /// How many findings there are in all.
    pub found: u64,
}

impl Verification {
    /// Whether nothing is wrong.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.found == 0
    }

    fn add(&mut self, finding: Finding) {
        self.found += 1;
        if self.findings.len() < LISTED {
            self.findings.push(finding);
        }
    }
}

impl Audit {
    /// Walks the whole chain while the service goes on: see [`verify`].
    ///
    /// # Errors
    /// As [`verify`].
    pub async fn verify(&self) -> Result<Verification, AuditError> {
        verify(&self.inner.records, &self.inner.anchor_path).await
    }
}

/// Walks the whole chain and compares it with its anchor. Works on a book that refuses to open; writes nothing.
///
/// What it cannot see: entries that were cut off since the anchor last followed, together with the head's record, by
/// somebody who put back older bytes of both; and a consistent rollback of everything, anchor included. A head that was
/// exported elsewhere shows those.
///
/// # Errors
/// [`AuditError::Read`], [`AuditError::AnchorIo`]: nothing can be said.
pub async fn verify(records: &Records, anchor_path: &Path) -> Result<Verification, AuditError> {
    // The anchor first: read after the head it could be ahead of it, because the service goes on.
    let anchor = anchor::read(records, anchor_path);
    let mut report = Verification { head: None, checked: 0, findings: Vec::new(), found: 0 };
    let head = match HEAD.get(records, &HEAD_KEY).await {
        Ok(head) => Some(head.map_or_else(|| Head::genesis(records), |head| head.value)),
        Err(RecordsError::Damaged { .. }) => {
            report.add(Finding::HeadChanged);
            None
        }
        Err(error) => return Err(error.into()),
    };
    report.head = head;
    walk(records, head, &mut report).await?;
    match (anchor, head) {
        (Ok(Some(anchor)), Some(head)) => compare(records, anchor, head, &mut report).await?,
        (Ok(None), Some(head)) if head.position > 0 => report.add(Finding::AnchorMissing),
        (Err(AuditError::AnchorDamaged), _) => report.add(Finding::AnchorDamaged),
        (Err(error), _) => return Err(error),
        (Ok(_), _) => {}
    }
    Ok(report)
}

async fn compare(
    records: &Records,
    anchor: Head,
    head: Head,
    report: &mut Verification,
) -> Result<(), AuditError> {
    if anchor.position > head.position {
        report.add(Finding::TailCut { head: head.position, anchor: anchor.position });
        return Ok(());
    }
    match link_at(records, anchor.position).await {
        Ok(Some(link)) if link == anchor.link && anchor.epoch == head.epoch => Ok(()),
        // An entry that does not open is among the findings already.
        Err(AuditError::Damaged { .. }) | Ok(None) => Ok(()),
        Ok(Some(_)) => {
            report.add(Finding::AnchorDiffers { position: anchor.position });
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// Follows the links from the first entry. After damage it goes on with the link that is stored, so that one changed
/// entry is one finding.
async fn walk(records: &Records, head: Option<Head>, report: &mut Verification) -> Result<(), AuditError> {
    let end = match head {
        Some(head) => head.position,
        None => last_key(records).await?,
    };
    let mut at = Head {
        epoch: head.map_or(Head::genesis(records).epoch, |head| head.epoch),
        ..Head::genesis(records)
    };
    // Behind an entry that does not open the next link cannot be followed: it starts again from there.
    let mut followed = true;
    while at.position < end {
        let position = at.position + 1;
        report.checked += 1;
        let row = match CHAIN.get(records, &(position,)).await {
            Ok(row) => row,
            Err(RecordsError::Damaged { .. }) => {
                report.add(Finding::Changed { position });
                (at.position, followed) = (position, false);
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let Some(row) = row else {
            report.add(Finding::Missing { position });
            (at.position, followed) = (position, false);
            continue;
        };
        followed = step(records, &mut at, &row.value, followed, report);
    }
    if let Some(head) = head {
        if followed && at.link != head.link {
            report.add(Finding::HeadChanged);
        }
        behind_the_end(records, end, report).await?;
    }
    Ok(())
}

/// Looks at one row; returns whether its link can be followed.
fn step(records: &Records, at: &mut Head, row: &ChainRow, followed: bool, report: &mut Verification) -> bool {
    let position = at.position + 1;
    let opens = match chain::check(records, at, row) {
        Checked::Follows(..) => true,
        Checked::DoesNotFollow => {
            if followed {
                report.add(Finding::Relinked { position });
            }
            true
        }
        Checked::DoesNotOpen => {
            report.add(Finding::Changed { position });
            false
        }
    };
    *at = Head { position, link: row.link, ..*at };
    opens
}

async fn last_key(records: &Records) -> Result<u64, AuditError> {
    let mut last = 0_u64;
    loop {
        let keys = keys_after(records, last).await?;
        match keys.last() {
            Some(key) => last = *key,
            None => return Ok(last),
        }
    }
}

/// Entries that were appended since the walk began are no finding: the head is read again.
async fn behind_the_end(records: &Records, end: u64, report: &mut Verification) -> Result<(), AuditError> {
    let mut last = end;
    loop {
        let keys = keys_after(records, last).await?;
        let Some(next) = keys.last().copied() else { return Ok(()) };
        let now = match HEAD.get(records, &HEAD_KEY).await {
            Ok(head) => head.map_or(0, |head| head.value.position),
            // Reported already, or when the walk is made again.
            Err(RecordsError::Damaged { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        for position in keys.into_iter().filter(|position| *position > now) {
            report.add(Finding::BehindTheEnd { position });
        }
        last = next;
    }
}

async fn keys_after(records: &Records, last: u64) -> Result<Vec<u64>, AuditError> {
    let range = Range { after: Some((last,).encode()), ..Range::default() };
    let rows = records.store().scan(tables::AUDIT, &range, ROWS).await.map_err(RecordsError::from)?;
    let keys = rows.into_iter().map(|row| <(u64,)>::decode(&row.key).map(|(position,)| position));
    keys.collect::<Option<Vec<_>>>().ok_or(AuditError::Read(RecordsError::Damaged { table: "audit" }))
}

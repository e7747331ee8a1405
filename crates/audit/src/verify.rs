//! What is found when the whole book is looked at.

use crate::{
    Audit, AuditError, Head, anchor,
    chain::{HEAD, HEAD_KEY},
    opening::{is_taken_out, known_to},
    walk,
};
use records::{Records, RecordsError};
use std::{collections::BTreeSet, fmt, path::Path};

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
    /// An epoch begins or ends at this entry, and none may: a border was forged, or entries of one epoch were put into
    /// another.
    Border {
        /// Where.
        position: u64,
    },
    /// The chain's end does not open, or is not where the last entry is; or the like for where its epoch begins.
    HeadChanged,
    /// The index of whom entries are about does not name this entry.
    IndexMissing {
        /// Which.
        position: u64,
    },
    /// The index names this entry for somebody it is not about, or one that is not there.
    IndexWrong {
        /// Which.
        position: u64,
    },
    /// A row of that index is none.
    IndexDamaged,
    /// A begin without a finish has lost the mark that it is open: the next start would not close it.
    OpenMissing {
        /// The begin.
        position: u64,
    },
    /// That mark says something else than the begin.
    OpenChanged {
        /// The begin.
        position: u64,
    },
    /// An entry that waits for its position does not open.
    PendingChanged,
    /// The record of how far a sink is does not open.
    SinkChanged,
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
            Self::Border { position } => {
                write!(f, "audit entry {position} begins or ends an epoch of the chain where none may")
            }
            Self::HeadChanged => {
                write!(f, "the record of where the audit chain or its epoch ends was changed")
            }
            Self::IndexMissing { position } => {
                write!(f, "the index of people does not name audit entry {position}")
            }
            Self::IndexWrong { position } => {
                write!(f, "the index of people names audit entry {position} for somebody it is not about")
            }
            Self::IndexDamaged => write!(f, "a row of the audit log's index of people is damaged"),
            Self::OpenMissing { position } => {
                write!(f, "audit entry {position} begins an act that never ended, and is not marked as open")
            }
            Self::OpenChanged { position } => {
                write!(f, "the mark that the act of audit entry {position} is open was changed")
            }
            Self::PendingChanged => write!(f, "an audit entry that waits for its position was changed"),
            Self::SinkChanged => write!(f, "the record of how far the audit log was handed on was changed"),
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
    /// Entries that are missing or do not open: nothing is known of whom they are about.
    pub(crate) blind: BTreeSet<u64>,
}

impl Verification {
    /// Whether nothing is wrong.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.found == 0
    }

    pub(crate) fn add(&mut self, finding: Finding) {
        self.found += 1;
        if self.findings.len() < LISTED {
            self.findings.push(finding);
        }
    }

    /// An entry that is missing or does not open.
    pub(crate) fn add_blind(&mut self, position: u64, finding: Finding) {
        self.add(finding);
        self.blind.insert(position);
    }

    /// Entries from `first` to before `end` are missing. However many: whoever can write the head can say any number.
    pub(crate) fn add_missing(&mut self, first: u64, end: u64) {
        let listed = end.min(first.saturating_add(LISTED as u64));
        for position in first..listed {
            self.add_blind(position, Finding::Missing { position });
        }
        self.found += end.saturating_sub(listed);
    }

    fn is_blind_at(&self, position: u64) -> bool {
        self.blind.contains(&position)
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
    let mut report =
        Verification { head: None, checked: 0, findings: Vec::new(), found: 0, blind: BTreeSet::new() };
    let head = match HEAD.get(records, &HEAD_KEY).await {
        Ok(head) => {
            if head.is_none() && is_taken_out(records).await? {
                report.add_missing(1, 2);
            }
            Some(head.map_or_else(|| Head::genesis(records), |head| head.value))
        }
        Err(RecordsError::Damaged { .. }) => {
            report.add(Finding::HeadChanged);
            None
        }
        Err(error) => return Err(error.into()),
    };
    report.head = head;
    walk::walk(records, head, &mut report).await?;
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
    if anchor.epoch == head.epoch && anchor.position > head.position {
        report.add(Finding::TailCut { head: head.position, anchor: anchor.position });
        return Ok(());
    }
    let is_known = match known_to(records, anchor).await {
        Ok(known) => known.is_some(),
        Err(AuditError::Damaged { .. }) => true,
        Err(error) => return Err(error),
    };
    // An entry that is missing or does not open is among the findings already.
    if !is_known && !report.is_blind_at(anchor.position) {
        report.add(Finding::AnchorDiffers { position: anchor.position });
    }
    Ok(())
}

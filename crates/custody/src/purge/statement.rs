//! The statements about an erasure.

use crate::{
    Custody, CustodyError,
    purge::row::{AtJumio, ErasureRow},
};
use audit::{Actor, Stroke};
use model::Timestamp;
use receipt::{
    AuditPlace, BackupHorizon, By, Destroyed, Evidence, HOW, JumioDeletion, JumioState, Statement,
    StatementKind, VERSION,
};
use records::EnrollmentKey;
use std::time::Duration;
use vault::Mode;

const DAY: Duration = Duration::from_hours(24);

impl Custody {
    /// The receipt of an erasure that is about to be finished with `stroke`.
    pub(crate) async fn receipt_of(
        &self,
        key: EnrollmentKey,
        erasure: &ErasureRow,
        stroke: &Stroke,
    ) -> Result<String, CustodyError> {
        let mut statement = self.statement(key, erasure, StatementKind::Purge).await?;
        // Of an interrupted erasure the begin before anything was done counts; this stroke is the one it ended with.
        statement.audit.begin = erasure.begin.or(Some(stroke.position()));
        statement.audit.resumed =
            Some(stroke.position()).filter(|_| statement.audit.begin != Some(stroke.position()));
        self.signed(&statement)
    }

    /// The second statement: what Jumio had is deleted there.
    pub(crate) async fn jumio_receipt_of(
        &self,
        key: EnrollmentKey,
        erasure: &ErasureRow,
    ) -> Result<String, CustodyError> {
        let mut statement = self.statement(key, erasure, StatementKind::PurgeJumio).await?;
        statement.follows = erasure.receipt.as_ref().map(|receipt| receipt::fingerprint([receipt.as_str()]));
        self.signed(&statement)
    }

    async fn statement(
        &self,
        key: EnrollmentKey,
        erasure: &ErasureRow,
        kind: StatementKind,
    ) -> Result<Statement, CustodyError> {
        let at = erasure.purged_at.unwrap_or(erasure.ordered_at);
        Ok(Statement {
            version: VERSION,
            kind,
            vault: self.parts.vault.id().to_string(),
            simulated: self.parts.vault.mode() == Mode::Simulated,
            subject: Some(key.0.to_string()),
            generation: Some(erasure.slot.generation),
            destroyed: Destroyed {
                enrollments: 1,
                content_bytes: erasure.content_bytes,
                authentications: erasure.authentications,
                inbox_bodies: erasure.bodies,
            },
            how: HOW.to_owned(),
            ordered_at: erasure.ordered_at,
            at,
            by: by(&erasure.order.actor),
            reason: erasure.order.reason.as_str().to_owned(),
            case_reference: erasure.order.case_reference.as_ref().map(ToString::to_string),
            backup_horizon: self.horizon(at),
            jumio_deletion: deletion(&erasure.jumio),
            audit: self.place_in_book().await?,
            batch: None,
            follows: None,
        })
    }

    /// Where the chain ends now, with its link: whoever keeps the receipt keeps a head of the book outside of the house,
    /// and all entries up to it, the begin among them, can be held against it later.
    pub(crate) async fn place_in_book(&self) -> Result<AuditPlace, CustodyError> {
        let head = self.parts.audit.head().await?;
        let (epoch, position, link) = (head.epoch, head.position, head.link.to_string());
        Ok(AuditPlace { epoch, begin: None, resumed: None, position, link })
    }

    pub(crate) fn horizon(&self, at: Timestamp) -> BackupHorizon {
        let days = self.parts.config.slot_backup_horizon_days;
        BackupHorizon { days, until: at.saturating_add(DAY * days).unwrap_or(Timestamp::MAX) }
    }

    pub(crate) fn signed(&self, statement: &Statement) -> Result<String, CustodyError> {
        receipt::sign(self.records().keys().receipts(), statement).map_err(|_| CustodyError::Damaged)
    }
}

pub(crate) fn by(actor: &Actor) -> By {
    let (kind, id, name) = match actor {
        Actor::Token { id, name } => ("token", Some(id.clone()), Some(name.clone())),
        Actor::Operator => ("operator", None, None),
        _ => ("system", None, None),
    };
    By { kind: kind.to_owned(), id, name }
}

pub(crate) fn deletion(jumio: &AtJumio) -> JumioDeletion {
    JumioDeletion {
        state: state(jumio),
        deleted_at: deleted_at(jumio),
        found_gone_at: jumio.done_at.filter(|_| !says_deleted(jumio) && jumio.has_answers()),
        left: jumio.left,
        unnamed: jumio.unnamed,
        evidence: Evidence {
            original_seen_gone_at: jumio.original_seen_gone_at,
            original_not_asked: jumio.original_not_asked,
            original: jumio.original.clone(),
            authentications: jumio.authentications.clone(),
        },
    }
}

pub(crate) const fn state(jumio: &AtJumio) -> JumioState {
    match jumio.done_at {
        None => JumioState::Pending,
        Some(_) if jumio.unnamed > 0 => JumioState::Incomplete,
        Some(_) => JumioState::Done,
    }
}

/// When the last of it was deleted, where Jumio said of any of it that it was. Where it only did not find it, nobody knows
/// who deleted it, or whether it ever was there.
pub(crate) fn deleted_at(jumio: &AtJumio) -> Option<Timestamp> {
    jumio.done_at.filter(|_| says_deleted(jumio))
}

fn says_deleted(jumio: &AtJumio) -> bool {
    const DELETED: u16 = 200;
    jumio.original.contains_key(&DELETED) || jumio.authentications.contains_key(&DELETED)
}

//! After a rebuild or restore: somebody has read what was lost, and lets purges and retention go on. And where the book
//! does not fit its anchor: somebody says that it is to go on.

use crate::{RepairError, ground::Ground};
use audit::{Action, Actor, Audit, AuditError, Begin, Border, Details, NewEpoch, Outcome};
use model::Clock;
use register::{RecoveryKind, RecoveryRow, Register};
use std::sync::Arc;

/// What an acknowledgement found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acknowledged {
    /// Nothing was ever rebuilt or restored.
    Nothing,
    /// Somebody did so before.
    Before(RecoveryRow),
    /// It is done now.
    Now(RecoveryRow),
}

/// Acknowledges a rebuild or restore: from now on purges and retention go on. It is written down before and after. It
/// works in a house at rest and in one that is in use.
///
/// # Errors
/// When it could not be written down or made durable: nothing is acknowledged then.
pub async fn acknowledge(
    register: &Register,
    audit: &Audit,
    actor: Actor,
    clock: &dyn Clock,
) -> Result<Acknowledged, RepairError> {
    let Some(read) = register.recovery().await? else { return Ok(Acknowledged::Nothing) };
    if read.value.acknowledged_at.is_some() {
        return Ok(Acknowledged::Before(read.value));
    }
    let begin = Begin::general(Action::RecoveryAcknowledged, actor).with("since", read.value.since);
    let stroke = audit.begin(begin).await?;
    let row = RecoveryRow { acknowledged_at: Some(clock.now()), ..read.value.clone() };
    let mut commit = register.records().commit();
    register.put_recovery(&mut commit, Some(&read), &row);
    audit.finish(&mut commit, &stroke, Outcome::Done);
    match commit.submit().await {
        Ok(()) => Ok(Acknowledged::Now(row)),
        Err(error) => {
            audit.finish_alone(&stroke, Outcome::Failed, Details::new()).await?;
            Err(error.into())
        }
    }
}

/// Where the chain and its anchor do not fit, and [`Audit::open`] refuses: begins a new epoch of the chain, whose first
/// entry names the old anchor's head, if there is one. The store may be an older one, so nothing is begun at Jumio for
/// one window. What was cut off stays lost, and `verify` goes on telling of damaged entries.
///
/// # Errors
/// [`RepairError::Refused`] when the book and its anchor fit.
pub async fn accept_book(ground: &Ground) -> Result<Border, RepairError> {
    let vault = ground.vault(ground.paths.clone()).await?;
    let store = ground.engine.open(&ground.db).await?;
    let records = ground.records(store);
    let register = Register::new(records.clone(), Arc::clone(&vault));
    let accepted = accept(ground, &register).await;
    drop((records, register));
    ground.engine.close(&ground.db).await;
    accepted
}

async fn accept(ground: &Ground, register: &Register) -> Result<Border, RepairError> {
    let records = register.records();
    let now = ground.clock.now();
    match Audit::open(records.clone(), ground.anchor.clone(), Arc::clone(&ground.clock)).await {
        Ok(book) => {
            book.close().await?;
            return Err(RepairError::Refused("the book and its anchor fit".into()));
        }
        Err(error) if error.is_retryable() || matches!(error, AuditError::AnchorIo(_)) => {
            return Err(error.into());
        }
        Err(_) => {}
    }
    let read = register.recovery().await?;
    let row = RecoveryRow {
        since: now,
        kind: RecoveryKind::Book,
        reauth_blocked_until: now.checked_add(ground.window).unwrap_or(model::Timestamp::MAX),
        // Whoever orders it has been told what it means. What was not acknowledged before stays so.
        acknowledged_at: read.as_ref().is_none_or(|read| read.value.acknowledged_at.is_some()).then_some(now),
        lost: vec!["audit entries that the old anchor knew of and the store does not have are lost".into()],
    };
    let mut commit = records.commit();
    register.put_recovery(&mut commit, read.as_ref(), &row);
    commit.submit().await?;
    let border =
        audit::begin_epoch(records, &ground.anchor, NewEpoch::Accepted, Actor::Operator, 0, now).await?;
    Ok(border)
}

//! Enrollments whose place another one took, where the operator has them destroyed for that.

use super::{Beginning, Condition};
use crate::{Custody, CustodyError, Order, PurgeReason};
use audit::Actor;
use jiff::SignedDuration;
use queue::Lease;
use records::EnrollmentKey;

/// How long until a hold, or a rebuild that nobody has acknowledged, is looked at again.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_hours(1);

impl Custody {
    pub(crate) async fn handle_replaced(&self, lease: &Lease) -> Result<(), CustodyError> {
        let key: EnrollmentKey = lease.subject()?;
        let order = Order { reason: PurgeReason::Other, case_reference: None, actor: Actor::System };
        let beginning = Beginning { order, purge: None, waits_for_jumio: false, only_if: Condition::Always };
        let done = self.carry_out(key, Some(beginning)).await;
        let mut commit = self.records().commit();
        match done {
            Ok(()) | Err(CustodyError::UnknownEnrollment | CustodyError::ReceiptLost) => {
                lease.complete(&mut commit).await?;
            }
            Err(CustodyError::Held | CustodyError::RecoveryNotAcknowledged) => {
                lease.again_at(&mut commit, self.now() + LOOK_AGAIN).await?;
            }
            Err(error) => return Err(error),
        }
        Ok(commit.submit().await?)
    }
}

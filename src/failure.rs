//! Why a command did not do what it should, and with which code the process ends then.

use crate::{config::ConfigError, shutdown::Died};
use audit::AuditError;
use custody::CustodyError;
use ingest::IngestError;
use queue::{BudgetError, QueueError};
use reauth::ReauthError;
use records::RecordsError;
use register::RegisterError;
use std::{error::Error, fmt};
use store::StoreError;
use vault::VaultError;

/// The codes that scripts rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Something went wrong.
    Failed = 1,
    /// Damage was found, or a check was refused.
    Damage = 2,
    /// The command line is wrong.
    Usage = 64,
    /// The configuration is wrong.
    Configuration = 78,
}

/// Why a command did not do what it should: what happened, what it means, what to do.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The process's code.
    pub(crate) exit: Exit,
    /// For the operator.
    pub(crate) message: String,
}

impl Failure {
    /// Something went wrong.
    pub(crate) fn failed(message: impl fmt::Display) -> Self {
        Self { exit: Exit::Failed, message: message.to_string() }
    }

    /// Damage was found, or a check was refused.
    pub(crate) fn damage(message: impl fmt::Display) -> Self {
        Self { exit: Exit::Damage, message: message.to_string() }
    }

    /// The command line is wrong.
    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self { exit: Exit::Usage, message: message.to_string() }
    }

    /// The configuration is wrong.
    pub(crate) fn configuration(message: impl fmt::Display) -> Self {
        Self { exit: Exit::Configuration, message: message.to_string() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::configuration(error)
    }
}

/// What is on the disk is not as it must be: scripts tell that from a port that is taken.
macro_rules! damage {
    ($error:ty, $is_damage:expr) => {
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                let is_damage: fn(&$error) -> bool = $is_damage;
                if is_damage(&error) { Self::damage(error) } else { Self::failed(error) }
            }
        }
    };
}

/// A part that met damage while the service ran ends it as damage at the start would.
impl From<Died> for Failure {
    fn from(died: Died) -> Self {
        if let Died::Failed { source, .. } = &died
            && is_damage(&**source)
        {
            return Self::damage(died);
        }
        Self::failed(died)
    }
}

/// What the parts of the service fail with.
fn is_damage(error: &(dyn Error + Send + Sync + 'static)) -> bool {
    error.downcast_ref().is_some_and(of_queue)
        || error.downcast_ref().is_some_and(of_audit)
        || error.downcast_ref().is_some_and(of_store)
        || error.downcast_ref().is_some_and(of_vault)
}

damage!(VaultError, of_vault);
damage!(StoreError, of_store);
damage!(RegisterError, of_register);
damage!(AuditError, of_audit);
damage!(QueueError, of_queue);
damage!(BudgetError, |error| matches!(error, BudgetError::Unavailable(error) if of_records(error)));
damage!(IngestError, |error| match error {
    IngestError::Vault(error) => of_vault(error),
    IngestError::Register(error) => of_register(error),
    IngestError::Records(error) => of_records(error),
    IngestError::Audit(error) => of_audit(error),
    IngestError::DamagedCallback | IngestError::UserWithoutCurrent | IngestError::Inconsistent { .. } => true,
    _ => false,
});
damage!(ReauthError, |error| match error {
    ReauthError::Vault(error) => of_vault(error),
    ReauthError::Register(error) => of_register(error),
    ReauthError::Audit(error) => of_audit(error),
    _ => false,
});
damage!(CustodyError, |error| match error {
    CustodyError::Vault(error) => of_vault(error),
    CustodyError::Register(error) => of_register(error),
    CustodyError::Records(error) => of_records(error),
    CustodyError::Audit(error) => of_audit(error),
    CustodyError::Damaged => true,
    _ => false,
});

fn of_queue(error: &QueueError) -> bool {
    matches!(error, QueueError::Records(error) if of_records(error))
}

fn of_vault(error: &VaultError) -> bool {
    use VaultError::{Records, Unusable, WrongEpoch};
    // What keeps a sweep from reading the records is on the disk as well.
    error.is_damage() || matches!(error, Unusable { .. } | WrongEpoch { .. } | Records(_))
}

fn of_store(error: &StoreError) -> bool {
    matches!(error, StoreError::Unusable(_) | StoreError::Corrupt(_))
}

fn of_records(error: &RecordsError) -> bool {
    match error {
        RecordsError::Damaged { .. } => true,
        RecordsError::Store(error) => of_store(error),
        RecordsError::Encoding { .. } => false,
    }
}

fn of_register(error: &RegisterError) -> bool {
    match error {
        RegisterError::Records(error) => of_records(error),
        RegisterError::Vault(error) => of_vault(error),
        RegisterError::WrongPerson | RegisterError::Damaged => true,
    }
}

fn of_audit(error: &AuditError) -> bool {
    match error {
        AuditError::Unavailable(error) | AuditError::Read(error) => of_records(error),
        AuditError::Stopped | AuditError::AnchorIo(_) => false,
        AuditError::AnchorAhead { .. }
        | AuditError::AnchorDiffers { .. }
        | AuditError::AnchorMissing
        | AuditError::AnchorDamaged
        | AuditError::Damaged { .. } => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shutdown::TaskError;

    #[test]
    fn what_must_be_repaired_ends_with_the_code_of_damage() {
        let damaged = VaultError::WrongEpoch { store: 1, slots: 2 };
        assert_eq!(Failure::from(damaged).exit, Exit::Damage);
        let lost = StoreError::Unusable("it is empty; run `facemap-vault rebuild-index`".into());
        assert_eq!(Failure::from(lost).exit, Exit::Damage);
        let corrupt = RecordsError::Store(StoreError::Corrupt("a row".into()));
        assert_eq!(Failure::from(AuditError::Read(corrupt)).exit, Exit::Damage);
        assert_eq!(Failure::from(AuditError::AnchorMissing).exit, Exit::Damage);
        assert_eq!(Failure::from(VaultError::InUse { path: "slots".into() }).exit, Exit::Failed);
    }

    #[test]
    fn a_part_that_meets_damage_ends_the_process_with_its_code_and_a_sick_disk_with_another() {
        let ended = |source| Failure::from(Died::Failed { name: "workers", source });
        let corrupt = || RecordsError::Store(StoreError::Corrupt("a row".into()));
        for source in
            [Box::new(QueueError::Records(corrupt())) as TaskError, Box::new(AuditError::Read(corrupt()))]
        {
            let failure = ended(source);
            assert_eq!(failure.exit, Exit::Damage);
            assert!(failure.message.contains("verify"), "{failure}");
        }
        let sick = StoreError::Poisoned("the cable".into());
        assert_eq!(
            ended(Box::new(QueueError::Records(RecordsError::Store(sick.clone())))).exit,
            Exit::Failed
        );
        assert_eq!(ended(Box::new(sick)).exit, Exit::Failed);
        assert_eq!(ended(Box::new(VaultError::Poisoned)).exit, Exit::Failed);
        assert_eq!(Failure::from(Died::Unasked { name: "workers" }).exit, Exit::Failed);
    }
}

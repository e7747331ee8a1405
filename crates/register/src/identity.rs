//! What the whole store is: of which format, for which slot file, with real or simulated people. Held against the slot
//! file at every start.

use crate::{Register, RegisterError};
use records::{RecordsError, Table, tables};
use serde::{Deserialize, Serialize};
use store::StoreError;
use vault::{Mode, Survey, VaultId};

pub(crate) static IDENTITY: Table<(u8,), Identity> = Table::new(tables::META, "meta");
pub(crate) const KEY: (u8,) = (0,);

/// The format of the records that this version writes and reads.
pub const FORMAT: u32 = 1;

/// The store's word about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) format: u32,
    pub(crate) vault: VaultId,
    pub(crate) simulated: bool,
    pub(crate) epoch: u64,
}

impl Register {
    /// Holds the store against the slot file. A new store beside a slot file that nobody has used yet gets its identity
    /// here; anything else that does not fit is refused, and nothing is changed.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] says why and what to do; `VaultError::WrongEpoch` is the vault's.
    pub async fn check_identity(&self, survey: &Survey) -> Result<(), RegisterError> {
        let found = IDENTITY.get(&self.records, &KEY).await.map_err(not_these_keys)?;
        let Some(found) = found else { return self.found_store(survey).await };
        let found = found.value;
        let unusable = |text: &str| Err(RecordsError::Store(StoreError::Unusable(text.to_owned())).into());
        if found.format != FORMAT {
            return unusable(
                "its records are of a newer version of facemap-vault; start that version, nothing was changed",
            );
        }
        if found.vault != self.vault.id() {
            return unusable(
                "it belongs to another slot file; check store.path and store.slots_path in the configuration",
            );
        }
        if found.simulated != (self.vault.mode() == Mode::Simulated) {
            return unusable(
                "it was made for simulated people and the slots for real ones, or the other way round",
            );
        }
        Ok(self.vault.check_epoch(found.epoch)?)
    }

    async fn found_store(&self, survey: &Survey) -> Result<(), RegisterError> {
        let unusable = |text: &str| Err(RecordsError::Store(StoreError::Unusable(text.to_owned())).into());
        if survey.prepared + survey.live + survey.burnt > 0 {
            return unusable(
                "it is empty, but the slot file is not: the store was lost or store.path names another folder; \
                 restore it, or run `facemap-vault rebuild-index`",
            );
        }
        // An identity that was removed must not be written anew over somebody's records.
        if !self.rows(None, 1).await?.is_empty() || !self.windows(None, 1).await?.is_empty() {
            return unusable("it holds records but does not say whose; run `facemap-vault verify`");
        }
        let identity = Identity {
            format: FORMAT,
            vault: self.vault.id(),
            simulated: self.vault.mode() == Mode::Simulated,
            epoch: self.vault.epoch(),
        };
        let mut commit = self.records.commit();
        commit.insert(&IDENTITY, &KEY, &identity);
        Ok(commit.submit().await?)
    }
}

/// A record that does not open at the very start means, before anything else, that the keys are another vault's.
fn not_these_keys(error: RecordsError) -> RecordsError {
    match error {
        RecordsError::Damaged { .. } => RecordsError::Store(StoreError::Unusable(
            "its first record does not open: keys.path holds the keys of another vault, or the store is damaged; put \
             the right keys back, or run `facemap-vault verify`"
                .to_owned(),
        )),
        other => other,
    }
}

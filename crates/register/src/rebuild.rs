//! What a rebuild or restore writes: tombstones, the store's word about itself, and rows of a backup as they were.

use crate::{
    AuthenticationPrivate, AuthenticationRow, EnrollmentRow, RecoveryRow, Register, RegisterError,
    enrollment::{BY_STATE, ENROLLMENTS},
    identity::{FORMAT, IDENTITY, Identity, KEY},
};
use model::{EnrollmentOrigin, EnrollmentState, Timestamp};
use records::{Commit, EnrollmentKey};
use vault::{Mode, SlotRef};

impl Register {
    /// Puts the tombstone of a burnt slot into a commit. Nothing else is known of the person, and nothing may be.
    pub fn insert_tombstone(
        &self,
        commit: &mut Commit,
        key: EnrollmentKey,
        slot: SlotRef,
        burnt_at: Timestamp,
    ) {
        // How it came to us is forgotten with the person.
        let origin = EnrollmentOrigin::Announced;
        let row = EnrollmentRow::new(EnrollmentState::Purged, origin, burnt_at, slot, None);
        commit.index(&BY_STATE, &row.state_key(key));
        commit.insert(&ENROLLMENTS, &(key,), &row);
    }

    /// Puts an authentication of a backup into a commit, with the reference that Jumio gave it.
    ///
    /// # Errors
    /// When the person's slot cannot be read.
    pub async fn insert_known_authentication(
        &self,
        commit: &mut Commit,
        mut row: AuthenticationRow,
        private: &AuthenticationPrivate,
    ) -> Result<(), RegisterError> {
        row.transaction = private.reference.as_ref().map(|r| self.records.transaction_key(r));
        if let Some(transaction) = row.transaction {
            commit.insert(&crate::authentication::BY_TRANSACTION, &(transaction,), &private.id);
        }
        self.insert_authentication(commit, row, private).await
    }

    /// Writes into a new store whose it is, together with the word about what made it: the last thing before it may be
    /// used. Without it, or under another epoch, it does not start.
    ///
    /// # Errors
    /// When it did not become durable.
    pub async fn seal_new_store(&self, recovery: &RecoveryRow) -> Result<(), RegisterError> {
        let identity = Identity {
            format: FORMAT,
            vault: self.vault.id(),
            simulated: self.vault.mode() == Mode::Simulated,
            epoch: self.vault.epoch(),
        };
        let mut commit = self.records.commit();
        commit.insert(&IDENTITY, &KEY, &identity);
        self.put_recovery(&mut commit, None, recovery);
        Ok(commit.submit().await?)
    }
}

#![doc = include_str!("../README.md")]

mod commit;
mod error;
#[cfg(any(test, feature = "test-util"))]
pub mod fuzzing;
mod key;
mod shape;
mod table;
pub mod tables;

pub use commit::Commit;
pub use error::RecordsError;
pub use key::{EnrollmentKey, Key, KeyPart, TransactionKey, UserKey};
pub use shape::{RowPlace, Shape, SlotMark, Ties};
pub use table::{Index, Record, Table};

use model::{AuthenticationRef, EnrollmentRef, Rng, UserReference};
use seal::HeldKeys;
use std::sync::Arc;
use store::Store;

/// The tables' common ground: the store, the key that seals records, and a source of randomness.
#[derive(Clone)]
pub struct Records {
    store: Arc<dyn Store>,
    keys: Arc<HeldKeys>,
    rng: Arc<dyn Rng>,
}

impl Records {
    /// Records in `store`, sealed under the held keys.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, keys: Arc<HeldKeys>, rng: Arc<dyn Rng>) -> Self {
        Self { store, keys, rng }
    }

    /// The store below, for its state of health.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The held keys, for what is sealed or authenticated beside a record.
    #[must_use]
    pub fn keys(&self) -> &Arc<HeldKeys> {
        &self.keys
    }

    /// The source of randomness that ids and nonces come from.
    #[must_use]
    pub fn rng(&self) -> &Arc<dyn Rng> {
        &self.rng
    }

    /// Begins an empty commit.
    pub fn commit(&self) -> Commit {
        Commit::new(self.clone())
    }

    /// The key under which an enrollment rests.
    #[must_use]
    pub fn enrollment_key(&self, reference: &EnrollmentRef) -> EnrollmentKey {
        EnrollmentKey(self.keys.pseudonyms().of("enrollment", reference.as_bytes()))
    }

    /// The key under which a user rests.
    #[must_use]
    pub fn user_key(&self, user: &UserReference) -> UserKey {
        UserKey(self.keys.pseudonyms().of("user", user.as_str().as_bytes()))
    }

    /// The key under which Jumio's reference of an authentication is found.
    #[must_use]
    pub fn transaction_key(&self, reference: &AuthenticationRef) -> TransactionKey {
        TransactionKey(self.keys.pseudonyms().of("authentication", reference.as_bytes()))
    }
}

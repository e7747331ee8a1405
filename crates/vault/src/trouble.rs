//! What keeps a vault that is open from doing its work, for whoever watches.

use crate::{error::VaultError, files::free_bytes, vault::Vault};
use std::fs::File;

impl Vault {
    /// What is in the way of everything that needs a slot. [`VaultError::Poisoned`] stays until the process is started
    /// anew; [`VaultError::NoSpace`] passes. It looks, and waits for nobody.
    #[must_use]
    pub fn trouble(&self) -> Option<VaultError> {
        let slots = &self.0.slots;
        slots.check().err().or_else(|| slots.is_full().then_some(VaultError::NoSpace))
    }

    /// Whether the disk of the contents has fewer bytes left than these, or cannot be asked. No facemap is put then
    /// once it is full, and the same call succeeds when there is room again; what is there can be used.
    #[must_use]
    pub fn contents_lack_space(&self, bytes: u64) -> bool {
        let free = File::open(self.0.contents.root()).and_then(|folder| free_bytes(&folder));
        !free.is_ok_and(|free| free >= bytes)
    }
}

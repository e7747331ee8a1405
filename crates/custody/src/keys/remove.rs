//! A key goes, once nothing needs it.

use super::{Keys, rotate::outcome};
use crate::CustodyError;
use audit::{Action, Actor, Begin, Details, Outcome};
use seal::KeyId;
use std::fmt;

/// What needs a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyUse {
    /// It wraps everything new.
    Active,
    /// It is a held key, for this purpose.
    Held {
        /// What it is for.
        purpose: String,
    },
    /// The held keys lie under it.
    HeldKeys,
    /// Slots lie under it.
    Slots {
        /// How many.
        slots: u64,
    },
}

impl fmt::Display for KeyUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Active => f.write_str(
                "it is the active one, under which everything new is wrapped; run `facemap-vault keys rotate` and then \
                 `facemap-vault keys rewrap` first",
            ),
            Self::Held { purpose } => write!(
                f,
                "it is the held key for {purpose}, which this vault was made with; records and audit entries name it, and it \
                 is never removed"
            ),
            Self::HeldKeys => {
                f.write_str("the held keys lie under it; run `facemap-vault keys rewrap` first")
            }
            Self::Slots { slots } => {
                write!(f, "{slots} slots lie under it; run `facemap-vault keys rewrap` first")
            }
        }
    }
}

impl Keys {
    /// Destroys a wrapping key. Refused while anything needs it: for the active key, while a slot or the held keys lie
    /// under it, and for held keys, which records and audit entries name for ever. Older backups of slots that lie under
    /// it open nothing afterwards.
    ///
    /// Nothing can come under the key between the look and the removal. Only the active key wraps, and the key is not
    /// the active one: that is looked at first, and nobody rotates meanwhile. What began to wrap while it still was
    /// the active one is waited for by [`vault::Vault::wrapping_keys`], which then sees it; the held keys' file is
    /// replaced by acts on keys only, and those wait for one another.
    ///
    /// # Errors
    /// [`CustodyError::KeyNeeded`] says who needs it and what to run; [`CustodyError::UnknownKey`].
    /// [`CustodyError::Vault`], [`CustodyError::Shelf`] and [`CustodyError::HeldKeys`] when nobody knows who needs it. In
    /// all these cases nothing was done. [`CustodyError::Keys`] when the provider did not do it. [`CustodyError::Audit`]
    /// when the act, or its end, could not be written down.
    pub async fn remove(&self, id: KeyId, actor: Actor) -> Result<(), CustodyError> {
        let keys = self.clone();
        self.to_the_end(async move { keys.remove_now(id, actor).await }).await
    }

    async fn remove_now(&self, id: KeyId, actor: Actor) -> Result<(), CustodyError> {
        let _alone = self.0.acts.lock().await;
        let parts = self.parts();
        self.check_unneeded(id).await?;
        let begin = Begin::general(Action::KeyRemoved, actor).with("key", id);
        let stroke = parts.audit.begin(begin).await?;
        match parts.provider.remove(id).await {
            Ok(()) => Ok(parts.audit.finish_alone(&stroke, Outcome::Done, Details::new()).await?),
            Err(error) => {
                parts.audit.finish_alone(&stroke, outcome(&error), Details::new()).await?;
                Err(error.into())
            }
        }
    }

    async fn check_unneeded(&self, id: KeyId) -> Result<(), CustodyError> {
        let parts = self.parts();
        let needed = |by| Err(CustodyError::KeyNeeded { id, by });
        if parts.provider.active() == id {
            return needed(KeyUse::Active);
        }
        let held = parts.shelf.load().await?;
        if let Some(key) = held.keys.iter().find(|key| key.id == id) {
            return needed(KeyUse::Held { purpose: key.purpose.clone() });
        }
        if self.named_by(&held)?.contains(&id) {
            return needed(KeyUse::HeldKeys);
        }
        match parts.vault.wrapping_keys().await?.get(&id) {
            Some(&slots) if slots > 0 => needed(KeyUse::Slots { slots }),
            _ => Ok(()),
        }
    }
}

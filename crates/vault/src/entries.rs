//! Who is about to take a facemap out, and until when: a purge lets nobody in any more and waits for those inside.
//!
//! In memory only. A process that ends holds no facemap any more, and after its start the record says that the person
//! is being purged; the slot itself says `burnt` once it is. So nothing here has to outlive the process.

use crate::{
    error::VaultError,
    types::SlotRef,
    vault::{Vault, in_use},
};
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::watch;

/// The slots that somebody is inside of, or that are closed.
#[derive(Default, Clone)]
pub(crate) struct Entries(Arc<Mutex<HashMap<SlotRef, Room>>>);

struct Room {
    /// How many are inside. A channel, so that whoever waits misses no change.
    inside: watch::Sender<usize>,
    closed: bool,
}

/// Somebody is about to open this slot's facemap, or has it in memory. Hold it from before the facemap is opened until
/// its buffer is wiped; dropping it is how one leaves.
#[must_use = "a purge waits only for entries that are held"]
pub struct Entry {
    entries: Entries,
    slot: SlotRef,
}

impl Entries {
    fn lock(&self) -> MutexGuard<'_, HashMap<SlotRef, Room>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, slot: SlotRef) -> Result<Entry, VaultError> {
        let mut rooms = self.lock();
        let room = rooms.entry(slot).or_insert_with(Room::open);
        if room.closed {
            return Err(VaultError::Closing);
        }
        room.inside.send_modify(|inside| *inside += 1);
        drop(rooms);
        Ok(Entry { entries: self.clone(), slot })
    }

    /// Closes the slot before it is waited for: nobody comes in between.
    fn close(&self, slot: SlotRef) -> watch::Receiver<usize> {
        let mut rooms = self.lock();
        let room = rooms.entry(slot).or_insert_with(Room::open);
        room.closed = true;
        room.inside.subscribe()
    }

    /// Forgets that a slot is closed: the disk says now that it is burnt.
    pub(crate) fn burnt(&self, slot: SlotRef) {
        let mut rooms = self.lock();
        if let Some(room) = rooms.get_mut(&slot) {
            room.closed = false;
            if *room.inside.borrow() == 0 {
                rooms.remove(&slot);
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn known(&self) -> usize {
        self.lock().len()
    }
}

impl Room {
    fn open() -> Self {
        Self { inside: watch::Sender::new(0), closed: false }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut rooms = self.entries.lock();
        let Some(room) = rooms.get_mut(&self.slot) else { return };
        room.inside.send_modify(|inside| *inside -= 1);
        if *room.inside.borrow() == 0 && !room.closed {
            rooms.remove(&self.slot);
        }
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entry(slot {})", self.slot.index)
    }
}

impl Vault {
    /// Enters a slot, to take its facemap out. [`Vault::drain`] waits until the entry is dropped.
    ///
    /// # Errors
    /// [`VaultError::Closing`] once the slot is drained, [`VaultError::Burnt`] once it is burnt: the person is gone.
    /// [`VaultError::NoSuchSlot`], [`VaultError::Io`].
    pub async fn enter(&self, slot: SlotRef) -> Result<Entry, VaultError> {
        // Inside first, then the look at the disk: a drain that begins in between waits for this one.
        let entry = self.0.entries.enter(slot)?;
        self.run(move |inner| in_use(&inner.slots.read(slot)?)).await?;
        Ok(entry)
    }

    /// Lets nobody enter this slot any more, and waits until everybody who is inside has left. From its first moment on
    /// the slot is closed, even if nobody waits for the end any more; it stays closed until it is burnt or the process
    /// ends. Asked again, it waits again.
    ///
    /// It has no bound of its own: those inside hold a facemap while a request to Jumio runs, so it ends with the
    /// longest of those. Whoever must answer earlier stops waiting and comes back.
    pub async fn drain(&self, slot: SlotRef) {
        let mut inside = self.0.entries.close(slot);
        // The sender goes only when nobody is inside.
        let _ = inside.wait_for(|inside| *inside == 0).await;
    }
}

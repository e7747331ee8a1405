//! Slots and contents as a walk sees them, of a running vault or of one that does not open in full.

use async_trait::async_trait;
use vault::{
    ContentListing, Found, Inspection, PersonKey, SlotFileHeader, SlotRef, SlotView, Vault, VaultError,
};

/// One page of the slot file.
#[derive(Debug, Clone, Default)]
pub struct SectorPage {
    /// Slots in use or burnt.
    pub views: Vec<SlotView>,
    /// The places of damaged sectors.
    pub damaged: Vec<u32>,
    /// How many sectors were looked at, free ones included.
    pub looked_at: u32,
    /// Where to go on.
    pub next: Option<u32>,
}

/// Slots and contents: of a vault in use, or of one that is held for looking.
#[async_trait]
pub trait Slots: Send + Sync {
    /// What the slot file's first sector says.
    ///
    /// # Errors
    /// In words, when it is damaged.
    fn header(&self) -> Result<SlotFileHeader, String>;
    /// A page of the slot file.
    ///
    /// # Errors
    /// When it cannot be read.
    async fn sectors(&self, from: u32) -> Result<SectorPage, VaultError>;
    /// What lies in the content folder.
    ///
    /// # Errors
    /// When it cannot be read.
    async fn listing(&self) -> Result<ContentListing, VaultError>;
    /// Opens the contents of these slots from header to end, and answers in their order. A slot that is not there, burnt
    /// or damaged is an error of its own.
    async fn check(&self, slots: Vec<SlotRef>) -> Vec<Result<Found, VaultError>>;
    /// The key of the record fields about the slot's person.
    ///
    /// # Errors
    /// When the slot is not the one that was meant.
    async fn person_key(&self, slot: SlotRef) -> Result<PersonKey, VaultError>;
}

#[async_trait]
impl Slots for Inspection {
    fn header(&self) -> Result<SlotFileHeader, String> {
        self.header().map_err(str::to_owned)
    }

    async fn sectors(&self, from: u32) -> Result<SectorPage, VaultError> {
        let found = self.sectors(from).await?;
        let mut page = SectorPage { next: found.next, looked_at: found.free, ..SectorPage::default() };
        page.looked_at += u32::try_from(found.sectors.len()).unwrap_or(u32::MAX);
        for sector in found.sectors {
            match sector {
                Ok(sector) => page.views.push(sector.view),
                Err(bad) => page.damaged.push(bad.index),
            }
        }
        Ok(page)
    }

    async fn listing(&self) -> Result<ContentListing, VaultError> {
        self.contents().await
    }

    async fn check(&self, slots: Vec<SlotRef>) -> Vec<Result<Found, VaultError>> {
        self.check_many(slots).await
    }

    async fn person_key(&self, slot: SlotRef) -> Result<PersonKey, VaultError> {
        self.person_key(slot).await
    }
}

#[async_trait]
impl Slots for Vault {
    fn header(&self) -> Result<SlotFileHeader, String> {
        Ok(SlotFileHeader { vault: self.id(), mode: self.mode(), epoch: self.epoch(), slots: 0 })
    }

    async fn sectors(&self, from: u32) -> Result<SectorPage, VaultError> {
        // A vault in use has read every sector at its start: one that does not read now is an error of the disk.
        let page = self.slots(from).await?;
        let looked_at = u32::try_from(page.views.len()).unwrap_or(u32::MAX);
        Ok(SectorPage { views: page.views, damaged: Vec::new(), looked_at, next: page.next })
    }

    async fn listing(&self) -> Result<ContentListing, VaultError> {
        self.contents().await
    }

    async fn check(&self, slots: Vec<SlotRef>) -> Vec<Result<Found, VaultError>> {
        self.check_many(slots).await
    }

    async fn person_key(&self, slot: SlotRef) -> Result<PersonKey, VaultError> {
        self.person_key(slot).await
    }
}

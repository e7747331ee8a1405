//! Looking batches and their items up, and putting their changes into a commit.

use crate::{
    Authentication, Link, Register, RegisterError,
    authentication::AUTHENTICATIONS,
    batch::{
        BATCHES, BY_ENROLLMENT, BY_STATE, BatchRow, CHANGED, ITEMS, Item, ItemPlace, ItemPrivate, ItemRow,
        ItemState, state_number,
    },
    link::LINKS,
};
use model::BatchId;
use records::{Commit, EnrollmentKey, Index, Key as _, Record, RecordsError, tables};
use store::Range;
use vault::{SlotRef, VaultError};

const FIELD: &str = "batch-item";

/// The keys of the table alone: a row that does not open must go too.
static ROWS: Index<(BatchId, u64)> = Index::new(tables::BATCH_ITEMS);

impl Register {
    /// The batch with this id.
    ///
    /// # Errors
    /// When the record does not open.
    pub async fn batch(&self, id: BatchId) -> Result<Option<Record<BatchRow>>, RegisterError> {
        Ok(BATCHES.get(&self.records, &(id,)).await?)
    }

    /// At most `limit` batches, in the order of their ids, after `after` if given.
    ///
    /// # Errors
    /// When a record does not open.
    pub async fn batches(
        &self,
        after: Option<BatchId>,
        limit: usize,
    ) -> Result<Vec<(BatchId, Record<BatchRow>)>, RegisterError> {
        let range = Range { after: after.map(|id| (id,).encode()), ..Range::default() };
        let rows = BATCHES.scan(&self.records, &range, limit).await?;
        Ok(rows.into_iter().map(|((id,), read)| (id, read)).collect())
    }

    /// Puts a batch into a commit, provided that it is still what was read.
    pub fn put_batch(
        &self,
        commit: &mut Commit,
        id: BatchId,
        read: Option<&Record<BatchRow>>,
        row: &BatchRow,
    ) {
        commit.upsert(&BATCHES, &(id,), read, row);
    }

    /// Removes a batch whose items are gone, provided that it is still what was read.
    pub fn remove_batch(&self, commit: &mut Commit, id: BatchId, read: &Record<BatchRow>) {
        commit.remove(&BATCHES, &(id,), read);
    }

    /// Seals what a list says of one item under the person's slot.
    ///
    /// # Errors
    /// When the slot cannot be read, or is burnt.
    pub async fn seal_item(
        &self,
        row: &mut ItemRow,
        slot: SlotRef,
        private: &ItemPrivate,
    ) -> Result<(), RegisterError> {
        let key = private.place.key().encode();
        row.private = Some(self.seal_private(slot, FIELD, &key, private).await?);
        row.slot = Some(slot);
        Ok(())
    }

    /// Opens it; `None` when there is nothing, or nothing any more.
    ///
    /// # Errors
    /// When the slot cannot be read; [`RegisterError::WrongPerson`] when it is another item's.
    pub async fn item_private(&self, item: &Item) -> Result<Option<ItemPrivate>, RegisterError> {
        let (Some(slot), Some(sealed)) = (item.row.slot, &item.row.private) else { return Ok(None) };
        let key = item.place.key().encode();
        match self.open_private::<ItemPrivate>(slot, FIELD, &key, sealed).await {
            Ok(private) if private.place == item.place => Ok(Some(private)),
            Ok(_) => Err(RegisterError::WrongPerson),
            Err(RegisterError::Vault(VaultError::Burnt)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Puts a new item into a commit.
    pub fn insert_item(&self, commit: &mut Commit, place: ItemPlace, row: &ItemRow) {
        commit.index(&BY_STATE, &(place.batch, state_number(row.state), place.number));
        if let Some(enrollment) = row.enrollment {
            commit.index(&BY_ENROLLMENT, &(enrollment, place.batch, place.number));
        }
        commit.insert(&ITEMS, &place.key(), row);
    }

    /// Puts the changed row of an item into a commit, provided that nobody changed it since it was looked up.
    pub fn update_item(&self, commit: &mut Commit, item: &Item) {
        let (before, row, ItemPlace { batch, number }) = (&item.read.value, &item.row, item.place);
        if before.state != row.state {
            commit.unindex(&BY_STATE, &(batch, state_number(before.state), number));
            commit.index(&BY_STATE, &(batch, state_number(row.state), number));
        }
        if before.enrollment != row.enrollment {
            if let Some(enrollment) = before.enrollment {
                commit.unindex(&BY_ENROLLMENT, &(enrollment, batch, number));
            }
            if let Some(enrollment) = row.enrollment {
                commit.index(&BY_ENROLLMENT, &(enrollment, batch, number));
            }
        }
        commit.update(&ITEMS, &item.place.key(), &item.read, row);
    }

    /// The item at a place.
    ///
    /// # Errors
    /// When the record does not open.
    pub async fn item(&self, place: ItemPlace) -> Result<Option<Item>, RegisterError> {
        let read = ITEMS.get(&self.records, &place.key()).await?;
        Ok(read.map(|read| Item { place, row: read.value.clone(), read }))
    }

    /// At most `limit` items of a batch, in the order of their numbers, after number `after` if given. A page costs the
    /// same wherever it lies.
    ///
    /// # Errors
    /// When a record does not open.
    pub async fn items(
        &self,
        batch: BatchId,
        state: Option<ItemState>,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Item>, RegisterError> {
        let Some(state) = state else {
            let after = after.map(|number| (batch, number).encode());
            let range = Range { prefix: (batch,).encode(), after, before: None };
            let rows = ITEMS.scan(&self.records, &range, limit).await?;
            let item = |((batch, number), read): ((BatchId, u64), Record<ItemRow>)| Item {
                place: ItemPlace { batch, number },
                row: read.value.clone(),
                read,
            };
            return Ok(rows.into_iter().map(item).collect());
        };
        let number = state_number(state);
        let after = after.map(|after| (batch, number, after));
        let keys = BY_STATE.keys(&self.records, (batch, number).encode(), after.as_ref(), limit).await?;
        let mut found = Vec::with_capacity(keys.len());
        for (batch, _, number) in keys {
            // One that changed its state since is somewhere else by now.
            let item = self.item(ItemPlace { batch, number }).await?;
            found.extend(item.filter(|item| item.row.state == state));
        }
        Ok(found)
    }

    /// At most `limit` items of a batch whose link or authentication has changed since it was last looked at.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub async fn changed_items(&self, batch: BatchId, limit: usize) -> Result<Vec<ItemPlace>, RegisterError> {
        let keys = CHANGED.keys(&self.records, (batch,).encode(), None, limit).await?;
        Ok(keys.into_iter().map(|(batch, number)| ItemPlace { batch, number }).collect())
    }

    /// Says, in the commit that changes a link or an authentication, that an item of a batch has to be looked at. It is
    /// in nobody's way: no row that others write is touched.
    pub(crate) fn mark_item(commit: &mut Commit, place: ItemPlace) {
        commit.index(&CHANGED, &place.key());
    }

    /// The item was looked at. The commit must also demand that what it was looked at for is still as it was then
    /// ([`Register::require_link`], [`Register::require_authentication`]), or a change in between is lost.
    pub fn unmark_item(&self, commit: &mut Commit, place: ItemPlace) {
        commit.unindex(&CHANGED, &place.key());
    }

    /// Demands in a commit that nobody changed a link since it was looked up.
    pub fn require_link(&self, commit: &mut Commit, link: &Link) {
        commit.require(&LINKS, &(link.id,), Some(&link.read));
    }

    /// Demands in a commit that nobody changed an authentication since it was looked up.
    pub fn require_authentication(&self, commit: &mut Commit, authentication: &Authentication) {
        commit.require(&AUTHENTICATIONS, &(authentication.id,), Some(&authentication.read));
    }

    /// At most `limit` places of items about an enrollment: for whoever destroys it.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub async fn items_to_purge(
        &self,
        enrollment: EnrollmentKey,
        limit: usize,
    ) -> Result<Vec<ItemPlace>, RegisterError> {
        let keys = BY_ENROLLMENT.keys(&self.records, (enrollment,).encode(), None, limit).await?;
        Ok(keys.into_iter().map(|(_, batch, number)| ItemPlace { batch, number }).collect())
    }

    /// Takes everything out of an item that leads to the person, in the commit of a purge. Its batch counts it as purged a
    /// moment later.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn forget_item(
        &self,
        commit: &mut Commit,
        enrollment: EnrollmentKey,
        place: ItemPlace,
    ) -> Result<(), RegisterError> {
        match self.item(place).await {
            Ok(Some(mut item)) if item.row.enrollment == Some(enrollment) => {
                let row = &mut item.row;
                (row.enrollment, row.slot, row.private) = (None, None, None);
                // What is in hand keeps its id until it is put back: nothing is posted for it any more.
                (row.link, row.authentication) = (None, None);
                self.update_item(commit, &item);
                Self::mark_item(commit, place);
            }
            // An index row that leads nowhere, or to somebody else's.
            Ok(_) => commit.unindex(&BY_ENROLLMENT, &(enrollment, place.batch, place.number)),
            Err(RegisterError::Records(RecordsError::Damaged { .. })) => {
                commit.unindex(&BY_ENROLLMENT, &(enrollment, place.batch, place.number));
                commit.unindex(&ROWS, &place.key());
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Takes at most `limit` items of a batch out of the tables, with everything that leads to them: for one that was
    /// never begun. How many.
    ///
    /// # Errors
    /// When a record does not open.
    pub async fn remove_items(
        &self,
        commit: &mut Commit,
        batch: BatchId,
        limit: usize,
    ) -> Result<usize, RegisterError> {
        let items = self.items(batch, None, None, limit).await?;
        for item in &items {
            let number = item.place.number;
            commit.unindex(&BY_STATE, &(batch, state_number(item.row.state), number));
            if let Some(enrollment) = item.row.enrollment {
                commit.unindex(&BY_ENROLLMENT, &(enrollment, batch, number));
            }
            commit.unindex(&CHANGED, &item.place.key());
            commit.remove(&ITEMS, &item.place.key(), &item.read);
        }
        Ok(items.len())
    }
}

//! Looking at a batch and its items.

use super::view::{BatchItemView, BatchView};
use crate::{Reauth, error::ReauthError, view::AuthenticationView};
use model::BatchId;
use register::{BatchRow, BatchState, Item, ItemState};

impl Reauth {
    /// A batch, with everything counted that has changed until now.
    ///
    /// # Errors
    /// [`ReauthError::UnknownBatch`]; others when a record cannot be read.
    pub async fn batch(&self, id: BatchId) -> Result<BatchView, ReauthError> {
        self.known_batch(id).await?;
        // The job is at it as well: whoever comes second has nothing to do.
        match self.tally(id, None).await {
            Ok(_) => {}
            Err(error) if error.is_conflict() => {}
            Err(error) => return Err(error),
        }
        let row = self.known_batch(id).await?;
        Ok(BatchView::of(id, &row, self.now()))
    }

    async fn known_batch(&self, id: BatchId) -> Result<BatchRow, ReauthError> {
        let found = self.parts.register.batch(id).await?.map(|read| read.value);
        found.filter(|row| row.state != BatchState::Preparing).ok_or(ReauthError::UnknownBatch)
    }

    /// At most `limit` items in the order of their numbers, after number `after`. A page costs the same wherever it lies.
    ///
    /// # Errors
    /// [`ReauthError::UnknownBatch`]; others when a record cannot be read.
    pub async fn batch_items(
        &self,
        id: BatchId,
        state: Option<ItemState>,
        after: Option<u64>,
        limit: usize,
        with_urls: bool,
    ) -> Result<Vec<BatchItemView>, ReauthError> {
        let row = self.known_batch(id).await?;
        let mut views = Vec::with_capacity(limit);
        for item in self.parts.register.items(id, state, after, limit).await? {
            views.push(self.item_view(&row, &item, with_urls).await?);
        }
        Ok(views)
    }

    async fn item_view(
        &self,
        row: &BatchRow,
        item: &Item,
        with_url: bool,
    ) -> Result<BatchItemView, ReauthError> {
        let mut view = BatchItemView::of(item);
        match self.asked(item, &row.terms).await {
            Ok(Ok(asked)) => {
                view.user_reference = Some(asked.user);
                view.request_reference = asked.request_reference;
                view.enrollment_transaction_reference = asked.enrollment;
            }
            // Nobody is behind it, or nobody any more.
            Ok(Err(_)) => return Ok(view),
            Err(ReauthError::Register(error)) if error.is_damage() => {
                tracing::error!(%error, "an item's person cannot be read; run `facemap-vault verify`");
                return Ok(view);
            }
            Err(error) => return Err(error),
        }
        if with_url {
            self.add_url(&mut view).await?;
        }
        Ok(view)
    }

    async fn add_url(&self, view: &mut BatchItemView) -> Result<(), ReauthError> {
        let (register, now) = (&self.parts.register, self.now());
        if let Some(id) = view.link_id {
            let found = register.link(id).await?;
            if let Some(link) = found.filter(|link| link.private.is_some() && link.row.is_usable(now)) {
                view.url = Some(self.link_url(id));
                view.expires_at = Some(link.row.expires_at);
            }
        } else if let Some(id) = view.authentication_id
            && let Some(found) = register.authentication(id).await?
        {
            let seen = AuthenticationView::of(&found, now);
            view.url = seen.redirect_url;
            view.expires_at = seen.redirect_url_expires_at;
        }
        Ok(())
    }
}

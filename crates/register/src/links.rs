//! Looking links up, and putting their changes into a commit.

use crate::{
    Link, LinkPrivate, LinkRow, Register, RegisterError,
    link::{BY_ENROLLMENT, BY_USER, LINKS},
};
use model::{LinkId, Timestamp, UserReference};
use records::{Commit, EnrollmentKey, Index, Key as _, Record, RecordsError, tables};
use vault::VaultError;

const FIELD: &str = "link";

/// The keys of the table alone: a row that does not open must go too.
static ROWS: Index<(LinkId,)> = Index::new(tables::LINKS);

/// A link that is about to be removed.
#[derive(Debug, Clone)]
pub struct LinkToPurge {
    /// Its id.
    pub id: LinkId,
    created_at: Timestamp,
    enrollment: EnrollmentKey,
    /// `None`: the row is not there, does not open, or is another enrollment's.
    row: Option<Record<LinkRow>>,
    is_anothers: bool,
}

impl LinkToPurge {
    /// Whether this is a row of its own that goes.
    #[must_use]
    pub const fn is_own(&self) -> bool {
        !self.is_anothers
    }
}

impl Register {
    /// The link with this id. From the moment in which its person is being purged it names nobody.
    ///
    /// # Errors
    /// [`RegisterError::WrongPerson`] when the row's own claims are other ones.
    pub async fn link(&self, id: LinkId) -> Result<Option<Link>, RegisterError> {
        let Some(read) = LINKS.get(&self.records, &(id,)).await? else { return Ok(None) };
        let row = read.value.clone();
        let private: Option<LinkPrivate> = match &row.private {
            Some(sealed) if !self.is_purged(row.enrollment).await? => {
                match self.open_private(row.slot, FIELD, &(id,).encode(), sealed).await {
                    Ok(private) => Some(private),
                    Err(RegisterError::Vault(VaultError::Burnt)) => None,
                    Err(other) => return Err(other),
                }
            }
            _ => None,
        };
        if let Some(private) = &private {
            let is_its_own = private.id == id
                && self.records.enrollment_key(&private.enrollment_reference) == row.enrollment
                && self.records.user_key(&private.user_reference) == row.user;
            if !is_its_own {
                return Err(RegisterError::WrongPerson);
            }
        }
        Ok(Some(Link { id, row, private, read }))
    }

    /// At most `limit` links of a user, oldest first, after the one with id `after`.
    ///
    /// # Errors
    /// [`RegisterError::WrongPerson`] when the index names somebody else's.
    pub async fn links_of_user(
        &self,
        user: &UserReference,
        after: Option<LinkId>,
        limit: usize,
    ) -> Result<Vec<Link>, RegisterError> {
        let user_key = self.records.user_key(user);
        let last = match after {
            Some(id) => self.link(id).await?.map(|link| (link.row.user, link.row.created_at, id)),
            None => None,
        };
        let keys = BY_USER.keys(&self.records, (user_key,).encode(), last.as_ref(), limit).await?;
        let mut found = Vec::with_capacity(keys.len());
        for (_, _, id) in keys {
            let Some(link) = self.link(id).await? else { continue };
            if link.row.user != user_key {
                return Err(RegisterError::WrongPerson);
            }
            found.push(link);
        }
        Ok(found)
    }

    /// Puts a new link into a commit.
    ///
    /// # Errors
    /// When the person's slot cannot be read.
    pub async fn insert_link(
        &self,
        commit: &mut Commit,
        mut row: LinkRow,
        private: &LinkPrivate,
    ) -> Result<(), RegisterError> {
        let id = private.id;
        row.private = Some(self.seal_private(row.slot, FIELD, &(id,).encode(), private).await?);
        commit.index(&BY_USER, &(row.user, row.created_at, id));
        commit.index(&BY_ENROLLMENT, &(row.enrollment, row.created_at, id));
        commit.insert(&LINKS, &(id,), &row);
        Ok(())
    }

    /// Puts the changed row of `link` into a commit, provided that nobody changed it since it was looked up. What it says
    /// about the person never changes.
    pub fn update_link(&self, commit: &mut Commit, link: &Link) {
        if let Some(item) = link.row.item {
            Self::mark_item(commit, item);
        }
        commit.update(&LINKS, &(link.id,), &link.read, &link.row);
    }

    /// At most `limit` links that are sealed under an enrollment's slot, oldest first: for whoever destroys it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn links_to_purge(
        &self,
        enrollment: EnrollmentKey,
        limit: usize,
    ) -> Result<Vec<LinkToPurge>, RegisterError> {
        let keys = BY_ENROLLMENT.keys(&self.records, (enrollment,).encode(), None, limit).await?;
        let mut found = Vec::with_capacity(keys.len());
        for (_, created_at, id) in keys {
            let row = match LINKS.get(&self.records, &(id,)).await {
                Ok(read) => read,
                Err(RecordsError::Damaged { .. }) => None,
                Err(error) => return Err(error.into()),
            };
            let is_anothers = row.as_ref().is_some_and(|read| read.value.enrollment != enrollment);
            let row = row.filter(|_| !is_anothers);
            found.push(LinkToPurge { id, created_at, enrollment, row, is_anothers });
        }
        Ok(found)
    }

    /// Takes a link out of the tables, with everything that leads to it, provided that nobody changed it since it was
    /// read.
    pub fn remove_link(&self, commit: &mut Commit, gone: &LinkToPurge) {
        commit.unindex(&BY_ENROLLMENT, &(gone.enrollment, gone.created_at, gone.id));
        match &gone.row {
            _ if gone.is_anothers => {}
            None => commit.unindex(&ROWS, &(gone.id,)),
            Some(read) => {
                commit.unindex(&BY_USER, &(read.value.user, read.value.created_at, gone.id));
                commit.remove(&LINKS, &(gone.id,), read);
            }
        }
    }
}

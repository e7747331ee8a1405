//! Making, showing and withdrawing links: the company's side.

use super::{LinkAuthentication, LinkView, NewLink, token};
use crate::{Reauth, error::ReauthError, service::until_no_conflict};
use audit::{Action, Actor, Note};
use jumio::Violations;
use model::{LinkId, LinkState, Timestamp};
use queue::{JobKey, Kind};
use records::Commit;
use register::{ItemPlace, Link, LinkPrivate, LinkRow};
use serde_json::Value;

impl Reauth {
    /// Makes a link for a person who can be re-authenticated now.
    ///
    /// # Errors
    /// [`ReauthError::Invalid`] for an `expiresAt` out of range; otherwise those of an initiate about the enrollment.
    pub async fn create_link(&self, new: NewLink, actor: Actor) -> Result<LinkView, ReauthError> {
        until_no_conflict!(self.create_link_once(&new, &actor))
    }

    async fn create_link_once(&self, new: &NewLink, actor: &Actor) -> Result<LinkView, ReauthError> {
        let mut commit = self.parts.register.records().commit();
        let view = self.prepare_link(&mut commit, new, actor.clone()).await?;
        commit.submit().await?;
        Ok(view)
    }

    /// Puts a new link into somebody's commit: it is there once that is durable, and not before.
    ///
    /// # Errors
    /// Those of [`Reauth::create_link`].
    pub async fn prepare_link(
        &self,
        commit: &mut Commit,
        new: &NewLink,
        actor: Actor,
    ) -> Result<LinkView, ReauthError> {
        self.prepare_link_for(commit, new, actor, None).await
    }

    /// As [`Reauth::prepare_link`], for an item of a batch.
    pub(crate) async fn prepare_link_for(
        &self,
        commit: &mut Commit,
        new: &NewLink,
        actor: Actor,
        item: Option<ItemPlace>,
    ) -> Result<LinkView, ReauthError> {
        let register = &self.parts.register;
        let now = self.now();
        let expires_at = self.expiry(new.expires_at, now)?;
        let enrollment = self.usable_enrollment(&new.user_reference, None).await?;
        let person = enrollment.private.as_ref().ok_or(ReauthError::Purged)?;
        let private = LinkPrivate {
            id: LinkId::random(self.parts.rng.as_ref()),
            user_reference: new.user_reference.clone(),
            enrollment_reference: person.reference,
            purpose: new.purpose.as_ref().map(|purpose| purpose.as_str().to_owned()),
            success_url: new.journey.success_url().map(str::to_owned),
            error_url: new.journey.error_url().map(str::to_owned),
            locale: new.journey.locale().map(str::to_owned),
            request_reference: new.request_reference.clone(),
        };
        let row = LinkRow {
            state: LinkState::Open,
            since: now,
            created_at: now,
            expires_at,
            enrollment: enrollment.key,
            slot: enrollment.row.slot,
            user: register.records().user_key(&new.user_reference),
            private: None,
            pressed_at: None,
            authentications: Vec::new(),
            results: 0,
            item,
        };
        // A purge that began meanwhile wins: it would not find a link that comes after it.
        register.require_enrollment(commit, &enrollment);
        register.insert_link(commit, row.clone(), &private).await?;
        self.parts.queue.schedule(commit, &Self::expiry_job(private.id), expires_at, Value::Null).await?;
        let note = Note::about(Action::LinkCreated, enrollment.key.0, actor).of_user(row.user.0);
        self.parts.audit.note(commit, note.with("link", private.id).with("until", expires_at));
        Ok(self.view_of(private.id, &row, &private, now))
    }

    pub(crate) fn expiry(&self, wanted: Option<Timestamp>, now: Timestamp) -> Result<Timestamp, ReauthError> {
        let links = &self.config.links;
        let latest = now + links.longest_life;
        let Some(wanted) = wanted else { return Ok((now + links.default_life).min(latest)) };
        if wanted > now && wanted <= latest {
            return Ok(wanted);
        }
        let mut violations = Violations::none();
        let days = links.longest_life.as_hours() / 24;
        violations.add("/expiresAt", format!("must be in the future, and at most {days} days from now"));
        Err(ReauthError::Invalid(violations))
    }

    /// The job that ends a link.
    pub(crate) fn expiry_job(id: LinkId) -> JobKey {
        JobKey::new(Kind::LinkExpiry, &id)
    }

    /// The address of a link, for whoever has a right to it.
    pub(crate) fn link_url(&self, id: LinkId) -> String {
        let token = token::of(self.parts.register.records().keys().links(), id);
        format!("{}/r/{}", self.config.links.base_url, token.expose())
    }

    fn view_of(&self, id: LinkId, row: &LinkRow, private: &LinkPrivate, now: Timestamp) -> LinkView {
        // The state follows a moment after the time.
        let is_over = row.state.is_usable() && !row.is_usable(now);
        LinkView {
            link_id: id,
            url: row.is_usable(now).then(|| self.link_url(id)),
            expires_at: row.expires_at,
            state: if is_over { LinkState::Expired } else { row.state },
            user_reference: private.user_reference.clone(),
            purpose: private.purpose.clone(),
            request_reference: private.request_reference.clone(),
            created_at: row.created_at,
            pressed_at: row.pressed_at,
            authentications: Vec::new(),
        }
    }

    /// The link with this id, with the transactions that it led to.
    ///
    /// # Errors
    /// [`ReauthError::UnknownLink`]; [`ReauthError::Purged`] while its person is being purged.
    pub async fn link(&self, id: LinkId) -> Result<LinkView, ReauthError> {
        let (link, private) = self.living_link(id).await?;
        let mut view = self.view_of(id, &link.row, &private, self.now());
        for id in &link.row.authentications {
            let Some(found) = self.parts.register.authentication(*id).await? else { continue };
            view.authentications.push(LinkAuthentication {
                authentication_id: found.id,
                state: found.row.state,
                created_at: found.row.created_at,
                completed_at: found.row.completed_at,
            });
        }
        Ok(view)
    }

    async fn living_link(&self, id: LinkId) -> Result<(Link, LinkPrivate), ReauthError> {
        let link = self.parts.register.link(id).await?.ok_or(ReauthError::UnknownLink)?;
        let private = link.private.clone().ok_or(ReauthError::Purged)?;
        Ok((link, private))
    }

    /// Withdraws a link: it opens nothing any more. What is open at Jumio already stays open. A link that is over
    /// stays what it is.
    ///
    /// # Errors
    /// [`ReauthError::UnknownLink`], [`ReauthError::Purged`].
    pub async fn withdraw_link(&self, id: LinkId, actor: Actor) -> Result<LinkView, ReauthError> {
        until_no_conflict!(self.withdraw_once(id, &actor))?;
        self.link(id).await
    }

    async fn withdraw_once(&self, id: LinkId, actor: &Actor) -> Result<(), ReauthError> {
        let (mut link, _) = self.living_link(id).await?;
        if !link.row.is_usable(self.now()) {
            return Ok(());
        }
        let mut commit = self.parts.register.records().commit();
        link.row.enter(LinkState::Withdrawn, self.now());
        self.parts.register.update_link(&mut commit, &link);
        self.parts.queue.cancel(&mut commit, &Self::expiry_job(id)).await?;
        let note = Note::about(Action::LinkWithdrawn, link.row.enrollment.0, actor.clone());
        self.parts.audit.note(&mut commit, note.of_user(link.row.user.0).with("link", id));
        commit.submit().await?;
        Ok(())
    }
}

//! The button behind a link: through the same window as any request of the company's.

use super::{Busy, BusyWhy, Pressed, show::leads_nowhere};
use crate::{
    Reauth,
    error::ReauthError,
    initiate::until,
    request::{AuthenticationRequest, IfOpen},
    service::until_no_conflict,
    view::Initiated,
};
use audit::{Action, Actor, Note};
use jumio::{Journey, WebFields, WebJourney};
use model::{AuthenticationId, AuthenticationState, LinkId, LinkState, Secret, limits};
use notify::{Event, EventKind, Field};
use register::{Link, LinkPrivate};
use std::time::Duration;

/// Rounds of asking for a transaction that is over before it could be handed out.
const MOST_ROUNDS: usize = 3;

/// Links that one transaction serves at most: it holds a row of the store, and every one of them hears its result.
const LINKS_OF_ONE: usize = 32;

const SOON: Duration = Duration::from_secs(5);
const LATER: Duration = Duration::from_mins(1);

impl Reauth {
    /// Presses the button: initiates at Jumio, or continues what is open for this link within its window and its page's
    /// life. Whoever presses twice, or two at once, are led to one transaction.
    pub async fn press(&self, token: &str) -> Pressed {
        let Some(id) = self.link_of(token) else { return Pressed::Dead };
        let mut locale = None;
        match self.press_link(id, &mut locale).await {
            Ok(pressed) => pressed,
            Err(error) if leads_nowhere(&error) => Pressed::Dead,
            Err(error) => {
                let (retry_after, why) = self.in_vain(id, &error);
                Pressed::Busy(Busy { retry_after, why, locale })
            }
        }
    }

    async fn press_link(&self, id: LinkId, locale: &mut Option<String>) -> Result<Pressed, ReauthError> {
        for _ in 0..MOST_ROUNDS {
            let Some((_, private)) = self.usable_link(id).await? else { return Ok(Pressed::Dead) };
            locale.clone_from(&private.locale);
            let initiated = self.initiate(self.request_of(&private)?, Actor::Link).await?;
            let authentication = initiated.authentication.authentication_id;
            match until_no_conflict!(self.lead_to(id, authentication))? {
                Led::There => return self.checked(id, initiated),
                Led::Nowhere => return Ok(Pressed::Dead),
                Led::TooLate => {}
            }
        }
        Err(ReauthError::InProgress)
    }

    fn request_of(&self, private: &LinkPrivate) -> Result<AuthenticationRequest, ReauthError> {
        let fields = WebFields {
            success_url: private.success_url.clone(),
            error_url: private.error_url.clone(),
            locale: private.locale.clone(),
            // Jumio drops the facemap after this time: a page that lives longer leads nowhere.
            token_lifetime_in_minutes: Some(limits::JUMIO_WINDOW_MINUTES.into()),
        };
        // Checked again: the hosts that are allowed may be others than when the link was made.
        let journey = WebJourney::check(&fields, &self.config.links.rules).map_err(ReauthError::Invalid)?;
        Ok(AuthenticationRequest {
            user_reference: private.user_reference.clone(),
            enrollment: None,
            journey: Journey::Web(journey),
            request_reference: private.request_reference.clone(),
            if_open: IfOpen::Tell,
            batch: false,
            link: Some(private.id),
        })
    }

    /// Commits that this link led to this transaction, before anybody is sent there: its result will use the link up.
    async fn lead_to(&self, id: LinkId, authentication: AuthenticationId) -> Result<Led, ReauthError> {
        let register = &self.parts.register;
        let Some((mut link, private)) = self.usable_link(id).await? else {
            self.list_at_dead(id, authentication).await?;
            return Ok(Led::Nowhere);
        };
        let found = register.authentication(authentication).await?;
        let Some(mut found) = found.filter(|found| found.row.state == AuthenticationState::Initiated) else {
            return Ok(Led::TooLate);
        };
        let mut commit = register.records().commit();
        let is_news = link.row.led_to(authentication);
        if !found.row.links.contains(&id) {
            if found.row.links.len() == LINKS_OF_ONE {
                return Err(ReauthError::InProgress);
            }
            found.row.links.push(id);
            register.update_authentication(&mut commit, &found).await?;
        } else if !is_news {
            return Ok(Led::There);
        }
        let now = self.now();
        link.row.enter(LinkState::Pressed, now);
        link.row.pressed_at.get_or_insert(now);
        register.update_link(&mut commit, &link);
        if is_news {
            self.note_pressed(&mut commit, &link, authentication);
            self.parts.outbox.put(&mut commit, pressed(&link, private, authentication)).await?;
        }
        commit.submit().await?;
        Ok(Led::There)
    }

    /// The link ended (withdrawn, its time over) while its press was at Jumio: nobody is sent there, but what it opened
    /// there is listed at it, so that whoever looks at the link sees it. A purge finds it by its enrollment.
    async fn list_at_dead(&self, id: LinkId, authentication: AuthenticationId) -> Result<(), ReauthError> {
        let register = &self.parts.register;
        let living = register.link(id).await?.filter(|link| link.private.is_some());
        let Some(mut link) = living else { return Ok(()) };
        let opened = register.authentication(authentication).await?;
        let by_this_link = opened.is_some_and(|opened| opened.row.links.contains(&id));
        if !by_this_link || !link.row.led_to(authentication) {
            return Ok(());
        }
        let mut commit = register.records().commit();
        register.update_link(&mut commit, &link);
        self.note_pressed(&mut commit, &link, authentication);
        commit.submit().await?;
        Ok(())
    }

    fn note_pressed(&self, commit: &mut records::Commit, link: &Link, authentication: AuthenticationId) {
        let note = Note::about(Action::LinkPressed, link.row.enrollment.0, Actor::Link);
        let note = note.of_user(link.row.user.0).with("link", link.id);
        self.parts.audit.note(commit, note.with("authentication", authentication));
    }

    /// Nobody is sent anywhere but to Jumio, whatever the store says.
    fn checked(&self, id: LinkId, initiated: Initiated) -> Result<Pressed, ReauthError> {
        // A page whose life is just over is none any more: the next press makes another one.
        let url = initiated.authentication.redirect_url.ok_or(ReauthError::InProgress)?;
        if self.config.links.redirects.allow(&url) {
            return Ok(Pressed::Redirect(Secret::new(url)));
        }
        tracing::error!(
            link = %id,
            authentication = %initiated.authentication.authentication_id,
            "The page that a link should lead to is not Jumio's; nobody was sent there. Check [jumio] region, and run \
             `facemap-vault verify`."
        );
        Ok(Pressed::Busy(Busy { retry_after: LATER, why: BusyWhy::Soon, locale: None }))
    }

    /// What a person is told when nothing came of it.
    fn in_vain(&self, id: LinkId, error: &ReauthError) -> (Duration, BusyWhy) {
        use ReauthError as E;
        match error {
            E::AuthenticationOpen { open, .. } => {
                let ends = [open.window_ends_at, open.redirect_url_expires_at].into_iter().flatten().min();
                (ends.map_or(LATER, |at| until(self.now(), at)), BusyWhy::OtherOpen)
            }
            E::TooManyAttempts { retry_after } | E::TooManyReplacements { retry_after } => {
                (*retry_after, BusyWhy::TooOften)
            }
            E::OutcomeUnknown { retry_after } => (*retry_after, BusyWhy::Unsettled),
            E::BudgetSpent { retry_after } | E::Recovering { retry_after } => (*retry_after, BusyWhy::Soon),
            E::InProgress | E::Stopping | E::JumioUnavailable => (SOON, BusyWhy::Soon),
            error => {
                tracing::error!(link = %id, "A link was pressed and nothing came of it: {error}");
                (LATER, BusyWhy::Soon)
            }
        }
    }
}

fn pressed(link: &Link, private: LinkPrivate, authentication: AuthenticationId) -> Event {
    Event::about(EventKind::LinkPressed, link.row.enrollment, link.row.slot)
        .with(Field::LinkId, link.id)
        .with(Field::UserReference, private.user_reference)
        .with(Field::RequestReference, private.request_reference)
        .with(Field::AuthenticationId, authentication)
        .with(Field::State, link.row.state)
}

/// Where a link led.
enum Led {
    /// To an open transaction.
    There,
    /// The link is over by now.
    Nowhere,
    /// The transaction is over by now.
    TooLate,
}

//! The vault's own links: one transaction a window however often the button is pressed, nothing by looking, and no word
//! about why a link opens nothing.

use crate::house::{House, asks, config, reference, seconds, until, user, web};
use audit::{Action, Actor};
use jiff::SignedDuration;
use jumio::{
    WebFields, WebJourney,
    scripted::{Endpoint, Script},
};
use model::{AuthenticationResult as R, AuthenticationState, Clock as _, EnrollmentState, LinkId, LinkState};
use queue::{Limit, testing};
use reauth::{
    AuthenticationRequest, BusyWhy, LinkView, NewLink, Pressed, Reauth, ReauthConfig, ReauthError, Shown,
};
use records::{Key as _, tables};
use register::UserRow;
use std::time::Duration;
use store::{Batch, Condition, Store as _};

const HOUR: Duration = Duration::from_hours(1);

pub(crate) fn new_link(number: u64) -> NewLink {
    NewLink {
        user_reference: user(number),
        purpose: Some("Confirm your transfer".parse().unwrap()),
        journey: WebJourney::check(&WebFields::default(), &config().links.rules).unwrap(),
        expires_at: None,
        request_reference: None,
    }
}

async fn made(house: &House, new: NewLink) -> (LinkId, String) {
    let view = house.reauth().create_link(new, Actor::System).await.unwrap();
    assert_eq!(view.state, LinkState::Open);
    (view.link_id, token(&view))
}

fn token(view: &LinkView) -> String {
    view.url.clone().unwrap().strip_prefix("https://vault.example.com/r/").unwrap().to_owned()
}

/// A house with one person and one link.
async fn linked() -> (House, LinkId, String) {
    let house = House::new().await;
    house.enroll(1).await;
    let (id, token) = made(&house, new_link(1)).await;
    (house, id, token)
}

async fn press(reauth: &Reauth, token: &str) -> String {
    match reauth.press(token).await {
        Pressed::Redirect(url) => url.expose().to_owned(),
        other => panic!("{other:?}"),
    }
}

async fn busy(house: &House, token: &str) -> (BusyWhy, Duration) {
    match house.reauth().press(token).await {
        Pressed::Busy(busy) => (busy.why, busy.retry_after),
        other => panic!("{other:?}"),
    }
}

/// Neither shown nor pressed.
async fn is_dead(house: &House, token: &str) -> bool {
    let shown = house.reauth().show(token).await;
    let pressed = house.reauth().press(token).await;
    matches!((shown, pressed), (Shown::Dead, Pressed::Dead))
}

async fn state(house: &House, id: LinkId) -> LinkState {
    house.reauth().link(id).await.unwrap().state
}

/// Ends what is open at Jumio and has it asked for.
async fn ends(house: &House, result: R) {
    let started = house.started();
    house.jumio.finish(started.last().unwrap().reference, result);
    house.pass(seconds(30)).await;
}

#[tokio::test]
async fn looking_at_a_link_a_hundred_times_does_nothing() {
    let (house, id, token) = linked().await;
    let before = (house.book().await.len(), house.reauth().link(id).await.unwrap());
    for _ in 0..100 {
        let Shown::Page(page) = house.reauth().show(&token).await else { panic!("dead") };
        assert_eq!(page.purpose.as_deref(), Some("Confirm your transfer"));
        assert_eq!(page.asked_at, house.clock.now());
    }
    assert_eq!(house.posts(), 0);
    assert_eq!((house.book().await.len(), house.reauth().link(id).await.unwrap()), before);
}

#[tokio::test]
async fn a_press_leads_to_jumio_and_every_further_one_to_the_same_page_until_the_window_ends() {
    let (house, id, token) = linked().await;
    let first = press(house.reauth(), &token).await;
    assert!(first.starts_with("https://"), "{first}");
    for _ in 0..3 {
        house.clock.advance(seconds(200));
        assert_eq!(press(house.reauth(), &token).await, first);
    }
    assert_eq!(house.posts(), 1);
    let view = house.reauth().link(id).await.unwrap();
    assert_eq!((view.state, view.authentications.len()), (LinkState::Pressed, 1));
    let pressed = |listed: &audit::Listed| listed.entry.action == Action::LinkPressed;
    assert_eq!(house.book().await.iter().filter(|listed| pressed(listed)).count(), 1);
    // The window is over: what is pressed now is a new transaction.
    house.clock.advance(seconds(300));
    assert_ne!(press(house.reauth(), &token).await, first);
    assert_eq!((house.posts(), house.reauth().link(id).await.unwrap().authentications.len()), (2, 2));
}

#[tokio::test]
async fn pressed_by_many_at_once_it_leads_to_one_transaction() {
    let (house, id, token) = linked().await;
    let (script, gate) = Script::act().held();
    house.jumio.script(Endpoint::InitiateAuthentication, script);
    let presses: Vec<_> = (0..20)
        .map(|_| {
            let (reauth, token) = (house.reauth().clone(), token.clone());
            tokio::spawn(async move { press(&reauth, &token).await })
        })
        .collect();
    until("they all wait for one post", || house.reauth().callers_waiting() == 19).await;
    gate.open();
    let mut urls = Vec::new();
    for press in presses {
        urls.push(press.await.unwrap());
    }
    urls.dedup();
    assert_eq!((urls.len(), house.posts()), (1, 1));
    assert_eq!(house.reauth().link(id).await.unwrap().authentications.len(), 1);
}

#[tokio::test]
async fn a_link_is_used_up_by_a_pass_and_by_as_many_results_as_allowed() {
    let (house, id, token) = linked().await;
    for result in [R::Failed, R::Expired, R::Invalid, R::Failed] {
        press(house.reauth(), &token).await;
        ends(&house, result).await;
        assert_eq!(state(&house, id).await, LinkState::Pressed);
    }
    press(house.reauth(), &token).await;
    ends(&house, R::Invalid).await;
    assert_eq!(state(&house, id).await, LinkState::Completed, "five results");
    assert!(is_dead(&house, &token).await);

    let (id, token) = made(&house, new_link(1)).await;
    press(house.reauth(), &token).await;
    ends(&house, R::Passed).await;
    assert_eq!(state(&house, id).await, LinkState::Completed, "passed");
    assert!(is_dead(&house, &token).await);
    assert_eq!(house.posts(), 6);
    testing::assert_no_jobs_left(&house.now().queue).await;
}

#[tokio::test]
async fn a_pass_uses_up_every_link_that_led_to_it_and_what_was_replaced_uses_up_none() {
    let (house, one, first) = linked().await;
    let (two, second) = made(&house, new_link(1)).await;
    assert_eq!(press(house.reauth(), &first).await, press(house.reauth(), &second).await);
    let other = AuthenticationRequest { if_open: reauth::IfOpen::Replace, ..asks(1) };
    let other = AuthenticationRequest { request_reference: Some("order-1".to_owned()), ..other };
    house.ask(other).await.unwrap();
    assert_eq!(state(&house, one).await, LinkState::Pressed);
    assert_eq!(busy(&house, &first).await.0, BusyWhy::OtherOpen);
    ends(&house, R::Failed).await;
    assert_eq!(press(house.reauth(), &first).await, press(house.reauth(), &second).await);
    ends(&house, R::Passed).await;
    for (id, token) in [(one, first), (two, second)] {
        assert_eq!(state(&house, id).await, LinkState::Completed);
        assert!(is_dead(&house, &token).await);
    }
}

#[tokio::test]
async fn a_link_that_does_not_open_any_more_keeps_nobodys_result_back() {
    let (house, one, first) = linked().await;
    let (two, second) = made(&house, new_link(1)).await;
    assert_eq!(press(house.reauth(), &first).await, press(house.reauth(), &second).await);
    let mut damage = Batch::new();
    damage.put(tables::LINKS, (one,).encode(), Condition::Any, vec![7; 100]);
    house.store.commit(damage).await.unwrap();
    ends(&house, R::Passed).await;
    let id = house.reauth().list(&user(1), None, None, 10).await.unwrap()[0].authentication_id;
    assert_eq!(house.get(id).await.state, AuthenticationState::Passed);
    assert_eq!(state(&house, two).await, LinkState::Completed);
    assert_eq!(busy(&house, &first).await.0, BusyWhy::Soon);
    assert_eq!(house.posts(), 1);
}

#[tokio::test]
async fn a_result_that_comes_before_the_press_is_written_down_uses_the_link_up_all_the_same() {
    let (mut house, id, token) = linked().await;
    // Jumio has created it and the window says so; the process ends before the link does.
    house.ask(AuthenticationRequest { link: Some(id), ..pressed_by_hand() }).await.unwrap();
    house.restart().await;
    assert_eq!(state(&house, id).await, LinkState::Open);
    ends(&house, R::Passed).await;
    assert_eq!(state(&house, id).await, LinkState::Completed);
    assert_eq!(house.reauth().link(id).await.unwrap().authentications.len(), 1);
    assert!(is_dead(&house, &token).await);
}

/// What a press asks for.
fn pressed_by_hand() -> AuthenticationRequest {
    let fields = WebFields { token_lifetime_in_minutes: Some(15), ..WebFields::default() };
    AuthenticationRequest { journey: web(&fields), ..asks(1) }
}

#[tokio::test]
async fn a_link_ends_with_its_time_and_tells_so_once() {
    let house = House::new().await;
    house.enroll(1).await;
    let ends = house.clock.now() + SignedDuration::from_mins(10);
    let (id, token) = made(&house, NewLink { expires_at: Some(ends), ..new_link(1) }).await;
    press(house.reauth(), &token).await;
    house.clock.advance(seconds(599));
    press(house.reauth(), &token).await;
    house.clock.advance(seconds(1));
    assert!(is_dead(&house, &token).await, "before the job has run");
    assert_eq!(state(&house, id).await, LinkState::Expired);
    assert_eq!(house.reauth().link(id).await.unwrap().url, None);
    house.pass(HOUR).await;
    assert_eq!(state(&house, id).await, LinkState::Expired);
    assert_eq!(told(&house, "link.expired").await, 1);
    assert_eq!(house.posts(), 1);
}

async fn told(house: &House, kind: &str) -> usize {
    house.events().await.iter().filter(|event| event.as_str() == kind).count()
}

#[tokio::test]
async fn a_withdrawn_link_opens_nothing_and_stays_withdrawn() {
    let (house, id, token) = linked().await;
    press(house.reauth(), &token).await;
    let view = house.reauth().withdraw_link(id, Actor::System).await.unwrap();
    assert_eq!((view.state, view.url), (LinkState::Withdrawn, None));
    assert!(is_dead(&house, &token).await);
    ends(&house, R::Passed).await;
    house.pass(HOUR * 80).await;
    assert_eq!(state(&house, id).await, LinkState::Withdrawn);
    let again = house.reauth().withdraw_link(id, Actor::System).await.unwrap();
    assert_eq!(again.state, LinkState::Withdrawn);
    let withdrawn = |listed: &&audit::Listed| listed.entry.action == Action::LinkWithdrawn;
    assert_eq!(house.book().await.iter().filter(withdrawn).count(), 1);
    let unknown = house.reauth().link(LinkId::from_bytes([1; 16])).await;
    assert!(matches!(unknown, Err(ReauthError::UnknownLink)));
}

#[tokio::test]
async fn a_link_that_is_withdrawn_while_its_press_is_at_jumio_leads_nowhere_and_lists_what_it_opened() {
    let (house, id, token) = linked().await;
    let (script, gate) = Script::act().held();
    house.jumio.script(Endpoint::InitiateAuthentication, script);
    let pressing = {
        let (reauth, token) = (house.reauth().clone(), token.clone());
        tokio::spawn(async move { reauth.press(&token).await })
    };
    until("the post is at Jumio", || house.posts() == 1).await;
    house.reauth().withdraw_link(id, Actor::System).await.unwrap();
    gate.open();
    assert!(matches!(pressing.await.unwrap(), Pressed::Dead));
    let view = house.reauth().link(id).await.unwrap();
    let listed: Vec<_> = view.authentications.iter().map(|listed| listed.state).collect();
    assert_eq!((view.state, listed), (LinkState::Withdrawn, vec![AuthenticationState::Initiated]));
    let pressed = |listed: &&audit::Listed| listed.entry.action == Action::LinkPressed;
    assert_eq!(house.book().await.iter().filter(pressed).count(), 1);
    assert!(is_dead(&house, &token).await);
    ends(&house, R::Passed).await;
    let view = house.reauth().link(id).await.unwrap();
    assert_eq!((view.state, view.authentications.len()), (LinkState::Withdrawn, 1));
    assert_eq!(house.posts(), 1);
}

#[tokio::test]
async fn from_purging_on_a_link_opens_nothing_and_names_nobody() {
    let (house, id, token) = linked().await;
    press(house.reauth(), &token).await;
    house.edit_enrollment(1, |e| e.row.enter(EnrollmentState::Purging, e.row.since)).await;
    assert!(is_dead(&house, &token).await, "though the slot is not burnt yet");
    assert!(matches!(house.reauth().link(id).await, Err(ReauthError::Purged)));
    let none = house.reauth().create_link(new_link(1), Actor::System).await;
    assert!(matches!(none, Err(ReauthError::Purged)));
    assert_eq!(house.posts(), 1);
}

#[tokio::test]
async fn a_link_follows_its_user_to_the_enrollment_that_took_the_place_of_the_old_one() {
    let (house, id, token) = linked().await;
    let new = house.enroll_as(2, user(1), EnrollmentState::Ready).await;
    house.edit_enrollment(1, |e| e.row.replaced_by = Some(new.key)).await;
    press(house.reauth(), &token).await;
    assert_eq!(house.started()[0].request.enrollment, reference(2));
    assert_eq!(state(&house, id).await, LinkState::Pressed);
    // The one that it was made for is destroyed: what the link says about the person goes with it.
    house.edit_enrollment(1, |e| e.row.enter(EnrollmentState::Purging, e.row.since)).await;
    assert!(is_dead(&house, &token).await);
}

#[tokio::test]
async fn a_user_without_a_usable_enrollment_gets_no_link_and_one_that_was_made_is_dead() {
    let (house, _, token) = linked().await;
    let unknown = house.reauth().create_link(new_link(9), Actor::System).await;
    assert!(matches!(unknown, Err(ReauthError::UnknownEnrollment)));
    house.enroll_as(2, user(2), EnrollmentState::Vaulted).await;
    let waiting = house.reauth().create_link(new_link(2), Actor::System).await;
    assert!(matches!(waiting, Err(ReauthError::AwaitingRelease)));
    // The user's row leads nowhere, and the enrollment is another user's by now.
    let register = house.register();
    let key = register.records().user_key(&user(1));
    let read = register.user(key).await.unwrap();
    let mut commit = register.records().commit();
    register.put_user(&mut commit, key, read.as_ref(), &UserRow::default());
    commit.submit().await.unwrap();
    house.edit_enrollment(1, |e| e.row.enter(EnrollmentState::Failed, e.row.since)).await;
    assert!(is_dead(&house, &token).await);
    assert_eq!(house.posts(), 0);
}

#[tokio::test]
async fn an_end_in_the_past_or_too_far_away_is_refused() {
    let house = House::new().await;
    house.enroll(1).await;
    let now = house.clock.now();
    let day = SignedDuration::from_hours(24);
    for wrong in [now, now - day, now + day * 30 + SignedDuration::from_secs(1)] {
        let refused =
            house.reauth().create_link(NewLink { expires_at: Some(wrong), ..new_link(1) }, Actor::System);
        match refused.await {
            Err(ReauthError::Invalid(violations)) => {
                assert_eq!(violations.iter().next().unwrap().pointer, "/expiresAt");
            }
            other => panic!("{other:?}"),
        }
    }
    let (id, _) = made(&house, NewLink { expires_at: Some(now + day * 30), ..new_link(1) }).await;
    assert_eq!(house.reauth().link(id).await.unwrap().expires_at, now + day * 30);
    let (id, _) = made(&house, new_link(1)).await;
    assert_eq!(house.reauth().link(id).await.unwrap().expires_at, now + day * 3, "the default");
}

#[tokio::test]
async fn when_it_does_not_work_now_nobody_is_sent_anywhere_and_the_link_lives_on() {
    let limits = vec![Limit { count: 1, within: Duration::from_mins(2) }];
    let house = House::with(ReauthConfig { wait: Duration::ZERO, ..config() }, limits).await;
    for number in 1..=2 {
        house.enroll(number).await;
    }
    let (id, token) = made(&house, new_link(1)).await;
    house.ask(asks(2)).await.unwrap();
    let (why, after) = busy(&house, &token).await;
    assert_eq!(why, BusyWhy::Soon, "the budget is used up");
    assert!(after > seconds(110) && after < seconds(125), "{after:?}");
    house.clock.advance(seconds(125));
    house.jumio.script(Endpoint::InitiateAuthentication, Script::unavailable());
    assert_eq!(busy(&house, &token).await.0, BusyWhy::Soon, "Jumio is away");
    house.clock.advance(seconds(125));
    house.jumio.script(Endpoint::InitiateAuthentication, Script::answer_lost());
    assert_eq!(busy(&house, &token).await, (BusyWhy::Unsettled, seconds(30)));
    assert_eq!(busy(&house, &token).await, (BusyWhy::Unsettled, seconds(30)), "and is not posted again");
    assert_eq!(state(&house, id).await, LinkState::Open);
    house.clock.advance(seconds(125));
    press(house.reauth(), &token).await;
    // Posts: the other user's, one refused before it was sent, one with an unknown end, and this one.
    assert_eq!(house.posts(), 4);
}

#[tokio::test]
async fn nobody_is_sent_to_a_page_that_is_not_jumios_whatever_the_store_says() {
    let (house, _, token) = linked().await;
    press(house.reauth(), &token).await;
    let reference = house.started()[0].reference;
    let register = house.register();
    let mut row = register.authentication_by_reference(&reference).await.unwrap().unwrap();
    row.private.as_mut().unwrap().redirect_url = Some("https://netverify.com.evil.example/".to_owned());
    let mut commit = register.records().commit();
    register.update_authentication(&mut commit, &row).await.unwrap();
    commit.submit().await.unwrap();
    assert_eq!(busy(&house, &token).await.0, BusyWhy::Soon);
}

#[tokio::test]
async fn a_token_that_was_not_given_out_opens_nothing_and_costs_no_read() {
    let (house, _, token) = linked().await;
    // The id is no secret; without the tag it is worth nothing.
    let forged = format!("{}AAAAAAAAAAAAAAAAAAAAA", &token[..22]);
    let reads = house.store.reads();
    for guess in [forged.as_str(), "x", "", &token[1..]] {
        assert!(is_dead(&house, guess).await, "{guess}");
    }
    assert_eq!(house.store.reads(), reads);
    // A genuine one is looked up; when that does not work it is not called dead.
    house.store.fail_read(1);
    assert!(matches!(house.reauth().show(&token).await, Shown::Busy(_)));
    assert!(matches!(house.reauth().show(&token).await, Shown::Page(_)));
}

#[tokio::test]
async fn another_check_that_is_open_is_finished_first() {
    let (house, _, token) = linked().await;
    let mobile = house.ask(asks(1)).await.unwrap();
    house.clock.advance(seconds(300));
    assert_eq!(busy(&house, &token).await, (BusyWhy::OtherOpen, seconds(600)));
    house.jumio.finish(crate::house::jumio_reference(&mobile), R::Failed);
    house.pass(seconds(30)).await;
    press(house.reauth(), &token).await;
    let id = mobile.authentication.authentication_id;
    assert_eq!(house.get(id).await.state, AuthenticationState::Failed);
}

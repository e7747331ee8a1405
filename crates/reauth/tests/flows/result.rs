//! Results come from the Retrieval API, fit in everything, and nothing else passes anybody.

use crate::house::{House, asks, jumio_reference, reference, seconds, user};
use audit::Action;
use jumio::{
    AuthenticationDetails,
    scripted::{Endpoint, Script},
};
use model::{AuthenticationId, AuthenticationResult as R, AuthenticationState as S, Clock as _};
use queue::{JobKey, Kind, testing};
use reauth::{AuthenticationRequest, IfOpen, Initiated};
use std::time::Duration;

fn id(answer: &Initiated) -> AuthenticationId {
    answer.authentication.authentication_id
}

async fn opened() -> (House, Initiated) {
    let house = House::new().await;
    house.enroll(1).await;
    let answer = house.ask(asks(1)).await.unwrap();
    (house, answer)
}

/// What a callback does: it wakes the job, and says nothing that counts.
async fn wake(house: &House, id: AuthenticationId) {
    let (queue, job) = (&house.now().queue, JobKey::new(Kind::Authentication, &id));
    let mut commit = house.register().records().commit();
    if !queue.nudge(&mut commit, &job).await.unwrap() {
        queue.schedule(&mut commit, &job, house.clock.now(), serde_json::Value::Null).await.unwrap();
    }
    commit.submit().await.unwrap();
}

fn asked(house: &House) -> usize {
    house.jumio.count(Endpoint::Authentication)
}

#[tokio::test]
async fn every_final_result_is_confirmed_noted_and_final() {
    for (result, state) in
        [(R::Passed, S::Passed), (R::Failed, S::Failed), (R::Invalid, S::Invalid), (R::Expired, S::Expired)]
    {
        let (house, answer) = opened().await;
        house.jumio.finish(jumio_reference(&answer), result);
        assert_eq!(house.get(id(&answer)).await.state, S::Initiated, "nobody has asked yet");
        house.pass(seconds(30)).await;
        let view = house.get(id(&answer)).await;
        assert_eq!((view.state, view.completed_at), (state, Some(house.clock.now())));
        assert!(house.book().await.iter().any(|l| l.entry.action == Action::AuthenticationResult
            && l.entry.details.get("result") == Some(state.as_str())));
        testing::assert_no_jobs_left(&house.now().queue).await;
        house.jumio.finish(jumio_reference(&answer), R::Passed);
        wake(&house, id(&answer)).await;
        house.pass(seconds(60)).await;
        assert_eq!(house.get(id(&answer)).await.state, state, "final is final");
    }
}

#[tokio::test]
async fn a_result_that_belongs_to_something_else_changes_nothing() {
    let edits: [fn(&mut AuthenticationDetails); 8] = [
        |d| d.reference = Some("99999999-0000-4000-8000-000000000000".parse().unwrap()),
        |d| d.reference = None,
        |d| d.enrollment = Some(reference(2)),
        |d| d.enrollment = None,
        |d| d.user_reference = Some(user(2)),
        |d| (d.user_reference, d.unknown_values) = (None, 1),
        |d| d.date = d.date.map(|date| date - seconds(331)),
        |d| d.date = None,
    ];
    for (number, edit) in edits.into_iter().enumerate() {
        let (house, answer) = opened().await;
        house.clock.advance(seconds(29));
        house.jumio.finish(jumio_reference(&answer), R::Passed);
        house.jumio.edit_authentication(jumio_reference(&answer), edit);
        house.pass(seconds(901)).await;
        assert!(asked(&house) >= 6, "asked by the schedule");
        assert_eq!(house.get(id(&answer)).await.state, S::Initiated, "edit {number}");
        house.pass(Duration::from_hours(2)).await;
        assert_eq!(house.get(id(&answer)).await.state, S::Expired, "given up in the end, edit {number}");
        testing::assert_no_jobs_left(&house.now().queue).await;
    }
}

#[tokio::test]
async fn a_genuine_pass_of_another_transaction_passes_that_one_only() {
    let (house, first) = opened().await;
    house.enroll(2).await;
    let second = house.ask(asks(2)).await.unwrap();
    house.jumio.finish(jumio_reference(&second), R::Passed);
    wake(&house, id(&first)).await;
    wake(&house, id(&second)).await;
    house.pass(seconds(1)).await;
    assert_eq!(house.get(id(&first)).await.state, S::Initiated);
    assert_eq!(house.get(id(&second)).await.state, S::Passed);
}

#[tokio::test]
async fn what_was_superseded_here_no_longer_passes() {
    let (house, old) = opened().await;
    let replace = AuthenticationRequest { if_open: IfOpen::Replace, ..asks(1) };
    house.ask(replace).await.unwrap();
    house.jumio.finish(jumio_reference(&old), R::Passed);
    wake(&house, id(&old)).await;
    house.pass(seconds(60)).await;
    assert_eq!(house.get(id(&old)).await.state, S::Superseded);
}

#[tokio::test]
async fn gone_at_jumio_is_not_a_result_and_ends_when_nothing_can_come_any_more() {
    let (house, answer) = opened().await;
    house.jumio.script(Endpoint::Authentication, Script::fail(jumio::JumioError::NotFound).for_ever());
    house.pass(seconds(900)).await;
    assert_eq!(house.get(id(&answer)).await.state, S::Initiated);
    house.pass(Duration::from_hours(2)).await;
    assert_eq!(house.get(id(&answer)).await.state, S::Expired);
    testing::assert_no_jobs_left(&house.now().queue).await;
}

#[tokio::test]
async fn an_outage_of_days_loses_no_result() {
    let (house, answer) = opened().await;
    house.jumio.finish(jumio_reference(&answer), R::Passed);
    house.jumio.script(Endpoint::Authentication, Script::unavailable().for_ever());
    house.pass(Duration::from_hours(100)).await;
    assert_eq!(house.get(id(&answer)).await.state, S::Initiated);
    house.jumio.clear_scripts();
    house.pass(Duration::from_hours(1)).await;
    assert_eq!(house.get(id(&answer)).await.state, S::Passed);
}

#[tokio::test]
async fn a_rate_limit_at_retrieval_is_kept_to() {
    let (house, answer) = opened().await;
    house.jumio.finish(jumio_reference(&answer), R::Passed);
    house.jumio.script(Endpoint::Authentication, Script::rate_limited(Some(seconds(600))));
    house.pass(seconds(30)).await;
    assert_eq!(asked(&house), 1);
    house.pass(seconds(599)).await;
    assert_eq!(asked(&house), 1);
    house.pass(seconds(300)).await;
    assert_eq!(house.get(id(&answer)).await.state, S::Passed);
}

#[tokio::test]
async fn a_flood_of_callbacks_does_not_become_a_flood_of_questions() {
    let (house, answer) = opened().await;
    for _ in 0..60 {
        wake(&house, id(&answer)).await;
        house.pass(Duration::from_millis(100)).await;
    }
    let asked = asked(&house);
    assert!((1..=3).contains(&asked), "{asked} questions within six seconds");
}

const WAITING: u64 = 50;

/// However many wait: at most one question every three seconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_asks_jumio_at_most_every_three_seconds_and_ends_with_the_result() {
    let (house, answer) = opened().await;
    let text = id(&answer).to_string();
    let waiting: Vec<_> = (0..WAITING)
        .map(|_| {
            let (reauth, text) = (house.reauth().clone(), text.clone());
            tokio::spawn(async move { reauth.get(&text, seconds(25)).await })
        })
        .collect();
    for _ in 0..12 {
        let reads = house.store.reads();
        house.clock.advance(Duration::from_millis(500));
        crate::house::until("somebody looks", || house.store.reads() > reads).await;
    }
    crate::house::until("somebody asks", || asked(&house) > 0).await;
    let within_six_seconds = asked(&house);
    assert!(within_six_seconds <= 2, "{within_six_seconds} questions");
    house.jumio.finish(jumio_reference(&answer), R::Passed);
    house.clock.advance(seconds(3));
    for one in waiting {
        crate::house::until("the waiting ends", || {
            house.clock.advance(Duration::from_micros(1));
            one.is_finished()
        })
        .await;
        assert_eq!(one.await.unwrap().unwrap().state, S::Passed);
    }
}

#[tokio::test]
async fn who_waits_in_vain_gets_the_state_as_it_is() {
    let (house, answer) = opened().await;
    let (script, gate) = Script::act().held();
    house.jumio.script(Endpoint::Authentication, script);
    house.clock.advance(seconds(3));
    let (reauth, text) = (house.reauth().clone(), id(&answer).to_string());
    let waiting = tokio::spawn(async move { reauth.get(&text, seconds(5)).await });
    house.jumio.called(Endpoint::Authentication, 1).await;
    house.clock.advance(seconds(5));
    assert_eq!(waiting.await.unwrap().unwrap().state, S::Initiated, "though Jumio has not answered yet");
    // The answer is not lost.
    house.jumio.finish(jumio_reference(&answer), R::Failed);
    gate.open();
    for _ in 0..10_000 {
        if house.get(id(&answer)).await.state == S::Failed {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("the answer was lost");
}

#[tokio::test]
async fn trouble_at_jumio_is_no_trouble_of_who_waits() {
    let (house, answer) = opened().await;
    house.jumio.script(Endpoint::Authentication, Script::unavailable().for_ever());
    house.clock.advance(seconds(3));
    let (reauth, text) = (house.reauth().clone(), id(&answer).to_string());
    let waiting = tokio::spawn(async move { reauth.get(&text, seconds(5)).await });
    crate::house::until("the waiting ends", || {
        house.clock.advance(Duration::from_millis(100));
        waiting.is_finished()
    })
    .await;
    assert_eq!(waiting.await.unwrap().unwrap().state, S::Initiated);
}

#[tokio::test]
async fn a_list_shows_a_users_authentications_page_by_page() {
    let house = House::new().await;
    house.enroll(1).await;
    house.enroll(2).await;
    house.ask(asks(2)).await.unwrap();
    let mut all = Vec::new();
    for _ in 0..7 {
        let answer = house.ask(asks(1)).await.unwrap();
        all.push(id(&answer));
        house.clock.advance(seconds(900));
    }
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = house.reauth().list(&user(1), None, after, 3).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.authentication_id);
        seen.extend(page.iter().map(|view| view.authentication_id));
    }
    assert_eq!(seen, all);
    let passed = house.reauth().list(&user(1), Some(S::Passed), None, 3).await.unwrap();
    assert_eq!(passed, []);
}

#[tokio::test]
async fn a_list_of_a_state_shows_everybody_in_it_page_by_page_and_nobody_else() {
    let house = House::new().await;
    let mut open = Vec::new();
    for number in 1..=5 {
        house.enroll(number).await;
        open.push(house.ask(asks(number)).await.unwrap());
        house.clock.advance(seconds(2));
    }
    house.jumio.finish(jumio_reference(&open[0]), R::Failed);
    house.pass(seconds(30)).await;
    let mut seen = Vec::new();
    loop {
        let page = house.reauth().list_in(S::Initiated, seen.last().copied(), 2).await.unwrap();
        seen.extend(page.iter().map(|view| view.authentication_id));
        if page.len() < 2 {
            break;
        }
    }
    let expected: Vec<_> = open[1..].iter().map(|answer| answer.authentication.authentication_id).collect();
    assert_eq!(seen, expected);
}

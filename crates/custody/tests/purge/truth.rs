//! What is signed is so: about Jumio, about who ordered what, and about where the book says it.

use crate::house::{House, order, reference, seconds, user};
use audit::{Action, Part};
use custody::{Criterion, CustodyError, PurgeId, PurgeRequest};
use jumio::scripted::{Endpoint, Script};
use model::{AuthenticationId, AuthenticationState, Clock as _, EnrollmentState as S};
use queue::{JobKey, Kind};
use register::UnnamedRow;
use serde_json::{Value, json};

fn list(numbers: impl IntoIterator<Item = u64>) -> Criterion {
    let all: Vec<String> = numbers.into_iter().map(|number| reference(number).to_string()).collect();
    let request: PurgeRequest =
        serde_json::from_value(json!({"enrollments": all, "reason": "other"})).unwrap();
    request.criterion().unwrap()
}

async fn ordered(house: &House, criterion: &Criterion) -> PurgeId {
    house.custody().order_purge(criterion, order(), None, None).await.unwrap()
}

fn said(house: &House, receipt: Option<&String>) -> Value {
    serde_json::to_value(house.checked(receipt.unwrap())).unwrap()
}

async fn job(house: &House, id: PurgeId) -> Value {
    serde_json::to_value(house.custody().purge_job(id).await.unwrap()).unwrap()
}

/// What the order's first receipt says, and its second.
async fn statements(house: &House, id: PurgeId) -> (Value, Option<Value>) {
    let view = house.custody().purge_job(id).await.unwrap();
    let second = view.jumio_receipt.as_ref().map(|receipt| said(house, Some(receipt)));
    (said(house, view.receipt.as_ref()), second)
}

#[tokio::test]
async fn what_cannot_be_named_at_jumio_makes_a_purge_incomplete_and_not_done() {
    let house = House::new().await;
    house.enroll_as(1, 1, S::Ready, |_| {}).await;
    house.authenticate(1, None, AuthenticationState::Unknown).await;
    let view = house.purge(1).await.unwrap();
    let said = said(&house, view.receipt.as_ref());
    assert_eq!(said["jumioDeletion"]["state"], "incomplete");
    assert_eq!((&said["jumioDeletion"]["left"], &said["jumioDeletion"]["unnamed"]), (&json!(0), &json!(1)));
    assert_eq!(serde_json::to_value(view).unwrap()["jumioDeletion"], "incomplete");
}

#[tokio::test]
async fn an_order_says_of_jumio_what_everybodys_own_receipt_says() {
    let house = House::new().await;
    house.enroll_as(1, 1, S::Ready, |_| {}).await;
    house.authenticate(1, None, AuthenticationState::Unknown).await;
    house.enroll_as(2, 2, S::Vaulted, |_| {}).await;
    house.authenticate(2, Some(7), AuthenticationState::Passed).await;
    let id = ordered(&house, &list([1, 2])).await;
    house.drive().await;
    house.pass(seconds(60)).await;
    let (first, second) = statements(&house, id).await;
    assert_eq!(first["jumioDeletion"]["state"], "pending");
    assert_eq!((&first["jumioDeletion"]["left"], &first["jumioDeletion"]["unnamed"]), (&json!(2), &json!(1)));
    let second = second.unwrap();
    assert_eq!(second["jumioDeletion"]["state"], "incomplete", "nobody can name the one of the first");
    assert_eq!(
        (&second["jumioDeletion"]["left"], &second["jumioDeletion"]["unnamed"]),
        (&json!(0), &json!(1))
    );
    assert_eq!(second["jumioDeletion"]["evidence"]["original"], json!({"200": 1}));
    assert_eq!(second["jumioDeletion"]["evidence"]["authentications"], json!({"404": 1}));
    assert_eq!(job(&house, id).await["jumioDeletion"], "incomplete");
}

#[tokio::test]
async fn whom_another_order_destroyed_is_counted_apart_and_waited_for_at_jumio() {
    let house = House::new().await;
    for number in 1..=3 {
        house.enroll_as(number, number, S::Vaulted, |_| {}).await;
    }
    house.jumio.script(Endpoint::DeleteScan, Script::unavailable().for_ever());
    let id = ordered(&house, &list(1..=3)).await;
    house.purge(1).await.unwrap();
    house.drive().await;
    let view = job(&house, id).await;
    assert_eq!(
        (&view["done"], &view["doneByOthers"], &view["jumioPending"]),
        (&json!(2), &json!(1), &json!(3))
    );
    let (first, second) = statements(&house, id).await;
    assert_eq!(second, None);
    assert_eq!(first["destroyed"]["enrollments"], 2, "the third was destroyed on another order");
    assert_eq!((&first["batch"]["done"], &first["batch"]["doneByOthers"]), (&json!(2), &json!(1)));
    assert_eq!(
        (&first["jumioDeletion"]["state"], &first["jumioDeletion"]["left"]),
        (&json!("pending"), &json!(3))
    );
    house.jumio.clear_scripts();
    house.pass(seconds(3600)).await;
    let (_, second) = statements(&house, id).await;
    assert_eq!(second.unwrap()["jumioDeletion"]["evidence"]["original"], json!({"200": 3}));
}

#[tokio::test]
async fn an_order_ends_at_jumio_only_with_the_last_that_another_order_left_there() {
    let house = House::new().await;
    house.enroll_as(1, 1, S::Vaulted, |_| {}).await;
    house.enroll_as(2, 2, S::Ready, |_| {}).await;
    house.jumio.script(Endpoint::DeleteScan, Script::unavailable().for_ever());
    let id = ordered(&house, &list(1..=2)).await;
    house.purge(1).await.unwrap();
    house.drive().await;
    let view = job(&house, id).await;
    assert_eq!((&view["jumioDeletion"], &view["jumioPending"]), (&json!("pending"), &json!(1)));
    house.jumio.clear_scripts();
    house.pass(seconds(3600)).await;
    let view = job(&house, id).await;
    assert_eq!((&view["jumioDeletion"], &view["jumioPending"]), (&json!("done"), &json!(0)));
    assert!(statements(&house, id).await.1.is_some());
}

#[tokio::test]
async fn who_was_used_after_the_order_was_written_down_is_left() {
    let house = House::new().await;
    for number in 1..=2 {
        house.enroll_as(number, number, S::Ready, |_| {}).await;
    }
    house.clock.advance(seconds(60));
    let id = ordered(&house, &Criterion::LastUsedBefore(house.clock.now())).await;
    let now = house.clock.now();
    house.edit(1, |used| used.row.last_used_at = Some(now)).await;
    house.drive().await;
    assert_eq!((house.state(1).await, house.state(2).await), (S::Ready, S::Purged));
    let view = job(&house, id).await;
    assert_eq!((&view["done"], &view["notDue"], &view["state"]), (&json!(1), &json!(1), &json!("done")));
    assert_eq!(statements(&house, id).await.0["batch"]["notDue"], 1);
}

#[tokio::test]
async fn the_receipt_names_the_begin_before_anything_was_done_also_after_an_interruption() {
    let house = House::new().await;
    house.enroll(1).await;
    *house.inbox.fails.lock().unwrap() = true;
    house.purge(1).await.unwrap_err();
    *house.inbox.fails.lock().unwrap() = false;
    house.pass(seconds(600)).await;
    let view = house.purge(1).await.unwrap();
    let book = house.book().await;
    let begun = |listed: &&audit::Listed| {
        listed.entry.action == Action::Purge && matches!(listed.entry.part, Part::Begin)
    };
    let begun: Vec<u64> = book.iter().filter(begun).map(|listed| listed.position).collect();
    assert!(begun.len() > 1, "it was interrupted");
    let said = said(&house, view.receipt.as_ref());
    assert_eq!(said["audit"]["begin"], begun[0]);
    assert_eq!(said["audit"]["resumed"], *begun.last().unwrap());
}

/// Jumio named it in a callback, and whoever judges those had it deleted: what that leaves behind.
async fn named_late(house: &House, id: AuthenticationId, number: u64) {
    let register = house.register();
    let read = register.unnamed(id, house.clock.now()).await.unwrap().unwrap();
    let mut commit = register.records().commit();
    let row = UnnamedRow { status: Some(200), ..read.value };
    register.put_unnamed(&mut commit, id, Some(&read), &row);
    let job = JobKey::new(Kind::JumioDeletion, &house.key(number));
    house.now().queue.schedule(&mut commit, &job, house.clock.now(), Value::Null).await.unwrap();
    commit.submit().await.unwrap();
}

#[tokio::test]
async fn what_jumio_names_late_and_is_deleted_there_is_signed_anew_for_the_person_and_the_order() {
    let house = House::new().await;
    for number in 1..=2 {
        house.enroll_as(number, number, S::Ready, |_| {}).await;
    }
    let unnamed = house.authenticate(1, None, AuthenticationState::Unknown).await;
    let id = ordered(&house, &list([1, 2])).await;
    house.drive().await;
    assert_eq!(job(&house, id).await["jumioDeletion"], "incomplete");
    let first = house.purge(1).await.unwrap();
    named_late(&house, unnamed, 1).await;
    house.drive().await;
    let second = house.purge(1).await.unwrap();
    assert_eq!(second.receipt, first.receipt, "the first never changes");
    let own = said(&house, second.jumio_receipt.as_ref());
    assert_eq!(
        (&own["jumioDeletion"]["state"], &own["jumioDeletion"]["unnamed"]),
        (&json!("done"), &json!(0))
    );
    assert_eq!(own["jumioDeletion"]["evidence"]["authentications"], json!({"200": 1}));
    assert_eq!(own["follows"], receipt::fingerprint([first.receipt.as_deref().unwrap()]));
    let (_, order) = statements(&house, id).await;
    let order = order.unwrap();
    assert_eq!(
        (&order["jumioDeletion"]["state"], &order["jumioDeletion"]["unnamed"]),
        (&json!("done"), &json!(0))
    );
    assert_eq!(job(&house, id).await["jumioDeletion"], "done");
    assert!(house.register().all_unnamed().await.unwrap().is_empty());
    queue::testing::assert_no_jobs_left(&house.now().queue).await;
}

#[tokio::test]
async fn a_callback_that_is_faster_than_the_purge_is_taken_over_once_it_has_ended() {
    let house = House::new().await;
    house.enroll_as(1, 1, S::Ready, |_| {}).await;
    let unnamed = house.authenticate(1, None, AuthenticationState::Unknown).await;
    *house.inbox.fails.lock().unwrap() = true;
    house.purge(1).await.unwrap_err();
    named_late(&house, unnamed, 1).await;
    house.drive().await;
    *house.inbox.fails.lock().unwrap() = false;
    house.pass(seconds(600)).await;
    let view = serde_json::to_value(house.purge(1).await.unwrap()).unwrap();
    assert_eq!(view["jumioDeletion"], "done");
    queue::testing::assert_no_jobs_left(&house.now().queue).await;
}

#[tokio::test]
async fn an_order_for_nobody_is_none() {
    let house = House::new().await;
    for criterion in [list([9]), Criterion::User(user(9))] {
        let refused = house.custody().order_purge(&criterion, order(), None, None).await;
        let error: CustodyError = refused.unwrap_err();
        assert!(error.to_string().starts_with("nothing-to-purge"), "{error}");
    }
    house.enroll(1).await;
    house.edit(1, |held| held.row.hold = true).await;
    assert!(house.custody().order_purge(&list([1]), order(), None, None).await.is_err(), "a hold keeps it");
    queue::testing::assert_no_jobs_left(&house.now().queue).await;
}

#[tokio::test]
async fn what_jumio_only_did_not_find_is_not_called_deleted() {
    let house = House::new().await;
    house.enroll(1).await;
    let view = house.purge(1).await.unwrap();
    let deletion = &said(&house, view.receipt.as_ref())["jumioDeletion"];
    assert_eq!(
        (&deletion["state"], &deletion["evidence"]["authentications"]),
        (&json!("done"), &json!({"404": 1}))
    );
    assert_eq!(deletion["deletedAt"], Value::Null);
    assert!(deletion["foundGoneAt"].is_string());
    let shown = serde_json::to_value(view).unwrap();
    assert_eq!(shown["jumioDeletedAt"], Value::Null);
}

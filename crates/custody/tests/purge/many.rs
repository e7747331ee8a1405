//! Many are destroyed on one order.

use crate::house::{House, order, reference, seconds, user};
use audit::Action;
use custody::{
    Criterion, CustodyConfig, CustodyError, InvalidOrder, PurgeId, PurgeItemState, PurgeJobState,
    PurgeRequest,
};
use jumio::scripted::{Endpoint, Script};
use model::{AuthenticationState, Clock as _, EnrollmentState as S};
use queue::{Handler as _, testing};
use receipt::{Fingerprint, JumioState, StatementKind};
use serde_json::json;
use store::faulty::CommitFault;

fn list(numbers: impl IntoIterator<Item = u64>) -> Criterion {
    let all: Vec<String> = numbers.into_iter().map(|number| reference(number).to_string()).collect();
    let request: PurgeRequest =
        serde_json::from_value(json!({"enrollments": all, "reason": "other"})).unwrap();
    request.criterion().unwrap()
}

async fn ordered(house: &House, criterion: &Criterion) -> PurgeId {
    house.custody().order_purge(criterion, order(), None, None).await.unwrap()
}

#[test]
fn an_order_needs_exactly_one_criterion_and_unknown_fields_are_refused() {
    let criterion =
        |body: serde_json::Value| serde_json::from_value::<PurgeRequest>(body).unwrap().criterion();
    let one = reference(1).to_string();
    assert_eq!(criterion(json!({"reason": "other"})), Err(InvalidOrder::NoCriterion));
    let both = json!({"reason": "other", "userReference": "ines", "enrollments": [one]});
    assert_eq!(criterion(both), Err(InvalidOrder::SeveralCriteria));
    assert_eq!(criterion(json!({"reason": "other", "enrollments": []})), Err(InvalidOrder::EmptyList));
    let long: Vec<String> = (0..10_001).map(|number| reference(number).to_string()).collect();
    assert_eq!(criterion(json!({"reason": "other", "enrollments": long})), Err(InvalidOrder::LongList));
    for bad in [
        json!({"reason": "other", "enrollments": [one, "not a reference"]}),
        json!({"reason": "because", "enrollments": [one]}),
        json!({"reason": "other", "caseReference": "a name", "enrollments": [one]}),
        json!({"reason": "other", "everybody": true}),
        json!({"enrollments": [one]}),
    ] {
        assert!(serde_json::from_value::<PurgeRequest>(bad.clone()).is_err(), "{bad}");
    }
    let twice = json!({"reason": "other", "enrollments": [one, one]});
    assert!(matches!(criterion(twice), Ok(Criterion::Enrollments(list)) if list.len() == 1));
}

#[tokio::test]
async fn a_dry_run_counts_and_lists_and_changes_nothing() {
    let house = House::new().await;
    for number in 1..=3 {
        house.enroll(number).await;
    }
    house.edit(2, |held| held.row.hold = true).await;
    house.purge(3).await.unwrap();
    let commits = house.store.commits();
    let plan = house.custody().plan_purge(&list([1, 2, 3, 9])).await.unwrap();
    assert_eq!((plan.total, plan.held, plan.already_purged), (1, 1, 1));
    assert_eq!(plan.unknown, [reference(9)]);
    assert_eq!(plan.enrollments.len(), 2);
    assert!(plan.complete);
    let of_user = house.custody().plan_purge(&Criterion::User(user(1))).await.unwrap();
    assert_eq!(of_user.enrollments[0].enrollment_transaction_reference, Some(reference(1)));
    assert_eq!(house.store.commits(), commits);
}

#[tokio::test]
async fn each_criterion_chooses_whom_it_says() {
    let house = House::new().await;
    house.enroll_as(1, 1, S::Ready, |_| {}).await;
    house.enroll_as(2, 1, S::AwaitingUser, |_| {}).await;
    house.clock.advance(seconds(100));
    let middle = house.clock.now();
    house.clock.advance(seconds(100));
    house.enroll_as(3, 3, S::Ready, |_| {}).await;
    let now = house.clock.now();
    house.edit(1, |used| used.row.last_used_at = Some(now)).await;
    let total = async |criterion: Criterion| house.custody().plan_purge(&criterion).await.unwrap().total;
    assert_eq!(total(Criterion::User(user(1))).await, 2);
    assert_eq!(total(Criterion::VaultedBefore(middle)).await, 1);
    assert_eq!(total(Criterion::VaultedBefore(now)).await, 1, "before, not at");
    assert_eq!(total(Criterion::LastUsedBefore(middle)).await, 0, "it was used since");
    house.clock.advance(seconds(10));
    assert_eq!(total(Criterion::LastUsedBefore(house.clock.now())).await, 2);
    let tomorrow = house.clock.now() + seconds(86_400);
    let future = house.custody().plan_purge(&Criterion::VaultedBefore(tomorrow)).await;
    assert!(matches!(future, Err(CustodyError::Invalid(InvalidOrder::Future))));
}

#[tokio::test]
async fn above_the_limit_only_with_total_and_token_of_a_dry_run_of_this_very_order() {
    let house = House::with(CustodyConfig { confirm_above: 2, ..CustodyConfig::default() }).await;
    for number in 1..=4 {
        house.enroll_as(number, number, S::Ready, |_| {}).await;
    }
    let custody = house.custody();
    let (three, four) = (list(1..=3), list(1..=4));
    let plan = custody.plan_purge(&three).await.unwrap();
    let other = custody.plan_purge(&four).await.unwrap().confirm_token;
    let token = Some(plan.confirm_token.as_str());
    let needed =
        |result| assert!(matches!(result, Err(CustodyError::ConfirmationNeeded { total: 3, limit: 2 })));
    needed(custody.order_purge(&three, order(), None, None).await);
    needed(custody.order_purge(&three, order(), Some(3), None).await);
    needed(custody.order_purge(&three, order(), None, token).await);
    let differs = custody.order_purge(&three, order(), Some(4), token).await;
    assert!(matches!(differs, Err(CustodyError::TotalDiffers { expected: 4, is: 3 })));
    let changed = format!("{}A", &plan.confirm_token[..plan.confirm_token.len() - 1]);
    for wrong in ["", "x", &other, &changed] {
        let refused = custody.order_purge(&three, order(), Some(3), Some(wrong)).await;
        let is_the_same = wrong == plan.confirm_token;
        assert!(is_the_same || matches!(refused, Err(CustodyError::ConfirmationInvalid)), "{wrong}");
    }
    house.clock.advance(seconds(3601));
    let old = custody.order_purge(&three, order(), Some(3), token).await;
    assert!(matches!(old, Err(CustodyError::ConfirmationInvalid)), "an hour is over");
    for number in 1..=4 {
        assert_eq!(house.state(number).await, S::Ready);
    }
    testing::assert_no_jobs_left(&house.now().queue).await;
    let plan = custody.plan_purge(&three).await.unwrap();
    custody.order_purge(&three, order(), Some(3), Some(&plan.confirm_token)).await.unwrap();
    custody.order_purge(&list([4]), order(), None, None).await.unwrap();
}

#[tokio::test]
async fn what_changed_since_the_dry_run_is_a_mismatch_and_nothing_is_done() {
    let house = House::new().await;
    house.enroll_as(1, 1, S::Ready, |_| {}).await;
    let criterion = Criterion::User(user(1));
    let plan = house.custody().plan_purge(&criterion).await.unwrap();
    house.enroll_as(2, 1, S::Vaulted, |_| {}).await;
    let token = Some(plan.confirm_token.as_str());
    let refused = house.custody().order_purge(&criterion, order(), Some(plan.total), token).await;
    assert!(matches!(refused, Err(CustodyError::TotalDiffers { expected: 1, is: 2 })));
    assert_eq!(house.state(1).await, S::Ready);
}

#[tokio::test]
async fn all_are_destroyed_each_with_its_receipt_and_the_order_has_one_over_all() {
    let house = House::new().await;
    for number in 1..=5 {
        house.enroll(number).await;
    }
    house.edit(5, |held| held.row.hold = true).await;
    let id = ordered(&house, &list(1..=5)).await;
    assert_eq!(house.custody().purge_job(id).await.unwrap().state, PurgeJobState::Running);
    house.drive().await;
    let view = house.custody().purge_job(id).await.unwrap();
    assert_eq!(
        (view.state, view.total, view.done, view.held, view.failed),
        (PurgeJobState::Done, 4, 4, 1, 0)
    );
    let items = house.custody().purge_items(id, None, 100).await.unwrap();
    let mut all = Fingerprint::default();
    for item in &items {
        match &item.receipt {
            Some(receipt) => {
                assert_eq!(house.checked(receipt).subject, Some(item.subject.to_string()));
                all.add(receipt);
            }
            None => assert_eq!(item.state, PurgeItemState::Held),
        }
    }
    let statement = house.checked(view.receipt.as_ref().unwrap());
    assert_eq!(statement.kind, StatementKind::PurgeBatch);
    assert_eq!((statement.destroyed.enrollments, statement.destroyed.authentications), (4, 4));
    let batch = statement.batch.unwrap();
    assert_eq!(batch.receipts_sha256, all.finish());
    assert_eq!((batch.total, batch.done, batch.held), (4, 4, 1));
    let again = house.purge(1).await.unwrap();
    assert!(items.iter().any(|item| item.receipt == again.receipt), "the same for one alone");
    assert_eq!(house.state(5).await, S::Ready);
    let book = house.book().await;
    assert_eq!(book.iter().filter(|listed| listed.entry.action == Action::PurgeOrdered).count(), 1);
}

#[tokio::test]
async fn nobody_waits_for_jumio_and_a_second_statement_follows_the_last_deletion() {
    let house = House::new().await;
    for number in 1..=3 {
        house.enroll_as(number, number, S::Vaulted, |_| {}).await;
    }
    house.jumio.script(Endpoint::DeleteScan, Script::unavailable().for_ever());
    let id = ordered(&house, &list(1..=3)).await;
    house.drive().await;
    let view = house.custody().purge_job(id).await.unwrap();
    assert_eq!((view.state, view.done, view.jumio_pending), (PurgeJobState::Done, 3, 3));
    assert_eq!(view.jumio_deletion, JumioState::Pending);
    let first = house.checked(view.receipt.as_ref().unwrap());
    assert_eq!((first.jumio_deletion.state, first.jumio_deletion.left), (JumioState::Pending, 3));
    house.jumio.clear_scripts();
    house.pass(seconds(3600)).await;
    let view = house.custody().purge_job(id).await.unwrap();
    assert_eq!((view.jumio_deletion, view.jumio_pending), (JumioState::Done, 0));
    let second = house.checked(view.jumio_receipt.as_ref().unwrap());
    assert_eq!(second.follows, Some(receipt::fingerprint([view.receipt.as_deref().unwrap()])));
    testing::assert_no_jobs_left(&house.now().queue).await;
}

#[tokio::test]
async fn an_order_that_is_killed_anywhere_is_carried_out_whole_or_was_none() {
    for fault in [CommitFault::AmbiguousBefore, CommitFault::AmbiguousAfter] {
        for nth in 1.. {
            let mut house = House::new().await;
            for number in 1..=3 {
                house.enroll(number).await;
            }
            house.store.fail_commit(nth, fault);
            let told = house.custody().order_purge(&list(1..=3), order(), None, None).await;
            while house.store_is_well() {
                let kinds = [queue::Kind::Purge, queue::Kind::Erasure];
                let Ok(Some(lease)) = house.now().queue.lease_due(&kinds, seconds(60)).await else { break };
                let _killed = house.custody().handle(&lease).await;
            }
            if house.store_is_well() {
                assert!(nth > 10, "{nth}");
                break;
            }
            house.restart().await;
            house.pass(seconds(600)).await;
            let mut purged = 0;
            for number in 1..=3 {
                purged += u32::from(house.state(number).await == S::Purged);
            }
            let at = format!("{fault:?} at commit {nth}");
            if let Ok(id) = told {
                let view = house.custody().purge_job(id).await.unwrap();
                assert_eq!((view.state, view.done), (PurgeJobState::Done, 3), "{at}");
                assert!(house.checked(view.receipt.as_ref().unwrap()).batch.is_some());
            }
            assert!(purged == 3 || (purged == 0 && told.is_err()), "{at}: {purged}");
            testing::assert_no_jobs_left(&house.now().queue).await;
        }
    }
}

#[tokio::test]
async fn an_order_names_nobody_in_any_row() {
    let house = House::new().await;
    house.enroll(1).await;
    house.authenticate(1, Some(7), AuthenticationState::Passed).await;
    ordered(&house, &Criterion::User(user(1))).await;
    house.drive().await;
    let seen = crate::traces::everything(&house).await;
    assert!(!seen.contains(user(1).as_str()) && !seen.contains(&reference(1).to_string()));
}

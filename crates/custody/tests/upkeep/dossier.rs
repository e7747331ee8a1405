//! Everything about one person, and nothing about anybody else. Reading it is written down first.

use crate::{
    house::{House, order, reference, transaction, user},
    keep::hold as hold_it,
};
use audit::{Action, Actor, Begin, Outcome};
use custody::CustodyError;
use model::{AuthenticationState, EnrollmentState as S};

async fn posted(house: &House, number: u64) {
    let found = house.enrollment(number).await;
    let begin = Begin::about(Action::AuthenticationPosted, found.key.0, Actor::token("t", "app"));
    let begin = begin.of_user(found.row.user.map(|user| user.0)).with("authentication", "id-1");
    let stroke = house.now().audit.begin(begin).await.unwrap();
    house.now().audit.finish_alone(&stroke, Outcome::Done, audit::Details::new()).await.unwrap();
    house.now().audit.append_pending().await.unwrap();
}

fn auditor() -> Actor {
    Actor::token("tok5", "auditor")
}

#[tokio::test]
async fn the_page_has_everything_about_the_person_and_nothing_about_anybody_else() {
    let house = House::new().await;
    house.enroll(1).await;
    house.enroll_as(2, 1, S::Vaulted, |_| {}).await;
    house.enroll(3).await;
    house.authenticate(1, Some(11), AuthenticationState::Failed).await;
    posted(&house, 1).await;
    posted(&house, 3).await;
    hold_it(&house, 2).await.unwrap();
    let page = house.custody().dossier(&user(1), auditor()).await.unwrap();

    let references: Vec<_> =
        page.enrollments.iter().map(|one| one.enrollment_transaction_reference.unwrap()).collect();
    assert_eq!(references, [reference(1), reference(2)]);
    assert_eq!(
        page.enrollments[1].hold.as_ref().unwrap().case_reference.as_ref().unwrap().as_str(),
        "CASE-1"
    );
    let uses: Vec<_> =
        page.authentications.iter().map(|one| one.authentication_transaction_reference).collect();
    assert_eq!(uses, [Some(transaction(1)), Some(transaction(11))]);
    assert_eq!(page.authentications[0].request_reference.as_deref(), Some("request-1"));
    assert_eq!(page.authentications[1].state, AuthenticationState::Failed);
    assert_eq!(page.disclosures.len(), 1);
    assert_eq!(page.disclosures[0].outcome, Some(Outcome::Done));
    assert_eq!(page.disclosures[0].authentication_id.as_deref(), Some("id-1"));
    let actions: Vec<_> = page.entries.iter().map(|one| one.entry.action).collect();
    let (post, hold, read) = (Action::AuthenticationPosted, Action::HoldSet, Action::DossierRead);
    assert_eq!(actions, [post, post, hold, hold, read]);
    assert!(!page.cut.enrollments && !page.cut.entries && !page.cut.authentications && !page.cut.damaged);
    let text = serde_json::to_string(&page).unwrap();
    for other in [user(3).as_str().to_owned(), reference(3).to_string(), house.key(3).0.to_string()] {
        assert!(!text.contains(&other), "{other} is somebody else's");
    }
}

#[tokio::test]
async fn of_somebody_who_was_purged_the_book_and_the_receipts_are_left() {
    let house = House::new().await;
    house.enroll(1).await;
    posted(&house, 1).await;
    house.purge(1).await.unwrap();
    house.drive().await;
    let page = house.custody().dossier(&user(1), auditor()).await.unwrap();
    assert_eq!(page.enrollments.len(), 1);
    let purged = &page.enrollments[0];
    assert_eq!((purged.state, purged.subject), (S::Purged, house.key(1).0));
    assert_eq!(purged.enrollment_transaction_reference, None);
    let receipt = purged.purge.as_ref().unwrap().receipt.as_ref().unwrap();
    assert_eq!(house.checked(receipt).subject, Some(house.key(1).0.to_string()));
    assert!(page.authentications.is_empty());
    assert_eq!(page.disclosures.len(), 1, "that it was handed to Jumio is still known");
    assert!(page.entries.iter().any(|one| one.entry.action == Action::Purge));
    assert_eq!(
        order().actor,
        page.entries.iter().find(|one| one.entry.action == Action::Purge).unwrap().entry.actor
    );
    let text = serde_json::to_string(&page).unwrap();
    for gone in [reference(1).to_string(), transaction(1).to_string(), "request-1".to_owned()] {
        assert!(!text.contains(&gone), "{gone} is gone");
    }
}

#[tokio::test]
async fn reading_is_written_down_first_and_without_that_nothing_is_read() {
    let house = House::new().await;
    house.enroll(1).await;
    house.store.set_no_space(true);
    let refused = house.custody().dossier(&user(1), auditor()).await;
    assert!(matches!(refused, Err(CustodyError::Audit(_))), "{refused:?}");
    house.store.set_no_space(false);
    house.custody().dossier(&user(1), auditor()).await.unwrap();
    let book = house.book().await;
    let read: Vec<_> = book.iter().filter(|item| item.entry.action == Action::DossierRead).collect();
    assert_eq!(read.len(), 2);
    assert_eq!((read[0].entry.outcome, read[1].entry.outcome), (None, Some(Outcome::Done)));
    assert_eq!(read[0].entry.actor, auditor());
    assert_eq!(read[0].entry.subject, Some(house.register().records().user_key(&user(1)).0));
}

#[tokio::test]
async fn somebody_who_is_unknown_has_an_empty_page() {
    let house = House::new().await;
    house.enroll(1).await;
    let page = house.custody().dossier(&user(9), auditor()).await.unwrap();
    assert!(page.enrollments.is_empty() && page.authentications.is_empty() && page.disclosures.is_empty());
    assert_eq!(page.entries.len(), 1, "that somebody asked");
    assert!(page.callbacks.complete);
}

#[tokio::test]
async fn a_long_history_is_cut_and_says_so() {
    let house = House::new().await;
    for number in 1..=102 {
        house.enroll_as(number, 1, S::AwaitingUser, |_| {}).await;
    }
    let page = house.custody().dossier(&user(1), auditor()).await.unwrap();
    assert_eq!(page.enrollments.len(), 100);
    assert!(page.cut.enrollments);
}

//! The whole story, and the states beside it.

use crate::{
    house::{House, callback, reference, user},
    jumio::Scan,
};
use ::jumio::{JumioError, NamedUser, NewVerification, Rules, ScanState};
use audit::Actor;
use ingest::{CallbackOutcome, DeleteOriginal, Ingest, IngestConfig, IngestError, TokenScope};
use model::{EnrollmentOrigin, EnrollmentState, Similarity, VerificationStatus};
use queue::{Limit, testing::assert_no_jobs_left};
use register::{EnrollmentFilter, FacemapNote, IneligibleReason};
use std::time::Duration;
use vault::SlotStatus;

async fn start(house: &House, number: u8, name: &str) -> Result<[u8; 16], IngestError> {
    let body = serde_json::json!({
        "customerInternalReference": "shop-1", "userReference": name, "workflowId": 201, "tokenLifetimeInMinutes": 60
    });
    house.jumio.will_start(reference(number));
    house.jumio.holds(reference(number), Scan::pending(name));
    let rules = Rules { simulated: true, redirect_hosts: None };
    let mut told = [0; 16];
    let request = |intent: &[u8; 16]| {
        told = *intent;
        NewVerification::check(&body, &rules)?
            .with_callback_url("https://vault.example.com/callbacks".into(), &rules)
    };
    let started = house.ingest().start_verification(request, Actor::System).await?;
    assert_eq!(started.transaction_reference, reference(number));
    assert!(started.warnings.is_empty());
    Ok(told)
}

#[tokio::test]
async fn a_person_goes_from_started_to_ready_and_the_original_is_gone() {
    let house = House::new().await;
    let intent = start(&house, 1, "ines").await.unwrap();
    assert_eq!(house.state(1).await, EnrollmentState::AwaitingUser);
    house.jumio.holds(reference(1), Scan::approved("ines", b"the face of ines"));
    let body = callback(reference(1), "ines");
    let scope = TokenScope::Verification(intent);
    assert!(house.ingest().scope_matches(&body, scope).await.unwrap());
    let id = house.ingest().receive(&body, scope, None).await.unwrap();
    house.drive().await;
    assert_eq!(house.outcome(id).await, Some(CallbackOutcome::Received));
    let vaulted = house.view(1).await;
    assert_eq!(
        (vaulted.state, vaulted.facemap_bytes, vaulted.current),
        (EnrollmentState::Vaulted, Some(16), false)
    );
    assert_eq!(house.jumio.effects(reference(1)), 0, "nothing is deleted before the release");

    house.release(1).await.unwrap();
    house.drive().await;
    let ready = house.view(1).await;
    assert_eq!((ready.state, ready.current), (EnrollmentState::Ready, true));
    assert!(ready.original_deleted_at.is_some() && ready.released_at.is_some());
    assert_eq!(house.jumio.journal(), ["initiate", "details", "facemap", "DELETE", "gone?"]);
    assert_eq!(house.facemap(1).await, b"the face of ines");
    let slot = house.now().vault.view(house.enrollment(1).await.row.slot).await.unwrap();
    assert!(slot.original_deleted && slot.status == SlotStatus::Live);
    let (found, row) = (house.now().vault.check(slot.slot).await.unwrap(), house.enrollment(1).await.row);
    let note = FacemapNote::from_bytes(&found.note).unwrap();
    assert_eq!((found.reference, note.user_reference), (reference(1), user("ines")));
    assert_eq!((note.origin, note.created_at), (EnrollmentOrigin::Started, row.created_at));
    assert_eq!(note.customer_internal_reference.as_deref(), Some("shop-1"));
    assert_eq!(
        house.book().await,
        [
            "VerificationStarted Some(Done)",
            "Vaulted Some(Done)",
            "Released Some(Done)",
            "OriginalDeletion None",
            "OriginalDeletion Some(Done)",
            "EnrollmentReady Some(Done)",
        ]
    );
    let found = house.now().register.current_enrollment(&user("ines")).await.unwrap().unwrap();
    assert_eq!(found.key, house.enrollment(1).await.key);
}

#[tokio::test]
async fn an_announced_person_is_asked_about_at_once_and_no_job_is_left_at_the_end() {
    let house = House::new().await;
    house.onboard(1, "ines").await;
    house.drive().await;
    house.release(1).await.unwrap();
    house.drive().await;
    assert_eq!(house.state(1).await, EnrollmentState::Ready);
    assert_eq!(house.jumio.journal(), ["status", "details", "facemap", "DELETE", "gone?"]);
    assert_no_jobs_left(&house.now().queue).await;
}

#[tokio::test]
async fn a_request_against_jumios_rules_is_never_sent() {
    let house = House::new().await;
    let refused = house.ingest().start_verification(
        |_| NewVerification::check(&serde_json::json!({"userReference": ""}), &Rules::default()),
        Actor::System,
    );
    assert!(matches!(refused.await, Err(IngestError::Invalid(_))));
    assert!(house.jumio.journal().is_empty());
}

#[tokio::test]
async fn a_refused_start_leaves_nothing_behind() {
    let house = House::new().await;
    house.jumio.goes_away(JumioError::Refused { status: 403 });
    assert!(matches!(
        start(&house, 1, "ines").await,
        Err(IngestError::Jumio(JumioError::Refused { status: 403 }))
    ));
    let all = house.ingest().list(&EnrollmentFilter::default(), 10).await.unwrap();
    assert!(all.items.is_empty());
    assert_no_jobs_left(&house.now().queue).await;
}

#[tokio::test]
async fn a_start_whose_answer_got_lost_is_told_as_unknown_and_stored_as_nothing() {
    let house = House::new().await;
    house.jumio.loses_answer_of("initiate");
    match start(&house, 1, "ines").await {
        Err(IngestError::Jumio(error)) => assert!(error.outcome_is_unknown()),
        other => panic!("{other:?}"),
    }
    assert!(matches!(house.ingest().get(&reference(1)).await, Err(IngestError::Unknown)));
    assert_eq!(house.jumio.calls("initiate"), 1, "it is not repeated");
}

#[tokio::test]
async fn a_list_is_read_page_by_page_and_names_each_once() {
    let house = House::new().await;
    for number in 1..=5 {
        house.onboard(number, if number == 3 { "juan" } else { "ines" }).await;
        house.minutes(1);
    }
    let mut filter = EnrollmentFilter { user: Some(user("ines")), ..EnrollmentFilter::default() };
    let mut seen = Vec::new();
    loop {
        let page = house.ingest().list(&filter, 2).await.unwrap();
        seen.extend(page.items.iter().map(|view| view.enrollment_transaction_reference.unwrap()));
        let Some(next) = page.next else { break };
        filter.after = Ingest::cursor(&Ingest::cursor_of(next));
    }
    assert_eq!(seen, [1, 2, 4, 5].map(reference));
}

#[tokio::test]
async fn what_the_api_shows_has_the_contracts_names_and_nothing_of_the_face() {
    let house = House::new().await;
    house.onboard(1, "ines").await;
    house.release(1).await.unwrap();
    house.drive().await;
    let shown = serde_json::to_value(house.view(1).await).unwrap();
    let names: Vec<&str> = shown.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "createdAt",
            "current",
            "customerInternalReference",
            "enrollmentTransactionReference",
            "facemapBytes",
            "hold",
            "origin",
            "originalDeletedAt",
            "releasedAt",
            "since",
            "state",
            "userReference",
            "vaultedAt",
        ]
    );
}

#[tokio::test]
async fn a_spent_budget_puts_off_and_uses_up_no_tries() {
    let house = House::with_retrievals(Limit { count: 1, within: Duration::from_hours(1) }).await;
    house.onboard(1, "ines").await;
    house.drive().await;
    assert_eq!(house.jumio.journal(), ["status"]);
    assert_eq!(house.view(1).await.trouble.as_deref(), Some("jumio-budget"));
    house.drive_for(Duration::from_hours(4)).await;
    assert_eq!(house.state(1).await, EnrollmentState::Vaulted);
}

#[tokio::test]
async fn a_lost_callback_is_made_up_for_by_polling_on_the_published_offsets() {
    let house = House::new().await;
    start(&house, 1, "ines").await.unwrap();
    house.drive_for(Duration::from_secs(39)).await;
    assert_eq!(house.jumio.calls("status"), 0);
    house.drive_for(Duration::from_secs(1)).await;
    assert_eq!(house.jumio.calls("status"), 1);
    house.drive_for(Duration::from_mins(15)).await;
    assert_eq!(house.jumio.calls("status"), 10);
    assert_eq!(house.jumio.calls("details"), 0, "only the status is asked for while it is pending");
    house.jumio.change(reference(1), |scan| scan.state = ScanState::Done);
    house.drive_for(Duration::from_hours(25)).await;
    assert_eq!(house.state(1).await, EnrollmentState::Vaulted);
}

#[tokio::test]
async fn nobody_is_waited_for_beyond_the_tokens_end_and_a_later_callback_still_counts() {
    let house = House::new().await;
    start(&house, 1, "ines").await.unwrap();
    house.drive_for(Duration::from_hours(72)).await;
    assert_eq!(house.state(1).await, EnrollmentState::AwaitingUser);
    house.drive_for(Duration::from_hours(1)).await;
    assert_eq!(house.state(1).await, EnrollmentState::Abandoned);
    assert_eq!(house.jumio.calls("status"), 10 + 3 + 1);
    assert_no_jobs_left(&house.now().queue).await;

    house.jumio.change(reference(1), |scan| scan.state = ScanState::Done);
    house.receive(&callback(reference(1), "ines")).await;
    house.drive().await;
    assert_eq!(house.state(1).await, EnrollmentState::Vaulted);
}

#[tokio::test]
async fn a_reference_that_jumio_does_not_know_is_asked_for_no_more_often_than_a_pending_one() {
    let house = House::new().await;
    house.announce(1, "ines").await;
    house.drive_for(Duration::from_hours(71)).await;
    let view = house.view(1).await;
    assert_eq!(
        (view.state, view.trouble.as_deref()),
        (EnrollmentState::AwaitingUser, Some("unknown-at-jumio"))
    );
    assert_eq!(house.jumio.calls("status"), 10 + 2);
    house.drive_for(Duration::from_hours(24)).await;
    assert_eq!(house.state(1).await, EnrollmentState::Abandoned);
    assert_no_jobs_left(&house.now().queue).await;
}

#[tokio::test]
async fn what_jumio_says_has_expired_or_ended_without_data_is_abandoned() {
    let house = House::new().await;
    house.jumio.holds(reference(1), Scan { state: ScanState::TokenExpired, ..Scan::pending("ines") });
    let failed = Scan { state: ScanState::Failed, status: None, ..Scan::pending("juan") };
    house.jumio.holds(reference(2), failed);
    house.announce(1, "ines").await;
    house.announce(2, "juan").await;
    house.drive().await;
    assert_eq!(house.state(1).await, EnrollmentState::Abandoned);
    assert_eq!(house.state(2).await, EnrollmentState::Abandoned);
    assert_eq!(house.jumio.calls("facemap"), 0);
}

type Spoil = fn(&mut Scan);

#[tokio::test]
async fn each_failed_condition_makes_it_ineligible_names_itself_and_fetches_nothing() {
    let cases: [(Spoil, IneligibleReason); 7] = [
        (|s| s.status = Some(VerificationStatus::DeniedFraud), IneligibleReason::VerificationStatus),
        (|s| s.similarity = Some(Similarity::NoMatch), IneligibleReason::Similarity),
        (|s| s.validity = Some(false), IneligibleReason::Validity),
        (|s| s.has_link = false, IneligibleReason::FacemapMissing),
        (
            |s| s.user = NamedUser::User("somebody-else".parse().unwrap()),
            IneligibleReason::UserReferenceDiffers,
        ),
        (|s| s.user = NamedUser::Unreadable, IneligibleReason::UserReferenceDiffers),
        (|s| s.status = None, IneligibleReason::VerificationStatus),
    ];
    let house = House::new().await;
    for (number, (spoil, reason)) in (1..).zip(cases) {
        let mut scan = Scan::approved("ines", b"face");
        spoil(&mut scan);
        house.jumio.holds(reference(number), scan);
        house.announce(number, "ines").await;
        house.drive().await;
        let view = house.view(number).await;
        assert_eq!((view.state, view.reasons), (EnrollmentState::Ineligible, vec![reason]));
        assert!(matches!(house.release(number).await, Err(IngestError::NotEligible { .. })));
    }
    assert_eq!((house.jumio.calls("facemap"), house.jumio.calls("DELETE")), (0, 0));
    assert_no_jobs_left(&house.now().queue).await;
}

#[tokio::test]
async fn the_original_of_an_ineligible_one_goes_only_if_configured_and_never_somebody_elses() {
    let config = IngestConfig { delete_ineligible: true, ..IngestConfig::default() };
    let house = House::with(config).await;
    let denied = Scan { status: Some(VerificationStatus::DeniedFraud), ..Scan::approved("ines", b"face") };
    house.jumio.holds(reference(1), denied);
    house.jumio.holds(reference(2), Scan::approved("victim", b"face"));
    house.announce(1, "ines").await;
    house.announce(2, "mallory").await;
    house.drive().await;
    assert_eq!(house.jumio.effects(reference(1)), 1);
    assert_eq!(house.jumio.effects(reference(2)), 0, "announcing somebody's transaction must not destroy it");
    assert!(house.book().await.contains(&"OriginalDeletion Some(Done)".to_owned()));
}

#[tokio::test]
async fn an_ineligible_one_whose_original_cannot_be_deleted_stays_ineligible() {
    let house = House::with(IngestConfig { delete_ineligible: true, ..IngestConfig::default() }).await;
    let denied = Scan { status: Some(VerificationStatus::DeniedFraud), ..Scan::approved("ines", b"face") };
    house.jumio.holds(reference(1), denied);
    house.jumio.refuses_deletion();
    house.announce(1, "ines").await;
    house.drive_for(Duration::from_hours(100)).await;
    let view = house.view(1).await;
    assert_eq!((view.state, view.trouble.as_deref()), (EnrollmentState::Ineligible, Some("jumio-refused")));
    assert_eq!(house.now().queue.dead_letters(None, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_facemap_that_never_comes_is_a_dead_letter_after_the_configured_hours() {
    let house = House::new().await;
    house.jumio.holds(reference(1), Scan { facemap: None, ..Scan::approved("ines", b"") });
    house.announce(1, "ines").await;
    house.drive_for(Duration::from_hours(71)).await;
    assert_eq!(house.state(1).await, EnrollmentState::Fetching);
    house.drive_for(Duration::from_hours(3)).await;
    let view = house.view(1).await;
    assert_eq!(
        (view.state, view.trouble.as_deref()),
        (EnrollmentState::Failed, Some("facemap-not-available"))
    );
    assert_eq!(house.now().queue.dead_letters(None, 10).await.unwrap().len(), 1);

    house.jumio.change(reference(1), |scan| scan.facemap = Some(b"late".to_vec()));
    house.announce(1, "ines").await;
    house.drive().await;
    assert_eq!(house.state(1).await, EnrollmentState::Vaulted);
    assert!(house.now().queue.dead_letters(None, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_outage_of_all_of_jumio_uses_up_nobodys_tries() {
    let house = House::new().await;
    house.onboard(1, "ines").await;
    house.jumio.goes_away(JumioError::Unavailable { what: "connection" });
    house.drive_for(Duration::from_hours(24 * 30)).await;
    assert_eq!(house.state(1).await, EnrollmentState::AwaitingUser);
    house.jumio.comes_back();
    house.drive_for(Duration::from_mins(20)).await;
    assert_eq!(house.state(1).await, EnrollmentState::Vaulted);
}

#[tokio::test]
async fn announcing_again_changes_nothing_and_another_user_is_refused() {
    let house = House::new().await;
    house.onboard(1, "ines").await;
    let before = house.enrollment(1).await.row;
    house.announce(1, "ines").await;
    let other = house.ingest().announce(reference(1), &user("mallory"), Actor::System).await;
    assert!(matches!(other, Err(IngestError::UserReferenceDiffers)));
    assert_eq!(house.enrollment(1).await.row, before);
    assert_eq!(before.origin, EnrollmentOrigin::Announced);
}

#[tokio::test]
async fn with_never_the_vault_deletes_nothing_and_is_ready_once_jumio_shows_it_gone() {
    let config = IngestConfig { delete_original: DeleteOriginal::Never, ..IngestConfig::default() };
    let house = House::with(config).await;
    house.onboard(1, "ines").await;
    house.drive_for(Duration::from_hours(48)).await;
    assert_eq!(house.state(1).await, EnrollmentState::Vaulted);
    assert_eq!((house.jumio.calls("DELETE"), house.jumio.calls("gone?")), (0, 3));
    house.jumio.change(reference(1), |scan| scan.facemap = None);
    house.drive_for(Duration::from_hours(25)).await;
    assert_eq!((house.state(1).await, house.jumio.calls("DELETE")), (EnrollmentState::Ready, 0));
}

#[tokio::test]
async fn the_status_counts_what_waits_for_what() {
    let house = House::new().await;
    house.onboard(1, "ines").await;
    house.onboard(2, "juan").await;
    house.drive().await;
    house.jumio.goes_away(JumioError::Unavailable { what: "connection" });
    house.release(2).await.unwrap();
    house.drive().await;
    let status = house.ingest().status().await.unwrap();
    assert_eq!((status.waiting_for_release.count, status.waiting_for_deletion.count), (1, 1));
    let vaulted = status.enrollments.iter().find(|(state, _)| *state == EnrollmentState::Vaulted).unwrap();
    assert_eq!(vaulted.1.count, 2);
    assert_eq!(vaulted.1.oldest, Some(house.time()));
}

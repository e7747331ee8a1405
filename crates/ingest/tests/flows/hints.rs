//! A callback is a hint: what it claims is never believed.

use crate::{
    house::{House, callback, reference},
    jumio::Scan,
};
use ::jumio::{NamedUser, ScanState};
use audit::Actor;
use ingest::{Accept, CallbackOutcome, CallbackState, IngestConfig, IngestError, TokenScope};
use model::{
    AuthenticationId, AuthenticationRef, AuthenticationState, EnrollmentOrigin, EnrollmentState,
    VerificationStatus,
};
use queue::{
    JobKey, Kind,
    testing::{assert_no_jobs_left, jobs_left},
};
use register::IneligibleReason;
use std::time::Duration;
use vault::{SlotKind, SlotStatus};

#[tokio::test]
async fn what_the_callback_claims_and_retrieval_denies_changes_nothing() {
    let house = House::new().await;
    let denied = Scan {
        status: Some(VerificationStatus::DeniedFraud),
        similarity: None,
        validity: None,
        has_link: false,
        ..Scan::approved("ines", b"face")
    };
    house.jumio.holds(reference(1), denied);
    house.announce(1, "ines").await;
    house.receive(&callback(reference(1), "ines")).await;
    house.drive().await;
    let view = house.view(1).await;
    assert_eq!(view.state, EnrollmentState::Ineligible);
    assert_eq!(view.reasons.len(), 4);
    assert_eq!((house.jumio.calls("facemap"), house.jumio.calls("DELETE")), (0, 0));
}

#[tokio::test]
async fn a_callback_that_names_another_user_moves_nobody() {
    let house = House::new().await;
    house.onboard(1, "ines").await;
    house.receive(&callback(reference(1), "mallory")).await;
    house.drive().await;
    assert_eq!(house.view(1).await.user_reference.unwrap().as_str(), "ines");
    assert_eq!(house.state(1).await, EnrollmentState::Vaulted);
}

#[tokio::test]
async fn a_callback_for_an_onboarding_that_is_still_pending_only_makes_the_vault_ask() {
    let house = House::new().await;
    house.jumio.holds(reference(1), Scan::pending("ines"));
    house.announce(1, "ines").await;
    house.drive().await;
    for _ in 0..3 {
        house.receive(&callback(reference(1), "ines")).await;
        house.drive().await;
        assert_eq!(house.state(1).await, EnrollmentState::AwaitingUser);
    }
    assert_eq!(house.jumio.calls("facemap"), 0);
    house.jumio.change(reference(1), |scan| scan.state = ScanState::Done);
    house.drive_for(Duration::from_mins(2)).await;
    assert_eq!(house.state(1).await, EnrollmentState::Vaulted);
}

#[tokio::test]
async fn an_answer_of_retrieval_about_another_transaction_is_not_believed() {
    let house = House::new().await;
    house.onboard(1, "ines").await;
    house.jumio.change(reference(1), |scan| scan.says_it_is = Some(reference(2)));
    house.drive_for(Duration::from_hours(1)).await;
    let view = house.view(1).await;
    assert_eq!(
        (view.state, view.trouble.as_deref()),
        (EnrollmentState::Confirming, Some("jumio-answer-unusable"))
    );
    assert_eq!(house.jumio.calls("facemap"), 0);
}

#[tokio::test]
async fn a_foreign_transaction_never_leads_to_a_call() {
    let house = House::new().await;
    house.jumio.holds(reference(1), Scan::approved("ines", b"face"));
    let id = house.receive(&callback(reference(1), "ines")).await;
    house.drive_for(Duration::from_hours(100)).await;
    assert_eq!(house.outcome(id).await, Some(CallbackOutcome::Foreign));
    assert!(house.jumio.journal().is_empty());
    assert!(matches!(house.ingest().get(&reference(1)).await, Err(IngestError::Unknown)));
    assert_no_jobs_left(&house.now().queue).await;
}

#[tokio::test]
async fn all_or_a_prefix_adopts_what_nobody_announced_and_retrieval_says_whose_it_is() {
    let by_prefix = IngestConfig { reference_prefixes: vec!["shop-".into()], ..IngestConfig::default() };
    let all = IngestConfig { accept: Accept::All, ..IngestConfig::default() };
    for config in [by_prefix, all] {
        let house = House::with(config).await;
        house.jumio.holds(reference(1), Scan::approved("ines", b"face"));
        let id = house.receive(&callback(reference(1), "mallory")).await;
        house.drive().await;
        assert_eq!(house.outcome(id).await, Some(CallbackOutcome::Adopted));
        let view = house.view(1).await;
        assert_eq!((view.state, view.origin), (EnrollmentState::Vaulted, EnrollmentOrigin::Callback));
        assert_eq!(view.user_reference.unwrap().as_str(), "ines");
    }
}

#[tokio::test]
async fn a_claimed_prefix_that_retrieval_denies_makes_nothing_ours_until_it_is_announced() {
    let config = IngestConfig { reference_prefixes: vec!["shop-".into()], ..IngestConfig::default() };
    let house = House::with(config).await;
    let theirs = Scan { internal: Some("another-department".into()), ..Scan::approved("ines", b"face") };
    house.jumio.holds(reference(1), theirs);
    house.receive(&callback(reference(1), "ines")).await;
    house.drive().await;
    assert_eq!((house.state(1).await, house.jumio.calls("facemap")), (EnrollmentState::Foreign, 0));
    house.announce(1, "ines").await;
    house.drive().await;
    assert_eq!(house.state(1).await, EnrollmentState::Vaulted);
}

#[tokio::test]
async fn an_adopted_one_without_a_user_is_ineligible_until_somebody_announces_it() {
    let house = House::with(IngestConfig { accept: Accept::All, ..IngestConfig::default() }).await;
    house.jumio.holds(reference(1), Scan { user: NamedUser::Nobody, ..Scan::approved("ines", b"face") });
    house.receive(&callback(reference(1), "mallory")).await;
    house.drive().await;
    assert_eq!(house.view(1).await.reasons, [IneligibleReason::UserReferenceMissing]);
    house.announce(1, "ines").await;
    house.drive().await;
    assert_eq!(house.state(1).await, EnrollmentState::Vaulted);
}

#[tokio::test]
async fn repeated_late_and_reordered_callbacks_change_nothing() {
    let house = House::new().await;
    house.onboard(1, "ines").await;
    let body = callback(reference(1), "ines");
    for _ in 0..3 {
        house.receive(&body).await;
    }
    house.drive().await;
    let late = house.receive(&body).await;
    house.drive().await;
    assert_eq!(house.outcome(late).await, Some(CallbackOutcome::AlreadyKnown));
    house.release(1).await.unwrap();
    house.drive().await;
    let ready = house.view(1).await;
    house.receive(&body).await;
    house.drive_for(Duration::from_hours(2)).await;
    assert_eq!(house.view(1).await, ready);
    assert_eq!((house.jumio.calls("facemap"), house.jumio.calls("DELETE")), (1, 1));
}

#[tokio::test]
async fn purged_stays_purged_whatever_comes_later() {
    let house = House::with(IngestConfig { accept: Accept::All, ..IngestConfig::default() }).await;
    house.onboard(1, "ines").await;
    house.drive().await;
    let mut found = house.enrollment(1).await;
    house.now().vault.burn(found.row.slot).await.unwrap();
    found.row.enter(EnrollmentState::Purged, house.time());
    found.private = None;
    let mut commit = house.now().register.records().commit();
    house.now().register.update_enrollment(&mut commit, &found).await.unwrap();
    commit.submit().await.unwrap();

    let calls = house.jumio.journal().len();
    let id = house.receive(&callback(reference(1), "ines")).await;
    house.drive_for(Duration::from_hours(2)).await;
    assert_eq!(house.outcome(id).await, Some(CallbackOutcome::Tombstone));
    let announced = house.ingest().announce(reference(1), &crate::house::user("ines"), Actor::System).await;
    assert!(matches!(announced, Err(IngestError::Purged)));
    assert!(matches!(house.release(1).await, Err(IngestError::Purged)));
    assert_eq!(house.state(1).await, EnrollmentState::Purged);
    assert_eq!(house.jumio.journal().len(), calls);
}

#[tokio::test]
async fn a_token_made_for_one_transaction_serves_no_other() {
    let house = House::new().await;
    house.onboard(1, "ines").await;
    let body = callback(reference(1), "ines");
    let foreign_tokens = [
        TokenScope::Verification([9; 16]),
        TokenScope::Authentication(AuthenticationId::from_bytes([1; 16])),
    ];
    for scope in foreign_tokens {
        assert!(!house.ingest().scope_matches(&body, scope).await.unwrap());
        let id = house.ingest().receive(&body, scope, None).await.unwrap();
        house.run().await.unwrap();
        assert_eq!(house.outcome(id).await, Some(CallbackOutcome::WrongToken));
    }
    assert!(house.ingest().scope_matches(&body, TokenScope::Portal).await.unwrap());
    let stray = callback(reference(7), "ines");
    assert!(!house.ingest().scope_matches(&stray, TokenScope::Verification([9; 16])).await.unwrap());
}

#[tokio::test]
async fn a_result_only_wakes_the_one_who_asks_and_creates_and_binds_nothing() {
    let house = House::new().await;
    house.onboard(1, "ines").await;
    house.drive().await;
    let id = house.authenticated(1, "ines", AuthenticationState::Initiated, Duration::ZERO).await;
    let register = &house.now().register;
    let mut open = register.authentication(id).await.unwrap().unwrap();
    let theirs: AuthenticationRef = "11111111-0000-4000-8000-000000000001".parse().unwrap();
    open.private.as_mut().unwrap().reference = Some(theirs);
    let mut commit = register.records().commit();
    register.update_authentication(&mut commit, &open).await.unwrap();
    commit.submit().await.unwrap();
    let before = register.authentication(id).await.unwrap().unwrap();

    let result = |reference: &str| {
        format!(
            "callBackType=NETVERIFY_AUTHENTICATION&transactionReference={reference}&transactionResult=PASSED"
        )
        .into_bytes()
    };
    let own = house.receive(&result(&theirs.to_string())).await;
    let unknown = house.receive(&result("22222222-0000-4000-8000-000000000002")).await;
    house.drive().await;
    assert_eq!(house.outcome(own).await, Some(CallbackOutcome::Followed));
    assert_eq!(house.outcome(unknown).await, Some(CallbackOutcome::Foreign));
    let after = register.authentication(id).await.unwrap().unwrap();
    assert_eq!(after.row, before.row);
    let jobs = jobs_left(&house.now().queue).await;
    assert!(jobs.contains(&JobKey::new(Kind::Authentication, &id)));
    assert_eq!(house.jumio.calls("authentication"), 0);
}

#[tokio::test]
async fn two_callbacks_at_the_same_time_adopt_once() {
    let house = House::with(IngestConfig { accept: Accept::All, ..IngestConfig::default() }).await;
    house.jumio.holds(reference(1), Scan::approved("ines", b"face"));
    house.receive(&callback(reference(1), "ines")).await;
    house.receive(&callback(reference(1), "ines")).await;
    let (a, b) = tokio::join!(house.run(), house.run());
    a.unwrap();
    b.unwrap();
    house.drive().await;
    assert_eq!((house.state(1).await, house.jumio.calls("facemap")), (EnrollmentState::Vaulted, 1));
    let slots = house.now().vault.slots(0).await.unwrap().views;
    let in_use =
        slots.iter().filter(|s| s.kind == SlotKind::Facemap && s.status != SlotStatus::Burnt).count();
    assert_eq!(in_use, 1);
}

#[tokio::test]
async fn bytes_that_are_no_callback_are_laid_aside_without_a_retry() {
    let house = House::new().await;
    for body in
        [&b"callBackType=NETVERIFYID&jumioIdScanReference=x"[..], b"callBackType=NETVERIFYID", &[0xff; 300]]
    {
        let id = house.receive(body).await;
        house.drive().await;
        let row = house.ingest().callback(id).await.unwrap().unwrap();
        assert!(matches!(row.state, CallbackState::Malformed | CallbackState::Foreign));
    }
    assert!(house.jumio.journal().is_empty());
    let counts = house.ingest().status().await.unwrap().callbacks;
    assert!(counts.iter().any(|(state, count)| *state == "malformed" && count.count == 2));
}

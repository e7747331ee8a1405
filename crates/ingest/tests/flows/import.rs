//! Bringing in what was held elsewhere: confirmed at Jumio, or attested, or refused.

use crate::{
    house::{House, reference, user},
    jumio::Scan,
};
use ::jumio::{JumioError, NamedUser};
use audit::{Actor, Filter, Outcome};
use ingest::{Import, ImportClaims, Imported, IngestError};
use model::{EnrollmentOrigin, EnrollmentState, FacemapBytes, Similarity, Timestamp, VerificationStatus};
use queue::testing::assert_no_jobs_left;
use register::IneligibleReason;
use std::time::Duration;
use vault::{SlotKind, SlotStatus, Step};

pub(crate) const FACE: &[u8] = b"the face of ines, held elsewhere until today";
const ATTESTATION: &str = "exported from the old store in May, case 17";

type Spoil<T> = fn(&mut T);
type SpoilWith = Box<dyn Fn(&mut Import)>;

pub(crate) fn good_claims() -> ImportClaims {
    ImportClaims {
        onboarded_at: Some("2024-05-01T12:00:00Z".parse().unwrap()),
        last_used_at: Some("2026-02-03T04:05:06Z".parse().unwrap()),
        status: Some("APPROVED_VERIFIED".into()),
        similarity: Some("MATCH".into()),
        validity: Some("TRUE".into()),
    }
}

pub(crate) fn attested(number: u8, name: &str) -> Import {
    Import {
        reference: reference(number),
        user_reference: user(name),
        attestation: Some(ATTESTATION.into()),
        claims: good_claims(),
        actor: Actor::token("t1", "migration"),
    }
}

pub(crate) fn plain(number: u8, name: &str) -> Import {
    Import { attestation: None, claims: ImportClaims::default(), ..attested(number, name) }
}

pub(crate) async fn bring(house: &House, import: &Import, face: &[u8]) -> Result<Imported, IngestError> {
    house.ingest().import(import, FacemapBytes::new(face.to_vec())).await
}

/// Slots of facemaps that something could still be opened with.
pub(crate) async fn usable_slots(house: &House) -> usize {
    let page = house.now().vault.slots(0).await.unwrap();
    let is_usable = |view: &&vault::SlotView| {
        view.kind == SlotKind::Facemap && matches!(view.status, SlotStatus::Live | SlotStatus::Prepared)
    };
    page.views.iter().filter(is_usable).count()
}

async fn nothing_was_stored(house: &House, number: u8) {
    assert!(matches!(house.ingest().get(&reference(number)).await, Err(IngestError::Unknown)));
    assert_eq!((usable_slots(house).await, house.contents()), (0, 0));
    assert_no_jobs_left(&house.now().queue).await;
}

pub(crate) fn begun(book: &[String]) -> usize {
    book.iter().filter(|entry| *entry == "Imported None").count()
}

#[tokio::test]
async fn what_jumio_still_has_is_confirmed_there_and_goes_on_like_any_other() {
    let house = House::new().await;
    house.jumio.holds(reference(1), Scan::approved("ines", FACE));
    let imported = bring(&house, &Import { claims: good_claims(), ..plain(1, "ines") }, FACE).await.unwrap();
    assert!(!imported.already);
    assert_eq!(
        (imported.view.state, imported.view.origin),
        (EnrollmentState::Vaulted, EnrollmentOrigin::Imported)
    );
    assert_eq!(imported.view.customer_internal_reference.as_deref(), Some("shop-1"));
    assert_eq!(house.jumio.journal(), ["details", "facemap"]);
    house.drive().await;
    assert_eq!((house.state(1).await, house.jumio.calls("DELETE")), (EnrollmentState::Vaulted, 0));
    house.release(1).await.unwrap();
    house.drive().await;
    let view = house.view(1).await;
    assert_eq!((view.state, view.current), (EnrollmentState::Ready, true));
    assert_eq!(
        (view.onboarded_at, view.last_used_at),
        (good_claims().onboarded_at, good_claims().last_used_at)
    );
    assert_eq!(house.jumio.effects(reference(1)), 1);
    assert_eq!(house.facemap(1).await, FACE);
    let book = house.book().await;
    assert!(begun(&book) == 1 && book.contains(&"Imported Some(Done)".to_owned()));
    assert_no_jobs_left(&house.now().queue).await;
}

#[tokio::test]
async fn other_bytes_than_jumios_are_refused_whatever_is_attested() {
    let house = House::new().await;
    house.jumio.holds(reference(1), Scan::approved("ines", b"another face"));
    for import in [plain(1, "ines"), attested(1, "ines")] {
        let refused = bring(&house, &import, FACE).await;
        assert!(matches!(refused, Err(IngestError::ContentDiffers)));
        nothing_was_stored(&house, 1).await;
    }
}

#[tokio::test]
async fn what_jumio_does_not_confirm_is_not_brought_in_by_an_attestation() {
    let refused: [(Spoil<Scan>, &[IneligibleReason]); 5] = [
        (|s| s.status = Some(VerificationStatus::DeniedFraud), &[IneligibleReason::VerificationStatus]),
        (|s| s.similarity = Some(Similarity::NoMatch), &[IneligibleReason::Similarity]),
        (|s| s.validity = Some(false), &[IneligibleReason::Validity]),
        (|s| s.user = NamedUser::User(user("mallory")), &[IneligibleReason::UserReferenceDiffers]),
        (|s| s.has_link = false, &[IneligibleReason::FacemapMissing]),
    ];
    for (spoil, expected) in refused {
        let house = House::new().await;
        let mut scan = Scan::approved("ines", FACE);
        spoil(&mut scan);
        house.jumio.holds(reference(1), scan);
        let Err(IngestError::NotEligible { reasons }) = bring(&house, &attested(1, "ines"), FACE).await
        else {
            panic!("it was not refused");
        };
        assert_eq!(reasons, expected);
        nothing_was_stored(&house, 1).await;
    }
    let house = House::new().await;
    house.jumio.holds(reference(1), Scan::pending("ines"));
    assert!(matches!(bring(&house, &attested(1, "ines"), FACE).await, Err(IngestError::NotFinished)));
    house.jumio.holds(reference(1), Scan { facemap: None, ..Scan::approved("ines", FACE) });
    assert!(matches!(bring(&house, &attested(1, "ines"), FACE).await, Err(IngestError::NotComparable)));
    house.jumio.holds(reference(1), Scan { says_it_is: Some(reference(2)), ..Scan::approved("ines", FACE) });
    assert!(matches!(bring(&house, &attested(1, "ines"), FACE).await, Err(IngestError::Unconfirmed(_))));
    nothing_was_stored(&house, 1).await;
}

#[tokio::test]
async fn once_the_original_is_gone_it_is_attested_or_refused() {
    let house = House::new().await;
    let unattested = Import { attestation: None, ..attested(1, "ines") };
    assert!(matches!(bring(&house, &unattested, FACE).await, Err(IngestError::AttestationNeeded)));
    nothing_was_stored(&house, 1).await;

    let imported = bring(&house, &attested(1, "ines"), FACE).await.unwrap();
    let view = imported.view;
    assert_eq!(
        (view.state, view.origin, view.current),
        (EnrollmentState::Ready, EnrollmentOrigin::Imported, true)
    );
    assert!(view.original_deleted_at.is_some());
    assert_eq!(
        (view.onboarded_at, view.last_used_at),
        (good_claims().onboarded_at, good_claims().last_used_at)
    );
    assert_eq!(house.jumio.calls("DELETE"), 0);
    assert_eq!(house.facemap(1).await, FACE);
    let slot = house.now().vault.view(house.enrollment(1).await.row.slot).await.unwrap();
    assert!(slot.status == SlotStatus::Live && slot.original_deleted);
    house.drive_for(Duration::from_hours(1)).await;
    assert_no_jobs_left(&house.now().queue).await;
}

#[tokio::test]
async fn the_attestation_rests_with_the_person_and_the_book_has_its_hash() {
    let house = House::new().await;
    bring(&house, &attested(1, "ines"), FACE).await.unwrap();
    let person = house.enrollment(1).await.private.unwrap();
    assert_eq!(person.attestation.as_deref(), Some(ATTESTATION));
    for marker in [FACE, ATTESTATION.as_bytes(), b"ines"] {
        assert!(!house.holds(marker), "not in the clear, not even for a moment that lasts");
    }
    house.book().await;
    let page = house.now().audit.entries(0, None, &Filter::default(), 100).await.unwrap();
    let imported: Vec<_> =
        page.items.iter().filter(|listed| listed.entry.action == audit::Action::Imported).collect();
    assert_eq!(imported.len(), 2);
    let pseudonyms = house.now().register.records().keys().pseudonyms();
    let hash = pseudonyms.of("attestation", ATTESTATION.as_bytes()).to_string();
    for listed in imported {
        assert_eq!(listed.entry.details.get("attestation"), Some(hash.as_str()));
        assert_eq!(listed.entry.actor, Actor::token("t1", "migration"));
    }
}

#[tokio::test]
async fn where_jumio_can_say_nothing_the_manifest_must_say_all_of_it() {
    let spoilt: [(Spoil<ImportClaims>, IneligibleReason); 7] = [
        (|c| c.status = None, IneligibleReason::VerificationStatus),
        (|c| c.status = Some("DENIED_FRAUD".into()), IneligibleReason::VerificationStatus),
        (|c| c.status = Some("approved".into()), IneligibleReason::VerificationStatus),
        (|c| c.similarity = None, IneligibleReason::Similarity),
        (|c| c.similarity = Some("NO_MATCH".into()), IneligibleReason::Similarity),
        (|c| c.validity = None, IneligibleReason::Validity),
        (|c| c.validity = Some("FALSE".into()), IneligibleReason::Validity),
    ];
    let house = House::new().await;
    for (spoil, reason) in spoilt {
        let mut import = attested(1, "ines");
        spoil(&mut import.claims);
        let Err(IngestError::NotEligible { reasons }) = bring(&house, &import, FACE).await else {
            panic!("it was not refused");
        };
        assert_eq!(reasons, [reason]);
    }
    nothing_was_stored(&house, 1).await;
    // What the manifest denies is not brought in although Jumio confirms it.
    house.jumio.holds(reference(1), Scan::approved("ines", FACE));
    let mut import = plain(1, "ines");
    import.claims.validity = Some("false".into());
    assert!(matches!(bring(&house, &import, FACE).await, Err(IngestError::NotEligible { .. })));
}

#[tokio::test]
async fn a_second_one_of_a_user_waits_for_its_release_like_any_second_one() {
    let house = House::new().await;
    bring(&house, &attested(1, "ines"), FACE).await.unwrap();
    let second = bring(&house, &attested(2, "ines"), b"a newer face").await.unwrap().view;
    assert_eq!((second.state, second.current), (EnrollmentState::Vaulted, false));
    house.drive_for(Duration::from_hours(48)).await;
    assert_eq!(house.state(2).await, EnrollmentState::Vaulted);
    assert!(matches!(house.release(2).await, Err(IngestError::ReplacementNeedsProof)));
    house.release_with(2, Some(1), true).await.unwrap();
    house.drive().await;
    let (old, new) = (house.view(1).await, house.view(2).await);
    assert_eq!((new.state, new.current, old.current), (EnrollmentState::Ready, true, false));
    assert_eq!(old.replaced_by, Some(reference(2)));
}

#[tokio::test]
async fn nothing_is_stored_while_jumio_cannot_say_whether_it_has_the_original() {
    let house = House::new().await;
    for error in [
        JumioError::Unavailable { what: "connection" },
        JumioError::Ambiguous { what: "the connection was lost", status: None },
        JumioError::Ambiguous { what: "server error", status: Some(500) },
        JumioError::Malformed { what: "not JSON" },
        JumioError::Credentials,
    ] {
        house.jumio.goes_away(error);
        let refused = bring(&house, &attested(1, "ines"), FACE).await;
        assert!(matches!(&refused, Err(error @ IngestError::Unconfirmed(_)) if error.is_retryable()));
    }
    house.jumio.goes_away(JumioError::RateLimited { retry_after: None });
    let refused = bring(&house, &attested(1, "ines"), FACE).await;
    assert!(matches!(refused, Err(IngestError::Jumio(JumioError::RateLimited { .. }))));
    house.jumio.comes_back();
    // One 404 is not enough.
    for lost in ["status", "gone?"] {
        house.jumio.loses_answer_of(lost);
        house.minutes(5);
        let refused = bring(&house, &attested(1, "ines"), FACE).await;
        assert!(matches!(refused, Err(IngestError::Unconfirmed(_))), "{lost}");
    }
    nothing_was_stored(&house, 1).await;
    assert_eq!(begun(&house.book().await), 0);
}

#[tokio::test]
async fn what_cannot_be_written_down_is_not_brought_in() {
    let house = House::new().await;
    house.store.set_no_space(true);
    assert!(matches!(bring(&house, &attested(1, "ines"), FACE).await, Err(IngestError::Audit(_))));
    assert_eq!((usable_slots(&house).await, house.contents()), (0, 0));
    house.store.set_no_space(false);
    nothing_was_stored(&house, 1).await;
}

#[tokio::test]
async fn what_no_vault_could_store_is_refused_by_its_place_and_without_its_value() {
    let house = House::new().await;
    let future: Timestamp = house.time() + Duration::from_secs(1);
    let ancient: Timestamp = "2009-12-31T23:59:59Z".parse().unwrap();
    let spoilt: [(&str, SpoilWith); 8] = [
        ("/attestation", Box::new(|i| i.attestation = Some(String::new()))),
        ("/attestation", Box::new(|i| i.attestation = Some("   ".into()))),
        ("/attestation", Box::new(|i| i.attestation = Some("a\nb".into()))),
        ("/attestation", Box::new(|i| i.attestation = Some("x".repeat(501)))),
        ("/onboardedAt", Box::new(move |i| i.claims.onboarded_at = Some(ancient))),
        ("/lastUsedAt", Box::new(move |i| i.claims.last_used_at = Some(future))),
        ("/lastUsedAt", Box::new(|i| i.claims.last_used_at = Some("2024-04-30T00:00:00Z".parse().unwrap()))),
        (
            "/onboardedAt",
            Box::new(move |i| (i.claims.onboarded_at, i.claims.last_used_at) = (Some(future), None)),
        ),
    ];
    for (place, spoil) in spoilt {
        let mut import = attested(1, "ines");
        spoil(&mut import);
        let Err(IngestError::Invalid(violations)) = bring(&house, &import, FACE).await else {
            panic!("{place} was not refused");
        };
        assert_eq!(violations.iter().map(|v| v.pointer.as_str()).collect::<Vec<_>>(), [place]);
    }
    assert!(matches!(bring(&house, &attested(1, "ines"), b"").await, Err(IngestError::Invalid(_))));
    let longest = Import { attestation: Some("ü".repeat(500)), ..attested(1, "ines") };
    bring(&house, &longest, FACE).await.unwrap();
    assert!(house.jumio.journal().len() < 6, "Jumio is asked about valid ones only");
}

#[tokio::test]
async fn the_book_says_how_a_refused_import_ended() {
    let house = House::new().await;
    house.now().vault.fail_at(Some(Step::KeyDurable));
    assert!(matches!(bring(&house, &attested(1, "ines"), FACE).await, Err(IngestError::Vault(_))));
    house.now().vault.fail_at(None);
    nothing_was_stored(&house, 1).await;
    house.book().await;
    let page = house.now().audit.entries(0, None, &Filter::default(), 100).await.unwrap();
    assert_eq!(page.items.last().unwrap().entry.outcome, Some(Outcome::Failed));
}

//! The Retrieval API: what Jumio says of a transaction, and the facemap's bytes.

use std::sync::Arc;

use axum::extract::{Path, State};
use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::answer::Answer;
use crate::callback_forms::{Forms, facemap_url};
use crate::clock::date;
use crate::core::Core;
use crate::endpoint::Endpoint;
use crate::journal::Note;
use crate::persona::Persona;
use crate::scan::{APPROVED, Scan};

/// `GET …/scans/{reference}`
pub(crate) async fn scan_status(State(core): State<Arc<Core>>, Path(reference): Path<String>) -> Answer {
    let now = core.now();
    let world = core.world();
    let Some(scan) = world.scans.get(&reference).filter(|scan| !scan.deleted) else {
        return not_found(Endpoint::ScanStatus, &reference);
    };
    let answer =
        json!({"timestamp": date(now, 3, true), "scanReference": scan.reference, "status": scan.status()});
    let note = Note { result: Some(scan.status().to_owned()), ..Note::default() };
    Answer::json(&answer, note).about(&reference)
}

/// `GET …/scans/{reference}/data`; 404 while the person has not finished.
pub(crate) async fn scan_details(State(core): State<Arc<Core>>, Path(reference): Path<String>) -> Answer {
    let now = core.now();
    let world = core.world();
    let found = world.scans.get(&reference).filter(|scan| !scan.deleted && scan.verdict.is_some());
    let Some(scan) = found else { return not_found(Endpoint::ScanDetails, &reference) };
    let answer = details(scan, &core.base_url, &date(now, 3, true));
    let note = Note {
        result: scan.verdict.as_ref().map(|verdict| verdict.verification_status.clone()),
        ..Note::default()
    };
    Answer::json(&answer, note).about(&reference)
}

/// `GET …/scans/{reference}/data/facemap`: 404 stands for unavailable, not valid and deleted alike.
pub(crate) async fn facemap(State(core): State<Arc<Core>>, Path(reference): Path<String>) -> Answer {
    let world = core.world();
    let found = world.scans.get(&reference).filter(|scan| !scan.deleted);
    let held = found.and_then(|scan| Some((scan.facemap.clone()?, scan.facemap_digest.clone()?)));
    drop(world);
    match held {
        Some((facemap, digest)) => {
            Answer::octets(facemap.bytes(), Note::default()).about(&reference).with_digest(&digest)
        }
        None => not_found(Endpoint::Facemap, &reference),
    }
}

/// `GET …/authentications/{reference}`
pub(crate) async fn authentication(State(core): State<Arc<Core>>, Path(reference): Path<String>) -> Answer {
    let now = core.now();
    let world = core.world();
    let Some(one) = world.authentications.get(&reference).filter(|one| !one.deleted) else {
        return not_found(Endpoint::Authentication, &reference);
    };
    let forms = Forms::rotating(one.number);
    let mut answer = Map::new();
    // This endpoint's dates come without the Z, in UTC all the same.
    let dated = |moment| Value::String(date(moment, forms.fraction_digits, false));
    answer.insert("timestamp".to_owned(), dated(now));
    answer.insert("transactionReference".to_owned(), json!(one.reference));
    answer.insert("enrollmentTransactionReference".to_owned(), json!(one.metadata.enrollment));
    answer.insert("transactionResult".to_owned(), json!(one.state()));
    answer.insert("transactionDate".to_owned(), dated(one.created_at));
    answer.insert("scanSource".to_owned(), json!(one.source()));
    match &one.metadata.user_reference {
        Some(user) => drop(answer.insert("userReference".to_owned(), json!(user))),
        None if forms.not_available => drop(answer.insert("userReference".to_owned(), json!("N/A"))),
        None => {}
    }
    let note = Note { result: Some(one.state().to_owned()), ..Note::default() };
    Answer::json(&Value::Object(answer), note).about(&reference).of_enrollment(&one.metadata.enrollment)
}

/// The one answer for what is not there, was never there, or was deleted.
pub(crate) fn not_found(endpoint: Endpoint, reference: &str) -> Answer {
    Answer::refused(endpoint, StatusCode::NOT_FOUND, "no such transaction, or nothing to retrieve")
        .about(reference)
}

fn details(scan: &Scan, base_url: &str, timestamp: &str) -> Value {
    let forms = scan.forms;
    let status =
        scan.verdict.as_ref().map_or("NO_ID_UPLOADED", |verdict| verdict.verification_status.as_str());
    let document = if status == APPROVED {
        Persona::of(scan.number).document(status)
    } else {
        json!({"status": status})
    };
    let maybe = |value: &Option<String>| match value {
        Some(value) => json!(value),
        None if forms.not_available => json!("N/A"),
        None => Value::Null,
    };
    let mut transaction = json!({
        "status": scan.status(),
        "source": "WEB_CAM",
        "date": date(scan.created_at, forms.fraction_digits, true),
        "clientIp": "192.0.2.77",
        "customerId": maybe(&scan.order.user_reference),
        "merchantScanReference": maybe(&scan.order.customer_internal_reference),
        "merchantReportingCriteria": maybe(&scan.order.reporting_criteria),
    });
    if let Some(object) = transaction.as_object_mut() {
        object.retain(|_, value| !value.is_null());
    }
    let mut answer = json!({
        "timestamp": timestamp,
        "scanReference": scan.reference,
        "document": document,
        "transaction": transaction,
        "verification": {"mrzCheck": if status == APPROVED { "OK" } else { "NOT_AVAILABLE" }},
    });
    if let Some(identity) = scan.verdict.as_ref().and_then(|verdict| verdict.identity.as_ref()) {
        answer["verification"]["identityVerification"] = forms.identity(identity);
    }
    if scan.facemap.is_some() {
        answer["facemap"] = json!({"classifier": "facemap", "href": facemap_url(base_url, &scan.reference)});
        let image = json!({"classifier": "front", "href": format!("{base_url}/api/netverify/v2/scans/{}/images/front", scan.reference)});
        answer["images"] = if forms.bare_object { image } else { json!([image]) };
    }
    answer
}

//! What Jumio's answers mean.

use crate::support::{
    Answer, Responder, SCAN, authentication, client_with, scan, started_verification, verification,
};
use jumio::{JumioApi, JumioError, ScanState};
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn the_status_of_a_scan_is_read_and_must_be_about_that_scan() {
    let status =
        |reference: &str, status: &str| Answer::json(&json!({"scanReference": reference, "status": status}));
    let other = "5ca1ab1e-0000-4000-8000-00000000000f";
    let responder = Responder::start([
        status(SCAN, "DONE"),
        status(SCAN, "BRAND_NEW"),
        status(other, "DONE"),
        status("", "DONE"),
    ])
    .await;
    let jumio = responder.client();
    assert_eq!(jumio.scan_status(scan()).await, Ok(ScanState::Done));
    assert_eq!(jumio.scan_status(scan()).await, Ok(ScanState::Unknown));
    for _ in 0..2 {
        assert!(matches!(jumio.scan_status(scan()).await, Err(JumioError::Malformed { .. })));
    }
}

#[tokio::test]
async fn too_many_requests_come_with_and_without_a_time() {
    let body = br#"{"title":"Too Many Requests","status":429,"detail":"ines@example.com"}"#;
    let date = "Date: Tue, 03 Jul 2018 08:23:12 GMT\r\n";
    for (headers, seconds) in [
        (String::new(), None),
        ("Retry-After: 7\r\n".to_owned(), Some(7)),
        (format!("{date}Retry-After: Tue, 03 Jul 2018 08:23:42 GMT\r\n"), Some(30)),
        (format!("{date}Retry-After: Tue, 03 Jul 2018 08:23:02 GMT\r\n"), None),
        ("Retry-After: Tue, 03 Jul 2018 08:23:42 GMT\r\n".to_owned(), None),
        ("Retry-After: soon\r\n".to_owned(), None),
        ("Retry-After: -1\r\n".to_owned(), None),
        ("Retry-After: 99999999\r\n".to_owned(), Some(3600)),
    ] {
        let responder = Responder::start([Answer::with(429, &headers, body)]).await;
        let error = responder.client().initiate_verification(&verification()).await.unwrap_err();
        assert_eq!(
            error,
            JumioError::RateLimited { retry_after: seconds.map(Duration::from_secs) },
            "{headers}"
        );
        assert!(error.is_retryable() && !error.outcome_is_unknown() && error.is_outage());
    }
}

#[tokio::test]
async fn jumios_words_are_never_repeated() {
    let body = br#"{"httpStatus":"403","message":"ines@example.com is not allowed","requestURI":"/secret"}"#;
    for status in [400, 403, 404, 429, 500] {
        let responder = Responder::start(vec![Answer::with(status, "X-Reason: ines\r\n", body); 2]).await;
        let jumio = responder.client();
        for error in [
            jumio.scan_details(scan()).await.unwrap_err(),
            jumio.initiate_verification(&verification()).await.unwrap_err(),
        ] {
            let text = format!("{error} {error:?}");
            assert!(!text.contains("ines") && !text.contains("secret") && !text.contains(SCAN), "{text}");
        }
    }
}

#[tokio::test]
async fn an_error_dressed_as_a_success_is_an_error() {
    let answers = [
        json!({"httpStatus": "404"}),
        json!({"status": 403}),
        json!({"httpStatus": "429"}),
        json!({"status": 500}),
    ];
    let responder = Responder::start(answers.iter().map(Answer::json)).await;
    let jumio = responder.client();
    assert_eq!(jumio.scan_details(scan()).await, Err(JumioError::NotFound));
    assert_eq!(jumio.scan_details(scan()).await, Err(JumioError::Refused { status: 403 }));
    assert_eq!(jumio.scan_details(scan()).await, Err(JumioError::RateLimited { retry_after: None }));
    assert!(matches!(jumio.scan_details(scan()).await, Err(JumioError::Ambiguous { status: Some(500), .. })));
}

#[tokio::test]
async fn a_deletion_succeeds_is_not_found_or_fails() {
    let responder = Responder::start([200, 404, 500, 200].map(Answer::status)).await;
    let jumio = responder.client();
    assert_eq!(jumio.delete_scan(scan()).await, Ok(()));
    assert_eq!(jumio.delete_scan(scan()).await, Err(JumioError::NotFound));
    assert!(jumio.delete_scan(scan()).await.unwrap_err().is_retryable());
    assert_eq!(jumio.delete_authentication(authentication()).await, Ok(()));
}

#[tokio::test]
async fn a_verification_whose_answer_cannot_be_used_may_exist() {
    let mut elsewhere = started_verification();
    elsewhere["redirectUrl"] = json!("https://netverify.com.evil.example/");
    let mut nowhere = started_verification();
    nowhere["transactionReference"] = json!("x");
    for answer in [json!({}), elsewhere, nowhere, json!([])] {
        let responder = Responder::start([Answer::json(&answer)]).await;
        let error = responder.client().initiate_verification(&verification()).await.unwrap_err();
        assert!(
            matches!(error, JumioError::Malformed { .. }) && error.outcome_is_unknown(),
            "{answer}: {error}"
        );
    }
}

#[tokio::test]
async fn nobody_there_is_safe_to_repeat_and_silence_is_not() {
    let responder = Responder::start([Answer::stalling("")]).await;
    let mut config = responder.config();
    config.timeout = Duration::from_millis(200);
    let error = client_with(config).initiate_verification(&verification()).await.unwrap_err();
    assert_eq!(error, JumioError::Ambiguous { what: "timeout", status: None });
    assert!(error.outcome_is_unknown());

    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = responder.config();
    config.simulator = format!("http://{}", free.local_addr().unwrap()).parse().ok();
    drop(free);
    let error = client_with(config).initiate_verification(&verification()).await.unwrap_err();
    assert_eq!(error, JumioError::Unavailable { what: "connection" });
    assert!(error.is_retryable() && !error.outcome_is_unknown() && error.is_outage());
}

#[tokio::test]
async fn the_date_of_every_answer_is_remembered_and_of_refusals_too() {
    let clock = model::clock::MockClock::at("2018-07-03T09:00:00Z");
    let dated = |status, time: &str| {
        Answer::with(status, &format!("Date: Tue, 03 Jul 2018 {time} GMT\r\n"), br#"{"status":"DONE"}"#)
    };
    let answers = [dated(404, "08:23:12"), Answer::with(404, "", b""), dated(503, "10:00:00")];
    let responder = Responder::start(answers).await;
    let jumio = responder.client().with_clock(std::sync::Arc::new(clock.clone()));
    assert_eq!(jumio.last_date(), None);
    for date in ["2018-07-03T08:23:12Z", "2018-07-03T08:23:12Z", "2018-07-03T10:00:00Z"] {
        assert!(jumio.scan_status(scan()).await.is_err());
        assert_eq!(jumio.last_date().unwrap().date, date.parse().unwrap());
    }
    assert_eq!(jumio.last_date().unwrap().difference(&clock), Duration::from_hours(1));
}

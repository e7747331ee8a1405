//! Ending in order: what is under way is finished, what was acknowledged is kept.

use crate::house::{House, PATIENCE, client};
use sandbox::{Endpoint, Fault, Judgement};
use serde_json::json;
use std::time::{Duration, Instant};

fn slow(endpoint: Endpoint, milliseconds: u64) -> Fault {
    let mut fault = Fault::on(endpoint);
    (fault.delay_ms, fault.at) = (milliseconds, sandbox::Moment::After);
    fault
}

/// Waits until Jumio has been asked.
async fn is_asked(house: &House, endpoint: Endpoint) {
    let begin = Instant::now();
    while house.sandbox.control.faults().iter().any(|fault| fault.endpoint == endpoint) {
        assert!(begin.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_that_is_under_way_is_finished_and_answered() {
    let mut house = House::new().await;
    let (ines, _) = house.enrolled("user-ines", b"the face of ines").await;
    house.sandbox.control.set_fault(slow(Endpoint::InitiateAuthentication, 1500));
    let mut vault = house.vault.take().unwrap();
    let asked = async {
        let answer = house.authenticate("user-ines").await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.str("authenticationTransactionReference").to_owned()
    };
    let stopped = async {
        is_asked(&house, Endpoint::InitiateAuthentication).await;
        vault.terminate();
        vault.end().await
    };
    let (reference, ended) = tokio::join!(asked, stopped);
    assert_eq!(ended.code(), Some(0));
    house.start().await;
    let kept = house.authenticate("user-ines").await;
    assert_eq!((kept.status, kept.str("authenticationTransactionReference")), (200, reference.as_str()));
    assert_eq!(house.journal().count(&ines, Endpoint::InitiateAuthentication), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_whose_caller_went_away_is_finished_too() {
    let drain = Duration::from_secs(3);
    let mut house = House::with(&[("SERVER__DRAIN_SECONDS", "3")]).await;
    let started = Instant::now();
    let (ines, _) = house.enrolled("user-ines", b"the face of ines").await;
    house.sandbox.control.set_fault(slow(Endpoint::InitiateAuthentication, 1500));
    let mut vault = house.vault.take().unwrap();
    // Older than the time that an end may take: that time counts from the signal.
    while started.elapsed() < drain + Duration::from_millis(200) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    {
        let asked = house.authenticate("user-ines");
        tokio::pin!(asked);
        tokio::select! {
            answer = &mut asked => panic!("{}", answer.text),
            () = is_asked(&house, Endpoint::InitiateAuthentication) => {}
        }
        // The caller goes away here.
    }
    vault.terminate();
    assert_eq!(vault.end().await.code(), Some(0));
    house.start().await;
    let kept = house.authenticate("user-ines").await;
    assert_eq!((kept.status, &kept.body["deduplicated"]), (200, &json!(true)), "{}", kept.text);
    assert_eq!(house.journal().count(&ines, Endpoint::InitiateAuthentication), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_it_at_once_and_what_is_cut_off_is_unknown() {
    let mut house = House::with(&[("REAUTH__SETTLE_SECONDS", "3600"), ("SERVER__DRAIN_SECONDS", "60")]).await;
    let (ines, _) = house.enrolled("user-ines", b"the face of ines").await;
    house.sandbox.control.set_fault(slow(Endpoint::InitiateAuthentication, 15_000));
    let mut vault = house.vault.take().unwrap();
    let asked =
        house.http.post(house.api("/v1/authentications")).bearer_auth(house.token(crate::house::Role::App));
    let body = json!({ "userReference": "user-ines", "channel": "mobile" }).to_string();
    let asked = asked.header("Content-Type", "application/json").body(body).send();
    let asked = tokio::spawn(asked);
    is_asked(&house, Endpoint::InitiateAuthentication).await;
    vault.terminate();
    // Until the first has been heard: /readyz says so, or nobody listens any more.
    let url = house.api("/readyz");
    let begin = Instant::now();
    while client().get(&url).send().await.is_ok_and(|answer| answer.status() == 200) {
        assert!(begin.elapsed() < PATIENCE);
    }
    assert!(vault.ended().is_none(), "it waits for what is under way");
    vault.terminate();
    let begin = Instant::now();
    assert_eq!(vault.end().await.code(), Some(1), "stopped hard");
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    assert!(!asked.await.unwrap().is_ok_and(|answer| answer.status().is_success()));
    house.start().await;
    let again = house.authenticate("user-ines").await;
    assert_eq!(again.code(), (504, "outcome-unknown"), "{}", again.text);
    assert!(again.headers.contains_key("retry-after"));
    assert_eq!(
        house.journal().count(&ines, Endpoint::InitiateAuthentication),
        1,
        "it is not posted again by itself"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn callbacks_that_were_answered_outlive_the_end() {
    let mut house = House::new().await;
    let mut references = Vec::new();
    for n in 0..10 {
        let reference = house.begin(&format!("user-{n}")).await;
        let quiet = Judgement { send_callback: false, ..Judgement::default() };
        house.sandbox.control.finish_verification(&reference, quiet).await.unwrap();
        references.push(reference);
    }
    for reference in &references {
        let form = [("callBackType", "NETVERIFYID"), ("jumioIdScanReference", reference.as_str())];
        assert_eq!(house.callback(&form).await, 200);
    }
    house.stop().await;
    house.start().await;
    for reference in &references {
        house.reaches(reference, "vaulted").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_process_is_small() {
    let house = House::new().await;
    house.settles().await;
    let id = house.vault.as_ref().unwrap().id();
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let resident = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    println!("idle: {resident}");
    let kilobytes: u64 = resident.split_whitespace().nth(1).unwrap().parse().unwrap();
    // The limit of the build that is shipped (40 MB) is scripts/bench's; this one only finds a cache without bounds.
    assert!(kilobytes < 200_000, "{resident}");
}

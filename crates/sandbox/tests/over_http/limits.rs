//! 3 in any second and 180 in any minute, by the sandbox's clock.

use reqwest::Method;
use serde_json::json;

use crate::support::{House, as_json};

async fn initiate(house: &House) -> u16 {
    house.initiate(&json!({"userReference": "user-1"})).await.status().as_u16()
}

#[tokio::test]
async fn three_initiates_in_any_second_and_not_one_more() {
    let house = House::start().await;
    // Time of each request in milliseconds, and whether it is let through.
    let story = [
        (0, 200),
        (300, 200),
        (999, 200),
        (999, 429),
        (1000, 429),
        (1001, 200),
        (1002, 429),
        (1301, 200),
        (1302, 429),
    ];
    let mut now = 0;
    for (at, expected) in story {
        house.advance_millis(at - now);
        now = at;
        assert_eq!(initiate(&house).await, expected, "at {at} ms");
    }
}

#[tokio::test]
async fn a_hundred_and_eighty_initiates_in_any_minute_and_not_one_more() {
    let house = House::start().await;
    house.control(Method::PUT, "settings", &json!({"initiatePerSecond": 1000})).await;
    for number in 0..180 {
        assert_eq!(initiate(&house).await, 200, "request {number}");
        house.advance_millis(334);
    }
    // 180 requests from 0 to 59 786 ms; it is 60 120 ms now, and only the first is over a minute old.
    house.advance_millis(-120);
    assert_eq!(initiate(&house).await, 429, "exactly a minute after the first");
    house.advance_millis(1);
    assert_eq!(initiate(&house).await, 200, "a minute and a millisecond after the first");
    assert_eq!(initiate(&house).await, 429, "the second is still within the minute");
}

#[tokio::test]
async fn verifications_and_authentications_share_the_limit() {
    let house = House::start().await;
    let (enrollment, facemap) = house.enrolled().await;
    let metadata = json!({"enrollmentTransactionReference": enrollment});
    assert_eq!(initiate(&house).await, 200);
    assert_eq!(initiate(&house).await, 200);
    assert_eq!(house.authenticate(&facemap, &metadata).await.status(), 200);
    assert_eq!(house.authenticate(&facemap, &metadata).await.status(), 429);
}

#[tokio::test]
async fn a_429_is_json_and_brings_retry_after_only_when_told_to() {
    let house = House::start().await;
    house.control(Method::PUT, "settings", &json!({"initiatePerSecond": 0})).await;
    let refused = house.initiate(&json!({"userReference": "u"})).await;
    assert!(refused.headers().get("retry-after").is_none());
    let body = as_json(refused).await;
    assert_eq!(body["status"], 429);
    assert!(body["title"].is_string() && body["detail"].is_string(), "{body}");
    house.control(Method::PUT, "settings", &json!({"retryAfterSeconds": 2})).await;
    let refused = house.initiate(&json!({"userReference": "u"})).await;
    assert_eq!(refused.headers()["retry-after"], "2");
}

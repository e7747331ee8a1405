//! The whole story over HTTP: each endpoint's good way.

use crate::support::{House, Receiver, as_json, field, text};
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn a_person_is_verified_vaulted_deleted_and_authenticated() {
    let house = House::start().await;
    let receiver = Receiver::start(200).await;
    let order = json!({
        "customerInternalReference": "transaction_1234",
        "userReference": "user_1234",
        "successUrl": "https://www.example.com/success?x=1",
        "errorUrl": "https://www.example.com/error",
        "callbackUrl": receiver.url,
        "reportingCriteria": "myReport1234",
        "workflowId": 201,
        "presets": [{"index": 1, "country": "AUT", "type": "PASSPORT"}],
        "locale": "en-GB",
    });
    let (reference, page) = house.started(&order).await;
    assert_eq!(reference.len(), 36);
    assert!(page.contains("/web/v4/app?locale=en-GB&authorizationToken="), "{page}");

    let scan = format!("/api/netverify/v2/scans/{reference}");
    assert_eq!(text(&as_json(house.get(&scan).send().await.unwrap()).await, "status"), "PENDING");
    assert_eq!(house.get(&format!("{scan}/data")).send().await.unwrap().status(), 404);

    let shown = house.client.get(&page).send().await.unwrap();
    assert!(shown.text().await.unwrap().contains("<button name=\"outcome\" value=\"approved\">"));
    let redirect = house.pick(&page, "approved").await;
    assert_eq!(redirect.status(), 303);
    let expected = format!(
        "https://www.example.com/success?x=1&transactionStatus=SUCCESS&transactionReference={reference}\
         &customerInternalReference=transaction_1234"
    );
    assert_eq!(redirect.headers()["location"], expected.as_str());

    let callback = receiver.take(1).await.remove(0);
    assert_eq!(field(&callback, "callBackType"), Some("NETVERIFYID"));
    assert_eq!(field(&callback, "jumioIdScanReference"), Some(reference.as_str()));
    assert_eq!(field(&callback, "verificationStatus"), Some("APPROVED_VERIFIED"));
    assert_eq!(field(&callback, "merchantIdScanReference"), Some("transaction_1234"));
    assert_eq!(field(&callback, "customerId"), Some("user_1234"));
    let facemap_url = field(&callback, "facemap").unwrap();
    assert_eq!(facemap_url, house.url(&format!("{scan}/data/facemap")));

    let details = as_json(house.get(&format!("{scan}/data")).send().await.unwrap()).await;
    assert_eq!(details["document"]["status"], "APPROVED_VERIFIED");
    assert_eq!(details["transaction"]["status"], "DONE");
    assert_eq!(details["transaction"]["customerId"], "user_1234");
    assert_eq!(details["verification"]["identityVerification"]["similarity"], "MATCH");
    assert_eq!(details["facemap"]["href"], facemap_url);

    let facemap = house.facemap(&reference).await;
    assert_eq!(facemap.len(), 200 * 1024);
    assert_eq!(house.delete(&scan).send().await.unwrap().status(), 200);
    for gone in [scan.clone(), format!("{scan}/data"), format!("{scan}/data/facemap")] {
        assert_eq!(house.get(&gone).send().await.unwrap().status(), 404, "{gone}");
    }
    assert_eq!(house.delete(&scan).send().await.unwrap().status(), 404);
    authenticate(&house, &receiver, &reference, &facemap).await;
}

async fn authenticate(house: &House, receiver: &Receiver, enrollment: &str, facemap: &[u8]) {
    let metadata = json!({
        "enrollmentTransactionReference": enrollment,
        "userReference": "user_1234",
        "callbackUrl": receiver.url,
        "successUrl": "https://www.example.com/success",
        "errorUrl": "https://www.example.com/error",
        "tokenLifetimeInMinutes": 5,
        "locale": "de",
    });
    let answer = house.authenticated(facemap, &metadata).await;
    let reference = text(&answer, "authenticationTransactionReference");
    let page = text(&answer, "redirectUrl");
    assert_eq!(reference.len(), 36);
    assert!(page.len() <= 255);
    assert_eq!(house.result_of(&reference).await, "CREATED");
    assert_eq!(house.client.get(&page).send().await.unwrap().status(), 200);
    assert_eq!(house.result_of(&reference).await, "STARTED");

    let redirect = house.pick(&page, "passed").await;
    let expected =
        format!("https://www.example.com/success?transactionStatus=SUCCESS&transactionReference={reference}");
    assert_eq!(redirect.headers()["location"], expected.as_str());
    let callback = receiver.take(1).await.remove(0);
    assert_eq!(field(&callback, "callBackType"), Some("NETVERIFY_AUTHENTICATION"));
    assert_eq!(field(&callback, "transactionReference"), Some(reference.as_str()));
    assert_eq!(field(&callback, "enrollmentTransactionReference"), Some(enrollment));
    assert_eq!(field(&callback, "transactionResult"), Some("PASSED"));
    assert_eq!(field(&callback, "scanSource"), Some("WEB"));

    let path = format!("/api/netverify/v2/authentications/{reference}");
    let retrieved = as_json(house.get(&path).send().await.unwrap()).await;
    assert_eq!(retrieved["transactionResult"], "PASSED");
    assert_eq!(retrieved["userReference"], "user_1234");
    assert!(!text(&retrieved, "transactionDate").ends_with('Z'), "this endpoint's dates have no Z");
    assert_eq!(house.delete(&path).send().await.unwrap().status(), 200);
    assert_eq!(house.get(&path).send().await.unwrap().status(), 404);
    assert_eq!(house.delete(&path).send().await.unwrap().status(), 404);
}

#[tokio::test]
async fn the_mobile_journey_has_no_page_and_ends_by_control() {
    let house = House::start().await;
    let receiver = Receiver::start(200).await;
    let (enrollment, facemap) = house.enrolled().await;
    let metadata = json!({"enrollmentTransactionReference": enrollment, "callbackUrl": receiver.url});
    let answer = house.authenticated(&facemap, &metadata).await;
    assert!(answer.get("redirectUrl").is_none());
    let reference = text(&answer, "authenticationTransactionReference");
    let path = format!("authentications/{reference}/result");
    let ended = house.control(Method::POST, &path, &json!({"result": "FAILED"})).await;
    assert_eq!(ended["transactionResult"], "FAILED");
    assert_eq!(ended["callbackStatus"], 200);
    let callback = receiver.take(1).await.remove(0);
    assert_eq!(field(&callback, "transactionResult"), Some("FAILED"));
    assert_eq!(field(&callback, "scanSource"), Some("SDK"));
}

#[tokio::test]
async fn the_journal_keeps_the_order_of_things_and_the_digests_of_facemaps() {
    let house = House::start().await;
    let (enrollment, facemap) = house.enrolled().await;
    let metadata = json!({"enrollmentTransactionReference": enrollment});
    house.authenticated(&facemap, &metadata).await;
    let journal = house.control(Method::GET, "journal", &json!({})).await;
    let entries = journal["entries"].as_array().unwrap();
    let endpoints: Vec<&str> = entries.iter().map(|entry| entry["endpoint"].as_str().unwrap()).collect();
    let expected = ["initiate-verification", "facemap", "delete-scan", "initiate-authentication"];
    assert_eq!(endpoints, expected);
    let digest = &entries[0]["facemapDigest"];
    assert_eq!(digest.as_str().unwrap().len(), 64);
    assert_eq!(&entries[1]["facemapDigest"], digest, "as served");
    assert_eq!(&entries[3]["facemapDigest"], digest, "as posted");
    assert_eq!(entries[3]["enrollment"], enrollment.as_str());
    let rest = house.control(Method::GET, &format!("journal?after={}", entries[2]["seq"]), &json!({})).await;
    assert_eq!(rest["entries"].as_array().unwrap().len(), 1);
    house.control(Method::DELETE, "journal", &json!({})).await;
    let empty = house.control(Method::GET, "journal", &json!({})).await;
    assert_eq!(empty["entries"], json!([]));
    assert_eq!(empty["next"], journal["next"], "positions go on");
}

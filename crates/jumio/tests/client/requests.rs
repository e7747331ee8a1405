//! What every call sends.

use crate::support::{
    ADMIN, AUTHENTICATION, Answer, MAIN, Responder, SCAN, authentication, client_with, scan,
    started_verification, verification,
};
use async_trait::async_trait;
use jumio::{
    CredentialPair, Credentials, CredentialsUnreadable, FixedCredentials, Journey, JumioApi, JumioClient,
    JumioConfig, JumioError, NewAuthentication, Region, SetupError,
};
use model::{FacemapBytes, Secret};
use serde_json::json;
use std::sync::{Arc, Mutex};

pub(crate) fn mobile() -> NewAuthentication {
    NewAuthentication {
        enrollment: scan(),
        user_reference: None,
        callback_url: None,
        journey: Journey::Mobile,
    }
}

#[tokio::test]
async fn every_call_goes_to_its_path_with_its_credentials_and_the_mandatory_headers() {
    let responder = Responder::start(vec![Answer::status(400); 9]).await;
    let jumio = responder.client();
    let face = FacemapBytes::new(vec![1]);
    assert!(jumio.initiate_verification(&verification()).await.is_err());
    assert!(jumio.scan_status(scan()).await.is_err());
    assert!(jumio.scan_details(scan()).await.is_err());
    assert!(jumio.facemap(scan(), None).await.is_err());
    assert!(jumio.facemap_is_gone(scan()).await.is_err());
    assert!(jumio.delete_scan(scan()).await.is_err());
    assert!(jumio.initiate_authentication(&mobile(), face).await.is_err());
    assert!(jumio.authentication(authentication()).await.is_err());
    assert!(jumio.delete_authentication(authentication()).await.is_err());
    let json = "application/json";
    let octets = "application/octet-stream";
    let expected = [
        ("POST /api/v4/initiate".to_owned(), MAIN, json),
        (format!("GET /api/netverify/v2/scans/{SCAN}"), ADMIN, json),
        (format!("GET /api/netverify/v2/scans/{SCAN}/data"), ADMIN, json),
        (format!("GET /api/netverify/v2/scans/{SCAN}/data/facemap"), ADMIN, octets),
        (format!("GET /api/netverify/v2/scans/{SCAN}/data/facemap"), ADMIN, octets),
        (format!("DELETE /api/netverify/v2/scans/{SCAN}"), ADMIN, json),
        ("POST /api/authentication/v1/facemap/initiate".to_owned(), MAIN, json),
        (format!("GET /api/netverify/v2/authentications/{AUTHENTICATION}"), ADMIN, json),
        (format!("DELETE /api/netverify/v2/authentications/{AUTHENTICATION}"), ADMIN, json),
    ];
    let seen = responder.seen();
    assert_eq!(seen.len(), expected.len());
    for (request, (line, credentials, accept)) in seen.iter().zip(expected) {
        assert_eq!(request.line, line);
        assert_eq!(request.header("authorization"), Some(credentials), "{line}");
        assert_eq!(request.header("accept"), Some(accept), "{line}");
        assert_eq!(request.header("user-agent"), Some("Example Corp facemap-vault/0.1"), "{line}");
    }
}

#[tokio::test]
async fn a_verification_is_sent_as_checked_and_its_answer_is_read() {
    let body = started_verification().to_string();
    let answer = Answer::with(200, "Date: Tue, 03 Jul 2018 08:23:12 GMT\r\n", body.as_bytes());
    let responder = Responder::start([answer]).await;
    let started = responder.client().initiate_verification(&verification()).await.unwrap();
    assert_eq!(started.reference, scan());
    assert!(started.redirect_url.expose().ends_with("authorizationToken=xxx"));
    assert_eq!(started.timestamp, "2018-07-03T08:23:12.494Z".parse().ok());
    assert_eq!(started.jumio_date, "2018-07-03T08:23:12Z".parse().ok());
    let seen = responder.only();
    assert_eq!(seen.header("content-type"), Some("application/json"));
    assert_eq!(seen.json(), serde_json::to_value(verification()).unwrap());
    assert!(!format!("{started:?}").contains("authorizationToken"));
}

#[tokio::test]
async fn without_a_second_pair_the_main_one_serves_all_calls() {
    let responder = Responder::start([Answer::status(404)]).await;
    let only = Arc::new(FixedCredentials::new("token", "secret"));
    let jumio = JumioClient::new(responder.config(), only).unwrap();
    assert_eq!(jumio.scan_details(scan()).await, Err(JumioError::NotFound));
    assert_eq!(responder.only().header("authorization"), Some(MAIN));
}

/// Credentials in a file, so to speak: replaced now and then, and sometimes unreadable.
#[derive(Default)]
struct Changing(Mutex<Option<&'static str>>);

#[async_trait]
impl Credentials for Changing {
    async fn main(&self) -> Result<CredentialPair, CredentialsUnreadable> {
        let token = self.0.lock().unwrap().ok_or(CredentialsUnreadable)?;
        Ok(CredentialPair { token: Secret::new(token.to_owned()), secret: Secret::new("secret".to_owned()) })
    }
}

#[tokio::test]
async fn replaced_credentials_take_effect_with_the_next_call_and_without_any_nothing_is_sent() {
    let responder = Responder::start(vec![Answer::status(404); 2]).await;
    let credentials = Arc::new(Changing::default());
    let jumio =
        JumioClient::new(responder.config(), Arc::clone(&credentials) as Arc<dyn Credentials>).unwrap();
    let error = jumio.scan_details(scan()).await.unwrap_err();
    assert_eq!(error, JumioError::Credentials);
    assert!(error.is_retryable());
    assert!(responder.seen().is_empty());
    for token in ["token", "other"] {
        *credentials.0.lock().unwrap() = Some(token);
        assert_eq!(jumio.scan_details(scan()).await, Err(JumioError::NotFound));
    }
    let sent: Vec<String> =
        responder.seen().iter().map(|seen| seen.header("authorization").unwrap().to_owned()).collect();
    assert_eq!(sent, [MAIN, "Basic b3RoZXI6c2VjcmV0"]);
}

#[test]
fn a_client_that_jumio_would_not_know_is_not_built() {
    let build =
        |config: JumioConfig| JumioClient::new(config, Arc::new(FixedCredentials::new("token", "secret")));
    let good = || {
        let mut config = JumioConfig::new(Region::Us, "Example Corp App/1.0".to_owned());
        config.simulator = "http://127.0.0.1:9090".parse().ok();
        config
    };
    assert!(build(good()).is_ok());
    for agent in ["", " ", "Company", "Company\r\nApp/1", "Zoë/1.0"] {
        let config = JumioConfig { user_agent: agent.to_owned(), ..good() };
        assert!(matches!(build(config), Err(SetupError::UserAgent)), "{agent:?}");
    }
    for path in ["", "api", "@evil.example/", "/a b", "/a#b"] {
        let config = JumioConfig { authentication_path: path.to_owned(), ..good() };
        assert!(matches!(build(config), Err(SetupError::AuthenticationPath)), "{path:?}");
    }
    let config = JumioConfig { simulator: "http://simulator.example".parse().ok(), ..good() };
    assert!(matches!(build(config), Err(SetupError::Egress(_))));
}

#[tokio::test]
async fn the_authentication_path_is_configuration() {
    let responder =
        Responder::start([Answer::json(&json!({"authenticationTransactionReference": AUTHENTICATION}))])
            .await;
    let mut config = responder.config();
    config.authentication_path = "/api/v4/initiateAuthentication/".to_owned();
    let jumio = client_with(config);
    jumio.initiate_authentication(&mobile(), FacemapBytes::new(vec![1])).await.unwrap();
    assert_eq!(responder.only().line, "POST /api/v4/initiateAuthentication/");
}

//! Links to a facemap that lead elsewhere, in every form; and names that lead somewhere else the second time.

use crate::support::{Answer, Responder, SCAN, scan};
use egress::{Resolver, ScriptedResolver};
use hostile::Stage;
use jumio::{FixedCredentials, JumioApi, JumioClient, JumioConfig, JumioError, Region};
use proptest::prelude::*;
use std::sync::Arc;

#[path = "../../../egress/tests/guard/hostile.rs"]
mod hostile;

const ANOTHER_SCAN: &str = "5ca1ab1e-0000-4000-8000-00000000000f";

fn path() -> String {
    format!("/api/netverify/v2/scans/{SCAN}/data/facemap")
}

#[tokio::test]
async fn a_hostile_link_makes_nobody_ask_anybody() {
    let thief = Responder::start([]).await;
    let responder = Responder::start([Answer::with(200, "", b"face")]).await;
    let jumio = responder.client();
    let (own, thiefs, path) = (format!("http://{}", responder.address), thief.address.to_string(), path());
    let urls = hostile::urls(&Stage { own: &own, thief: &thiefs, path: &path });
    assert!(urls.len() >= 200, "{}", urls.len());
    for url in &urls {
        let error = jumio.facemap(scan(), Some(url)).await.unwrap_err();
        assert!(matches!(error, JumioError::Guarded { .. }), "{url:?}: {error}");
        assert!(!error.is_retryable(), "{url:?}");
    }
    assert!(responder.seen().is_empty() && thief.seen().is_empty());
    // The address that is built from the reference is asked, with the credentials, and no other.
    assert_eq!(jumio.facemap(scan(), None).await.unwrap().expose(), b"face");
    let asked = responder.only();
    assert_eq!(asked.line, format!("GET {path}"));
    assert!(asked.header("authorization").is_some());
}

/// A client of the region's real origin, which is never reached: every name leads where the test says.
fn client_of(region: Region, resolver: impl Resolver) -> JumioClient {
    let mut config = JumioConfig::new(region, "Example Corp facemap-vault/0.1".to_owned());
    let certified = rcgen::generate_simple_self_signed(["netverify.com".to_owned()]).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), certified.cert.pem()).unwrap();
    config.ca_file = Some(file.path().to_owned());
    let credentials = Arc::new(FixedCredentials::new("token", "secret"));
    JumioClient::with_resolver(config, credentials, Arc::new(resolver)).unwrap()
}

#[tokio::test]
async fn a_name_of_jumios_that_leads_inside_is_asked_for_nothing() {
    for region in [Region::Us, Region::Eu, Region::Sgp] {
        let host = region.base_url().strip_prefix("https://").unwrap();
        // Each look-up leads to another place inside, as a name that is bound anew between two calls does.
        let inside: &[&[&str]] = &[
            &["127.0.0.1"],
            &["127.0.0.2", "::1"],
            &["169.254.169.254"],
            &["10.0.0.1"],
            &["::ffff:127.0.0.1"],
            &["fd00:ec2::254"],
            &["0.0.0.0"],
            &["64:ff9b::7f00:1"],
        ];
        let jumio = client_of(region, ScriptedResolver::default().with(host, inside));
        for answer in inside {
            let error = jumio.scan_details(scan()).await.unwrap_err();
            assert!(matches!(error, JumioError::Guarded { .. }), "{answer:?}: {error}");
        }
    }
}

/// What the responder was asked for, if it was, after a link of these pieces.
fn asked_for(link: &str, runtime: &tokio::runtime::Runtime) -> Option<String> {
    runtime.block_on(async {
        let responder = Responder::start([Answer::with(200, "", b"face")]).await;
        let link = link.replacen("OWN", &format!("http://{}", responder.address), 1);
        let answer = responder.client().facemap(scan(), Some(&link)).await;
        let asked = responder.seen().first().map(|seen| seen.line.clone());
        assert_eq!(asked.is_some(), !matches!(answer, Err(JumioError::Guarded { .. })), "{link}: {answer:?}");
        asked
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Whatever is asked for is in this scan's folder when it is sent: no dots are left that a server could follow.
    #[test]
    fn a_link_brings_something_of_this_scan_or_nothing(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "/", "//", "/..", "/../", "%2e%2e/", "/.%2e/", "/./", "%2f", "?", "?x=", "&", ";", "data", "facemap", SCAN,
            ANOTHER_SCAN, "scans", "..;", "%5c", "%00", "%23", "@", ":80", ".evil.example",
        ]), 0..10),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for link in [format!("OWN{}", pieces.concat()), format!("OWN/scans/{SCAN}{}", pieces.concat())] {
            let Some(line) = asked_for(&link, &runtime) else { continue };
            let target = line.strip_prefix("GET ").unwrap();
            let path = target.split('?').next().unwrap();
            prop_assert!(path.split('/').any(|segment| segment == SCAN), "{} is sent as {}", link, target);
            prop_assert!(!path.split('/').any(|segment| matches!(segment, "." | "..")), "{} is sent as {}", link, target);
        }
    }
}

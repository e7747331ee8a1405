use super::*;
use crate::FixedCredentials;

const SCAN: &str = "5ca1ab1e-0000-4000-8000-000000000001";

/// A client for a real region; it is never asked to call.
fn client(region: Region) -> JumioClient {
    let authority = rcgen::generate_simple_self_signed(Vec::new()).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), authority.cert.pem()).unwrap();
    let mut config = JumioConfig::new(region, "Example Corp App/1.0".to_owned());
    config.ca_file = Some(file.path().to_owned());
    JumioClient::new(config, Arc::new(FixedCredentials::new("token", "secret"))).unwrap()
}

#[test]
fn each_region_has_its_own_urls_and_takes_links_of_no_other() {
    let hosts = [
        (Region::Us, "https://netverify.com"),
        (Region::Eu, "https://lon.netverify.com"),
        (Region::Sgp, "https://core-sgp.jumio.com"),
    ];
    for (region, base) in hosts {
        let client = client(region);
        let scan: EnrollmentRef = SCAN.parse().unwrap();
        let authentication: AuthenticationRef = SCAN.parse().unwrap();
        let urls = [
            (client.at("/api/v4/initiate").unwrap(), "/api/v4/initiate".to_owned()),
            (client.authentication_url.clone(), "/api/authentication/v1/facemap/initiate".to_owned()),
            (client.scan(scan, "").unwrap(), format!("/api/netverify/v2/scans/{SCAN}")),
            (client.scan(scan, "/data").unwrap(), format!("/api/netverify/v2/scans/{SCAN}/data")),
            (client.facemap_at(scan, None).unwrap(), format!("/api/netverify/v2/scans/{SCAN}/data/facemap")),
            (
                client.authentication_at(authentication).unwrap(),
                format!("/api/netverify/v2/authentications/{SCAN}"),
            ),
        ];
        for (url, path) in urls {
            assert_eq!(format!("{url:?}"), format!("CheckedUrl({base}/..)"));
            assert_eq!(url.path(), path);
        }
        for (other, host) in hosts {
            let link = format!("{host}/api/netverify/v2/scans/{SCAN}/data/facemap");
            assert_eq!(client.facemap_at(scan, Some(&link)).is_ok(), other == region, "{link}");
        }
    }
}

use super::*;
use Refusal::{Form, Fragment, Origin as Elsewhere, UserInfo};

fn jumio() -> Origin {
    "https://netverify.com".parse().unwrap()
}

#[test]
fn only_plain_urls_of_the_origin_pass() {
    for good in [
        "https://netverify.com",
        "https://netverify.com/",
        "https://netverify.com:443/api",
        "HTTPS://NetVerify.COM/api/netverify/v2/scans/x/data/facemap",
        "https://netverify.com?x=1",
        "https://netverify.com/a@b",
        "https://netverify.com/?next=https://evil.example/",
        "https://netverify.com/a//b/%2e%2e/c",
    ] {
        let checked = jumio().check(good);
        assert!(checked.is_ok(), "{good}: {checked:?}");
        assert_eq!(checked.unwrap().as_url().host_str(), Some("netverify.com"), "{good}");
    }
}

const HOSTILE: &[(&str, Refusal)] = &[
    ("http://netverify.com/", Elsewhere),
    ("ftp://netverify.com/", Elsewhere),
    ("file:///etc/passwd", Elsewhere),
    ("javascript:alert(1)", Form),
    ("", Form),
    ("/api/netverify/v2/scans", Form),
    ("//netverify.com/", Form),
    ("netverify.com/", Form),
    ("https:netverify.com/", Form),
    ("https:/netverify.com/", Form),
    ("https:///netverify.com/", Elsewhere),
    ("https://", Elsewhere),
    // User-info.
    ("https://netverify.com@evil.example/", UserInfo),
    ("https://netverify.com:443@evil.example/", UserInfo),
    ("https://netverify.com:@evil.example/", UserInfo),
    ("https://user:pass@netverify.com/", UserInfo),
    ("https://@netverify.com/", UserInfo),
    ("https://evil.example\\@netverify.com/", Form),
    ("https://netverify.com\\@evil.example/", Form),
    ("https://netverify.com\\.evil.example/", Form),
    ("https://netverify.com%40evil.example/", Elsewhere),
    ("https://netverify.com%2f@evil.example/", UserInfo),
    // Fragments.
    ("https://netverify.com/#x", Fragment),
    ("https://netverify.com#@evil.example/", Fragment),
    ("https://evil.example#netverify.com", Fragment),
    // Other hosts that look like it.
    ("https://netverify.com.evil.example/", Elsewhere),
    ("https://netverify.comevil.example/", Elsewhere),
    ("https://evilnetverify.com/", Elsewhere),
    ("https://lon.netverify.com/", Elsewhere),
    ("https://www.netverify.com/", Elsewhere),
    ("https://evil.example/netverify.com", Elsewhere),
    ("https://evil.example?https://netverify.com", Elsewhere),
    ("https://netverify.com./", Elsewhere),
    ("https://netverify.com..", Elsewhere),
    ("https://.netverify.com/", Elsewhere),
    ("https://netverify%2ecom/", Elsewhere),
    ("https://netverify%E3%80%82com/", Elsewhere),
    ("https://netverify。com/", Form),
    ("https://netvеrify.com/", Form),
    ("https://xn--netvrify-5xf.com/", Elsewhere),
    ("https://ⓝetverify.com/", Form),
    ("https://net\u{ad}verify.com/", Form),
    // Ports.
    ("https://netverify.com:444/", Elsewhere),
    ("https://netverify.com:80/", Elsewhere),
    ("https://netverify.com:4430/", Elsewhere),
    ("https://netverify.com:443443/", Elsewhere),
    ("https://netverify.com:0443/", Elsewhere),
    ("https://netverify.com:/", Elsewhere),
    ("https://netverify.com:443:443/", Elsewhere),
    ("https://netverify.com:443.evil.example/", Elsewhere),
    // Addresses in every spelling.
    ("https://127.0.0.1/", Elsewhere),
    ("https://127.1/", Elsewhere),
    ("https://2130706433/", Elsewhere),
    ("https://0x7f000001/", Elsewhere),
    ("https://0x7f.1/", Elsewhere),
    ("https://0177.0.0.1/", Elsewhere),
    ("https://0/", Elsewhere),
    ("https://[::1]/", Elsewhere),
    ("https://[::ffff:127.0.0.1]/", Elsewhere),
    ("https://[::ffff:7f00:1]/", Elsewhere),
    ("https://[64:ff9b::7f00:1]/", Elsewhere),
    ("https://[fe80::1%25eth0]/", Elsewhere),
    ("https://169.254.169.254/latest/meta-data/", Elsewhere),
    ("https://localhost/", Elsewhere),
    // Characters that parsers disagree about.
    (" https://netverify.com/", Form),
    ("https://netverify.com/ ", Form),
    ("https://netverify.com/\n", Form),
    ("https://netverify.com\t/", Form),
    ("https://net\tverify.com/", Form),
    ("https://netverify.com\0.evil.example/", Form),
    ("https://netverify.com/\u{7f}", Form),
    ("ht\ntps://netverify.com/", Form),
    ("https://netverify.com/\"", Form),
    ("https://netverify.com/<x>", Form),
];

#[test]
fn every_way_of_writing_another_place_is_refused() {
    for (bad, why) in HOSTILE.iter().copied() {
        assert_eq!(jumio().check(bad).err(), Some(why), "{bad:?}");
    }
    let long = format!("https://netverify.com/{}", "a".repeat(crate::guard::URL_BYTES));
    assert_eq!(jumio().check(&long).err(), Some(Form));
}

#[test]
fn a_configured_port_must_be_there_and_no_other() {
    let origin: Origin = "http://127.0.0.1:9090".parse().unwrap();
    assert!(origin.check("http://127.0.0.1:9090/x").is_ok());
    for bad in [
        "http://127.0.0.1/",
        "http://127.0.0.1:9091/",
        "http://127.0.0.1:90900/",
        "http://127.0.0.1:9090@evil.example/",
        "http://127.0.0.1:9090:80/",
        "http://127.1:9090/",
        "http://localhost:9090/",
        "https://127.0.0.1:9090/",
    ] {
        assert!(origin.check(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_path_of_ours_cannot_leave_the_origin() {
    assert_eq!(jumio().at("/api/v4/initiate").unwrap().path(), "/api/v4/initiate");
    for bad in ["", "api", "@evil.example/", ".evil.example/", ":444/", "/a#b", "/a b", "/a\\b"] {
        assert!(jumio().at(bad).is_err(), "{bad}");
    }
    // Two slashes begin a path here, not another host.
    assert_eq!(jumio().at("//evil.example/").unwrap().as_url().host_str(), Some("netverify.com"));
}

#[test]
fn an_origin_is_scheme_host_and_port_only() {
    assert_eq!("https://NETVERIFY.com:443/".parse::<Origin>().unwrap().as_str(), "https://netverify.com");
    for bad in [
        "netverify.com",
        "https://netverify.com/path",
        "https://netverify.com?x",
        "https://netverify.com#x",
        "https://user@netverify.com",
        "https://netverify.com.",
        "ftp://netverify.com",
        "https://",
        "https://net verify.com",
    ] {
        assert!(bad.parse::<Origin>().is_err(), "{bad}");
    }
}

#[test]
fn debug_shows_no_path_and_no_query() {
    let url = jumio().check("https://netverify.com/api/scans/some-reference?token=hunter2").unwrap();
    assert_eq!(format!("{url:?}"), "CheckedUrl(https://netverify.com/..)");
}

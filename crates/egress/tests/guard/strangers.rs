//! URLs that strangers write: whatever their form, none but the configured origin is ever called.

use crate::{
    hostile::{self, Stage},
    support::{Server, Then, guard, ok},
};
use egress::{BodyCap, Origin, Request};
use http::{Method, Uri};
use proptest::prelude::*;
use std::collections::HashSet;

const PATH: &str = "/api/netverify/v2/scans/5ca1ab1e-0000-4000-8000-000000000001/data/facemap";

#[test]
fn not_one_of_the_hostile_forms_is_a_url_of_the_origin() {
    for own in ["https://netverify.com", "https://lon.netverify.com", "http://127.0.0.1:9090"] {
        let origin: Origin = own.parse().unwrap();
        let urls = hostile::urls(&Stage { own, thief: "127.0.0.2:9091", path: PATH });
        assert!(urls.len() >= 200, "{}", urls.len());
        assert_eq!(urls.iter().collect::<HashSet<_>>().len(), urls.len(), "each once");
        for url in urls {
            assert!(origin.check(&url).is_err(), "{own} let {url:?} through");
        }
        assert!(origin.check(&format!("{own}{PATH}")).is_ok(), "the true one");
    }
}

#[tokio::test]
async fn whatever_of_a_hostile_form_is_let_through_reaches_its_own_server_only() {
    let own = Server::start(Then::Say(ok("Content-Length: 0\r\n", b""))).await;
    let thief = Server::start(Then::Say(ok("Content-Length: 0\r\n", b""))).await;
    let egress = guard(&own);
    let (origin, thiefs) = (own.origin(), thief.address.to_string());
    for url in hostile::urls(&Stage { own: origin.as_str(), thief: &thiefs, path: PATH }) {
        if let Ok(checked) = egress.check(&url) {
            let request = Request::new(Method::GET, checked).authorize("Basic c2VjcmV0").unwrap();
            drop(egress.send(request, BodyCap::Nothing).await);
        }
    }
    assert_eq!(thief.requests(), Vec::<String>::new());
    assert_eq!(own.requests(), Vec::<String>::new(), "and none of them is the own server's");
}

/// Pieces that a URL can be made of, good and bad.
fn pieces(own: &'static str) -> impl Strategy<Value = String> {
    let (scheme, authority) = own.split_once("://").unwrap();
    let words = vec![
        own,
        scheme,
        authority,
        "http",
        "https",
        "HTTPS",
        "://",
        ":",
        "/",
        "//",
        "\\",
        "@",
        "?",
        "#",
        ".",
        "..",
        "%2e",
        "%2f",
        "%40",
        "%00",
        ":443",
        ":80",
        ":9090",
        ":9091",
        "127.0.0.2",
        "127.0.0.2:9091",
        "evil.example",
        "[::1]",
        "user",
        "\t",
        "\n",
        " ",
        "\0",
        "\u{3002}",
        "\u{ad}",
        "xn--",
        "x",
        "=",
        "&",
        ";",
        "2130706434",
        "0x7f000002",
        PATH,
    ];
    let piece = prop_oneof![8 => prop::sample::select(words).prop_map(str::to_owned), 1 => any::<char>().prop_map(String::from)];
    // Most of them begin as the true one does: those are the ones that could get through.
    let head =
        prop_oneof![3 => Just(own.to_owned()), 1 => Just(own.to_ascii_uppercase()), 1 => Just(String::new())];
    (head, prop::collection::vec(piece, 0..8)).prop_map(|(head, pieces)| head + &pieces.concat())
}

/// What a second reader makes of what the guard has let through must be the same place.
fn is_of_the_origin(own: &str, text: &str) -> Result<(), TestCaseError> {
    let (scheme, authority) = own.split_once("://").unwrap();
    let uri: Uri = text.parse().map_err(|error| TestCaseError::fail(format!("{text:?}: {error}")))?;
    prop_assert!(uri.scheme_str().is_some_and(|read| read.eq_ignore_ascii_case(scheme)), "{text:?}");
    let read = uri.authority().map(|read| read.as_str().to_ascii_lowercase()).unwrap_or_default();
    let default = if scheme == "https" { ":443" } else { ":80" };
    let bare = read.strip_suffix(default).unwrap_or(&read);
    prop_assert!(read == authority || bare == authority, "{text:?} leads to {read}");
    prop_assert!(text.is_ascii() && !text.contains(['\\', '#', ' ', '\t', '\r', '\n', '\0']), "{text:?}");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn what_passes_leads_to_the_origin_in_every_readers_eyes(text in pieces("https://netverify.com")) {
        let origin: Origin = "https://netverify.com".parse().unwrap();
        if origin.check(&text).is_ok() {
            is_of_the_origin("https://netverify.com", &text)?;
        }
    }

    #[test]
    fn what_passes_with_a_port_leads_to_that_port(text in pieces("http://127.0.0.1:9090")) {
        let origin: Origin = "http://127.0.0.1:9090".parse().unwrap();
        if origin.check(&text).is_ok() {
            is_of_the_origin("http://127.0.0.1:9090", &text)?;
        }
    }

    #[test]
    fn nothing_at_all_makes_the_guard_panic(text in any::<String>()) {
        let origin: Origin = "https://netverify.com".parse().unwrap();
        if origin.check(&text).is_ok() {
            is_of_the_origin("https://netverify.com", &text)?;
        }
    }
}

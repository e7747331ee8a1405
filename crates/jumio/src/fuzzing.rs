//! What must hold for whatever Jumio, or somebody who says so, sends: the fuzzer holds it against millions of inputs
//! (`scripts/fuzz`), the tests below against its seeds and what is near to them.

#![expect(clippy::must_use_candidate, reason = "the fuzzer has no use for the answer, the tests count it")]

use crate::{
    AuthenticationCallback, Callback, Region, VerificationCallback, callback, redirect, retrieval::Answer,
};
use ::url::{Host, Url};
use model::{AuthenticationResult, VerificationStatus};
use serde_json::Value;

/// A callback is one transaction's or nobody's; what was understood of it, written down again, is understood as the same;
/// and nothing of it is longer than it was.
///
/// # Panics
/// When that does not hold.
pub fn callback(body: &[u8]) -> bool {
    let parsed = callback::parse(body);
    assert_eq!(callback::subject_of(body), parsed.as_ref().ok().and_then(Callback::subject));
    let again = match &parsed {
        Ok(Callback::Verification(claims)) => {
            let kept = [&claims.internal_reference, &claims.facemap_href];
            let longest = kept.into_iter().flatten().map(String::len).max().unwrap_or_default();
            // A byte that is no UTF-8 becomes a character of three.
            assert!(longest <= 3 * body.len(), "{longest} of {}", body.len());
            let claims = VerificationCallback { unknown_values: 0, ..claims.clone() };
            (verification_form(&claims), Callback::Verification(claims))
        }
        Ok(Callback::Authentication(claims)) => {
            let claims = AuthenticationCallback { unknown_values: 0, ..claims.clone() };
            (authentication_form(&claims), Callback::Authentication(claims))
        }
        Ok(Callback::Other) | Err(_) => return false,
    };
    let (form, claims) = again;
    assert_eq!(without_count(callback::parse(form.as_bytes()).expect("a form of ours")), claims);
    true
}

fn without_count(parsed: Callback) -> Callback {
    match parsed {
        Callback::Verification(claims) => {
            Callback::Verification(VerificationCallback { unknown_values: 0, ..claims })
        }
        Callback::Authentication(claims) => {
            Callback::Authentication(AuthenticationCallback { unknown_values: 0, ..claims })
        }
        Callback::Other => Callback::Other,
    }
}

/// The spelling of a word of Jumio's, which serde knows as well; an unknown one stays unknown.
fn word<T: serde::Serialize>(word: &T) -> String {
    serde_json::to_value(word)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .expect("a word is text")
}

fn verification_form(claims: &VerificationCallback) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("callBackType", "NETVERIFYID");
    form.append_pair("jumioIdScanReference", &claims.reference.to_string());
    if claims.similarity.is_some() || claims.validity.is_some() {
        let (similarity, validity) = (claims.similarity.map(|found| word(&found)), claims.validity);
        let identity = serde_json::json!({ "similarity": similarity, "validity": validity });
        form.append_pair("identityVerification", &identity.to_string());
    }
    let fields = [
        ("customerId", claims.user_reference.as_ref().map(|user| user.as_str().to_owned())),
        ("merchantIdScanReference", claims.internal_reference.clone()),
        ("verificationStatus", claims.verification_status.map(|status| word(&status))),
        ("facemap", claims.facemap_href.clone()),
        ("transactionDate", claims.transaction_date.map(|date| date.to_string())),
        ("callbackDate", claims.callback_date.map(|date| date.to_string())),
    ];
    form.extend_pairs(fields.into_iter().filter_map(|(name, value)| Some((name, value?))));
    form.finish()
}

fn authentication_form(claims: &AuthenticationCallback) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("callBackType", "NETVERIFY_AUTHENTICATION");
    form.append_pair("transactionReference", &claims.reference.to_string());
    let fields = [
        ("enrollmentTransactionReference", claims.enrollment.map(|reference| reference.to_string())),
        ("userReference", claims.user_reference.as_ref().map(|user| user.as_str().to_owned())),
        ("transactionResult", claims.result.map(|result| word(&result))),
        ("transactionDate", claims.transaction_date.map(|date| date.to_string())),
        ("callbackDate", claims.callback_date.map(|date| date.to_string())),
    ];
    form.extend_pairs(fields.into_iter().filter_map(|(name, value)| Some((name, value?))));
    form.finish()
}

/// An answer of Jumio's is an object; approved or passed it is only where a reader of the plain JSON finds that word in
/// its place; and spaces and the order of its members mean nothing.
///
/// # Panics
/// When that does not hold.
pub fn answer(body: &[u8]) -> bool {
    let Some(read) = Answer::read(body) else { return false };
    let (details, authentication) = (read.scan_details(None), read.authentication(None));
    if let Some(status) = read.error_status() {
        assert!((400..=599).contains(&status));
    }
    // A number that no f64 holds, or an object too deep, is skipped by one reader and refused by the other.
    let Ok(plain) = serde_json::from_slice::<Value>(body) else { return true };
    assert!(plain.is_object());
    let said = |pointer: &str| plain.pointer(pointer).and_then(Value::as_str).map(str::trim);
    if details.verification_status == Some(VerificationStatus::ApprovedVerified) {
        assert_eq!(said("/document/status"), Some("APPROVED_VERIFIED"));
    }
    if authentication.as_ref().is_some_and(|found| found.result == AuthenticationResult::Passed) {
        assert_eq!(said("/transactionResult"), Some("PASSED"));
    }
    if let Some(user) = details.user_reference.user() {
        let fields = ["/transaction/customerId", "/transaction/userReference"];
        let named =
            fields.iter().any(|field| plain.pointer(field).and_then(Value::as_str) == Some(user.as_str()));
        assert!(named, "the user is one that a plain reader finds");
    }
    let again = Answer::read(plain.to_string().as_bytes()).expect("the same answer, written by serde_json");
    assert_eq!(again.scan_details(None), details);
    assert_eq!(again.authentication(None), authentication);
    assert_eq!((again.scan_state(), again.error_status()), (read.scan_state(), read.error_status()));
    true
}

const REGIONS: [Region; 3] = [Region::Us, Region::Eu, Region::Sgp];

/// Where a person is sent is https on Jumio's own hosts, or the simulator, to every reader alike. The first byte says
/// which region, and whether there is a simulator.
///
/// # Panics
/// When that does not hold.
pub fn redirect_url(input: &[u8]) -> bool {
    let Some((choice, text)) = input.split_first() else { return false };
    let Ok(text) = std::str::from_utf8(text) else { return false };
    let region = REGIONS[usize::from(*choice) % REGIONS.len()];
    let simulator: Option<egress::Origin> =
        (choice & 0x80 != 0).then(|| "http://127.0.0.1:9090".parse().expect("an origin"));
    if redirect::accept(text, region, simulator.as_ref()).is_none() {
        return false;
    }
    assert!(text.bytes().all(|byte| byte.is_ascii_graphic()));
    let url = Url::parse(text).expect("what a person is sent to is a URL");
    assert!(url.username().is_empty() && url.password().is_none());
    if url.scheme() == "http" {
        assert_eq!(
            url.origin().ascii_serialization(),
            simulator.as_ref().expect("http is a simulator's").as_str()
        );
    } else {
        assert_eq!((url.scheme(), url.port()), ("https", None));
        let Some(Host::Domain(host)) = url.host() else { panic!("a name, no address") };
        let parents = [region.domain(), "netverify.com", "jumio.com"];
        let is_jumios = host == region.domain()
            || parents
                .iter()
                .any(|parent| host.strip_suffix(parent).is_some_and(|below| below.ends_with('.')));
        assert!(is_jumios, "{host} is not Jumio's");
    }
    assert!(
        redirect::accept(url.as_str(), region, simulator.as_ref()).is_some(),
        "its normal form is the same place"
    );
    true
}

/// A link to a facemap is of the origin that was configured, to every reader alike.
///
/// # Panics
/// When that does not hold.
pub fn facemap_link(input: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(input) else { return false };
    let origin: egress::Origin = "https://netverify.com".parse().expect("an origin");
    let Ok(checked) = origin.check(text) else { return false };
    let url = Url::parse(text).expect("what is called is a URL");
    assert_eq!(url.origin().ascii_serialization(), "https://netverify.com");
    assert!(url.username().is_empty() && url.password().is_none() && url.fragment().is_none());
    assert_eq!(url.path(), checked.path());
    assert_eq!(origin.check(url.as_str()).map(|again| again.path().to_owned()), Ok(url.path().to_owned()));
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_a_callback_claims_is_understood_as_the_same_again(body in seeds::near("callback")) {
            callback(&body);
        }

        #[test]
        fn nothing_approves_but_the_word_in_its_place(body in seeds::near("answer")) {
            answer(&body);
        }

        #[test]
        fn a_person_is_sent_to_jumio_by_every_reading_of_the_url(input in seeds::near("redirect_url")) {
            redirect_url(&input);
        }

        #[test]
        fn a_facemap_is_fetched_from_jumio_by_every_reading_of_the_url(input in seeds::near("facemap_link")) {
            facemap_link(&input);
        }
    }

    #[test]
    fn the_seeds_hold_and_some_of_each_are_accepted() {
        assert!(seeds::accepted("callback", callback) >= 4);
        assert!(seeds::accepted("answer", answer) >= 4);
        assert!(seeds::accepted("redirect_url", redirect_url) >= 3);
        assert!(seeds::accepted("facemap_link", facemap_link) >= 2);
    }
}

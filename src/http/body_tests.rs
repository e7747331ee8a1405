//! Tests of what is said of a query or body that is refused.

use super::{Body, json_of, query_of};
use crate::http::problem::Problem;
use actix_web::{
    App, HttpResponse, ResponseError as _,
    body::to_bytes,
    http::StatusCode,
    test::{TestRequest, call_service, init_service},
    web,
};
use futures_util::FutureExt as _;
use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wanted {
    #[expect(dead_code, reason = "read by its type alone")]
    reason: custody::PurgeReason,
    #[expect(dead_code, reason = "read by its type alone")]
    case_reference: Option<custody::CaseReference>,
    #[expect(dead_code, reason = "read by its type alone")]
    from: Option<model::Timestamp>,
    #[expect(dead_code, reason = "read by its type alone")]
    user_reference: Option<model::UserReference>,
    #[expect(dead_code, reason = "read by its type alone")]
    limit: Option<usize>,
    #[expect(dead_code, reason = "read by its type alone")]
    flag: Option<bool>,
}

/// Pointer and rule of the only error.
fn refused(query: &str) -> (String, String) {
    let problem = query_of::<Wanted>(query).unwrap_err();
    let body = to_bytes(problem.error_response().into_body()).now_or_never().unwrap().unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    let text = |name: &str| body["errors"][0][name].as_str().unwrap().to_owned();
    (text("pointer"), text("detail"))
}

#[test]
fn each_field_of_a_query_is_refused_with_its_name_and_never_with_its_value() {
    for (query, pointer) in [
        ("reason=SECRET", "/reason"),
        ("reason=error&caseReference=SECRET%20SECRET", "/caseReference"),
        ("reason=error&from=SECRET", "/from"),
        ("reason=error&from=2026-13-77T00:00:00Z", "/from"),
        ("reason=error&from=2026-01-01T00:00:00Z%22SECRET", "/from"),
        ("reason=error&userReference=", "/userReference"),
        ("reason=error&limit=SECRET", "/limit"),
        ("reason=error&limit=-1", "/limit"),
        ("reason=error&flag=SECRET", "/flag"),
        ("reason=error&unknown=SECRET", "/unknown"),
        ("reason=error&a/b~c=SECRET", "/a~1b~0c"),
        ("reason=error&reason=other", "/reason"),
        ("limit=1", "/reason"),
    ] {
        let (named, rule) = refused(query);
        assert_eq!(named, pointer, "{query}: {rule}");
        assert!(!rule.contains("SECRET") && !rule.contains("13") && !rule.contains("77"), "{query}: {rule}");
        assert!(!rule.is_empty() && !rule.contains("deserialize"), "{query}: {rule}");
    }
    assert!(query_of::<Wanted>("reason=error&from=2026-01-01T00:00:00Z&limit=7&flag=true").is_ok());
}

#[test]
fn a_body_is_refused_without_what_stood_in_it() {
    for (body, pointer) in [
        (r#"{"reason":"SECRET"}"#, "/reason"),
        (r#"{"reason":"error","from":"SECRET"}"#, "/from"),
        (r#"{"reason":"error","limit":"SECRET"}"#, "/limit"),
        (r#"{"reason":"error","limit":-77}"#, "/limit"),
        (r#"{"reason":"error","reason":"error"}"#, "/reason"),
        (r"{}", "/reason"),
        (r#"{"reason":"error"} SECRET"#, ""),
    ] {
        let problem = json_of::<Wanted>(body.as_bytes()).unwrap_err();
        let answer = to_bytes(problem.error_response().into_body()).now_or_never().unwrap().unwrap();
        let answer = String::from_utf8(answer.to_vec()).unwrap();
        let named: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(named["errors"][0]["pointer"], pointer, "{answer}");
        assert!(!answer.contains("SECRET") && !answer.contains("77"), "{answer}");
    }
}

#[derive(Debug, Deserialize)]
struct Numbers {
    #[expect(dead_code, reason = "read by its type alone")]
    small: Option<u32>,
    #[expect(dead_code, reason = "read by its type alone")]
    large: Option<u64>,
    #[expect(dead_code, reason = "read by its type alone")]
    size: Option<usize>,
    #[expect(dead_code, reason = "read by its type alone")]
    share: Option<f64>,
}

#[test]
fn what_a_number_must_be_is_said_in_words_and_not_in_types() {
    let rule = |answer: Problem| {
        let body = to_bytes(answer.error_response().into_body()).now_or_never().unwrap().unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        body["errors"][0]["detail"].as_str().unwrap().to_owned()
    };
    let small = "must be a whole number from 0 to 4294967295";
    for (body, said) in [
        (r#"{"small":-1}"#, small),
        (r#"{"small":4294967296}"#, small),
        (r#"{"small":"7"}"#, small),
        (r#"{"small":1.5}"#, small),
        (r#"{"large":-1}"#, "must be a whole number, 0 or more"),
        (r#"{"size":[]}"#, "must be a whole number, 0 or more"),
        (r#"{"share":"x"}"#, "must be a number"),
    ] {
        assert_eq!(rule(json_of::<Numbers>(body.as_bytes()).unwrap_err()), said, "{body}");
    }
    for (query, said) in [
        ("small=x", "must be a whole number"),
        ("small=-1", "must be a whole number"),
        ("small=", "must be a whole number"),
        ("small=4294967296", "is too large a number"),
    ] {
        assert_eq!(rule(query_of::<Numbers>(query).unwrap_err()), said, "{query}");
    }
}

#[actix_web::test]
async fn an_order_of_ten_thousand_references_is_read_and_nothing_else_may_be_as_long() {
    async fn length(body: Body) -> HttpResponse {
        HttpResponse::Ok().body(body.into_bytes().len().to_string())
    }
    let routes =
        web::scope("/v1").route("/purges", web::post().to(length)).route("/links", web::post().to(length));
    let service = init_service(App::new().service(routes)).await;
    let references: Vec<String> =
        (0..10_000).map(|number| format!("00000000-0000-4000-8000-{number:012x}")).collect();
    let order = serde_json::json!({ "reason": "retention", "enrollments": references });
    let order = serde_json::to_string_pretty(&order).unwrap();
    for (path, body, status) in [
        ("/v1/purges", order.clone(), StatusCode::OK),
        ("/v1/purges", " ".repeat(model::limits::PURGE_BODY_BYTES + 1), StatusCode::PAYLOAD_TOO_LARGE),
        ("/v1/links", order, StatusCode::PAYLOAD_TOO_LARGE),
        ("/v1/links", " ".repeat(model::limits::API_BODY_BYTES), StatusCode::OK),
    ] {
        let request = TestRequest::post().uri(path).set_payload(body).to_request();
        assert_eq!(call_service(&service, request).await.status(), status, "{path}");
    }
}

#[test]
fn a_list_is_no_object_though_its_values_would_fit() {
    #[derive(Debug, Default, serde::Deserialize)]
    #[serde(default)]
    struct Two {
        _a: u8,
        _b: u8,
    }
    assert!(json_of::<Two>(b"{}").is_ok());
    for list in ["[]", " [1,2]"] {
        json_of::<Two>(list.as_bytes()).unwrap_err();
    }
}

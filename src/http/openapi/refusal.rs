//! Refusals as answers: one for each set of codes that routes have in common.

use super::{
    problems::{self, Code},
    shape::{Shape, named, object, word},
};
use serde_json::json;
use std::collections::BTreeMap;
use utoipa::openapi::{AllOfBuilder, Content, Response, ResponseBuilder, header::HeaderBuilder};

const PROBLEM_JSON: &str = "application/problem+json";

/// The answers for these codes: by status their name and what they are.
pub(super) fn of(codes: &[&str]) -> BTreeMap<u16, (String, Response)> {
    let mut by_status: BTreeMap<u16, BTreeMap<&str, &Code>> = BTreeMap::new();
    for code in codes.iter().filter_map(|code| problems::find(code)) {
        by_status.entry(code.status).or_default().insert(code.word, code);
    }
    let answers = by_status.into_iter().map(|(status, codes)| {
        let codes: Vec<&Code> = codes.into_values().collect();
        (status, (name(status, &codes), answer(status, &codes)))
    });
    answers.collect()
}

fn name(status: u16, codes: &[&Code]) -> String {
    let words: Vec<_> = codes.iter().map(|code| code.word).collect();
    format!("{status}.{}", words.join("."))
}

fn answer(status: u16, codes: &[&Code]) -> Response {
    let told: Vec<_> = codes.iter().map(|code| format!("`{}`: {}", code.word, code.meaning)).collect();
    let these = object(
        "With one of these codes.",
        [super::shape::always("code", word("", codes.iter().map(|code| code.word)))],
    );
    let mut content = Content::new(Some(Shape::from(AllOfBuilder::new().item(named("Problem")).item(these))));
    content.example = codes.first().map(|code| {
        json!({
            "type": format!("urn:facemap-vault:problem:{}", code.word),
            "title": title(status),
            "status": status,
            "code": code.word,
            "detail": code.meaning,
        })
    });
    let mut response = ResponseBuilder::new().description(told.join("; ")).content(PROBLEM_JSON, content);
    if matches!(status, 409 | 429 | 503 | 504) {
        let header = HeaderBuilder::new()
            .schema(super::shape::count("Seconds."))
            .description(Some("When to come again, where that is known."));
        response = response.header("Retry-After", header.build());
    }
    response.build()
}

fn title(status: u16) -> &'static str {
    let status = actix_web::http::StatusCode::from_u16(status).ok();
    status.and_then(|status| status.canonical_reason()).unwrap_or("Problem")
}

//! The description against the service, and against the copy that is checked in.

use super::*;
use crate::http::private;
use std::{collections::BTreeSet, env, fs, path::Path};

/// Set, the copy is written anew: `scripts/openapi` does so.
const WRITE: &str = "FACEMAP_VAULT_WRITE_OPENAPI";

fn described() -> BTreeSet<(String, String)> {
    routes().iter().map(|route| (method(&route.method), route.path.to_owned())).collect()
}

fn method(method: &utoipa::openapi::HttpMethod) -> String {
    serde_json::to_value(method).unwrap().as_str().unwrap().to_uppercase()
}

#[test]
fn every_route_of_the_private_listener_is_described_and_no_other() {
    let served: BTreeSet<_> =
        private::all_routes().into_iter().map(|(method, path)| (method.to_string(), path)).collect();
    let described = described();
    let missing: Vec<_> = served.difference(&described).collect();
    let invented: Vec<_> = described.difference(&served).collect();
    assert!(missing.is_empty(), "not described in src/http/openapi: {missing:?}");
    assert!(invented.is_empty(), "described and not served: {invented:?}");
}

#[test]
fn the_copy_that_is_checked_in_is_what_is_served() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json");
    if env::var_os(WRITE).is_some() {
        fs::write(&path, TEXT.as_str()).unwrap();
    }
    let copy = fs::read_to_string(&path).unwrap_or_default();
    assert!(copy == *TEXT, "docs/openapi.json is not the description any more: run scripts/openapi");
}

#[test]
fn every_code_that_a_route_names_is_in_the_list() {
    for route in routes() {
        for code in route.codes() {
            assert!(problems::find(code).is_some(), "{} names {code}", route.path);
        }
    }
}

#[test]
fn every_route_has_an_id_of_its_own_a_tag_a_summary_and_an_example() {
    let document: serde_json::Value = serde_json::from_str(&TEXT).unwrap();
    let tags: BTreeSet<_> = TAGS.iter().map(|(name, _)| *name).collect();
    let mut ids = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, route) in item.as_object().unwrap() {
            let at = format!("{method} {path}");
            assert!(ids.insert(route["operationId"].as_str().unwrap().to_owned()), "{at}");
            assert!(tags.contains(route["tags"][0].as_str().unwrap()), "{at}");
            assert!(!route["summary"].as_str().unwrap().is_empty(), "{at}");
            let answers = route["responses"].as_object().unwrap();
            let good = answers.iter().filter(|(status, _)| status.starts_with('2'));
            for (status, answer) in good.filter(|(status, _)| *status != "204") {
                let content = answer["content"].as_object().unwrap().values().next().unwrap();
                assert!(!content["example"].is_null(), "{at} {status}");
            }
            if let Some(body) = route["requestBody"]["content"]["application/json"].as_object() {
                assert!(!body["example"].is_null(), "{at}");
            }
        }
    }
}

#[test]
fn every_schema_that_is_named_is_there() {
    let document: serde_json::Value = serde_json::from_str(&TEXT).unwrap();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let named = TEXT.split("\"#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next());
    for name in named {
        assert!(schemas.contains_key(name), "{name}");
    }
}

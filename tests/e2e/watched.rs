//! What those see who watch and operate: metrics, the description, the inbox, the commands.

use crate::house::{House, PATIENCE, Role, run, run_with};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fs, process::Output};

const UNKNOWN: &str = "00000000-0000-4000-8000-00000000dead";

/// The samples of a scrape, by name and labels.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.rsplit_once(' ').unwrap())
        .map(|(name, value)| (name.into(), value.parse().unwrap()))
        .collect()
}

/// Scrapes once more, as an answer is given out again for some seconds.
async fn scraped(house: &House, wanted: impl Fn(&BTreeMap<String, f64>) -> bool) -> String {
    let until = std::time::Instant::now() + PATIENCE;
    loop {
        let text = house.ask(Role::Nobody, house.http.get(house.api("/metrics"))).await.text;
        if wanted(&samples(&text)) {
            return text;
        }
        assert!(std::time::Instant::now() < until, "{text}");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_count_the_story_and_name_nobody() {
    let house = House::new().await;
    let (ines, _) = house.enrolled("user-ines", b"the face of ines").await;
    let sam = house.vaulted("user-sam").await;
    let body = json!({ "userReference": "user-ines", "channel": "web", "requestReference": "payment-7" });
    let first = house.post("/v1/authentications", &body).await;
    assert_eq!(first.status, 201, "{}", first.text);
    assert_eq!(house.post("/v1/authentications", &body).await.status, 200);
    let link =
        house.post("/v1/links", &json!({ "userReference": "user-ines", "purpose": "for payment-8" })).await;
    assert_eq!(link.status, 201, "{}", link.text);
    let refused = house.public("/callbacks/jumio/not-a-token");
    assert_eq!(house.post_form(&refused, &[("jumioIdScanReference", &ines)]).await, 404);
    let purge = house
        .http
        .delete(house.api(&format!("/v1/enrollments/{ines}?reason=erasure-request&caseReference=CASE-9")));
    assert_eq!(house.ask(Role::Admin, purge).await.status, 200);

    let purged = |seen: &BTreeMap<String, f64>| {
        seen.contains_key(r#"facemap_vault_acts_total{act="purge",outcome="done"}"#)
    };
    let text = scraped(&house, purged).await;
    let seen = samples(&text);
    let expected = [
        (r#"callbacks_total{outcome="received"}"#, 2.0),
        (r#"callbacks_refused_total{reason="token"}"#, 1.0),
        (r"vaulting_seconds_count", 2.0),
        (r"ready_seconds_count", 1.0),
        (r#"acts_total{act="authentication-posted",outcome="done"}"#, 1.0),
        (r#"acts_total{act="link-created",outcome="done"}"#, 1.0),
        (r#"acts_total{act="original-deletion",outcome="done"}"#, 1.0),
        (r"deduplications_total", 1.0),
        (r#"enrollments{state="purged"}"#, 1.0),
        (r#"enrollments{state="vaulted"}"#, 1.0),
        (r#"originals_at_jumio{for="release"}"#, 1.0),
        (r#"up{part="store"}"#, 1.0),
        (r#"up{part="keys"}"#, 1.0),
        (r"holds", 0.0),
        (r#"budget_limit{calls="initiate",within="60s"}"#, 6000.0),
    ];
    for (name, value) in expected {
        assert_eq!(seen.get(&format!("facemap_vault_{name}")), Some(&value), "{name}\n{text}");
    }
    assert!(seen["facemap_vault_store_commit_seconds_count"] > 10.0);
    assert!(seen["facemap_vault_resident_memory_bytes"] > 1e6);
    assert!(text.ends_with("# EOF\n"));

    let [authentication, reference] =
        ["authenticationId", "authenticationTransactionReference"].map(|name| first.str(name));
    let personal = [
        "user-ines",
        "user-sam",
        "payment-",
        "CASE-9",
        "127.0.0.1",
        &ines,
        &sam,
        authentication,
        reference,
        link.str("linkId"),
        &house.portal_token,
        link.str("url"),
        "not-a-token",
    ];
    for secret in personal.into_iter().chain(house.tokens.values().map(String::as_str)) {
        assert!(!text.contains(secret), "{secret}\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_is_for_the_roles_that_its_description_names() {
    let house = House::new().await;
    let described = house.ask(Role::Nobody, house.http.get(house.api("/openapi.json"))).await;
    assert_eq!(
        described.text,
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json")).unwrap()
    );
    let may = |roles: &Value, role: Role| {
        let roles: Vec<&str> = roles.as_array().unwrap().iter().map(|role| role.as_str().unwrap()).collect();
        match role {
            Role::Nobody => false,
            Role::App => roles.contains(&"app"),
            Role::Operator => roles.iter().any(|role| ["app", "operator"].contains(role)),
            Role::Admin => true,
            Role::Auditor => roles.contains(&"auditor"),
        }
    };
    for (path, item) in described.body["paths"].as_object().unwrap() {
        for (method, route) in item.as_object().unwrap() {
            let Some(roles) = route["security"][0].get("token") else {
                let open = house.ask(Role::Nobody, house.http.get(house.api(path))).await;
                assert_eq!(open.status, 200, "{path}");
                continue;
            };
            let place =
                path.replace("{reference}", UNKNOWN).replace("{id}", UNKNOWN).replace("{user}", "nobody");
            // Everybody's are for operators.
            let query =
                if method == "get" && path == "/v1/enrollments" { "?userReference=nobody" } else { "" };
            for role in [Role::Nobody, Role::App, Role::Operator, Role::Auditor, Role::Admin] {
                let method: reqwest::Method = method.to_uppercase().parse().unwrap();
                let request = house.http.request(method, house.api(&format!("{place}{query}")));
                let answer =
                    house.ask(role, request.header("Content-Type", "application/json").body("[]")).await;
                let refused = matches!(answer.status, 401 | 403);
                assert_eq!(!refused, may(roles, role), "{role:?} {route:?}: {}", answer.text);
                let known = route["responses"].get(answer.status.to_string());
                assert!(known.is_some(), "{} of {path} is not described", answer.status);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn callbacks_are_listed_and_what_was_judged_is_judged_no_more() {
    let house = House::new().await;
    let ines = house.vaulted("user-ines").await;
    let page = house.get("/v1/callbacks?state=settled").await;
    let items = page.body["items"].as_array().unwrap();
    assert!(!items.is_empty(), "{}", page.text);
    assert_eq!(items[0]["replayable"], false);
    for personal in ["user-ines", &ines, &house.portal_token] {
        assert!(!page.text.contains(personal), "{}", page.text);
    }
    let replay = format!("/v1/callbacks/{}/replay", items[0]["callbackId"].as_str().unwrap());
    assert_eq!(house.post_as(Role::Operator, &replay, &json!({})).await.code(), (409, "callback-body-gone"));
    assert_eq!(
        house.post_as(Role::Operator, &format!("/v1/callbacks/{UNKNOWN}/replay"), &json!({})).await.code(),
        (404, "unknown-callback")
    );
    assert_eq!(
        house.post_as(Role::Operator, "/v1/callbacks/nonsense/replay", &json!({})).await.code(),
        (404, "unknown-callback")
    );
    let all = house.post_as(Role::Operator, "/v1/callbacks/replay", &json!({})).await;
    assert_eq!((all.status, &all.body), (202, &json!({ "replayed": 0, "bodyGone": 0, "more": false })));
    for wrong in ["/v1/callbacks?state=lost", "/v1/callbacks?limit=0", "/v1/callbacks?cursor=nonsense"] {
        assert_eq!(house.get(wrong).await.code(), (400, "invalid-request"), "{wrong}");
    }
    house.tells_nobody(&["user-ines"]);
}

fn out(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_show_people_tables_and_scripts_the_answer_itself() {
    let house = House::new().await;
    house.enrolled("user-ines", b"the face of ines").await;
    let (url, token) = (house.api(""), house.token(Role::Admin).to_owned());
    let vault = |args: &[&str]| {
        run_with(args, &[("FACEMAP_VAULT_URL", url.as_str()), ("FACEMAP_VAULT_TOKEN", token.as_str())])
    };
    let status = vault(&["status"]);
    assert!(status.status.success() && out(&status).contains("ready"), "{}", out(&status));
    let json: Value = serde_json::from_slice(&vault(&["status", "--output", "json"]).stdout).unwrap();
    assert_eq!(json["enrollments"]["ready"]["count"], 1);

    let made = vault(&["links", "create", "user-ines", "--purpose", "to try it"]);
    let link = String::from_utf8(made.stdout.clone()).unwrap();
    assert!(link.starts_with("http") && link.lines().count() == 1, "{}", out(&made));
    let id = out(&made).split("Link ").nth(1).unwrap().split(',').next().unwrap().to_owned();
    assert!(out(&vault(&["links", "show", &id])).contains("to try it"));
    let gone: Value =
        serde_json::from_slice(&vault(&["links", "withdraw", &id, "--output", "json"]).stdout).unwrap();
    assert_eq!(gone["state"], "withdrawn");

    let listed = vault(&["callbacks", "list", "--state", "settled"]);
    assert!(out(&listed).contains("RECEIVED") && out(&listed).contains("settled"), "{}", out(&listed));
    let replayed = vault(&["callbacks", "replay", "--all", "--output", "json"]);
    assert_eq!(serde_json::from_slice::<Value>(&replayed.stdout).unwrap()["replayed"], 0);

    let code = |args: &[&str]| vault(args).status.code().unwrap();
    assert_eq!(code(&["callbacks", "replay", UNKNOWN]), 1);
    assert_eq!(code(&["links", "show", "nonsense"]), 1);
    assert_eq!(code(&["callbacks", "replay"]), 64);
    assert_eq!(run(&["status", "--url", &url]).status.code(), Some(64), "no token is wrong usage");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_finds_a_house_in_service_well_and_says_what_is_not() {
    let mut house = House::new().await;
    let config = house.start.config.to_str().unwrap().to_owned();
    let variables: Vec<(String, String)> = house
        .start
        .settings
        .iter()
        .map(|(key, value)| (format!("FACEMAP_VAULT__{key}"), value.clone()))
        .collect();
    let doctor = |more: &[(&str, &str)]| {
        let set = variables.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        run_with(&["doctor", "--config", &config], &set.chain(more.iter().copied()).collect::<Vec<_>>())
    };
    let seen = out(&doctor(&[]));
    for well in [
        "ok         clock",
        "ok         Jumio",
        "ok         keys",
        "ok         permissions",
        "ok         disk",
    ] {
        assert!(seen.contains(well), "{well}: {seen}");
    }
    // It looks beside a service and is in nobody's way.
    assert_eq!(house.get("/v1/status").await.status, 200);
    assert!(!seen.contains("sandbox-secret"), "{seen}");

    let slots = house.dir.join("vault/slots");
    let slots = if slots.exists() { slots } else { house.dir.join("slots") };
    fs::set_permissions(&slots, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let nobody = format!("http://127.0.0.1:{}", crate::house::free_port());
    let sick = doctor(&[
        ("FACEMAP_VAULT__JUMIO__BASE_URL", &nobody),
        ("FACEMAP_VAULT__STORE__MIN_FREE_BYTES", "1099511627776"),
    ]);
    let seen = out(&sick);
    assert_eq!(sick.status.code(), Some(2), "{seen}");
    for wrong in ["ATTENTION  Jumio", "ATTENTION  permissions", "ATTENTION  disk"] {
        assert!(seen.contains(wrong), "{wrong}: {seen}");
    }
    house.stop().await;
    assert_eq!(run(&["doctor", "--config", "/nowhere/config.toml"]).status.code(), Some(78));
}

//! `status`: how a running vault is doing.

use crate::{
    client::{Server, cell, table},
    failure::Failure,
};
use serde_json::Value;

pub(super) fn run(server: &Server) -> Result<(), Failure> {
    super::block_on(async {
        let status = server.api()?.get(&["status"], &[]).await?.done()?;
        server.output.print(&status, told);
        Ok(())
    })
}

fn told(status: &Value) -> String {
    let simulated = if status["simulated"] == true { ", Jumio SIMULATED" } else { "" };
    let mut text = format!(
        "facemap-vault {}, store {}, keys {}{simulated}\n",
        cell(&status["version"]),
        cell(&status["engine"]),
        cell(&status["keyProvider"])
    );
    for trouble in status["troubles"].as_array().into_iter().flatten() {
        text = format!("{text}TROUBLE: {}\n", cell(trouble));
    }
    text.push('\n');
    text.push_str(&table(&["", "STATE", "COUNT", "OLDEST"], &counted(status)));
    text.push('\n');
    text.push_str(&table(&["JOBS", "DUE", "ALL", "OLDEST DUE"], &queues(&status["queues"])));
    text.push('\n');
    text.push_str(&table(&["CALLS TO JUMIO", "WITHIN", "USED", "ALLOWED"], &calls(&status["budget"])));
    text.push('\n');
    text.push_str(&table(&["", ""], &other(status)));
    text
}

/// Everything that is counted by state; states that nothing is in are left out.
fn counted(status: &Value) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let mut row = |what: &str, state: &str, count: &Value| {
        if count["count"].as_u64().unwrap_or(0) > 0 {
            rows.push(vec![what.to_owned(), state.to_owned(), cell(&count["count"]), cell(&count["oldest"])]);
        }
    };
    for what in ["enrollments", "authentications", "callbacks"] {
        for (state, count) in status[what].as_object().into_iter().flatten() {
            row(what, state, count);
        }
    }
    row("waiting", "for release", &status["waitingForRelease"]);
    row("waiting", "for deletion at Jumio", &status["waitingForDeletion"]);
    for refused in status["refusedCallbacks"].as_array().into_iter().flatten() {
        let why = format!("{} from {}", cell(&refused["why"]), cell(&refused["source"]));
        row("refused callbacks", &why, refused);
    }
    rows
}

fn queues(queues: &Value) -> Vec<Vec<String>> {
    let of = |(kind, depth): (&String, &Value)| -> Option<Vec<String>> {
        let is_empty = depth["all"].as_u64() == Some(0);
        let [due, all, oldest] = ["due", "all", "oldestDue"].map(|name| cell(&depth[name]));
        (!is_empty).then(|| vec![kind.clone(), due, all, oldest])
    };
    queues.as_object().into_iter().flatten().filter_map(of).collect()
}

/// What of Jumio's limits is used.
fn calls(budget: &Value) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for what in ["initiate", "retrieve"] {
        for window in budget[what]["windows"].as_array().into_iter().flatten() {
            let [used, limit] = ["used", "limit"].map(|name| cell(&window[name]));
            rows.push(vec![what.to_owned(), format!("{} s", cell(&window["seconds"])), used, limit]);
        }
    }
    rows
}

/// Who waits for a call to Jumio, and until when nobody gets one.
fn waiting(budget: &Value) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for what in ["initiate", "retrieve"] {
        let lanes = budget[what]["waiting"].as_object().into_iter().flatten();
        for (lane, count) in lanes.filter(|(_, count)| count.as_u64() != Some(0)) {
            rows.push(vec![format!("waiting to {what} ({lane})"), cell(count)]);
        }
        let until = &budget[what]["blockedUntil"];
        if !until.is_null() {
            rows.push(vec![format!("Jumio answered 429: no {what} until"), cell(until)]);
        }
    }
    rows
}

fn other(status: &Value) -> Vec<Vec<String>> {
    let retention = &status["retention"];
    let mut rows = vec![
        vec!["retention".to_owned(), cell(&retention["state"])],
        vec!["events waiting".to_owned(), cell(&status["events"]["waiting"])],
        vec!["events given up".to_owned(), cell(&status["events"]["dead"])],
        vec!["seconds until Jumio may be called".to_owned(), cell(&status["budget"]["secondsUntilFree"])],
    ];
    for (name, field) in [
        ("batches running", "running"),
        ("batches paused", "paused"),
        ("batches STALLED", "stalled"),
        ("items of batches waiting", "itemsWaiting"),
    ] {
        let count = &status["batches"][field];
        if count.as_u64().unwrap_or(0) > 0 {
            rows.push(vec![name.to_owned(), cell(count)]);
        }
    }
    rows.extend(waiting(&status["budget"]));
    for sink in status["auditSinks"].as_array().into_iter().flatten() {
        rows.push(vec![format!("audit sink {} behind", cell(&sink["sink"])), cell(&sink["entries"])]);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn people_see_the_budget_and_the_batches() {
        let text = told(&json!({
            "batches": { "running": 2, "paused": 0, "stalled": 1, "itemsWaiting": 412 },
            "budget": {
                "secondsUntilFree": 0.3,
                "initiate": {
                    "windows": [{ "seconds": 60.0, "used": 171, "limit": 180 }],
                    "waiting": { "authentication": 0, "batch": 3 }, "blockedUntil": null,
                },
                "retrieve": { "windows": [], "waiting": {}, "blockedUntil": "2027-01-31T12:00:05Z" },
            },
        }));
        let rows: Vec<String> =
            text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        for row in [
            "initiate 60.0 s 171 180",
            "batches running 2",
            "batches STALLED 1",
            "items of batches waiting 412",
            "waiting to initiate (batch) 3",
            "Jumio answered 429: no retrieve until 2027-01-31T12:00:05Z",
        ] {
            assert!(rows.iter().any(|line| line == row), "{row}: {text}");
        }
        assert!(!text.contains("paused") && !text.contains("(authentication)"), "{text}");
    }

    #[test]
    fn people_see_what_there_is_and_not_what_there_is_not() {
        let text = told(&json!({
            "version": "1", "engine": "sled", "keyProvider": "file", "simulated": true, "troubles": ["disk\u{1b}[2J full"],
            "enrollments": { "ready": { "count": 7, "oldest": "2027-01-31T12:00:00Z" }, "failed": { "count": 0 } },
            "queues": { "callback": { "due": 1, "all": 2, "oldestDue": null }, "batch": { "due": 0, "all": 0 } },
            "retention": { "state": "off" }, "events": { "waiting": 3, "dead": 0 },
        }));
        for part in ["SIMULATED", "TROUBLE: disk", "ready", "7", "callback", "off"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("failed") && !text.contains("batch") && !text.contains('\u{1b}'), "{text}");
    }
}

//! Routes about the service itself: how it is doing, the inbox, events, checks and backups, and what needs no token.

use super::{
    build::{May, Route, get, post},
    shape::{always, list, named, object, or_null, page, text, word},
};
use crate::http::{callbacks_admin, events, upkeep};
use ingest::CallbackState;
use model::{AuthenticationState, EnrollmentState};
use queue::Kind;
use serde_json::{Map, Value, json};

const ID: &str = "0b9d5f7e-6a7b-4c8d-9e0f-1a2b3c4d5e6f";
const NOON: &str = "2027-01-31T12:00:00Z";

pub(super) fn routes() -> Vec<Route> {
    let mut routes = vec![
        get("/v1/status", "getStatus", May::Watch)
            .about("Operation", "Shows how the service is doing", "Counts go up to 100 000.")
            .answers(200, "How it is doing.", "Status", &status())
            .problems(&["audit-unavailable"]),
    ];
    routes.extend(callbacks());
    routes.extend(told());
    routes.extend(looked_after());
    routes.extend(open());
    routes
}

fn callbacks() -> Vec<Route> {
    let tag = "Operation";
    let of = |state: &str| {
        json!({
            "callbackId": ID, "state": state, "receivedAt": NOON, "source": "192.0.2.7", "token": "portal", "unknownValues": 0,
            "replayable": true,
        })
    };
    vec![
        get("/v1/callbacks", "listCallbacks", May::Operator)
            .about(tag, "Lists callbacks without what they say, those of one state together and of those the oldest first", "")
            .query::<callbacks_admin::ListQuery>()
            .answers_with(200, "A page.", page("Callback"), &json!({ "items": [of("dead")], "nextCursor": null })),
        post("/v1/callbacks/{id}/replay", "replayCallback", May::Operator)
            .about(tag, "Has a callback judged once more that was given up or waits", "")
            .answers(202, "It is judged now.", "Callback", &of("pending"))
            .problems(&["unknown-callback", "callback-body-gone"]),
        post("/v1/callbacks/replay", "replayCallbacks", May::Operator)
            .about(tag, "Has all callbacks judged once more that were given up, or that wait", "A thousand at a time, oldest first.")
            .optional_body::<callbacks_admin::Wanted>(&json!({ "state": "dead" }))
            .answers(202, "They are judged now.", "ReplayedCallbacks", &json!({ "replayed": 12, "bodyGone": 0, "more": false })),
    ]
}

fn told() -> Vec<Route> {
    let tag = "Operation";
    let event = json!({
        "id": "evt_0000000000000001202f2bfb875a6647", "type": "enrollment.ready", "timestamp": NOON, "simulated": false,
        "data": { "userReference": "customer-7", "state": "ready" },
        "delivery": { "state": "kept", "since": NOON, "attempts": 0 },
    });
    let events = object(
        "Events, oldest first.",
        [
            always("items", list("At most `limit`. A page may be short, even empty.", named("Event"))),
            always(
                "nextCursor",
                or_null(text("What to come back with, also when there is nothing more yet.")),
            ),
        ],
    );
    vec![
        get("/v1/events", "listEvents", May::Operator)
            .about(tag, "Lists what happened: for companies that allow no calls inward", "")
            .query::<events::ListQuery>()
            .answers_with(
                200,
                "A page.",
                events,
                &json!({ "items": [event], "nextCursor": "MmVFrwEzAHcAAAAAAAAAAw" }),
            )
            .problems(&["events-lost"]),
        post("/v1/events/{id}/replay", "replayEvent", May::Operator)
            .about(tag, "Has an event told again", "")
            .answers(202, "It is sent now.", "Event", &event)
            .problems(&["unknown-event", "purged", "no-receiver"]),
    ]
}

fn looked_after() -> Vec<Route> {
    let tag = "Operation";
    let check = json!({ "checkId": 1, "state": "running", "progress": ["records", 100, 812], "report": null, "error": null });
    let head = json!({ "epoch": 1, "position": 42, "link": "54b402855ae406b211e5e98ccb136e8dc2c12655b8e9ba856d87e7e9b7e489bb" });
    let manifest = json!({
        "format": 1, "backup": "0123456789abcdef0123456789abcdef", "vault": "0123456789abcdef0123456789abcdef", "epoch": 1,
        "simulated": false, "createdAt": NOON, "auditHead": head, "rows": 9000, "contents": 812, "contentBytes": 166_000_000,
        "withSlots": true, "parts": [],
    });
    vec![
        post("/v1/integrity-checks", "beginCheck", May::Admin)
            .about(tag, "Begins a check of everything, unless one is under way", "")
            .answers(202, "It is under way.", "IntegrityCheck", &check),
        get("/v1/integrity-checks", "getCheck", May::Inspect)
            .about(tag, "Shows how far the last check is, and what it found", "")
            .answers(200, "The last check.", "IntegrityCheck", &check),
        post("/v1/backups", "backUp", May::Admin)
            .about(
                tag,
                "Takes a backup, and answers when it is durable",
                "Folders are those of the machine of the service; keys are never in it.",
            )
            .body::<upkeep::Wanted>(&json!({ "to": "/mnt/a/today", "slots": "/mnt/b/today" }))
            .answers(201, "It is durable.", "Backup", &json!({ "manifest": manifest, "warning": null }))
            .problems(&["backup-running", "refused", "not-written", "audit-unavailable"]),
        post("/v1/recovery/acknowledge", "acknowledgeRecovery", May::Admin)
            .about(
                tag,
                "Says that somebody has read what a rebuild or restore lost",
                "Purges and retention go on.",
            )
            .answers(
                200,
                "They go on.",
                "Acknowledged",
                &json!({ "acknowledged": "now", "since": NOON, "acknowledgedAt": NOON }),
            )
            .problems(&["audit-unavailable"]),
    ]
}

fn open() -> Vec<Route> {
    let tag = "Open";
    let alive = object("It answers.", [always("status", word("", ["alive"]))]);
    let ready = json!({ "status": "ready", "reason": null, "simulated": false, "troubles": [] });
    let not_ready =
        json!({ "status": "not-ready", "reason": "keys-unavailable", "simulated": false, "troubles": ["…"] });
    vec![
        get("/livez", "live", May::Anybody)
            .about(tag, "Answers as long as the process does", "")
            .answers_with(200, "It does.", alive, &json!({ "status": "alive" }))
            .without_problems(),
        get("/readyz", "ready", May::Anybody)
            .about(tag, "Says whether the service can do its work", "")
            .answers(200, "It can.", "Readiness", &ready)
            .answers(503, "It cannot.", "Readiness", &not_ready)
            .without_problems(),
        get("/metrics", "metrics", May::Anybody)
            .about(tag, "Shows metrics for Prometheus", "See docs/metrics.md.")
            .answers_text("OpenMetrics.", "application/openmetrics-text", "facemap_vault_holds 0\n# EOF\n")
            .problems(&["store-unavailable"]),
        get("/openapi.json", "openapi", May::Anybody).about(tag, "Shows this description", "").answers_with(
            200,
            "OpenAPI 3.1.",
            super::shape::anything("The document."),
            &json!({ "openapi": "3.1.0" }),
        ),
    ]
}

fn status() -> Value {
    let counts = |names: Vec<&str>| -> Map<String, Value> {
        names.into_iter().map(|name| (name.to_owned(), json!({ "count": 0 }))).collect()
    };
    let queue = |kind: &Kind| (kind.to_string(), json!({ "due": 0, "all": 0, "oldestDue": null }));
    json!({
        "version": env!("CARGO_PKG_VERSION"), "simulated": false, "engine": "sled", "keyProvider": "file", "troubles": [],
        "enrollments": counts(EnrollmentState::ALL.iter().map(|state| state.as_str()).collect()),
        "waitingForRelease": { "count": 2, "oldest": NOON }, "waitingForDeletion": { "count": 0 },
        "callbacks": counts(CallbackState::ALL.iter().map(|state| state.as_str()).collect()),
        "refusedCallbacks": [{ "source": "192.0.2.7", "why": "token", "count": 3 }],
        "authentications": counts(AuthenticationState::ALL.iter().map(|state| state.as_str()).collect()),
        "queues": Kind::ALL.iter().map(queue).collect::<Map<_, _>>(),
        "retention": {
            "state": "off", "total": 0, "due": 0, "held": 0, "destroyedLately": 0, "limit": 1, "allowed": 0, "failed": 0,
        },
        "auditSinks": [], "events": { "waiting": 0, "dead": 0, "receiverAway": false },
        "batches": { "running": 1, "paused": 0, "stalled": 0, "itemsWaiting": 412 },
        "budget": {
            "secondsUntilFree": 0.3,
            "initiate": {
                "windows": [{ "seconds": 1.0, "used": 3, "limit": 3 }, { "seconds": 60.0, "used": 171, "limit": 180 }],
                "waiting": { "authentication": 0, "verification": 0, "batch": 1 }, "blockedUntil": null,
            },
            "retrieve": {
                "windows": [{ "seconds": 5.0, "used": 4, "limit": 75 }],
                "waiting": { "authentication": 0, "verification": 0, "batch": 0 }, "blockedUntil": NOON,
            },
        },
    })
}

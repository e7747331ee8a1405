//! Routes about batches: re-authenticating many.

use super::{
    build::{May, Route, get, post},
    shape::{
        Shape, always, closed, count, flag, list, map, maybe, named, object, or_null, page, seconds, text,
        time, uuid, word,
    },
    words,
};
use crate::http::batches::ItemsQuery;
use register::{BatchSource, BatchState, Delivery, ItemOutcome, ItemReason, ItemState};
use serde_json::{Value, json};
use utoipa::{
    PartialSchema as _,
    openapi::{
        Required,
        path::{ParameterBuilder, ParameterIn},
    },
};

const ID: &str = "0b9d5f7e-6a7b-4c8d-9e0f-1a2b3c4d5e6f";
const NOON: &str = "2027-01-31T12:00:00Z";

pub(super) fn routes() -> Vec<Route> {
    let tag = "Batches";
    let running = batch_example("running");
    let act = |path, id: &str, summary: &str, state: &str| {
        post(path, id, May::Operator)
            .about(tag, summary, "")
            .answers(200, "Where it stands.", "Batch", &batch_example(state))
            .problems(&["unknown-batch", "batch-over", "audit-unavailable"])
    };
    let item =
        json!({ "number": 1, "state": "linked", "changedAt": NOON, "outcome": "not-pressed", "linkId": ID });
    vec![
        start(tag),
        get("/v1/batches/{id}", "getBatch", May::Operator)
            .about(tag, "Shows how far a batch is", "")
            .answers(200, "Where it stands.", "Batch", &running)
            .problems(&["unknown-batch"]),
        get("/v1/batches/{id}/items", "listBatchItems", May::App)
            .about(tag, "Lists the items of a batch", "As a page; or all of them, with `format` or `Accept`, as NDJSON or as CSV whose cells no spreadsheet runs.")
            .query::<ItemsQuery>()
            .answers_with(200, "Items.", page("BatchItem"), &json!({ "items": [item], "nextCursor": null }))
            .also(200, "application/x-ndjson", text("One item in each line."))
            .also(200, "text/csv", text("One item in each line, below a head."))
            .problems(&["unknown-batch"]),
        act("/v1/batches/{id}/pause", "pauseBatch", "Takes no further item until it is resumed", "paused"),
        act("/v1/batches/{id}/resume", "resumeBatch", "Goes on", "running"),
        act("/v1/batches/{id}/cancel", "cancelBatch", "Takes no further item, and withdraws the links that nobody has pressed", "cancelling"),
    ]
}

fn start(tag: &str) -> Route {
    let order = json!({
        "filter": { "lastAuthenticatedBefore": NOON }, "delivery": "link", "purpose": "Confirm that it is you", "dryRun": true,
    });
    let mut dry = json!({ "dryRun": true });
    for name in [
        "total",
        "ready",
        "unknown",
        "repeated",
        "notReady",
        "awaitingRelease",
        "notEligible",
        "replaced",
        "purged",
        "damaged",
        "held",
    ] {
        dry[name] = 0.into();
    }
    for name in ["unknownAt", "repeatedAt"] {
        dry[name] = json!([]);
    }
    let mut accepted = dry.clone();
    accepted["dryRun"] = false.into();
    accepted["batchId"] = ID.into();
    let file = text(
        "A list (RFC 4180) whose head names `enrollment` or `userReference`, and perhaps `locale` and `requestReference`.",
    );
    let route = post("/v1/batches", "startBatch", May::Operator)
        .about(tag, "Orders a batch, or only counts it", "Exactly one of enrollments, userReferences and filter says whom; or a list as `text/csv`, with all the rest in the query. Nothing is begun before the end of the list.")
        .body_of(request(), Required::True, &order)
        .or_body("text/csv", file.into())
        .answers(200, "The dry run.", "AcceptedBatch", &dry)
        .answers(202, "It has begun.", "AcceptedBatch", &accepted)
        .problems(&["total-differs", "audit-unavailable"]);
    terms().into_iter().fold(route, |route, (name, shape)| {
        let about = "Beside a list as text/csv alone: see the field of the same name.";
        let parameter =
            ParameterBuilder::new().name(name).parameter_in(ParameterIn::Query).description(Some(about));
        route.parameter(parameter.required(Required::False).schema(Some(shape)).build())
    })
}

/// What an order says beside whom it is about.
fn terms() -> Vec<(&'static str, Shape)> {
    let words = |all: &[Delivery]| {
        word("A link, which is the default, or a transaction at once.", all.iter().map(|one| one.as_str()))
    };
    vec![
        ("delivery", words(Delivery::ALL).into()),
        ("channel", words::Channel::schema()),
        ("successUrl", text("Where the person is sent after success.").into()),
        ("errorUrl", text("Where the person is sent after an error.").into()),
        ("locale", text("The language.").into()),
        ("purpose", words::LinkPurpose::schema()),
        (
            "requestReference",
            text("What the items' own references begin with.")
                .min_length(Some(1))
                .max_length(Some(80))
                .into(),
        ),
        ("expiresAt", time("When the links end.").into()),
        ("perMinute", count("Items a minute at most.").minimum(Some(1)).maximum(Some(100_000)).into()),
        ("dryRun", flag("Only counts.").into()),
        ("expectTotal", count("The total that a dry run counted: with another one nothing is begun.").into()),
    ]
}

fn request() -> Shape {
    let filter = closed(
        "Those who meet every criterion that is given; at least one.",
        [
            maybe("lastAuthenticatedBefore", time("Who never was counts from the vaulting.")),
            maybe("vaultedBefore", time("")),
        ],
    );
    let whom = [
        maybe("enrollments", list("These enrollments.", uuid(""))),
        maybe(
            "userReferences",
            list("The current enrollments of these users.", words::UserReference::schema()),
        ),
        maybe("filter", filter),
    ];
    closed(
        "Whom, and how.",
        whom.into_iter().chain(terms().into_iter().map(|(name, shape)| maybe(name, shape))),
    )
}

/// By name.
pub(super) fn shapes() -> Vec<(&'static str, Shape)> {
    vec![("AcceptedBatch", accepted()), ("Batch", batch()), ("BatchItem", item())]
}

fn accepted() -> Shape {
    object(
        "What was counted.",
        [
            maybe("batchId", uuid("None for a dry run.")),
            always("dryRun", flag("Whether nothing was begun.")),
            always("total", count("Items to go through.")),
            always("ready", count("Those that would go now.")),
            always("unknown", count("References of which nothing is known.")),
            always("repeated", count("Repetitions.")),
            always("notReady", count("")),
            always("awaitingRelease", count("")),
            always("notEligible", count("")),
            always("replaced", count("")),
            always("purged", count("")),
            always("damaged", count("")),
            always(
                "held",
                count(
                    "Of those that would go: under a legal hold, which keeps nobody from being re-authenticated.",
                ),
            ),
            always("unknownAt", list("The first hundred places or lines.", count(""))),
            always("repeatedAt", list("The first hundred places or lines.", count(""))),
        ],
    )
}

fn batch() -> Shape {
    object(
        "A batch.",
        [
            always("batchId", uuid("Its id.")),
            always("state", word("Where it stands.", BatchState::ALL.iter().map(|one| one.as_str()))),
            always("since", time("Since when.")),
            always("createdAt", time("")),
            always(
                "source",
                word("Where its items come from.", BatchSource::ALL.iter().map(|one| one.as_str())),
            ),
            always("delivery", word("", Delivery::ALL.iter().map(|one| one.as_str()))),
            always("channel", named("Channel")),
            maybe("perMinute", count("Items a minute at most.")),
            always("total", count("Items to go through.")),
            always("unknown", count("References of which nothing is known.")),
            always("repeated", count("Repetitions.")),
            always("states", map("Items by state.", count(""))),
            always("outcomes", map("Those that went, by what came of them.", count(""))),
            always("reasons", map("Those that did not go, by why.", count(""))),
            always("open", count("Those that went and whose outcome can still change.")),
            always("ratePerMinute", or_null(seconds("Items a minute, measured over the last five minutes."))),
            always("secondsLeft", or_null(count("Until the last item is taken, if it goes on like that."))),
            maybe("waitsFor", text("What is in the way of all items just now, as a code.")),
            always("stalled", flag("Whether it should go on and has not for five minutes.")),
            maybe("stalledBecause", text("")),
            maybe("completedAt", time("When nothing was left that could change.")),
        ],
    )
}

fn item() -> Shape {
    object(
        "An item of a batch.",
        [
            always("number", count("Its place in the list, or its line in the file.")),
            always("state", word("", ItemState::ALL.iter().map(|one| one.as_str()))),
            always("changedAt", time("")),
            maybe("reason", word("Why it did not go.", ItemReason::ALL.iter().map(|one| one.as_str()))),
            maybe("jumioStatus", count("Jumio's HTTP status, where Jumio refused it.")),
            maybe("outcome", word("What came of it.", ItemOutcome::ALL.iter().map(|one| one.as_str()))),
            maybe("enrollmentTransactionReference", named("EnrollmentReference")),
            maybe("userReference", named("UserReference")),
            maybe("requestReference", text("")),
            maybe("linkId", uuid("")),
            maybe("authenticationId", uuid("")),
            maybe("url", text("What the person opens, if it was asked for and still opens anything.")),
            maybe("expiresAt", time("When that ends.")),
        ],
    )
}

fn batch_example(state: &str) -> Value {
    json!({
        "batchId": ID, "state": state, "since": NOON, "createdAt": NOON, "source": "filter", "delivery": "link", "channel": "web",
        "total": 812, "unknown": 0, "repeated": 0, "states": { "queued": 400, "linked": 412 }, "outcomes": { "not-pressed": 412 },
        "reasons": {}, "open": 412, "ratePerMinute": 176.5, "secondsLeft": 136, "stalled": false,
    })
}

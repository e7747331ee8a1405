//! What `GET /v1/status` answers.

use super::shape::{
    Shape, always, count, flag, list, maybe, named, object, or_null, seconds, text, time, word,
};
use ingest::CallbackState;
use queue::{Kind, Lane};

pub(super) fn status() -> Shape {
    let queue = object(
        "Jobs of a kind.",
        [
            always("due", count("Those that could be done now.")),
            always("all", count("All.")),
            always("oldestDue", or_null(time("Since when the oldest could be done."))),
        ],
    );
    let refused = object(
        "Callbacks that were turned away.",
        [
            always("source", or_null(text("Null: all the sources that were not kept apart."))),
            always("why", word("", ["source", "token", "too-large", "not-a-form", "too-slow", "not-stored"])),
            always("count", count("Since the start.")),
        ],
    );
    let sink = object(
        "A second home of the audit log.",
        [
            always("sink", text("Which.")),
            always("entries", count("Entries that it does not surely have.")),
            maybe("failingSince", time("")),
        ],
    );
    let events = object(
        "Events that wait, and that were given up.",
        [
            always("waiting", count("")),
            maybe("oldest", time("")),
            always("dead", count("")),
            always("receiverAway", flag("Whether the company's backend takes none at the moment.")),
        ],
    );
    let named_by = |about: &str, names: Vec<&'static str>, of: Shape| {
        object(about, names.into_iter().map(|name| always(name, of.clone())))
    };
    let states = model::EnrollmentState::ALL.iter().map(|state| state.as_str()).collect();
    let results = model::AuthenticationState::ALL.iter().map(|state| state.as_str()).collect();
    let callbacks = CallbackState::ALL.iter().map(|state| state.as_str()).collect();
    let kinds = Kind::ALL.iter().map(|kind| kind.name()).collect();
    object(
        "How the service is doing, without anybody's data.",
        [
            always("version", text("")),
            always("simulated", flag("Whether Jumio is simulated.")),
            always("engine", text("The store.")),
            always("keyProvider", text("")),
            always("troubles", list("What is wrong, in words.", text(""))),
            always("enrollments", named_by("By state.", states, named("Count"))),
            always("waitingForRelease", named("Count")),
            always("waitingForDeletion", named("Count")),
            always("callbacks", named_by("By state.", callbacks, named("Count"))),
            always("refusedCallbacks", list("", refused)),
            always("authentications", named_by("By state.", results, named("Count"))),
            always("queues", named_by("By kind.", kinds, queue)),
            always("retention", named("RetentionStatus")),
            always("auditSinks", list("", sink)),
            always("events", events),
            always("batches", batches()),
            always("budget", budget()),
        ],
    )
}

fn batches() -> Shape {
    object(
        "Batches, among the first 1000.",
        [
            always("running", count("Those that take items.")),
            always("paused", count("")),
            always("stalled", count("Those that should go on and have not for five minutes.")),
            always("itemsWaiting", count("Items that were not taken yet.")),
        ],
    )
}

fn budget() -> Shape {
    let window = object(
        "A limit, and how much of it is used.",
        [
            always("seconds", seconds("The interval, which slides.")),
            always("used", count("Calls within it.")),
            always("limit", count("Calls that are allowed within it.")),
        ],
    );
    let lanes = Lane::ALL.map(|lane| always(lane.name(), count("")));
    let calls = object(
        "Calls of a kind.",
        [
            always("windows", list("", window)),
            always("waiting", object("Callers that wait, by lane.", lanes)),
            always("blockedUntil", or_null(time("Nothing is sent before, because Jumio has answered 429."))),
        ],
    );
    object(
        "Calls to Jumio.",
        [
            always("secondsUntilFree", seconds("Until an authentication could be initiated.")),
            always("initiate", calls.clone()),
            always("retrieve", calls),
        ],
    )
}

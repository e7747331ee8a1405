//! Routes about destroying, holding, the book, and keys.

use super::{
    build::{May, Route, delete, get, post, put},
    shape::{
        Shape, always, closed, count, flag, list, maybe, named, object, or_null, page, text, time, uuid,
    },
    words,
};
use crate::http::{book, holds, purges, retention};
use serde_json::json;
use utoipa::{PartialSchema as _, openapi::Required};

const PSEUDONYM: &str = "54b402855ae406b211e5e98ccb136e8dc2c12655b8e9ba856d87e7e9b7e489bb";
const PURGE: &str = "0123456789abcdef0123456789abcdef";
const KEY: &str = "5e2e1bcd32bc5a0c";
const NOON: &str = "2027-01-31T12:00:00Z";
const JWS: &str = "eyJhbGciOiJFZERTQSJ9.e30.c2lnbmF0dXJl";

pub(super) fn routes() -> Vec<Route> {
    let mut routes = purge();
    routes.extend(keep());
    routes.extend(read());
    routes.extend(keys());
    routes
}

fn purge() -> Vec<Route> {
    let tag = "Custody";
    let purged = json!({
        "state": "purged", "subject": PSEUDONYM, "purgedAt": NOON, "jumioDeletion": "done", "jumioDeletedAt": NOON, "receipt": JWS,
    });
    let order = json!({
        "purgeId": PURGE, "state": "done", "criterion": "last-used-before", "reason": "retention", "orderedAt": NOON,
        "total": 812, "done": 810, "doneByOthers": 0, "held": 2, "notDue": 0, "failed": 0, "jumioDeletion": "done", "jumioPending": 0, "receipt": JWS,
    });
    let plan = json!({
        "total": 812, "held": 2, "alreadyPurged": 0, "unknown": [], "enrollments": [], "complete": false,
        "confirmToken": "AAAAAGm…", "confirmUntil": NOON,
    });
    vec![
        delete("/v1/enrollments/{reference}", "purgeEnrollment", May::Admin)
            .about(tag, "Destroys one enrollment for good", "Answers when it is done, with the signed receipt; again: the same receipt.")
            .query::<purges::Why>()
            .answers(200, "It is destroyed.", "Purge", &purged)
            .problems(&["unknown-enrollment", "held", "recovery-not-acknowledged", "purged", "audit-unavailable"]),
        post("/v1/purges", "purgeMany", May::Admin)
            .about(tag, "Counts whom an order would be about, or orders it", "Exactly one of userReference, enrollments, vaultedBefore, lastUsedBefore. With `dryRun` nothing is done; a large order needs `expectTotal` and `confirmToken` of a dry run.")
            .body_of(purge_request(), Required::True, &json!({ "lastUsedBefore": NOON, "reason": "retention", "dryRun": true }))
            .answers(200, "The dry run.", "PurgePlan", &plan)
            .answers(202, "It is ordered.", "OrderedPurge", &json!({ "purgeId": PURGE }))
            .problems(&["confirmation-needed", "confirmation-invalid", "total-differs", "nothing-to-purge", "recovery-not-acknowledged", "audit-unavailable"]),
        get("/v1/purges/{id}", "getPurge", May::Admin)
            .about(tag, "Shows how far an order is, and its receipt", "")
            .answers(200, "Where it stands.", "PurgeOrder", &order)
            .problems(&["unknown-purge"]),
        get("/v1/purges/{id}/items", "listPurgeItems", May::Admin)
            .about(tag, "Lists those that an order is about, each with its own receipt", "")
            .query::<purges::ItemsQuery>()
            .answers_with(200, "A page.", page("PurgeItem"), &json!({ "items": [{ "subject": PSEUDONYM, "state": "done", "receipt": JWS }], "nextCursor": null }))
            .problems(&["unknown-purge"]),
    ]
}

fn purge_request() -> Shape {
    closed(
        "Whom, and why.",
        [
            maybe("userReference", or_null(words::UserReference::schema())),
            maybe("enrollments", list("These.", uuid(""))),
            maybe("vaultedBefore", or_null(time("Whatever was vaulted before this time."))),
            maybe("lastUsedBefore", or_null(time("Whatever was last used before this time."))),
            always("reason", named("PurgeReason")),
            maybe("caseReference", or_null(words::CaseReference::schema())),
            maybe("dryRun", flag("Only counts and lists.")),
            maybe("expectTotal", or_null(count("The total of the dry run."))),
            maybe("confirmToken", or_null(text("The token of the dry run."))),
        ],
    )
}

fn keep() -> Vec<Route> {
    let tag = "Custody";
    let hold = json!({ "caseReference": "CASE-2027-014", "until": NOON, "setAt": NOON });
    let status = json!({
        "state": "waiting", "since": NOON, "total": 812, "due": 0, "held": 0, "destroyedLately": 3, "limit": 8, "allowed": 0,
        "failed": 0, "finishedAt": NOON, "clockDiffersSeconds": 0,
    });
    let due = json!({ "subject": PSEUDONYM, "state": "ready", "why": "idle", "dueAt": NOON });
    let page_on = object(
        "Those whose time is over then.",
        [
            always("on", time("Asked about.")),
            always("items", list("At most `limit`.", named("DueEnrollment"))),
            always("nextCursor", or_null(text("Where the next page begins; null at the end."))),
        ],
    );
    vec![
        put("/v1/enrollments/{reference}/hold", "holdEnrollment", May::Admin)
            .about(
                tag,
                "Holds an enrollment: no purge and no retention meanwhile",
                "Re-authentication goes on.",
            )
            .body::<holds::Wanted>(&json!({ "caseReference": "CASE-2027-014" }))
            .answers(200, "The hold is in force.", "Hold", &hold)
            .problems(&["unknown-enrollment", "purged", "audit-unavailable"]),
        delete("/v1/enrollments/{reference}/hold", "releaseHold", May::Admin)
            .about(tag, "Ends a hold; where there is none, nothing happens", "")
            .done("There is no hold.")
            .problems(&["unknown-enrollment", "purged", "audit-unavailable"]),
        get("/v1/retention", "listDue", May::Watch)
            .about(tag, "Lists what would be destroyed on a day, and why", "")
            .query::<retention::Asked>()
            .answers_with(
                200,
                "A page.",
                page_on,
                &json!({ "on": NOON, "items": [due], "nextCursor": null }),
            ),
        get("/v1/retention/status", "getRetentionStatus", May::Watch)
            .about(tag, "Shows where the sweep stands", "")
            .answers(200, "Where it stands.", "RetentionStatus", &status),
        post("/v1/retention/allow", "allowRetention", May::Admin)
            .about(tag, "Lets a sweep that has stopped itself go on, within a day", "")
            .optional_body::<retention::Allowed>(&json!({ "expectTotal": 812 }))
            .answers(200, "It may.", "RetentionStatus", &status)
            .problems(&["nothing-to-allow", "total-differs", "audit-unavailable"]),
    ]
}

fn read() -> Vec<Route> {
    let tag = "Custody";
    let entry = json!({
        "epoch": 1, "position": 42, "link": PSEUDONYM, "at": NOON, "part": { "kind": "note" }, "action": "vaulted",
        "subject": PSEUDONYM, "actor": { "kind": "system" }, "outcome": "done", "details": { "bytes": "204800" },
    });
    let dossier = json!({
        "userReference": "customer-7", "subject": PSEUDONYM, "at": NOON, "enrollments": [], "authentications": [],
        "links": [], "attempts": [], "disclosures": [], "callbacks": { "count": 0, "times": [], "complete": true }, "entries": [],
        "cut": { "enrollments": false, "authentications": false, "links": false, "entries": false, "damaged": false },
    });
    vec![
        get("/v1/audit", "listAudit", May::Watch)
            .about(
                tag,
                "Lists entries of the book, oldest first",
                "A page may be short, even empty, and still have a `nextCursor`.",
            )
            .query::<book::ListQuery>()
            .answers_with(
                200,
                "A page.",
                page("AuditEntry"),
                &json!({ "items": [entry], "nextCursor": null }),
            )
            .problems(&["audit-unavailable"]),
        get("/v1/audit/head", "getAuditHead", May::Watch)
            .about(
                tag,
                "Shows where the chain ends: kept elsewhere, it shows that nothing before it was changed",
                "",
            )
            .answers(200, "The end.", "AuditHead", &json!({ "epoch": 1, "position": 42, "link": PSEUDONYM }))
            .problems(&["audit-unavailable"]),
        get("/v1/users/{user}/dossier", "getDossier", May::Watch)
            .about(tag, "Shows everything about one person", "Reading it is written down.")
            .answers(200, "Everything.", "Dossier", &dossier)
            .problems(&["unknown-user", "audit-unavailable"]),
    ]
}

fn keys() -> Vec<Route> {
    let tag = "Keys";
    let wrapping = json!({ "kind": "wrapping", "id": KEY, "active": true, "present": true, "slots": 812, "heldKeys": true });
    let rewrap =
        json!({ "state": "running", "key": KEY, "done": 400, "total": 812, "damaged": 0, "startedAt": NOON });
    let jwk = json!({
        "kty": "OKP", "crv": "Ed25519", "kid": KEY, "x": "A--NZz5iSRrnOXKih2688TclD8vIGXKXzzlcGFC17fs", "alg": "EdDSA", "use": "sig",
    });
    let away = &["audit-unavailable"];
    vec![
        get("/v1/keys", "listKeys", May::Inspect)
            .about(tag, "Lists all keys: ids and counts, never a key", "")
            .answers(200, "The keys.", "Keys", &json!({ "provider": "file", "items": [wrapping] })),
        post("/v1/keys/rotate", "rotateKey", May::Admin)
            .about(tag, "Makes a new wrapping key, which wraps whatever is new", "")
            .answers(
                201,
                "It is the active one.",
                "RotatedKey",
                &json!({ "id": KEY, "previous": "0123456789abcdef", "heldKeysRewrapped": true }),
            )
            .problems(away),
        post("/v1/keys/rewrap", "rewrap", May::Admin)
            .about(
                tag,
                "Orders that everything is wrapped under the active key",
                "It goes on where it stopped.",
            )
            .answers(202, "It is under way.", "Rewrap", &rewrap)
            .problems(away),
        get("/v1/keys/rewrap", "getRewrap", May::Inspect)
            .about(tag, "Shows how far that is", "")
            .answers(200, "How far.", "Rewrap", &rewrap)
            .problems(&["no-rewrap"]),
        delete("/v1/keys/{id}", "removeKey", May::Admin)
            .about(tag, "Removes a wrapping key that nothing needs any more", "")
            .done("It is gone.")
            .problems(&["unknown-key", "key-needed", "audit-unavailable"]),
        get("/v1/receipt-key", "getReceiptKey", May::Inspect)
            .about(tag, "Shows the key to check receipts with, as a JWK", "")
            .answers(200, "The public key.", "ReceiptKey", &jwk),
    ]
}

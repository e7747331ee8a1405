//! Routes about people: onboarding, re-authentication, links.

use super::{
    build::{May, Route, delete, get, post, put},
    shape::{Shape, closed, list, maybe, page, text, word},
};
use crate::http::{authentications, enrollments, facemaps, links};
use serde_json::{Value, json};
use utoipa::{
    PartialSchema as _,
    openapi::{
        Required,
        path::{ParameterBuilder, ParameterIn},
    },
};

pub(super) fn routes() -> Vec<Route> {
    let mut routes = onboarding();
    routes.extend(authentication());
    routes.extend(link());
    routes
}

const REFERENCE: &str = "11111111-2222-3333-4444-555555555555";
const ID: &str = "0b9d5f7e-6a7b-4c8d-9e0f-1a2b3c4d5e6f";
const NOON: &str = "2027-01-31T12:00:00Z";

fn onboarding() -> Vec<Route> {
    let tag = "Onboarding";
    let started = json!({
        "transactionReference": REFERENCE, "redirectUrl": "https://acme.netverify.com/web/v4/app?token=…",
        "timestamp": NOON, "warnings": [],
    });
    vec![
        post("/v1/verifications", "startVerification", May::App)
            .about(tag, "Starts an onboarding at Jumio", "The fields are those of Jumio's initiate request, by the same names and with the same limits. `callbackUrl` is the vault's own.")
            .body_of(verification(), Required::True, &json!({ "userReference": "customer-7", "workflowId": 201, "successUrl": "https://www.example.com/ok" }))
            .answers(201, "Jumio has created it.", "StartedVerification", &started)
            .problems(JUMIO),
        post("/v1/enrollments", "announceEnrollment", May::App)
            .about(tag, "Announces a transaction that was started elsewhere, or whose callback never came", "")
            .body::<enrollments::Announcement>(&json!({ "transactionReference": REFERENCE, "userReference": "customer-7" }))
            .answers(202, "It is known from now on.", "Enrollment", &enrollment("awaiting-user"))
            .problems(&["purged", "user-reference-differs", "not-eligible"]),
        get("/v1/enrollments", "listEnrollments", May::App)
            .about(tag, "Lists enrollments, oldest first", "Without `userReference` the list is for operators.")
            .query::<enrollments::ListQuery>()
            .answers_with(200, "A page.", page("Enrollment"), &json!({ "items": [enrollment("ready")], "nextCursor": null })),
        get("/v1/enrollments/{reference}", "getEnrollment", May::App)
            .about(tag, "Shows one enrollment", "")
            .answers(200, "Where it stands.", "Enrollment", &enrollment("ready"))
            .problems(&["unknown-enrollment"]),
        post("/v1/enrollments/{reference}/release", "releaseEnrollment", May::App)
            .about(tag, "Releases it: the company has what it needs and accepts this person", "It may come before the facemap. `replaces` needs a PASSED against the old enrollment within 24 hours, or an admin.")
            .optional_body::<enrollments::Wish>(&json!({}))
            .answers(200, "It is released.", "Enrollment", &enrollment("vaulted"))
            .problems(&["unknown-enrollment", "purged", "not-eligible", "replacement-needs-proof", "replaces-not-current", "user-reference-differs"]),
        import(tag),
    ]
}

fn import(tag: &str) -> Route {
    let attestation = ParameterBuilder::new()
        .name("X-Attestation")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(
            "The company's word whose facemap this is, where Jumio no longer has the original.",
        ))
        .schema(Some(text("").pattern(Some("^[ -~]{1,500}$"))))
        .build();
    put("/v1/enrollments/{reference}/facemap", "importFacemap", May::Admin)
        .about(
            tag,
            "Brings in a facemap that was held elsewhere",
            "An original that is still at Jumio must have the same bytes.",
        )
        .query::<facemaps::Claims>()
        .parameter(attestation)
        .bytes()
        .answers(200, "The very same is there already.", "Enrollment", &enrollment("ready"))
        .answers(201, "It is durable.", "Enrollment", &enrollment("vaulted"))
        .problems(&[
            "unknown-enrollment",
            "too-large",
            "request-timeout",
            "length-required",
            "content-differs",
            "not-ready",
            "not-eligible",
            "not-comparable",
            "attestation-required",
            "user-reference-differs",
            "purged",
            "audit-unavailable",
        ])
        .problems(JUMIO)
}

/// The refusals of whatever asks Jumio.
const JUMIO: &[&str] =
    &["jumio-budget", "jumio-refused", "jumio-unavailable", "outcome-unknown", "audit-unavailable"];

fn verification() -> Shape {
    let preset = closed(
        "What is known about the document.",
        [
            super::shape::always("index", super::shape::count("1.").maximum(Some(1))),
            super::shape::always("country", text("ISO 3166-1 alpha-3, or XKX.").pattern(Some("^[A-Z]{3}$"))),
            super::shape::always("type", word("", ["PASSPORT", "DRIVING_LICENSE", "ID_CARD"])),
        ],
    );
    let reference = |about: &str| text(about).min_length(Some(1)).max_length(Some(100));
    closed(
        "Seed 000's fields, by their own names.",
        [
            super::shape::always("userReference", super::words::UserReference::schema()),
            maybe(
                "customerInternalReference",
                reference("The company's own reference of the transaction. No personal data."),
            ),
            maybe("reportingCriteria", reference("For the company's reports in Jumio's portal.")),
            maybe("successUrl", text("https.").max_length(Some(2047))),
            maybe("errorUrl", text("https.").max_length(Some(255))),
            maybe(
                "workflowId",
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::Type::Integer)
                    .enum_values(Some([100, 101, 102, 200, 201, 202]))
                    .description(Some("Only 201 is sure to capture a facemap.")),
            ),
            maybe("presets", list("One.", preset)),
            maybe("locale", text("The language of Jumio's page.")),
            maybe("tokenLifetimeInMinutes", super::words::LifetimeMinutes::schema()),
        ],
    )
}

fn enrollment(state: &str) -> Value {
    json!({
        "enrollmentTransactionReference": REFERENCE, "userReference": "customer-7", "state": state, "since": NOON,
        "current": state == "ready", "origin": "started", "createdAt": NOON, "hold": false,
    })
}

fn authentication() -> Vec<Route> {
    let tag = "Re-authentication";
    let mut initiated = authentication_example("initiated");
    initiated["deduplicated"] = false.into();
    let mut again = initiated.clone();
    again["deduplicated"] = true.into();
    vec![
        post("/v1/authentications", "initiateAuthentication", May::App)
            .about(
                tag,
                "Initiates an authentication, or gives out the one that is open",
                "Within Jumio's window of 15 minutes the same request gets the same transaction.",
            )
            .body::<authentications::Wanted>(&json!({
                "userReference": "customer-7", "channel": "web", "successUrl": "https://www.example.com/ok",
                "requestReference": "payment-4711",
            }))
            .answers(200, "It was open already.", "InitiatedAuthentication", &again)
            .answers(201, "Jumio has created it.", "InitiatedAuthentication", &initiated)
            .problems(&[
                "unknown-enrollment",
                "not-ready",
                "not-eligible",
                "awaiting-release",
                "authentication-open",
                "purged",
                "too-many-attempts",
                "recovering",
                "in-progress",
            ])
            .problems(JUMIO),
        get("/v1/authentications", "listAuthentications", May::App)
            .about(
                tag,
                "Lists authentications",
                "Of one user, oldest first; or, for operators, everybody's in one state.",
            )
            .query::<authentications::ListQuery>()
            .answers_with(
                200,
                "A page.",
                page("Authentication"),
                &json!({ "items": [authentication_example("passed")], "nextCursor": null }),
            ),
        get("/v1/authentications/{id}", "getAuthentication", May::App)
            .about(tag, "Shows one authentication; waits for its result if asked to", "")
            .query::<authentications::WaitQuery>()
            .answers(200, "Where it stands.", "Authentication", &authentication_example("passed"))
            .problems(&["unknown-authentication"]),
        redeem(tag),
    ]
}

fn redeem(tag: &str) -> Route {
    post("/v1/authentications/{id}/redeem", "redeemAuthentication", May::App)
        .about(
            tag,
            "Accepts a result, once",
            "The way to accept a result: that a browser came back to `successUrl` proves nothing.",
        )
        .body::<authentications::Redeem>(
            &json!({ "userReference": "customer-7", "requestReference": "payment-4711" }),
        )
        .answers(200, "This person has passed.", "Authentication", &authentication_example("passed"))
        .problems(&[
            "unknown-authentication",
            "not-passed",
            "already-redeemed",
            "result-too-old",
            "request-reference-differs",
            "audit-unavailable",
        ])
}

fn authentication_example(state: &str) -> Value {
    json!({
        "authenticationId": ID, "authenticationTransactionReference": REFERENCE, "channel": "web", "state": state,
        "enrollmentTransactionReference": REFERENCE, "userReference": "customer-7", "createdAt": NOON, "initiatedAt": NOON,
        "windowEndsAt": "2027-01-31T12:15:00Z", "requestReference": "payment-4711",
    })
}

fn link() -> Vec<Route> {
    let tag = "Links";
    let of = |state: &str| {
        json!({
            "linkId": ID, "url": "https://vault.example.com/r/…", "expiresAt": "2027-02-03T12:00:00Z", "state": state,
            "userReference": "customer-7", "purpose": "Confirm your new phone", "createdAt": NOON, "authentications": [],
        })
    };
    let mut withdrawn = of("withdrawn");
    withdrawn.as_object_mut().map(|link| link.remove("url"));
    let unlocked = json!({ "userReference": "customer-7", "forgiven": 5, "wasLocked": true });
    vec![
        post("/v1/links", "createLink", May::App)
            .about(
                tag,
                "Makes a link",
                "Nothing is asked of Jumio before the person presses the button behind it.",
            )
            .body::<links::Wanted>(
                &json!({ "userReference": "customer-7", "purpose": "Confirm your new phone" }),
            )
            .answers(201, "The link.", "Link", &of("open"))
            .problems(&[
                "unknown-enrollment",
                "not-ready",
                "not-eligible",
                "awaiting-release",
                "purged",
                "audit-unavailable",
            ]),
        get("/v1/links/{id}", "getLink", May::App)
            .about(tag, "Shows one link with its authentications", "")
            .answers(200, "Where it stands.", "Link", &of("open"))
            .problems(&["unknown-link"]),
        delete("/v1/links/{id}", "withdrawLink", May::App)
            .about(
                tag,
                "Withdraws a link",
                "It opens nothing from now on. One that is completed or expired stays so.",
            )
            .answers(200, "Where it stands.", "Link", &withdrawn)
            .problems(&["unknown-link", "audit-unavailable"]),
        post("/v1/users/{user}/unlock", "unlockUser", May::Operator)
            .about(tag, "Forgives a user's attempts, after too-many-attempts", "")
            .answers(200, "What was forgiven.", "Unlocked", &unlocked)
            .problems(&["unknown-user", "audit-unavailable"]),
    ]
}

//! What the service answers about people, links, callbacks, events and itself.

use super::shape::{
    Shape, always, anything, count, digits, either, flag, list, map, maybe, named, object, or_null, spelled,
    text, time, uuid, word,
};
use ingest::CallbackOutcome;
use jumio::Warning;
use model::{EnrollmentOrigin, LinkState};
use notify::EventKind;
use register::IneligibleReason;

/// By name.
pub(super) fn all() -> Vec<(&'static str, Shape)> {
    vec![
        ("Problem", problem()),
        ("Enrollment", enrollment()),
        ("StartedVerification", started_verification()),
        ("Authentication", authentication(&[])),
        ("InitiatedAuthentication", authentication(&["deduplicated"])),
        ("Link", link()),
        ("Unlocked", unlocked()),
        ("Callback", callback()),
        ("ReplayedCallbacks", replayed_callbacks()),
        ("Event", event()),
        ("Count", counted("How many, up to 100 000, and since when the oldest.")),
        ("Status", super::status_answer::status()),
        ("Readiness", readiness()),
    ]
}

fn problem() -> Shape {
    let violation = object(
        "A place and its rule.",
        [always("pointer", text("RFC 6901.")), always("detail", text("The rule."))],
    );
    object(
        "A refusal (RFC 9457).",
        [
            always("type", text("").pattern(Some("^urn:facemap-vault:problem:[a-z-]+$"))),
            always("title", text("The status in words.")),
            always("status", count("The HTTP status.")),
            always("code", text("What programs go by.")),
            always("detail", text("What happened, and what to do.")),
            maybe("errors", list("Everything that is wrong with the request.", violation)),
            maybe("state", text("Where it stands.")),
            maybe("reasons", list("The conditions that failed.", reason())),
            maybe("openAuthentication", named("Authentication")),
            maybe("differs", list("Parameters that differ from the open one's.", text(""))),
            maybe("jumioStatus", count("Jumio's HTTP status.")),
            maybe("limit", word("Of what there were too many.", ["attempts", "replacements"])),
            maybe("total", count("How many it is now.")),
            maybe("confirmAbove", count("From how many on a confirmation is needed.")),
            maybe("answeredStatus", count("The status that the first request was answered with.")),
        ],
    )
}

fn reason() -> Shape {
    use IneligibleReason as R;
    let all = [
        R::VerificationStatus,
        R::Similarity,
        R::Validity,
        R::FacemapMissing,
        R::UserReferenceDiffers,
        R::UserReferenceMissing,
    ];
    word("A condition that does not hold.", spelled(&all)).into()
}

pub(super) fn origin() -> Shape {
    word("How it came here.", EnrollmentOrigin::ALL.iter().map(|origin| origin.as_str())).into()
}

pub(super) fn reasons() -> Shape {
    list("The conditions that failed, when ineligible.", reason()).into()
}

fn enrollment() -> Shape {
    object(
        "An onboarding and its facemap; never the facemap itself.",
        [
            maybe("enrollmentTransactionReference", named("EnrollmentReference")),
            maybe("userReference", named("UserReference")),
            maybe("customerInternalReference", text("The company's own reference of the transaction.")),
            always("state", named("EnrollmentState")),
            always("since", time("Since when.")),
            always("current", flag("Whether its user is re-authenticated with it.")),
            always("origin", origin()),
            always("createdAt", time("When it was first heard of.")),
            maybe("reasons", reasons()),
            maybe("facemapBytes", count("Bytes of the facemap.")),
            maybe("vaultedAt", time("When the facemap became durable here.")),
            maybe("onboardedAt", time("When the person was onboarded, where that was said.")),
            maybe("releasedAt", time("When the company released it.")),
            maybe("originalDeletedAt", time("When the original was seen gone at Jumio.")),
            maybe("lastUsedAt", time("When it was last used.")),
            always("hold", flag("Whether a legal hold forbids its destruction.")),
            maybe("replacedBy", uuid("The enrollment that took its place.")),
            maybe("trouble", text("Why it waits or failed, as a code.")),
        ],
    )
}

fn started_verification() -> Shape {
    let warnings =
        [Warning::NoIdentityVerification, Warning::SelfieMayBeUploaded, Warning::WorkflowFromPortal];
    let warning = object(
        "What to know although the request is valid.",
        [always("code", word("", spelled(&warnings))), always("detail", text("The same in words."))],
    );
    object(
        "A transaction at Jumio.",
        [
            always("transactionReference", named("EnrollmentReference")),
            always("redirectUrl", text("Where the person goes. Whoever has it can begin.")),
            always("timestamp", time("When Jumio created it.")),
            always("warnings", list("", warning)),
        ],
    )
}

fn authentication(more: &[&'static str]) -> Shape {
    let more = more.iter().map(|name| always(name, flag("Whether it was open already.")));
    let fields = [
        always("authenticationId", uuid("The vault's id.")),
        maybe("authenticationTransactionReference", uuid("Jumio's reference, once there is one.")),
        maybe("redirectUrl", text("Jumio's page, for the web channel, while it can be used.")),
        maybe("redirectUrlExpiresAt", time("When that page stops working.")),
        maybe("enrollmentTransactionReference", named("EnrollmentReference")),
        maybe("userReference", named("UserReference")),
        always("channel", named("Channel")),
        always("state", named("AuthenticationState")),
        always("createdAt", time("When the vault was asked.")),
        maybe("initiatedAt", time("When Jumio created it.")),
        maybe("windowEndsAt", time("When Jumio drops the facemap.")),
        maybe("completedAt", time("When the result was confirmed.")),
        maybe("redeemedAt", time("When the result was redeemed.")),
        maybe("requestReference", text("The company's reference of the request.")),
        maybe("refusedStatus", count("Jumio's HTTP status, when refused.")),
    ];
    object("A comparison of a person with the facemap of the onboarding.", fields.into_iter().chain(more))
}

fn link() -> Shape {
    let led_to = object(
        "A transaction that it led to.",
        [
            always("authenticationId", uuid("The vault's id.")),
            always("state", named("AuthenticationState")),
            always("createdAt", time("When the button was pressed for it.")),
            maybe("completedAt", time("When its result was confirmed.")),
        ],
    );
    object(
        "A link to send to a person.",
        [
            always("linkId", uuid("The vault's id.")),
            maybe("url", text("What to send, as long as it opens anything. Whoever has it can press.")),
            always("expiresAt", time("When it ends.")),
            always("state", link_state()),
            always("userReference", named("UserReference")),
            maybe("purpose", text("What it is for.")),
            maybe("requestReference", text("The company's reference of the request.")),
            always("createdAt", time("When it was asked for.")),
            maybe("pressedAt", time("When it was first pressed.")),
            always("authentications", list("Oldest first.", led_to)),
        ],
    )
}

pub(super) fn link_state() -> Shape {
    word("Where it stands.", LinkState::ALL.iter().map(|state| state.as_str())).into()
}

fn unlocked() -> Shape {
    object(
        "What was forgiven.",
        [
            always("userReference", named("UserReference")),
            always("forgiven", count("Attempts.")),
            always("wasLocked", flag("Whether somebody had been refused because of them.")),
        ],
    )
}

fn callback() -> Shape {
    use CallbackOutcome as O;
    let outcomes = [
        O::Received,
        O::AlreadyKnown,
        O::Adopted,
        O::Tombstone,
        O::Followed,
        O::Foreign,
        O::WrongToken,
        O::Malformed,
    ];
    object(
        "A callback of Jumio's, without what it says.",
        [
            always("callbackId", uuid("The vault's id.")),
            always("state", named("CallbackState")),
            always("receivedAt", time("When it came.")),
            maybe("source", text("The address that it came from.")),
            always(
                "token",
                word("Whose token it came with.", ["portal", "none", "verification", "authentication"]),
            ),
            maybe("about", named("Pseudonym")),
            maybe("outcome", word("What became of it.", outcomes.map(CallbackOutcome::as_str))),
            maybe("settledAt", time("When it was judged.")),
            always("unknownValues", count("Fields or values in it that this version does not know.")),
            always("replayable", flag("Whether its body is still here, so that it can be judged again.")),
            maybe("attempts", count("How often it was tried before it was given up.")),
            maybe("trouble", text("Why it was given up, as a code.")),
        ],
    )
}

fn replayed_callbacks() -> Shape {
    object(
        "What came of the order.",
        [
            always("replayed", count("Those that are judged once more.")),
            always("bodyGone", count("Those whose body is gone: they stay as they are.")),
            always("more", flag("Whether there may be more: a thousand are done at a time.")),
        ],
    )
}

fn event() -> Shape {
    let delivery = object(
        "Where its delivery stands.",
        [
            always(
                "state",
                word("`kept`: nobody receives events.", ["waiting", "delivered", "dead", "kept"]),
            ),
            always("since", time("Since when.")),
            always("attempts", count("How often it was sent.")),
            maybe("nextAttemptAt", time("When it is sent next.")),
            maybe("trouble", text("Why it was not taken.")),
        ],
    );
    object(
        "What happened, as it is sent to the company's backend.",
        [
            always("id", text("As in `webhook-id`.").pattern(Some("^evt_[0-9a-f]{32}$"))),
            always("type", word("What.", EventKind::ALL.iter().map(|kind| kind.as_str()))),
            always("timestamp", time("When.")),
            always("simulated", flag("Whether Jumio is simulated.")),
            always("data", anything("The rest: see docs/events.md.")),
            always("delivery", delivery),
        ],
    )
}

fn counted(about: &str) -> Shape {
    object(about, [always("count", count("")), maybe("oldest", or_null(time("")))])
}

fn readiness() -> Shape {
    object(
        "Whether the service can do its work.",
        [
            always("status", word("", ["ready", "not-ready"])),
            always("reason", or_null(text("The code that a request gets; null when it is ready."))),
            always("simulated", flag("Whether Jumio is simulated.")),
            always("troubles", list("What is wrong, in words.", text(""))),
        ],
    )
}

/// What the book says of an act. `more` are fields beside.
pub(super) fn entry(about: &str, more: Vec<super::shape::Field>) -> Shape {
    let fields = [
        always("at", time("When.")),
        always(
            "part",
            either([
                object("The whole act, or its begin.", [always("kind", word("", ["begin", "note"]))]),
                object(
                    "Its end.",
                    [
                        always("kind", word("", ["finish"])),
                        always("begin", count("The position of its begin.")),
                    ],
                ),
            ]),
        ),
        always("action", text("What, as `purge` or `authentication-posted`.")),
        always("subject", or_null(digits("The pseudonym of whom it is about.", 64))),
        maybe("person", digits("The user's pseudonym beside the enrollment's.", 64)),
        always("actor", actor()),
        always("outcome", or_null(outcome())),
        always("details", map("A few words more.", text(""))),
    ];
    object(about, more.into_iter().chain(fields))
}

pub(super) fn outcome() -> Shape {
    word("How it ended.", ["done", "refused", "failed", "unknown", "interrupted"]).into()
}

pub(super) fn actor() -> Shape {
    object(
        "By whom.",
        [
            always("kind", word("", ["system", "callback", "link", "operator", "token"])),
            maybe("id", text("The token's public id.")),
            maybe("name", text("The name that the operator gave it, or its role.")),
        ],
    )
}

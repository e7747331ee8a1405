//! What the service answers about one person.

use super::{
    answers::{actor, entry, link_state, origin, outcome, reasons},
    custody_answers::places,
    shape::{Shape, always, count, digits, flag, list, maybe, named, object, or_null, text, time, uuid},
};

pub(super) fn dossier() -> Shape {
    let callbacks = object(
        "Callbacks of Jumio's.",
        [
            always("count", count("")),
            always("times", list("", time(""))),
            always("complete", flag("Whether every callback was looked at that is still kept.")),
        ],
    );
    let cut = object(
        "Which lists are not whole.",
        [
            always("enrollments", flag("")),
            always("authentications", flag("")),
            always("links", flag("")),
            always("entries", flag("")),
            always("damaged", flag("Something could not be read.")),
        ],
    );
    object(
        "Everything about one person.",
        [
            always("userReference", named("UserReference")),
            always("subject", named("Pseudonym")),
            always("at", time("")),
            always("enrollments", list("", enrollment())),
            always("authentications", list("", authentication())),
            always("links", list("", link())),
            always("attempts", list("When the person was sent to Jumio lately.", time(""))),
            always("disclosures", list("", disclosure())),
            always("callbacks", callbacks),
            always("entries", list("", entry("An entry of the book.", places(false)))),
            always("cut", cut),
        ],
    )
}

fn enrollment() -> Shape {
    object(
        "An onboarding.",
        [
            always("subject", named("Pseudonym")),
            maybe("enrollmentTransactionReference", named("EnrollmentReference")),
            maybe("customerInternalReference", text("")),
            always("state", named("EnrollmentState")),
            always("since", time("")),
            always("origin", origin()),
            always("createdAt", time("")),
            maybe("reasons", reasons()),
            maybe("facemapBytes", count("")),
            maybe("onboardedAt", time("")),
            maybe("vaultedAt", time("")),
            maybe("releasedAt", time("")),
            maybe("originalDeletedAt", time("")),
            maybe("lastUsedAt", time("")),
            maybe("replacedBy", named("Pseudonym")),
            maybe("hold", named("Hold")),
            maybe("purge", named("Purge")),
        ],
    )
}

fn authentication() -> Shape {
    object(
        "A use.",
        [
            always("authenticationId", uuid("")),
            maybe("authenticationTransactionReference", uuid("")),
            always("enrollment", named("Pseudonym")),
            maybe("requestReference", text("")),
            always("channel", named("Channel")),
            always("state", named("AuthenticationState")),
            always("createdAt", time("")),
            maybe("initiatedAt", time("")),
            maybe("completedAt", time("")),
            maybe("redeemedAt", time("")),
        ],
    )
}

fn link() -> Shape {
    object(
        "A link that was made for the person.",
        [
            always("linkId", uuid("")),
            always("state", link_state()),
            maybe("purpose", text("")),
            maybe("requestReference", text("")),
            always("createdAt", time("")),
            always("expiresAt", time("")),
            maybe("pressedAt", time("")),
            always("authentications", list("", uuid(""))),
        ],
    )
}

fn disclosure() -> Shape {
    object(
        "A facemap that was handed to Jumio, as the book says.",
        [
            always("at", time("")),
            always("position", count("")),
            always("enrollment", or_null(digits("", 64))),
            maybe("authenticationId", uuid("")),
            always("actor", actor()),
            maybe("outcome", outcome()),
        ],
    )
}

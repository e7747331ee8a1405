//! Every code that a refusal can have, with its status and what it asks of the caller: the one list, which the service
//! holds itself to in debug builds.

/// A code.
pub(crate) struct Code {
    pub(crate) word: &'static str,
    pub(crate) status: u16,
    pub(crate) meaning: &'static str,
}

const fn code(status: u16, word: &'static str, meaning: &'static str) -> Code {
    Code { word, status, meaning }
}

/// The list, by status.
pub(crate) const CODES: &[Code] = &[
    code(
        400,
        "idempotency-key-invalid",
        "the header must be given once and have 1 to 255 printable ASCII characters",
    ),
    code(400, "invalid-request", "`errors` names each place and its rule; nothing was done"),
    code(401, "unauthorized", "send a valid token"),
    code(403, "forbidden", "the token's role is not enough"),
    code(404, "no-rewrap", "nobody has ordered a rewrap yet"),
    code(404, "not-found", "there is nothing at this address"),
    code(404, "unknown-authentication", "no authentication has this id or reference"),
    code(404, "unknown-batch", "no batch has this id"),
    code(404, "unknown-callback", "no callback has this id, or it was removed 30 days after it came"),
    code(404, "unknown-enrollment", "no enrollment has this reference, or it is another user's"),
    code(404, "unknown-event", "no event has this id"),
    code(404, "unknown-key", "no wrapping key has this id"),
    code(404, "unknown-link", "no link has this id"),
    code(404, "unknown-purge", "no order to purge has this id"),
    code(404, "unknown-user", "no user has this reference"),
    code(408, "request-timeout", "the body did not arrive in time; nothing was done"),
    code(409, "already-redeemed", "the result was accepted before"),
    code(409, "attestation-required", "Jumio no longer has the transaction: send X-Attestation"),
    code(
        409,
        "authentication-open",
        "`openAuthentication` is open with other parameters, which `differs` names",
    ),
    code(409, "awaiting-release", "release the enrollment first"),
    code(409, "backup-running", "another backup is under way"),
    code(409, "batch-over", "it has come to its end, or is about to"),
    code(
        409,
        "callback-body-gone",
        "it was judged, or kept for too long: nothing is left to be judged again",
    ),
    code(409, "confirmation-invalid", "the confirmToken is of another order, or older than an hour"),
    code(409, "confirmation-needed", "so many need confirmToken and expectTotal of a dry run"),
    code(409, "content-differs", "another facemap is held under this reference"),
    code(409, "held", "a legal hold forbids it"),
    code(
        409,
        "idempotency-answer-not-kept",
        "it was done, and its answer was too large to keep; look up what came of it",
    ),
    code(409, "idempotency-key-in-use", "the first request with this key is still being carried out"),
    code(
        409,
        "idempotency-outcome-unknown",
        "the service was interrupted; look what came of it, then use a new key",
    ),
    code(409, "key-needed", "something still lies under this key"),
    code(409, "no-receiver", "no receiver of events is configured"),
    code(409, "not-comparable", "Jumio shows only a part of the transaction"),
    code(409, "not-due", "retention: its time is not over"),
    code(409, "not-eligible", "`reasons` names the conditions that failed"),
    code(409, "not-passed", "only a passed result can be redeemed; `state` says what it is"),
    code(409, "not-ready", "`state` says where it stands; come back"),
    code(409, "nothing-to-allow", "the sweep has not stopped itself"),
    code(409, "nothing-to-purge", "the order is about nobody who could be destroyed now"),
    code(409, "recovery-not-acknowledged", "read what was lost, then acknowledge it"),
    code(409, "refused", "`detail` says what stands against it"),
    code(
        409,
        "replacement-needs-proof",
        "needs a PASSED against the old enrollment within 24 hours, or an admin",
    ),
    code(409, "replaces-not-current", "`replaces` does not name the user's current enrollment"),
    code(409, "request-reference-differs", "it was made for another request"),
    code(409, "result-too-old", "it passed too long ago to be redeemed"),
    code(409, "total-differs", "`total` is what it is now"),
    code(409, "user-reference-differs", "the transaction is known for another user"),
    code(410, "events-lost", "the cursor is of an outbox that is no more; begin anew"),
    code(410, "purged", "it was destroyed; nothing brings it back"),
    code(411, "length-required", "send Content-Length"),
    code(413, "too-large", "the body is larger than allowed"),
    code(415, "unsupported-media-type", "send application/json"),
    code(422, "idempotency-key-reused", "the key came with another request before"),
    code(429, "jumio-budget", "Jumio's limit is reached; nothing was sent"),
    code(
        429,
        "too-many-attempts",
        "`limit` says of what: `attempts` of the user, which an unlock forgives; `replacements` of what is open, more than \
         3 an hour, which only time cures",
    ),
    code(500, "damaged", "a stored record is damaged; nothing was given out"),
    code(500, "internal", "the answer could not be made"),
    code(500, "not-written", "a file could not be written"),
    code(502, "jumio-refused", "`jumioStatus` is Jumio's answer"),
    code(503, "audit-unavailable", "the audit log cannot be written, so it was not done"),
    code(503, "in-progress", "somebody else is just doing it; repeat"),
    code(503, "jumio-unavailable", "Jumio does not answer; nothing was done"),
    code(503, "keys-unavailable", "the key provider is away"),
    code(503, "recovering", "after a rebuild or restore: wait for one window"),
    code(503, "starting", "the vault is being opened"),
    code(503, "stopping", "the service is stopping"),
    code(503, "store-unavailable", "the store cannot be read or written"),
    code(
        504,
        "outcome-unknown",
        "nobody knows whether Jumio did it; repeats get the same until it is settled",
    ),
];

/// The code of this name.
pub(crate) fn find(name: &str) -> Option<&'static Code> {
    CODES.iter().find(|code| code.word == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_stands_once_and_in_order() {
        assert!(CODES.is_sorted_by(|a, b| (a.status, a.word) < (b.status, b.word)));
        let mut names: Vec<_> = CODES.iter().map(|code| code.word).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), CODES.len());
    }
}

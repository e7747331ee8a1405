//! What the service answers about purges, holds, retention, the book, keys, checks and backups.

use super::{
    answers::entry,
    shape::{
        Shape, always, count, digits, either, flag, jws, list, maybe, named, object, or_null, seconds, text,
        time, uuid, word,
    },
};

/// By name.
pub(super) fn all() -> Vec<(&'static str, Shape)> {
    vec![
        ("Purge", purge()),
        ("PurgePlan", purge_plan()),
        ("OrderedPurge", object("The order.", [always("purgeId", digits("Its id.", 32))])),
        ("PurgeOrder", purge_order()),
        ("PurgeItem", purge_item()),
        ("Hold", hold()),
        ("DueEnrollment", due_enrollment()),
        ("RetentionStatus", retention_status()),
        ("AuditEntry", entry("An entry of the book.", places(true))),
        ("AuditHead", object("Where the book ends.", places(true))),
        ("Dossier", super::dossier_answer::dossier()),
        ("Keys", keys()),
        ("RotatedKey", rotated_key()),
        ("Rewrap", rewrap()),
        ("ReceiptKey", receipt_key()),
        ("IntegrityCheck", integrity_check()),
        ("Backup", backup()),
        ("Acknowledged", acknowledged()),
    ]
}

pub(super) fn places(with_link: bool) -> Vec<super::shape::Field> {
    let mut fields = vec![
        always("epoch", count("A rebuild begins a new one.")),
        always("position", count("Its place in the chain.")),
    ];
    if with_link {
        fields.push(always("link", digits("Binds it to everything before it.", 64)));
    }
    fields
}

fn jumio_deletion() -> Shape {
    word("Whether what Jumio had is deleted there.", ["pending", "done", "incomplete"]).into()
}

fn purge() -> Shape {
    object(
        "A purge. The same for every call about the same enrollment, until Jumio's deletion is done.",
        [
            always("state", named("EnrollmentState")),
            always("subject", named("Pseudonym")),
            maybe("purgedAt", time("When it was destroyed here.")),
            always("jumioDeletion", jumio_deletion()),
            maybe(
                "jumioDeletedAt",
                time("When the last of it was, where Jumio said of any of it that it deleted it."),
            ),
            maybe("jumioTrouble", text("Why it is not done, as a code, once it was given up.")),
            maybe("receipt", jws("The signed receipt.")),
            maybe("jumioReceipt", jws("The second signed statement, where Jumio's deletion came later.")),
        ],
    )
}

fn purge_plan() -> Shape {
    let planned = object(
        "One of them.",
        [
            maybe("enrollmentTransactionReference", named("EnrollmentReference")),
            maybe("userReference", named("UserReference")),
            always("state", named("EnrollmentState")),
            maybe("vaultedAt", time("")),
            maybe("lastUsedAt", time("")),
            always("held", flag("Whether a hold keeps it.")),
        ],
    );
    object(
        "Whom an order would be about. Nothing is done.",
        [
            always("total", count("Those that would be destroyed.")),
            always("held", count("Those that a hold keeps.")),
            always("alreadyPurged", count("Those that are destroyed already.")),
            always("unknown", list("References that nothing is known under.", uuid(""))),
            always("enrollments", list("The first hundred.", planned)),
            always("complete", flag("Whether the list is whole.")),
            always("confirmToken", text("To be sent with the order, within the hour.")),
            always("confirmUntil", time("")),
        ],
    )
}

fn purge_order() -> Shape {
    object(
        "An order to purge many.",
        [
            always("purgeId", digits("Its id.", 32)),
            always("state", word("Where it stands.", ["ordering", "running", "done"])),
            always("criterion", text("By what they were chosen.")),
            always("reason", named("PurgeReason")),
            maybe("caseReference", named("CaseReference")),
            always("orderedAt", time("")),
            maybe("finishedAt", time("")),
            always("total", count("Enrollments that it is about.")),
            always("done", count("Those that are destroyed.")),
            always("doneByOthers", count("Those that were destroyed meanwhile on other orders.")),
            always("held", count("Those that were left because of a hold.")),
            always("notDue", count("Those of whom the criterion was not true any more.")),
            always("failed", count("Those that could not be destroyed.")),
            always("jumioDeletion", jumio_deletion()),
            always("jumioPending", count("Those of whom Jumio still has something.")),
            maybe("receipt", jws("The signed receipt of the order.")),
            maybe("jumioReceipt", jws("The second signed statement, where Jumio's deletions came later.")),
        ],
    )
}

fn purge_item() -> Shape {
    object(
        "One of those that an order is about.",
        [
            always("subject", named("Pseudonym")),
            always("state", word("", ["pending", "done", "done-by-other", "held", "not-due", "failed"])),
            maybe("trouble", text("Why it could not be destroyed, as a code.")),
            maybe("receipt", jws("Its own signed receipt.")),
            maybe("jumioReceipt", jws("")),
        ],
    )
}

fn hold() -> Shape {
    object(
        "A legal hold: no purge and no retention meanwhile.",
        [
            maybe("caseReference", named("CaseReference")),
            maybe("until", time("When it ends by itself.")),
            maybe("setAt", time("")),
        ],
    )
}

fn due_enrollment() -> Shape {
    object(
        "An enrollment whose time is over then.",
        [
            maybe("enrollmentTransactionReference", named("EnrollmentReference")),
            maybe("userReference", named("UserReference")),
            always("subject", named("Pseudonym")),
            always("state", named("EnrollmentState")),
            always("why", word("", ["age", "idle"])),
            always("dueAt", time("Since when its time is over, or will be.")),
            maybe("vaultedAt", time("")),
            maybe("onboardedAt", time("")),
            maybe("lastUsedAt", time("")),
            maybe("hold", named("Hold")),
        ],
    )
}

fn retention_status() -> Shape {
    let states = [
        "off",
        "waiting",
        "counting",
        "destroying",
        "stopped",
        "clock-jumped",
        "clock-differs",
        "clock-unknown",
        "recovering",
    ];
    object(
        "Where the sweep stands.",
        [
            always(
                "state",
                word(
                    "`stopped`: more are due than may be destroyed in a day; an admin has to allow it.",
                    states,
                ),
            ),
            maybe("since", time("")),
            always("total", count("Enrollments with a facemap, at the last count.")),
            always("due", count("Those whose time was over, without a hold.")),
            always("held", count("Those whose time was over, and that a hold keeps.")),
            always("destroyedLately", count("Destroyed by itself within the last 24 hours.")),
            always("limit", count("How many that may be without asking.")),
            always("allowed", count("How many more an admin has allowed.")),
            always("failed", count("Those that could not be destroyed.")),
            maybe("finishedAt", time("When a round last came to its end.")),
            maybe("clockDiffersSeconds", count("By how much the clock differs from Jumio's.")),
        ],
    )
}

fn keys() -> Shape {
    let wrapping = object(
        "A key of the provider's, under which others lie.",
        [
            always("kind", word("", ["wrapping"])),
            always("id", digits("", 16)),
            always("active", flag("Whether it wraps what is new.")),
            always("present", flag("Whether the provider has it.")),
            always("slots", count("Slots whose data key lies under it.")),
            always("heldKeys", flag("Whether held keys lie under it.")),
        ],
    );
    let held = object(
        "A key that this vault was made with.",
        [
            always("kind", word("", ["held"])),
            always("id", digits("", 16)),
            always("use", text("What it is for.")),
        ],
    );
    object(
        "All keys: ids and counts, never a key.",
        [
            always("provider", text("")),
            always("items", list("Wrapping keys first.", either([wrapping, held]))),
        ],
    )
}

fn rotated_key() -> Shape {
    object(
        "A new wrapping key.",
        [
            always("id", digits("The new key, which wraps what is new from now on.", 16)),
            always("previous", digits("Still needed for what lies under it.", 16)),
            always("heldKeysRewrapped", flag("Whether the held keys lie under the new one already.")),
        ],
    )
}

fn rewrap() -> Shape {
    object(
        "How far a rewrap is.",
        [
            always("state", word("", ["running", "done", "incomplete", "failed"])),
            always("key", digits("The key under which everything is to lie.", 16)),
            always("done", count("Slots that it brought there.")),
            always("total", count("Slots that were to be brought there.")),
            always("damaged", count("Slots whose wrapped key does not open.")),
            always("startedAt", time("")),
            maybe("finishedAt", time("")),
        ],
    )
}

fn receipt_key() -> Shape {
    object(
        "The key to check receipts with (JWK, RFC 8037).",
        [
            always("kty", word("", ["OKP"])),
            always("crv", word("", ["Ed25519"])),
            always("kid", digits("", 16)),
            always("x", text("The public key.")),
            always("alg", word("", ["EdDSA"])),
            always("use", word("", ["sig"])),
        ],
    )
}

fn integrity_check() -> Shape {
    let finding = object(
        "Something that is wrong.",
        [
            always("kind", text("As a code.")),
            always("what", text("In words.")),
            always("do", text("What to do.")),
        ],
    );
    let counts = object(
        "How much was looked at.",
        [
            always("records", count("")),
            always("slots", count("")),
            always("contents", count("")),
            always("auditEntries", count("")),
            always("contentBytes", count("")),
        ],
    );
    let report = object(
        "What it came to.",
        [
            always("clean", flag("Whether nothing is wrong.")),
            always("findings", list("The first thousand.", finding)),
            always("found", count("How many in all.")),
            always("information", list("What is under way, and no damage.", text(""))),
            always("counts", counts),
            always("seconds", seconds("How long it took.")),
        ],
    );
    let null: Shape = utoipa::openapi::ObjectBuilder::new().schema_type(utoipa::openapi::Type::Null).into();
    let progress =
        utoipa::openapi::ArrayBuilder::new().description(Some("A stage, how much is done, of how much."));
    object(
        "The last check.",
        [
            always("checkId", count("0: none since the start.")),
            always("state", word("", ["none", "running", "done", "failed"])),
            always("progress", either([progress.build().into(), null.clone()])),
            always("report", either([report, null])),
            always("error", or_null(text("Why it could not be done."))),
        ],
    )
}

fn backup() -> Shape {
    let part = object(
        "A file.",
        [always("name", text("")), always("bytes", count("")), always("sha256", digits("", 64))],
    );
    let manifest = object(
        "What the backup is of.",
        [
            always("format", count("")),
            always("backup", digits("Which backup.", 32)),
            always("vault", text("Which vault.")),
            always("epoch", count("")),
            always("simulated", flag("")),
            always("createdAt", time("")),
            always(
                "auditHead",
                object("Where the book ended.", places(false).into_iter().chain([always("link", text(""))])),
            ),
            always("rows", count("")),
            always("contents", count("")),
            always("contentBytes", count("")),
            always("withSlots", flag("Without slots it restores no facemap.")),
            always("parts", list("", part)),
        ],
    );
    object(
        "A backup, durable.",
        [always("manifest", manifest), always("warning", or_null(text("Said where it has no slots.")))],
    )
}

fn acknowledged() -> Shape {
    object(
        "Purges and retention go on.",
        [
            always("acknowledged", word("", ["nothing", "before", "now"])),
            always("since", or_null(time("Since when it was to be acknowledged."))),
            always("acknowledgedAt", or_null(time(""))),
        ],
    )
}

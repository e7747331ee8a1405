//! Purges as the company, its auditor and a thief of the disk see them.

use crate::house::{House, Role, below};
use powercut::Disk;
use sandbox::{AuthenticationResult, Endpoint, Judgement, ResultOrder};
use serde_json::{Value, json};
use std::{
    collections::HashSet,
    fs,
    path::Path,
    process::{Command, Output},
};

/// What a facemap of these tests begins with.
const MARKER: &[u8] = b"THIS-IS-THE-FACE-OF-INES-";
/// A name that is in the raw callback and nowhere else.
const NAME: &str = "Ines-Maria-Unmistakable";
/// Bytes that are searched for as one piece.
const WINDOW: usize = 32;

/// The command line, against the running vault.
fn cli(house: &House, role: Role, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_facemap-vault"))
        .args(args)
        .env_clear()
        .env("FACEMAP_VAULT_URL", house.api(""))
        .env("FACEMAP_VAULT_TOKEN", house.token(role))
        .output()
        .unwrap()
}

async fn purge(house: &House, reference: &str) -> crate::house::Answer {
    let path = format!("/v1/enrollments/{reference}?reason=erasure-request&caseReference=case-7");
    house.ask(Role::Admin, house.http.delete(house.api(&path))).await
}

/// A receipt and the public key as files, and what the command says to them.
fn check(house: &House, receipt: impl AsRef<[u8]>, key: &Value) -> Output {
    let (file, public) = (house.dir.join("receipt.jws"), house.dir.join("vault.jwk"));
    fs::write(&file, receipt).unwrap();
    fs::write(&public, key.to_string()).unwrap();
    Command::new(env!("CARGO_BIN_EXE_facemap-vault"))
        .args(["receipt", "check", file.to_str().unwrap(), "--output", "json", "--public-key"])
        .arg(public)
        .env_clear()
        .output()
        .unwrap()
}

/// What the receipt says of the book is found there by what it says alone.
async fn in_the_book(house: &House, statement: &Value) {
    let find = async |query: String| {
        let found = house.ask(Role::Auditor, house.http.get(house.api(&format!("/v1/audit?{query}")))).await;
        assert_eq!(found.status, 200, "{query}: {}", found.text);
        found.body["items"].as_array().unwrap().clone()
    };
    let (subject, begin) = (&statement["subject"], &statement["audit"]["begin"]);
    let at = find(format!("position={begin}")).await;
    assert_eq!((at.len(), &at[0]["position"], &at[0]["subject"]), (1, begin, subject), "{at:?}");
    assert_eq!((&at[0]["action"], &at[0]["part"]["kind"]), (&json!("purge"), &json!("begin")));
    let about = find(format!("subject={}", subject.as_str().unwrap())).await;
    assert!(about.contains(&at[0]) && about.iter().all(|entry| entry["subject"] == *subject), "{about:?}");
    assert!(find(format!("position={begin}&subject={}", "0".repeat(64))).await.is_empty(), "not theirs");
    let both = format!("/v1/audit?userReference=x&subject={}", subject.as_str().unwrap());
    let refused = house.ask(Role::Auditor, house.http.get(house.api(&both))).await;
    assert_eq!(refused.code(), (400, "invalid-request"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purged_person_is_gone_for_good_and_the_receipt_proves_it_offline() {
    let house = House::new().await;
    let (ines, _) = house.enrolled("user-ines", b"the face of ines").await;
    let (malik, _) = house.enrolled("malik", b"the face of malik").await;
    let used = house.authenticate("user-ines").await;
    let used = used.str("authenticationTransactionReference").to_owned();
    let passed = ResultOrder::from(AuthenticationResult::Passed);
    house.sandbox.control.authentication_result(&used, passed).await.unwrap();

    for role in [Role::App, Role::Operator, Role::Auditor] {
        let path = format!("/v1/enrollments/{ines}?reason=other");
        let refused = house.ask(role, house.http.delete(house.api(&path))).await;
        assert_eq!(refused.code(), (403, "forbidden"), "{role:?}");
    }
    let purged = purge(&house, &ines).await;
    assert_eq!(purged.status, 200, "{}", purged.text);
    assert_eq!((purged.str("state"), purged.str("jumioDeletion")), ("purged", "done"), "{}", purged.text);
    let again = purge(&house, &ines).await;
    assert_eq!((again.status, again.str("receipt")), (200, purged.str("receipt")));

    // What she had at Jumio is deleted there, and nothing of anybody else.
    let journal = house.journal();
    assert_eq!(journal.count(&used, Endpoint::DeleteAuthentication), 1);
    assert_eq!(journal.count(&malik, Endpoint::DeleteScan), 1, "that of the hand-over");

    // Nothing leads to her any more.
    assert_eq!(house.enrollment(&ines).await.str("state"), "purged");
    let by_reference =
        json!({ "userReference": "user-ines", "enrollmentTransactionReference": ines, "channel": "mobile" });
    assert_eq!(house.post("/v1/authentications", &by_reference).await.code(), (410, "purged"));
    let redeem = json!({ "userReference": "user-ines" });
    let path = format!("/v1/authentications/{used}/redeem");
    assert!(matches!(house.post(&path, &redeem).await.status, 404 | 410));
    assert_eq!(house.announce(&ines, "user-ines").await.code(), (410, "purged"));
    let late = [("callBackType", "NETVERIFYID"), ("jumioIdScanReference", ines.as_str())];
    assert_eq!(house.callback(&late).await, 200);
    house.settles().await;
    let import =
        house.http.put(house.api(&format!("/v1/enrollments/{ines}/facemap?userReference=user-ines")));
    let import =
        house.ask(Role::Admin, import.body("the face of ines").header("X-Attestation", "it is hers")).await;
    assert_eq!(import.code(), (410, "purged"));
    assert_eq!(house.enrollment(&ines).await.str("state"), "purged");
    assert_eq!(house.authenticate("malik").await.status, 201, "others go on");

    // A new onboarding under a new reference is possible.
    let (anew, _) = house.enrolled("user-ines", b"the face of ines, later").await;
    assert_eq!(house.enrollment(&anew).await.body["current"], true);

    let key = house.ask(Role::Auditor, house.http.get(house.api("/v1/receipt-key"))).await.body;
    let receipt = purged.str("receipt").to_owned();
    let told = check(&house, &receipt, &key);
    assert_eq!(told.status.code(), Some(0), "{told:?}");
    let statement: Value = serde_json::from_slice(&told.stdout).unwrap();
    let text = statement.to_string();
    assert!(
        text.contains("case-7") && text.contains("erasure-request") && text.contains("simulated"),
        "{text}"
    );
    in_the_book(&house, &statement).await;
    let no_text = check(&house, [0xff, 0xfe], &key);
    assert_eq!(no_text.status.code(), Some(2), "what is no text is not signed: {no_text:?}");
    for name in ["user-ines", ines.as_str(), used.as_str()] {
        assert!(!text.contains(name), "the receipt names somebody: {text}");
    }
    for place in 0..receipt.len() {
        if place % 37 == 0 {
            let mut bytes = receipt.clone().into_bytes();
            bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
            let told = check(&house, String::from_utf8(bytes).unwrap(), &key);
            assert_eq!(told.status.code(), Some(2), "byte {place}");
        }
    }
    house.tells_nobody(&["user-ines"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_are_purged_only_as_counted() {
    let house = House::with(&[("PURGE__CONFIRM_ABOVE", "2")]).await;
    let mut people = Vec::new();
    for n in 0..4 {
        people.push(house.enrolled(&format!("user-{n}"), b"a face").await.0);
    }
    let order = |more: Value| {
        let mut order = json!({ "enrollments": people, "reason": "retention" });
        order.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        order
    };
    let post = async |body: Value| house.post_as(Role::Admin, "/v1/purges", &body).await;
    assert_eq!(post(json!({ "reason": "other" })).await.status, 400, "without a criterion");
    assert_eq!(
        post(json!({ "reason": "other", "userReference": "a", "vaultedBefore": "2020-01-01T00:00:00Z" }))
            .await
            .status,
        400
    );
    let plan = post(order(json!({ "dryRun": true }))).await;
    assert_eq!((plan.status, &plan.body["total"]), (200, &json!(4)), "{}", plan.text);
    let token = plan.str("confirmToken").to_owned();
    assert_eq!(post(order(json!({}))).await.code(), (409, "confirmation-needed"));
    assert_eq!(post(order(json!({ "expectTotal": 3, "confirmToken": token }))).await.status, 409);
    assert_eq!(
        post(order(json!({ "expectTotal": 4, "confirmToken": "x" }))).await.code(),
        (409, "confirmation-invalid")
    );
    for reference in &people {
        assert_eq!(house.enrollment(reference).await.str("state"), "ready", "nothing was done");
    }
    let file = house.dir.join("refs.txt");
    fs::write(&file, people.join("\n")).unwrap();
    let args = ["purge", "many", "--file", file.to_str().unwrap(), "--reason", "retention"];
    let planned = cli(&house, Role::Admin, &[&args[..], &["--dry-run", "--output", "json"]].concat());
    let planned: Value = serde_json::from_slice(&planned.stdout).unwrap();
    let token = planned["confirmToken"].as_str().unwrap();
    let ordered =
        [&args[..], &["--expect-total", "4", "--confirm-token", token, "--output", "json"]].concat();
    let done = cli(&house, Role::Admin, &ordered);
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    let done: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!((&done["state"], &done["done"]), (&json!("done"), &json!(4)), "{done}");
    let key = house.get("/v1/receipt-key").await.body;
    assert_eq!(check(&house, done["receipt"].as_str().unwrap(), &key).status.code(), Some(0));
    let id = done["purgeId"].as_str().unwrap();
    let items = house.get(&format!("/v1/purges/{id}/items")).await;
    assert_eq!(items.body["items"].as_array().unwrap().len(), 4, "{}", items.text);
    for reference in &people {
        assert_eq!(house.enrollment(reference).await.str("state"), "purged");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_enrollment_is_purged_where_that_is_configured() {
    let house = House::with(&[("INGEST__ON_REPLACEMENT", "purge-previous")]).await;
    let (first, _) = house.enrolled("user-ines", b"the face of ines").await;
    let second = house.onboard("user-ines", Judgement::default()).await;
    house.reaches(&second, "vaulted").await;
    let body = json!({ "replaces": first });
    let released = house.post_as(Role::Admin, &format!("/v1/enrollments/{second}/release"), &body).await;
    assert_eq!(released.status, 200, "{}", released.text);
    house.reaches(&second, "ready").await;
    house.reaches(&first, "purged").await;
    assert_eq!(house.enrollment(&second).await.body["current"], true);
    assert_eq!(house.authenticate("user-ines").await.status, 201, "with the new one");
}

/// Every piece of these bytes that starts on a multiple of its length.
fn pieces(bytes: &[u8]) -> impl Iterator<Item = &[u8; WINDOW]> {
    bytes.as_chunks().0.iter().filter(|piece| piece.iter().collect::<HashSet<_>>().len() > WINDOW / 2)
}

/// How many of these pieces are anywhere in the image.
fn found(image: &Path, wanted: &HashSet<[u8; WINDOW]>) -> usize {
    // A cheap look first, at three bytes: the set is small, the image is not.
    let start =
        |bytes: &[u8]| usize::from(bytes[0]) << 16 | usize::from(bytes[1]) << 8 | usize::from(bytes[2]);
    let mut starts = vec![false; 1 << 24];
    for piece in wanted {
        starts[start(piece)] = true;
    }
    let bytes = fs::read(image).unwrap();
    let windows = bytes.windows(WINDOW).filter(|window| starts[start(window)]);
    let seen: HashSet<_> = windows.filter_map(|window| wanted.get(window)).collect();
    seen.len()
}

/// The secrets and wrapped keys of all slots in use, as they lie on the disk.
fn slot_pieces(slots: &Path) -> HashSet<[u8; WINDOW]> {
    let bytes = fs::read(slots).unwrap();
    let sectors = bytes.as_chunks::<512>().0;
    sectors
        .iter()
        .skip(1)
        .filter(|sector| matches!(sector[8], b'L' | b'P'))
        .flat_map(|sector| pieces(&sector[80..464]))
        .copied()
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_purge_the_raw_disk_holds_nothing_that_opens() {
    let Some(mut disk) = Disk::new_or_explain(96 * 1024 * 1024) else { return };
    let mut house = House::set_up(&[], Some(&disk.path())).await;
    house.start().await;
    let facemap = MARKER.repeat(4000);
    let reference = house.begin("user-ines").await;
    let judgement = Judgement {
        facemap: Some(base64::Engine::encode(&base64::prelude::BASE64_STANDARD, &facemap)),
        send_callback: false,
        ..Judgement::default()
    };
    house.sandbox.control.finish_verification(&reference, judgement).await.unwrap();
    let callback = [
        ("callBackType", "NETVERIFYID"),
        ("jumioIdScanReference", reference.as_str()),
        ("verificationStatus", "APPROVED_VERIFIED"),
        ("idFirstName", NAME),
    ];
    assert_eq!(house.callback(&callback).await, 200);
    house.reaches(&reference, "vaulted").await;
    house.release(&reference).await;
    house.reaches(&reference, "ready").await;
    house.settles().await;

    let content = below(&house.dir.join("data/content")).into_iter().find(|path| path.is_file()).unwrap();
    let ciphertext: HashSet<[u8; WINDOW]> = pieces(&fs::read(content).unwrap()).copied().collect();
    let slots = slot_pieces(&house.dir.join("slots/slots"));
    assert!(ciphertext.len() > 1000 && slots.len() > 2, "{} {}", ciphertext.len(), slots.len());
    sync();
    // The search finds what is there: else what it does not find afterwards would prove nothing.
    assert_eq!(found(&disk.image(), &ciphertext), ciphertext.len());
    assert_eq!(found(&disk.image(), &slots), slots.len());

    assert_eq!(purge(&house, &reference).await.status, 200);
    house.stop().await;
    disk.unmount().unwrap();
    assert_eq!(found(&disk.image(), &ciphertext), 0, "the content's ciphertext is on the raw disk");
    // The facemap's slot and that of the hour in which her callback came: no secret of theirs is left, so whatever was
    // sealed under them, in old segments of the store too, opens under no key of today.
    assert_eq!(found(&disk.image(), &slots), 0, "a slot's secret or wrapped key is on the raw disk");
    let raw = fs::read(disk.image()).unwrap();
    for clear in [MARKER, NAME.as_bytes(), b"user-ines", reference.as_bytes()] {
        assert!(!raw.windows(clear.len()).any(|window| window == clear), "in clear on the raw disk");
    }
}

/// Everything that the kernel still keeps reaches the image.
fn sync() {
    assert!(Command::new("sync").status().unwrap().success());
}

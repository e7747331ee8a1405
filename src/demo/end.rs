//! The end of the story: a hold, new keys, and somebody who wants to be forgotten.

use super::{
    Stage, journal,
    tell::{Tell, say},
};
use sandbox::Endpoint;
use serde_json::{Value, json};
use std::time::Duration;

/// How long new wrapping may take.
const LOOKS: u32 = 200;
const LOOK_EVERY: Duration = Duration::from_millis(50);

pub(super) async fn tell(stage: &Stage, tell: &mut Tell, malik: &str) -> Result<(), String> {
    keys(stage, tell).await?;
    hold(stage, tell, malik).await?;
    purge(stage, tell, malik).await?;
    book(stage, tell).await
}

async fn keys(stage: &Stage, tell: &mut Tell) -> Result<(), String> {
    tell.chapter("The wrapping key is changed");
    let rotated = stage.backend.post("/v1/keys/rotate", &json!({})).await?;
    tell.check(rotated.status == 201, "a new key wraps whatever is new");
    stage.backend.post("/v1/keys/rewrap", &json!({})).await?;
    let mut seen = Value::Null;
    for _ in 0..LOOKS {
        seen = stage.backend.get("/v1/keys/rewrap").await?.body;
        if seen["state"] != "running" {
            break;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    tell.check(seen["state"] == "done", "and every slot is wrapped anew");
    let previous = rotated.text("previous").to_owned();
    let removed = stage.backend.delete(&format!("/v1/keys/{previous}")).await?;
    tell.check(removed.status == 204, "so the old key can go");
    Ok(())
}

async fn hold(stage: &Stage, tell: &mut Tell, malik: &str) -> Result<(), String> {
    tell.chapter("malik wants to be forgotten, but the lawyers need him for a moment");
    let path = format!("/v1/enrollments/{malik}");
    let held = stage.backend.put(&format!("{path}/hold"), &json!({ "caseReference": "case-7" })).await?;
    tell.check(held.status == 200, "his enrollment is on hold");
    let refused = stage.backend.delete(&format!("{path}?reason=erasure-request")).await?;
    tell.check((refused.status, refused.text("code")) == (409, "held"), "a purge is refused: 409 held");
    let released = stage.backend.delete(&format!("{path}/hold")).await?;
    tell.check(released.status == 204, "the hold ends");
    Ok(())
}

async fn purge(stage: &Stage, tell: &mut Tell, malik: &str) -> Result<(), String> {
    tell.chapter("malik is forgotten, for good");
    let path = format!("/v1/enrollments/{malik}");
    let order = format!("{path}?reason=erasure-request&caseReference=case-8");
    let purged = stage.backend.delete(&order).await?;
    tell.check(purged.status == 200, "his slot is burnt, his facemap overwritten, his record a tombstone");
    tell.check(purged.text("jumioDeletion") == "done", "and what Jumio knew of his returns is deleted there");
    let deleted = journal::deletions(&stage.sandbox, malik);
    tell.check(deleted > 0, "as Jumio's journal shows");
    let key = stage.backend.get("/v1/receipt-key").await?.body.to_string();
    let key: receipt::PublicKey = key.parse().map_err(|error| format!("the receipt key: {error}"))?;
    let signed = receipt::check(purged.text("receipt"), &key);
    tell.check(signed.is_ok(), "the receipt is signed; anybody with the public key can check it, offline");
    if let Ok(statement) = signed {
        say(&format!("it names nobody: {}", json!(statement)["subject"]));
    }
    let mut forged = purged.text("receipt").to_owned();
    forged.truncate(forged.len() - 8);
    forged.push_str("AAAAAAAA");
    tell.check(receipt::check(&forged, &key).is_err(), "a receipt with other bytes is refused");
    let again = stage.backend.delete(&order).await?;
    tell.check(again.text("receipt") == purged.text("receipt"), "asked again, it is the same receipt");
    let body = json!({ "userReference": "customer-malik", "channel": "mobile", "enrollmentTransactionReference": malik });
    let gone = stage.backend.post("/v1/authentications", &body).await?;
    tell.check(
        (gone.status, gone.text("code")) == (410, "purged"),
        "nobody is compared with him any more: 410 purged",
    );
    let back = json!({ "transactionReference": malik, "userReference": "customer-malik" });
    let back = stage.backend.post("/v1/enrollments", &back).await?;
    tell.check(back.status == 410, "and nothing brings him back under this reference");
    let posts = journal::requests(&stage.sandbox, malik);
    tell.check(
        posts.iter().any(|(endpoint, _)| *endpoint == Endpoint::DeleteScan),
        "his original went long before",
    );
    Ok(())
}

async fn book(stage: &Stage, tell: &mut Tell) -> Result<(), String> {
    tell.chapter("What the auditor reads");
    let head = stage.backend.get("/v1/audit/head").await?;
    tell.check(head.body["position"].as_u64().unwrap_or(0) > 20, "every act has its place in the chain");
    let dossier = stage.backend.get("/v1/users/customer-ines/dossier").await?;
    tell.check(dossier.status == 200, "everything about ines on one page");
    let purges = stage.backend.get("/v1/audit?action=purge").await?;
    let entries = purges.body["items"].as_array().map_or(0, Vec::len);
    tell.check(entries >= 2, "the purge stands there twice: before it was done, and after");
    tell.check(!purges.body.to_string().contains("malik"), "and names nobody");
    Ok(())
}

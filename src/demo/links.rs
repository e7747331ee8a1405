//! A link: sent to a person, opened by a scanner, pressed by the person.

use super::{Stage, journal, tell::Tell};
use sandbox::{AuthenticationResult, Endpoint, ResultOrder};
use serde_json::json;

/// Times that a scanner opens the link.
const OPENED: usize = 25;

pub(super) async fn by_mail(stage: &Stage, tell: &mut Tell, malik: &str) -> Result<(), String> {
    tell.chapter("The company sends malik a link, and a mail scanner is faster than malik");
    let body = json!({ "userReference": "customer-malik", "purpose": "Change of your phone number" });
    let made = stage.backend.post("/v1/links", &body).await?;
    tell.check(made.status == 201, "the vault makes a link of its own, that lives for three days");
    let (id, url) = (made.text("linkId"), made.text("url"));
    let before = journal::count(&stage.sandbox, Endpoint::InitiateAuthentication, malik);
    let mut shown = true;
    for _ in 0..OPENED {
        let page = stage.backend.open(url).await?;
        shown &= page.status == 200 && page.text.contains("Change of your phone number");
    }
    let posts = || journal::count(&stage.sandbox, Endpoint::InitiateAuthentication, malik) - before;
    tell.check(
        shown && posts() == 0,
        &format!("opened {OPENED} times it shows what it is for, and Jumio hears nothing of it"),
    );
    let (one, two) = futures_util::future::join(stage.backend.press(url), stage.backend.press(url)).await;
    let (one, two) = (one?, two?);
    let to_jumio = one.status == 303 && one.location.starts_with(&stage.sandbox.base_url);
    tell.check(
        to_jumio && one.location == two.location && posts() == 1,
        "the button, pressed twice at once, leads to one transaction at Jumio",
    );
    let link = stage.backend.get(&format!("/v1/links/{id}")).await?;
    let authentication = link.body["authentications"][0]["authenticationId"].as_str().unwrap_or_default();
    let path = format!("/v1/authentications/{authentication}");
    let found = stage.backend.get(&path).await?;
    let order = ResultOrder::from(AuthenticationResult::Passed);
    let reference = found.text("authenticationTransactionReference");
    stage.sandbox.control.authentication_result(reference, order).await.map_err(|error| error.to_string())?;
    let seen = stage.backend.get(&format!("{path}?waitSeconds=20")).await?;
    tell.check(seen.text("state") == "passed", "malik looks into the camera; the result: passed");
    let (used, unknown) = (stage.backend.open(url).await?, format!("http://{}/r/unknown", stage.public));
    let unknown = stage.backend.open(&unknown).await?;
    tell.check(
        used.status == 404 && used.text == unknown.text,
        "the link is used up, and looks like one that there never was",
    );
    Ok(())
}

//! `POST /api/v4/initiate`: a verification begins (ID Verification Web guide).

use std::sync::Arc;

use axum::extract::State;
use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::clock::date;
use crate::config::Settings;
use crate::core::Core;
use crate::endpoint::Endpoint;
use crate::fields::{Fields, VERIFICATION_LOCALES};
use crate::journal::Note;
use crate::random;
use crate::scan::{Order, Scan};

pub(crate) async fn initiate(State(core): State<Arc<Core>>, body: Bytes) -> Answer {
    let settings = core.world().settings.clone();
    let order = match read(&body, &settings) {
        Ok(order) => order,
        Err(why) => return Answer::refused(Endpoint::InitiateVerification, StatusCode::BAD_REQUEST, &why),
    };
    let now = core.now();
    let (reference, token) = (random::reference(), random::token());
    let locale = order.locale.clone().unwrap_or_else(|| "en".to_owned());
    let redirect_url = page_url(&core.base_url, &locale, &token);
    {
        let mut world = core.world();
        let number = world.next_number();
        let mut scan = Scan::new(reference.clone(), order, number, now);
        scan.token = Some(token);
        world.expect_end(scan.token_until);
        world.scans.put(&reference, scan);
    }
    let answer = json!({
        "timestamp": date(now, 3, true),
        "transactionReference": reference,
        "redirectUrl": redirect_url,
    });
    Answer::json(&answer, Note::default()).about(&reference)
}

/// Where a person takes the journey.
pub(crate) fn page_url(base_url: &str, locale: &str, token: &str) -> String {
    format!("{base_url}/web/v4/app?locale={locale}&authorizationToken={token}")
}

fn read(body: &[u8], settings: &Settings) -> Result<Order, String> {
    let body: Value = serde_json::from_slice(body).map_err(|_| "the body is not JSON".to_owned())?;
    let object = body.as_object().ok_or("the body is not a JSON object")?;
    let mut fields = Fields::new(object, settings.allow_loopback_urls);
    fields.require("userReference");
    if settings.require_customer_internal_reference {
        fields.require("customerInternalReference");
    }
    let (success_url, error_url) = fields.redirect_urls();
    let order = Order {
        customer_internal_reference: fields.own_reference("customerInternalReference"),
        user_reference: fields.own_reference("userReference"),
        reporting_criteria: fields.text("reportingCriteria", 100),
        success_url,
        error_url,
        callback_url: fields.callback_url(),
        workflow_id: fields.integer(
            "workflowId",
            |n| [100, 101, 102, 200, 201, 202].contains(&n),
            "a workflow",
        ),
        locale: fields.locale(VERIFICATION_LOCALES),
        token_lifetime_minutes: fields.token_lifetime(),
    };
    fields.presets();
    fields.finish()?;
    Ok(order)
}

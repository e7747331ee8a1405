//! `/web/v4/app`: the page at `redirectUrl`, where a person picks how the journey ends. Works without scripts.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::{Query, RawForm, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Deserialize;
use url::Url;

use crate::authentication::AuthenticationResult;
use crate::core::{By, Core, is_open};
use crate::error::SandboxError;
use crate::journal::Note;
use crate::scan::Outcome;
use crate::world::{Journey, World};

/// Jumio's error codes that the sandbox uses in redirects.
const TOKEN_UNUSABLE: &str = "9200";
const SESSION_EXPIRED: &str = "9210";
const STEP_FAILED: &str = "9400";

const VERIFICATION_CHOICES: [(&str, &str); 9] = [
    ("approved", "Approved, same face, live"),
    ("fraud", "Denied: fraud"),
    ("no-match", "Approved, but another face"),
    ("not-live", "Approved, but not a live person"),
    ("approved-without-facemap", "Approved, without a facemap"),
    ("unsupported-id-type", "Denied: document type not supported"),
    ("not-readable", "Document not readable"),
    ("abandon", "Give up: no document uploaded"),
    ("leave", "Close the page: nothing happens until the link expires"),
];
const AUTHENTICATION_CHOICES: [(&str, &str); 5] = [
    ("passed", "Passed: live, same person"),
    ("failed", "Failed: another person, or not live"),
    ("invalid", "Invalid: the capture cannot be judged"),
    ("expired", "Let it expire now"),
    ("leave", "Close the page: it expires after 15 minutes"),
];

/// What a page needs to know of its transaction.
struct View {
    journey: Journey,
    usable: bool,
    reference: String,
    customer_reference: Option<String>,
    success_url: Option<String>,
    error_url: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Address {
    #[serde(rename = "authorizationToken")]
    token: Option<String>,
}

/// `GET`: shows the choices. Jumio's client starts here, so an authentication becomes `STARTED`.
pub(crate) async fn show(State(core): State<Arc<Core>>, Query(address): Query<Address>) -> Response {
    let token = address.token.unwrap_or_default();
    let view = {
        let mut world = core.world();
        let view = look_up(&world, &token, &core);
        if let Some(View { journey: Journey::Authentication(reference), usable: true, .. }) = &view
            && let Some(one) = world.authentications.get_mut(reference)
        {
            one.started = true;
        }
        view
    };
    match view {
        None => noted(nothing_here(), "", Some("token unknown")),
        Some(view) if !view.usable => turn_away(&core, &view),
        Some(view) => noted(choices(&view, &token), &view.reference, None),
    }
}

/// `POST` of the form: the person picked.
pub(crate) async fn pick(
    State(core): State<Arc<Core>>,
    Query(address): Query<Address>,
    RawForm(form): RawForm,
) -> Response {
    let field = |name: &str| {
        form_urlencoded::parse(&form).find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
    };
    let token = field("authorizationToken").or(address.token).unwrap_or_default();
    let choice = field("outcome").unwrap_or_default();
    let view = look_up(&core.world(), &token, &core);
    let Some(view) = view else { return noted(nothing_here(), "", Some("token unknown")) };
    if !view.usable {
        return turn_away(&core, &view);
    }
    if choice == "leave" {
        return noted(
            page(StatusCode::OK, "You left", "<p>Nothing was finished.</p>"),
            &view.reference,
            None,
        );
    }
    let error_code = match &view.journey {
        Journey::Verification(reference) => finish_verification(&core, reference, &choice),
        Journey::Authentication(reference) => finish_authentication(&core, reference, &choice),
    };
    match error_code {
        Ok(error) => go_on(&view, error),
        Err(SandboxError::AlreadyFinal | SandboxError::UnknownReference) => {
            go_on(&view, Some(TOKEN_UNUSABLE))
        }
        Err(_) => {
            let sorry = page(StatusCode::BAD_REQUEST, "Not a choice", "<p>Please go back and pick one.</p>");
            noted(sorry, &view.reference, Some("no such choice"))
        }
    }
}

fn finish_verification(
    core: &Arc<Core>,
    reference: &str,
    choice: &str,
) -> Result<Option<&'static str>, SandboxError> {
    let unknown = || SandboxError::Invalid("no such outcome".to_owned());
    let outcome = Outcome::from_word(choice).ok_or_else(unknown)?;
    let mut world = core.world();
    let delivery = core.finish_scan(&mut world, reference, By::Person, |scan| Ok(scan.judge(outcome)))?;
    drop(world);
    core.deliver_later(delivery);
    Ok((outcome == Outcome::Abandon).then_some(SESSION_EXPIRED))
}

fn finish_authentication(
    core: &Arc<Core>,
    reference: &str,
    choice: &str,
) -> Result<Option<&'static str>, SandboxError> {
    let unknown = || SandboxError::Invalid("no such result".to_owned());
    let picked = AuthenticationResult::from_word(choice).ok_or_else(unknown)?;
    let mut world = core.world();
    let (result, delivery) = core.finish_authentication(&mut world, reference, picked, By::Person)?;
    drop(world);
    core.deliver_later(delivery);
    Ok(match result {
        AuthenticationResult::Passed => None,
        AuthenticationResult::Failed | AuthenticationResult::Invalid => Some(STEP_FAILED),
        AuthenticationResult::Expired => Some(SESSION_EXPIRED),
    })
}

fn look_up(world: &World, token: &str, core: &Core) -> Option<View> {
    let now = core.now();
    let journey = world.journey(token).filter(|_| !token.is_empty())?;
    match &journey {
        Journey::Verification(reference) => {
            let scan = world.scans.get(reference)?;
            Some(View {
                usable: scan.verdict.is_none() && scan.token_until > now,
                reference: reference.clone(),
                customer_reference: scan.order.customer_internal_reference.clone(),
                success_url: scan.order.success_url.clone(),
                error_url: scan.order.error_url.clone(),
                journey,
            })
        }
        Journey::Authentication(reference) => {
            let one = world.authentications.get(reference)?;
            Some(View {
                usable: is_open(one) && !one.superseded && one.token_until() > now,
                reference: reference.clone(),
                customer_reference: None,
                success_url: one.metadata.success_url.clone(),
                error_url: one.metadata.error_url.clone(),
                journey,
            })
        }
    }
}

/// The link cannot be used any more. A superseded authentication that waited for this try ends now.
fn turn_away(core: &Arc<Core>, view: &View) -> Response {
    if let Journey::Authentication(reference) = &view.journey {
        let mut world = core.world();
        let superseded = world.authentications.get(reference).is_some_and(|one| one.superseded);
        if superseded {
            let ended = core.finish_authentication(
                &mut world,
                reference,
                AuthenticationResult::Expired,
                By::Supersession,
            );
            drop(world);
            if let Ok((_, delivery)) = ended {
                core.deliver_later(delivery);
            }
        }
    }
    go_on(view, Some(TOKEN_UNUSABLE))
}

/// Sends the person back to the company, with Jumio's query names; or says that it is over.
fn go_on(view: &View, error_code: Option<&str>) -> Response {
    let target = if error_code.is_none() { &view.success_url } else { &view.error_url };
    let Some(mut url) = target.as_deref().and_then(|text| Url::parse(text).ok()) else {
        let page = page(StatusCode::OK, "Thank you", "<p>The journey is over. You may close this page.</p>");
        return noted(page, &view.reference, None);
    };
    {
        let mut query = url.query_pairs_mut();
        query.append_pair("transactionStatus", if error_code.is_none() { "SUCCESS" } else { "ERROR" });
        query.append_pair("transactionReference", &view.reference);
        if let Some(reference) = &view.customer_reference {
            query.append_pair("customerInternalReference", reference);
        }
        if let Some(code) = error_code {
            query.append_pair("errorCode", code);
        }
    }
    let mut response = page(StatusCode::SEE_OTHER, "Going back", "");
    if let Ok(place) = HeaderValue::from_str(url.as_str()) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    noted(response, &view.reference, None)
}

fn choices(view: &View, token: &str) -> Response {
    let (title, list): (&str, &[(&str, &str)]) = match view.journey {
        Journey::Verification(_) => ("Sandbox: ID Verification", &VERIFICATION_CHOICES),
        Journey::Authentication(_) => ("Sandbox: Authentication", &AUTHENTICATION_CHOICES),
    };
    let mut body = format!(
        "<p>This stands for Jumio's journey. Pick how it ends for transaction <code>{}</code>.</p>\
         <form method=\"post\" action=\"/web/v4/app\">\
         <input type=\"hidden\" name=\"authorizationToken\" value=\"{}\">",
        escape(&view.reference),
        escape(token)
    );
    for (word, label) in list {
        let _ = write!(
            body,
            "<p><button name=\"outcome\" value=\"{}\">{}</button></p>",
            escape(word),
            escape(label)
        );
    }
    body.push_str("</form>");
    page(StatusCode::OK, title, &body)
}

fn nothing_here() -> Response {
    let body = format!("<p>This link is missing its token, or it is not valid (error {TOKEN_UNUSABLE}).</p>");
    page(StatusCode::NOT_FOUND, "Not a valid link", &body)
}

/// A whole page. `body` is HTML already.
fn page(status: StatusCode, title: &str, body: &str) -> Response {
    let title = escape(title);
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"viewport\" content=\"width=device-width\"></head><body><main><h1>{title}</h1>{body}</main></body></html>"
    );
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; base-uri 'none'; frame-ancestors 'none'"),
    ];
    (status, headers, html).into_response()
}

fn noted(mut response: Response, reference: &str, refused: Option<&str>) -> Response {
    let note = Note {
        reference: (!reference.is_empty()).then(|| reference.to_owned()),
        refused: refused.map(str::to_owned),
        ..Note::default()
    };
    response.extensions_mut().insert(note);
    response
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_an_attribute_or_a_tag() {
        assert_eq!(escape("<a href=\"x\" id='y'>&"), "&lt;a href=&quot;x&quot; id=&#39;y&#39;&gt;&amp;");
    }
}

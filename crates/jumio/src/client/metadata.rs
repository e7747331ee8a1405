//! The `enrollmentMetadata` part of an authentication initiate (jumio-api §6).

use super::MetadataLayout;
use crate::{Journey, JumioError, NewAuthentication, WebJourney};
use model::EnrollmentRef;
use serde::Serialize;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    enrollment_transaction_reference: EnrollmentRef,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_reference: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    callback_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    success_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    locale: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_lifetime_in_minutes: Option<u32>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Nested<'a> {
    enrollment_metadata: Metadata<'a>,
}

pub(super) fn json(request: &NewAuthentication, layout: MetadataLayout) -> Result<Vec<u8>, JumioError> {
    let web = match &request.journey {
        Journey::Mobile => None,
        Journey::Web(web) => Some(web),
    };
    let metadata = Metadata {
        enrollment_transaction_reference: request.enrollment,
        user_reference: request.user_reference.as_ref().map(model::UserReference::as_str),
        callback_url: request.callback_url.as_deref(),
        success_url: web.and_then(WebJourney::success_url),
        error_url: web.and_then(WebJourney::error_url),
        locale: web.and_then(WebJourney::locale),
        token_lifetime_in_minutes: web.and_then(WebJourney::token_lifetime_minutes),
    };
    let json = match layout {
        MetadataLayout::Nested => serde_json::to_vec(&Nested { enrollment_metadata: metadata }),
        MetadataLayout::Flat => serde_json::to_vec(&metadata),
    };
    json.map_err(|_| JumioError::Guarded { what: "the request's JSON" })
}

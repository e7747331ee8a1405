//! `PUT /v1/enrollments/{ref}/facemap`: bringing in a facemap that was held elsewhere.

use super::openapi::words;
use super::{body, caller::Admin, path, private::Private, problem::Problem};
use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use futures_util::StreamExt as _;
use ingest::{Import, ImportClaims};
use model::{FacemapBytes, Timestamp, UserReference};
use serde::Deserialize;
use std::time::Duration;
use utoipa::IntoParams;

/// How long a caller may take to send a facemap.
const FACEMAP_TIMEOUT: Duration = Duration::from_mins(1);
const ATTESTATION: &str = "x-attestation";

/// The query: whose it is, and what the company knows about it.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Claims {
    /// Whose it is.
    #[param(value_type = words::UserReference)]
    user_reference: UserReference,
    /// When the person was onboarded.
    #[param(value_type = Option<words::Time>)]
    onboarded_at: Option<Timestamp>,
    /// When it was last used.
    #[param(value_type = Option<words::Time>)]
    last_used_at: Option<Timestamp>,
    /// `verificationStatus`, where Jumio cannot be asked any more.
    status: Option<String>,
    /// `similarity`, likewise.
    similarity: Option<String>,
    /// `validity`, likewise.
    validity: Option<String>,
}

/// Takes a facemap in. 201 the first time, 200 when the very same is there already.
pub(crate) async fn put(
    request: HttpRequest,
    caller: Admin,
    reference: web::Path<String>,
    payload: web::Payload,
    private: web::Data<Private>,
) -> Result<HttpResponse, Problem> {
    let reference = path::enrollment(&reference)?;
    let claims: Claims = body::query(&request)?;
    let attestation = attestation(&request)?;
    let reading = read(&request, payload, private.max_facemap);
    let late = |_| {
        let detail = "The facemap did not arrive in time; nothing was done.";
        Problem::new(StatusCode::REQUEST_TIMEOUT, "request-timeout", detail)
    };
    let facemap = tokio::time::timeout(FACEMAP_TIMEOUT, reading).await.map_err(late)??;
    let import = Import {
        reference,
        user_reference: claims.user_reference,
        attestation,
        claims: ImportClaims {
            onboarded_at: claims.onboarded_at,
            last_used_at: claims.last_used_at,
            status: claims.status,
            similarity: claims.similarity,
            validity: claims.validity,
        },
        actor: caller.actor(),
    };
    let imported = private.ingest.import(&import, facemap).await?;
    let mut response = if imported.already { HttpResponse::Ok() } else { HttpResponse::Created() };
    Ok(response.json(imported.view))
}

fn attestation(request: &HttpRequest) -> Result<Option<String>, Problem> {
    let Some(value) = request.headers().get(ATTESTATION) else { return Ok(None) };
    let text = value.to_str().map_err(|_| Problem::invalid("/X-Attestation", "must be printable ASCII"))?;
    Ok(Some(text.to_owned()))
}

/// Reads the body into one buffer, sized once by its declared length: a growing buffer leaves copies behind.
async fn read(request: &HttpRequest, mut payload: web::Payload, most: u64) -> Result<FacemapBytes, Problem> {
    let length =
        request.headers().get("content-length").and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let length = length.ok_or_else(|| {
        let detail = "Send the facemap as the body, with its Content-Length.";
        Problem::new(StatusCode::LENGTH_REQUIRED, "length-required", detail)
    })?;
    if length > most {
        let detail =
            format!("A facemap has at most {most} bytes ([ingest] max_facemap_bytes); nothing was done.");
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
    let broken = || Problem::invalid("", "the body could not be read to its end");
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| broken())?;
        if chunk.len() > bytes.capacity() - bytes.len() {
            return Err(broken());
        }
        bytes.extend_from_slice(&chunk);
    }
    if bytes.len() as u64 == length { Ok(FacemapBytes::new(bytes)) } else { Err(broken()) }
}

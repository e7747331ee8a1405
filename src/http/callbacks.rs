//! `POST /callbacks/jumio/{token}`: Jumio's word comes in. Checked here: who may enter, how large, of what type.
//! Everything else is judged later, from the inbox.

use super::{
    body::BodyTimeout,
    callback_token::{self, CallbackToken, Purpose},
    connections::AtWork,
    public::Public,
    refused::Refusal,
    source,
};
use actix_web::{HttpMessage, HttpRequest, HttpResponse, http::StatusCode, web};
use futures_util::StreamExt as _;
use ingest::TokenScope;
use model::AuthenticationId;
use std::net::IpAddr;

/// `POST /callbacks/jumio`, where no token is required.
pub(crate) async fn without_token(
    request: HttpRequest,
    body: web::Payload,
    public: web::Data<Public>,
) -> HttpResponse {
    answer(&request, body, &public, None).await
}

/// `POST /callbacks/jumio/{token}`.
pub(crate) async fn with_token(
    request: HttpRequest,
    body: web::Payload,
    token: web::Path<String>,
    public: web::Data<Public>,
) -> HttpResponse {
    answer(&request, body, &public, Some(&token)).await
}

async fn answer(
    request: &HttpRequest,
    body: web::Payload,
    public: &Public,
    token: Option<&str>,
) -> HttpResponse {
    let address = source::client_address(request, &public.trusted_proxies);
    let status = match receive(request, body, public, token, address).await {
        Ok(()) => StatusCode::OK,
        Err(refusal) => {
            public.refused.count(refusal, address);
            status_of(refusal)
        }
    };
    HttpResponse::new(status)
}

async fn receive(
    request: &HttpRequest,
    body: web::Payload,
    public: &Public,
    token: Option<&str>,
    address: Option<IpAddr>,
) -> Result<(), Refusal> {
    if !public.sources.allow(address) {
        return Err(Refusal::Source);
    }
    let scope = scope_of(public, token).ok_or(Refusal::Token)?;
    // Looked at before the body is read: a stranger's gigabyte costs nothing.
    if request.content_type() != "application/x-www-form-urlencoded" {
        return Err(Refusal::NotAForm);
    }
    let reading = read(request, body, public.max_body);
    let limited = tokio::time::timeout(BodyTimeout::of(request), reading);
    let body = limited.await.map_err(|_elapsed| Refusal::TooSlow)??;
    let _at_work = AtWork::with(request);
    match public.ingest.scope_matches(&body, scope).await {
        Ok(true) => {}
        Ok(false) => return Err(Refusal::Token),
        Err(error) => {
            tracing::error!("A callback could not be checked ({error}); Jumio was told to come back.");
            return Err(Refusal::NotStored);
        }
    }
    match public.ingest.receive(&body, scope, address).await {
        Ok(_id) => Ok(()),
        Err(error) => {
            tracing::error!("A callback could not be stored ({error}); Jumio was told to come back.");
            Err(Refusal::NotStored)
        }
    }
}

fn scope_of(public: &Public, token: Option<&str>) -> Option<TokenScope> {
    match token {
        None if public.require_token => None,
        None => Some(TokenScope::None),
        Some(token) => Some(match callback_token::verify(public.keys.callback_tokens(), token)? {
            CallbackToken::Portal => TokenScope::Portal,
            CallbackToken::Transaction(Purpose::Verification, id) => TokenScope::Verification(id),
            CallbackToken::Transaction(Purpose::Authentication, id) => {
                TokenScope::Authentication(AuthenticationId::from_bytes(id))
            }
        }),
    }
}

/// Bytes set aside for a callback that does not tell its length.
const USUAL_BYTES: usize = 4096;

/// Reads the body into one buffer, sized once where its length is told, and wiped after it is sealed.
async fn read(
    request: &HttpRequest,
    mut body: web::Payload,
    most: usize,
) -> Result<zeroize::Zeroizing<Vec<u8>>, Refusal> {
    let told =
        request.headers().get("content-length").and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if told.is_some_and(|told| told > most) {
        return Err(Refusal::TooLarge);
    }
    let mut buffer = zeroize::Zeroizing::new(Vec::with_capacity(told.unwrap_or(USUAL_BYTES)));
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|_broken_off| Refusal::NotAForm)?;
        if buffer.len() + chunk.len() > most {
            return Err(Refusal::TooLarge);
        }
        buffer.extend_from_slice(&chunk);
    }
    Ok(buffer)
}

const fn status_of(refusal: Refusal) -> StatusCode {
    match refusal {
        Refusal::Source => StatusCode::FORBIDDEN,
        Refusal::Token => StatusCode::NOT_FOUND,
        Refusal::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Refusal::NotAForm => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Refusal::TooSlow => StatusCode::REQUEST_TIMEOUT,
        Refusal::NotStored => StatusCode::SERVICE_UNAVAILABLE,
    }
}

//! The routes under `/_sandbox/`: thin, each calls one method of [`Control`].

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::control::Control;
use crate::endpoint::Endpoint;
use crate::error::SandboxError;
use crate::faults::Fault;
use crate::orders::{CallbackOrder, Judgement, NewVerification, ResultOrder};

type Outcome = Result<Response, SandboxError>;

/// The control routes.
pub(crate) fn routes(control: Control) -> Router {
    Router::new()
        .route("/_sandbox/verifications", post(add_verification))
        .route("/_sandbox/verifications/{reference}/outcome", post(finish_verification))
        .route("/_sandbox/authentications/{reference}/result", post(authentication_result))
        .route("/_sandbox/callbacks", post(send_callback))
        .route("/_sandbox/faults", put(set_faults).get(list_faults).delete(clear_faults))
        .route("/_sandbox/clock", put(change_clock).get(show_clock))
        .route("/_sandbox/settings", put(change_settings).get(show_settings))
        .route("/_sandbox/journal", get(journal).delete(clear_journal))
        .route("/_sandbox/state", get(state))
        .with_state(control)
}

async fn add_verification(State(control): State<Control>, body: Bytes) -> Outcome {
    let finished = control.add_verification(read::<NewVerification>(&body)?).await?;
    Ok((StatusCode::CREATED, axum::Json(finished)).into_response())
}

async fn finish_verification(
    State(control): State<Control>,
    Path(reference): Path<String>,
    body: Bytes,
) -> Outcome {
    let finished = control.finish_verification(&reference, read::<Judgement>(&body)?).await?;
    Ok(axum::Json(finished).into_response())
}

async fn authentication_result(
    State(control): State<Control>,
    Path(reference): Path<String>,
    body: Bytes,
) -> Outcome {
    let (result, status) = control.authentication_result(&reference, read::<ResultOrder>(&body)?).await?;
    let body = json!({
        "authenticationTransactionReference": reference,
        "transactionResult": result,
        "callbackStatus": status,
    });
    Ok(axum::Json(body).into_response())
}

async fn send_callback(State(control): State<Control>, body: Bytes) -> Outcome {
    let statuses = control.send_callback(read::<CallbackOrder>(&body)?).await?;
    Ok(axum::Json(json!({"statuses": statuses})).into_response())
}

/// One fault, a list of them, or `{"faults":[…]}`.
async fn set_faults(State(control): State<Control>, body: Bytes) -> Outcome {
    let body: Value = read(&body)?;
    let list = match body {
        Value::Array(list) => list,
        Value::Object(mut object) if object.contains_key("faults") => match object.remove("faults") {
            Some(Value::Array(list)) if object.is_empty() => list,
            _ => return Err(SandboxError::Invalid("faults is a list, and stands alone".to_owned())),
        },
        one => vec![one],
    };
    let faults: Vec<Fault> = list
        .into_iter()
        .map(serde_json::from_value)
        .collect::<Result<_, _>>()
        .map_err(|error| invalid(&error))?;
    control.set_faults(faults);
    list_faults(State(control)).await
}

async fn list_faults(State(control): State<Control>) -> Outcome {
    Ok(axum::Json(json!({"faults": control.faults()})).into_response())
}

#[derive(Deserialize)]
struct Which {
    endpoint: Option<Endpoint>,
}

async fn clear_faults(State(control): State<Control>, Query(which): Query<Which>) -> StatusCode {
    control.clear_faults(which.endpoint);
    StatusCode::NO_CONTENT
}

async fn change_clock(State(control): State<Control>, body: Bytes) -> Outcome {
    control.change_clock(&read(&body)?)?;
    show_clock(State(control)).await
}

async fn show_clock(State(control): State<Control>) -> Outcome {
    Ok(axum::Json(json!({"now": control.now(), "frozen": control.core.clock.is_frozen()})).into_response())
}

async fn change_settings(State(control): State<Control>, body: Bytes) -> Outcome {
    let change: Value = read(&body)?;
    {
        let mut world = control.core.world();
        world.settings = world.settings.with(&change)?;
    }
    show_settings(State(control)).await
}

async fn show_settings(State(control): State<Control>) -> Outcome {
    Ok(axum::Json(control.settings()).into_response())
}

#[derive(Deserialize)]
struct After {
    #[serde(default)]
    after: u64,
}

async fn journal(State(control): State<Control>, Query(after): Query<After>) -> Outcome {
    Ok(axum::Json(control.journal(after.after)).into_response())
}

async fn clear_journal(State(control): State<Control>) -> StatusCode {
    control.clear_journal();
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
struct Limit {
    limit: Option<usize>,
}

async fn state(State(control): State<Control>, Query(limit): Query<Limit>) -> Outcome {
    Ok(axum::Json(control.state(limit.limit.unwrap_or(100))).into_response())
}

/// A JSON body; an empty one stands for `{}`.
fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, SandboxError> {
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| invalid(&error))
}

fn invalid(error: &serde_json::Error) -> SandboxError {
    SandboxError::Invalid(format!("this body cannot be used: {error}"))
}

impl IntoResponse for SandboxError {
    fn into_response(self) -> Response {
        let status = self.status();
        let title = status.canonical_reason().unwrap_or("Error");
        let body = json!({"title": title, "status": status.as_u16(), "detail": self.to_string()});
        (status, axum::Json(body)).into_response()
    }
}

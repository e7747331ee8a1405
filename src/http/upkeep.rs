//! `/v1/integrity-checks`, `/v1/backups`, `/v1/recovery`: looking after a running house.

use super::{
    body::{self, Body},
    caller::{Admin, Inspector},
    private::Private,
    problem::Problem,
};
use crate::upkeep::NotBackedUp;
use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use repair::{Acknowledged, RepairError};
use serde::Deserialize;
use serde_json::json;
use std::path::PathBuf;
use utoipa::ToSchema;

/// The body of a backup. Folders are those of the machine that the service runs on.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Wanted {
    /// Where to: an absolute path on the machine of the service.
    #[schema(value_type = String)]
    to: PathBuf,
    /// Where the slots go: best to another place. Either this or `noSlots`.
    #[schema(value_type = Option<String>)]
    slots: Option<PathBuf>,
    /// Leaves the slots out: such a backup restores no facemap.
    #[serde(default)]
    no_slots: bool,
}

/// Begins a check of everything, unless one is under way.
pub(crate) async fn check(_caller: Admin, private: web::Data<Private>) -> HttpResponse {
    HttpResponse::Accepted().json(private.upkeep.begin_check())
}

/// How far the last check is, and what it found.
pub(crate) async fn last_check(_caller: Inspector, private: web::Data<Private>) -> HttpResponse {
    HttpResponse::Ok().json(private.upkeep.last_check())
}

/// Takes a backup, and answers when it is durable.
pub(crate) async fn backup(
    request: HttpRequest,
    caller: Admin,
    body: Body,
    private: web::Data<Private>,
) -> Result<HttpResponse, Problem> {
    let Wanted { to, slots, no_slots } = body::json(&request, &body)?;
    if slots.is_some() == no_slots {
        return Err(Problem::invalid("/slots", "must be given, or noSlots be true: one of the two"));
    }
    for (name, folder) in [("/to", Some(&to)), ("/slots", slots.as_ref())] {
        if folder.is_some_and(|folder| !folder.is_absolute()) {
            return Err(Problem::invalid(name, "must be an absolute path on the machine of the service"));
        }
    }
    let warning = no_slots.then_some("this alone restores no facemap");
    match private.upkeep.backup(to, slots, caller.actor()).await {
        Ok(manifest) => Ok(HttpResponse::Created().json(json!({ "manifest": manifest, "warning": warning }))),
        Err(NotBackedUp::Busy) => {
            let detail = "Another backup is under way; nothing was done.";
            Err(Problem::new(StatusCode::CONFLICT, "backup-running", detail))
        }
        Err(NotBackedUp::Stopping) => {
            let detail = "The service is stopping; a folder that ends in .partial is no backup.";
            Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", detail))
        }
        Err(NotBackedUp::Failed(error)) => Err(error.into()),
    }
}

/// Somebody has read what a rebuild or restore lost: purges and retention go on.
pub(crate) async fn acknowledge(caller: Admin, private: web::Data<Private>) -> Result<HttpResponse, Problem> {
    let clock = private.clock.as_ref();
    let done = repair::acknowledge(&private.register, &private.audit, caller.actor(), clock).await?;
    let (state, row) = match done {
        Acknowledged::Nothing => ("nothing", None),
        Acknowledged::Before(row) => ("before", Some(row)),
        Acknowledged::Now(row) => ("now", Some(row)),
    };
    let at = row.as_ref().and_then(|row| row.acknowledged_at);
    let since = row.as_ref().map(|row| row.since);
    Ok(HttpResponse::Ok().json(json!({ "acknowledged": state, "since": since, "acknowledgedAt": at })))
}

impl From<RepairError> for Problem {
    fn from(error: RepairError) -> Self {
        match &error {
            RepairError::Records(error) => error.into(),
            RepairError::Register(error) => error.into(),
            RepairError::Vault(error) => error.into(),
            RepairError::Audit(error) => error.into(),
            RepairError::Refused(_) | RepairError::Backup(_) | RepairError::Late(_) => {
                Self::new(StatusCode::CONFLICT, "refused", error.to_string())
            }
            RepairError::Io { .. } => {
                tracing::error!("{error}");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "not-written", error.to_string())
            }
        }
    }
}

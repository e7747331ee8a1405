//! `/v1/users/{userReference}/dossier`: everything about one person on one page. Reading it is written down.

use super::{caller::Watcher, path, private::Private, problem::Problem};
use actix_web::{HttpResponse, web};

/// Everything about one person.
pub(crate) async fn read(
    caller: Watcher,
    user: web::Path<String>,
    private: web::Data<Private>,
) -> Result<HttpResponse, Problem> {
    let user = path::user(&user)?;
    Ok(HttpResponse::Ok().json(private.custody.dossier(&user, caller.actor()).await?))
}

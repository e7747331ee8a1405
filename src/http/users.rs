//! `/v1/users/{userReference}`: what is done about a user, and not about one enrollment.

use super::{caller::Operator, path, private::Private, problem::Problem};
use actix_web::{HttpResponse, web};

/// Forgives a user's attempts.
pub(crate) async fn unlock(
    caller: Operator,
    user: web::Path<String>,
    private: web::Data<Private>,
) -> Result<HttpResponse, Problem> {
    let user = path::user(&user)?;
    Ok(HttpResponse::Ok().json(private.reauth.unlock(&user, caller.actor()).await?))
}

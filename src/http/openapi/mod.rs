//! The private listener's description (OpenAPI 3.1), made from the code: routes, bodies, answers, refusals, roles.

mod answers;
mod batches;
mod build;
mod custody;
mod custody_answers;
mod dossier_answer;
mod operations;
mod people;
mod problems;
mod refusal;
mod shape;
mod status_answer;
#[cfg(test)]
mod tests;
pub(crate) mod words;

pub(crate) use problems::find as find_code;

use actix_web::HttpResponse;
use build::Route;
use std::{collections::BTreeMap, sync::LazyLock};
use utoipa::openapi::{
    ComponentsBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, Paths,
    security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    tag::TagBuilder,
};

static TEXT: LazyLock<String> = LazyLock::new(|| text(&document()));

/// `GET /openapi.json`.
pub(crate) async fn read() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(TEXT.as_str())
}

const ABOUT: &str = "\
The private listener of facemap-vault: for the company's own backend, its operators and its auditors.

JSON is camelCase, times are RFC 3339 in UTC, unknown fields and parameters are refused. Roles: `app` < `operator` < \
`admin`, and `auditor`, which reads. Every refusal is a problem (RFC 9457) with a stable `code`. Fields are added to \
answers without notice.";

const TAGS: [(&str, &str); 8] = [
    ("Onboarding", "From the start of a transaction to an enrollment that can be used"),
    ("Re-authentication", "Comparing a person with the facemap of the onboarding"),
    ("Links", "What a company sends to people, who press a button when they like"),
    ("Batches", "Re-authenticating many"),
    ("Custody", "Destroying, holding, retention, and what an auditor reads"),
    ("Keys", "Wrapping keys, and the key of the receipts"),
    ("Operation", "How the service is doing, the inbox, events, checks and backups"),
    ("Open", "What needs no token"),
];

fn routes() -> Vec<Route> {
    let mut routes = people::routes();
    routes.extend(batches::routes());
    routes.extend(custody::routes());
    routes.extend(operations::routes());
    routes
}

/// The whole description.
fn document() -> OpenApi {
    let license = LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build();
    let info = InfoBuilder::new()
        .title("facemap-vault")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(ABOUT))
        .license(Some(license));
    let (mut paths, mut refusals) = (Paths::new(), BTreeMap::new());
    for route in routes() {
        refusals.extend(route.refusals());
        let (path, method) = (route.path, route.method.clone());
        paths.add_path_operation(path, vec![method], route.into_operation());
    }
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("A token of `facemap-vault tokens create`."))
        .build();
    let mut components = ComponentsBuilder::new().security_scheme("token", SecurityScheme::Http(bearer));
    let shapes =
        words::all().into_iter().chain(answers::all()).chain(custody_answers::all()).chain(batches::shapes());
    for (name, shape) in shapes {
        components = components.schema(name, shape);
    }
    components = components.responses_from_iter(refusals);
    let tags = TAGS.map(|(name, about)| TagBuilder::new().name(name).description(Some(about)).build());
    OpenApiBuilder::new()
        .info(info)
        .paths(paths)
        .components(Some(components.build()))
        .tags(Some(tags))
        .build()
}

/// The document as it is served and checked in.
fn text(document: &OpenApi) -> String {
    // Unwrap safety: a description is maps of texts; a test makes it.
    let mut text = document.to_pretty_json().expect("a description is JSON");
    text.push('\n');
    text
}

//! `POST /api/authentication/v1/facemap/initiate`: an authentication with a facemap from the customer's premises.

use std::sync::Arc;

use axum::extract::multipart::{Field, MultipartRejection};
use axum::extract::{Multipart, State};
use bytes::Bytes;
use http::{StatusCode, Uri};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::authentication::{Authentication, AuthenticationResult, Fit, LIFETIME, Metadata};
use crate::config::{MetadataLayout, RedirectUrl, Settings, Supersession, WrongFacemap};
use crate::core::{By, Core, is_open};
use crate::deliver::Delivery;
use crate::endpoint::Endpoint;
use crate::facemap::digest_hex;
use crate::fields::{AUTHENTICATION_LOCALES, Fields};
use crate::journal::Note;
use crate::random;
use crate::verification::page_url;
use crate::world::World;

const ENDPOINT: Endpoint = Endpoint::InitiateAuthentication;

pub(crate) async fn initiate(
    State(core): State<Arc<Core>>,
    uri: Uri,
    form: Result<Multipart, MultipartRejection>,
) -> Answer {
    let settings = core.world().settings.clone();
    if uri.path().trim_end_matches('/') != settings.authentication_path.trim_end_matches('/') {
        return Answer::refused(
            ENDPOINT,
            StatusCode::NOT_FOUND,
            "authentications are initiated at another path",
        );
    }
    let bad = |why: &str| Answer::refused(ENDPOINT, StatusCode::BAD_REQUEST, why);
    let Ok(form) = form else { return bad("the multipart form has no boundary") };
    let parts = match read_parts(form).await {
        Ok(parts) => parts,
        Err(why) => return bad(&why),
    };
    let digest = digest_hex(&parts.facemap);
    match read_metadata(&parts.metadata, &settings) {
        Ok((metadata, layout)) => create(&core, &settings, metadata, &digest, layout),
        Err(why) => bad(&why).with_digest(&digest),
    }
}

struct Parts {
    facemap: Bytes,
    metadata: Bytes,
}

/// The two parts, each once, exactly as the guide describes them, and nothing else.
async fn read_parts(mut form: Multipart) -> Result<Parts, String> {
    let (mut facemap, mut metadata) = (None, None);
    loop {
        let part = form.next_field().await.map_err(|_| "the multipart form is malformed".to_owned())?;
        let Some(part) = part else { break };
        let name = part.name().unwrap_or_default().to_owned();
        let (slot, content_type, file_name) = match name.as_str() {
            "facemap" => (&mut facemap, "application/octet-stream", Some("facemap.bin")),
            "enrollmentMetadata" => (&mut metadata, "application/json", None),
            _ => return Err("a part other than facemap and enrollmentMetadata".to_owned()),
        };
        if slot.is_some() {
            return Err(format!("the part {name} comes twice"));
        }
        *slot = Some(read_part(part, &name, content_type, file_name).await?);
    }
    match (facemap, metadata) {
        (Some(facemap), Some(metadata)) if !facemap.is_empty() => Ok(Parts { facemap, metadata }),
        (Some(_), Some(_)) => Err("the facemap is empty".to_owned()),
        (None, _) => Err("the part facemap is missing".to_owned()),
        (_, None) => Err("the part enrollmentMetadata is missing".to_owned()),
    }
}

async fn read_part(
    part: Field<'_>,
    name: &str,
    content_type: &str,
    file_name: Option<&str>,
) -> Result<Bytes, String> {
    if part.content_type() != Some(content_type) {
        return Err(format!("the part {name} must have the content type {content_type}"));
    }
    if part.file_name() != file_name {
        return Err(match file_name {
            Some(file) => format!("the part {name} must have filename=\"{file}\""),
            None => format!("the part {name} must have no filename"),
        });
    }
    part.bytes().await.map_err(|_| format!("the part {name} breaks off"))
}

/// The metadata and the layout it came in.
fn read_metadata(body: &[u8], settings: &Settings) -> Result<(Metadata, &'static str), String> {
    let body: Value =
        serde_json::from_slice(body).map_err(|_| "enrollmentMetadata is not JSON".to_owned())?;
    let outer = body.as_object().ok_or("enrollmentMetadata is not a JSON object")?;
    let inner = outer.get("enrollmentMetadata").and_then(Value::as_object).filter(|_| outer.len() == 1);
    let (object, layout) = match (inner, settings.metadata_layout) {
        (Some(inner), MetadataLayout::Nested | MetadataLayout::Either) => (inner, "nested"),
        (None, MetadataLayout::Flat | MetadataLayout::Either) => (outer, "flat"),
        (Some(_), MetadataLayout::Flat) => return Err("the metadata must be flat here".to_owned()),
        (None, MetadataLayout::Nested) => return Err("the metadata must be nested here".to_owned()),
    };
    let mut fields = Fields::new(object, settings.allow_loopback_urls);
    fields.require("enrollmentTransactionReference");
    let (success_url, error_url) = fields.redirect_urls();
    let enrollment = fields.text("enrollmentTransactionReference", 36).unwrap_or_default();
    if !enrollment.is_empty() && enrollment.len() != 36 {
        fields.violate("enrollmentTransactionReference has not 36 characters");
    }
    let metadata = Metadata {
        enrollment,
        user_reference: fields.own_reference("userReference"),
        callback_url: fields.callback_url(),
        success_url,
        error_url,
        locale: fields.locale(AUTHENTICATION_LOCALES),
        token_lifetime_minutes: fields.token_lifetime(),
    };
    fields.finish()?;
    Ok((metadata, layout))
}

/// Checks the enrollment, supersedes what is open for it, and answers.
fn create(core: &Arc<Core>, settings: &Settings, metadata: Metadata, digest: &str, layout: &str) -> Answer {
    let now = core.now();
    let mut world = core.world();
    let fit = match check_enrollment(&world, settings, &metadata.enrollment, digest) {
        Ok(fits) => fits,
        Err((status, why)) => {
            let answer = Answer::refused(ENDPOINT, status, why);
            return answer.of_enrollment(&metadata.enrollment).with_digest(digest);
        }
    };
    let superseded = supersede(core, &mut world, settings, &metadata.enrollment, now);
    let wants_page = settings.redirect_url == RedirectUrl::Always || metadata.is_web();
    let token = wants_page.then(random::token);
    let reference = random::reference();
    let mut answer = json!({"authenticationTransactionReference": reference});
    if let Some(token) = &token {
        let locale = metadata.locale.as_deref().unwrap_or("en");
        answer["redirectUrl"] = json!(page_url(&core.base_url, locale, token));
    }
    let enrollment = metadata.enrollment.clone();
    let one = Authentication {
        reference: reference.clone(),
        number: world.next_number(),
        metadata,
        facemap_digest: digest.to_owned(),
        fit,
        token,
        created_at: now,
        started: false,
        superseded: false,
        result: None,
        finished_at: None,
        deleted: false,
    };
    world.expect_end(one.expires_at());
    world.authentications.put(&reference, one);
    drop(world);
    for delivery in superseded {
        core.deliver_later(delivery);
    }
    let fit = if fit == Fit::Enrolled { "the enrollment's facemap" } else { "another facemap" };
    let note = Note { detail: Some(format!("{layout} metadata, {fit}")), ..Note::default() };
    Answer::json(&answer, note).about(&reference).of_enrollment(&enrollment).with_digest(digest)
}

/// The seed's preconditions, and whether the facemap is the one that was captured.
fn check_enrollment(
    world: &World,
    settings: &Settings,
    enrollment: &str,
    digest: &str,
) -> Result<Fit, (StatusCode, &'static str)> {
    let Some(scan) = world.scans.get(enrollment) else {
        return Err((StatusCode::BAD_REQUEST, "enrollmentTransactionReference is not known"));
    };
    if settings.require_deletion && !scan.deleted {
        return Err((StatusCode::FORBIDDEN, "the original ID Verification has to be deleted first"));
    }
    if !scan.is_eligible() {
        let why = "the ID Verification was not APPROVED_VERIFIED with similarity MATCH, validity TRUE and a facemap";
        return Err((StatusCode::FORBIDDEN, why));
    }
    let fits = scan.facemap_digest.as_deref() == Some(digest);
    match settings.wrong_facemap {
        WrongFacemap::Refused if !fits => {
            Err((StatusCode::BAD_REQUEST, "this is not the facemap of that ID Verification"))
        }
        WrongFacemap::Ignored => Ok(Fit::Enrolled),
        WrongFacemap::Refused | WrongFacemap::Fails => Ok(if fits { Fit::Enrolled } else { Fit::Other }),
    }
}

/// Of several transactions for one enrollment within fifteen minutes only the last works.
fn supersede(
    core: &Core,
    world: &mut World,
    settings: &Settings,
    enrollment: &str,
    now: Timestamp,
) -> Vec<Delivery> {
    let within = |at: Timestamp| now.duration_since(at) <= LIFETIME;
    let open: Vec<String> = world
        .authentications
        .iter()
        .filter(|one| one.metadata.enrollment == enrollment && is_open(one) && within(one.created_at))
        .map(|one| one.reference.clone())
        .collect();
    for reference in &open {
        if let Some(one) = world.authentications.get_mut(reference) {
            one.superseded = true;
        }
    }
    if settings.supersession == Supersession::AtTry {
        return Vec::new();
    }
    let mut end = |reference: &String| {
        core.finish_authentication(world, reference, AuthenticationResult::Expired, By::Supersession)
    };
    open.iter().filter_map(|reference| end(reference).ok()).map(|(_, delivery)| delivery).collect()
}

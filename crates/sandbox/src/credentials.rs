//! What every call to Jumio must bring: Basic credentials, a telling `User-Agent`, `Accept`, a content type.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::answer::Answer;
use crate::config::SandboxConfig;
use crate::endpoint::Endpoint;

/// Refuses a call that does not bring what its endpoint needs.
pub(crate) fn check(
    config: &SandboxConfig,
    endpoint: Endpoint,
    headers: &HeaderMap,
) -> Result<(), Box<Answer>> {
    if !endpoint.is_api() {
        return Ok(());
    }
    let refuse = |status, why: &str| Err(Box::new(Answer::refused(endpoint, status, why)));
    let pair = match &config.admin_credentials {
        Some(pair) if endpoint.is_administration() => pair,
        _ => &config.credentials,
    };
    if !has_credentials(headers, pair) {
        let challenge = HeaderValue::from_static("Basic realm=\"jumio\"");
        let answer = Answer::refused(endpoint, StatusCode::UNAUTHORIZED, "credentials missing or wrong");
        return Err(Box::new(answer.header(header::WWW_AUTHENTICATE, challenge)));
    }
    if !text(headers, &header::USER_AGENT).is_some_and(is_telling_user_agent) {
        return refuse(StatusCode::BAD_REQUEST, "User-Agent must have the form \"Company App/1.0\"");
    }
    let Some(accept) = text(headers, &header::ACCEPT) else {
        return refuse(StatusCode::BAD_REQUEST, "Accept is missing");
    };
    let fits = if endpoint.answers_json() {
        accepts(accept, &["application/json"])
    } else {
        accepts(accept, &["application/json", "application/octet-stream", "image/*", "*/*"])
    };
    if !fits {
        return refuse(StatusCode::BAD_REQUEST, "Accept does not fit this endpoint");
    }
    let needed = match endpoint {
        Endpoint::InitiateVerification => "application/json",
        Endpoint::InitiateAuthentication => "multipart/form-data",
        _ => return Ok(()),
    };
    if media_type(text(headers, &header::CONTENT_TYPE).unwrap_or_default()) != needed {
        return refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, &format!("Content-Type must be {needed}"));
    }
    Ok(())
}

/// The media type without its parameters, in lower case.
pub(crate) fn media_type(value: &str) -> String {
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn text<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn has_credentials(headers: &HeaderMap, (token, secret): &(String, String)) -> bool {
    let Some((scheme, value)) = text(headers, &header::AUTHORIZATION).and_then(|value| value.split_once(' '))
    else {
        return false;
    };
    let expected = format!("{token}:{secret}");
    scheme.eq_ignore_ascii_case("basic")
        && STANDARD.decode(value.trim()).is_ok_and(|given| given == expected.as_bytes())
}

/// "Company App/1.0": at least one word for the company, then the application with its version.
fn is_telling_user_agent(value: &str) -> bool {
    let Some((company, app)) = value.rsplit_once(' ') else { return false };
    let Some((name, version)) = app.split_once('/') else { return false };
    let version = version.strip_prefix('v').unwrap_or(version);
    let company_fits = !company.trim().is_empty() && !company.contains('/');
    company_fits && !name.is_empty() && version.starts_with(|c: char| c.is_ascii_digit())
}

fn accepts(accept: &str, types: &[&str]) -> bool {
    accept.split(',').map(media_type).any(|given| types.contains(&given.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_user_agent_that_names_company_and_application_is_taken() {
        for good in
            ["Example Corp SampleApp/1.0.1", "YourCompany YourApp/v1.0", "Example Corp facemap-vault/0.1"]
        {
            assert!(is_telling_user_agent(good), "{good}");
        }
        for bad in
            ["", "curl/8.5.0", "App", "Company App", "Company App/", "Mozilla/5.0 Safari/537.36", " App/1.0"]
        {
            assert!(!is_telling_user_agent(bad), "{bad}");
        }
    }
}

//! `/r/{link}`: what a person sees of the vault. GET shows, and does nothing: mail scanners open links. POST acts.

mod brand;
mod page;
mod texts;

pub(crate) use brand::Brand;

use super::{connections::AtWork, public::Public};
use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{self, HeaderMap},
    },
    web,
};
use jumio::RedirectHosts;
use page::Page;
use reauth::{Busy, LinkPage, Pressed, Shown};
use texts::Language;
use url::Url;

/// Bytes of the form at most: it has no fields.
const MOST_BODY: u64 = 1024;

/// What the pages need.
#[derive(Debug)]
pub(crate) struct Pages {
    /// How they look.
    pub(crate) brand: Brand,
    /// The origin under which people reach them.
    pub(crate) origin: String,
    /// Where the button may lead.
    pub(crate) redirects: RedirectHosts,
}

/// `GET` and `HEAD`.
pub(crate) async fn show(
    request: HttpRequest,
    token: web::Path<String>,
    public: web::Data<Public>,
) -> HttpResponse {
    let pages = &public.pages;
    match public.reauth.show(&token).await {
        Shown::Page(page) => {
            let language = language(page.locale.as_deref(), request.headers());
            let html = Page::new(&pages.brand, language).question(&page);
            pages.answer(StatusCode::OK, &pages.form_action(&page), html)
        }
        Shown::Dead => pages.dead(&request),
        Shown::Busy(busy) => pages.busy(&request, &busy),
    }
}

/// `POST`: the button.
pub(crate) async fn press(
    request: HttpRequest,
    token: web::Path<String>,
    public: web::Data<Public>,
) -> HttpResponse {
    let pages = &public.pages;
    if body_is_too_large(request.headers()) {
        return HttpResponse::PayloadTooLarge().finish();
    }
    if pages.comes_from_elsewhere(request.headers()) {
        // Whoever has the token can press the button anyway; but a person who is sent here sees first what it is about.
        // The address is relative, because a proxy may have put it below another path.
        return HttpResponse::SeeOther().insert_header((header::LOCATION, "?")).finish();
    }
    // Jumio may take its time.
    let _at_work = AtWork::with(&request);
    match public.reauth.press(&token).await {
        Pressed::Redirect(url) => {
            HttpResponse::SeeOther().insert_header((header::LOCATION, url.expose())).finish()
        }
        Pressed::Dead => pages.dead(&request),
        Pressed::Busy(busy) => pages.busy(&request, &busy),
    }
}

impl Pages {
    /// One and the same page for everything that cannot be used, in the reader's language and not in the link's.
    fn dead(&self, request: &HttpRequest) -> HttpResponse {
        let html = Page::new(&self.brand, language(None, request.headers())).dead();
        self.answer(StatusCode::NOT_FOUND, "'none'", html)
    }

    fn busy(&self, request: &HttpRequest, busy: &Busy) -> HttpResponse {
        // Rounded up: whoever comes back a moment early would be sent away again.
        let seconds = (busy.retry_after.as_secs() + u64::from(busy.retry_after.subsec_nanos() > 0)).max(1);
        let language = language(busy.locale.as_deref(), request.headers());
        let html = Page::new(&self.brand, language).busy(busy.why, seconds);
        let mut response = self.answer(StatusCode::SERVICE_UNAVAILABLE, "'none'", html);
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        response
    }

    /// Where the form may lead. Browsers hold the redirect after the POST against it too, and what Jumio sends them on to
    /// at once: also the company's own pages, when the journey is over already.
    fn form_action(&self, page: &LinkPage) -> String {
        let mut sources = vec!["'self'".to_owned()];
        sources.extend(self.redirects.policy_sources());
        for back in &page.leads_back_to {
            let origin = Url::parse(back).map(|url| url.origin().ascii_serialization()).unwrap_or_default();
            if !origin.is_empty() && origin != "null" && !sources.contains(&origin) {
                sources.push(origin);
            }
        }
        sources.join(" ")
    }

    fn answer(&self, status: StatusCode, form_action: &str, html: String) -> HttpResponse {
        let policy = format!(
            "default-src 'none'; style-src {}; img-src data:; form-action {form_action}; base-uri 'none'; \
             frame-ancestors 'none'",
            self.brand.style_source
        );
        HttpResponse::build(status)
            .content_type("text/html; charset=utf-8")
            .insert_header((header::CONTENT_SECURITY_POLICY, policy))
            .insert_header((header::X_FRAME_OPTIONS, "DENY"))
            .insert_header(("X-Robots-Tag", "noindex, nofollow"))
            .body(html)
    }

    /// Whether the form was sent by another page than ours. Our own comes with `Origin: null`, because it sends no
    /// referrer (Fetch, section 3.2); a browser that says where the request began is believed.
    fn comes_from_elsewhere(&self, headers: &HeaderMap) -> bool {
        let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
        match (text("sec-fetch-site"), text("origin")) {
            (Some(site), _) => !matches!(site, "same-origin" | "none"),
            (None, Some(origin)) => origin != "null" && origin != self.origin,
            (None, None) => false,
        }
    }
}

fn language(locale: Option<&str>, headers: &HeaderMap) -> Language {
    let accepted = || headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    // A locale that the company asked for counts, even if we have to fall back from it.
    match locale {
        Some(locale) => Language::of_locale(locale),
        None => accepted().and_then(Language::accepted),
    }
    .unwrap_or(Language::En)
}

/// The form is never read. One that says it is long, or does not say how long, is not ours.
fn body_is_too_large(headers: &HeaderMap) -> bool {
    if headers.contains_key(header::TRANSFER_ENCODING) {
        return true;
    }
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    length.is_some_and(|length| length.parse::<u64>().map_or(true, |bytes| bytes > MOST_BODY))
}

//! One request to the engine, through the one guard for outgoing requests, and what its status means.

use crate::{TransitConfig, TransitError, token::TokenFile};
use bytes::Bytes;
use egress::{Body, BodyCap, Egress, EgressError, Origin, Request};
use http::{HeaderName, Method, header::CONTENT_TYPE};
use seal::ProviderError;
use zeroize::Zeroizing;

/// Bytes of an answer at most: a key with thousands of versions fits in.
const ANSWER_BYTES: usize = 256 * 1024;
const NAMESPACE: HeaderName = HeaderName::from_static("x-vault-namespace");
/// The server wants it where a proxy of its own stands before it, and does not mind it elsewhere.
const REQUEST_MARK: HeaderName = HeaderName::from_static("x-vault-request");

/// An answer that says something about the request.
#[derive(Debug)]
pub(crate) enum Answer {
    /// 200 or 204, with its body.
    Done(Zeroizing<Vec<u8>>),
    /// 400: the engine will not do that with these values.
    BadRequest,
    /// 403: the token is no good, or not for this.
    Forbidden,
}

impl Answer {
    /// The body of what was done. Wrapping, unwrapping and reading are what the token is for: where it is no good for
    /// them, the engine is as good as away.
    pub(crate) fn done(self) -> Result<Zeroizing<Vec<u8>>, ProviderError> {
        match self {
            Self::Done(body) => Ok(body),
            Self::BadRequest => Err(not_understood()),
            Self::Forbidden => Err(ProviderError::Unavailable(
                "the transit engine answered 403: the token is expired, revoked, or its policy does not allow this; \
                 renew the token file"
                    .to_owned(),
            )),
        }
    }
}

pub(crate) struct Client {
    egress: Egress,
    origin: Origin,
    /// `/v1/` and the mount.
    base: String,
    key: String,
    token: TokenFile,
    namespace: Option<String>,
}

impl Client {
    /// Sets up the way to the engine. Nothing is sent.
    pub(crate) fn new(config: &TransitConfig) -> Result<Self, TransitError> {
        config.check()?;
        let origin = config.origin()?;
        let egress = Egress::new(&config.egress(origin.clone()))?;
        let token = TokenFile::new(config.token_file.clone());
        // A file that is no good from the beginning is the operator's to mend, and waiting for it would hide that.
        token.current()?;
        let (base, key) = (format!("/v1/{}", config.mount), config.key.clone());
        Ok(Self { egress, origin, base, key, token, namespace: config.namespace.clone() })
    }

    pub(crate) async fn encrypt(&self, body: Zeroizing<Vec<u8>>) -> Result<Answer, ProviderError> {
        let path = format!("{}/encrypt/{}", self.base, self.key);
        self.repeatable(Method::POST, &path, Bytes::from_owner(body)).await
    }

    pub(crate) async fn decrypt(&self, body: Zeroizing<Vec<u8>>) -> Result<Answer, ProviderError> {
        let path = format!("{}/decrypt/{}", self.base, self.key);
        self.repeatable(Method::POST, &path, Bytes::from_owner(body)).await
    }

    /// What the engine says about the key.
    pub(crate) async fn read_key(&self) -> Result<Answer, ProviderError> {
        let path = format!("{}/keys/{}", self.base, self.key);
        self.repeatable(Method::GET, &path, Bytes::new()).await
    }

    /// Changes the key: `action` is `rotate`, `config` or `trim`. It is never repeated.
    pub(crate) async fn change_key(
        &self,
        action: &str,
        body: Zeroizing<Vec<u8>>,
    ) -> Result<Answer, ProviderError> {
        let path = format!("{}/keys/{}/{action}", self.base, self.key);
        understood(self.call(Method::POST, &path, Bytes::from_owner(body), BodyCap::Nothing).await)
    }

    /// For what changes nothing at the engine. A connection that the engine had closed while it lay idle is noticed by
    /// the request on it; the second goes over one of its own, or over another that is noticed in time.
    async fn repeatable(&self, method: Method, path: &str, body: Bytes) -> Result<Answer, ProviderError> {
        let wanted = BodyCap::Whole(ANSWER_BYTES);
        match self.call(method.clone(), path, body.clone(), wanted).await {
            Err(EgressError::Lost) => understood(self.call(method, path, body, wanted).await),
            answer => understood(answer),
        }
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        wanted: BodyCap,
    ) -> Result<egress::Response, EgressError> {
        let unusable = |_| EgressError::Setup("the token file cannot be used".to_owned());
        let token = self.token.current().map_err(unusable)?;
        let bearer = Zeroizing::new(format!("Bearer {}", token.expose()));
        let mut request = Request::new(method, self.origin.at(path)?).header(REQUEST_MARK, "true")?;
        if let Some(namespace) = &self.namespace {
            request = request.header(NAMESPACE, namespace)?;
        }
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json")?.body(Body::Bytes(body));
        }
        self.egress.send(request.authorize(&bearer)?, wanted).await
    }
}

/// What an answer means, or its absence. The sentences name the status and no more: neither the token, nor an address,
/// nor what was answered.
fn understood(answer: Result<egress::Response, EgressError>) -> Result<Answer, ProviderError> {
    let unavailable = |text: String| Err(ProviderError::Unavailable(text));
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => return unavailable(format!("the transit engine gave no answer: {error}")),
    };
    let meaning = match answer.status() {
        200 => return Ok(Answer::Done(answer.into_body())),
        204 => return Ok(Answer::Done(Zeroizing::default())),
        400 => return Ok(Answer::BadRequest),
        403 => return Ok(Answer::Forbidden),
        404 => "there is no such mount, key or namespace; check keys.transit_mount and keys.transit_key",
        429 => "it asks for fewer requests",
        300..=399 | 472 | 473 => {
            "it is a standby that sends elsewhere; name the active node or what balances them"
        }
        503 => "it is sealed or in maintenance; unseal it",
        500..=599 => "it has a failure of its own",
        _ => "that is no answer of a transit engine; check keys.transit_address",
    };
    unavailable(format!("the transit engine answered {}: {meaning}", answer.status()))
}

/// An answer that cannot be what was asked for.
pub(crate) fn not_understood() -> ProviderError {
    ProviderError::Unavailable(
        "the transit engine's answer is not one to this request; check keys.transit_address".to_owned(),
    )
}

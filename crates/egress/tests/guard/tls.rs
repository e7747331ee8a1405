//! Who may be believed to be the peer.

use crate::support::{ok, read_request};
use egress::{BodyCap, Egress, EgressConfig, EgressError, Request, ScriptedResolver, Unsent};
use http::Method;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    ServerConfig, SupportedProtocolVersion,
    crypto::{CryptoProvider, ring},
    version::{TLS12, TLS13},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::{io::Write, path::Path, sync::Arc, time::Duration};
use tokio::{io::AsyncWriteExt, net::TcpListener, task::JoinHandle};
use tokio_rustls::TlsAcceptor;

pub(crate) type Issuer = CertifiedIssuer<'static, KeyPair>;

pub(crate) fn authority() -> Issuer {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

pub(crate) fn ca_file(issuer: &Issuer) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(issuer.pem().as_bytes()).unwrap();
    file
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn certificate(issuer: &Issuer, name: &str, edit: impl FnOnce(&mut CertificateParams)) -> Identity {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    edit(&mut params);
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, issuer).unwrap();
    (vec![certificate.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
}

/// A TLS server on loopback that answers every request with 200.
struct Server {
    port: u16,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    (chain, key): Identity,
    provider: CryptoProvider,
    versions: &[&'static SupportedProtocolVersion],
) -> Server {
    let config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                read_request(&mut stream).await;
                let _ = stream.write_all(&ok("Content-Length: 2\r\n", b"hi")).await;
                let _ = stream.shutdown().await;
            });
        }
    });
    Server { port, task }
}

async fn ask(server: &Server, ca_file: Option<&Path>) -> Result<egress::Response, EgressError> {
    let origin = format!("https://vault.test:{}", server.port);
    let mut config = EgressConfig::new(vec![origin.parse().unwrap()], Duration::from_secs(10));
    config.allowed_networks = vec!["127.0.0.0/8".parse().unwrap()];
    config.ca_file = ca_file.map(Path::to_owned);
    let resolver = ScriptedResolver::default().with("vault.test", &[&["127.0.0.1"]]);
    let egress = Egress::with_resolver(&config, Arc::new(resolver))?;
    let request = Request::new(Method::GET, egress.check(&format!("{origin}/")).unwrap());
    egress.send(request, BodyCap::Whole(10)).await
}

const BOTH: &[&SupportedProtocolVersion] = &[&TLS12, &TLS13];

#[tokio::test]
async fn the_right_certificate_is_accepted_in_both_versions() {
    let ca = authority();
    for versions in [&[&TLS12][..], &[&TLS13]] {
        let server = serve(certificate(&ca, "vault.test", |_| ()), ring::default_provider(), versions).await;
        let answer = ask(&server, Some(ca_file(&ca).path())).await.unwrap();
        assert_eq!(answer.body(), b"hi");
    }
}

#[tokio::test]
async fn another_name_is_refused_before_anything_is_sent() {
    let ca = authority();
    let server = serve(certificate(&ca, "other.test", |_| ()), ring::default_provider(), BOTH).await;
    let error = ask(&server, Some(ca_file(&ca).path())).await.unwrap_err();
    assert_eq!(error, EgressError::NotSent(Unsent::Tls));
}

#[tokio::test]
async fn an_expired_certificate_is_refused() {
    let ca = authority();
    let expired = certificate(&ca, "vault.test", |params| {
        params.not_before = rcgen::date_time_ymd(2001, 1, 1);
        params.not_after = rcgen::date_time_ymd(2002, 1, 1);
    });
    let server = serve(expired, ring::default_provider(), BOTH).await;
    assert_eq!(ask(&server, Some(ca_file(&ca).path())).await.unwrap_err(), EgressError::NotSent(Unsent::Tls));
}

#[tokio::test]
async fn an_authority_that_nobody_named_is_refused() {
    let (ca, other) = (authority(), authority());
    let server = serve(certificate(&ca, "vault.test", |_| ()), ring::default_provider(), BOTH).await;
    assert_eq!(
        ask(&server, Some(ca_file(&other).path())).await.unwrap_err(),
        EgressError::NotSent(Unsent::Tls)
    );
}

#[tokio::test]
async fn a_suite_outside_of_the_list_is_refused() {
    let ca = authority();
    let only_chacha = CryptoProvider {
        cipher_suites: vec![
            ring::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
            ring::cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        ],
        ..ring::default_provider()
    };
    let server = serve(certificate(&ca, "vault.test", |_| ()), only_chacha, BOTH).await;
    assert_eq!(ask(&server, Some(ca_file(&ca).path())).await.unwrap_err(), EgressError::NotSent(Unsent::Tls));
}

#[tokio::test]
async fn a_ca_file_that_is_none_is_named() {
    let ca = authority();
    let server = serve(certificate(&ca, "vault.test", |_| ()), ring::default_provider(), BOTH).await;
    let empty = tempfile::NamedTempFile::new().unwrap();
    for path in [empty.path(), Path::new("/nowhere/ca.pem")] {
        let error = ask(&server, Some(path)).await.unwrap_err();
        assert!(matches!(&error, EgressError::Setup(text) if text.contains("ca_file")), "{error}");
    }
}

//! Every call × a peer that is not who it must be: nothing is sent, so nothing of it can have happened.

use crate::{
    calls::{Brought, CALLS, Call, FACE},
    fates::{Fate, meets},
    peer::{Peer, Step},
    support::client_of,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{ServerConfig, crypto::ring};
use rustls_pki_types::PrivateKeyDer;
use std::{io::Write as _, sync::Arc, time::Duration};
use tempfile::NamedTempFile;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

type Issuer = CertifiedIssuer<'static, KeyPair>;

const TIME: Duration = Duration::from_secs(20);

fn authority() -> Issuer {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn acceptor(certificate: &rcgen::Certificate, key: &KeyPair) -> TlsAcceptor {
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// A server's certificate by this authority, or by itself.
fn issued(by: Option<&Issuer>, name: &str, edit: impl FnOnce(&mut CertificateParams)) -> TlsAcceptor {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    edit(&mut params);
    let key = KeyPair::generate().unwrap();
    let certificate = match by {
        Some(issuer) => params.signed_by(&key, issuer).unwrap(),
        None => params.self_signed(&key).unwrap(),
    };
    acceptor(&certificate, &key)
}

/// The client trusts this authority and nobody else.
fn trust(authority: &Issuer) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(authority.pem().as_bytes()).unwrap();
    file
}

fn answer(call: Call) -> Vec<Step> {
    let (media_type, body) = call.good();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    vec![Step::Read, Step::Write([head.as_bytes(), &body].concat())]
}

#[tokio::test(flavor = "multi_thread")]
async fn the_right_certificate_lets_every_call_through() {
    let ours = authority();
    let file = trust(&ours);
    for call in CALLS {
        let peer = Peer::start_tls(answer(call), issued(Some(&ours), "127.0.0.1", |_| ())).await;
        let jumio = client_of(&format!("https://{}", peer.address), |config| {
            config.ca_file = Some(file.path().to_owned());
        });
        let expected = match call {
            Call::Facemap => Brought::Done(FACE),
            Call::Gone => Brought::StillThere,
            _ => Brought::Done(0),
        };
        assert_eq!(call.make(&jumio).await, Ok(expected), "{call:?}");
        assert_eq!(peer.requests(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_with_a_wrong_certificate_is_sent_anything() {
    let (ours, other) = (authority(), authority());
    let file = trust(&ours);
    let expired = |params: &mut CertificateParams| {
        params.not_before = rcgen::date_time_ymd(2001, 1, 1);
        params.not_after = rcgen::date_time_ymd(2002, 1, 1);
    };
    let early = |params: &mut CertificateParams| {
        params.not_before = rcgen::date_time_ymd(2901, 1, 1);
        params.not_after = rcgen::date_time_ymd(2902, 1, 1);
    };
    for (name, acceptor) in [
        ("an authority that nobody named", issued(Some(&other), "127.0.0.1", |_| ())),
        ("a certificate that names itself", issued(None, "127.0.0.1", |_| ())),
        ("a certificate that has expired", issued(Some(&ours), "127.0.0.1", expired)),
        ("a certificate that is not valid yet", issued(Some(&ours), "127.0.0.1", early)),
        ("another address's certificate", issued(Some(&ours), "127.0.0.2", |_| ())),
        ("another name's certificate", issued(Some(&ours), "netverify.com", |_| ())),
    ] {
        for call in CALLS {
            let peer = Peer::start_tls(answer(call), acceptor.clone()).await;
            let origin = format!("https://{}", peer.address);
            meets_trusting(&file, call, name, &peer, &origin, TIME).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_does_not_come_about_means_that_nothing_was_sent() {
    let ours = authority();
    let file = trust(&ours);
    // Accepts by its queue alone, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = Peer::start(vec![]).await;
    let origin = format!("https://{}", silent.local_addr().unwrap());
    for call in CALLS {
        let short = Duration::from_millis(400);
        meets_trusting(&file, call, "a silent handshake", &nobody, &origin, short).await;
    }
    for (name, step) in [
        ("plain HTTP in place of TLS", Step::Write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec())),
        ("a reset in place of TLS", Step::Reset),
    ] {
        for call in CALLS {
            let peer = Peer::start(vec![step.clone()]).await;
            let origin = format!("https://{}", peer.address);
            meets_trusting(&file, call, name, &peer, &origin, TIME).await;
        }
    }
}

async fn meets_trusting(
    file: &NamedTempFile,
    call: Call,
    name: &str,
    peer: &Peer,
    origin: &str,
    time: Duration,
) {
    let jumio = client_of(origin, |config| {
        config.ca_file = Some(file.path().to_owned());
        config.timeout = time;
    });
    meets(call, name, peer, &jumio, Fate::Unsent).await;
}

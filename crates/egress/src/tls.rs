//! TLS as Jumio speaks it and no wider: 1.2 and 1.3, ECDHE, AES-GCM, on ring.

use crate::EgressError;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::{CryptoProvider, ring},
    version::{TLS12, TLS13},
};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use rustls_platform_verifier::Verifier;
use std::{path::Path, sync::Arc};

/// Whom we trust to name our peers.
pub(crate) enum Roots<'a> {
    /// The platform's own store.
    Platform,
    /// The certificates in this PEM file, and no others.
    File(&'a Path),
    /// Nobody: no configured origin uses TLS.
    Nobody,
}

/// The suites of jumio-api §1 and their TLS 1.3 counterparts; `ChaCha20` is left out.
fn provider() -> CryptoProvider {
    use ring::cipher_suite as suite;
    CryptoProvider {
        cipher_suites: vec![
            suite::TLS13_AES_256_GCM_SHA384,
            suite::TLS13_AES_128_GCM_SHA256,
            suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
            suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
            suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        ],
        ..ring::default_provider()
    }
}

pub(crate) fn client_config(roots: &Roots<'_>) -> Result<ClientConfig, EgressError> {
    let provider = Arc::new(provider());
    let setup = |error: rustls::Error| EgressError::Setup(format!("TLS: {error}"));
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(setup)?;
    Ok(match roots {
        Roots::Platform => {
            let verifier = Arc::new(Verifier::new(provider).map_err(setup)?);
            builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()
        }
        Roots::File(path) => builder.with_root_certificates(read_roots(path)?).with_no_client_auth(),
        Roots::Nobody => builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth(),
    })
}

fn read_roots(path: &Path) -> Result<RootCertStore, EgressError> {
    let unusable =
        || EgressError::Setup("ca_file cannot be read as PEM certificates; check the file".to_owned());
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|_| unusable())? {
        store.add(certificate.map_err(|_| unusable())?).map_err(|_| unusable())?;
    }
    if store.is_empty() { Err(unusable()) } else { Ok(store) }
}

//! TLS of the two listeners: one certificate, read again when its files change; on the private listener also the
//! certificates of the callers, if the operator wants them.

use crate::{
    config::TlsFiles,
    files::{self, FileError},
    watched::Watched,
};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::{CryptoProvider, ring},
    server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier},
    sign::CertifiedKey,
};
use rustls_pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{self, PemObject as _},
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use thiserror::Error;

/// Bytes of a file of certificates at most.
const MOST: u64 = 1_048_576;

/// TLS files that cannot be used.
#[derive(Debug, Error)]
pub(crate) enum TlsError {
    /// The private key's file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file cannot be read, or is not PEM.
    #[error("{path} holds no usable PEM ({source}); it must hold {what} in PEM")]
    Pem {
        /// The file.
        path: PathBuf,
        /// What should be in it.
        what: &'static str,
        /// Why not.
        source: pem::Error,
    },
    /// Key and certificate do not fit, or are of a kind that cannot be used.
    #[error("{path} and its key cannot be used together: {source}; make sure that the key is that of the first certificate")]
    Pair {
        /// The certificate's file.
        path: PathBuf,
        /// Why not.
        source: rustls::Error,
    },
    /// The authorities cannot be used.
    #[error("the authorities in {path} cannot be used: {reason}")]
    Authorities {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
}

impl TlsError {
    /// Whether the same call may succeed later without anybody's help.
    pub(crate) fn is_retryable(&self) -> bool {
        matches!(self, Self::File(error) if error.is_retryable())
    }
}

/// TLS of the public listener.
pub(crate) fn public(files: &TlsFiles) -> Result<ServerConfig, TlsError> {
    server(files, None)
}

/// TLS of the private listener; asks callers for a certificate when authorities are named.
pub(crate) fn private(files: &TlsFiles) -> Result<ServerConfig, TlsError> {
    server(files, files.private_client_ca.as_deref())
}

/// The authorities in a PEM file.
pub(crate) fn authorities(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    let refused = |reason: String| TlsError::Authorities { path: path.to_owned(), reason };
    for certificate in certificates(path, "certificates of authorities")? {
        roots.add(certificate).map_err(|error| refused(error.to_string()))?;
    }
    Ok(roots)
}

fn server(files: &TlsFiles, client_ca: Option<&Path>) -> Result<ServerConfig, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let certificate = Certificate::open(files, Arc::clone(&provider))?;
    let pair = |source| TlsError::Pair { path: files.cert.clone(), source };
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(pair)?;
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(authorities(path)?), provider)
                .build()
                .map_err(|error| TlsError::Authorities { path: path.to_owned(), reason: error.to_string() })?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    Ok(builder.with_cert_resolver(Arc::new(certificate)))
}

fn certificates(path: &Path, what: &'static str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let unusable = |source| TlsError::Pem { path: path.to_owned(), what, source };
    let list: Vec<_> =
        CertificateDer::pem_file_iter(path).map_err(unusable)?.collect::<Result<_, _>>().map_err(unusable)?;
    if list.is_empty() { Err(unusable(pem::Error::NoItemsFound)) } else { Ok(list) }
}

/// The certificate with its key, as the files are now.
#[derive(Debug)]
struct Certificate {
    files: TlsFiles,
    provider: Arc<CryptoProvider>,
    current: Watched<CertifiedKey>,
}

impl Certificate {
    fn open(files: &TlsFiles, provider: Arc<CryptoProvider>) -> Result<Self, TlsError> {
        let current = Watched::new("the TLS certificate", vec![files.cert.clone(), files.key.clone()]);
        let certificate = Self { files: files.clone(), provider, current };
        certificate.look()?;
        Ok(certificate)
    }

    fn look(&self) -> Result<Arc<CertifiedKey>, TlsError> {
        self.current.current(|| {
            let chain = certificates(&self.files.cert, "a certificate chain")?;
            let bytes = files::read_private(&self.files.key, MOST)?;
            let key = PrivateKeyDer::from_pem_slice(&bytes).map_err(|source| TlsError::Pem {
                path: self.files.key.clone(),
                what: "a private key",
                source,
            })?;
            // Also refuses a key that is not the certificate's.
            CertifiedKey::from_der(chain, key, &self.provider)
                .map_err(|source| TlsError::Pair { path: self.files.cert.clone(), source })
        })
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.look().ok()
    }
}

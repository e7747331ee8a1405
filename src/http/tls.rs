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
    #[error(
        "{path} and its key cannot be used together: {source}; make sure that the key is that of the first certificate"
    )]
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
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(authorities(path)?), provider)
                    .build()
                    .map_err(|error| TlsError::Authorities {
                    path: path.to_owned(),
                    reason: error.to_string(),
                })?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertifiedKey as Generated, KeyPair};
    use std::fs;

    struct Case {
        dir: tempfile::TempDir,
        files: TlsFiles,
    }

    fn generated() -> Generated<KeyPair> {
        rcgen::generate_simple_self_signed(vec!["vault.example".to_owned()]).unwrap()
    }

    fn put(files: &TlsFiles, pair: &Generated<KeyPair>) {
        fs::write(&files.cert, pair.cert.pem()).unwrap();
        files::replace_private(&files.key, pair.signing_key.serialize_pem().as_bytes()).unwrap();
    }

    fn case() -> Case {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let files = TlsFiles { cert: at("cert"), key: at("key"), private_client_ca: None };
        put(&files, &generated());
        Case { dir, files }
    }

    #[test]
    fn a_new_certificate_is_used_without_a_restart_and_a_broken_one_is_not() {
        let case = case();
        let certificate = Certificate::open(&case.files, Arc::new(ring::default_provider())).unwrap();
        let before = certificate.look().unwrap().cert.clone();
        put(&case.files, &generated());
        let after = certificate.look().unwrap().cert.clone();
        assert_ne!(before, after);
        // Half of a renewal: a new key, and still the old certificate.
        files::replace_private(&case.files.key, generated().signing_key.serialize_pem().as_bytes()).unwrap();
        assert_eq!(certificate.look().unwrap().cert, after);
    }

    #[test]
    fn a_key_that_is_not_the_certificates_and_one_that_others_can_read_are_refused() {
        let case = case();
        files::replace_private(&case.files.key, generated().signing_key.serialize_pem().as_bytes()).unwrap();
        assert!(matches!(public(&case.files), Err(TlsError::Pair { .. })));
        files::replace_private(&case.files.key, b"no key").unwrap();
        assert!(matches!(public(&case.files), Err(TlsError::Pem { .. })));
        fs::remove_file(&case.files.key).unwrap();
        fs::write(&case.files.key, b"").unwrap();
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        fs::set_permissions(&case.files.key, open).unwrap();
        assert!(matches!(public(&case.files), Err(TlsError::File(FileError::Exposed { .. }))));
    }

    #[test]
    fn a_file_without_authorities_lets_nobody_in() {
        let case = case();
        let ca = case.dir.path().join("ca");
        fs::write(&ca, "").unwrap();
        let files = TlsFiles { private_client_ca: Some(ca.clone()), ..case.files.clone() };
        assert!(private(&files).is_err());
        fs::write(&ca, generated().cert.pem()).unwrap();
        assert!(private(&files).is_ok());
        assert!(public(&files).is_ok());
    }
}

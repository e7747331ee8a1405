//! Places, tokens in files, and a scripted server.

use keys_transit::{TestServer, TransitConfig};
use rcgen::{CertifiedKey, KeyPair};
use rustls_pki_types::PrivateKeyDer;
use seal::Place;
use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

pub(crate) const PLACE: Place<'static> =
    Place { table: "slots", record: b"somebody", field: "data-key", generation: 7 };

/// Puts a token into a file, as whoever renews tokens does.
pub(crate) fn put_token(path: &Path, token: &str) {
    let new = path.with_extension("new");
    fs::write(&new, token).unwrap();
    fs::set_permissions(&new, fs::Permissions::from_mode(0o600)).unwrap();
    fs::rename(&new, path).unwrap();
}

pub(crate) fn config(address: &str, token_file: PathBuf) -> TransitConfig {
    TransitConfig {
        address: address.to_owned(),
        mount: "transit".to_owned(),
        key: TestServer::KEY.to_owned(),
        token_file,
        namespace: None,
        ca_file: None,
        timeout: Duration::from_secs(5),
    }
}

/// A token in a file of a temporary folder.
pub(crate) fn token_file(token: &str) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("token");
    put_token(&path, token);
    (dir, path)
}

/// What a scripted server answers to a request line and body: the whole answer; nothing closes the connection.
pub(crate) type Script = dyn Fn(&str, &str) -> Option<String> + Send + Sync;

/// A server that answers from a script and remembers what it was sent.
pub(crate) struct Scripted {
    pub(crate) address: String,
    pub(crate) heard: Arc<Mutex<Vec<String>>>,
}

impl Scripted {
    pub(crate) async fn start(script: impl Fn(&str, &str) -> Option<String> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (kept, script): (_, Arc<Script>) = (Arc::clone(&heard), Arc::new(script));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (kept, script) = (Arc::clone(&kept), Arc::clone(&script));
                tokio::spawn(async move {
                    while let Some(request) = read(&mut stream).await {
                        let (line, body) = request.split_once("\r\n\r\n").unwrap();
                        let answer = script(line.lines().next().unwrap(), body);
                        kept.lock().unwrap().push(request.clone());
                        let Some(answer) = answer else { return };
                        if stream.write_all(answer.as_bytes()).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { address, heard }
    }

    /// The same server, reached through TLS with this certificate.
    pub(crate) async fn behind_tls(self, certified: &CertifiedKey<KeyPair>) -> Self {
        let key = PrivateKeyDer::Pkcs8(certified.signing_key.serialize_der().into());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config =
            rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.unwrap().with_no_client_auth();
        let config = config.with_single_cert(vec![certified.cert.der().clone()], key).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("https://{}", listener.local_addr().unwrap());
        let behind = self.address.strip_prefix("http://").unwrap().to_owned();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, behind) = (acceptor.clone(), behind.clone());
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let mut to = TcpStream::connect(behind).await.unwrap();
                    drop(tokio::io::copy_bidirectional(&mut stream, &mut to).await);
                });
            }
        });
        Self { address, heard: self.heard }
    }
}

/// One request with its body.
async fn read(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return Some(text);
            }
        }
        let mut more = [0; 4096];
        match stream.read(&mut more).await {
            Ok(count) if count > 0 => bytes.extend_from_slice(&more[..count]),
            _ => return None,
        }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "a script may as well answer nothing")]
pub(crate) fn answer(status: u16, body: &str) -> Option<String> {
    Some(format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
}

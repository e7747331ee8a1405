//! A server that does exactly what a test says, byte for byte.

use egress::{Egress, EgressConfig, Origin, Request};
use http::Method;
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// What the server does after it has read a request's head.
#[derive(Clone)]
pub(crate) enum Then {
    /// Writes these bytes and closes.
    Say(Vec<u8>),
    /// Writes these bytes, then goes on writing the second for ever.
    SayForEver(Vec<u8>, Vec<u8>),
    /// Writes these bytes and then keeps silent, with the connection open.
    Stall(Vec<u8>),
    /// Closes with a reset.
    Reset,
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// The heads (and bodies as far as they came along) of all requests.
    pub(crate) seen: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(crate) async fn start(then: Then) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let task = tokio::spawn({
            let seen = Arc::clone(&seen);
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(serve(stream, then.clone(), Arc::clone(&seen)));
                }
            }
        });
        Self { address, seen, task }
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn origin(&self) -> Origin {
        format!("http://{}", self.address).parse().unwrap()
    }
}

async fn serve(mut stream: TcpStream, then: Then, seen: Arc<Mutex<Vec<String>>>) {
    let request = read_request(&mut stream).await;
    seen.lock().unwrap().push(request);
    match then {
        Then::Say(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        Then::SayForEver(first, again) => {
            let mut result = stream.write_all(&first).await;
            while result.is_ok() {
                result = stream.write_all(&again).await;
            }
        }
        Then::Stall(bytes) => {
            let _ = stream.write_all(&bytes).await;
            // Until the peer gives up.
            let _ = stream.read(&mut [0; 1]).await;
        }
        Then::Reset => {
            // Closing with the peer's bytes unread, or with no linger, sends a reset.
            let _ = stream.set_zero_linger();
        }
    }
}

/// The head, and the body by its Content-Length.
pub(crate) async fn read_request(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| {
                    line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok()
                })
                .unwrap_or(0);
            if body.len() >= length {
                return text;
            }
        }
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return text,
            Ok(n) => bytes.extend_from_slice(&buffer[..n]),
        }
    }
}

pub(crate) fn ok(headers: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 200 OK\r\n{headers}\r\n").into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

pub(crate) fn config(origins: Vec<Origin>) -> EgressConfig {
    let mut config = EgressConfig::new(origins, Duration::from_secs(10));
    config.simulated = true;
    config
}

pub(crate) fn guard(server: &Server) -> Egress {
    Egress::new(&config(vec![server.origin()])).unwrap()
}

pub(crate) fn get(server: &Server) -> Request {
    Request::new(Method::GET, server.origin().at("/x").unwrap()).authorize("Basic c2VjcmV0").unwrap()
}

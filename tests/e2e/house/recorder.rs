//! A listener on loopback that nobody should talk to, or that overhears: it keeps what it was sent and answers 200.

use std::sync::{Arc, Mutex};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinHandle,
};

/// Bytes of one request that are kept.
const MOST: usize = 65_536;

/// The listener. Dropping it closes it.
pub(crate) struct Recorder {
    /// `http://ADDRESS:PORT`.
    pub(crate) url: String,
    heard: Arc<Mutex<Vec<String>>>,
    listening: JoinHandle<()>,
}

impl Recorder {
    pub(crate) async fn start() -> Self {
        Self::at("127.0.0.1:0").await
    }

    /// Listens there.
    pub(crate) async fn at(place: &str) -> Self {
        let listener = TcpListener::bind(place).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let heard = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&heard);
        let listening = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut bytes = vec![0; MOST];
                let read = stream.read(&mut bytes).await.unwrap_or(0);
                kept.lock().unwrap().push(String::from_utf8_lossy(&bytes[..read]).into_owned());
                let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
                drop(stream.write_all(answer).await);
            }
        });
        Self { url, heard, listening }
    }

    /// Everything that came: one entry for each connection.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

//! A receiver on loopback that answers as a script says, and remembers everything.

use egress::Origin;
use serde_json::Value;
use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Arrived {
    pub(crate) head: String,
    pub(crate) raw: Vec<u8>,
    pub(crate) body: Value,
}

impl Arrived {
    pub(crate) fn header(&self, name: &str) -> String {
        let line = self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        });
        line.unwrap_or_default()
    }

    pub(crate) fn kind(&self) -> &str {
        self.body["type"].as_str().unwrap_or_default()
    }

    pub(crate) fn about(&self) -> &str {
        self.body["data"]["enrollmentTransactionReference"].as_str().unwrap_or_default()
    }

    pub(crate) fn id(&self) -> String {
        self.header("webhook-id")
    }
}

type Answering = Pin<Box<dyn Future<Output = String> + Send>>;
type Script = dyn Fn(Arrived) -> Answering + Send + Sync;

/// The receiver.
#[derive(Clone)]
pub(crate) struct FakeReceiver {
    port: u16,
    arrived: Arc<Mutex<Vec<Arrived>>>,
}

impl FakeReceiver {
    /// One that takes everything.
    pub(crate) async fn willing() -> Self {
        Self::answering(|_| 204).await
    }

    /// One that answers each request with the status that `script` says.
    pub(crate) async fn answering(script: impl Fn(&Arrived) -> u16 + Send + Sync + 'static) -> Self {
        Self::scripted(move |arrived| {
            let status = script(&arrived);
            Box::pin(async move { format!("HTTP/1.1 {status} X\r\n") })
        })
        .await
    }

    /// One that answers with the head that `script` says: status line and headers.
    pub(crate) async fn scripted(script: impl Fn(Arrived) -> Answering + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let receiver = Self { port, arrived: Arc::default() };
        let (script, arrived): (Arc<Script>, _) = (Arc::new(script), receiver.arrived.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, script.clone(), arrived.clone()));
            }
        });
        receiver
    }

    pub(crate) fn origin(&self) -> Origin {
        format!("http://127.0.0.1:{}", self.port).parse().unwrap()
    }

    pub(crate) fn arrived(&self) -> Vec<Arrived> {
        self.arrived.lock().unwrap().clone()
    }

    /// Kinds and whom they were about, in the order in which they arrived.
    pub(crate) fn heard(&self) -> Vec<(String, String)> {
        self.arrived().iter().map(|one| (one.kind().to_owned(), one.about().to_owned())).collect()
    }
}

async fn serve(mut stream: TcpStream, script: Arc<Script>, arrived: Arc<Mutex<Vec<Arrived>>>) {
    let Some(request) = read(&mut stream).await else { return };
    arrived.lock().unwrap().push(request.clone());
    let head = script(request).await;
    let answer = format!("{head}Content-Length: 0\r\nConnection: close\r\n\r\n");
    drop(stream.write_all(answer.as_bytes()).await);
}

async fn read(stream: &mut TcpStream) -> Option<Arrived> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
    let mut raw = bytes.split_off(end);
    let length = Arrived { head: head.clone(), raw: Vec::new(), body: Value::Null }.header("content-length");
    let length: usize = length.parse().ok()?;
    while raw.len() < length {
        if stream.read_buf(&mut raw).await.ok()? == 0 {
            return None;
        }
    }
    let body = serde_json::from_slice(&raw).ok()?;
    Some(Arrived { head, raw, body })
}

//! A hostile peer: it reads a request, then does to the connection what a fault says, byte for byte.

use crate::support;
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// Bytes at most that a peer without end writes, so that a client without a cap fails a test and not the machine.
const ENDLESS: usize = 48 << 20;

/// What the peer does, one after the other. It closes in order when nothing is left.
#[derive(Clone)]
pub(crate) enum Step {
    /// Reads the request, with its body.
    Read,
    /// Writes these bytes.
    Write(Vec<u8>),
    /// Writes these bytes again and again.
    ForEver(Vec<u8>),
    /// Writes these bytes again and again, one at a time, with a pause between two that is shorter than any time limit.
    Drip(Vec<u8>),
    /// Waits until the client has gone.
    Silence,
    /// Ends the connection with a reset.
    Reset,
}

pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    requests: Arc<AtomicUsize>,
    written: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Peer {
    pub(crate) async fn start(steps: Vec<Step>) -> Self {
        Self::start_with(steps, None).await
    }

    /// The same behind TLS.
    pub(crate) async fn start_tls(steps: Vec<Step>, acceptor: TlsAcceptor) -> Self {
        Self::start_with(steps, Some(acceptor)).await
    }

    async fn start_with(steps: Vec<Step>, acceptor: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (requests, written) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let counts = (Arc::clone(&requests), Arc::clone(&written));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (steps, (requests, written)) = (steps.clone(), counts.clone());
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    match acceptor {
                        None => act(stream, steps, &requests, &written).await,
                        // A client that refuses the certificate has gone by now.
                        Some(acceptor) => {
                            if let Ok(stream) = acceptor.accept(stream).await {
                                act(stream, steps, &requests, &written).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, requests, written, task }
    }

    /// Requests that came whole.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// Bytes that it could get rid of.
    pub(crate) fn written(&self) -> usize {
        self.written.load(Ordering::SeqCst)
    }
}

/// A connection that can be reset.
trait Wire: AsyncRead + AsyncWrite + Unpin {
    fn tcp(&self) -> &TcpStream;
}

impl Wire for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Wire for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

async fn act(mut wire: impl Wire, steps: Vec<Step>, requests: &AtomicUsize, written: &AtomicUsize) {
    for step in steps {
        match step {
            Step::Read => {
                if support::read(&mut wire).await.is_none() {
                    return;
                }
                requests.fetch_add(1, Ordering::SeqCst);
            }
            Step::Write(bytes) => {
                if wire.write_all(&bytes).await.is_err() {
                    return;
                }
                written.fetch_add(bytes.len(), Ordering::SeqCst);
            }
            Step::ForEver(bytes) => {
                while written.load(Ordering::SeqCst) < ENDLESS {
                    let Ok(count) = wire.write(&bytes).await else { return };
                    // A part of it would break its framing; the rest follows.
                    if wire.write_all(&bytes[count..]).await.is_err() {
                        return;
                    }
                    written.fetch_add(bytes.len(), Ordering::SeqCst);
                }
            }
            Step::Drip(bytes) => {
                for byte in bytes.iter().cycle() {
                    if wire.write_all(&[*byte]).await.is_err() {
                        return;
                    }
                    written.fetch_add(1, Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
            Step::Silence => while matches!(wire.read(&mut [0; 512]).await, Ok(1..)) {},
            Step::Reset => {
                // Closing with nothing left to linger for.
                drop(wire.tcp().set_zero_linger());
                return;
            }
        }
    }
    drop(wire.shutdown().await);
}

/// A gzip stream (RFC 1952) whose content is `times` × 258 zero bytes and one more: 13 bits for every 258 bytes.
pub(crate) fn bomb(times: usize) -> Vec<u8> {
    let mut bits = Bits { bytes: vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255], used: 8 };
    // One block, the last, with the fixed codes; a zero; then "258 bytes from 1 byte ago" again and again.
    bits.put(&[1, 1, 0]);
    bits.put(&[0, 0, 1, 1, 0, 0, 0, 0]);
    for _ in 0..times {
        bits.put(&[1, 1, 0, 0, 0, 1, 0, 1]);
        bits.put(&[0, 0, 0, 0, 0]);
    }
    bits.put(&[0, 0, 0, 0, 0, 0, 0]);
    bits.bytes
}

struct Bits {
    bytes: Vec<u8>,
    used: u32,
}

impl Bits {
    fn put(&mut self, bits: &[u8]) {
        for bit in bits {
            if self.used == 8 {
                self.bytes.push(0);
                self.used = 0;
            }
            if let Some(last) = self.bytes.last_mut() {
                *last |= bit << self.used;
            }
            self.used += 1;
        }
    }
}

//! What a body costs while it is read. A process of its own, because the peak of its memory is looked at.
#![expect(clippy::unwrap_used, reason = "a test's helper may panic where the test itself may")]

use egress::{BodyCap, Egress, EgressConfig, Request};
use http::Method;
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

/// Bytes of the body, each in a chunk of its own.
const BODY: usize = 1 << 20;
/// What reading it may cost: it is held twice for a moment, and there are the connection's buffers and the peer.
const MOST: usize = 12 << 20;

/// The most memory that this process has had resident, in bytes.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().trim().parse::<usize>().unwrap() * 1024
}

/// Answers two requests with a chunked body: a short one, and one of `BODY` chunks.
async fn peer(listener: TcpListener) {
    for chunks in [16, BODY] {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut seen = [0; 4096];
        assert!(stream.read(&mut seen).await.unwrap() > 0);
        stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await.unwrap();
        let some = b"1\r\nx\r\n".repeat(16);
        for _ in 0..chunks / 16 {
            stream.write_all(&some).await.unwrap();
        }
        stream.write_all(b"0\r\n\r\n").await.unwrap();
        // Until the guard has read it all.
        drop(stream.read(&mut seen).await);
    }
}

#[tokio::test]
async fn a_body_in_the_smallest_of_chunks_takes_no_more_memory_than_its_bytes() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let served = tokio::spawn(peer(listener));
    let mut config = EgressConfig::new(vec![origin.parse().unwrap()], Duration::from_mins(2));
    config.simulated = true;
    let egress = Egress::new(&config).unwrap();
    let mut peaks = Vec::new();
    for length in [16, BODY] {
        let request = Request::new(Method::GET, egress.check(&format!("{origin}/")).unwrap());
        let answer = egress.send(request, BodyCap::Whole(BODY)).await.unwrap();
        assert!(answer.body().len() == length && answer.body().iter().all(|byte| *byte == b'x'));
        peaks.push(peak());
    }
    served.await.unwrap();
    let cost = peaks[1] - peaks[0];
    assert!(cost <= MOST, "{cost} bytes for a body of {BODY}");
}

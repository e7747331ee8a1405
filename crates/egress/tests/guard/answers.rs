//! Answers that are too large, too short, too slow, or lead elsewhere.

use crate::support::{Server, Then, config, get, guard, ok};
use egress::{Body, BodyCap, Egress, EgressError, Origin, Part, Request, Unsent};
use http::Method;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

async fn ask(then: Then, wanted: BodyCap) -> Result<egress::Response, EgressError> {
    let server = Server::start(then).await;
    guard(&server).send(get(&server), wanted).await
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_credentials_reach_no_other_host() {
    let elsewhere = Server::start(Then::Say(ok("Content-Length: 0\r\n", b""))).await;
    for status in [301, 302, 303, 307, 308] {
        let head = format!(
            "HTTP/1.1 {status} Moved\r\nLocation: http://{}/\r\nContent-Length: 0\r\n\r\n",
            elsewhere.address
        );
        let server = Server::start(Then::Say(head.into_bytes())).await;
        // The other host is allowed: even then nobody is sent there by a stranger's word.
        let guard = Egress::new(&config(vec![server.origin(), elsewhere.origin()])).unwrap();
        let answer = guard.send(get(&server), BodyCap::UpTo(100)).await.unwrap();
        assert_eq!(answer.status(), status);
        assert!(server.requests()[0].contains("authorization: Basic c2VjcmV0"));
    }
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn a_url_that_another_guard_checked_is_checked_again_before_anything_is_sent() {
    let (ours, other) = (Server::start(Then::Reset).await, Server::start(Then::Reset).await);
    let error = guard(&ours).send(get(&other), BodyCap::Nothing).await.unwrap_err();
    assert!(matches!(error, EgressError::Refused(_)), "{error}");
    assert!(error.nothing_was_sent());
    assert!(other.requests().is_empty());
}

#[tokio::test]
async fn a_body_is_read_whole_with_a_length_and_in_chunks() {
    let sized = ask(Then::Say(ok("Content-Length: 5\r\n", b"hello")), BodyCap::Whole(5)).await.unwrap();
    assert_eq!(sized.body(), b"hello");
    let chunked = ok("Transfer-Encoding: chunked\r\n", b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n");
    assert_eq!(ask(Then::Say(chunked), BodyCap::Whole(5)).await.unwrap().body(), b"hello");
    let unframed = Then::Say(ok("Connection: close\r\n", b"hello"));
    assert_eq!(ask(unframed, BodyCap::UpTo(5)).await.unwrap().body(), b"hello");
}

#[tokio::test]
async fn the_body_buffer_is_sized_once() {
    let body = vec![7; 200_000];
    let sized =
        ask(Then::Say(ok("Content-Length: 200000\r\n", &body)), BodyCap::Whole(1 << 20)).await.unwrap();
    assert_eq!(sized.into_body().capacity(), 200_000);
}

#[tokio::test]
async fn a_length_over_the_cap_is_refused_before_reading() {
    // The server never sends the body: only a guard that does not wait for it can answer.
    let answer = ask(Then::Stall(ok("Content-Length: 6\r\n", b"")), BodyCap::Whole(5)).await;
    assert_eq!(answer.unwrap_err(), EgressError::TooLarge { cap: 5 });
    let absurd = ok("Content-Length: 9223372036854775807\r\n", b"");
    assert_eq!(
        ask(Then::Stall(absurd), BodyCap::Whole(5)).await.unwrap_err(),
        EgressError::TooLarge { cap: 5 }
    );
}

#[tokio::test]
async fn an_endless_body_is_cut_at_the_cap() {
    let chunk = b"1000\r\n".iter().copied().chain([b'x'; 4096]).chain(*b"\r\n").collect::<Vec<u8>>();
    let endless = Then::SayForEver(ok("Transfer-Encoding: chunked\r\n", b""), chunk);
    assert_eq!(
        ask(endless, BodyCap::Whole(100_000)).await.unwrap_err(),
        EgressError::TooLarge { cap: 100_000 }
    );
    let unframed = Then::SayForEver(ok("", b""), vec![b'x'; 4096]);
    assert_eq!(
        ask(unframed, BodyCap::UpTo(100_000)).await.unwrap_err(),
        EgressError::TooLarge { cap: 100_000 }
    );
}

#[tokio::test]
async fn an_endless_head_is_cut() {
    let endless = Then::SayForEver(b"HTTP/1.1 200 OK\r\n".to_vec(), b"X-More: and more\r\n".to_vec());
    assert_eq!(ask(endless, BodyCap::Nothing).await.unwrap_err(), EgressError::Lost);
}

#[tokio::test]
async fn a_body_that_ends_early_is_an_error() {
    for early in [
        ok("Content-Length: 10\r\n", b"hello"),
        ok("Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n"),
        ok("Transfer-Encoding: chunked\r\n", b"5\r\nhel"),
    ] {
        assert_eq!(ask(Then::Say(early), BodyCap::Whole(100)).await.unwrap_err(), EgressError::Truncated);
    }
    // Whether this one is whole cannot be seen.
    let unframed = ok("Connection: close\r\n", b"hello");
    assert_eq!(ask(Then::Say(unframed), BodyCap::Whole(100)).await.unwrap_err(), EgressError::Truncated);
}

#[tokio::test]
async fn a_status_that_never_has_a_body_is_a_whole_and_empty_answer_without_a_length() {
    for status in ["204 No Content", "205 Reset Content", "304 Not Modified"] {
        let answer = Then::Say(format!("HTTP/1.1 {status}\r\nConnection: close\r\n\r\n").into_bytes());
        let answer = ask(answer, BodyCap::WholeOfAny(100)).await.unwrap();
        assert_eq!(answer.status().to_string(), status[..3]);
        assert!(answer.body().is_empty());
    }
}

#[tokio::test]
async fn a_content_encoding_that_nobody_asked_for_is_refused() {
    let zipped = ok("Content-Length: 5\r\nContent-Encoding: gzip\r\n", b"hello");
    assert_eq!(ask(Then::Say(zipped), BodyCap::Whole(100)).await.unwrap_err(), EgressError::Encoded);
}

#[tokio::test]
async fn the_body_of_an_error_is_never_read() {
    let head = b"HTTP/1.1 500 No\r\nContent-Length: 9\r\n\r\n".to_vec();
    let answer = ask(Then::Stall(head), BodyCap::Whole(100)).await.unwrap();
    assert_eq!((answer.status(), answer.body()), (500, &b""[..]));
}

#[tokio::test]
async fn silence_ends_at_the_total_timeout_wherever_it_sets_in() {
    for stalled in [b"".to_vec(), b"HTTP/1.1 200".to_vec(), ok("Content-Length: 10\r\n", b"hello")] {
        let server = Server::start(Then::Stall(stalled)).await;
        let mut config = config(vec![server.origin()]);
        config.total_timeout = Duration::from_millis(200);
        let begun = Instant::now();
        let error = Egress::new(&config).unwrap().send(get(&server), BodyCap::Whole(100)).await.unwrap_err();
        assert_eq!(error, EgressError::TimedOut);
        assert!(!error.nothing_was_sent());
        assert!(begun.elapsed() < Duration::from_secs(5));
    }
}

#[tokio::test]
async fn a_reset_after_the_request_is_not_taken_for_unsent() {
    let error = ask(Then::Reset, BodyCap::Nothing).await.unwrap_err();
    assert_eq!(error, EgressError::Lost);
    assert!(!error.nothing_was_sent());
}

#[tokio::test]
async fn nobody_listening_means_that_nothing_was_sent() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let origin: Origin = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    drop(listener);
    let guard = Egress::new(&config(vec![origin.clone()])).unwrap();
    let request = Request::new(Method::GET, origin.at("/").unwrap());
    let error = guard.send(request, BodyCap::Nothing).await.unwrap_err();
    assert_eq!(error, EgressError::NotSent(Unsent::Connect));
    assert!(error.nothing_was_sent() && error.is_retryable());
}

/// Counts how many owners are alive.
struct Owned(Vec<u8>, Arc<AtomicUsize>);

impl AsRef<[u8]> for Owned {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.1.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn a_multipart_body_has_its_length_its_parts_and_gives_its_buffer_back() {
    let server = Server::start(Then::Say(ok("Content-Length: 0\r\n", b""))).await;
    let dropped = Arc::new(AtomicUsize::new(0));
    let part = |name, file_name, content_type, content: bytes::Bytes| Part {
        name,
        file_name,
        content_type,
        content,
    };
    let face = bytes::Bytes::from_owner(Owned(vec![b'f'; 50_000], Arc::clone(&dropped)));
    let request = get(&server).body(Body::Multipart(vec![
        part("facemap", Some("facemap.bin"), "application/octet-stream", face),
        part("enrollmentMetadata", None, "application/json", bytes::Bytes::from_static(b"{}")),
    ]));
    guard(&server).send(request, BodyCap::Nothing).await.unwrap();
    assert_eq!(dropped.load(Ordering::SeqCst), 1);
    let seen = &server.requests()[0];
    let (head, body) = seen.split_once("\r\n\r\n").unwrap();
    let head = head.to_ascii_lowercase();
    assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
    assert!(!head.contains("transfer-encoding"), "{head}");
    assert_eq!(body.matches("Content-Disposition: form-data").count(), 2);
    assert!(body.contains(
        "name=\"facemap\"; filename=\"facemap.bin\"\r\nContent-Type: application/octet-stream\r\n"
    ));
    assert!(body.contains("name=\"enrollmentMetadata\"\r\nContent-Type: application/json\r\n\r\n{}\r\n"));
    assert!(body.contains(&"f".repeat(50_000)));
}

#[tokio::test]
async fn nothing_is_added_that_was_not_asked_for() {
    let server = Server::start(Then::Say(ok("Content-Length: 0\r\n", b""))).await;
    guard(&server).send(get(&server), BodyCap::Nothing).await.unwrap();
    let head = server.requests()[0].to_ascii_lowercase();
    for name in ["accept-encoding", "cookie", "referer", "range"] {
        assert!(!head.contains(name), "{head}");
    }
}

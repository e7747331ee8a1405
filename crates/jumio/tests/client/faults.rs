//! Every call × every fault of its peer: what the client makes of it decides what may be done again.

use crate::{
    calls::{Brought, CALLS, Call, FACE},
    fates::{
        CAP,
        Fate::{self, Believed, DoneOrUnknown, Limited, Refused, TooLarge, Unknown, Unsent, UnsentOrUnknown},
        meets, within,
    },
    peer::{
        Peer,
        Step::{self, Drip, ForEver, Read, Reset, Silence, Write},
        bomb,
    },
    support::client_of,
};
use std::time::Duration;
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinSet,
};

/// Time for a call whose peer answers.
const AMPLE: Duration = Duration::from_secs(20);
/// Time for a call whose peer does not.
const SHORT: Duration = Duration::from_millis(400);

/// Every call meets what `steps` makes of its good answer, each at a peer of its own.
async fn every_call(name: &'static str, time: Duration, fate: Fate, steps: fn(Call) -> Vec<Step>) {
    let mut calls = JoinSet::new();
    for call in CALLS {
        calls.spawn(async move {
            let peer = Peer::start(steps(call)).await;
            let jumio = within(time, &format!("http://{}", peer.address));
            meets(call, name, &peer, &jumio, fate).await;
        });
    }
    while let Some(done) = calls.join_next().await {
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
    }
}

/// An answer's head, with these lines.
fn head(status: u16, lines: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} X\r\n{lines}\r\n").into_bytes()
}

/// A whole good answer that says it has `length` bytes.
fn sized(call: Call, length: usize) -> Vec<u8> {
    let (media_type, body) = call.good();
    [head(200, &format!("Content-Type: {media_type}\r\nContent-Length: {length}\r\n")), body].concat()
}

fn whole(call: Call) -> Vec<u8> {
    sized(call, call.good().1.len())
}

/// The good answer up to the middle of its body.
fn half(call: Call) -> Vec<u8> {
    let (bytes, body) = (whole(call), call.good().1.len());
    bytes[..bytes.len() - body / 2].to_vec()
}

fn status(status: u16, lines: &str) -> Vec<Step> {
    vec![Read, Write(head(status, &format!("Content-Length: 2\r\n{lines}"))), Write(b"{}".to_vec())]
}

fn chunk(length: usize) -> Vec<u8> {
    [format!("{length:x}\r\n").as_bytes(), &vec![b'x'; length], b"\r\n"].concat()
}

const CHUNKED: &str = "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn without_a_fault_every_call_brings_what_it_is_for() {
    for call in CALLS {
        let peer = Peer::start(vec![Read, Write(whole(call))]).await;
        let jumio = client_of(&format!("http://{}", peer.address), |_| ());
        let expected = match call {
            Call::Facemap => Brought::Done(FACE),
            Call::Gone => Brought::StillThere,
            _ => Brought::Done(0),
        };
        assert_eq!(call.make(&jumio).await, Ok(expected), "{call:?}");
        assert_eq!(peer.requests(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_requests_are_certain_and_say_when_to_come_back() {
    every_call("429", AMPLE, Limited(None), |_| status(429, "")).await;
    every_call("429 for 7 s", AMPLE, Limited(Some(7)), |_| status(429, "Retry-After: 7\r\n")).await;
    every_call("429 for ages", AMPLE, Limited(Some(3600)), |_| status(429, "Retry-After: 4000000\r\n")).await;
    every_call("429 without end", AMPLE, Limited(None), |_| {
        vec![Read, Write(head(429, CHUNKED)), ForEver(chunk(0x1000))]
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_error_says_nothing_about_what_happened() {
    every_call("500", AMPLE, Unknown, |_| status(500, "")).await;
    every_call("502", AMPLE, Unknown, |_| status(502, "")).await;
    every_call("503", AMPLE, Unknown, |_| status(503, "Retry-After: 7\r\n")).await;
    every_call("504", AMPLE, Unknown, |_| status(504, "")).await;
    every_call("599", AMPLE, Unknown, |_| status(599, "")).await;
    every_call("500 without end", AMPLE, Unknown, |_| {
        vec![Read, Write(head(500, CHUNKED)), ForEver(chunk(0x1000))]
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_falls_silent_is_left_and_the_outcome_is_unknown() {
    every_call("silence", SHORT, Unknown, |_| vec![Read, Silence]).await;
    every_call("silence before the request is read", SHORT, Unknown, |_| vec![Silence]).await;
    every_call("silence in the head", SHORT, Unknown, |call| {
        vec![Read, Write(whole(call)[..20].to_vec()), Silence]
    })
    .await;
    every_call("silence in the body", SHORT, Unknown, |call| vec![Read, Write(half(call)), Silence]).await;
    every_call("a length that is too long, and silence", SHORT, Unknown, |call| {
        vec![Read, Write(sized(call, call.good().1.len() + 1)), Silence]
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_byte_at_a_time_is_not_waited_for_however_steadily_it_comes() {
    every_call("a slow head", SHORT, Unknown, |call| vec![Read, Drip(whole(call)[..60].to_vec())]).await;
    every_call("a slow body", SHORT, Unknown, |call| vec![Read, Write(half(call)), Drip(b" ".to_vec())])
        .await;
    every_call("slow chunks", SHORT, Unknown, |_| {
        vec![Read, Write(head(200, CHUNKED)), Drip(b"1\r\n \r\n".to_vec())]
    })
    .await;
    every_call("interim answers without end", SHORT, Unknown, |_| vec![Read, Drip(head(103, ""))]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_leaves_the_outcome_unknown_wherever_it_comes() {
    every_call("a reset at once", AMPLE, UnsentOrUnknown, |_| vec![Reset]).await;
    every_call("a reset after the request", AMPLE, Unknown, |_| vec![Read, Reset]).await;
    every_call("a reset in the head", AMPLE, Unknown, |call| {
        vec![Read, Write(whole(call)[..20].to_vec()), Reset]
    })
    .await;
    every_call("a reset in the body", AMPLE, Unknown, |call| vec![Read, Write(half(call)), Reset]).await;
    every_call("a reset after the body", AMPLE, DoneOrUnknown, |call| vec![Read, Write(whole(call)), Reset])
        .await;
    every_call("a connection that is closed", AMPLE, Unknown, |_| vec![Read]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn half_an_answer_is_none() {
    every_call("half a body", AMPLE, Unknown, |call| vec![Read, Write(half(call))]).await;
    every_call("a length that is too long", AMPLE, Unknown, |call| {
        vec![Read, Write(sized(call, call.good().1.len() + 1))]
    })
    .await;
    every_call("half a body, to the end of the connection", AMPLE, Unknown, |call| {
        let (_, body) = call.good();
        vec![Read, Write(head(200, "")), Write(body[..body.len() / 2].to_vec())]
    })
    .await;
    every_call("chunks without their end", AMPLE, Unknown, |_| {
        vec![Read, Write(head(200, CHUNKED)), Write(chunk(10))]
    })
    .await;
    every_call("a length that is too short", AMPLE, Believed(FACE / 2), |call| {
        vec![Read, Write(sized(call, call.good().1.len() / 2))]
    })
    .await;
    every_call("two lengths", AMPLE, Unknown, |call| {
        let lines = "Content-Length: 1\r\nContent-Length: 2\r\n";
        vec![Read, Write(head(200, lines)), Write(call.good().1)]
    })
    .await;
    every_call("a negative length", AMPLE, Unknown, |call| {
        vec![Read, Write(head(200, "Content-Length: -1\r\n")), Write(call.good().1)]
    })
    .await;
    every_call("not HTTP", AMPLE, Unknown, |_| vec![Read, Write(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec())]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_end_is_cut_at_the_limit() {
    every_call("chunks without end", AMPLE, TooLarge, |_| {
        vec![Read, Write(head(200, CHUNKED)), ForEver(chunk(0x4000))]
    })
    .await;
    every_call("a length above the limit", AMPLE, TooLarge, |_| {
        let lines = format!("Content-Length: {}\r\n", CAP + 1);
        vec![Read, Write(head(200, &lines)), ForEver(vec![b'x'; 0x4000])]
    })
    .await;
    every_call("an absurd length", AMPLE, TooLarge, |_| {
        vec![Read, Write(head(200, "Content-Length: 9223372036854775807\r\n")), ForEver(vec![b'x'; 0x4000])]
    })
    .await;
    every_call("a head without end", AMPLE, Unknown, |_| {
        vec![Read, Write(b"HTTP/1.1 200 OK\r\n".to_vec()), ForEver(b"X-More: and more\r\n".to_vec())]
    })
    .await;
    every_call("a header without end", AMPLE, Unknown, |_| {
        vec![Read, Write(b"HTTP/1.1 200 OK\r\nX-More: ".to_vec()), ForEver(vec![b'x'; 0x4000])]
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_packed_is_never_unpacked() {
    // Five hundred times as large inside. Not asked for, so it is not read, whatever it holds.
    every_call("a gzip bomb", AMPLE, Unknown, |call| {
        let (media_type, _) = call.good();
        let packed = bomb(100_000);
        let lines = format!(
            "Content-Type: {media_type}\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n",
            packed.len()
        );
        vec![Read, Write(head(200, &lines)), Write(packed)]
    })
    .await;
    every_call("gzip chunks without end", AMPLE, Unknown, |_| {
        let lines = "Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n";
        let packed = bomb(4000);
        let framed = [format!("{:x}\r\n", packed.len()).as_bytes(), &packed, b"\r\n"].concat();
        vec![Read, Write(head(200, lines)), ForEver(framed)]
    })
    .await;
    every_call("a transfer encoding nobody knows", AMPLE, Unknown, |call| {
        let lines = "Transfer-Encoding: gzip, chunked\r\n";
        vec![Read, Write(head(200, lines)), Write(chunk(4)), Write(call.good().1)]
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_with_status_200_is_no_answer_to_anything() {
    const PAGE: &[u8] = b"<!doctype html><html><body>We will be back soon.</body></html>";
    fn page(media_type: &str) -> Vec<Step> {
        let lines = format!("Content-Type: {media_type}\r\nContent-Length: {}\r\n", PAGE.len());
        vec![Read, Write(head(200, &lines)), Write(PAGE.to_vec())]
    }
    every_call("a page", AMPLE, Unknown, |_| page("text/html; charset=utf-8")).await;
    every_call("a page that says it is none", AMPLE, Unknown, |call| page(call.good().0)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_refused_and_whoever_it_names_hears_nothing() {
    for status in [301_u16, 302, 303, 307, 308] {
        let thief = Peer::start(vec![Read, Write(head(200, "Content-Length: 0\r\n"))]).await;
        let place = format!("Content-Length: 0\r\nLocation: http://{}/\r\n", thief.address);
        let mut calls = JoinSet::new();
        for call in CALLS {
            let answer = head(status, &place);
            calls.spawn(async move {
                let peer = Peer::start(vec![Read, Write(answer)]).await;
                let jumio = within(AMPLE, &format!("http://{}", peer.address));
                meets(call, "a redirect", &peer, &jumio, Refused(status)).await;
            });
        }
        while let Some(done) = calls.join_next().await {
            done.unwrap();
        }
        assert_eq!(thief.requests(), 0, "{status}");
    }
}

/// A listener whose queue is full: whoever connects hears nothing at all. Holds what fills it.
async fn full() -> (TcpListener, JoinSet<()>) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = JoinSet::new();
    let (told, mut connected) = tokio::sync::mpsc::unbounded_channel();
    for _ in 0..8 {
        let told = told.clone();
        waiting.spawn(async move {
            let Ok(_stream) = TcpStream::connect(address).await else { return };
            told.send(()).unwrap();
            std::future::pending::<()>().await;
        });
    }
    // The queue holds two; those after them are not heard.
    for _ in 0..2 {
        connected.recv().await.unwrap();
    }
    (listener, waiting)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_does_not_come_about_means_that_nothing_was_sent() {
    let (listener, _waiting) = full().await;
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let nobody = Peer::start(vec![]).await;
    for call in CALLS {
        meets(call, "no connection in time", &nobody, &within(SHORT, &origin), Unsent).await;
    }
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    for call in CALLS {
        meets(call, "a closed port", &nobody, &within(AMPLE, &origin), Unsent).await;
    }
}

//! Downloading a facemap, and what must not pass for one.

use crate::support::{Answer, Responder, SCAN, client_with, scan};
use jumio::{JumioApi, JumioError};

#[tokio::test]
async fn a_facemap_arrives_byte_for_byte() {
    let face: Vec<u8> = (0..200_000_u32).map(|i| (i % 253) as u8).collect();
    let responder =
        Responder::start([Answer::with(200, "Content-Type: application/octet-stream\r\n", &face)]).await;
    let got = responder.client().facemap(scan(), None).await.unwrap();
    assert!(got.expose() == face);
}

#[tokio::test]
async fn what_is_no_facemap_is_refused() {
    for (what, answer) in [
        ("empty", Answer::with(200, "", b"")),
        ("html", Answer::with(200, "Content-Type: text/html; charset=utf-8\r\n", b"\x01\x02")),
        ("html", Answer::with(200, "Content-Type: TEXT/HTML\r\n", b"\x01\x02")),
        ("xhtml", Answer::with(200, "Content-Type: application/xhtml+xml\r\n", b"\x01\x02")),
        ("text", Answer::with(200, "Content-Type: text/plain\r\n", b"Service unavailable")),
        ("json", Answer::with(200, "Content-Type: application/problem+json\r\n", b"{\"status\":500}")),
        ("page", Answer::with(200, "", b"<!DOCTYPE html><html></html>")),
        ("page", Answer::with(200, "Content-Type: application/octet-stream\r\n", b"\xef\xbb\xbf \r\n<HTML>")),
        ("page", Answer::with(200, "", b"<?xml version=\"1.0\"?>")),
        ("encoded", Answer::with(200, "Content-Encoding: gzip\r\n", b"\x1f\x8b")),
    ] {
        let responder = Responder::start([answer]).await;
        let error = responder.client().facemap(scan(), None).await.unwrap_err();
        assert!(matches!(error, JumioError::Malformed { .. }), "{what}: {error}");
        assert!(error.is_retryable(), "{what}");
    }
}

#[tokio::test]
async fn a_facemap_above_the_limit_or_cut_short_is_refused() {
    let chunk = format!("100\r\n{}\r\n", "x".repeat(256));
    let chunked =
        |end: &str| format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}{end}", chunk.repeat(5));
    for (answer, too_large) in [
        (Answer::with(200, "", &[7; 1025]), true),
        (Answer::stalling("HTTP/1.1 200 OK\r\nContent-Length: 1025\r\n\r\n"), true),
        (Answer::stalling(chunked("")), true),
        (Answer::raw("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345"), false),
        (Answer::raw("HTTP/1.1 200 OK\r\n\r\n12345"), false),
    ] {
        let responder = Responder::start([answer]).await;
        let mut config = responder.config();
        config.max_facemap_bytes = 1024;
        let error = client_with(config).facemap(scan(), None).await.unwrap_err();
        assert_eq!(matches!(error, JumioError::Guarded { .. }), too_large, "{error}");
        assert_eq!(error.is_retryable(), !too_large, "{error}");
    }
}

#[tokio::test]
async fn a_link_is_followed_only_on_jumios_own_origin_and_for_this_scan() {
    let elsewhere = Responder::start([]).await;
    let responder = Responder::start([Answer::with(200, "", b"face")]).await;
    let jumio = responder.client();
    let (ours, other) = (responder.address, elsewhere.address);
    let another_scan = "5ca1ab1e-0000-4000-8000-00000000000f";
    for bad in [
        format!("http://{other}/scans/{SCAN}/data/facemap"),
        format!("https://{ours}/scans/{SCAN}/data/facemap"),
        format!("http://{ours}@{other}/scans/{SCAN}/data/facemap"),
        format!("http://user@{ours}/scans/{SCAN}/data/facemap"),
        format!("http://{ours}/scans/{SCAN}/data/facemap#x"),
        format!("http://localhost:{}/scans/{SCAN}/data/facemap", ours.port()),
        format!("http://{ours}/scans/{another_scan}/data/facemap"),
        format!("http://{ours}/scans/{another_scan}/data/facemap?x={SCAN}"),
        format!("http://{ours}/scans/{SCAN}/../{another_scan}/data/facemap"),
        format!("http://{ours}/scans/{SCAN}/%2e%2e/{another_scan}/data/facemap"),
        format!("file:///scans/{SCAN}"),
        format!("/scans/{SCAN}/data/facemap"),
        String::new(),
    ] {
        let error = jumio.facemap(scan(), Some(&bad)).await.unwrap_err();
        assert!(matches!(error, JumioError::Guarded { .. }), "{bad}: {error}");
        assert!(!error.is_retryable(), "{bad}");
    }
    assert!(responder.seen().is_empty() && elsewhere.seen().is_empty());
    let good = format!("http://{ours}/scans/{}/facemap?size=full", SCAN.to_uppercase());
    assert_eq!(jumio.facemap(scan(), Some(&good)).await.unwrap().expose(), b"face");
    assert_eq!(responder.only().line, format!("GET /scans/{}/facemap?size=full", SCAN.to_uppercase()));
}

#[tokio::test]
async fn gone_is_a_404_and_nothing_else() {
    let stalled = Answer::stalling("HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n");
    let statuses = [404, 403, 500, 410, 204].map(Answer::status);
    let responder = Responder::start([stalled].into_iter().chain(statuses)).await;
    let jumio = responder.client();
    // Answered although the body never comes: nobody reads it.
    assert_eq!(jumio.facemap_is_gone(scan()).await, Ok(false));
    assert_eq!(jumio.facemap_is_gone(scan()).await, Ok(true));
    assert_eq!(jumio.facemap_is_gone(scan()).await, Err(JumioError::Refused { status: 403 }));
    assert!(matches!(
        jumio.facemap_is_gone(scan()).await,
        Err(JumioError::Ambiguous { status: Some(500), .. })
    ));
    assert_eq!(jumio.facemap_is_gone(scan()).await, Err(JumioError::Refused { status: 410 }));
    assert_eq!(jumio.facemap_is_gone(scan()).await, Ok(false));
}

//! Strangers who hold on to connections: more than there may be, a byte at a time, or without taking the answer. Whoever is
//! honest does not notice. `scripts/floods` does the same with ten thousand, and measures.

use crate::house::{House, LOOK_EVERY, PATIENCE, Role, client};
use serde_json::json;
use std::{
    fs, io,
    process::Command,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    task::JoinHandle,
    time::timeout,
};

const FORM: &str = "application/x-www-form-urlencoded";
/// Connections that may wait at each listener.
const MOST: usize = 32;
/// Connections of the strangers at each listener, of each kind.
const STRANGERS: usize = 100;
/// The state in which a socket listens, as the kernel writes it.
const LISTENING: &str = "0A";
/// Longer than any test: what is cut all the same was cut for another reason.
const FOR_EVER: &str = "600";

/// Connections, each of which gets a byte from time to time.
struct Flood {
    held: Arc<Mutex<Vec<TcpStream>>>,
    dripping: JoinHandle<()>,
}

impl Flood {
    /// Opens so many to a port, each beginning with these bytes.
    async fn begin(port: u16, count: usize, beginning: &str) -> Self {
        let held = Arc::new(Mutex::new(Vec::new()));
        for _ in 0..count {
            let stream = connect(port, beginning).await;
            held.lock().unwrap().push(stream);
        }
        let dripped = Arc::clone(&held);
        let dripping = tokio::spawn(async move {
            let mut drops = tokio::time::interval(Duration::from_millis(100));
            loop {
                drops.tick().await;
                // Who has been cut hears of it, and does not mind.
                dripped.lock().unwrap().iter().for_each(|stream| drop(stream.try_write(b"x")));
            }
        });
        Self { held, dripping }
    }

    /// Strangers of every kind at both listeners; in front of the public one's bodies stands the portal's token.
    async fn everywhere(house: &House) -> Vec<Self> {
        let mut floods = Vec::new();
        for (port, path) in
            [(house.start.public, portal(house)), (house.start.private, "/v1/status".to_owned())]
        {
            floods.push(Self::begin(port, STRANGERS, "").await);
            floods.push(
                Self::begin(port, STRANGERS, &format!("POST {path} HTTP/1.1\r\nHost: vault\r\nX-")).await,
            );
            floods.push(Self::begin(port, STRANGERS, &head(&path, "Content-Length: 1000\r\n")).await);
        }
        floods
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.dripping.abort();
        self.held.lock().unwrap().clear();
    }
}

fn last(request: &str) -> String {
    format!("{request}Connection: close\r\n\r\n")
}

async fn connect(port: u16, beginning: &str) -> TcpStream {
    let mut stream = timeout(PATIENCE, TcpStream::connect(("127.0.0.1", port))).await.unwrap().unwrap();
    // It may have been cut already.
    drop(stream.write_all(beginning.as_bytes()).await);
    stream
}

fn portal(house: &House) -> String {
    format!("/callbacks/jumio/{}", house.portal_token)
}

fn head(path: &str, more: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: vault\r\nContent-Type: {FORM}\r\n{more}\r\n")
}

fn known(house: &House, path: &str, more: &str) -> String {
    let token = house.token(Role::App);
    format!(
        "POST {path} HTTP/1.1\r\nHost: vault\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n{more}\r\n"
    )
}

async fn small(more: &[(&str, &str)]) -> House {
    let most = MOST.to_string();
    let mut settings = vec![("SERVER__MAX_CONNECTIONS", most.as_str())];
    settings.extend(more);
    House::with(&settings).await
}

const PATIENT: [(&str, &str); 2] =
    [("SERVER__HEAD_TIMEOUT_SECONDS", FOR_EVER), ("SERVER__BODY_TIMEOUT_SECONDS", FOR_EVER)];

/// Callbacks and requests like any other day's.
async fn honest_callbacks_are_answered(house: &House) {
    for n in 0..20 {
        let reference = format!("00000000-0000-4000-8000-{n:012}");
        let form = [("callBackType", "NETVERIFYID"), ("jumioIdScanReference", reference.as_str())];
        let answered = timeout(PATIENCE, house.callback(&form)).await;
        assert_eq!(answered.expect("a callback is answered"), 200);
    }
}

async fn honest_requests_are_answered(house: &House) {
    for _ in 0..20 {
        let answered = timeout(PATIENCE, house.get("/v1/status")).await;
        assert_eq!(answered.expect("a request is answered").status, 200);
    }
}

/// Everything that comes until the other side closes.
async fn until_closed(stream: &mut TcpStream) -> String {
    let mut heard = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match timeout(PATIENCE, stream.read(&mut buffer)).await.expect("the vault closes the connection") {
            Ok(0) => break,
            Ok(read) => heard.extend_from_slice(&buffer[..read]),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => break,
            Err(error) => panic!("{error}"),
        }
    }
    String::from_utf8_lossy(&heard).into_owned()
}

/// Sockets of connections at a port that a process still has open.
fn open_at(port: u16) -> usize {
    rows_at(port).len()
}

fn rows_at(port: u16) -> Vec<String> {
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let local = format!("0100007F:{port:04X}");
    let rows = table.lines().skip(1).map(|row| row.split_whitespace().collect::<Vec<_>>());
    let held = rows.filter(|row| row[1] == local && row[3] != LISTENING && row[9] != "0");
    held.map(|row| row.join(" ")).collect()
}

async fn all_are_given_back(port: u16) {
    let begin = Instant::now();
    while open_at(port) > 0 {
        assert!(begin.elapsed() < PATIENCE, "still held: {:#?}", rows_at(port));
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn honest_ones_are_answered_while_strangers_hold_more_connections_than_there_may_be() {
    let mut house = small(&PATIENT).await;
    let floods = Flood::everywhere(&house).await;
    honest_callbacks_are_answered(&house).await;
    honest_requests_are_answered(&house).await;
    for port in [house.start.public, house.start.private] {
        assert!(open_at(port) > 0, "the strangers are still there");
        // Two threads take as many each; those that were cut may be on their way out.
        assert!(open_at(port) <= 4 * MOST, "{}", open_at(port));
    }
    drop(floods);
    // This one's connections too: it may have made one that it did not need.
    house.http = client();
    for port in [house.start.public, house.start.private] {
        all_are_given_back(port).await;
    }
    house.settles().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_comes_too_slowly_is_told_so_and_cut() {
    let house = small(&[("SERVER__HEAD_TIMEOUT_SECONDS", "1"), ("SERVER__BODY_TIMEOUT_SECONDS", "1")]).await;
    let (public, private) = (house.start.public, house.start.private);
    let length = "Content-Length: 1000\r\n";
    let chunked = "Transfer-Encoding: chunked\r\n";
    let path = portal(&house);
    let slow = [
        (public, String::new()),
        (private, String::new()),
        (public, format!("POST {path} HTTP/1.1\r\nX-")),
        (private, "GET /v1/status HTTP/1.1\r\nX-".to_owned()),
        (public, head(&path, length)),
        (public, format!("{}3e8\r\n", head(&path, chunked))),
        (private, known(&house, "/v1/verifications", length)),
        (private, format!("{}3e8\r\n", known(&house, "/v1/verifications", chunked))),
        (private, known(&house, "/v1/enrollments", &format!("{length}Idempotency-Key: a\r\n"))),
    ];
    let mut floods = Vec::new();
    for (port, beginning) in &slow {
        floods.push((Flood::begin(*port, 1, beginning).await, beginning));
    }
    for (flood, beginning) in floods {
        // Whoever listens for the answer does not send on: what comes after it would take it away.
        flood.dripping.abort();
        let mut stream = flood.held.lock().unwrap().remove(0);
        let heard = until_closed(&mut stream).await;
        assert!(heard.starts_with("HTTP/1.1 408 "), "{beginning:?}: {heard:?}");
    }
    for port in [public, private] {
        all_are_given_back(port).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_holds_a_connection_by_going_on_after_the_answer_or_not_taking_it() {
    let house = small(&[("SERVER__HEAD_TIMEOUT_SECONDS", "1"), ("SERVER__BODY_TIMEOUT_SECONDS", "1")]).await;
    let (public, private) = (house.start.public, house.start.private);
    let endless = format!("{}3e8\r\n", head("/nothing", "Transfer-Encoding: chunked\r\n"));
    let again = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: vault\r\n\r\nGET /");
    let going_on = [
        Flood::begin(public, 3, &endless).await,
        Flood::begin(private, 3, &endless).await,
        Flood::begin(public, 3, &again("/r/x")).await,
        Flood::begin(private, 3, &again("/livez")).await,
    ];
    // A small window, and more to come than fits into all buffers on the way.
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(2048).unwrap();
    let mut unread = socket.connect(([127, 0, 0, 1], private).into()).await.unwrap();
    let wanted = "GET /openapi.json HTTP/1.1\r\nHost: vault\r\n\r\n".repeat(16);
    unread.write_all(wanted.as_bytes()).await.unwrap();
    assert!(open_at(public) > 0 && open_at(private) > 0, "they are there");
    for port in [public, private] {
        all_are_given_back(port).await;
    }
    drop((going_on, unread));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_open_files_are_too_few_for_the_connections_that_is_told() {
    let house = House::new().await;
    for (files, told) in [("1024", true), ("16896", false)] {
        let output = Command::new("prlimit")
            .args([
                &format!("--nofile={files}"),
                env!("CARGO_BIN_EXE_facemap-vault"),
                "check-config",
                "--config",
            ])
            .arg(&house.start.config)
            .env_clear()
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{text}");
        assert_eq!(text.contains("server.max_connections is 2048"), told, "{files}: {text}");
        assert_eq!(text.contains("allows 64 for each listener"), told, "{files}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_at_one_listener_cuts_nobody_at_the_other() {
    let house = small(&PATIENT).await;
    let (public, private) = (house.start.public, house.start.private);
    for (flooded, other, path, status) in [(public, private, "/livez", 200), (private, public, "/r/x", 404)] {
        // Begun before the flood: at this listener it would be the first to go.
        let mut slow = connect(other, &format!("GET {path} HTTP/1.1\r\n")).await;
        let flood = Flood::begin(flooded, STRANGERS, "").await;
        honest_callbacks_are_answered(&house).await;
        honest_requests_are_answered(&house).await;
        slow.write_all(last("Host: vault\r\n").as_bytes()).await.unwrap();
        let heard = until_closed(&mut slow).await;
        assert!(heard.starts_with(&format!("HTTP/1.1 {status} ")), "{heard:?}");
        drop(flood);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_who_fill_the_private_listener_hold_up_no_callback() {
    let mut house = small(&PATIENT).await;
    // With a token, so that they are not cut: more than both threads take.
    let slow = known(&house, "/v1/verifications", "Content-Length: 1000\r\n");
    let flood = Flood::begin(house.start.private, 2 * MOST + MOST / 2, &slow).await;
    honest_callbacks_are_answered(&house).await;
    drop(flood);
    house.http = client();
    all_are_given_back(house.start.private).await;
    honest_requests_are_answered(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_known_caller_is_not_cut_for_a_stranger() {
    let house = small(&PATIENT).await;
    let body = json!({ "userReference": "user-ines", "workflowId": 201 }).to_string();
    let length = format!("Content-Length: {}\r\nExpect: 100-continue\r\nConnection: close\r\n", body.len());
    let mut caller = connect(house.start.private, &known(&house, "/v1/verifications", &length)).await;
    let mut told = [0; 12];
    timeout(PATIENCE, caller.read_exact(&mut told)).await.unwrap().unwrap();
    assert_eq!(&told, b"HTTP/1.1 100", "the caller has been let in");
    let floods = Flood::everywhere(&house).await;
    honest_requests_are_answered(&house).await;
    caller.write_all(body.as_bytes()).await.unwrap();
    let heard = until_closed(&mut caller).await;
    assert!(heard.contains("HTTP/1.1 201 "), "{heard:?}");
    drop(floods);
}

//! Events, as the company's backend gets them: signed, in order, from the real program.

use crate::house::{Answer, House, LOOK_EVERY, PATIENCE, Role};
use ring::hmac;
use sandbox::{AuthenticationResult, ResultOrder};
use serde_json::{Value, json};
use std::{
    os::unix::fs::PermissionsExt as _,
    sync::{Arc, Mutex},
    time::Instant,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

const KEY: [u8; 32] = [7; 32];
const SECRET: &str = "whsec_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";

/// Head and body of each request.
type Arrived = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

/// A backend that takes everything.
async fn backend() -> (u16, Arrived) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let arrived = Arrived::default();
    let log = arrived.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(take(stream, log.clone()));
        }
    });
    (port, arrived)
}

async fn take(mut stream: TcpStream, log: Arrived) -> Option<()> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        (stream.read_buf(&mut bytes).await.ok()? > 0).then_some(())?;
    };
    let head = String::from_utf8(bytes[..end].to_vec()).ok()?.to_lowercase();
    let length: usize = header(&head, "content-length").parse().ok()?;
    while bytes.len() < end + length {
        (stream.read_buf(&mut bytes).await.ok()? > 0).then_some(())?;
    }
    log.lock().unwrap().push((head, bytes.split_off(end)));
    stream.write_all(b"HTTP/1.1 204 X\r\nConnection: close\r\n\r\n").await.ok()
}

fn header<'a>(head: &'a str, name: &str) -> &'a str {
    let value = head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    value.unwrap_or_default().trim()
}

/// A vault that tells this backend what happens.
async fn told_to(port: u16) -> House {
    let url = format!("http://127.0.0.1:{port}/events");
    let settings = [("NOTIFICATIONS__URL", url.as_str()), ("NOTIFICATIONS__SECRET_FILE", "events-secret")];
    let mut house = House::set_up(&settings, None).await;
    let file = house.dir.join("events-secret");
    std::fs::write(&file, SECRET).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    house.start().await;
    house
}

/// The example of a kind in docs/events.md.
fn documented(kind: &str) -> Value {
    let docs = include_str!("../../docs/events.md");
    let blocks = docs.split("```json\n").skip(1).map(|block| block.split("```").next().unwrap());
    let examples = blocks.map(|block| serde_json::from_str::<Value>(block).unwrap());
    examples.into_iter().find(|example| example["type"] == kind).unwrap()
}

fn names(value: &Value) -> Vec<&str> {
    let mut names: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

async fn get_as(house: &House, role: Role, path: &str) -> Answer {
    house.ask(role, house.http.get(house.api(path))).await
}

async fn until_arrived(arrived: &Arrived, count: usize) -> Vec<Value> {
    let begin = Instant::now();
    while arrived.lock().unwrap().len() < count {
        assert!(begin.elapsed() < PATIENCE, "only {} arrived", arrived.lock().unwrap().len());
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let arrived = arrived.lock().unwrap();
    arrived.iter().map(|(_, body)| serde_json::from_slice(body).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_backend_is_told_in_order_and_signed_and_can_have_it_told_again() {
    let (port, arrived) = backend().await;
    let house = told_to(port).await;
    let ines = house.vaulted("user-ines").await;
    house.release(&ines).await;
    house.reaches(&ines, "ready").await;
    let told = until_arrived(&arrived, 2).await;
    let kinds: Vec<_> = told.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["enrollment.vaulted", "enrollment.ready"]);
    for event in &told {
        assert_eq!(event["simulated"], true);
        assert_eq!(event["data"]["enrollmentTransactionReference"], ines.as_str());
        assert_eq!(event["data"]["userReference"], "user-ines");
    }
    for (head, body) in arrived.lock().unwrap().iter() {
        let signed = [header(head, "webhook-id"), header(head, "webhook-timestamp"), ""].join(".");
        let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &KEY), &[signed.as_bytes(), body].concat());
        let expected = format!("v1,{}", base64::Engine::encode(&base64::prelude::BASE64_STANDARD, mac));
        assert_eq!(header(head, "webhook-signature"), expected.to_lowercase());
    }

    let listed = get_as(&house, Role::Operator, "/v1/events?limit=1").await;
    assert_eq!(listed.body["items"][0]["id"], told[0]["id"]);
    assert_eq!(listed.body["items"][0]["delivery"]["state"], "delivered");
    let next =
        get_as(&house, Role::Operator, &format!("/v1/events?cursor={}", listed.str("nextCursor"))).await;
    assert_eq!(next.body["items"][0]["id"], told[1]["id"]);
    let end = get_as(&house, Role::Operator, &format!("/v1/events?cursor={}", next.str("nextCursor"))).await;
    assert_eq!((&end.body["items"], end.str("nextCursor")), (&json!([]), next.str("nextCursor")));

    let id = told[0]["id"].as_str().unwrap();
    let replay = |role| house.ask(role, house.http.post(house.api(&format!("/v1/events/{id}/replay"))));
    assert_eq!(replay(Role::App).await.status, 403);
    assert_eq!(replay(Role::Operator).await.status, 202);
    assert_eq!(until_arrived(&arrived, 3).await[2]["id"], id);
    assert_eq!(get_as(&house, Role::Operator, "/v1/events?cursor=x").await.code(), (400, "invalid-request"));
    assert_eq!(get_as(&house, Role::Auditor, "/v1/events").await.status, 403);
    let unknown = house.http.post(house.api("/v1/events/evt_00/replay"));
    assert_eq!(house.ask(Role::Operator, unknown).await.code(), (404, "unknown-event"));
    house.tells_nobody(&["user-ines", SECRET]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_before_a_kill_or_a_stop_arrives_after_the_next_start() {
    let (port, arrived) = backend().await;
    // Nobody is there yet.
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let mut house = told_to(closed).await;
    let ines = house.vaulted("user-ines").await;
    house.kill();
    for (key, value) in &mut house.start.settings {
        if key == "NOTIFICATIONS__URL" {
            *value = format!("http://127.0.0.1:{port}/events");
        }
    }
    house.start().await;
    let told = until_arrived(&arrived, 1).await;
    assert_eq!(told[0]["type"], "enrollment.vaulted");
    assert_eq!(told[0]["data"]["enrollmentTransactionReference"], ines.as_str());
    let status = get_as(&house, Role::Operator, "/v1/status").await;
    assert_eq!(status.body["events"]["dead"], 0);
    house.stop().await;
    assert_eq!(arrived.lock().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_receiver_events_are_pulled() {
    let house = House::new().await;
    let ines = house.vaulted("user-ines").await;
    let listed = get_as(&house, Role::Operator, "/v1/events").await;
    let event = &listed.body["items"][0];
    assert_eq!(
        (event["type"].as_str(), event["delivery"]["state"].as_str()),
        (Some("enrollment.vaulted"), Some("kept"))
    );
    assert_eq!(event["data"]["enrollmentTransactionReference"], ines.as_str());
    let path = format!("/v1/events/{}/replay", event["id"].as_str().unwrap());
    let replay = house.ask(Role::Operator, house.http.post(house.api(&path))).await;
    assert_eq!(replay.code(), (409, "no-receiver"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_over_is_told_with_what_came_of_it_and_nobodys_name() {
    let (port, arrived) = backend().await;
    let house = told_to(port).await;
    house.enrolled("user-ines", b"the face of ines").await;
    let csv = "userReference\nuser-ines\nnobody\nuser-ines\n";
    let url = house.api("/v1/batches?delivery=transaction&channel=mobile");
    let request = house.http.post(url).header("Content-Type", "text/csv").body(csv);
    let accepted = house.ask(Role::Operator, request).await;
    assert_eq!(accepted.status, 202, "{}", accepted.text);
    let initiated = until_arrived(&arrived, 3).await.pop().unwrap();
    assert_eq!(initiated["type"], "authentication.initiated");
    let reference = initiated["data"]["authenticationTransactionReference"].as_str().unwrap();
    let passed = ResultOrder::from(AuthenticationResult::Passed);
    house.sandbox.control.authentication_result(reference, passed).await.unwrap();
    until_arrived(&arrived, 4).await;
    // Whoever asks for a batch has its outcomes looked at.
    let path = format!("/v1/batches/{}", accepted.str("batchId"));
    assert_eq!(get_as(&house, Role::Operator, &path).await.body["outcomes"]["passed"], 1);
    let told = until_arrived(&arrived, 5).await.pop().unwrap();
    let example = documented("batch.completed");
    assert_eq!(told["type"], example["type"]);
    assert_eq!((names(&told), names(&told["data"])), (names(&example), names(&example["data"])));
    let data = &told["data"];
    assert_eq!(
        (data["batchId"].as_str(), &data["state"]),
        (Some(accepted.str("batchId")), &json!("completed"))
    );
    let counts = json!({ "states": { "initiated": 1, "skipped": 2 }, "outcomes": { "passed": 1 } });
    assert_eq!((&data["total"], &data["counts"]), (&json!(1), &counts));
    assert_eq!(names(&example["data"]["counts"]), names(&counts));
    assert!(!told.to_string().contains("user-ines"), "{told}");
}

//! The chain is handed on: in order, without a gap, whatever happens to the process or to the sink.

use super::{House, begin, write};
use crate::{Audit, Sink, SyslogAddress, chain::CHAIN};
use records::tables;
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};
use store::{Batch, Condition, Store as _};
use tokio::{
    net::{UdpSocket, UnixDatagram},
    task::JoinHandle,
    time::timeout,
};

/// More than any of these tests takes.
const BOUND: Duration = Duration::from_secs(30);

fn file(house: &House) -> PathBuf {
    house.folder.path().join("audit.jsonl")
}

fn run(book: &Audit, sink: Sink) -> JoinHandle<()> {
    let book = book.clone();
    tokio::spawn(async move { book.run_sink(sink).await })
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or(Value::Null)).collect()
}

fn positions(path: &Path) -> Vec<u64> {
    lines(path).iter().filter_map(|line| line["position"].as_u64()).collect()
}

/// Moves the clock on until `done`: what is behind it waits for seconds of the clock's.
async fn until(house: &House, mut done: impl FnMut() -> bool) {
    let moving = async {
        while !done() {
            house.clock.advance(Duration::from_millis(250));
            tokio::task::yield_now().await;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(BOUND, moving).await.expect("it comes to pass in time");
}

/// Until the sink has everything, durably.
async fn handed_on(house: &House, book: &Audit) {
    until(house, || book.sink_lag().first().is_some_and(|lag| lag.entries == 0)).await;
}

#[tokio::test]
async fn every_entry_is_a_line_in_order_with_position_link_and_epoch() {
    let house = House::new();
    let book = house.open().await.unwrap();
    write(&house, &book, 200).await;
    write(&house, &book, 200).await;
    let task = run(&book, Sink::JsonLines(file(&house)));
    until(&house, || positions(&file(&house)).len() == 400).await;
    let _stroke = book.begin(begin(1).of_user(super::person(9)).with("word", "ä😀")).await.unwrap();
    until(&house, || positions(&file(&house)).len() == 401).await;
    handed_on(&house, &book).await;
    task.abort();
    assert_eq!(positions(&file(&house)), (1..=401).collect::<Vec<_>>());
    let last = lines(&file(&house)).pop().unwrap();
    assert_eq!(last["epoch"], 1);
    assert_eq!(last["link"], book.head().await.unwrap().link.to_string());
    assert_eq!(last["action"], "original-deletion");
    assert_eq!(last["part"]["kind"], "begin");
    assert_eq!(last["subject"], super::person(1).to_string());
    assert_eq!(last["person"], super::person(9).to_string());
    assert_eq!(last["details"]["word"], "ä😀");
    assert!(fs::read_to_string(file(&house)).unwrap().is_ascii());
    assert_eq!(house.rows(tables::AUDIT_SINK).await, 1);
}

#[tokio::test]
async fn a_process_that_dies_at_any_moment_leaves_no_gap() {
    let mut house = House::new();
    for round in 0..20_u64 {
        let book = house.open().await.unwrap();
        let task = run(&book, Sink::JsonLines(file(&house)));
        write(&house, &book, 10).await;
        for _ in 0..round * 3 {
            house.clock.advance(Duration::from_millis(100));
            tokio::task::yield_now().await;
        }
        task.abort();
        house = house.crash();
    }
    let book = house.open().await.unwrap();
    let task = run(&book, Sink::JsonLines(file(&house)));
    handed_on(&house, &book).await;
    until(&house, || positions(&file(&house)).last() == Some(&200)).await;
    task.abort();
    let mut next = 1;
    for position in positions(&file(&house)) {
        assert!(position <= next, "a gap before {position}: {next} was next");
        next = next.max(position + 1);
    }
    assert_eq!(next, 201);
}

#[tokio::test]
async fn a_line_that_was_cut_short_is_ended_and_written_again() {
    let house = House::new();
    let book = house.open().await.unwrap();
    write(&house, &book, 2).await;
    fs::write(file(&house), "{\"epoch\":1,\"posi").unwrap();
    let task = run(&book, Sink::JsonLines(file(&house)));
    handed_on(&house, &book).await;
    task.abort();
    assert_eq!(lines(&file(&house)).len(), 3);
    assert_eq!(positions(&file(&house)), [1, 2]);
}

#[tokio::test]
async fn a_file_that_was_renamed_is_made_anew_and_nothing_is_lost_between_the_two() {
    let house = House::new();
    let book = house.open().await.unwrap();
    let task = run(&book, Sink::JsonLines(file(&house)));
    write(&house, &book, 5).await;
    until(&house, || positions(&file(&house)).len() == 5).await;
    let rotated = house.folder.path().join("audit.jsonl.1");
    fs::rename(file(&house), &rotated).unwrap();
    write(&house, &book, 5).await;
    until(&house, || positions(&file(&house)).len() == 5).await;
    handed_on(&house, &book).await;
    task.abort();
    assert_eq!([positions(&rotated), positions(&file(&house))].concat(), (1..=10).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_sink_that_fails_shows_its_lag_stops_nothing_and_catches_up() {
    let house = House::new();
    let book = house.open().await.unwrap();
    let folder = house.folder.path().join("collector");
    let path = folder.join("audit.jsonl");
    let task = run(&book, Sink::JsonLines(path.clone()));
    write(&house, &book, 7).await;
    until(&house, || book.sink_lag().first().is_some_and(|lag| lag.failing_since.is_some())).await;
    let lag = book.sink_lag()[0];
    assert_eq!((lag.sink, lag.entries), ("jsonl", 7));
    assert_eq!(book.begin(begin(1)).await.unwrap().position(), 8, "the book goes on");
    fs::create_dir(folder).unwrap();
    handed_on(&house, &book).await;
    task.abort();
    assert_eq!(positions(&path), (1..=8).collect::<Vec<_>>());
    assert_eq!(book.sink_lag()[0].failing_since, None);
}

#[tokio::test]
async fn an_entry_that_does_not_open_or_is_missing_is_said_and_not_skipped() {
    let house = House::new();
    let book = house.open().await.unwrap();
    write(&house, &book, 8).await;
    let other = house.row(tables::AUDIT, 2).await.unwrap();
    house.put_row(tables::AUDIT, 4, other);
    house.delete_row(tables::AUDIT, 6).await;
    house.delete_row(tables::AUDIT, 8).await;
    let task = run(&book, Sink::JsonLines(file(&house)));
    handed_on(&house, &book).await;
    task.abort();
    let written = lines(&file(&house));
    assert_eq!(positions(&file(&house)), (1..=8).collect::<Vec<_>>());
    let lost: Vec<_> = written.iter().map(|line| line["lost"].as_str()).collect();
    let (damaged, missing) = (Some("damaged"), Some("missing"));
    assert_eq!(lost, [None, None, None, damaged, None, missing, None, missing]);
}

#[tokio::test]
async fn a_cursor_that_is_damaged_or_of_another_chain_hands_everything_on_again() {
    let house = House::new();
    let book = house.open().await.unwrap();
    write(&house, &book, 3).await;
    let sink = Sink::JsonLines(file(&house));
    let task = run(&book, sink.clone());
    handed_on(&house, &book).await;
    task.abort();
    let _aborted = task.await;
    let mut row = house.store.inner().get(tables::AUDIT_SINK, &[0]).await.unwrap().unwrap();
    let mut value = row.value.to_vec();
    value[30] ^= 1;
    row.value = value.into();
    house.store.inner().tamper(tables::AUDIT_SINK, &[0], row);
    let task = run(&book, sink.clone());
    until(&house, || positions(&file(&house)) == [1, 2, 3, 1, 2, 3]).await;
    handed_on(&house, &book).await;
    task.abort();
    let _aborted = task.await;
    // The entry that the cursor names is another one.
    let mut batch = Batch::new();
    batch.delete(tables::AUDIT, 3_u64.to_be_bytes().to_vec(), Condition::Any);
    house.store.inner().commit(batch).await.unwrap();
    assert!(CHAIN.get(&house.records, &(3,)).await.unwrap().is_none());
    let task = run(&book, sink);
    until(&house, || lines(&file(&house)).len() == 9).await;
    task.abort();
}

#[tokio::test]
async fn syslog_messages_are_rfc_5424_over_both_kinds_of_sockets() {
    let house = House::new();
    let book = house.open().await.unwrap();
    write(&house, &book, 3).await;
    let path = house.folder.path().join("log");
    let unix = UnixDatagram::bind(&path).unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = udp.local_addr().unwrap();
    for n in 0..2 {
        let address = if n == 0 { SyslogAddress::Unix(path.clone()) } else { SyslogAddress::Udp(address) };
        assert_eq!(address.to_string().parse(), Ok(address.clone()));
        let task = run(&book, Sink::Syslog(address));
        for position in 1..=3 {
            let mut buffer = [0; 4096];
            let receive =
                async { if n == 0 { unix.recv(&mut buffer).await } else { udp.recv(&mut buffer).await } };
            let bytes = timeout(BOUND, receive).await.unwrap().unwrap();
            let message = std::str::from_utf8(&buffer[..bytes]).unwrap();
            let parts: Vec<_> = message.splitn(8, ' ').collect();
            assert_eq!(parts[0], "<109>1");
            assert_eq!(parts[1], "2026-11-21T12:00:00.000000Z");
            assert_eq!([parts[2], parts[3], parts[5], parts[6]], ["-", "facemap-vault", "audit", "-"]);
            let line: Value = serde_json::from_str(parts[7]).unwrap();
            assert_eq!(line["position"], position);
        }
        task.abort();
        let _aborted = task.await;
        let mut batch = Batch::new();
        batch.delete(tables::AUDIT_SINK, vec![1], Condition::Any);
        house.store.commit(batch).await.unwrap();
    }
    for text in ["", "log", "udp:somewhere:514", "udp:10.0.0.1", "tcp:10.0.0.1:514"] {
        assert!(text.parse::<SyslogAddress>().is_err(), "{text}");
    }
}

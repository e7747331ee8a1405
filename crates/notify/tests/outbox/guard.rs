//! The guard in front of the receiver: where it may be, and that it cannot send us elsewhere.

use crate::{
    house::{House, SECRET, TestSecrets},
    receiver::FakeReceiver,
};
use egress::ScriptedResolver;
use notify::{EventKind, Messenger, Receiver, ReceiverConfig, State};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use tokio::net::TcpListener;

fn config(origin: &str, networks: &[&str]) -> ReceiverConfig {
    ReceiverConfig {
        origin: origin.parse().unwrap(),
        path: "/events".to_owned(),
        simulated: false,
        allowed_networks: networks.iter().map(|net| net.parse().unwrap()).collect(),
        ca_file: None,
    }
}

async fn trouble_of(house: &House, receiver: Receiver) -> String {
    let messenger = Messenger::new(house.outbox.clone(), Some(receiver));
    messenger.send_due().await.unwrap();
    let waiting = house.outbox.events(None, Some(State::Waiting), 10).await.unwrap().items;
    waiting[0].delivery.trouble.clone().unwrap()
}

#[tokio::test]
async fn a_receiver_inside_is_refused_unless_its_network_is_configured() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = connections.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            drop(stream);
        }
    });
    let origin = format!("https://backend.example:{port}");
    let secrets = || Box::new(TestSecrets::of(&[SECRET]));
    let resolver = || Arc::new(ScriptedResolver::default().with("backend.example", &[&["127.0.0.1"]]));
    for networks in [&[][..], &["10.0.0.0/8"]] {
        let house = House::new().await;
        house.tell(&house.enroll(1).await, EventKind::EnrollmentVaulted).await;
        let receiver = Receiver::with_resolver(&config(&origin, networks), secrets(), resolver()).unwrap();
        assert_eq!(trouble_of(&house, receiver).await, "address-refused");
        assert_eq!(connections.load(Ordering::SeqCst), 0);
    }
    let house = House::new().await;
    house.tell(&house.enroll(1).await, EventKind::EnrollmentVaulted).await;
    let allowed = config(&origin, &["127.0.0.0/8"]);
    let receiver = Receiver::with_resolver(&allowed, secrets(), resolver()).unwrap();
    assert_ne!(trouble_of(&house, receiver).await, "address-refused");
    assert_eq!(connections.load(Ordering::SeqCst), 1);

    assert!(Receiver::new(&config("https://10.1.2.3", &[]), secrets()).is_err());
    assert!(Receiver::new(&config("https://10.1.2.3", &["10.1.0.0/16"]), secrets()).is_ok());
    assert!(
        Receiver::new(&config("http://127.0.0.1:9", &[]), secrets()).is_err(),
        "plain http, not simulated"
    );
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_counts_as_not_taken() {
    let house = House::new().await;
    let elsewhere = FakeReceiver::willing().await;
    let target = elsewhere.origin().as_str().to_owned();
    let receiver = FakeReceiver::scripted(move |_| {
        let head = format!("HTTP/1.1 307 X\r\nLocation: {target}/events\r\n");
        Box::pin(async move { head })
    })
    .await;
    house.tell(&house.enroll(1).await, EventKind::EnrollmentVaulted).await;
    house.messenger(&receiver).send_due().await.unwrap();
    assert_eq!((receiver.arrived().len(), elsewhere.arrived().len()), (1, 0));
    let waiting = house.outbox.events(None, Some(State::Waiting), 10).await.unwrap().items;
    assert_eq!(waiting[0].delivery.trouble.as_deref(), Some("http-307"));
}

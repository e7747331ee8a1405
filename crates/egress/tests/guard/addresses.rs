//! What a name may resolve to, and that it is what gets dialled.

use crate::support::{Server, Then, config, ok};
use crate::tls::{authority, ca_file};
use egress::{
    BodyCap, Egress, EgressConfig, EgressError, Origin, Refusal, Request, ScriptedResolver, Unsent,
};
use http::Method;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::net::TcpListener;

/// A guard that is not simulated, with `answers` for its one host.
fn guard_of(origin: &str, allowed: &[&str], resolver: ScriptedResolver) -> Egress {
    // Any root will do, as nothing gets as far as a certificate; the platform's need not be installed.
    let file = ca_file(&authority());
    let mut config = EgressConfig::new(vec![origin.parse().unwrap()], Duration::from_secs(10));
    config.ca_file = Some(file.path().to_owned());
    config.allowed_networks = allowed.iter().map(|net| net.parse().unwrap()).collect();
    Egress::with_resolver(&config, Arc::new(resolver)).unwrap()
}

async fn ask(egress: &Egress, url: &str) -> Result<egress::Response, EgressError> {
    let request = Request::new(Method::GET, egress.check(url).unwrap()).authorize("Basic c2VjcmV0").unwrap();
    egress.send(request, BodyCap::Nothing).await
}

#[tokio::test]
async fn a_name_that_leads_inside_is_refused_and_nothing_is_dialled() {
    let inside = Server::start(Then::Say(ok("Content-Length: 0\r\n", b""))).await;
    let origin = format!("https://vault.test:{}", inside.address.port());
    for answers in [&["127.0.0.1"][..], &["10.0.0.1", "::1"], &["::ffff:127.0.0.1"], &["169.254.169.254"]] {
        let resolver = ScriptedResolver::default().with("vault.test", &[answers]);
        let egress = guard_of(&origin, &[], resolver);
        let error = ask(&egress, &format!("{origin}/")).await.unwrap_err();
        assert_eq!(error, EgressError::Refused(Refusal::Address), "{answers:?}");
    }
    assert!(inside.requests().is_empty());
}

/// Two hosts with one port: the first stands for a public one and is configured, the second lies inside.
struct Hosts {
    origin: String,
    public: Dialled,
    inside: Dialled,
}

/// How often somebody connected. Nobody gets as far as a handshake.
struct Dialled(Arc<AtomicUsize>);

impl Dialled {
    async fn listen(address: (&str, u16)) -> std::io::Result<(Self, u16)> {
        let listener = TcpListener::bind(address).await?;
        let port = listener.local_addr()?.port();
        let count = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&count);
        tokio::spawn(async move {
            while listener.accept().await.is_ok() {
                counter.fetch_add(1, Ordering::SeqCst);
            }
        });
        Ok((Self(count), port))
    }

    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

async fn hosts() -> Hosts {
    for _ in 0..50 {
        let (public, port) = Dialled::listen(("127.0.0.2", 0)).await.unwrap();
        if let Ok((inside, _)) = Dialled::listen(("127.0.0.1", port)).await {
            return Hosts { origin: format!("https://vault.test:{port}"), public, inside };
        }
    }
    panic!("no port is free on both addresses");
}

fn guard_with(origin: &str, answers: &[&[&str]]) -> Egress {
    guard_of(origin, &["127.0.0.2/32"], ScriptedResolver::default().with("vault.test", answers))
}

#[tokio::test]
async fn a_name_that_moves_inside_between_two_calls_is_refused_at_the_second() {
    let hosts = hosts().await;
    let egress = guard_with(&hosts.origin, &[&["127.0.0.2"], &["127.0.0.1"]]);
    let url = format!("{}/", hosts.origin);
    assert_eq!(ask(&egress, &url).await.unwrap_err(), EgressError::NotSent(Unsent::Connect));
    assert_eq!(ask(&egress, &url).await.unwrap_err(), EgressError::Refused(Refusal::Address));
    assert_eq!((hosts.public.count(), hosts.inside.count()), (1, 0));
}

#[tokio::test]
async fn of_several_addresses_only_the_checked_ones_are_dialled() {
    let hosts = hosts().await;
    let egress = guard_with(&hosts.origin, &[&["127.0.0.1", "127.0.0.2", "::1"]]);
    let error = ask(&egress, &format!("{}/", hosts.origin)).await.unwrap_err();
    assert_eq!(error, EgressError::NotSent(Unsent::Connect));
    assert_eq!((hosts.public.count(), hosts.inside.count()), (1, 0));
}

#[tokio::test]
async fn the_checked_address_is_the_one_that_is_dialled() {
    let server = Server::start(Then::Say(ok("Content-Length: 0\r\n", b""))).await;
    // Nobody but the scripted resolver knows where this name leads.
    let origin: Origin = format!("http://localhost:{}", server.address.port()).parse().unwrap();
    let resolver = ScriptedResolver::default().with("localhost", &[&["127.0.0.1"], &["127.0.0.3"]]);
    let egress = Egress::with_resolver(&config(vec![origin.clone()]), Arc::new(resolver)).unwrap();
    let answer = ask(&egress, &format!("{}/x", origin.as_str())).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(server.requests()[0].contains("authorization: Basic"));
}

#[tokio::test]
async fn a_name_that_is_not_known_means_that_nothing_was_sent() {
    for resolver in [ScriptedResolver::default(), ScriptedResolver::default().with("vault.test", &[&[]])] {
        let egress = guard_of("https://vault.test", &[], resolver);
        assert_eq!(ask(&egress, "https://vault.test/").await.unwrap_err(), EgressError::NotSent(Unsent::Dns));
    }
}

#[test]
fn plain_http_is_for_a_simulator_on_this_machine_only() {
    let simulated = |origin: &str, simulated: bool| {
        let mut config = EgressConfig::new(vec![origin.parse().unwrap()], Duration::from_secs(1));
        config.simulated = simulated;
        Egress::new(&config)
    };
    assert!(simulated("http://127.0.0.1:9090", true).is_ok());
    assert!(simulated("http://[::1]:9090", true).is_ok());
    assert!(simulated("http://localhost:9090", true).is_ok());
    for (origin, is_simulated) in [
        ("http://127.0.0.1:9090", false),
        ("http://netverify.com", true),
        ("http://10.0.0.1", true),
        ("https://10.0.0.1", true),
        ("https://127.0.0.1", false),
        ("https://[::ffff:127.0.0.1]", false),
    ] {
        assert!(matches!(simulated(origin, is_simulated), Err(EgressError::Setup(_))), "{origin}");
    }
}

#[tokio::test]
async fn a_proxy_may_lie_inside_and_learns_the_host_but_no_credentials() {
    let proxy = Server::start(Then::Say(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n".to_vec())).await;
    let file = ca_file(&authority());
    let mut config = EgressConfig::new(vec!["https://vault.test".parse().unwrap()], Duration::from_secs(10));
    config.ca_file = Some(file.path().to_owned());
    config.proxy_url = Some(format!("http://proxy.test:{}", proxy.address.port()));
    let resolver = ScriptedResolver::default().with("proxy.test", &[&["127.0.0.1"]]);
    let egress = Egress::with_resolver(&config, Arc::new(resolver)).unwrap();
    let error = ask(&egress, "https://vault.test/some/path").await.unwrap_err();
    assert_eq!(error, EgressError::NotSent(Unsent::Connect));
    let head = &proxy.requests()[0];
    assert!(head.starts_with("CONNECT vault.test:443 HTTP/1.1\r\n"), "{head}");
    assert!(!head.to_ascii_lowercase().contains("authorization") && !head.contains("some/path"), "{head}");
}

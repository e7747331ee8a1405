//! Names to addresses, with the check in between: what the connector dials has passed it.

use crate::{Refusal, address::is_allowed};
use async_trait::async_trait;
use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

/// Turns a host name into addresses. A seam for tests; the guard checks whatever comes out of it.
#[async_trait]
pub trait Resolver: Send + Sync + 'static {
    /// All addresses of `host`.
    ///
    /// # Errors
    /// When the look-up fails. An empty list counts as a failure too.
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// The operating system's resolver.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolver for SystemResolver {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect())
    }
}

/// Stands between the client's connector and the resolver, and hands on checked addresses only. The connector dials
/// what it is handed here; it asks nobody again.
pub(crate) struct CheckingResolver {
    pub(crate) inner: Arc<dyn Resolver>,
    pub(crate) allowed: Arc<[IpNet]>,
    /// The forward proxy's host usually is inside. It is configuration, and exempt.
    pub(crate) proxy_host: Option<String>,
}

impl Resolve for CheckingResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let inner = Arc::clone(&self.inner);
        let allowed = Arc::clone(&self.allowed);
        let host = name.as_str().to_owned();
        let exempt = self.proxy_host.as_deref() == Some(host.as_str());
        Box::pin(async move {
            let addresses = inner.resolve(&host).await?;
            if addresses.is_empty() {
                return Err(io::Error::new(io::ErrorKind::NotFound, "no address").into());
            }
            let checked: Vec<SocketAddr> = addresses
                .into_iter()
                .filter(|address| exempt || is_allowed(*address, &allowed))
                // Port 0 stands for "the URL's port".
                .map(|address| SocketAddr::new(address, 0))
                .collect();
            if checked.is_empty() {
                return Err(Refusal::Address.into());
            }
            Ok(Box::new(checked.into_iter()) as Addrs)
        })
    }
}

/// Answers from a script: each look-up takes the next answer of its host, and the last one stays.
#[cfg(feature = "test-util")]
#[derive(Debug, Default)]
pub struct ScriptedResolver {
    hosts: std::sync::Mutex<std::collections::HashMap<String, Vec<Vec<IpAddr>>>>,
}

#[cfg(feature = "test-util")]
impl ScriptedResolver {
    /// Makes `host` answer with each of `answers` in turn.
    ///
    /// # Panics
    /// When a text in `answers` is no IP address.
    #[must_use]
    pub fn with(self, host: &str, answers: &[&[&str]]) -> Self {
        let parse = |text: &&str| text.parse().expect("a scripted address is an IP address");
        let mut answers: Vec<Vec<IpAddr>> =
            answers.iter().map(|answer| answer.iter().map(parse).collect()).collect();
        answers.reverse();
        self.hosts.lock().expect("a test panicked").insert(host.to_owned(), answers);
        self
    }
}

#[cfg(feature = "test-util")]
#[async_trait]
impl Resolver for ScriptedResolver {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let mut hosts = self.hosts.lock().expect("a test panicked");
        let answers = hosts.get_mut(host).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        let last = answers.len() == 1;
        let answer = if last { answers.last().cloned() } else { answers.pop() };
        answer.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }
}

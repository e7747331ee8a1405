//! Where a callback comes from, and whether callbacks may come from there.

use actix_web::HttpRequest;
use ipnet::IpNet;
use std::{
    net::IpAddr,
    sync::{PoisonError, RwLock},
};

/// `X-Forwarded-For` has this many hops at most; a longer one was not written by proxies of ours.
const MOST_HOPS: usize = 32;

/// The client's address: that of the connection, or, as long as the last hop is a trusted proxy, the one that this
/// proxy names. So it is the right-most hop that nobody of ours vouches for. `None` when a trusted proxy names
/// something that is not an address.
pub(crate) fn client_address(request: &HttpRequest, trusted: &[IpNet]) -> Option<IpAddr> {
    let peer = request.peer_addr()?.ip().to_canonical();
    if !trusted.iter().any(|net| net.contains(&peer)) {
        // Whatever the header says, and however unreadable it is.
        return Some(peer);
    }
    let lines = request.headers().get_all("x-forwarded-for");
    let hops: Option<Vec<&str>> = lines.map(|line| line.to_str().ok()).collect();
    walk(peer, &hops?.join(","), trusted)
}

fn walk(peer: IpAddr, forwarded: &str, trusted: &[IpNet]) -> Option<IpAddr> {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|net| net.contains(address));
    let mut client = peer;
    for hop in forwarded.rsplit(',').map(str::trim).filter(|hop| !hop.is_empty()).take(MOST_HOPS) {
        if !is_trusted(&client) {
            break;
        }
        client = hop.parse::<IpAddr>().ok()?.to_canonical();
    }
    Some(client)
}

/// The addresses that callbacks may come from.
pub(crate) struct Sources {
    /// The configured networks; `None`: not checked.
    pinned: Option<Vec<IpNet>>,
    /// What Jumio's name resolved to: adds to the pinned ones, never closes them.
    resolved: RwLock<Vec<IpAddr>>,
}

impl Sources {
    pub(crate) const fn new(pinned: Option<Vec<IpNet>>) -> Self {
        Self { pinned, resolved: RwLock::new(Vec::new()) }
    }

    /// Whether a callback from this address is listened to.
    pub(crate) fn allow(&self, address: Option<IpAddr>) -> bool {
        let Some(pinned) = &self.pinned else { return true };
        let Some(address) = address else { return false };
        pinned.iter().any(|net| net.contains(&address))
            || self.resolved.read().unwrap_or_else(PoisonError::into_inner).contains(&address)
    }

    /// Takes over what Jumio's name resolves to now. An answer without addresses changes nothing.
    pub(crate) fn learn(&self, addresses: Vec<IpAddr>) {
        if !addresses.is_empty() {
            *self.resolved.write().unwrap_or_else(PoisonError::into_inner) = addresses;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn nets(texts: &[&str]) -> Vec<IpNet> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn a_forged_header_from_a_stranger_is_not_believed() {
        assert_eq!(walk(ip("203.0.113.9"), "34.202.241.227", &[]), Some(ip("203.0.113.9")));
        let trusted = nets(&["10.0.0.0/8"]);
        assert_eq!(walk(ip("203.0.113.9"), "34.202.241.227", &trusted), Some(ip("203.0.113.9")));
    }

    #[test]
    fn behind_a_trusted_proxy_the_right_most_untrusted_hop_counts() {
        let trusted = nets(&["10.0.0.0/8"]);
        assert_eq!(walk(ip("10.0.0.1"), "34.202.241.227, 203.0.113.9", &trusted), Some(ip("203.0.113.9")));
        let two = walk(ip("10.0.0.1"), "1.2.3.4, 203.0.113.9, 10.0.0.2", &trusted);
        assert_eq!(two, Some(ip("203.0.113.9")));
        assert_eq!(walk(ip("10.0.0.1"), "", &trusted), Some(ip("10.0.0.1")));
    }

    #[test]
    fn a_proxy_that_names_no_address_leaves_nobody_to_allow() {
        assert_eq!(walk(ip("10.0.0.1"), "unknown", &nets(&["10.0.0.0/8"])), None);
        assert!(!Sources::new(Some(nets(&["0.0.0.0/0"]))).allow(None));
    }

    #[test]
    fn a_look_up_adds_addresses_and_never_closes_the_pinned_ones() {
        let sources = Sources::new(Some(nets(&["34.202.241.227/32"])));
        assert!(!sources.allow(Some(ip("198.51.100.7"))));
        sources.learn(vec![ip("198.51.100.7")]);
        assert!(sources.allow(Some(ip("198.51.100.7"))) && sources.allow(Some(ip("34.202.241.227"))));
        sources.learn(Vec::new());
        assert!(sources.allow(Some(ip("198.51.100.7"))));
    }

    #[test]
    fn mapped_addresses_are_the_addresses_they_map() {
        let peer = ip("::ffff:34.202.241.227").to_canonical();
        assert!(Sources::new(Some(nets(&["34.202.241.227/32"]))).allow(walk(peer, "", &[])));
    }
}

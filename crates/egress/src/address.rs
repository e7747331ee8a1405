//! Which addresses are somebody's public host, and which lead inside.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(first: u16, second: u16, third: u16, prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(first, second, third, 0, 0, 0, 0, 0), prefix)
}

/// IANA's IPv4 special-purpose registry, and multicast and reserved space: nothing in it is a public host.
const SPECIAL_V4: &[Ipv4Net] = &[
    v4(0, 0, 0, 0, 8),
    v4(10, 0, 0, 0, 8),
    v4(100, 64, 0, 0, 10),
    v4(127, 0, 0, 0, 8),
    v4(169, 254, 0, 0, 16),
    v4(172, 16, 0, 0, 12),
    v4(192, 0, 0, 0, 24),
    v4(192, 0, 2, 0, 24),
    v4(192, 31, 196, 0, 24),
    v4(192, 52, 193, 0, 24),
    v4(192, 88, 99, 0, 24),
    v4(192, 168, 0, 0, 16),
    v4(192, 175, 48, 0, 24),
    v4(198, 18, 0, 0, 15),
    v4(198, 51, 100, 0, 24),
    v4(203, 0, 113, 0, 24),
    v4(224, 0, 0, 0, 4),
    v4(240, 0, 0, 0, 4),
];

/// Global unicast as far as it is given out at all. What lies outside (mapped, NAT64, unique local, link-local,
/// multicast, segment routing) is no public host.
const GLOBAL_V6: Ipv6Net = v6(0x2000, 0, 0, 3);

/// What is special inside of it: protocol assignments with Teredo and ORCHID, documentation, 6to4, AS112.
const SPECIAL_V6: &[Ipv6Net] = &[
    v6(0x2001, 0, 0, 23),
    v6(0x2001, 0xdb8, 0, 32),
    v6(0x2002, 0, 0, 16),
    v6(0x2620, 0x4f, 0x8000, 48),
    v6(0x3fff, 0, 0, 20),
];

/// Whether `address` is a public host: neither this machine, nor a private, shared, link-local, documentation,
/// multicast or reserved address, nor an IPv6 address that carries an IPv4 one (mapped, 6to4, Teredo, NAT64, ISATAP).
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !SPECIAL_V4.iter().any(|net| net.contains(&v4)),
        IpAddr::V6(v6) => {
            GLOBAL_V6.contains(&v6) && !SPECIAL_V6.iter().any(|net| net.contains(&v6)) && !is_isatap(v6)
        }
    }
}

/// An interface id that carries an IPv4 address (RFC 5214): routers of such a site send the packet on to it.
const fn is_isatap(v6: Ipv6Addr) -> bool {
    let segments = v6.segments();
    matches!(segments[4], 0 | 0x0200) && segments[5] == 0x5efe
}

/// Whether `address` may be dialled: public, or in a network that was configured.
pub(crate) fn is_allowed(address: IpAddr, configured: &[IpNet]) -> bool {
    is_public(address) || configured.iter().any(|net| net.contains(&address))
}

/// This machine.
pub(crate) const LOOPBACK: [IpNet; 2] =
    [IpNet::V4(v4(127, 0, 0, 0, 8)), IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128))];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_inside_is_seen() {
        let inside = "0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.127.255.255 127.0.0.1 127.9.9.9 169.254.169.254 172.16.0.1 \
            172.31.255.255 192.0.0.170 192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1 198.19.255.255 198.51.100.7 \
            203.0.113.9 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 \
            :: ::1 ::ffff:127.0.0.1 ::ffff:8.8.8.8 ::127.0.0.1 64:ff9b::a00:1 64:ff9b:1::1 100::1 \
            2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:10::1 2001:20::1 2001:2::1 2001:db8::1 \
            2002:7f00:1::1 2002:a00:1::1 2620:4f:8000::1 3fff::1 3fff:fff::1 5f00::1 fc00::1 fd12::1 fe80::1 fec0::1 \
            ff02::1 2a00:1450::5efe:a00:1 2a00:1450::200:5efe:a00:1";
        for address in inside.split_whitespace() {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn public_hosts_may_be_called() {
        for address in
            "34.202.241.227 52.76.184.73 100.63.255.255 100.128.0.1 172.32.0.1 198.20.0.1 2600:1f18::1 \
            2a05:d014::1 2001:4860::1"
                .split_whitespace()
        {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn a_configured_network_may_be_called_and_its_neighbour_may_not() {
        let nets = ["10.1.0.0/16".parse().unwrap()];
        assert!(is_allowed("10.1.2.3".parse().unwrap(), &nets));
        assert!(!is_allowed("10.2.2.3".parse().unwrap(), &nets));
    }
}

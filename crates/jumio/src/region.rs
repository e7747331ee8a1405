//! Jumio's three regions (jumio-api §1).

use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;

/// A data centre of Jumio's. Accounts belong to one; nothing is ever sent to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Region {
    /// United States.
    Us,
    /// European Union.
    Eu,
    /// Singapore.
    Sgp,
}

const fn ip(a: u8, b: u8, c: u8, d: u8) -> Ipv4Addr {
    Ipv4Addr::new(a, b, c, d)
}

const US_SOURCES: &[Ipv4Addr] = &[
    ip(34, 202, 241, 227),
    ip(34, 226, 103, 119),
    ip(34, 226, 254, 127),
    ip(52, 52, 51, 178),
    ip(52, 53, 95, 123),
    ip(54, 67, 101, 173),
    ip(52, 8, 136, 236),
    ip(54, 177, 61, 57),
    ip(54, 183, 15, 212),
];

const EU_SOURCES: &[Ipv4Addr] = &[
    ip(34, 253, 41, 236),
    ip(35, 157, 27, 193),
    ip(52, 48, 0, 25),
    ip(52, 57, 194, 92),
    ip(52, 58, 113, 86),
    ip(52, 209, 180, 134),
];

const SGP_SOURCES: &[Ipv4Addr] = &[
    ip(3, 0, 109, 121),
    ip(52, 76, 184, 73),
    ip(52, 77, 102, 92),
    ip(13, 238, 100, 17),
    ip(13, 238, 203, 238),
    ip(52, 64, 132, 26),
];

impl Region {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Us, Self::Eu, Self::Sgp];

    /// The origin of every API.
    #[must_use]
    pub const fn base_url(self) -> &'static str {
        match self {
            Self::Us => "https://netverify.com",
            Self::Eu => "https://lon.netverify.com",
            Self::Sgp => "https://core-sgp.jumio.com",
        }
    }

    /// The host of that origin; a person's `redirectUrl` lies on it or below it.
    #[must_use]
    pub const fn domain(self) -> &'static str {
        match self {
            Self::Us => "netverify.com",
            Self::Eu => "lon.netverify.com",
            Self::Sgp => "core-sgp.jumio.com",
        }
    }

    /// The host whose A records are the callbacks' source addresses.
    #[must_use]
    pub const fn callback_source_host(self) -> &'static str {
        match self {
            Self::Us => "callback.jumio.com",
            Self::Eu => "callback.lon.jumio.com",
            Self::Sgp => "callback.core-sgp.jumio.com",
        }
    }

    /// The published source addresses of callbacks, old and new: they drift.
    #[must_use]
    pub const fn callback_sources(self) -> &'static [Ipv4Addr] {
        match self {
            Self::Us => US_SOURCES,
            Self::Eu => EU_SOURCES,
            Self::Sgp => SGP_SOURCES,
        }
    }
}

//! What Jumio publishes about its regions and limits (jumio-api §1), under the words of the configuration.

use ::jumio::Region;
use ipnet::IpNet;
use std::net::IpAddr;

/// The regions by the words of the configuration.
pub(super) const REGIONS: [(&str, Region); 3] =
    [("us", Region::Us), ("eu", Region::Eu), ("sgp", Region::Sgp)];

/// The addresses that a region's callbacks come from, as published.
pub(super) fn callback_sources(region: Region) -> Vec<IpNet> {
    region.callback_sources().iter().map(|address| IpNet::from(IpAddr::from(*address))).collect()
}

/// A published set of rate limits: Jumio names different figures in different places, and an account may have others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RateLimits {
    /// Initiated transactions in any one second.
    pub(crate) initiate_per_second: u64,
    /// Initiated transactions in any one minute.
    pub(crate) initiate_per_minute: u64,
    /// Retrievals and deletions in any five seconds.
    pub(crate) retrieve_per_5s: u64,
}

impl RateLimits {
    /// Of the guide that this vault is built on.
    pub(super) const STANDARD: Self =
        Self { initiate_per_second: 3, initiate_per_minute: 180, retrieve_per_5s: 75 };
    /// The smallest published figure for initiating, 5 in 5 seconds.
    pub(super) const LOW: Self =
        Self { initiate_per_second: 1, initiate_per_minute: 60, retrieve_per_5s: 75 };
    /// The largest published ones: 15 in 5 seconds for initiating, 225 in 5 seconds for retrieval.
    pub(super) const HIGH: Self =
        Self { initiate_per_second: 3, initiate_per_minute: 180, retrieve_per_5s: 225 };

    pub(super) const WORDS: [(&'static str, Self); 3] =
        [("standard", Self::STANDARD), ("low", Self::LOW), ("high", Self::HIGH)];
}

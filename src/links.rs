//! The vault's own links as the flows and the pages hear of them: where people reach them, and where they may lead.

use crate::{
    config::{Config, MOST_LINK_DAYS},
    failure::Failure,
    http::pages::{Brand, Pages},
};
use jiff::SignedDuration;
use jumio::{RedirectHosts, Rules};
use reauth::LinksConfig;
use url::Url;

/// What the flows need.
pub(crate) fn config(config: &Config) -> LinksConfig {
    let links = &config.links;
    // People reach the public listener where Jumio does, unless it is said otherwise.
    let base = links.base_url.as_ref().unwrap_or(&config.jumio.callback_base_url);
    let simulator = config.jumio.simulated.then(|| config.jumio.base_url.as_str().trim_end_matches('/'));
    LinksConfig {
        base_url: base.as_str().trim_end_matches('/').to_owned(),
        default_life: SignedDuration::try_from(links.default_life).unwrap_or(SignedDuration::MAX),
        longest_life: SignedDuration::from_hours(24 * MOST_LINK_DAYS.cast_signed()),
        max_results: links.max_results,
        rules: authentication_rules(config),
        redirects: RedirectHosts::new(config.jumio.region, simulator.and_then(|origin| origin.parse().ok())),
    }
}

/// What the pages need.
///
/// # Errors
/// [`Failure`] names what of the pages' look cannot be used.
pub(crate) fn pages(config: &Config) -> Result<Pages, Failure> {
    let LinksConfig { base_url, redirects, .. } = self::config(config);
    let origin = Url::parse(&base_url).map_err(Failure::configuration)?.origin().ascii_serialization();
    let brand = Brand::load(&config.links).map_err(Failure::configuration)?;
    Ok(Pages { brand, origin, redirects })
}

/// Jumio's rules for an authentication, with the hosts that `successUrl` and `errorUrl` may lead to.
pub(crate) fn authentication_rules(config: &Config) -> Rules {
    Rules {
        simulated: config.jumio.simulated,
        redirect_hosts: Some(config.reauth.allowed_redirect_hosts.clone()),
    }
}

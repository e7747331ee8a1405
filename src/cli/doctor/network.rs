//! Jumio, from here: its name, its certificate, its clock, and the addresses that its callbacks come from.

use super::Seen::{self, Attention, Well};
use crate::config::Config;
use egress::{BodyCap, Egress, EgressConfig, Origin, Request};
use http::{Method, header};
use jiff::{Timestamp, fmt::rfc2822};
use std::{collections::BTreeSet, net::IpAddr, time::Duration};

/// For the one request.
const PATIENCE: Duration = Duration::from_secs(10);

/// What came of calling Jumio.
pub(super) struct Reached {
    pub(super) tls: Seen,
    /// Its clock, if it answered.
    pub(super) clock: Option<Timestamp>,
}

/// Holds the pinned addresses of Jumio's callbacks against what its name stands for today.
pub(super) async fn callback_addresses(config: &Config) -> Seen {
    if config.jumio.simulated {
        return Well("Jumio is simulated: nobody calls from outside".into());
    }
    let Some(allowed) = &config.callbacks.allowed_sources else {
        return Attention(
            "callbacks.allowed_sources is empty: every address may call, and the token alone keeps strangers out".into(),
        );
    };
    let host = config.jumio.region.callback_source_host();
    let found: BTreeSet<IpAddr> = match tokio::net::lookup_host((host, 443)).await {
        Ok(found) => found.map(|address| address.ip().to_canonical()).collect(),
        Err(error) => {
            return Attention(format!("{host} cannot be looked up ({error}); what is pinned stays in force"));
        }
    };
    let new: Vec<String> = found
        .iter()
        .filter(|address| !allowed.iter().any(|network| network.contains(*address)))
        .map(ToString::to_string)
        .collect();
    match (new.is_empty(), config.callbacks.source_host) {
        (true, _) => Well(format!("all {} addresses of {host} are allowed", found.len())),
        (false, Some(_)) => Well(format!(
            "{host} also stands for {}, which the look-up allows; a newer version pins them",
            new.join(", ")
        )),
        (false, None) => Attention(format!(
            "{host} also stands for {}: callbacks from there are refused; add them to callbacks.allowed_sources, or set \
             callbacks.resolve_source_hosts = true",
            new.join(", ")
        )),
    }
}

/// One request without credentials: any answer at all shows that name, way and certificate are right.
pub(super) async fn jumio(config: &Config) -> Reached {
    match ask(config).await {
        Ok((tls, clock)) => Reached { tls: Well(tls), clock },
        Err(why) => Reached {
            tls: Attention(format!("{why}; nothing is initiated, retrieved or deleted before this works")),
            clock: None,
        },
    }
}

async fn ask(config: &Config) -> Result<(String, Option<Timestamp>), String> {
    let jumio = &config.jumio;
    let base = jumio.base_url.as_str().trim_end_matches('/');
    let origin: Origin = base.parse().map_err(|error| format!("jumio.base_url: {error}"))?;
    let mut settings = EgressConfig::new(vec![origin], PATIENCE);
    settings.simulated = jumio.simulated;
    settings.ca_file.clone_from(&jumio.ca_file);
    settings.proxy_url = jumio.proxy_url.as_ref().map(ToString::to_string);
    let egress = Egress::new(&settings).map_err(|error| error.to_string())?;
    let url = egress.check(&format!("{base}/")).map_err(|error| error.to_string())?;
    let agent = Request::new(Method::GET, url).header(header::USER_AGENT, &jumio.user_agent);
    let request = agent.map_err(|error| error.to_string())?;
    let answer = egress.send(request, BodyCap::Nothing).await;
    let answer = answer.map_err(|error| format!("{base} does not answer: {error}"))?;
    let clock = answer
        .header(&header::DATE)
        .and_then(|date| rfc2822::DateTimeParser::new().relaxed_weekday(true).parse_timestamp(date).ok());
    let how = if base.starts_with("https") {
        "with a certificate that is trusted"
    } else {
        "in the clear, as a simulator"
    };
    Ok((format!("{base} answers {how}"), clock))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_http_date_is_read() {
        let read = rfc2822::DateTimeParser::new().parse_timestamp("Sun, 31 Jan 2027 12:00:00 GMT").unwrap();
        assert_eq!(read, "2027-01-31T12:00:00Z".parse().unwrap());
    }
}

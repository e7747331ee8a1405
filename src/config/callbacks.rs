//! `[callbacks]`: who may call back, and how large.

use super::{
    jumio::Context,
    presets,
    section::Section,
    urls::{self, UrlRules},
};
use ::jumio::Region;
use ipnet::IpNet;
use url::Url;

/// The section, checked.
#[derive(Debug)]
pub(crate) struct Callbacks {
    /// Whether only `/callbacks/jumio/{token}` is served.
    pub(crate) require_token: bool,
    /// The networks that callbacks may come from, presets filled in; `None`: not checked.
    pub(crate) allowed_sources: Option<Vec<IpNet>>,
    /// The name whose addresses, looked up now and then, are allowed too.
    pub(crate) source_host: Option<&'static str>,
    /// The largest body, in bytes.
    pub(crate) max_body: usize,
}

/// The word for the region's published addresses.
const PRESET: &str = "jumio";

pub(super) fn read(section: &mut Section<'_, '_>, region: Region, context: Context) -> Callbacks {
    let require_token = section.flag("require_token", true);
    let source = |text: &str| if text == PRESET { Ok(None) } else { urls::network(text).map(Some) };
    let show = |source: &Option<IpNet>| source.map_or_else(|| PRESET.to_owned(), |net| net.to_string());
    let sources = section.list("allowed_sources", vec![None], source, show);
    let resolve = section.flag("resolve_source_hosts", true);
    let max_body = section.bytes("max_body_bytes", 262_144, 1024..=1_048_576);
    let rules = UrlRules { loopback: context.simulated, ..UrlRules::default() };
    section.parsed("forward_url", None, |text| urls::parse_url(text, rules), Url::to_string);

    let uses_preset = sources.contains(&None);
    let mut networks: Vec<IpNet> = sources.iter().flatten().copied().collect();
    if uses_preset {
        networks.extend(presets::callback_sources(region));
    }
    Callbacks {
        require_token,
        allowed_sources: (!sources.is_empty()).then_some(networks),
        source_host: (uses_preset && resolve && !context.simulated).then(|| region.callback_source_host()),
        max_body,
    }
}

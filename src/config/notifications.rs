//! `[notifications]`: where events are sent, and how they are signed.

use super::{
    jumio::Context,
    section::Section,
    urls::{self, UrlRules},
};
use crate::secret_file::SecretFile;
use ipnet::IpNet;
use std::{path::PathBuf, sync::Arc, time::Duration};
use url::Url;

/// The section, checked.
#[derive(Debug)]
pub(crate) struct Notifications {
    /// Whom events are sent to. `None`: to nobody; they are there to be pulled.
    pub(crate) url: Option<Url>,
    /// What they are signed with: one secret, or two while one replaces the other.
    pub(crate) secrets: Vec<Arc<SecretFile>>,
    /// How long an event is tried, and kept afterwards.
    pub(crate) max_age: Duration,
    /// Networks that the receiver may be in although they are not public.
    pub(crate) allowed_networks: Vec<IpNet>,
    /// The only authorities that the receiver's certificate may come from, where it is not a public one.
    pub(crate) ca_file: Option<PathBuf>,
}

const DAY: Duration = Duration::from_hours(24);

pub(super) fn read(section: &mut Section<'_, '_>, context: Context) -> Notifications {
    // The company's own backend is inside: an address and a port are as good as a name.
    let rules = UrlRules { loopback: context.simulated, any_host: true, ..UrlRules::default() };
    let url = section.parsed("url", None, |text| urls::parse_url(text, rules), Url::to_string);
    let files = section.paths("secret_file");
    let days = section.number("max_age_days", 7, 1..=90, "days");
    let allowed_networks = section.list("allowed_networks", Vec::new(), urls::network, IpNet::to_string);
    let ca_file = section.optional_path("ca_file");
    if files.len() > 2 {
        section
            .problem("secret_file", "names more than two files; two are enough while one replaces the other");
    }
    if url.is_some() && files.is_empty() {
        section.problem("secret_file", "is missing; events are signed with it");
    }
    if url.is_none() && !files.is_empty() && !section.is_set("url") {
        section.problem("url", "is missing; secret_file is for the events sent there");
    }
    Notifications {
        url,
        secrets: files.into_iter().map(|path| Arc::new(SecretFile::named(WHAT, path))).collect(),
        max_age: DAY * u32::try_from(days).unwrap_or(u32::MAX),
        allowed_networks,
        ca_file,
    }
}

/// What the secret is, for the log.
const WHAT: &str = "a secret that events are signed with";

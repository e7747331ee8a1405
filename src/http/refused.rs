//! Callbacks that were turned away, with where they came from: for the operator, in memory only.

use serde::Serialize;
use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

/// Sources kept apart. What comes from more of them is counted together: a flood does not fill the memory.
const MOST_SOURCES: usize = 100;

/// Why a callback was turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Refusal {
    /// The address is not allowed.
    Source,
    /// The token is unknown, missing, or another transaction's.
    Token,
    /// Larger than allowed.
    TooLarge,
    /// Not a form.
    NotAForm,
    /// It did not arrive in time.
    TooSlow,
    /// It could not be stored; Jumio was told so.
    NotStored,
}

impl Refusal {
    /// The spelling in `/v1/status` and in metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Token => "token",
            Self::TooLarge => "too-large",
            Self::NotAForm => "not-a-form",
            Self::TooSlow => "too-slow",
            Self::NotStored => "not-stored",
        }
    }
}

/// One line of the count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Counted {
    source: Option<IpAddr>,
    why: Refusal,
    count: u64,
}

/// The counts since the start.
#[derive(Debug, Default)]
pub(crate) struct Refused(Mutex<BTreeMap<(Refusal, Option<IpAddr>), u64>>);

impl Refused {
    /// Counts one.
    pub(crate) fn count(&self, why: Refusal, source: Option<IpAddr>) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = counts.contains_key(&(why, source));
        let key = if known || counts.len() < MOST_SOURCES { (why, source) } else { (why, None) };
        *counts.entry(key).or_default() += 1;
    }

    /// The counts by reason, whatever the source.
    pub(crate) fn by_reason(&self) -> BTreeMap<Refusal, u64> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sums = BTreeMap::new();
        for ((why, _source), count) in &*counts {
            *sums.entry(*why).or_default() += count;
        }
        sums
    }

    /// All counts; a line without source stands for all the sources that were not kept apart.
    pub(crate) fn all(&self) -> Vec<Counted> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts
            .iter()
            .map(|((why, source), count)| Counted { source: *source, why: *why, count: *count })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_from_everywhere_is_counted_and_not_kept() {
        let refused = Refused::default();
        for n in 0..10_000_u32 {
            refused.count(Refusal::Source, Some(IpAddr::from(n.to_be_bytes())));
        }
        let all = refused.all();
        assert!(all.len() <= MOST_SOURCES + 1);
        assert_eq!(all.iter().map(|line| line.count).sum::<u64>(), 10_000);
    }
}

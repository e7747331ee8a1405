//! What the operator decides about onboardings (contract §2, `[ingest]`).

use std::time::Duration;

/// Which transactions are acted upon when a callback names them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Accept {
    /// Those started or announced here, and those whose merchant reference begins with a configured prefix.
    #[default]
    Known,
    /// Every transaction that the credentials can retrieve.
    All,
}

/// When the original at Jumio is deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DeleteOriginal {
    /// Once the company has released the enrollment.
    #[default]
    OnRelease,
    /// As soon as the facemap is vaulted and read back; a second enrollment of a user still waits for its release.
    AtOnce,
    /// Never by the vault: an enrollment gets ready once Jumio shows the original gone.
    Never,
}

/// What becomes of an enrollment whose place another one took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnReplacement {
    /// It stays, unused, until retention or a purge.
    #[default]
    Keep,
    /// It is purged.
    PurgePrevious,
}

/// The settings of this room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IngestConfig {
    /// Which transactions are acted upon.
    pub accept: Accept,
    /// Merchant references that make a transaction ours. An empty prefix matches nothing.
    pub reference_prefixes: Vec<String>,
    /// When the original is deleted.
    pub delete_original: DeleteOriginal,
    /// Whether the original of an ineligible onboarding is deleted too.
    pub delete_ineligible: bool,
    /// What becomes of a replaced enrollment.
    pub on_replacement: OnReplacement,
    /// When the Retrieval API is asked, counted from the start, the announcement, or the last sign of life.
    pub poll_schedule: Vec<Duration>,
    /// How long after its token's end an onboarding that nobody finished is abandoned. The queue's policy says how long
    /// something that fails is tried.
    pub retry_for: Duration,
    /// How long a caller who starts a verification waits for the budget.
    pub wait: Duration,
}

impl Default for IngestConfig {
    fn default() -> Self {
        let schedule = [40, 60, 100, 160, 240, 340, 460, 600, 760, 940];
        Self {
            accept: Accept::default(),
            reference_prefixes: Vec::new(),
            delete_original: DeleteOriginal::default(),
            delete_ineligible: false,
            on_replacement: OnReplacement::default(),
            poll_schedule: schedule.map(Duration::from_secs).to_vec(),
            retry_for: Duration::from_hours(72),
            wait: Duration::from_secs(10),
        }
    }
}

impl IngestConfig {
    /// Whether a callback with this merchant reference is about a transaction of ours although nobody announced it.
    #[must_use]
    pub fn adopts(&self, merchant_reference: Option<&str>) -> bool {
        self.accept == Accept::All
            || merchant_reference.is_some_and(|reference| {
                self.reference_prefixes
                    .iter()
                    .any(|prefix| !prefix.is_empty() && reference.starts_with(prefix))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_configured_prefix_or_the_choice_of_all_adopts_what_nobody_announced() {
        let mut config = IngestConfig { reference_prefixes: vec!["shop-".into()], ..IngestConfig::default() };
        assert!(config.adopts(Some("shop-1")));
        assert!(!config.adopts(Some("Shop-1")));
        assert!(!config.adopts(Some("other")));
        assert!(!config.adopts(None));
        config.accept = Accept::All;
        assert!(config.adopts(None));
    }

    #[test]
    fn an_empty_prefix_does_not_open_the_door_to_everybody() {
        let config = IngestConfig { reference_prefixes: vec![String::new()], ..IngestConfig::default() };
        assert!(!config.adopts(Some("anything")));
    }
}

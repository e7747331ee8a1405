//! `[retention]`: what is destroyed by itself.

use super::section::Section;
use custody::RetentionConfig;

pub(super) fn read(section: &mut Section<'_, '_>) -> RetentionConfig {
    let mut days =
        |key, default| u32::try_from(section.number(key, default, 0..=36_500, "days")).unwrap_or(u32::MAX);
    let (max_age_days, max_idle_days) = (days("max_age_days", 0), days("max_idle_days", 1095));
    RetentionConfig {
        max_age_days,
        max_idle_days,
        sweep_interval: section.seconds("sweep_interval_seconds", 3600, 60..=86_400),
        max_fraction_per_day: section.fraction("max_fraction_per_day", 0.01),
    }
}

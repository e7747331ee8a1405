//! Acts, counted from the book: whatever is written down there is counted here, at this one place, and no flow knows.

use super::{Counts, Labels, Unseen};
use audit::{Action, Audit, Entry, Filter, Outcome, Part};
use prometheus_client::registry::Registry;

/// Entries that are read at once.
const PAGE: usize = 1000;
/// Entries that are read for one answer; what is left is for the next.
const MOST: usize = 50_000;

/// The counts.
#[derive(Debug, Clone, Default)]
pub(super) struct Acts {
    all: Counts<2>,
    results: Counts<1>,
}

impl Acts {
    pub(super) fn register(&self, registry: &mut Registry) {
        let help = "Acts that came to an end, as the book has them: posts to Jumio, purges, deletions, releases, links, holds";
        registry.register("acts", help, self.all.clone());
        let help = "Results of authentications that became known";
        registry.register("authentication_results", help, self.results.clone());
    }

    /// Counts what was written down after this position; gives back how far that was.
    pub(super) async fn follow(&self, audit: &Audit, from: u64) -> Result<u64, Unseen> {
        let (mut position, mut read) = (from, 0);
        while read < MOST {
            let page = audit.entries(position, None, &Filter::default(), PAGE).await?;
            let Some(last) = page.items.last() else { return Ok(position) };
            position = last.position;
            read += page.items.len();
            for listed in &page.items {
                self.count(&listed.entry);
            }
            if page.next.is_none() {
                break;
            }
        }
        Ok(position)
    }

    fn count(&self, entry: &Entry) {
        if entry.part == Part::Begin {
            return;
        }
        let Some(outcome) = entry.outcome else { return };
        let labels: Labels<2> = [("act", name(entry.action)), ("outcome", word(outcome))];
        self.all.get_or_create(&labels).inc();
        if entry.action == Action::AuthenticationResult {
            let result = entry.details.get("result").unwrap_or_default();
            let known = model::AuthenticationState::ALL.iter().map(|state| state.as_str());
            let result = known.into_iter().find(|known| *known == result).unwrap_or("unknown");
            self.results.get_or_create(&[("result", result)]).inc();
        }
    }
}

const fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Done => "done",
        Outcome::Refused => "refused",
        Outcome::Failed => "failed",
        Outcome::Unknown => "unknown",
        Outcome::Interrupted => "interrupted",
        _ => "other",
    }
}

/// An action's name, as in `GET /v1/audit`.
const fn name(action: Action) -> &'static str {
    match action {
        Action::VerificationStarted => "verification-started",
        Action::EnrollmentAnnounced => "enrollment-announced",
        Action::Vaulted => "vaulted",
        Action::Released => "released",
        Action::OriginalDeletion => "original-deletion",
        Action::EnrollmentReady => "enrollment-ready",
        Action::EnrollmentIneligible => "enrollment-ineligible",
        Action::EnrollmentAbandoned => "enrollment-abandoned",
        Action::EnrollmentFailed => "enrollment-failed",
        Action::EnrollmentReplaced => "enrollment-replaced",
        Action::AuthenticationPosted => "authentication-posted",
        Action::AuthenticationSuperseded => "authentication-superseded",
        Action::AuthenticationResult => "authentication-result",
        Action::AuthenticationRedeemed => "authentication-redeemed",
        Action::AuthenticationDeletion => "authentication-deletion",
        Action::PurgeOrdered => "purge-ordered",
        Action::Purge => "purge",
        Action::PurgeAtJumio => "purge-at-jumio",
        Action::HoldSet => "hold-set",
        Action::HoldReleased => "hold-released",
        Action::RetentionSweep => "retention-sweep",
        Action::Imported => "imported",
        Action::KeyRotated => "key-rotated",
        Action::KeysRewrapped => "keys-rewrapped",
        Action::KeyRemoved => "key-removed",
        Action::IntegrityChecked => "integrity-checked",
        Action::BackedUp => "backed-up",
        Action::DossierRead => "dossier-read",
        Action::LinkCreated => "link-created",
        Action::LinkPressed => "link-pressed",
        Action::LinkWithdrawn => "link-withdrawn",
        Action::UserLocked => "user-locked",
        Action::UserUnlocked => "user-unlocked",
        Action::Batch => "batch",
        Action::CallbackReplayed => "callback-replayed",
        Action::EventReplayed => "event-replayed",
        _ => "other",
    }
}

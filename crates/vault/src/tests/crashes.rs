//! A kill at every step, and the start after it.

use super::{Home, enrollment, facemap, subject, sweep::sweep};
use crate::{Contents, Named, STEPS, SlotKind, SlotRef, SlotStatus, Step, Vault, VaultError};
use model::FacemapBytes;
use std::{collections::HashMap, time::Duration};

/// What the store would know: a vaulting and a purge write here in the order of DESIGN §3.6.
#[derive(Default)]
struct Record {
    slot: Option<SlotRef>,
    contents: Option<Contents>,
    purging: bool,
    purged: bool,
}

impl Record {
    fn named(&self) -> HashMap<SlotRef, Named> {
        let named = match (self.purged, self.purging, self.contents) {
            (true, _, _) => Named::RecordGone,
            (_, true, _) => Named::Purging,
            (_, _, Some(contents)) => Named::RecordWithContent { enrollment: enrollment(1), contents },
            _ => Named::RecordWithoutContent,
        };
        self.slot.map(|slot| (slot, named)).into_iter().collect()
    }

    /// Onboards, from wherever it stopped.
    async fn vaulting(&mut self, vault: &Vault) -> Result<(), VaultError> {
        let slot = match self.slot {
            Some(slot) => slot,
            None => *self.slot.insert(vault.prepare(SlotKind::Facemap, subject(1)).await?),
        };
        if self.contents.is_none() {
            self.contents =
                Some(vault.put(slot, &enrollment(1), b"", FacemapBytes::new(facemap(1, 3000))).await?);
        }
        vault.make_live(slot).await?;
        // And the wrapping key is changed once.
        if vault.0.provider.ids().len() == 1 {
            vault.0.provider.rotate().await.unwrap();
        }
        vault.rewrap(0).await.map(drop)
    }

    /// Purges, from wherever it stopped.
    async fn purge(&mut self, vault: &Vault) -> Result<(), VaultError> {
        self.purging = true;
        let slot = self.slot.unwrap();
        vault.burn(slot).await?;
        vault.destroy_content(slot).await?;
        self.purged = true;
        Ok(())
    }
}

/// Stops at `step` wherever it comes, starts again, sweeps, and finishes. Gives back whether the step was reached.
async fn killed_at(step: Step, days_away: u64) -> bool {
    let home = Home::new();
    let mut record = Record::default();
    let vault = home.open().await;
    vault.fail_at(Some(step));
    let first = match record.vaulting(&vault).await {
        Ok(()) => record.purge(&vault).await,
        stopped => stopped,
    };
    let reached = matches!(first, Err(VaultError::Injected(at)) if at == step);
    drop(vault);
    home.clock.advance(Duration::from_hours(24 * days_away + 1));

    let vault = home.open().await;
    sweep(&vault, &record.named()).await.unwrap_or_else(|error| panic!("after {step:?}: {error}"));
    if !record.purging {
        record.vaulting(&vault).await.unwrap();
        let opened =
            vault.open_facemap(record.slot.unwrap(), &enrollment(1), &record.contents.unwrap()).await;
        assert_eq!(opened.unwrap().expose(), facemap(1, 3000));
    }
    assert_eq!(sweep(&vault, &record.named()).await.unwrap().made_live, 0, "after {step:?} all is in order");
    record.purge(&vault).await.unwrap();
    sweep(&vault, &record.named()).await.unwrap();
    let content = home.bytes().into_keys().filter(|path| path.starts_with(home.paths().content_dir)).count();
    assert_eq!(content, 0, "after {step:?} nothing is left behind");
    for view in vault.slots(0).await.unwrap().views {
        // A slot whose caller never learnt of it is nobody's, and goes after a day.
        let unnamed = Some(view.slot) != record.slot;
        assert!(view.status == SlotStatus::Burnt || unnamed && days_away == 0, "after {step:?}: {view:?}");
    }
    reached
}

#[tokio::test]
async fn whatever_step_a_kill_comes_at_the_next_start_finishes_or_clears_it() {
    for step in STEPS {
        assert!(killed_at(step, 0).await, "{step:?} was not reached");
        assert!(killed_at(step, 2).await, "{step:?} was not reached");
    }
}

#[tokio::test]
async fn a_put_cut_short_at_any_step_leaves_nothing_that_opens_and_may_be_repeated() {
    for step in
        [Step::KeyDurable, Step::TemporaryHalf, Step::TemporaryDurable, Step::Renamed, Step::ContentDurable]
    {
        let home = Home::new();
        let vault = home.open().await;
        let slot = vault.prepare(SlotKind::Facemap, subject(1)).await.unwrap();
        vault.fail_at(Some(step));
        vault.put(slot, &enrollment(1), b"", FacemapBytes::new(facemap(1, 3000))).await.unwrap_err();
        assert_eq!(vault.view(slot).await.unwrap().status, SlotStatus::Prepared, "{step:?}");
        vault.fail_at(None);
        let contents =
            vault.put(slot, &enrollment(1), b"", FacemapBytes::new(facemap(2, 3000))).await.unwrap();
        vault.make_live(slot).await.unwrap();
        let opened = vault.open_facemap(slot, &enrollment(1), &contents).await.unwrap();
        assert_eq!(opened.expose(), facemap(2, 3000), "{step:?}");
    }
}

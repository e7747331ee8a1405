//! What a restore does to slots: whoever was purged is burnt, whoever is held by the records is held, whoever is in use gets
//! the content back.

use crate::RepairError;
use model::EnrollmentState;
use records::{Records, tables};
use register::inspect;
use store::Range;
use vault::{FacemapId, SlotKind, SlotStatus, Vault};

/// Burns every slot of whoever the records know as purged, whatever mark is on one that no record names. A purge under way
/// finishes by itself.
pub(super) async fn burn_purged(backup: &Records, vault: &Vault) -> Result<u64, RepairError> {
    const PAGE: usize = 256;
    let (mut burnt, mut after) = (0, None);
    loop {
        let range = Range { after, ..Range::default() };
        let rows = backup.store().scan(tables::ENROLLMENTS, &range, PAGE).await?;
        let Some(last) = rows.last() else { return Ok(burnt) };
        after = Some(last.key.to_vec());
        for row in rows {
            let Ok((key, row)) = inspect::enrollment_row(backup, &row.key, &row.value) else { continue };
            if row.state != EnrollmentState::Purged {
                continue;
            }
            for view in vault.slots_of(key.0).await?.views {
                let is_in_use = matches!(view.status, SlotStatus::Prepared | SlotStatus::Live);
                if view.kind != SlotKind::Facemap || !is_in_use {
                    continue;
                }
                if view.slot == row.slot {
                    vault.burn(view.slot).await?;
                } else {
                    vault.burn_unnamed(view.slot).await?;
                }
                vault.destroy_content(view.slot).await?;
                burnt += 1;
            }
        }
    }
}

/// Sets on the slots of a copy the holds and replacements that the records know and the older copy does not. A live slot file
/// is younger than any records: what it does not say was taken back. Gives sentences for the list of what is to be read.
pub(super) async fn mark_known(backup: &Records, vault: &Vault) -> Result<Vec<String>, RepairError> {
    const PAGE: usize = 256;
    let (mut held, mut replaced, mut after) = (0_u64, 0_u64, None);
    loop {
        let range = Range { after, ..Range::default() };
        let rows = backup.store().scan(tables::ENROLLMENTS, &range, PAGE).await?;
        let Some(last) = rows.last() else { break };
        after = Some(last.key.to_vec());
        for row in rows {
            let Ok((key, row)) = inspect::enrollment_row(backup, &row.key, &row.value) else { continue };
            if !row.hold && row.replaced_by.is_none() {
                continue;
            }
            // Of the same person, whatever slot the copy has for them: a hold is on the person.
            for view in vault.slots_of(key.0).await?.views {
                let is_in_use = matches!(view.status, SlotStatus::Prepared | SlotStatus::Live);
                if view.kind != SlotKind::Facemap || !is_in_use {
                    continue;
                }
                if row.hold && !view.hold {
                    vault.set_hold(view.slot, true).await?;
                    held += 1;
                }
                if row.replaced_by.is_some() && view.slot == row.slot && !view.replaced {
                    vault.mark_replaced(view.slot, true).await?;
                    replaced += 1;
                }
            }
        }
    }
    let mut told = Vec::new();
    if held > 0 {
        told.push(format!(
            "{held} holds were known to the records and not to the older copy of the slots: they are in force again"
        ));
    }
    if replaced > 0 {
        told.push(format!(
            "{replaced} enrollments were replaced after the copy of the slots was made: they stay so, and whoever took \
             their place is here only if the copy has them"
        ));
    }
    Ok(told)
}

/// The facemaps of slots in use: no other content is put back.
pub(super) async fn in_use(vault: &Vault) -> Result<Vec<FacemapId>, RepairError> {
    let (mut ids, mut from) = (Vec::new(), Some(0));
    while let Some(start) = from {
        let page = vault.slots(start).await?;
        let in_use = page.views.iter().filter(|view| {
            view.kind == SlotKind::Facemap && matches!(view.status, SlotStatus::Prepared | SlotStatus::Live)
        });
        ids.extend(in_use.map(|view| view.slot.facemap));
        from = page.next;
    }
    Ok(ids)
}
